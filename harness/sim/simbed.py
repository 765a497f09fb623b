# SPDX-License-Identifier: BSD-2-Clause
"""What the simulator's tests share: both of its builds, and ways to run them."""
import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("DEOS_BUILD", "build"))
SIM = BUILD / "harness" / "sim"
CHECKED = BUILD / "harness" / "sim-checked"        # under sanitizers


def build(program: Path):
    """Builds what `make all` does not, or has not."""
    make = os.environ.get("MAKE", "make")
    subprocess.run([make, "--no-print-directory", "-s", f"B={BUILD}", str(program)], cwd=ROOT,
                   check=True, env=dict(os.environ, MAKELEVEL="1"))


def run(*arguments: str, program: Path = SIM) -> subprocess.CompletedProcess:
    """Runs the simulator to its end."""
    return subprocess.run([program, *arguments], cwd=ROOT, capture_output=True, text=True,
                          check=False)


def passes(*arguments: str, program: Path = SIM) -> str:
    """The output of a run in which nothing may be wrong."""
    done = run(*arguments, program=program)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-4000:]
    return done.stdout


def hashes(*arguments: str, program: Path = SIM) -> list[str]:
    """One line for each seed."""
    lines = passes("--hashes", *arguments, program=program).splitlines()
    return [line for line in lines if line.startswith("seed ")]


def words(path: str, column: int) -> list[str]:
    """What stands in a column of a table of X macros, without quotes."""
    text = (ROOT / path).read_text(encoding="utf-8")
    rows = re.findall(r"^X\((.*)\)$", text, re.MULTILINE)
    return [row.split(",")[column].strip().strip('"') for row in rows]

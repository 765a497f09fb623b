# SPDX-License-Identifier: BSD-2-Clause
"""What tests of simulators share: their builds, ways to run them, and what is wanted of
each bug that can be planted."""
import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("DEOS_BUILD", "build"))


def build(*programs: Path):
    """Builds what `make all` does not, or has not."""
    subprocess.run([os.environ.get("MAKE", "make"), "--no-print-directory", "-s", f"B={BUILD}",
                    *map(str, programs)], cwd=ROOT, check=True,
                   env=dict(os.environ, MAKELEVEL="1"))


def words(path: str, column: int) -> list[str]:
    """What stands in a column of a table of X macros, without quotes."""
    text = (ROOT / path).read_text(encoding="utf-8")
    rows = re.findall(r"^X\((.*)\)$", text, re.MULTILINE)
    return [row.split(",")[column].strip().strip('"') for row in rows]


class Simulator:
    """A program of build/harness by its name; `checked` is its build under sanitizers."""

    def __init__(self, name: str):
        self.name = name
        self.program = BUILD / "harness" / name
        self.checked = BUILD / "harness" / f"{name}-checked"

    def run(self, *arguments: str, program: Path | None = None) -> subprocess.CompletedProcess:
        """Runs it to its end."""
        return subprocess.run([program or self.program, *arguments], cwd=ROOT,
                              capture_output=True, text=True, check=False)

    def passes(self, *arguments: str, program: Path | None = None) -> str:
        """The output of a run in which nothing may be wrong."""
        done = self.run(*arguments, program=program)
        assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-4000:]
        return done.stdout

    def hashes(self, *arguments: str, program: Path | None = None) -> list[str]:
        """One line for each seed."""
        lines = self.passes("--hashes", *arguments, program=program).splitlines()
        return [line for line in lines if line.startswith("seed ")]

    def refuses(self, *arguments: str):
        """Words that are wrong are told, with a hint, and end it with status 2."""
        done = self.run(*arguments)
        assert done.returncode == 2
        assert re.match(rf"\S*{self.name}: .*\n.*--help.*\n$", done.stderr), done.stderr

    def explains(self, names: list[str]):
        """--help has each of them in a table."""
        out = self.passes("--help")
        for name in names:
            assert re.search(rf"^  {name} ", out, re.MULTILINE), name

    def finds(self, bug: str, *how: str):
        """A planted bug is found, told so that it can be seen again, and is not there
        otherwise."""
        done = self.run(*how, "--bug", bug)
        assert done.returncode == 1, f"{bug} was not found:\n{done.stdout}{done.stderr}"
        again = re.search(r"^again: make \S+ SEEDS=(\d+) NODES=(\S+) (\w+)=(\S+) BUG=(\S+)",
                          done.stdout, re.MULTILINE)
        assert again and again[5] == bug
        same = ["--seeds", again[1], "--nodes", again[2], f"--{again[3].lower()}", again[4]]
        complaint = re.search(r"^seed .* failed at .*", done.stdout, re.MULTILINE)[0]
        second = self.run(*same, "--bug", bug, "--trace")
        assert second.returncode == 1 and complaint in second.stdout
        assert self.run(*same).returncode == 0, "it fails without the bug too"

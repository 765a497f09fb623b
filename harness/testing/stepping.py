# SPDX-License-Identifier: BSD-2-Clause
"""Builds and runs a rig that counts instructions by single steps (stepped.h): by itself, for
the sanitizers of the other host tests would be counted with it."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ["harness/testing/host_assert.c", "harness/testing/stepped.c"]
LIMIT_S = 280  # under pytest's own


def counted(folder: Path, flags: list[str], sources: list[str | Path]) -> list[list[str]]:
    """The words of each line that the rig prints."""
    program = folder / "rig"
    subprocess.run([os.environ.get("HOSTCC", "gcc"), *flags, "-o", program, *SOURCES, *sources],
                   cwd=ROOT, check=True)
    said = subprocess.run([program], capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert said.returncode == 0, said.stderr
    return [line.split() for line in said.stdout.splitlines()]

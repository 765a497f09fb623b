# SPDX-License-Identifier: BSD-2-Clause
"""The crowd joins nodes in QEMU, is lent pages, and reads them; `make crowd` measures."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CROWD = ROOT / os.environ.get("DEOS_BUILD", "build") / "harness" / "crowd"


def test_usage():
    """Everything else is told what is wanted."""
    for words in ((), ("socket", "test", "0", "2:0:0:0:0:1", "2:0:0:0:0:2"),
                  ("socket", "test", "3", "here", "2:0:0:0:0:2")):
        done = subprocess.run([CROWD, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 2 and "crowd --help" in done.stderr, words
    words = ("/nowhere", "test", "3", "2:0:0:0:0:1", "2:0:0:0:0:2")
    done = subprocess.run([CROWD, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "there is no switch" in done.stderr


@pytest.mark.qemu
def test_three_members_read():
    """Pages are read of both nodes, and the owner's instructions are counted."""
    done = subprocess.run(
        [sys.executable, ROOT / "harness" / "crowd" / "crowd.py", "--peers", "3",
         "--seconds", "1", "--rounds", "1", "--rate", "200"],
        capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    rows = re.findall(r"^crowd peers=(\d) reads=(\d+) asked=(\d+) instructions_per_read=(\d+) ",
                      done.stdout, re.M)
    assert [row[0] for row in rows] == ["2", "3"], done.stdout
    for _, reads, asked, instructions in rows:
        assert int(asked) > int(reads) > 0 and int(instructions) > 4096, rows

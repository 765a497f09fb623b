# SPDX-License-Identifier: BSD-2-Clause
"""What the checker of volumes says of words and files that are wrong. What it finds in
volumes is tested by image_test.c, and on those of nodes by harness/guest/test_volume.py."""
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / os.environ.get("DEOS_BUILD", "build") / "harness/volume-check"


def run(*words: str) -> subprocess.CompletedProcess:
    """Runs it to its end."""
    return subprocess.run([PROGRAM, *words], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("words", [
    (), ("disk",), ("disk", "0"), ("disk", "0", "2"), ("disk", "0", "4097"), ("disk", "x", "3"),
    ("disk", "4294967296", "3"), ("disk", "0", "3", "4"), ("--what", "disk", "0", "3")])
def test_usage(words):
    done = run(*words)
    assert done.returncode == 2 and "volume-check --help" in done.stderr


def test_a_file_that_is_absent_or_short(tmp_path):
    disk = tmp_path / "disk"
    done = run(str(disk), "0", "3")
    assert done.returncode == 2 and "cannot be opened" in done.stderr
    disk.write_bytes(bytes(2 * 4096))
    done = run(str(disk), "0", "3")
    assert done.returncode == 2 and "does not have those blocks" in done.stderr

#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Each bug that the cores can be made to have is found, and told so that it can
be seen again."""
import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
from simbed import SIM, build, run, words  # noqa: E402

BUGS = words("net/wire/bugs.def", 0)
SEEDS = 200         # within these each is found
# What shows only when a session ends with requests on their way.
FAULTS = {"LEASE": "oneway,pause,delay", "WAIT_SHORT": "oneway,pause,delay"}


@pytest.fixture(scope="module", autouse=True)
def built():
    """The fast build."""
    build(SIM)


def test_there_are_enough():
    assert len(set(BUGS)) >= 10


@pytest.mark.parametrize("bug", BUGS)
def test_planted_bug_is_found(bug):
    done = run("--seeds", f"1..{SEEDS}", "--faults", FAULTS.get(bug, "swarm"), "--bug", bug)
    assert done.returncode == 1, f"{bug} was not found:\n{done.stdout}"
    again = re.search(r"^again: make sim SEEDS=(\d+) NODES=(\S+) FAULTS=(\S+) BUG=(\S+)",
                      done.stdout, re.MULTILINE)
    assert again and again[4] == bug
    same = ["--seeds", again[1], "--nodes", again[2], "--faults", again[3]]
    complaint = re.search(r"^seed .* failed at .*", done.stdout, re.MULTILINE)[0]
    second = run(*same, "--bug", bug, "--trace")
    assert second.returncode == 1 and complaint in second.stdout
    assert run(*same).returncode == 0, "it fails without the bug too"

#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Each kind of fault, alone: nodes feel all that felt.def says of it, and of no other."""
import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
from simbed import SIM, passes, run  # noqa: E402
from simulator import build, words  # noqa: E402

NAMES, KINDS = words("harness/sim/felt.def", 0), words("harness/sim/felt.def", 1)
WORDS = dict(zip(words("harness/sim/faults.def", 0), words("harness/sim/faults.def", 1)))
ROWS = {word: {name for name, kind in zip(NAMES, KINDS) if WORDS[kind] == word}
        for word in WORDS.values()}

# What a kind brings with it: paths look alike however they were cut, whoever is slow or
# cut off hears late, and a crash is one whatever it is for.
CUTS = {"PARTED", "BETWEEN", "UP_DOWN"}
BESIDE = {"delay": {"AT_ONCE"}, "clog": {"LATE"}, "oneway": {"LATE", "AT_ONCE", *CUTS},
          "partition": CUTS, "bridge": CUTS, "flap": CUTS, "overrun": {"WAITED", "TIMER"},
          "step": {"APART"}, "crash": {"STORM"}, "empty": {"STORM"},
          "storm": {"KEPT", "FORGOT", "UNFLUSHED"}, "member": {"STORM", "UNFLUSHED"},
          "version": {"STORM", "KEPT", "ALTERED"}, "forge": {"AGAIN"}}


@pytest.fixture(scope="module", autouse=True)
def built():
    """The fast build."""
    build(SIM)


def felt(out: str) -> set[str]:
    """What was felt at all."""
    line = re.search(r"^felt:(.*)", out, re.MULTILINE)[1]
    counts = {name: int(n) for name, n in re.findall(r"(\w+) (\d+)", line)}
    assert list(counts) == NAMES
    return {name for name, n in counts.items() if n}


@pytest.mark.parametrize("kind", WORDS.values())
def test_a_kind_alone_is_felt(kind):
    out = passes("--seeds", "1..40", "--nodes", "3..4", "--faults", kind)
    assert ROWS[kind], "felt.def says nothing of it"
    assert ROWS[kind] <= felt(out), ROWS[kind] - felt(out)
    assert felt(out) <= ROWS[kind] | BESIDE.get(kind, set())


def test_of_nothing_nothing_is_felt():
    assert felt(passes("--seeds", "1..10", "--faults", "none")) == set()


def test_what_is_never_felt_fails_the_run():
    done = run("--seeds", "1..1", "--faults", "none", "--marks")
    assert done.returncode == 1 and "never felt: BACKLOG: a frame" in done.stdout

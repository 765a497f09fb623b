#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The shared memory's core in its simulator: seeds, scenarios, and each planted bug."""
import re

import pytest
from simulator import Simulator, build, words

SIM = Simulator("dsm-sim")
BUGS = words("dsm/core/bugs.def", 0)
SCENARIOS = words("harness/dsmsim/scenarios.def", 0)
BUDGET = 300        # seeds within which each is found
# Where the window is narrow, the scenario that aims at it.
AIMED = {"NO_FENCE": "zombie", "HASTY_HOME": "zombie", "UNKNOWN_DONE": "evict",
         "LATE_WRITEBACK": "evict", "PLAIN_ORDER": "wrap", "NO_PROMISE": "twice",
         "OLD_SUMMARY": "home", "MOVED_EARLY": "join", "EARLY_FENCE": "storm",
         "NO_WAY_BACK": "flap", "OLD_NEWS": "cut", "SPOILED_WASTED": "publish",
         "UNHEARD_DEAD": "rest", "LOSS_FORGOTTEN": "pair", "LOSS_UNTOLD": "pair",
         "RESET_STAYS": "heat", "SAID_BY_HALF": "said"}
# What is rarer still: seeds from there.
FIRST = {"NO_WAY_BACK": 400, "LOSS_FORGOTTEN": 300, "LOSS_UNTOLD": 1100, "SPOILED_WASTED": 400,
         "SAID_BY_HALF": 5000}


@pytest.fixture(scope="module", autouse=True)
def built():
    """Both builds."""
    build(SIM.program, SIM.checked)


def test_a_thousand_seeds():
    """All is well; and all of it has happened: a check of nothing passes."""
    out = SIM.passes("--seeds", "1..1000")
    assert "1000 seeds" in out
    counts = {word: int(n) for word, n in re.findall(r"(\w+) (\d+)", out.split("\n", 1)[1])}
    assert len(counts) >= 13 and all(counts.values()), counts
    assert all(int(n) > 10_000 for n in re.findall(r"(\d+) \w+[,\n]", out.split("\n")[0])), out


def test_seeds_under_sanitizers():
    SIM.passes("--seeds", "1..40", program=SIM.checked)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario(scenario):
    SIM.passes("--seeds", "5001..5010", "--scenario", scenario)


@pytest.mark.parametrize("bug", BUGS)
def test_planted_bug_is_found(bug):
    scenario, first = AIMED.get(bug, "any"), FIRST.get(bug, 1)
    SIM.finds(bug, "--seeds", f"{first}..{first + BUDGET - 1}", "--scenario", scenario)


@pytest.mark.parametrize("arguments", [
    ["--seeds"], ["--seeds", "x"], ["--seeds", "5..3"], ["--nodes", "1"], ["--nodes", "8"],
    ["--bug", "nosuch"], ["--scenario", "rain"], ["--what", "7"], ["7"]])
def test_usage_errors(arguments):
    SIM.refuses(*arguments)


def test_help_names_everything():
    SIM.explains([*BUGS, *SCENARIOS])

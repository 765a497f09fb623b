#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The cluster's cores on simulated nodes: the seeds of every test run, that a seed is a
run, and that each bug that can be planted is found and told so that it can be seen
again."""
import re

import pytest
from simulator import Simulator, build, words

SIM = Simulator("sim-cluster")
CHECKED = SIM.checked
run, passes, hashes = SIM.run, SIM.passes, SIM.hashes
pytestmark = pytest.mark.apart

EPISODES = ("delay", "lag", "starve", "disk", "partition", "oneway", "pause", "crash", "forget")

# Where each bug shows: the faults, the nodes, and within how many seeds.
BUGS = {
    "NOT_DURABLE": ("crash,disk,pause", "3..4", 600),
    "PROMISE": ("swarm", "3..7", 50),
    "BALLOT": ("swarm", "3..7", 50),
    "OLD_VALUE": ("swarm", "3..7", 50),
    "EARLY": ("swarm", "3..7", 50),
    "MINORITY": ("swarm", "3..7", 100),
    "TWICE": ("swarm", "3..7", 50),
    "AMNESIA": ("forget,pause,partition,lag", "3..4", 600),
    "HEALTH": ("lag", "3..7", 100),
    "REFUTATION": ("swarm", "3..7", 50),
    "TURN": ("swarm", "3..7", 50),
    "PAUSE": ("swarm", "3..7", 50),
    "REVISIT": ("partition,oneway,loss,crash", "3", 600),
}


def number(out: str, before: str, after: str = "") -> float:
    """A number of the summary, by what stands around it."""
    return float(re.search(rf"{before}([\d.]+){after}", out)[1])


@pytest.fixture(scope="module", autouse=True)
def built():
    """Both builds."""
    build(SIM.program, CHECKED)


LONG = [pytest.param(seeds, marks=pytest.mark.long)
        for seeds in ("301..600", "601..1000")]


@pytest.mark.parametrize("seeds", ["1..300", *LONG])
def test_seeds(seeds):
    """All is well; and all of it has happened: a check of nothing passes."""
    out = passes("--seeds", seeds)
    for kind in EPISODES:
        assert number(out, f"episodes:.* {kind} ") > 0, out
    for word in ("done", "refused", "unknown", "not done", "suspicions", "deaths",
                 "refutations", "pauses", "disks lost"):
        assert number(out, f"{word} ") > 0, out


def test_seeds_under_sanitizers():
    passes("--seeds", "1..15", program=CHECKED)


def test_all_faults_at_once():
    passes("--seeds", "1..20", "--nodes", "3..16", "--faults", "all")


def test_starved_nodes_are_not_taken_for_dead():
    """Sixteen nodes that get a processor now and then, and messages that take half a
    second: the model lets no node be declared dead that lives."""
    out = passes("--seeds", "1..12", "--nodes", "16", "--faults", "starve,lag")
    assert number(out, "starve ") > 10 and number(out, "suspicions ") > 100
    # The one that each seed kills, seen by the fifteen others.
    assert number(out, "deaths ") == 12 * 15


def test_peace_costs_little():
    """A ping and its answer in each round of 200 ms."""
    out = passes("--seeds", "1..20", "--nodes", "3", "--faults", "none")
    assert 9 <= number(out, "idle: ", " messages") <= 11


def test_a_seed_is_the_same_run_twice():
    passes("--seeds", "1..10", "--twice")


def test_a_seed_is_the_same_run_alone_and_in_another_build():
    many = hashes("--seeds", "30..33")
    assert len(set(many)) == 4
    assert hashes("--seeds", "32") == [many[2]]
    assert hashes("--seeds", "32", program=CHECKED) == [many[2]]


def test_all_bugs_are_looked_for():
    assert set(BUGS) == set(words("cluster/planted/bugs.def", 0))


@pytest.mark.parametrize("bug", BUGS)
def test_planted_bug_is_found(bug):
    faults, nodes, seeds = BUGS[bug]
    SIM.finds(bug, "--seeds", f"1..{seeds}", "--faults", faults, "--nodes", nodes)


@pytest.mark.parametrize("arguments", [
    ["--seeds"], ["--seeds", "x"], ["--seeds", "5..3"], ["--nodes", "1"], ["--nodes", "17"],
    ["--faults", "loss,"], ["--faults", "rain"], ["--bug", "nosuch"], ["7"]])
def test_usage_errors(arguments):
    SIM.refuses(*arguments)


def test_help_names_everything():
    SIM.explains([*BUGS, *EPISODES])

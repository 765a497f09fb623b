#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The search of states: nothing is wrong in a small one, planted bugs are found, and a
way that was printed can be gone again."""
import re
import subprocess

import pytest
from simulator import Simulator, build

SEARCH = Simulator("search")
run = SEARCH.run
STATES = 100000         # of each world, in every test run; `make search` has ten million

# Those that show within so few steps of three nodes; harness/sim and harness/dsmsim find
# every one.
BUGS = {
    "fabric": ["REPLAY", "SESSION_KEY", "LEASE", "TWICE", "FORGET", "CANCEL_RUNS", "ERA",
               "HOLDER", "GENERATION", "RANGE", "RIGHTS", "NOT_DONE_LATE", "FENCE",
               "HELLO_ECHO"],
    "pages": ["EARLY_ACK", "CLAIM_LOOSE", "LATE_WRITEBACK", "NO_ABSENT_ACK", "ONE_ACK",
              "UNKNOWN_DONE", "UNMAP_LATE", "NO_WRITEBACK", "PLAIN_ORDER", "BARRIER_REUSE"],
    "members": ["BUSY_STAYS", "DEAD_SHARER", "SILENT_LOSS", "UNHEARD_DEAD"],
    "published": ["PAIR_UNSAID"],
    "few": ["UPGRADE_KEEPS", "ACK_ANY", "NO_FENCE", "HASTY_HOME", "MOVED_EARLY", "OLD_SUMMARY",
            "NO_PROMISE", "SPOILED_WASTED"],
}
MORE = {"SESSION_KEY": 4, "few": 10}      # times as many states
# Too far for layers: walks from this start.
WALKS = {"NO_WAY_BACK": "5", "OLD_NEWS": "4", "EARLY_FENCE": "2"}


@pytest.fixture(scope="module", autouse=True)
def built():
    """Builds what `make all` does not, or has not."""
    build(SEARCH.program)


def met(done: subprocess.CompletedProcess) -> list[int]:
    """How many states, within how many steps all of them, the last, how many settled."""
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"(\d+) distinct states.* within (\d+) steps, the last behind (\d+);.*,"
                      r" (\d+) states settled", done.stdout)
    return [int(number) for number in found.groups()]


@pytest.mark.parametrize("world", [world for world in BUGS if world != "few"])
def test_nothing_is_wrong(world):
    states, depth, _, settled = met(run("--world", world, "--states", str(STATES)))
    assert states == STATES and depth >= 4 and settled > 50


def test_all_there_is():
    """Small worlds are gone through to their end."""
    done = run("--world", "few", "--states", str(STATES * MORE["few"]))
    states, depth, _, settled = met(done)
    assert "which are all there are" in done.stdout
    assert states > 50_000 and depth >= 30 and settled > 500


@pytest.mark.parametrize("world,bug", [(world, bug) for world, bugs in BUGS.items()
                                       for bug in bugs])
def test_planted_bug_is_found(world, bug):
    states = STATES * MORE.get(bug, MORE.get(world, 1))
    is_found(world, bug, "--states", str(states))


@pytest.mark.parametrize("bug,start", WALKS.items())
def test_planted_bug_is_found_on_a_walk(bug, start):
    is_found("members", bug, "--from", start, "--depth", "100", "--walks", "100000")


def is_found(world: str, bug: str, *how: str):
    """A bug is found so, told so that it can be seen again, and is not there otherwise."""
    done = run("--world", world, *how, "--bug", bug)
    assert done.returncode == 1, f"{bug} was not found:\n{done.stdout}"
    what = re.match(rf"{world}: {bug}: (.*), after (\d+) steps:\n", done.stdout)
    if what[2] == "0":
        return      # the first state itself cannot be made
    way = re.search(r"^again: make search WORLD=\S+ BUG=\S+ WAY=(\S*)$", done.stdout,
                    re.MULTILINE)[1]
    again = run("--world", world, "--bug", bug, "--way", way)
    assert again.returncode == 1 and f"wrong: {what[1]}" in again.stdout
    fine = run("--world", world, "--way", way)
    assert fine.returncode in (0, 2), "it is wrong without the bug too"


def test_a_sample_of_each_layer_goes_further():
    """All within a few steps is met, and what lies many steps behind them."""
    _, all_within, last, _ = met(run("--world", "members", "--states", str(STATES),
                                     "--layer", "300"))
    assert all_within >= 3 and last >= 25


@pytest.mark.parametrize("world", BUGS)
def test_nothing_is_wrong_on_walks(world):
    done = run("--world", world, "--walks", "1000")
    assert done.returncode == 0, done.stdout
    found = re.search(r": 1000 walks, the longest of (\d+) steps; (\d+) steps taken, 1000 states"
                      " settled", done.stdout)
    assert int(found[1]) >= 30 and int(found[2]) > 5000


def test_walks_are_the_same_again_and_begin_where_they_are_told_to():
    told = [run("--world", "members", "--from", "4", "--walks", "50").stdout for _ in range(2)]
    assert told[0] == told[1]
    assert run("--world", "few", "--from", "99", "--walks", "5").returncode == 2
    assert run("--world", "few", "--from", "0", "--depth", "1", "--walks", "5").returncode == 2


def test_it_begins_where_it_is_told_to():
    """All that follows a few steps: of a start of the small world, fewer than of all."""
    done = run("--world", "few", "--from", "0.0", "--states", str(STATES))
    assert "which are all there are" in done.stdout and met(done)[0] < STATES
    assert run("--world", "few", "--from", "99").returncode == 2


@pytest.mark.parametrize("arguments", [
    ["--world"], ["--world", "flat"], ["--states", "0"], ["--states", "x"], ["--depth", "999"],
    ["--layer", "x"], ["--walks", "-1"],
    ["--bug", "nosuch"], ["--way", "9999"], ["--rain", "1"]])
def test_usage_errors(arguments):
    done = run(*arguments)
    assert done.returncode == 2
    assert re.match(r"\S*search: ", done.stderr) and "search --help" in done.stderr


def test_help_names_worlds_and_bugs():
    out = run("--help").stdout
    for world, bugs in BUGS.items():
        assert re.search(rf"^{world}: ", out, re.MULTILINE)
        assert all(re.search(rf"^ *(\w+ )*{bug}\b", out, re.MULTILINE) for bug in bugs)

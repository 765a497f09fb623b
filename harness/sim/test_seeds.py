#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The seeds of every test run, and that a seed is a run."""
import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
from simbed import CHECKED, SIM, SIMULATOR, hashes, passes, run  # noqa: E402
from simulator import build, words  # noqa: E402

pytestmark = pytest.mark.apart

REFUSALS = ("slot", "holder", "life", "revoked", "rights", "type", "range", "argument",
            "cancelled", "session", "room", "device", "entry", "ticket", "expired", "spent",
            "maker")
BUGS = words("net/wire/bugs.def", 0)
FAULTS = words("harness/sim/faults.def", 1)


@pytest.fixture(scope="module", autouse=True)
def built():
    """Both builds of the simulator."""
    build(SIM)
    build(CHECKED)


def counts(line: str) -> dict[str, int]:
    """The numbers of a line like "refused: slot 3 holder 4"."""
    return {word: int(count) for word, count in re.findall(r"(\w+) (\d+)", line)}


def line_of(out: str, head: str) -> str:
    """The line of an output that begins so."""
    return re.search(f"^{head}.*", out, re.MULTILINE)[0]


LONG = [pytest.param(seeds, marks=pytest.mark.long)
        for seeds in (f"{first}..{first + 249}" for first in range(251, 2001, 250))]


@pytest.mark.parametrize("seeds", ["1..250", *LONG])
def test_seeds(seeds):
    """All is well; and all of it has happened: a check of nothing passes."""
    out = passes("--seeds", seeds)
    assert "250 seeds" in out
    refused = counts(line_of(out, "refused:"))
    assert all(refused[reason] > 0 for reason in REFUSALS), refused
    episodes = counts(line_of(out, "episodes:"))
    assert len(episodes) >= 19 and all(episodes.values()), episodes
    met = re.search(r"^(\d+) kinds of faults; least together: .* in (\d+) seeds$", out,
                    re.MULTILINE)
    assert int(met[1]) == len(FAULTS) >= 22 and int(met[2]) > 0
    fired = re.search(r"^(\d+) of (\d+) fault points have fired, (\d+) of (\d+) marks", out,
                      re.MULTILINE)
    assert int(fired[1]) > 0.9 * int(fired[2]) and int(fired[3]) > 0.9 * int(fired[4]), fired[0]
    histories = re.search(r"^(\d+) histories of words are linearizable, of (\d+)", out,
                          re.MULTILINE)
    assert int(histories[1]) > 1000 and int(histories[2]) > 10000
    frames = counts(line_of(out, "frames:"))
    assert frames and all(frames.values()), frames
    print(out.splitlines()[-1])
    done = re.findall(r"^([A-Z_]+) +(\d+) ", out, re.MULTILINE)
    assert len(done) >= 20
    for kind, count in done:
        assert int(count) > 0, f"no {kind} was done"


def test_seeds_under_sanitizers():
    passes("--seeds", "1..20", program=CHECKED)


def test_no_session_ends_by_what_is_refused():
    out = passes("--seeds", "1..50", "--faults", "duplicate,reorder,replay,forge,disk")
    frames = counts(line_of(out, "frames:"))
    assert frames["forged"] > 1000 and frames["replayed"] > 1000
    assert sum(counts(line_of(out, "refused:")).values()) > 1000


def test_all_faults_at_once():
    passes("--seeds", "1..50", "--faults", "all")


def test_many_nodes():
    out = passes("--seeds", "1..1", "--nodes", "64")
    assert int(re.search(r"(\d+) operations", out)[1]) > 500


def test_very_many_nodes():
    """A seed with all that can go wrong. Its cost is that of its frames: walks over all peers
    are rare, and it is quiet for as long as there is something to wait for."""
    nodes = 300
    out = passes("--seeds", "2..2", "--nodes", str(nodes), "--faults", "all")
    sessions, walks = map(int, re.search(
        r"^(\d+) sessions begun, all invariants of a node walked (\d+) times$", out,
        re.MULTILINE).groups())
    operations, events = map(int, re.search(r"(\d+) operations .* (\d+) events", out).groups())
    assert sessions >= nodes * (nodes - 1) and operations > nodes
    assert 10 * nodes < walks < events / nodes
    assert int(re.search(r"^(\d+) s of virtual time", out, re.MULTILINE)[1]) <= 6


def test_a_walk_among_many_nodes_finds_what_is_broken():
    done = run("--seeds", "1", "--nodes", "70", "--bug", "OLD_SLOTS")
    assert done.returncode == 1 and "net/link/check.c" in done.stdout


def test_a_seed_is_the_same_run_twice():
    passes("--seeds", "1..20", "--twice")


def test_a_seed_is_the_same_run_alone_and_in_another_build():
    many = hashes("--seeds", "30..33")
    assert len(set(many)) == 4
    assert hashes("--seeds", "32") == [many[2]]
    assert hashes("--seeds", "32", program=CHECKED) == [many[2]]


def test_no_faults_means_none():
    frames = counts(line_of(passes("--seeds", "1..10", "--faults", "none"), "frames:"))
    assert frames.pop("sent") > 1000
    assert not any(frames.values()), frames


@pytest.mark.parametrize("arguments", [
    ["--seeds"], ["--seeds", "x"], ["--seeds", "5..3"], ["--seeds", "-1"], ["--nodes", "1"],
    ["--nodes", "1025"], ["--faults", "loss,"], ["--faults", "rain"], ["--bug", "nosuch"], ["7"]])
def test_usage_errors(arguments):
    SIMULATOR.refuses(*arguments)


def test_help_names_everything():
    SIMULATOR.explains([*BUGS, *FAULTS])

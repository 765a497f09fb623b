#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The shared memory's core in its simulator: seeds, scenarios, and each planted bug."""
import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("DEOS_BUILD", "build"))
SIM = BUILD / "harness" / "dsm-sim"
CHECKED = BUILD / "harness" / "dsm-sim-checked"        # under sanitizers


def words(path: str, column: int) -> list[str]:
    """What stands in a column of a table of X macros."""
    text = (ROOT / path).read_text(encoding="utf-8")
    rows = re.findall(r"^X\((.*)\)$", text, re.MULTILINE)
    return [row.split(",")[column].strip() for row in rows]


BUGS = words("dsm/core/bugs.def", 0)
SCENARIOS = words("harness/dsmsim/scenarios.def", 0)
BUDGET = 300        # seeds within which each is found
# Where the window is narrow, the scenario that aims at it.
AIMED = {"NO_FENCE": "zombie", "HASTY_HOME": "zombie", "UNKNOWN_DONE": "evict",
         "LATE_WRITEBACK": "evict", "PLAIN_ORDER": "wrap", "NO_PROMISE": "twice",
         "OLD_SUMMARY": "home", "MOVED_EARLY": "join", "EARLY_FENCE": "storm",
         "NO_WAY_BACK": "flap", "OLD_NEWS": "cut", "SPOILED_WASTED": "publish",
         "UNHEARD_DEAD": "rest"}
# What is rarer still: seeds from there.
FIRST = {"NO_WAY_BACK": 400, "SPOILED_WASTED": 400}


@pytest.fixture(scope="module", autouse=True)
def built():
    """Both builds."""
    subprocess.run([os.environ.get("MAKE", "make"), "--no-print-directory", "-s", f"B={BUILD}",
                    str(SIM), str(CHECKED)], cwd=ROOT, check=True,
                   env=dict(os.environ, MAKELEVEL="1"))


def run(*arguments: str, program: Path = SIM) -> subprocess.CompletedProcess:
    """Runs the simulator to its end."""
    return subprocess.run([program, *arguments], cwd=ROOT, capture_output=True, text=True,
                          check=False)


def passes(*arguments: str, program: Path = SIM) -> str:
    """The output of a run in which nothing may be wrong."""
    done = run(*arguments, program=program)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def test_a_thousand_seeds():
    """All is well; and all of it has happened: a check of nothing passes."""
    out = passes("--seeds", "1..1000")
    assert "1000 seeds" in out
    counts = {word: int(n) for word, n in re.findall(r"(\w+) (\d+)", out.split("\n", 1)[1])}
    assert len(counts) >= 13 and all(counts.values()), counts
    assert all(int(n) > 10_000 for n in re.findall(r"(\d+) \w+[,\n]", out.split("\n")[0])), out


def test_seeds_under_sanitizers():
    passes("--seeds", "1..40", program=CHECKED)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario(scenario):
    passes("--seeds", "5001..5010", "--scenario", scenario)


@pytest.mark.parametrize("bug", BUGS)
def test_planted_bug_is_found(bug):
    scenario, first = AIMED.get(bug, "any"), FIRST.get(bug, 1)
    done = run("--seeds", f"{first}..{first + BUDGET - 1}", "--bug", bug, "--scenario", scenario)
    assert done.returncode == 1, f"{bug} was not found:\n{done.stdout}{done.stderr}"
    again = re.search(r"^again: make sim-dsm SEEDS=(\d+) NODES=(\S+) SCENARIO=(\S+) BUG=(\S+)",
                      done.stdout, re.MULTILINE)
    assert again and again[4] == bug
    same = ["--seeds", again[1], "--nodes", again[2], "--scenario", again[3]]
    complaint = re.search(r"^seed .* failed at .*", done.stdout, re.MULTILINE)[0]
    assert complaint in run(*same, "--bug", bug, "--trace").stdout
    assert run(*same).returncode == 0, "it fails without the bug too"


@pytest.mark.parametrize("arguments", [
    ["--seeds"], ["--seeds", "x"], ["--seeds", "5..3"], ["--nodes", "1"], ["--nodes", "8"],
    ["--bug", "nosuch"], ["--scenario", "rain"], ["--what", "7"], ["7"]])
def test_usage_errors(arguments):
    done = run(*arguments)
    assert done.returncode == 2
    assert re.match(r"\S*dsm-sim: .*\n.*--help.*\n$", done.stderr), done.stderr


def test_help_names_everything():
    out = passes("--help")
    for word in [*BUGS, *SCENARIOS]:
        assert re.search(rf"^  {word} ", out, re.MULTILINE), word

# SPDX-License-Identifier: BSD-2-Clause
"""The onslaught on the fabric's cores passes, its output is the seed's, every frame is in
its sums, and it finds bugs that are planted in the checks it attacks."""
import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / os.environ.get("DEOS_BUILD", "build") / "harness/onslaught"
SEED = os.environ.get("SEED", "1")
ROW = re.compile(r"^(\w+) +(\d+) frames in \d+ rounds: (\d+) dropped, (\d+) refused, (\d+) ran",
                 re.M)


def run(*words: str) -> subprocess.CompletedProcess:
    """Runs it to its end."""
    return subprocess.run([PROGRAM, "--frames", "100000", "--guesses", "20000", "--seed", SEED,
                           *words], cwd=ROOT, capture_output=True, text=True, check=False)


def test_nothing_gets_through():
    done = run()
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {row[0]: [int(n) for n in row[1:]] for row in ROW.findall(done.stdout)}
    assert set(rows) == {"untagged", "tagged", "replay", "stale", "reflect", "guess"}
    assert sum(row[0] for name, row in rows.items() if name != "guess") == 100_000
    assert rows["guess"] == [20_000, 0, 20_000, 0]
    for name in ("untagged", "reflect"):
        frames, dropped, refused, ran = rows[name]
        assert frames == dropped and refused == ran == 0
    assert rows["stale"][0] == rows["stale"][2] and rows["replay"][3] == 0
    # Else the members' frames are refused for their form alone.
    assert rows["tagged"][3] > 1000 and rows["tagged"][2] > 5000
    # What hands capabilities on and takes them back is tried well formed, and refused by
    # each reason of its own.
    for op in ("GRANT", "DERIVE", "DROP", "REDEEM", "RECALL", "RELEASE"):
        assert re.search(rf"^ +\d+ ran: {op}$", done.stdout, re.M), op
    assert all(f"refused: {words}" in done.stdout for words in
               ("the ticket is not as", "the ticket's time", "the ticket was redeemed",
                "the capability was given to somebody else", "no capability of that name"))
    # By each reason for which a stranger can be refused.
    assert all(words in done.stdout for words in
               ("ends before", "EtherType", "length disagrees", "another version", "no such kind",
                "outside its domain", "index", "another life", "wrong tag", "seen before",
                "outside the window", "no open request", "own frame"))
    assert run().stdout == done.stdout


def test_a_million_guesses():
    """Of a member's, at what it was not given: each is refused, and by each reason."""
    done = run("--row", "guess", "--guesses", "1000000")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [int(n) for n in ROW.findall(done.stdout)[0][1:]] == [1_000_000, 0, 1_000_000, 0]
    for words in ("no capability in that slot", "no such generation", "given to somebody else"):
        assert re.search(rf"^ +[1-9]\d* refused: .*{words}", done.stdout, re.M), words


@pytest.mark.parametrize("bug", ["REPLAY", "SESSION_KEY", "HOLDER", "GENERATION", "RANGE",
                                 "RIGHTS", "ERA"])
def test_planted_bugs_are_found(bug: str):
    done = run("--bug", bug)
    assert done.returncode == 1 and f"SEED={SEED}" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("words", [["--bug", "NONE_SUCH"], ["--row", "none"], ["--seed"],
                                   ["--frames", "many"], ["--frames", "-1"], ["word"]])
def test_usage(words: list[str]):
    done = run(*words)
    assert done.returncode == 2 and "onslaught --help" in done.stderr


def triggers() -> list[str]:
    """The last column of the page's table."""
    text = (ROOT / "docs/attacks-wire.md").read_text(encoding="utf-8")
    text = text[:text.index("## The onslaught")]
    found = re.findall(r"^\| (?!attack).*\| `([^`]+)` \|$", text, re.M)
    assert len(found) == len(re.findall(r"^\| ", text, re.M)) - 1 >= 20
    return found


def test_every_attack_has_its_trigger():
    rows = {"untagged", "tagged", "replay", "stale", "reflect", "guess"}
    for trigger in triggers():
        if trigger.startswith("onslaught "):
            rows.discard(trigger.split()[1])
            continue
        name, test = trigger.split(": ")
        text = (ROOT / name).read_text(encoding="utf-8")
        assert f"def {test}(" in text or f"cmocka_unit_test({test})" in text, trigger
    assert not rows, "not in docs/attacks-wire.md"

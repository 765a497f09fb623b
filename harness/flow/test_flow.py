# SPDX-License-Identifier: BSD-2-Clause
"""What the link promises of loss, crowds and queues, in virtual time: each command prints
the same numbers everywhere."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FLOW = ROOT / os.environ.get("DEOS_BUILD", "build") / "harness" / "flow"
GOODPUT = {"0.1": 0.98, "1.0": 0.93, "5.0": 0.78, "10.0": 0.62}
TAIL = {"0.1": 2.5, "1.0": 5, "5.0": 10, "10.0": 16}
SLOWER_P50, SLOWER_P99 = 2.0, 2.7


def rows(*words: str) -> list[dict[str, str]]:
    """One for each line of a case."""
    done = subprocess.run([FLOW, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    found = [dict(re.findall(r"(\w+)=(\S+)", line)) for line in done.stdout.splitlines()
             if line.startswith(words[0])]
    assert found
    return found


def test_loss():
    """Goodput as a share of that without loss; the 99th percentile over the median."""
    for row in rows("loss"):
        lost = row["loss_percent"]
        if lost == "0.0":
            assert row["resends"] == "0"
            continue
        assert float(row["share"]) >= GOODPUT[lost], row
        assert float(row["p99_of_p50"]) <= TAIL[lost], row


def test_incast():
    """Sixteen to one: nothing is dropped, and one flow's goodput is kept."""
    found = rows("incast")
    assert {(row["mtu"], row["op"]) for row in found} == \
        {(mtu, op) for mtu in ("1500", "9000") for op in ("read", "write")}
    for row in found:
        assert row["drops"] == "0" and float(row["share"]) >= 0.9, row
        assert int(row["queue_most"]) <= 128, row


def test_behind():
    """A small operation while pages are moved, of the same and another environment."""
    for row in rows("behind"):
        assert float(row["slower_p50"]) <= SLOWER_P50, row
        assert float(row["slower_p99"]) <= SLOWER_P99, row
        assert float(row["goodput_mib"]) >= 140, row


def test_own():
    """An environment's own window takes effect, and costs another no more than its share."""
    found = {(row["mtu"], row["window"]): row for row in rows("own")}
    for mtu in ("1500", "9000"):
        paced, least, wide = (found[mtu, window] for window in ("0", "4", "255"))
        assert float(least["goodput_mib"]) < 0.7 * float(paced["goodput_mib"]), least
        assert float(least["p99_us"]) < float(paced["p99_us"]), least
        assert float(wide["p50_us"]) <= 1.5 * float(paced["p50_us"]), wide


def test_delegate():
    """A third node has what a holder passes on to it when the holder knows that it is so,
    and has used it a round trip later."""
    row, = rows("delegate")
    assert float(row["held_reads"]) <= 1.25 and float(row["used_reads"]) <= 2.5, row
    assert int(row["told_us"]) <= int(row["held_us"]), row


SHARES = {"equal": [1, 1], "three_to_one": [1, 1 / 3], "many": [1, 1 / 2, 1 / 4],
          "granters": [1, 1 / 2, 1 / 2]}


def test_weights():
    """Who asks without end is served by weight, to five in a hundred."""
    for row in rows("weights"):
        shares = [float(share) for share in row["shares"].split(":")]
        for share, wanted in zip(shares, SHARES[row["case"]], strict=True):
            assert abs(share - wanted) <= 0.05 * wanted, row
        assert float(row["goodput_mib"]) >= 140, row


def test_hostile():
    """Three members that read as fast as another do not slow it to half; weights protect it
    from such as have more under way."""
    found = {(row["mtu"], row["each"], row["weight"]): row for row in rows("hostile")}
    for mtu in ("1500", "9000"):
        fair, greedy, weighed = (float(found[mtu, *how]["times"])
                                 for how in (("1", "16"), ("16", "16"), ("16", "32")))
        assert fair <= 2.0 and weighed <= min(3.0, greedy / 2), found


@pytest.mark.parametrize("peers", ["2", "64", "1022"])
def test_crowd(peers):
    """One peer's reads are as fast when the others load the same owner."""
    row, = rows("crowd", peers)
    assert float(row["ratio"]) <= 1.10, row


def test_faults():
    """Frames are lost, doubled, overtaken and altered: of a million operations each effect is
    there once."""
    for row in rows("faults", "1000000"):
        assert row["operations"] == "500000", row
        assert row["missing"] == row["doubled"] == row["corrupt"] == row["lapses"] == "0", row
        for kind in ("written", "read", "added", "swapped"):
            assert int(row[kind]) > 30_000, row
        for fault in ("frames_lost", "duplicated", "reordered", "corrupted", "resends"):
            assert int(row[fault]) > 10_000, row


def test_usage():
    """Everything else is told what is possible."""
    for words in ((), ("nothing",), ("crowd",), ("crowd", "1"), ("faults", "1"), ("loss", "1"),
                  ("loss", "--seed", "x"), ("crowd", "2", "3"), ("--seeds", "1", "loss")):
        done = subprocess.run([FLOW, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 2 and "flow --help" in done.stderr, words

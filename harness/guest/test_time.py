# SPDX-License-Identifier: BSD-2-Clause
"""Who gets how much of a processor, by the exported table. The nodes run with -icount,
so that time is instructions and a busy host changes nothing."""

from __future__ import annotations

import re

import pytest

import accounts
from guest import Guest

pytestmark = pytest.mark.qemu

@pytest.fixture(scope="module", name="guest")
def _guest():
    """One node with one processor, whose clock counts instructions."""
    with Guest(icount=3, network=False) as guest:
        guest.wait_prompt()
        yield guest
        guest.check()


@pytest.mark.parametrize("shares", [(3, 2, 1), (1, 1), (7, 1), (5, 4, 3, 2)])
def test_stride(guest, shares):
    """A scheduler at user level shares a processor as it likes, within 2 percent."""
    before = accounts.everything(guest)
    said = guest.run(f"stride 600 {' '.join(map(str, shares))}")
    got = [(int(share), int(time)) for share, time in
           re.findall(r"^stride: share (\d+) got (\d+) ns$", said, re.M)]
    assert [share for share, _ in got] == list(shares), said
    whole = sum(time for _, time in got)
    assert whole > 500_000_000, said
    for share, time in got:
        assert time / whole == pytest.approx(share / sum(shares), rel=0.02), said
    accounts.check_restored(guest, before)


def test_sleepers_cost_nothing(guest):
    """Whoever waits for a word that does not change takes no time of the scheduler's,
    however many there are."""
    before = accounts.everything(guest)
    said = guest.run("selftest predicates")
    alone, sleepers, beside = map(int, re.search(
        r"^sleepers: 200 yields took (\d+) ns, beside (\d+) that sleep (\d+) ns$", said,
        re.M).groups())
    assert sleepers == 16 and beside <= 1.02 * alone, said
    accounts.check_restored(guest, before)


def test_stride_usage(guest):
    """It says what it wants when it is asked for nonsense."""
    for words in ("", "10", "x 1", "10 0", "10 1 2 3 4 5", "10 -1"):
        assert "usage: stride TURNS SHARE..." in guest.run(f"stride {words}"), words


@pytest.mark.parametrize("processors", [1, 2])
def test_siblings(node, processors):
    """Environments on each processor compute together, over memory that all map."""
    guest = node(smp=processors)
    before = accounts.everything(guest)
    said = guest.run("siblings 300000")
    assert "siblings: 25997 primes below 300000, 600 parts\n" in said
    did = [int(parts) for parts in
           re.findall(r"^siblings: processor \d+: (\d+) parts$", said, re.M)]
    assert len(did) == processors and min(did) > 0 and sum(did) == 600, said
    accounts.check_restored(guest, before)


@pytest.mark.parametrize("how", ["overrun", "cling"])
def test_overruns_are_repaid(guest, how):
    """Who runs on after the end of each slice has no more time of its own, what it was
    lent not counted, than a rival with as many slices; each overrun is a tenth of one."""
    pair = [guest.background(f"spin {how}"), guest.background("spin nothing")]
    start = accounts.environments(guest)
    assert "got" in guest.run("stride 1000 1")      # which lasts
    end = accounts.environments(guest)
    for number in pair:
        guest.run(f"kill {number}")
    own = [sum(sign * (int(row[number]["cpu"]) - int(row[number]["excess"]))
               for sign, row in ((1, end), (-1, start))) for number in pair]
    assert min(own) > 200, own
    assert own[0] == pytest.approx(own[1], rel=0.02), own

# SPDX-License-Identifier: BSD-2-Clause
"""Control transfer for short calls and a link for what streams, between a server and a
client on two processors: libos/programs/tally.c."""

from __future__ import annotations

import re

import pytest

import accounts

pytestmark = pytest.mark.qemu

RECORDS = 20000
BYTES = sum(i % 120 + 1 for i in range(RECORDS))


@pytest.mark.parametrize("processors", [1, 2])
def test_tally(node, processors: int):
    """Every record comes and goes whole and in order, and every call gets its reply; two
    processors that are both at work meet in memory: system calls are rare."""
    guest = node(smp=processors)
    before = accounts.everything(guest)
    said = guest.run(f"tally {RECORDS}", 120)
    calls = RECORDS // 1000 + 2
    assert f"tally: {RECORDS} records, {BYTES} bytes, {calls} calls\n" in said
    sides = [[int(word) for word in found] for found in re.findall(
        r"^tally: the \w+ on processor (\d) slept (\d+) times and woke (\d+) times$", said, re.M)]
    assert len(sides) == 2, said
    assert len({side[0] for side in sides}) == processors
    if processors == 2:
        assert sum(side[1] + side[2] for side in sides) < RECORDS / 4, said
    accounts.check_restored(guest, before)

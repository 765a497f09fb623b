# SPDX-License-Identifier: BSD-2-Clause
"""How long the kernel keeps interrupts off, counted in instructions by itself.

The bounds are those of docs/stays.md. They are what the largest call of each kind takes,
with room for growth, and not what a typical one takes."""

from __future__ import annotations

import sys

import pytest

from guest import ROOT

sys.path.insert(0, str(ROOT / "harness/stays"))
import measure      # noqa: E402

pytestmark = pytest.mark.qemu

LONGEST = 6_000_000     # instructions: frame_alloc of 16 MiB, which clears it
OTHERS = 1_000_000      # everything else


def test_longest_stay(tmp_path):
    """The largest calls are among what is made, and every stay is within its bound."""
    stays = measure.measure(("exhaust", "selftest fresh-frames", "selftest trim", "selftest rounds",
                             "selftest overlap", "selftest wide", "diskio read"), 0, tmp_path)
    assert {"frame_alloc", "page_map", "cap_revoke", "cap_drop", "wait", "queue_kick",
            "env_exit", "timer", "device"} <= set(stays)
    assert 1_000_000 < stays["frame_alloc"].ticks < LONGEST
    # Of 10,000 capabilities: in rounds, none above the longest of an end.
    assert stays["cap_trim"].count > 10_000 // 128
    assert stays["cap_trim"].ticks < stays["env_exit"].ticks
    for name, stay in stays.items():
        assert name == "frame_alloc" or stay.ticks < OTHERS, (name, stay)
    # A stay is not measured from somewhere else: the shortest are of some hundred.
    assert min(stay.ticks for stay in stays.values()) < 5_000


def test_table():
    """The longest comes first and last."""
    said = "stay: null 3 140 70\nstay: wait 2 900 450\nother\n"
    lines = measure.table(measure.parse(said), {})
    assert [line.split()[0] for line in lines] == ["entered", "wait", "null", "longest:"]
    assert lines[-1] == "longest: 900 instructions, by wait"

# SPDX-License-Identifier: BSD-2-Clause
"""Processes (libos/process) on a node: each part of `procs` passes, leaves nothing
behind, and what a program cannot do to others it is refused."""

from __future__ import annotations

import pytest

import accounts

pytestmark = pytest.mark.qemu

TESTS = ["copy", "nested", "many", "greedy", "bomb", "steady", "kill", "stack", "buffers",
         "private", "strangers"]


@pytest.mark.parametrize("processors", [1, 2])
@pytest.mark.parametrize("name", TESTS)
def test_part(node, processors: int, name: str):
    """One part passes and leaves nothing behind."""
    guest = node(smp=processors)
    before = accounts.everything(guest)
    said = guest.run(f"procs {name}", 60)
    assert said.splitlines()[-1] == f"procs: {name}: PASS", said
    accounts.check_restored(guest, before)
    guest.check()


def test_no_part_is_left_out(node):
    """The program has no test that is not named here, and runs all when none is named."""
    said = node(smp=2).run("procs", 120)
    assert [line.split(": ")[1:] for line in said.splitlines() if line.startswith("procs: ")] \
        == [[name, "PASS"] for name in TESTS]

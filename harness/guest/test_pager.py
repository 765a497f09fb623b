# SPDX-License-Identifier: BSD-2-Clause
"""Paging at user level (libos/pager): a program with more memory than frames, on a disk."""

from __future__ import annotations

import re

import pytest

import accounts

pytestmark = pytest.mark.qemu

BLOCKS, BLOCK = 1200, 4096


@pytest.fixture(name="guest", params=[1, 2], ids=["smp1", "smp2"])
def fixture_guest(node, tmp_path_factory, request):
    """A node with a disk of its own, which holds the same after the test as before."""
    disk = tmp_path_factory.mktemp("pager") / "disk"
    disk.write_bytes(b"\xa5" * (BLOCKS * BLOCK))
    guest = node(smp=request.param, disk=disk)
    before = accounts.everything(guest)
    yield guest, disk
    accounts.check_restored(guest, before)
    guest.check()


def test_more_memory_than_frames(guest):
    """Every byte comes back, clean pages go without a write, hot ones stay; and only the
    blocks that it was told are written."""
    node, disk = guest
    said = node.run("pager 100")
    assert said.splitlines()[-1] == "pager: PASS", said
    found = re.search(r"read again: (\d+) faults, (\d+) reads, 0 writes, (\d+) clean", said)
    assert found and min(map(int, found.groups())) > 800, said
    content = disk.read_bytes()
    assert content[:100 * BLOCK] == b"\xa5" * (100 * BLOCK)
    assert content[1124 * BLOCK:] == b"\xa5" * (76 * BLOCK)
    assert content[100 * BLOCK:101 * BLOCK] != b"\xa5" * BLOCK


def test_no_such_blocks(guest):
    """Where the disk ends the program ends, by the fault that nobody can serve."""
    node, _ = guest
    assert "pager: on which blocks?" in node.run("pager")
    assert "died of a fault: page fault" in node.run("pager 1190")

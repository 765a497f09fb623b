# SPDX-License-Identifier: BSD-2-Clause
"""Block queues on virtio and SATA disks, looked at from both sides."""

from __future__ import annotations

import random
import re
import time

import pytest

import accounts
from guest import PATIENCE_S

pytestmark = pytest.mark.qemu

BLOCK = 4096
BLOCKS = 1024


@pytest.fixture(name="content", scope="module")
def fixture_content():
    """What the disk holds."""
    return random.Random(3).randbytes(BLOCKS * BLOCK)


@pytest.fixture(name="disk")
def fixture_disk(tmp_path, content):
    """The disk, as a file."""
    path = tmp_path / "disk"
    path.write_bytes(content)
    return path


@pytest.fixture(name="guest", params=[(1, "virtio"), (2, "virtio"), (1, "ahci"), (2, "ahci")],
                ids=lambda kind: f"smp{kind[0]}-{kind[1]}")
def fixture_guest(node, disk, request):
    """A node with the disk; nothing is left behind in it."""
    smp, bus = request.param
    guest = node(smp=smp, disk=disk, disk_bus=bus)
    before = accounts.everything(guest)
    yield guest
    accounts.check_restored(guest, before)
    guest.check()


def test_write_and_restore(guest, disk, content):
    """diskio writes, compares, and puts back what was there."""
    said = guest.run("diskio")
    assert f"diskio: PASS 128 blocks from {BLOCKS - 128} written, read, restored" in said
    assert disk.read_bytes() == content


def test_overlap(guest, disk, content):
    """Completions reach a program that computes, as upcalls; it starts the next reads there."""
    said = guest.run("diskio overlap")
    assert f"diskio: PASS 128 blocks from {BLOCKS - 128} read" in said
    assert 1 <= int(re.search(r"^diskio: (\d+) upcalls in \d+ steps", said, re.M)[1]) <= 128 + 2
    assert disk.read_bytes() == content


def test_nothing_is_lost_between_driver_and_device(node, disk):
    """A million reads, 32 at a time, end. Of one in 400,000 the driver was not told, or the
    device, where nothing keeps the order of a store and a load (kernel/dev/fence.h)."""
    said = node(smp=1, disk=disk).run("diskio many")
    assert f"diskio: PASS 128 blocks from {BLOCKS - 128} read" in said


def test_raid(guest, disk, content):
    """A program reaches for blocks and frames of others; only its own blocks changed."""
    said = guest.run("raid")
    assert re.search(r"^raid: PASS 526 attempts$", said, re.M), said
    expected = content[:10 * BLOCK] + b"\xd1" * (10 * BLOCK) + content[20 * BLOCK:]
    assert disk.read_bytes() == expected


def test_written_before_the_end(guest, disk, content):
    """A program ends with writes under way: each block is old or new, others are old."""
    guest.run("quit writing")
    guest.run("quit writing fault")
    until = time.monotonic() + PATIENCE_S
    while (found := disk.read_bytes()) == content and time.monotonic() < until:
        time.sleep(0.01)        # the last may still be under way
    assert found[32 * BLOCK:] == content[32 * BLOCK:]
    for number in range(32):
        block = found[number * BLOCK:(number + 1) * BLOCK]
        assert block in (b"\xa7" * BLOCK, content[number * BLOCK:(number + 1) * BLOCK])
    assert found != content


def test_no_disk(node):
    """Without a disk, programs hear so."""
    guest = node(smp=1)
    assert guest.run("diskio").startswith("diskio: FAIL this node has no such device\n")

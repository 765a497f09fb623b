# SPDX-License-Identifier: BSD-2-Clause
"""The checked kernel (harness/checked): it finds the bugs that it is there to find,
and random system calls find none."""

from __future__ import annotations

import re

import pytest

import accounts
import campaign
from conftest import SITE
from guest import ADDRESS, Guest

pytestmark = [pytest.mark.qemu, pytest.mark.apart]

WAYS = {
    "global-overflow": "kasan: write of 4 bytes at .*: past the end",
    "global-read": "kasan: read of 4 bytes at .*: beside a global",
    "stack-overflow": "kasan: write of 4 bytes at .*: beside a variable",
    "out-of-scope": "kasan: write of 4 bytes at .*: a variable that is out of scope",
    "free-frame": "kasan: write of 1 bytes at .*: frame .* is free or none",
    "copy-free-frame": "kasan: read of 20 bytes at .*: frame .* is free or none",
    "free-entry": "kasan: read of 8 bytes at .*: a free entry of a pool",
    "user-address": "kasan: read of 1 bytes at .*: not the kernel's",
    "long-copy": "kasan: write of 21 bytes at .*: past the end",
    "add": r"ubsan: signed addition overflows at harness/checked/ways.c:\d+",
    "shift": r"ubsan: shift out of bounds at harness/checked/ways.c:\d+",
    "index": r"ubsan: index out of bounds at harness/checked/ways.c:\d+",
    "divide": r"ubsan: division by zero, or overflows at harness/checked/ways.c:\d+",
    "misaligned": r"ubsan: null, misaligned or too small an object at harness/checked/ways.c:\d+",
    "lock-twice": r"\S*kernel/arch/.*: broken invariant: lock_holder != self",
    "lock-beside": r"\S*kernel/arch/.*: broken invariant: .*self->in_kernel == INSIDE",
    "change-unlocked": r"kernel/sys/wait.c:\d+: broken invariant: lock_holder == this_cpu",
}

# What no program of this test may do, or the generator leaves out.
NEVER = {"env_exit", "console_write", "console_read", "machine_stop", "entry_call",
         "entry_reply", "volume_walk", "volume_type", "volume_update"}
NEVER_MAX = 8           # calls that need more sense than chance has


@pytest.mark.parametrize("way", WAYS)
def test_planted(way):
    """Each kind of bug is a report with a backtrace."""
    with Guest(append=f"panic={way}", network=False, memory_mib=128, checked=True) as guest:
        guest.wait_for("^halted; ")
        said = guest.log()
    assert re.search("^PANIC: " + WAYS[way], said, re.M), said
    assert re.search(r"^backtrace:\n(?:  [0-9a-f]{16} .*\n)*  [0-9a-f]{16} kernel_main\+", said,
                     re.M), said


@pytest.mark.parametrize("processors", [1, 2])
def test_own_tests(node, processors):
    """The node's own tests break no rule, that of the order of locks among them."""
    guest = node(smp=processors, memory_mib=128, checked=True)
    said = guest.run("selftest", seconds=280)
    assert "FAIL" not in said and said.count("PASS") > 20, said
    guest.check()


def storm(guest, calls: int, seed: int) -> set[str]:
    """Runs the fuzzer to its verdict; returns the calls that were never accepted."""
    print(f"replay: storm {seed} {calls}")
    said = guest.run(f"storm {seed} {calls}", seconds=280)
    found = re.search(r"^storm: PASS (\d+) attempts$", said, re.M)
    assert found and int(found[1]) >= calls, said
    return set(re.search(r"accepted; never:(.*)$", said, re.M)[1].split())


@pytest.mark.parametrize("processors, calls", [(1, 100_000), (2, 2_000)])
def test_random_calls(node, tmp_path, processors, calls):
    """No report, and nothing left behind; with one processor nearly every call is accepted
    at least once. (Two fight for the kernel's lock, which takes its time on a busy host.)"""
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(1 << 20))
    guest = node(smp=processors, memory_mib=128, site=SITE, disk=disk, checked=True,
                 append=ADDRESS + " cluster=test agent=off")
    before = accounts.everything(guest)
    never = storm(guest, calls, 7)
    guest.check()
    accounts.check_restored(guest, before)
    assert guest.get("/folder/large.bin") == SITE["folder/large.bin"]
    assert processors > 1 or len(never - NEVER) <= NEVER_MAX, never


def test_oracle(node, tmp_path):
    """Hostile environments read and change nothing without a path in the capability
    graph; `make attack` makes a million calls."""
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(1 << 20))
    guest = node(memory_mib=128, site=SITE, disk=disk, checked=True)
    before = accounts.everything(guest)
    print("replay: oracle 11 30000")
    said = guest.run("oracle 11 30000", seconds=280)
    found = re.search(r"^oracle: PASS (\d+) attempts$", said, re.M)
    assert found and int(found[1]) >= 30_000, said
    guest.check()
    accounts.check_restored(guest, before)
    assert guest.get("/folder/large.bin") == SITE["folder/large.bin"]


# One of each kind; `make attack` has them all.
FOUND_QUICKLY = ["range", "derive-rights", "frames-quota", "not-cleared", "sweep", "packet-span",
                 "queue-blocks"]


@pytest.mark.parametrize("name", FOUND_QUICKLY)
def test_oracle_finds(name):
    """A bug in a check is found."""
    numbers = [number for number, plant in enumerate(campaign.PLANTS, 1) if plant.name == name]
    assert len(numbers) == 1 and campaign.find(numbers[0], 3)

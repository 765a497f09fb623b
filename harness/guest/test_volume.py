# SPDX-License-Identifier: BSD-2-Clause
"""Volumes (docs/volume.md) in the guest: two programs share a disk, a third and its owner
attack it, nodes are killed in the middle, and the host's checker reads what is left."""

from __future__ import annotations

import random
import re
import subprocess
from pathlib import Path

import pytest

import accounts
from guest import Guest, build_folder

pytestmark = pytest.mark.qemu

DISK_BLOCKS = 1024
VOLUME_BLOCKS = 256     # the last of the disk: SHARE_BLOCKS of share.h
BLOCK = 4096
KEEPERS = ("shelf", "folder")


def blank(folder: Path) -> Path:
    """A disk of zeros."""
    disk = folder / "disk"
    disk.write_bytes(bytes(DISK_BLOCKS * BLOCK))
    return disk


def checked(disk: Path) -> str:
    """What the host's checker says of the volume; it must be consistent."""
    said = subprocess.run([build_folder() / "harness/volume-check", disk,
                           str(DISK_BLOCKS - VOLUME_BLOCKS), str(VOLUME_BLOCKS)],
                          capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr
    return said.stdout


def found(said: str) -> dict[str, tuple[int, int, int]]:
    """Extents, newest round and wrong ones of each keeper."""
    lines = re.findall(r"^share: (\w+): (\d+) extents, newest round (\d+), (\d+) wrong$",
                       said, re.M)
    assert sorted(name for name, *_ in lines) == sorted(KEEPERS), said
    return {name: (int(count), int(newest), int(wrong)) for name, count, newest, wrong in lines}


@pytest.mark.parametrize("smp, bus", [(1, "virtio"), (2, "ahci")])
def test_two_share_it(node, tmp_path, smp, bus):
    """Both keep blocks at the same time; what was attacked is as it was."""
    disk = blank(tmp_path)
    guest = node(smp=smp, disk=disk, disk_bus=bus)
    before = accounts.everything(guest)
    assert guest.run("share format") == "share: format: PASS\n"
    assert guest.run("share run 20", 60).endswith("share: run: PASS\n")
    said = guest.run("share attack", 60)
    counts = re.findall(r"^share: PASS (\d+) attempts$", said, re.M)
    assert [int(count) for count in counts] == [86, 41], said
    assert said.endswith("share: attack: PASS\n"), said
    assert found(guest.run("share check")) == {"shelf": (16, 28, 0), "folder": (28, 28, 0)}
    accounts.check_restored(guest, before)
    guest.check()
    assert "root 2: block 12 of type 1, 1 blocks" in checked(disk)
    content = disk.read_bytes()
    assert not any(content[16 * BLOCK:-VOLUME_BLOCKS * BLOCK]), "blocks of nobody were written"


def keeping(guest: Guest) -> int:
    """Both keep blocks, and go on; their extents were all in use by then, so some were given up.
    Returns the job's number."""
    guest.wait_prompt()
    assert guest.run("share format") == "share: format: PASS\n"
    since = len(guest.log())
    guest.type("share run 0 &")
    number = int(guest.wait_for(r"\[(\d+)\]", since=since)[1])
    for name in KEEPERS:
        guest.wait_for(rf"share: {name}: round 40 is durable", 60)
    return number


def test_blocks_are_audited(tmp_path):
    """Whenever the kernel counts, each block of a volume in use is free or owned once."""
    with Guest(disk=blank(tmp_path), network=False) as guest:
        number = keeping(guest)
        for _ in range(5):
            since = len(guest.log())
            guest.type("audit")
            guest.wait_for("^audit: all is accounted for$", since=since)
        # Else the node's last audit is typed between what they say.
        guest.type(f"kill {number}")
        guest.wait_for(rf"\[{number}\] share: killed")
        guest.check()


def test_a_lost_block_is_missed(tmp_path):
    """A kernel that once forgets to free what metadata owns no longer is found out."""
    with Guest(disk=blank(tmp_path), network=False, append="panic=lost-block",
               kernel=build_folder() / "broken/deos.elf") as guest:
        keeping(guest)
        guest.type("audit")
        said = guest.wait_for(r"^PANIC: (.*)\n")
        assert re.fullmatch(r"kernel/volume/check\.c:\d+: broken invariant: "
                            r"owned == b->children", said[1]), said[0]


def test_killed_in_the_middle(tmp_path):
    """A node that is killed leaves a volume that opens, with every round that was durable."""
    seed = random.randrange(1 << 32)
    print(f"SEED={seed}")
    choice = random.Random(seed)
    disk = blank(tmp_path)
    durable = dict.fromkeys(KEEPERS, 0)
    with Guest(disk=disk, network=False) as guest:
        guest.wait_prompt()
        assert guest.run("share format") == "share: format: PASS\n"
    for _ in range(3):
        with Guest(disk=disk, network=False) as guest:
            guest.wait_prompt()
            guest.type("share run 0")
            for name in KEEPERS:
                wanted = durable[name] + choice.randrange(2, 20)
                guest.wait_for(rf"share: {name}: round {wanted} is durable", 60)
            guest.kill()
            for name, newest in re.findall(r"share: (\w+): round (\d+) is durable", guest.log()):
                durable[name] = max(durable[name], int(newest))
        checked(disk)
        with Guest(disk=disk, network=False) as guest:
            guest.wait_prompt()
            now = found(guest.run("share check"))
            guest.check()
        assert all(not wrong for _, _, wrong in now.values()), now
        # One round may have been durable without a word of it.
        assert all(now[name][1] - durable[name] in (0, 1) for name in KEEPERS), (now, durable)
        durable = {name: now[name][1] for name in KEEPERS}

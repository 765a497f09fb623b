# SPDX-License-Identifier: BSD-2-Clause
"""The disk through block queues, Intel's network card, SATA disks and their errors, and
what a machine's own fault makes of the node."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from conftest import SITE
from fabricbed import FAULTS, Fabric
from guest import PATIENCE_S, Guest
from switchbed import wait_for
from test_boot import check_site

pytestmark = [pytest.mark.qemu, pytest.mark.apart]

DISK_BYTES = 4 << 20


def test_disk(tmp_path):
    """Reads, writes, reads back, one at a time and many at once, and restores the disk."""
    disk = tmp_path / "disk"
    content = bytes(range(256)) * (DISK_BYTES // 256)
    disk.write_bytes(content)
    with Guest(disk=disk, network=False) as guest:
        guest.wait_prompt()
        said = guest.run("diskio")
        guest.check()
    assert "diskio: PASS" in said, said
    assert disk.read_bytes() == content


def test_e1000e():
    """The node serves through Intel's card, and again when the link was away."""
    with Guest(nic="e1000e", site=SITE, append="") as guest:
        guest.wait_prompt()
        check_site(guest)
        assert "nic: the link is" not in guest.log()
        for up in (False, True):
            guest.qmp("set_link", name="net", up=up)
            guest.wait_for(f"^(deos> )?nic: the link is {'up' if up else 'down'}$")
        check_site(guest)
        guest.check()


def test_e1000e_without_link():
    """A card without a link is there, and works when it gets one."""
    with Guest(nic="e1000e", site=SITE, options=["-S"]) as guest:
        guest.qmp("set_link", name="net", up=False)
        guest.qmp("cont")
        guest.wait_for("^nic: the link is down$")
        guest.wait_prompt()
        guest.qmp("set_link", name="net", up=True)
        check_site(guest)


def test_two_cards():
    """virtio is taken where both are there, and the other card does not disturb."""
    with Guest(site=SITE, options=["-netdev", "user,id=other", "-device",
                                   "e1000e,netdev=other,mac=52:54:00:de:05:02"]) as guest:
        guest.wait_prompt()
        assert "52:54:00:de:05:01" in guest.run("rings")
        check_site(guest)


def test_fabric_between_cards(tmp_path):
    """Pages through faults, between two cards of one kind and of two."""
    seed = random.randrange(1 << 20)
    with Fabric(3, seed=seed, faults=FAULTS, nic="e1000e", each={3: {"nic": "virtio"}}) as fabric:
        one, two, three = fabric.nodes
        two.background("remote serve 16 rw", "remote: serving 16 pages")
        three.background("remote serve 16 rw", "remote: serving 16 pages")
        for node, other in ((one, two), (one, three), (three, two)):
            said = node.run(f"remote hammer {other.mac} 300 {seed}")
            assert re.search(r"^remote: PASS", said, re.M), said


SECTOR_OF_DISKIO = 7200     # of a disk of 4 MiB: block 900, among the last 128


def failing_disk(folder: Path, way: str, once: bool) -> list[str]:
    """QEMU's options for a SATA disk of 4 MiB with a bad sector."""
    (folder / "disk").write_bytes(bytes(range(256)) * (DISK_BYTES // 256))
    lines = ["[inject-error]", f'event = "{way}_aio"', f'iotype = "{way}"', 'errno = "5"',
             f'sector = "{SECTOR_OF_DISKIO}"'] + ['once = "on"'] * once
    (folder / "rules").write_text("\n".join(lines) + "\n")
    return ["-drive", f"if=none,id=disk,format=raw,file=blkdebug:{folder}/rules:{folder}/disk,"
            "werror=report,rerror=report", "-device", "ide-hd,bus=ide.0,drive=disk"]


@pytest.mark.parametrize("way", ["read", "write"])
@pytest.mark.parametrize("once", [True, False])
def test_ahci_errors(tmp_path, way: str, once: bool):
    """A command that fails once is tried again and nobody notices; one that fails always
    is reported, and its neighbours' are not."""
    with Guest(network=False, options=failing_disk(tmp_path, way, once)) as guest:
        guest.wait_prompt()
        said = guest.run("diskio")
        assert ("diskio: PASS" if once else "diskio: FAIL the device reported a failure") in said
        if way == "write":
            assert "diskio: PASS" in guest.run("diskio read")
        assert "disk:" not in guest.log()
        guest.check()


def test_ahci_time_out(tmp_path):
    """A command that the disk does not end is asked of it twice and has failed. The guest's
    clock runs ahead of a disk that takes 100 ms of the host's for each."""
    (tmp_path / "disk").write_bytes(bytes(DISK_BYTES))
    drive = f"if=none,id=disk,format=raw,file={tmp_path}/disk,throttling.iops-total=10"
    with Guest(network=False, icount=3, options=["-drive", drive, "-device",
                                                 "ide-hd,bus=ide.0,drive=disk"]) as guest:
        guest.wait_prompt()
        assert "diskio: FAIL the device reported a failure" in guest.run("diskio read")
        assert guest.log().count("disk: a command took too long\n") >= 2
        guest.check()


def test_two_disks(tmp_path):
    """virtio is taken where both are there; a drive for discs is none."""
    (tmp_path / "disk").write_bytes(bytes(DISK_BYTES))
    (tmp_path / "other").write_bytes(bytes(2 * DISK_BYTES))
    drive = ["-drive", f"if=none,id=other,format=raw,file={tmp_path}/other"]
    with Guest(network=False, disk=tmp_path / "disk",
               options=drive + ["-device", "ide-hd,bus=ide.2,drive=other"]) as guest:
        guest.wait_prompt()
        assert f"PASS 128 blocks from {DISK_BYTES // 4096 - 128}" in guest.run("diskio read")
    with Guest(network=False, disk=tmp_path / "disk", disk_bus="ahci",
               options=["-device", "ide-cd,bus=ide.2"]) as guest:
        guest.wait_prompt()
        assert f"PASS 128 blocks from {DISK_BYTES // 4096 - 128}" in guest.run("diskio read")
    with Guest(network=False, options=["-device", "ide-cd,bus=ide.2"]) as guest:
        guest.wait_prompt()
        assert guest.run("diskio").startswith("diskio: FAIL this node has no such device\n")


@pytest.mark.parametrize("processors", [1, 2])
def test_nmi_is_reported(processors: int):
    """One report with names and events, whatever ran; no other processor goes on."""
    with Guest(smp=processors) as guest:
        guest.wait_prompt()
        guest.qmp("inject-nmi")
        guest.wait_for("^halted; ")
        said = guest.log()
        assert said.count("PANIC: exception 2 in ") == 1
        report = said[said.index("PANIC"):]
        for part in ["^vector 2 ", "^processor ", "^backtrace:$", "^last events:$"]:
            guest.wait_for(part)
        assert re.search(r"^  [0-9a-f]{16} \w+\+0x[0-9a-f]+$", report, re.M) \
            or "user mode" in report, report
        wait_for(lambda: halted(guest) == processors, PATIENCE_S)


def halted(guest: Guest) -> int:
    """How many processors are."""
    return str(guest.qmp("human-monitor-command",
                         **{"command-line": "info registers -a"})).count("HLT=1")

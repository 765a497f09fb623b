# SPDX-License-Identifier: BSD-2-Clause
"""`block`: blocks of another node's disk, beside NBD, ATA over Ethernet and NVMe/TCP.

fio runs each on Linux in turn, direct I/O at random places, against one RAM disk. The
row's peer is the fastest of the three at that row; all three stand in the report.
"""

from __future__ import annotations

from pair import LinuxPair
from remote import BLOCK, MTUS, Figure, Operation, RemoteBench, Row
from session import Session
from wanted import Wanted

PEER_NAME = "Linux"
OPERATIONS = (
    Operation("read 4KiB d1", "block-read", BLOCK, "rate", answered=BLOCK),
    Operation("read 4KiB d32", "block-read", BLOCK, "rate", answered=BLOCK, flights=32,
              count=4000),
    Operation("write 4KiB d1", "block-write", BLOCK, "rate", sent=BLOCK),
    Operation("read 128KiB", "block-read", 32 * BLOCK, "throughput", answered=BLOCK, count=100),
)
# Times the fastest of Linux's, by MTU and name.
FASTER = {1500: {"read 4KiB d1": 5, "read 4KiB d32": 5, "read 128KiB": 3},
          9000: {"read 4KiB d1": 4, "read 4KiB d32": 4, "read 128KiB": 2}}


def fio_words(operation: Operation) -> tuple[str, str]:
    """read or write, and fio's options for an operation."""
    kind = operation.verb.removeprefix("block-")
    engine = "psync" if operation.flights == 1 else "libaio"
    return kind, (f"--rw=rand{kind} --bs={operation.bytes} --iodepth={operation.flights} "
                  f"--ioengine={engine}")


class RemoteDisks:
    """The three protocols, one after the other."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        self.devices: dict[LinuxPair, dict[str, str]] = {}

    def start(self, pair: LinuxPair) -> None:
        self.devices[pair] = pair.start_disks()

    def measure(self, pair: LinuxPair, operation: Operation) -> dict[str, Figure]:
        kind, words = fio_words(operation)
        scale = operation.bytes / (1 << 20) if operation.value == "throughput" else 1
        return {name: Figure(scale * pair.fio(device, kind, words, self.seconds))
                for name, device in self.devices[pair].items()}

    def repeat(self, _pair: LinuxPair, _operation: Operation) -> bool:
        """fio runs for a time."""
        return False


def all_rows() -> list[Row]:
    return [Row(operation, mtu, f"{operation.name} mtu{mtu}",
                wanted=Wanted(FASTER[mtu].get(operation.name)))
            for mtu in MTUS for operation in OPERATIONS]


def run(session: Session) -> list[dict]:
    """Measures every case and returns the report's rows."""
    disks = RemoteDisks(session.seconds)
    return RemoteBench(session, "block", all_rows(), disks, PEER_NAME).run()

# SPDX-License-Identifier: BSD-2-Clause
"""`fabric`: memory of another node read, written and changed, beside soft-RoCE.

Linux's side is rdma_rxe with perftest. Reads and compare-and-swap are full round trips,
of which the median is taken (perftest spins on the completion queue: slow tails, the
best median). ib_write_lat reports half of a ping-pong between two writers, which is no
time of a write that is known to be done; so a write is ib_write_bw with one in flight,
whose mean is all that it tells, and DEOS and the floor show means in that row too.
"""

from __future__ import annotations

from frames import SIZES
from pair import LinuxPair, parse_latency, parse_rate
from remote import BLOCK, MTUS, Figure, Operation, RemoteBench, Row
from session import Session

PEER_NAME = "Linux"
OPERATIONS = (
    Operation("read 8B", "read", 8, "median", answered=8),
    Operation("read 64B", "read", 64, "median", answered=64),
    Operation("read 4KiB", "read", BLOCK, "median", answered=BLOCK),
    Operation("write 4KiB", "write", BLOCK, "mean", sent=BLOCK),
    Operation("cas 8B", "cas", 8, "median", sent=SIZES["clause"]),
    Operation("goodput read 4KiB", "read", BLOCK, "throughput", answered=BLOCK, flights=32,
              count=4000),
)
LATENCY_COUNT, RATE_COUNT = 500, 2000


def latency(output: str) -> Figure:
    seen = parse_latency(output)
    return Figure(seen.median_us, seen.p99_us)


class SoftRoce:
    """perftest's programs, one for each operation."""

    def start(self, pair: LinuxPair) -> None:
        pair.start_verbs()

    def measure(self, pair: LinuxPair, operation: Operation) -> dict[str, Figure]:
        size, count = f"-s {operation.bytes}", f"-n {LATENCY_COUNT}"
        if operation.value == "throughput":
            rate = parse_rate(pair.perftest("ib_read_bw", f"{size} -n {RATE_COUNT}"))
            figure = Figure(rate * operation.bytes / (1 << 20))
        elif operation.verb == "write":
            words = f"{size} {count} -t 1 -Q 1"
            figure = Figure(1e6 / parse_rate(pair.perftest("ib_write_bw", words)))
        elif operation.verb == "cas":
            figure = latency(pair.perftest("ib_atomic_lat", f"-A CMP_AND_SWAP {count}"))
        else:
            figure = latency(pair.perftest("ib_read_lat", f"{size} {count}"))
        return {"soft-RoCE": figure}


def all_rows() -> list[Row]:
    """The contract's cases."""
    return [Row(operation, mtu, f"{operation.name} mtu{mtu} {word}", word == "auth")
            for mtu in MTUS for operation in OPERATIONS for word in ("auth", "noauth")]


def run(session: Session) -> list[dict]:
    """Measures every case and returns the report's rows."""
    return RemoteBench(session, "fabric", all_rows(), SoftRoce(), PEER_NAME).run()

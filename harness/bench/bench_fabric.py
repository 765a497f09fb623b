# SPDX-License-Identifier: BSD-2-Clause
"""`fabric`: memory of another node read, written and changed, beside soft-RoCE.

Linux's side is rdma_rxe with perftest. Reads and compare-and-swap are full round trips,
of which the median is taken. perftest spins on the completion queue (slow tails, the
best median), and in rows called `halting` it sleeps; DEOS's program always sleeps, and
its processors look for frames before they halt, but in those rows. ib_write_lat reports
half of a ping-pong between two writers, which is no time of a write that is known to be
done; so a write is ib_write_bw with one in flight, whose mean is all that it tells, and
DEOS and the floor show means in that row too. `write 4KiB one way` is that half of a
ping-pong on all systems: DEOS's two programs write into each other's memory by turns.

What is wanted of each row stands in wanted().
"""

from __future__ import annotations

from dataclasses import replace

from frames import SIZES
from pair import LinuxPair, parse_latency, parse_rate
from remote import BLOCK, MTUS, PING, Figure, Operation, RemoteBench, Row
from session import Session
from wanted import Wanted

PEER_NAME = "Linux"
READ_8, READ_PAGE, SWAP = (
    Operation("read 8B", "read", 8, "median", answered=8),
    Operation("read 4KiB", "read", BLOCK, "median", answered=BLOCK),
    Operation("cas 8B", "cas", 8, "median", sent=SIZES["clause"]))
GOODPUT = Operation("goodput read 4KiB", "read", BLOCK, "throughput", answered=BLOCK, flights=32,
                    count=4000, halts=True)
OPERATIONS = (
    READ_8,
    Operation("read 64B", "read", 64, "median", answered=64),
    READ_PAGE,
    Operation("write 4KiB", "write", BLOCK, "mean", sent=BLOCK),
    SWAP,
    GOODPUT,
)
# Of DEOS, these with tags only.
HALTING = tuple(replace(operation, name=operation.name + " halting", halts=True)
                for operation in (READ_8, READ_PAGE, SWAP))
ONE_WAY = Operation("write 4KiB one way", PING, BLOCK, "median", sent=BLOCK, answered=BLOCK,
                    ways=2, halts=True)
LATENCY_COUNT, RATE_COUNT = 500, 2000
# Of a latency, times the floor: by the bytes of a read and the MTU; a swap is as a short read.
OF_FLOOR = {(BLOCK, 9000): (1.35, 1.25), (BLOCK, 1500): (1.40, 1.30)}
OF_FLOOR_SHORT = (1.35, None)
OWNER = {"read 8B": 2000, "read 4KiB": 3000}
TAIL, CHECK, FEWER = 1.35, 0.1, 5


def latency(output: str) -> Figure:
    seen = parse_latency(output)
    return Figure(seen.median_us, seen.p99_us)


class SoftRoce:
    """perftest's programs, one for each operation."""

    def start(self, pair: LinuxPair) -> None:
        pair.start_verbs()

    def measure(self, pair: LinuxPair, operation: Operation) -> dict[str, Figure]:
        size, count = f"-s {operation.bytes}", f"-n {LATENCY_COUNT}"
        sleep = "-e " if operation.halts else ""
        if operation.value == "throughput":
            rate = parse_rate(pair.perftest("ib_read_bw", f"{size} -n {RATE_COUNT}"))
            figure = Figure(rate * operation.bytes / (1 << 20))
        elif operation.verb == PING:
            figure = latency(pair.perftest("ib_write_lat", f"{size} {count}"))
        elif operation.verb == "write":
            words = f"{size} {count} -t 1 -Q 1"
            figure = Figure(1e6 / parse_rate(pair.perftest("ib_write_bw", words)))
        elif operation.verb == "cas":
            figure = latency(pair.perftest("ib_atomic_lat", f"{sleep}-A CMP_AND_SWAP {count}"))
        else:
            figure = latency(pair.perftest("ib_read_lat", f"{sleep}{size} {count}"))
        return {"soft-RoCE": figure}

    def repeat(self, pair: LinuxPair, operation: Operation) -> bool:
        """With one operation in flight and a sleep for each; many in flight as they come.
        Writes cannot be waited for asleep (perftest has no events of them): not counted."""
        if operation.verb in ("write", PING):
            return False
        size, count = f"-s {operation.bytes}", f"-n {max(operation.count, 5)}"
        if operation.flights > 1:
            pair.perftest("ib_read_bw", f"-e {size} {count}")
        elif operation.verb == "cas":
            pair.perftest("ib_atomic_lat", f"-e -A CMP_AND_SWAP {count}")
        else:
            pair.perftest("ib_read_lat", f"-e {size} {count}")
        return True


def wanted(operation: Operation, mtu: int, tagged: bool) -> Wanted:
    """What the issue asks of a row."""
    page, fewer = operation.bytes == BLOCK, FEWER if tagged else None
    if operation.value == "throughput":
        return Wanted((8 if mtu == 1500 else 6) if tagged else None, fewer=fewer,
                      rate=0.7 if tagged else 0.9)
    if operation.verb in ("write", PING):
        return Wanted(5 if operation.verb == PING and mtu == 1500 else None)
    of_floor = OF_FLOOR[BLOCK, mtu] if page else OF_FLOOR_SHORT
    name = operation.name.removesuffix(" halting")
    return Wanted((3 if page else 2) if tagged else None,
                  of_floor=of_floor[0 if tagged else 1], fewer=fewer,
                  tail=TAIL if tagged else None, owner=OWNER.get(name),
                  check=CHECK if name in OWNER else None)


def make(operation: Operation, mtu: int, word: str) -> Row:
    tagged = word == "auth"
    return Row(operation, mtu, f"{operation.name} mtu{mtu} {word}", tagged,
               wanted(operation, mtu, tagged))


def all_rows() -> list[Row]:
    """The contract's cases, and with tags those that halt."""
    return [make(operation, mtu, word) for mtu in MTUS
            for operation in (*OPERATIONS, *HALTING, ONE_WAY)
            for word in ("auth", "noauth") if word == "auth" or operation in OPERATIONS]


def run(session: Session) -> list[dict]:
    """Measures every case and returns the report's rows."""
    return RemoteBench(session, "fabric", all_rows(), SoftRoce(), PEER_NAME).run()

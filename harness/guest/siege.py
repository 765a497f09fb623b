#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""What an honest node notices of hostile ones, on nodes in QEMU (the end of `make attack`).

A client reads pages of a victim. Beside it, by turns:

    members     three other nodes of the cluster read as fast as the client does: the
                victim's pages, and for control those of a node that the client does not
                use. So the host has the same to do in both. Bar: p99 at most 2 times.
    flood       a stranger sends frames that no key fits, as many as the client and the
                victim exchange: to the victim, and for control to the other node. Bar:
                at least half of the operations in the same time.

Each is measured ROUNDS times, control and attack by turns; medians are compared. What is
printed is what was measured, and whether it misses its bar: a busy host does not make it
fail. What must not be, whatever the host does, ends it with status 1: wrong data, a
session that ends, a panic, a flood that has not come or of which something was taken.
"""

from __future__ import annotations

import argparse
import random
import re
import statistics
import struct
import sys
import threading
import time

import bars
import replay
from fabricbed import Fabric
from guest import GuestError

VICTIM, OTHER, CLIENT = 0, 1, 2         # of the nodes; the rest are hostile
HOSTILE = 3
REPORT = re.compile(r"^remote-bench: operations=(\d+) took_ns=(\d+) median_ns=(\d+) "
                    r"min_ns=\d+ p99_ns=(\d+)", re.M)
COUNT, RATE_COUNT = 2000, 8000
ENDLESS = 8192          # the most that remote-bench takes


class Siege:
    """The nodes, and what is measured on them."""

    def __init__(self, fabric: Fabric, seed: int):
        self.fabric, self.nodes, self.seed = fabric, fabric.nodes, seed
        self.rng = random.Random(seed)
        for node in self.nodes[:CLIENT]:
            node.background("remote-bench serve", "remote-bench: serving")
        self.port = fabric.switch.connect(len(self.nodes) + 1)
        self.sent = [0] * len(self.nodes)       # forged frames, by target

    def ask(self, flights: int, count: int) -> tuple[float, float]:
        """The client's operations a second, and the p99 of one, in microseconds."""
        said = self.nodes[CLIENT].run(
            f"remote-bench ask {self.nodes[VICTIM].mac} read 4096 {flights} {count}", 280)
        found = REPORT.search(said)
        if not found:
            raise GuestError(f"the client was refused: {said}")
        operations, took, _, p99 = (int(n) for n in found.groups())
        return operations * 1e9 / took, p99 / 1e3

    def members(self, target: int) -> float:
        """The client's p99 while three others read there."""
        jobs = [(node, node.background(f"remote-bench ask {self.nodes[target].mac} read 4096 1 "
                                       f"{ENDLESS}", "")) for node in self.nodes[CLIENT + 1:]]
        try:
            return self.ask(1, COUNT)[1]
        finally:
            for node, job in jobs:
                node.run(f"kill {job}")

    def flood(self, target: int, rate: float) -> float:
        """The client's operations a second while a stranger sends so many frames."""
        stop = threading.Event()
        to = bytes(int(byte, 16) for byte in self.nodes[target].mac.split(":"))
        frames = [to + self.port.mac + b"\x88\xb5" + struct.pack("<BBH", 1, 4, 88)
                  + self.rng.randbytes(84) for _ in range(64)]
        batch = b"".join(struct.pack("!I", len(one)) + one for one in frames)

        def send():
            began, sent = time.monotonic(), 0
            while not stop.is_set():
                if sent < (time.monotonic() - began) * rate:
                    self.port.socket.sendall(batch)
                    sent += len(frames)
                else:
                    time.sleep(0.001)
            self.sent[target] += sent

        thread = threading.Thread(target=send, daemon=True)
        thread.start()
        try:
            return self.ask(8, RATE_COUNT)[0]
        finally:
            stop.set()
            thread.join()

    def sessions(self) -> list[str]:
        """Sessions that the victim has had: none may end."""
        return re.findall(r"sessions: (.*)", self.nodes[VICTIM].run("links"))


def tell(what: str, control: list[float], attack: list[float], unit: str,
         **bar: float):
    """One line."""
    before, after = statistics.median(control), statistics.median(attack)
    print(f"{what}: {before:.0f} {unit} ({min(control):.0f} to {max(control):.0f}), attacked "
          f"{after:.0f} ({min(attack):.0f} to {max(attack):.0f}): {after / before:.2f} times, "
          f"{bars.verdict(after / before, **bar)}", flush=True)


def run(rounds: int, seed: int) -> str:
    """All of it."""
    with Fabric(CLIENT + 1 + HOSTILE, seed=seed, spare=1) as fabric:
        siege = Siege(fabric, seed)
        siege.ask(1, COUNT)
        rate = siege.ask(8, RATE_COUNT)[0]
        frames = rate * 4               # a request and three parts of a page
        before = siege.sessions()
        pairs = [(siege.members(OTHER), siege.members(VICTIM)) for _ in range(rounds)]
        tell("members, p99 of a 4 KiB read", *map(list, zip(*pairs)), "us", most=2)
        pairs = [(siege.flood(OTHER, frames), siege.flood(VICTIM, frames))
                 for _ in range(rounds)]
        tell(f"flood of {frames:.0f} frames a second", *map(list, zip(*pairs)),
             "reads of 4 KiB a second", least=0.5)
        dropped = sum(int(n) for n in re.findall(r"^dropped (\d+):",
                                                 fabric.nodes[VICTIM].run("links"), re.M))
        # The switch drops what its queue does not hold; most came all the same.
        bars.count("forged frames that the victim dropped, of those sent to it",
                   dropped / siege.sent[VICTIM], least=0.5)
        if siege.sessions() != before:
            raise GuestError(f"sessions ended: {before}, {siege.sessions()}")
        return f"{sum(siege.sent)} forged frames, {dropped} came to the victim and had no effect"


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Measure what hostile nodes cost honest ones.")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--seed", type=int, default=time.time_ns() % (1 << 32), metavar="N")
    options = parser.parse_args()
    again = f"harness/guest/siege.py --rounds {options.rounds} --seed {options.seed}"
    return replay.run("siege", again, lambda: run(options.rounds, options.seed))


if __name__ == "__main__":
    sys.exit(main())

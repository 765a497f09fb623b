#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""What an operation costs an owner that many talk to, and how long it takes.

Two nodes in QEMU lend pages. The others are members of a crowd in one process
(harness/crowd/main.c), all in session with both. One of them is measured: it reads a page
of the first node every few milliseconds. The rest read pages at a given rate, by turns: of
the same node, or, for control, of the second one, so that the host has the same to do.

    instructions    of the first node, counted by QEMU's plugin: what is more in a run than
                    in its control, divided by the requests that it got more. So what
                    sessions cost when nobody reads (beacons, leases) is in neither; it is
                    printed apart.
    p50             of the measured member's reads

Both are printed for 2 peers and for --peers, medians of --rounds. More than 1.10 times the
instructions end it with status 1; the p50 hangs on the host, and is only said to miss.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
for folder in ("bench", "guest"):
    sys.path.insert(0, str(ROOT / "harness" / folder))

import bars                                         # noqa: E402 (the path comes first)
from counting import build_plugin, read_blocks      # noqa: E402
from fabricbed import Fabric                        # noqa: E402
from guest import GuestError, build_folder          # noqa: E402

REPORT = re.compile(r"reads=(\d+) measured=\d+ asked=(\d+) p50_us=([\d.]+) p99_us=[\d.]+ "
                    r"failed=(\d+)")
MEMORY_MIB = 256


class Crowd:
    """The process, and the counts of the first node."""

    def __init__(self, fabric: Fabric, peers: int, counts: Path):
        one, two = fabric.nodes
        self.counts = counts
        self.failed = 0                 # reads: sessions end when the host stands still
        self.process = subprocess.Popen(
            [build_folder() / "harness" / "crowd", fabric.switch.path(3), "test", str(peers),
             one.mac, two.mac], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.hear("ready")

    def hear(self, wanted: str) -> re.Match:
        """The next line, which has to fit."""
        line = self.process.stdout.readline()
        found = re.match(wanted, line)
        if not found:
            raise OSError(f"the crowd said {line!r}")
        return found

    def instructions(self) -> int:
        return sum(length * ran for (_, length), (ran, _) in read_blocks(self.counts).items())

    def run(self, target: int, seconds: int, rate: int) -> tuple[int, int, int, float]:
        """Instructions, reads of the crowd, requests that the first node got, and the p50 of
        the measured member's reads."""
        before = self.instructions()
        self.process.stdin.write(f"run {target} {seconds} {rate}\n")
        self.process.stdin.flush()
        reads, asked, p50, failed = self.hear(REPORT.pattern).groups()
        self.failed += int(failed)
        return self.instructions() - before, int(reads), int(asked), float(p50)

    def end(self):
        self.process.stdin.close()
        self.process.wait(20)


def measure(peers: int, options: argparse.Namespace, plugin: Path,
            folder: Path) -> tuple[float, float]:
    """Instructions of a read, and the ratio of its p50 to the control's."""
    counts = folder / f"counts-{peers}"
    each = {1: {"words": ["-plugin", f"{plugin},out={counts}"]}}
    with Fabric(2, spare=1, memory_mib=MEMORY_MIB, each=each) as fabric:
        for node in fabric.nodes:
            node.background("remote serve 16 ro", "remote: serving 16 pages")
        crowd = Crowd(fabric, peers, counts)
        try:
            rows = [(crowd.run(1, options.seconds, options.rate),
                     crowd.run(0, options.seconds, options.rate))
                    for _ in range(options.rounds)]
        finally:
            crowd.end()
    costs = [(run[0] - control[0]) / (run[2] - control[2]) for control, run in rows]
    here = statistics.median(run[3] for _, run in rows)
    there = statistics.median(control[3] for control, _ in rows)
    idle = statistics.median(control[0] for control, _ in rows) / options.seconds
    print(f"crowd peers={peers} reads={sum(run[1] for _, run in rows)} "
          f"asked={sum(run[2] for _, run in rows)} "
          f"instructions_per_read={statistics.median(costs):.0f} least={min(costs):.0f} "
          f"most={max(costs):.0f} p50_us={here:.0f} control_p50_us={there:.0f} "
          f"p50_ratio={here / there:.3f} failed={crowd.failed} "
          f"control_instructions_per_second={idle:.0f}", flush=True)
    return statistics.median(costs), here / there


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Cost of an operation among many peers.")
    parser.add_argument("--peers", type=int, default=1000, metavar="N")
    parser.add_argument("--seconds", type=int, default=8, metavar="N")
    parser.add_argument("--rate", type=int, default=500, metavar="N", help="reads a second")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="deos-crowd-") as name:
        folder = Path(name)
        plugin = build_plugin(folder)
        few = measure(2, options, plugin, folder)
        many = measure(options.peers, options, plugin, folder)
    print(f"crowd: p50 {many[1]:.3f} times its control, {bars.verdict(many[1], most=1.1)}")
    try:
        bars.count("crowd: times the instructions of 2 peers", many[0] / few[0], most=1.1)
    except GuestError:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

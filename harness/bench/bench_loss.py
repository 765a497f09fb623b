# SPDX-License-Identifier: BSD-2-Clause
"""`loss`: memory of another node read while frames are lost, beside the same without, and
beside soft-RoCE.

Two nodes on the project's switch (harness/switch), one pair for each MTU. The switch
loses frames of one node's link, both ways, so that a frame between the two is lost with
that probability. Goodput is that of pages, 32 at a time; the tail is that of one page at
a time, as a multiple of the median without loss.

Linux's pair (perftest's ib_read_bw, and ib_read_lat asleep between frames) is on a switch
of its own, with loss in the same place. It is measured where something is wanted of it,
without loss and with 1 %: what is lost, it waits for with its own time limit (67 ms), so that
more takes minutes.
"""

from __future__ import annotations

import sys
from pathlib import Path

from bench_fabric import latency
from pair import LinuxPair, parse_rate
from rig import BenchError
from record import Samples, make_row, rounded
from remote import BLOCK, MTUS, DeosPair, Figure, Hosts, Operation
from session import Session

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "switch"))
from switchbed import Switch  # noqa: E402 (the path above comes first)

# Halting: a program that spins has its processor to itself, and QEMU's thread that brings
# the frames waits for its share of the host's.
GOODPUT = Operation("goodput", "read", BLOCK, "throughput", answered=BLOCK, flights=32,
                    count=4000, halts=True)
PAGE = Operation("read", "read", BLOCK, "median", answered=BLOCK, count=2000, halts=True)
# Percent of frames lost: the least share of goodput, the most p99 over the median.
BARS = {0: (None, None), 0.1: (0.98, 2.5), 1: (0.93, 5.0), 5: (0.78, 10.0), 10: (0.62, 16.0)}
PEER_LOSSES = (0, 1)  # percent of frames lost at which Linux is measured
PEER_PAGES = 2000
PEER_NAME = "Linux, soft-RoCE"
PEER_GOODPUT = {1: 10}  # the least multiple of its goodput


class LossBench:
    """The state of one session."""

    def __init__(self, session: Session) -> None:
        self.session, self.samples = session, Samples()
        self.labels = [label for label in session.systems if label != "floor"]
        self.switches: dict[tuple[str, int], Switch] = {}
        self.pairs: dict[tuple[str, int], DeosPair | LinuxPair] = {}

    def start(self, label: str, mtu: int) -> None:
        """Boots a system's pair of an MTU on a switch of its own; it stands still."""
        self.session.progress(f"loss: booting two nodes of {label}, MTU {mtu}")
        switch = self.switches[label, mtu] = Switch(2)
        switch.control.must("seed 1")
        ports = [switch.path(1), switch.path(2)]
        if label == "deos":
            pair = DeosPair(self.session, mtu, True, ports=ports)
        else:
            pair = LinuxPair(self.session.pair, Hosts.pair(), mtu, self.session.cpu, ports=ports)
            pair.start_verbs()
        self.pairs[label, mtu] = pair
        pair.pause()

    def ask(self, label: str, mtu: int) -> tuple[float, Figure]:
        """MiB/s, and the times of one page, once."""
        pair = self.pairs[label, mtu]
        if isinstance(pair, DeosPair):
            goodput = pair.ask(GOODPUT).figure(GOODPUT, BLOCK)
            return goodput.value, pair.ask(PAGE).figure(PAGE, BLOCK)
        words = f"-s {BLOCK} -n {PEER_PAGES}"
        rate = parse_rate(pair.perftest("ib_read_bw", words))
        return rate * BLOCK / (1 << 20), latency(pair.perftest("ib_read_lat", "-e " + words))

    def measure(self, number: int, label: str, mtu: int, percent: float) -> None:
        """Both figures of one case, once."""
        case = f"mtu{mtu} loss {percent:g}%"
        self.session.progress(f"loss: round {number}/{self.session.rounds}, {case}, {label}")
        pair, switch = self.pairs[label, mtu], self.switches[label, mtu]
        pair.resume()
        try:
            switch.control.must(f"link 1 loss={percent:g}")
            goodput, page = self.ask(label, mtu)
            switch.control.must("link 1 loss=0")
        finally:
            pair.pause()
        self.samples.add(f"goodput {case}", label, goodput)
        self.samples.add(f"p50 {case}", label, page.value)
        self.samples.add(f"p99 {case}", label, page.p99_us or page.value)

    def rows_of(self, mtu: int, percent: float) -> list[dict]:
        """The rows of a case: goodput, and the tail of one page at a time."""
        case, none = f"mtu{mtu} loss {percent:g}%", f"mtu{mtu} loss 0%"
        middle = self.samples.middle
        share = middle(f"goodput {case}", "deos") / middle(f"goodput {none}", "deos")
        tail = middle(f"p99 {case}", "deos") / middle(f"p50 {none}", "deos")
        least, most = BARS[percent]
        goodput: dict[str, object] = {"share": rounded(share)}
        page = {"p50_us": rounded(middle(f"p50 {case}", "deos")), "of_median": rounded(tail)}
        if least:
            goodput |= {"wanted": f"{least:g} of lossless",
                        "short": [] if share >= least else [f"{share:.3f} of lossless"]}
            page |= {"wanted": f"{most:g}x median",
                     "short": [] if tail <= most else [f"{tail:.2f} times the median"]}
        row = make_row(self.samples, f"goodput {case}", "MiB/s", "higher", PEER_NAME, **goodput)
        times = PEER_GOODPUT.get(percent)
        if times and row["ratio_to_peer"] is not None:
            row["wanted"] += f", {times}x peer"
            if row["ratio_to_peer"] < times:
                row["short"].append(f"{row['ratio_to_peer']:g} times the peer")
        return [row, make_row(self.samples, f"p99 {case}", "us", "lower", PEER_NAME, **page)]

    def run(self) -> list[dict]:
        """Measures every case, round by round, and returns the report's rows."""
        try:
            for label in self.labels:
                for mtu in MTUS:
                    self.start(label, mtu)
            for number in range(1, self.session.rounds + 1):
                for mtu in MTUS:
                    for percent in BARS:
                        for label in self.labels:
                            if label == "deos" or percent in PEER_LOSSES:
                                self.measure(number, label, mtu, percent)
            return [row for mtu in MTUS for percent in BARS
                    for row in self.rows_of(mtu, percent)]
        finally:
            for pair in self.pairs.values():
                pair.stop()
            for switch in self.switches.values():
                switch.end()


def run(session: Session) -> list[dict]:
    """The benchmark; what is wanted is a share of DEOS's own figure."""
    if "deos" not in session.systems:
        raise BenchError("loss is about DEOS: leave it among --systems")
    return LossBench(session).run()

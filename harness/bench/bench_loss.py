# SPDX-License-Identifier: BSD-2-Clause
"""`loss`: memory of another node read while frames are lost, beside the same without.

Two nodes on the project's switch (harness/switch), one pair for each MTU. The switch
loses frames of one node's link, both ways, so that a frame between the two is lost with
that probability. Goodput is that of pages, 32 at a time; the tail is that of one page at
a time, as a multiple of the median without loss.
"""

from __future__ import annotations

import sys
from pathlib import Path

from rig import BenchError
from record import Samples, make_row, rounded
from remote import BLOCK, MTUS, DeosPair, Operation
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


class LossBench:
    """The state of one session."""

    def __init__(self, session: Session) -> None:
        self.session, self.samples = session, Samples()
        self.switches: list[Switch] = []
        self.pairs: dict[int, DeosPair] = {}

    def start(self, mtu: int) -> None:
        """Boots the pair of an MTU on a switch of its own; it stands still."""
        self.session.progress(f"loss: booting two nodes, MTU {mtu}")
        switch = Switch(2)
        self.switches.append(switch)
        switch.control.must("seed 1")
        self.pairs[mtu] = DeosPair(self.session, mtu, True,
                                   ports=[switch.path(1), switch.path(2)])
        self.pairs[mtu].pause()

    def measure(self, number: int, mtu: int, percent: float) -> None:
        """Both figures of one case, once."""
        case = f"mtu{mtu} loss {percent:g}%"
        self.session.progress(f"loss: round {number}/{self.session.rounds}, {case}")
        pair, switch = self.pairs[mtu], self.switches[MTUS.index(mtu)]
        pair.resume()
        try:
            switch.control.must(f"link 1 loss={percent:g}")
            goodput = pair.ask(GOODPUT).figure(GOODPUT, BLOCK).value
            page = pair.ask(PAGE).figure(PAGE, BLOCK)
            switch.control.must("link 1 loss=0")
        finally:
            pair.pause()
        self.samples.add(f"goodput {case}", "deos", goodput)
        self.samples.add(f"p50 {case}", "deos", page.value)
        self.samples.add(f"p99 {case}", "deos", page.p99_us or page.value)

    def rows_of(self, mtu: int, percent: float) -> list[dict]:
        """The rows of a case: goodput, and the tail of one page at a time."""
        case, none = f"mtu{mtu} loss {percent:g}%", f"mtu{mtu} loss 0%"
        middle = self.samples.middle
        share = middle(f"goodput {case}", "deos") / middle(f"goodput {none}", "deos")
        tail = middle(f"p99 {case}", "deos") / middle(f"p50 {none}", "deos")
        least, most = BARS[percent]
        goodput = {"share": rounded(share)}
        page = {"p50_us": rounded(middle(f"p50 {case}", "deos")), "of_median": rounded(tail)}
        if least:
            goodput |= {"wanted": f"{least:g} of lossless",
                        "short": [] if share >= least else [f"{share:.3f} of lossless"]}
            page |= {"wanted": f"{most:g}x median",
                     "short": [] if tail <= most else [f"{tail:.2f} times the median"]}
        return [make_row(self.samples, f"goodput {case}", "MiB/s", "higher", "", **goodput),
                make_row(self.samples, f"p99 {case}", "us", "lower", "", **page)]

    def run(self) -> list[dict]:
        """Measures every case, round by round, and returns the report's rows."""
        try:
            for mtu in MTUS:
                self.start(mtu)
            for number in range(1, self.session.rounds + 1):
                for mtu in MTUS:
                    for percent in BARS:
                        self.measure(number, mtu, percent)
            return [row for mtu in MTUS for percent in BARS
                    for row in self.rows_of(mtu, percent)]
        finally:
            for pair in self.pairs.values():
                pair.stop()
            for switch in self.switches:
                switch.end()


def run(session: Session) -> list[dict]:
    """The benchmark; it is about DEOS alone."""
    if "deos" not in session.systems:
        raise BenchError("loss measures DEOS alone: leave it among --systems")
    return LossBench(session).run()

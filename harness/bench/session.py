# SPDX-License-Identifier: BSD-2-Clause
"""One benchmark session: which systems, how many rounds, on what machine."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import load
from deos import Build
from linux import Peer
from pair import PairRoot
from rig import BenchError, Hardware, Machine, Node

LABELS = ("deos", "peer", "floor")
START_LIMIT_S = 30.0


@dataclass
class Session:
    """What every benchmark is handed."""

    systems: tuple[str, ...]  # those of LABELS that are measured, in that order
    rounds: int
    seconds: int
    cpu: str
    folder: Path  # build/bench
    build: Build | None
    peer: Peer | None  # one Linux node
    pair: PairRoot | None  # two
    cases: str = ""  # regular expression; only matching cases are measured
    _shown: int = field(default=0, repr=False)

    def hardware(self, memory_mib: int = 256, icount: bool = False, cpu: str = "") -> Hardware:
        """The machine, or the same with another processor model."""
        return Hardware(cpu or self.cpu, memory_mib, icount)

    def order(self) -> Iterator[tuple[int, str]]:
        """Round 1 of every system, then round 2: A B F A B F."""
        for number in range(1, self.rounds + 1):
            for label in self.systems:
                yield number, label

    def web(self, label: str) -> Node:
        """The node of that label that serves (the floor's echoes)."""
        if label == "peer":
            return self.peer.web()
        return self.build.floor() if label == "floor" else self.build.web()

    def echo(self) -> Path:
        return load.build_echo(self.folder)

    def boot(self, label: str) -> Machine:
        """Boots that node and waits until it answers."""
        machine = Machine(self.web(label), self.hardware())
        if label == "floor":
            if load.first_echo(self.echo(), machine, START_LIMIT_S) is None:
                raise BenchError(f"floor: no echo in {START_LIMIT_S:.0f} s; its last words: "
                                 f"{machine.why_dead()}")
        else:
            load.wait_until_serving(machine, START_LIMIT_S)
        return machine

    def progress(self, text: str) -> None:
        """A live line on a terminal; a plain line when piped."""
        if sys.stderr.isatty():
            sys.stderr.write("\r" + text.ljust(self._shown)[:150])
            self._shown = min(len(text), 150)
        else:
            sys.stderr.write(text + "\n")
        sys.stderr.flush()

    def progress_end(self) -> None:
        if sys.stderr.isatty() and self._shown:
            sys.stderr.write("\r" + " " * self._shown + "\r")
            self._shown = 0

# SPDX-License-Identifier: BSD-2-Clause
"""`revocation`: how long an owner takes to take a page back from all who hold it.

One node owns, two hold: three programs on each of them share the capabilities, and add to
the page all the time. What is timed is the call, from before it to its return, by the
owner's clock: from then on nothing of theirs may land, and the program fails when anything
does (libos/programs/remote-bench/revoke.c). Where holders are dead, both nodes lost power,
and the owner calls when it has given both up; before that it has called three times with
all of them alive.

The floor F is the round trip of the bare frames of an 8-byte read, asked by a node that
spins: `x floor` is the time in units of it, and less than one of them is wanted. The
instructions are the same call's on an owner that runs under -icount, where one lasts a
nanosecond: the median of those rounds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import rig
from bench_fabric import READ_8
from record import Samples, make_row, rounded
from remote import BOOT_LIMIT_S, LOOK_US, PROGRAM, PROMPT, SERVING, FloorPair, Hosts, Report, parse
from rig import BenchError, Machine, Node
from session import Session
from wanted import Wanted

ROUNDS = 10         # calls of one run
WARM = 3            # before the one that is timed, where they are dead
PROGRAMS = 6        # a shell has quota for three
HOLDERS = (1, 32, 256, 1000)
DEAD = (256, 1000)
MTU = 1500
RUN_LIMIT_S = 120.0  # a thousand capabilities are granted and dropped ten times
END = r"remote-bench: (operations=|failed: ).*\n"
HOLDING = r"remote-bench: holding\r?\n"
BOUND = Wanted(of_floor=1)


@dataclass(frozen=True)
class Case:
    """So many capabilities for one page, and whether who holds them is dead."""

    holders: int
    dead: bool = False

    @property
    def name(self) -> str:
        return f"revoke {self.holders} {'dead ' if self.dead else ''}holders"

    @property
    def parts(self) -> list[int]:
        """Of each program that holds some: PROGRAMS of them, the first a little more."""
        each, more = divmod(self.holders, PROGRAMS)
        return [each + (number < more) for number in range(PROGRAMS) if each or number < more]

    @property
    def rounds(self) -> int:
        return WARM + 1 if self.dead else ROUNDS  # the dead do not ask again


CASES = tuple(Case(count) for count in HOLDERS) + tuple(Case(count, True) for count in DEAD)


class Nodes:
    """An owner and two nodes that hold."""

    def __init__(self, session: Session) -> None:
        hosts = [*Hosts.pair(), Hosts.pair()[0]]
        self.session = session
        self.nodes = [Node("deos", host, session.build.kernel, str(session.build.boot),
                           f"quiet agent=off cluster=revoke look={LOOK_US}",
                           core=rig.LOAD_CORE if number else rig.GUEST_CORE, mtu=MTU)
                      for number, host in enumerate(hosts)]
        for node in self.nodes:
            rig.add_port(node)

    def run(self, case: Case, counted: bool = False) -> Report:
        """The owner's report, on nodes that are booted for it."""
        hardware = self.session.hardware()
        kinds = [replace(hardware, icount=counted, sleeps=counted), hardware, hardware]
        machines = [Machine(node, kind) for node, kind in zip(self.nodes, kinds)]
        try:
            return self._run(case, machines)
        finally:
            for machine in machines:
                machine.stop()

    def _run(self, case: Case, machines: list[Machine]) -> Report:
        owner, *holders = machines
        for machine in machines:
            machine.wait_for(PROMPT, BOOT_LIMIT_S)
        owner.type(f"run {PROGRAM} own {case.holders} {case.rounds}"
                   + (" silent" if case.dead else ""))
        owner.wait_for(SERVING, BOOT_LIMIT_S)
        for number, part in enumerate(case.parts):
            holder = holders[number % len(holders)]
            since = len(holder.log())
            holder.type(f"run {PROGRAM} hold {self.nodes[0].mac} {part} &")
            holder.wait_for(HOLDING, BOOT_LIMIT_S, since)
        if case.dead:
            held = rf"remote-bench: {case.holders} hold it\r?\n"
            owner.wait_for(rf"(?:{held}){{{case.rounds}}}|{END}", RUN_LIMIT_S)
            for holder in holders:
                holder.stop()
        return parse(owner.wait_for(END, RUN_LIMIT_S))


class Bench:
    """The state of one session of this benchmark."""

    def __init__(self, session: Session) -> None:
        self.session, self.samples = session, Samples()
        self.cases = [case for case in CASES if re.search(session.cases, case.name)]
        self.nodes = Nodes(session)
        self.instructions: dict[str, float | None] = {}

    def measure(self) -> None:
        """Every case and the floor by turns."""
        session = self.session
        floor = FloorPair(session, MTU) if "floor" in session.systems else None
        try:
            for number in range(1, session.rounds + 1):
                for case in self.cases:
                    session.progress(f"revocation: round {number}/{session.rounds}, {case.name}")
                    if floor is not None:
                        floor.resume()
                        report = floor.ask(READ_8, READ_8.count)
                        floor.pause()
                        self.samples.add(case.name, "floor", report.median_ns / 1e3)
                    if "deos" in session.systems:
                        report = self.nodes.run(case)
                        self.samples.add(case.name, "deos", report.median_ns / 1e3)
        finally:
            if floor is not None:
                floor.stop()

    def count(self, case: Case) -> float | None:
        """Instructions of one call; None when that could not be had."""
        self.session.progress(f"revocation: counting instructions, {case.name}")
        try:
            return self.nodes.run(case, counted=True).median_ns
        except BenchError as error:
            self.session.progress(f"not counted: {case.name}: {error}")
            return None

    def row(self, case: Case) -> dict:
        instructions = self.count(case) if "deos" in self.session.systems else None
        made = make_row(self.samples, case.name, "us", "lower", "",
                        instructions=rounded(instructions), wanted=BOUND.words(),
                        floor_note=f"bare frames {READ_8.shape(MTU)}, spinning")
        made["short"] = BOUND.short(made)
        return made


def run(session: Session) -> list[dict]:
    """Measures every case and returns the report's rows."""
    bench = Bench(session)
    bench.measure()
    return [bench.row(case) for case in bench.cases]

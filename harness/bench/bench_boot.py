# SPDX-License-Identifier: BSD-2-Clause
"""`boot`: from QEMU's start to the first HTTP 200, memory needed, and idling.

The floor is the project's own kernel with nothing in it but the driver and the
frame echo: QEMU's start to the first echoed frame.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import idle
import load
from netboot import BootServer
from record import Samples, make_row
from rig import BenchError, Machine, Node
from session import Session

PEER_NAME = "Linux, nginx"
DIRECT, PXE, MEMORY, IDLE = ("direct first 200", "pxe first 200", "memory needed",
                             "idle cpu percent")
DIRECT_LIMIT_S, PXE_LIMIT_S, PXE_MEMORY_MIB = 30.0, 60.0, 512
MEMORY_MAX_MIB = 512
# A node that has not answered in this many times its usual time does not fit.
MEMORY_PATIENCE, MEMORY_LIMIT_MIN_S = 4.0, 2.0


def answered(session: Session, machine: Machine, limit: float) -> float | None:
    """Seconds from QEMU's start to the node's first answer of its kind."""
    if machine.node.label == "floor":
        return load.first_echo(session.echo(), machine, limit)
    return load.first_200(machine.node.address, machine.started, limit, machine.alive)


def measure_direct(session: Session, samples: Samples) -> None:
    for number, label in session.order():
        session.progress(f"boot: direct, round {number}/{session.rounds}, {label}")
        with Machine(session.web(label), session.hardware()) as machine:
            seconds = answered(session, machine, DIRECT_LIMIT_S)
            if seconds is None:
                raise BenchError(f"{label}: no answer in {DIRECT_LIMIT_S:.0f} s; its last "
                                 f"words: {machine.why_dead()}")
            samples.add(DIRECT, label, seconds)


def publish(session: Session, server: BootServer) -> None:
    """Offers each system over the network in the form that boots it fastest."""
    for label in session.systems:
        if label == "peer":
            node = session.peer.small_web()
            append = f"{node.append} initrd=root.cpio.gz"
            server.publish(node, [node.initrd], append)
        elif label == "floor":
            node = session.build.floor()
            server.publish(node, [], node.append)
        else:
            node = session.build.web()
            server.publish(node, node.initrd.split(","), node.append)


def measure_pxe(session: Session, samples: Samples) -> None:
    server = BootServer()
    try:
        publish(session, server)
        server.start()
        for number, label in session.order():
            session.progress(f"boot: PXE, round {number}/{session.rounds}, {label}")
            node = replace(session.web(label), kernel=None, initrd=None)
            with Machine(node, session.hardware(PXE_MEMORY_MIB), rom="ipxe") as machine:
                seconds = answered(session, machine, PXE_LIMIT_S)
                if seconds is None:
                    raise BenchError(f"{label}: no answer over PXE in {PXE_LIMIT_S:.0f} s; its "
                                     f"last words: {machine.why_dead()}")
                samples.add(PXE, label, seconds)
    finally:
        server.stop()


def smallest(fits: Callable[[int], bool], largest: int) -> int | None:
    """The least n in 1..largest for which fits(n) holds, by bisection; None if none does."""
    if not fits(largest):
        return None
    low, high = 0, largest  # fits(high) holds; fits(low) does not
    while high - low > 1:
        middle = (low + high) // 2
        if fits(middle):
            high = middle
        else:
            low = middle
    return high


def memory_node(session: Session, label: str) -> Node:
    return session.peer.small_web() if label == "peer" else session.web(label)


def measure_memory(session: Session, samples: Samples) -> None:
    """One search a system, then the answer is booted once a round; all must succeed."""
    for label in session.systems:
        node = memory_node(session, label)
        limit = DIRECT_LIMIT_S

        def fits(mib: int) -> bool:
            session.progress(f"boot: memory, {label} with {mib} MiB")
            with Machine(node, session.hardware(mib)) as machine:
                return answered(session, machine, limit) is not None

        with Machine(node, session.hardware(MEMORY_MAX_MIB)) as machine:
            usual = answered(session, machine, limit)
        if usual is None:
            raise BenchError(f"{label}: does not boot in {MEMORY_MAX_MIB} MiB")
        limit = max(MEMORY_LIMIT_MIN_S, MEMORY_PATIENCE * usual)
        found = smallest(fits, MEMORY_MAX_MIB)
        for _ in range(session.rounds):
            while not fits(found):
                found += 1  # it fitted once by luck: what holds every time counts
        samples.add(MEMORY, label, float(found))


def run(session: Session) -> list[dict]:
    """Measures every case and returns the report's rows."""
    samples = Samples()
    steps = ((DIRECT, "s", measure_direct), (PXE, "s", measure_pxe),
             (MEMORY, "MiB", measure_memory),
             (IDLE, "percent of a core", lambda s, into: idle.measure(s, into, IDLE)))
    rows = []
    for case, unit, measure in steps:
        if not re.search(session.cases, case):
            continue
        measure(session, samples)
        note = {} if "floor" not in session.systems else {
            "floor_note": "the same kernel with floor=echo, to its first echoed frame"
            if unit == "s" else "the same kernel with floor=echo"}
        rows.append(make_row(samples, case, unit, "lower", PEER_NAME, **note))
    return rows

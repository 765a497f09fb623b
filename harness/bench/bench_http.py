# SPDX-License-Identifier: BSD-2-Clause
"""`http`: requests a second from DEOS, nginx on Linux and the echo floor.

All three nodes are booted once and verified, then stopped; only the one being
measured runs. The floor of a case is computed from measured echo rates of the
project's own driver; docs/benchmarks.md derives the formulas used here.
"""

from __future__ import annotations

import http.client
import math
import re
from dataclasses import dataclass

import load
from linux import SITE, site_files
from record import Samples, make_row
from rig import BenchError, Machine, Node
from session import Session

PEER_NAME = "Linux, nginx"
SIZES = {"128B": "f128", "1KiB": "f1k", "8KiB": "f8k", "100KiB": "f100k", "1MiB": "f1m"}
CONNECTIONS = (1, 16, 64)
FRAME_BYTES_MAX, HEADERS_BYTES = 1514, 14 + 20 + 20
SEGMENT_BYTES = FRAME_BYTES_MAX - HEADERS_BYTES
SMALL_FRAME_BYTES = 60
OUTSTANDING_MAX = 128  # full frames that the driver's transmit ring holds at once
PIPELINE_DEPTH = 16


@dataclass(frozen=True)
class Case:
    """One row of the benchmark."""

    mode: str  # keepalive, close or pipelined
    size: str
    connections: int

    @property
    def name(self) -> str:
        return f"{self.mode} {self.size} c{self.connections}"

    @property
    def path(self) -> str:
        return SIZES[self.size]

    @property
    def bytes(self) -> int:
        return SITE[self.path]


def all_cases() -> list[Case]:
    cases = [Case(mode, size, connections) for mode in ("keepalive", "close")
             for size in SIZES for connections in CONNECTIONS]
    return cases + [Case("pipelined", "128B", 64)]


@dataclass(frozen=True)
class EchoPlan:
    """The echo run that bounds a case, and how many of its frames a request costs."""

    frame_bytes: int
    outstanding: int
    frames: float

    @property
    def key(self) -> tuple[int, int]:
        return self.frame_bytes, self.outstanding


def echo_plan(case: Case, head_bytes: int) -> EchoPlan:
    """Frames of the response's size, as many in flight as the connections can have."""
    payload = head_bytes + case.bytes
    if case.mode == "pipelined":
        return EchoPlan(FRAME_BYTES_MAX, case.connections, payload / SEGMENT_BYTES)
    frames = math.ceil(payload / SEGMENT_BYTES)
    size = min(HEADERS_BYTES + payload, FRAME_BYTES_MAX)
    return EchoPlan(size, min(case.connections * frames, OUTSTANDING_MAX), frames)


def small_plan(case: Case) -> EchoPlan:
    """The two further round trips of a connection that serves one request."""
    return EchoPlan(SMALL_FRAME_BYTES, case.connections, 2)


def floor_rate(case: Case, plan: EchoPlan, data_rate: float, small_rate: float) -> float:
    """Requests a second that the driver alone could carry."""
    seconds = plan.frames / data_rate
    if case.mode == "close":
        seconds += small_plan(case).frames / small_rate
    return 1 / seconds


def floor_note(case: Case, plan: EchoPlan) -> str:
    text = (f"{plan.frames:.3g} echoed frame(s) of {plan.frame_bytes} B a response, "
            f"{plan.outstanding} in flight")
    if case.mode == "close":
        text += f", and 2 of {SMALL_FRAME_BYTES} B for the connection"
    if plan.frames > 1:
        text += "; no segmentation offload, so a system that uses it can pass this floor"
    return text


def verify(node: Node) -> None:
    """Every file arrives byte for byte before anything is timed."""
    for name, content in site_files().items():
        link = http.client.HTTPConnection(node.address, 80, timeout=10)
        try:
            link.request("GET", f"/{name}")
            answer = link.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise BenchError(f"{node.label}: GET /{name}: {error}") from error
        finally:
            link.close()
        if answer.status != 200 or body != content:
            raise BenchError(f"{node.label}: GET /{name} gave status {answer.status} and "
                             f"{len(body)} bytes that are not the file's")


def head_bytes(node: Node) -> int:
    """Length of a response's head, as this node writes it."""
    link = http.client.HTTPConnection(node.address, 80, timeout=10)
    link.request("GET", "/f128")
    answer = link.getresponse()
    answer.read()
    link.close()
    status = len(f"HTTP/1.1 {answer.status} {answer.reason}\r\n")
    return status + sum(len(f"{k}: {v}\r\n") for k, v in answer.getheaders()) + 2


class HttpBench:
    """The state of one session of this benchmark."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.samples, self.latency = Samples(), Samples()
        self.errors: dict[tuple[str, str], int] = {}
        self.echoes: dict[tuple[int, int], float] = {}  # of the current round
        self.machines: dict[str, Machine] = {}
        self.head = 0
        self.echoes_lost: dict[tuple[int, int], int] = {}  # of the whole session

    def prepare(self) -> None:
        """Boots, verifies, warms and stops every node."""
        for label in self.session.systems:
            self.session.progress(f"http: booting {label}")
            machine = self.session.boot(label)
            self.machines[label] = machine
            if label != "floor":
                verify(machine.node)
                self.head = self.head or head_bytes(machine.node)
                load.wrk(machine.node, "f1k", 16, 1)
            machine.pause()

    def measure(self, case: Case, label: str) -> None:
        machine = self.machines[label]
        machine.resume()
        try:
            if label == "floor":
                self.measure_floor(case)
                return
            seen = load.wrk(machine.node, case.path, case.connections, self.session.seconds,
                            close=case.mode == "close", pipeline=case.mode == "pipelined")
        finally:
            if machine.alive():
                machine.pause()
        self.samples.add(case.name, label, seen.requests_per_s)
        self.latency.add(case.name, label + " p50", seen.p50_us)
        self.latency.add(case.name, label + " p99", seen.p99_us)
        key = (case.name, label)
        self.errors[key] = self.errors.get(key, 0) + seen.errors

    def echo(self, plan: EchoPlan) -> float:
        """The echo rate of a plan, measured once a round."""
        if plan.key not in self.echoes:
            milliseconds = max(300, self.session.seconds * 500)
            seen = load.echo_rate(self.session.echo(), self.machines["floor"].node,
                                  plan.frame_bytes, plan.outstanding, milliseconds)
            if seen.echoes_per_s <= 0:
                raise BenchError("floor: the node stopped echoing")
            self.echoes[plan.key] = seen.echoes_per_s
            self.echoes_lost[plan.key] = self.echoes_lost.get(plan.key, 0) + seen.lost
        return self.echoes[plan.key]

    def measure_floor(self, case: Case) -> None:
        plan = echo_plan(case, self.head)
        small = self.echo(small_plan(case)) if case.mode == "close" else math.inf
        self.samples.add(case.name, "floor", floor_rate(case, plan, self.echo(plan), small))

    def row(self, case: Case) -> dict:
        extra: dict[str, object] = {}
        for label in self.session.systems:
            prefix = "" if label == "deos" else label + "_"
            if label == "floor":
                plan = echo_plan(case, self.head)
                extra["floor_note"] = floor_note(case, plan)
                extra["floor_frames_lost"] = self.echoes_lost.get(plan.key, 0)
                continue
            for name in ("p50", "p99"):
                extra[f"{prefix}{name}_us"] = self.latency.middle(case.name, f"{label} {name}")
            extra[f"{prefix}errors"] = self.errors.get((case.name, label), 0)
        return make_row(self.samples, case.name, "requests/s", "higher", PEER_NAME, **extra)


def run(session: Session) -> list[dict]:
    """Measures every case and returns the report's rows."""
    bench = HttpBench(session)
    cases = [case for case in all_cases() if re.search(session.cases, case.name)]
    if not cases:
        return []
    try:
        bench.prepare()
        for number in range(1, session.rounds + 1):
            bench.echoes.clear()
            for case in cases:
                session.progress(f"http: round {number}/{session.rounds}, {case.name}")
                for label in session.systems:
                    bench.measure(case, label)
        return [bench.row(case) for case in cases]
    finally:
        for machine in bench.machines.values():
            machine.stop()

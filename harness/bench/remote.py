# SPDX-License-Identifier: BSD-2-Clause
"""What `fabric` and `block` share: operations between two nodes, on three systems.

Each system is a pair of nodes on the bridge for each MTU, the first owns and the second
asks; all pairs stand still but the one being measured. The floor is the operation's
frames alone, in number and size, asked with floor=ping (harness/floor/ping.h) of a node
with floor=echo.

DEOS's side is the program PROGRAM of the boot archive (libos/programs/remote-bench).
Without it in there, `fabric` and `block` measure the other systems only. Both nodes join
one cluster (with `fabric=untagged` for rows called `noauth`; with `look=N`, so that processors
look for frames before they halt, where a row's value is a median and it is not called
halting) and are typed, when their prompts are there:

    first node:   run remote-bench serve
    second node:  run remote-bench ask MAC OPERATION BYTES FLIGHTS COUNT

`serve` offers memory and the first disk to whoever asks and prints, when it does,

    remote-bench: serving

For two writers in turn they are `remote-bench pong MAC` with the second node's, and
`remote-bench ping MAC BYTES COUNT`.

MAC is the first node's, OPERATION one of read, write, cas, block-read and block-write.
`ask` runs COUNT operations of BYTES each, on random places, FLIGHTS at a time (a read
of several blocks is one operation), after some that do not count. It prints one line

    remote-bench: operations=N took_ns=T median_ns=M min_ns=L p99_ns=P

where T is the time in which N operations ended and the others are of single operations,
from submission to completion; or `remote-bench: failed: WHY`. Then the prompt is back.

Times are taken first, of all rows by turns. Then instructions are counted, on pairs that
run with a plugin (counting.py) and halt between frames: of both nodes, DEOS's, Linux's
and the floor's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, Protocol, Sequence

import rig
from counting import CHECK, TAG, Blocks, Cost, between, build_plugin, cost, read_blocks
from frames import frames
from functions import Functions
from pair import LinuxPair
from record import Samples, make_row, rounded
from rig import BenchError, Machine, Node
from session import Session
from wanted import Wanted

PROGRAM = "remote-bench"
VERBS = ("read", "write", "cas", "block-read", "block-write")
PING = "ping"  # two writers in turn: another pair of programs
MTUS = (1500, 9000)
FIRST_HOST = 10
BLOCK = 4096
DISK_MIB = 64
PROMPT = r"deos> \Z"
SERVING = r"remote-bench: serving\r?\n"
ECHOING = r"floor: echoing frames\r?\n"
REPORT = re.compile(r"^(?:floor: ping|remote-bench:)((?: \w+=\d+)+)\s*$", re.M)
REFUSED = re.compile(r"^(?:PANIC|remote-bench: failed): (.*)$", re.M)
LAPSED = re.compile(r"^remote-bench: failed: .*\bsession\b", re.M)
ATTEMPTS = 3
LOOK_US = 5000  # for how long a processor looks for frames before it halts
FIELDS = ("operations", "took_ns", "median_ns", "min_ns", "p99_ns")
BOOT_LIMIT_S, RUN_LIMIT_S = 60.0, 60.0
FEW, MANY = 200, 1200  # operations of the wire in the two runs whose instructions are compared


@dataclass(frozen=True)
class Operation:
    """One kind of row; what a row is called also says its MTU."""

    name: str
    verb: str  # for DEOS's program
    bytes: int
    value: str  # median or mean (us), rate (operations/s) or throughput (MiB/s)
    sent: int = 0  # bytes that a request carries beyond its fixed body
    answered: int = 0
    flights: int = 1
    count: int = 1000
    ways: int = 1  # of which one is told
    halts: bool = False  # processors halt until an answer comes, also for a single one

    @property
    def unit(self) -> str:
        return {"rate": "operations/s", "throughput": "MiB/s"}.get(self.value, "us")

    @property
    def better(self) -> str:
        return "lower" if self.unit == "us" else "higher"

    @property
    def blocks(self) -> int:
        """Operations of the wire, for which the floor counts, in one of these."""
        return max(1, self.bytes // BLOCK)

    def shape(self, mtu: int) -> str:
        """The frames of one block, as floor=ping takes them."""
        asks = frames("request", self.sent, mtu)
        answers = frames("request" if self.ways > 1 else "response", self.answered, mtu)
        return f"{asks[0]}x{asks[1]},{answers[0]}x{answers[1]}"

    @property
    def floor_flights(self) -> int:
        return self.flights * self.blocks

    @property
    def counted(self) -> tuple[int, int]:
        """How often it runs where instructions are counted, less often and more often."""
        return FEW // self.blocks, MANY // self.blocks

    def halting(self, count: int) -> Operation:
        """So many of it, with a requester that halts for each."""
        return replace(self, count=count, halts=True)

    @property
    def looks(self) -> bool:
        """What a median may spin for; a mean and a rate are better halting."""
        return self.value == "median" and not self.halts

    def asked(self, mac: str) -> str:
        """The words for DEOS's program on the second node."""
        if self.verb == PING:
            return f"ping {mac} {self.bytes} {self.count}"
        return f"ask {mac} {self.verb} {self.bytes} {self.flights} {self.count}"

    def floor_words(self, mac: str, mtu: int, count: int) -> str:
        spin = ",spin" if self.looks else ""
        return f"floor=ping,{mac},{self.shape(mtu)},{self.floor_flights},{count}{spin}"


class Figure(NamedTuple):
    """A row's value, and the 99th percentile of single operations where it is known."""

    value: float
    p99_us: float | None = None


@dataclass(frozen=True)
class Report:
    """The line of floor=ping, or of DEOS's program."""

    operations: int
    took_ns: int
    median_ns: int
    min_ns: int
    p99_ns: int
    busy_ns: int = 0

    def figure(self, operation: Operation, bytes_each: int) -> Figure:
        """The row's value, of operations of so many bytes."""
        if operation.value == "median":
            each = 1e3 * operation.ways
            return Figure(self.median_ns / each, self.p99_ns / each)
        if operation.value == "mean":
            return Figure(self.took_ns / self.operations / 1e3, self.p99_ns / 1e3)
        rate = self.operations * 1e9 / self.took_ns
        return Figure(rate if operation.value == "rate" else rate * bytes_each / (1 << 20))


def parse(text: str) -> Report:
    """The last report in a console's text."""
    text = text.replace("\r", "")
    if refused := REFUSED.search(text):
        raise BenchError(refused[1])
    found = REPORT.findall(text)
    words = dict(re.findall(r"(\w+)=(\d+)", found[-1])) if found else {}
    if not set(FIELDS) <= set(words):
        raise BenchError(f"no report in {' '.join(text.split())[-120:]!r}")
    numbers = {name: int(words[name]) for name in (*FIELDS, "busy_ns") if name in words}
    if not numbers["operations"] or not numbers["took_ns"]:
        raise BenchError("a report of nothing")
    return Report(**numbers)


class Hosts:
    """Numbers for the nodes of this session."""

    next = FIRST_HOST

    @classmethod
    def pair(cls) -> tuple[int, int]:
        cls.next += 2
        return cls.next - 2, cls.next - 1


class FloorPair:
    """A node that answers bare frames, and one booted anew for each question."""

    def __init__(self, session: Session, mtu: int, plugin: Path | None = None) -> None:
        self.mtu = mtu
        self.hardware = replace(session.hardware(64), plugin=plugin)
        first, second = Hosts.pair()
        kernel = session.build.echo
        self.echo_node = Node("floor", first, kernel, append="floor=echo", mtu=mtu)
        self.ping_node = Node("floor", second, kernel, mtu=mtu, core=rig.LOAD_CORE)
        for node in (self.echo_node, self.ping_node):
            rig.add_port(node)
        self.echo = Machine(self.echo_node, self.hardware)
        self.asked: Blocks = {}  # what the last one ran that asked
        self.echo.wait_for(ECHOING, BOOT_LIMIT_S)

    def ask(self, operation: Operation, count: int) -> Report | None:
        """One run; None when the driver cannot make such long frames."""
        words = operation.floor_words(self.echo_node.mac, self.mtu, count)
        node = replace(self.ping_node, append=words)
        with Machine(node, self.hardware) as machine:
            text = machine.wait_for(r"(floor: ping|PANIC: ).*\n", RUN_LIMIT_S)
            if self.hardware.plugin is not None:
                self.asked = read_blocks(machine.counts)
        if self.mtu > rig.MTU and "within the bounds" in text:
            return None
        return parse(text)

    def pause(self) -> None:
        self.echo.pause()

    def resume(self) -> None:
        self.echo.resume()

    def stop(self) -> None:
        self.echo.stop()


class DeosPair:
    """Two DEOS nodes with PROGRAM, the first serving, or answering writes by writes."""

    def __init__(self, session: Session, mtu: int, tagged: bool,
                 plugin: Path | None = None, ports: Sequence[str] = (),
                 looks: bool = False, pongs: bool = False) -> None:
        words = (f"quiet agent=off cluster=bench{mtu}" + ("" if tagged else " fabric=untagged") +
                 (f" look={LOOK_US}" if looks else ""))
        nodes = [Node("deos", host, session.build.kernel, str(session.build.boot),
                      words, core=core, mtu=mtu,
                      disk_mib=DISK_MIB if core == rig.GUEST_CORE else 0)
                 for host, core in zip(Hosts.pair(), (rig.GUEST_CORE, rig.LOAD_CORE))]
        nodes = rig.wire(nodes, ports)
        self.owner, self.progress = nodes[0].mac, session.progress
        hardware = replace(session.hardware(), plugin=plugin)
        self.machines = [Machine(node, hardware) for node in nodes]
        for machine in self.machines:
            machine.wait_for(PROMPT, BOOT_LIMIT_S)
        self.machines[0].type(f"run {PROGRAM} " + (f"pong {nodes[1].mac}" if pongs else "serve"))
        self.machines[0].wait_for(SERVING, BOOT_LIMIT_S)

    def ask(self, operation: Operation) -> Report:
        """One run of the program; again when the host kept a node from running for so
        long that the other gave it up."""
        machine = self.machines[1]
        text = ""
        for attempt in range(1, ATTEMPTS + 1):
            since = len(machine.log())
            machine.type(f"run {PROGRAM} {operation.asked(self.owner)}")
            text = machine.wait_for(PROMPT, RUN_LIMIT_S, since)
            if not LAPSED.search(text):
                break
            self.progress(f"{operation.name}: the session between the nodes ended, "
                          f"run {attempt}/{ATTEMPTS}")
        return parse(text)

    def pause(self) -> None:
        for machine in self.machines:
            machine.pause()

    def resume(self) -> None:
        for machine in self.machines:
            machine.resume()

    def stop(self) -> None:
        for machine in self.machines:
            machine.stop()


class LinuxSide(Protocol):
    """What differs between the benchmarks: how Linux does it."""

    def start(self, pair: LinuxPair) -> None:
        """Sets the two nodes up, once."""

    def measure(self, pair: LinuxPair, operation: Operation) -> dict[str, Figure]:
        """The row's value by each way that Linux has."""

    def repeat(self, pair: LinuxPair, operation: Operation) -> bool:
        """Runs the operation, `count` times, halting. False: it cannot say how often."""


@dataclass(frozen=True)
class Row:
    """One case."""

    operation: Operation
    mtu: int
    name: str
    tagged: bool = True  # DEOS's frames; the others' never are
    wanted: Wanted = Wanted()


class Costs(NamedTuple):
    """An operation at both nodes."""

    owner: Cost
    requester: Cost

    @property
    def instructions(self) -> float:
        return self.owner.instructions + self.requester.instructions


class Counted:
    """Pairs that run with the plugin, and what an operation costs on them."""

    def __init__(self, session: Session, plugin: Path, linux: LinuxSide | None = None) -> None:
        self.session, self.plugin, self.linux = session, plugin, linux
        self.functions = Functions.of(session.build.debug) if session.build else Functions()
        self.known: dict[tuple, Costs | None] = {}
        self.pairs: dict[tuple, FloorPair | DeosPair | LinuxPair] = {}

    def _pair(self, kind: type, *key) -> FloorPair | DeosPair | LinuxPair:
        """The pair of that kind and MTU, with the others that are counted standing still."""
        for pair in self.pairs.values():
            pair.pause()
        if (kind, *key) not in self.pairs:
            if kind is LinuxPair:
                made = LinuxPair(self.session.pair, Hosts.pair(), *key, self.session.cpu,
                                 self.plugin)
                self.linux.start(made)
            else:
                made = kind(self.session, *key, self.plugin)
            self.pairs[kind, *key] = made
        self.pairs[kind, *key].resume()
        return self.pairs[kind, *key]

    @staticmethod
    def _both(machines: list[Machine], operation: Operation, run,
              functions: Functions = Functions()) -> Costs:
        """What one operation costs the first node and the second; run(n) runs n."""
        seen = [[read_blocks(machine.counts) for machine in machines]]
        few, many = operation.counted
        for count in (few, many):
            run(count)
            seen.append([read_blocks(machine.counts) for machine in machines])
        return Costs(*(cost(between(start, middle), between(middle, end), many - few,
                            functions) for start, middle, end in zip(*seen)))

    def deos(self, operation: Operation, mtu: int, tagged: bool) -> Costs:
        pair = self._pair(DeosPair, mtu, tagged)
        return self._both(pair.machines, operation,
                          lambda count: pair.ask(operation.halting(count)), self.functions)

    def linux_pair(self, operation: Operation, mtu: int) -> Costs | None:
        pair = self._pair(LinuxPair, mtu)
        machines = [node.machine for node in pair.nodes]
        if not self.linux.repeat(pair, operation.halting(1)):
            return None
        return self._both(machines, operation,
                          lambda count: self.linux.repeat(pair, operation.halting(count)))

    def floor(self, operation: Operation, mtu: int) -> Costs | None:
        """Who asks is booted for each run: its boot is in both."""
        pair = self._pair(FloorPair, mtu)
        seen, asked, times = [read_blocks(pair.echo.counts)], [], operation.counted
        for count in times:
            if pair.ask(operation.halting(count), count * operation.blocks) is None:
                return None
            seen.append(read_blocks(pair.echo.counts))
            asked.append(pair.asked)
        few, many = (between(a, b) for a, b in zip(seen, seen[1:]))
        return Costs(cost(few, many, times[1] - times[0], Functions()),
                     cost(*asked, times[1] - times[0], Functions()))

    def of(self, label: str, row: Row) -> Costs | None:
        """What a row's operation costs that system; None where it cannot be counted."""
        operation = row.operation
        key = (label, operation.verb, operation.bytes, operation.flights, row.mtu,
               row.tagged or label != "deos")
        if key not in self.known:
            self.session.progress(f"counting instructions: {label}, {row.name}")
            if label == "deos":
                self.known[key] = self.deos(operation, row.mtu, row.tagged)
            else:
                count = self.linux_pair if label == "peer" else self.floor
                self.known[key] = count(operation, row.mtu)
        return self.known[key]

    def figures(self, row: Row) -> dict[str, float | None]:
        """What a report says of a row's instructions."""
        if row.operation.verb == PING:
            return {}
        found = {label: self.of(label, row) for label in self.session.systems}
        out: dict[str, float | None] = {
            ("" if label == "deos" else label + "_") + "instructions": costs.instructions
            for label, costs in found.items() if costs is not None}
        costs = found.get("deos")
        if costs is not None:
            untagged = costs.owner.instructions - costs.owner.of(TAG)
            out |= {"owner_instructions": costs.owner.instructions,
                    "requester_instructions": costs.requester.instructions,
                    "owner_untagged": untagged,
                    "check_share": costs.owner.of(CHECK) / untagged,
                    "owner_devices": costs.owner.devices,
                    "requester_devices": costs.requester.devices,
                    "owner_interrupts": costs.owner.interrupts,
                    "requester_interrupts": costs.requester.interrupts}
        if "instructions" in out and "peer_instructions" in out:
            out["instruction_ratio"] = out["peer_instructions"] / out["instructions"]
        return {name: rounded(value) for name, value in out.items()}

    def stop(self) -> None:
        for pair in self.pairs.values():
            pair.stop()


class RemoteBench:
    """The state of one session of a benchmark between two nodes."""

    def __init__(self, session: Session, name: str, rows: list[Row], linux: LinuxSide,
                 peer_name: str) -> None:
        self.session, self.name, self.linux, self.peer_name = session, name, linux, peer_name
        self.rows = [row for row in rows if re.search(session.cases, row.name)]
        self.samples, self.tails = Samples(), Samples()
        self.ways: dict[str, set[str]] = {}
        self.pairs: dict[tuple, LinuxPair | FloorPair | DeosPair] = {}
        self.counts: dict[str, dict] = {}

    def pair(self, label: str, mtu: int, tagged: bool = True, looks: bool = False,
             pongs: bool = False):
        """The pair of a system, booted when it is first wanted."""
        key = (label, mtu, tagged, looks, pongs)
        if key not in self.pairs:
            session = self.session
            session.progress(f"{self.name}: booting {label}, MTU {mtu}")
            if label == "peer":
                self.pairs[key] = LinuxPair(session.pair, Hosts.pair(), mtu, session.cpu)
                self.linux.start(self.pairs[key])
            elif label == "floor":
                self.pairs[key] = FloorPair(session, mtu)
            else:
                self.pairs[key] = DeosPair(session, mtu, tagged, looks=looks, pongs=pongs)
            self.pairs[key].pause()
        return self.pairs[key]

    def add(self, row: Row, label: str, figure: Figure) -> None:
        """One more run of a system, or of one of Linux's ways."""
        self.samples.add(row.name, label, figure.value)
        if figure.p99_us is not None:
            self.tails.add(row.name, label, figure.p99_us)

    def measure_deos(self, row: Row) -> None:
        pair = self.pair("deos", row.mtu, row.tagged, row.operation.looks,
                         row.operation.verb == PING)
        pair.resume()
        report = pair.ask(row.operation)
        pair.pause()
        self.add(row, "deos", report.figure(row.operation, row.operation.bytes))

    def measure_peer(self, row: Row) -> None:
        pair = self.pair("peer", row.mtu)
        pair.resume()
        values = self.linux.measure(pair, row.operation)
        pair.pause()
        self.ways.setdefault(row.name, set()).update(values)
        for way, value in values.items():
            self.add(row, way, value)

    def measure_floor(self, row: Row) -> None:
        operation = row.operation
        pair = self.pair("floor", row.mtu)
        pair.resume()
        report = pair.ask(operation, operation.count * operation.blocks)
        pair.pause()
        if report is not None:
            each = operation.bytes // operation.blocks
            self.add(row, "floor", report.figure(operation, each))

    def count_instructions(self) -> None:
        """Of every row, when all times are taken. What cannot be counted leaves the times."""
        counted = Counted(self.session, build_plugin(self.session.folder), self.linux)
        try:
            for row in self.rows:
                try:
                    self.counts[row.name] = counted.figures(row)
                except BenchError as error:
                    self.session.progress(f"not counted: {row.name}: {error}")
                    self.counts[row.name] = {"count_error": str(error)}
        finally:
            counted.stop()

    def fastest(self, row: Row) -> str | None:
        """The way in which Linux is best at a row, by its median."""
        ways = self.ways.get(row.name, set())
        if not ways:
            return None
        best = min if row.operation.better == "lower" else max
        return best(sorted(ways), key=lambda way: self.samples.middle(row.name, way))

    def row(self, row: Row) -> dict:
        """The report's row; the peer is the fastest way, the others stand beside it."""
        operation = row.operation
        extra: dict[str, object] = {}
        way = self.fastest(row)
        if way is not None:
            for value in self.samples.get(row.name, way):
                self.samples.add(row.name, "peer", value)
            others = sorted(self.ways[row.name])
            if len(others) > 1:
                extra["peer_ways"] = {name: rounded(self.samples.middle(row.name, name))
                                      for name in others}
        if "floor" in self.session.systems:
            extra["floor_note"] = (f"bare frames {operation.shape(row.mtu)}, "
                                   f"{operation.floor_flights} in flight")
        for prefix, label in (("", "deos"), ("peer_", way), ("floor_", "floor")):
            if label and (tail := self.tails.middle(row.name, label)) is not None:
                extra[prefix + "p99_us"] = rounded(tail)
        if extra.get("p99_us") and extra.get("floor_p99_us"):
            extra["p99_to_floor"] = rounded(extra["p99_us"] / extra["floor_p99_us"])
        extra |= {"statistic": operation.value, "wanted": row.wanted.words(),
                  **self.counts.get(row.name, {})}
        made = make_row(self.samples, row.name, operation.unit, operation.better,
                        f"{self.peer_name}, {way}", **extra)
        made["short"] = row.wanted.short(made)
        return made

    def run(self) -> list[dict]:
        """Measures every case and returns the report's rows."""
        measure = {"deos": self.measure_deos, "peer": self.measure_peer,
                   "floor": self.measure_floor}
        try:
            for number in range(1, self.session.rounds + 1):
                for row in self.rows:
                    self.session.progress(f"{self.name}: round {number}/{self.session.rounds}, "
                                          f"{row.name}")
                    for label in self.session.systems:
                        measure[label](row)
        finally:
            for pair in self.pairs.values():
                pair.stop()
        self.count_instructions()
        return [self.row(row) for row in self.rows]

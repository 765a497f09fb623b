# SPDX-License-Identifier: BSD-2-Clause
"""`primitives`: what the kernel's basic operations cost, beside Linux's.

On each system one program runs the operations and prints a line a repetition,
"prims: NAME ns=VALUE"; here it is started once a round on each, by turns. The
floor is a program without any kernel (floor/), booted anew for each round. A
further boot under -icount shift=0, where one instruction lasts one nanosecond,
gives instructions instead of time. All of it is done on two processor models, the
session's and `max`, by turns in one session too.

Each row carries what is wanted of it (WANTED); `short` names what falls short.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path

from deos import FLOOR_HOST
from record import Samples, make_row, median, rounded
from rig import BenchError, Machine, Node, add_port
from session import Session
from wanted import Wanted

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PEER_NAME = "Linux system calls and signals"
CASES = ("null call", "fault upcall", "protect fault unprotect", "protect fault unprotect alone",
         "control transfer", "map page batch", "environment create destroy", "fork 16MiB")
SECOND_CPU = "max"
SECOND_PORT = 10                # its nodes' host numbers come so much later
LINE = re.compile(r"^prims: ([\w -]+?) ns=([\d.]+)\s*$", re.M)
BOOT_LIMIT_S, RUN_LIMIT_S = 180.0, 300.0
PROMPT = {"deos": r"deos> \Z", "peer": r"peer: ready\r?\n\Z"}
COMMAND = {"deos": "run prims", "peer": ""}
FLOOR_END = r"floor: done"
FLOOR_NOTE = "the processor alone, no kernel: harness/bench/floor"
FLOOR_FLAGS = ("-O2 -Wall -Wextra -Werror -ffreestanding -fno-pic -no-pie -mno-red-zone "
               "-mgeneral-regs-only -fno-stack-protector -fcf-protection=none -nostdlib -static "
               "-Wl,--build-id=none -Wl,-z,noexecstack -Wl,--no-warn-rwx-segments").split()
WANTED = {
    "null call": Wanted(2.5),
    "fault upcall": Wanted(8),
    "protect fault unprotect": Wanted(15),
    "protect fault unprotect alone": Wanted(),  # Linux's cheapest case: shown beside it
    "control transfer": Wanted(7, of_floor=1.4, fewer=15),
    "map page batch": Wanted(5),
    "environment create destroy": Wanted(5),
    "fork 16MiB": Wanted(2),
}


def build_floor(folder: Path) -> Path:
    """Compiles the floor's multiboot ELF into folder."""
    program, whole = folder / "floor.elf", folder / "floor64.elf"
    sources = [HERE / "floor/floor.S", HERE / "floor/floor.c"]
    script = HERE / "floor/floor.ld"
    compile_it = ["gcc", *FLOOR_FLAGS, f"-I{ROOT}", f"-Wl,-T,{script}", "-o", str(whole),
                  *map(str, sources)]
    for words in (compile_it, ["objcopy", "-O", "elf32-i386", str(whole), str(program)]):
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BenchError(f"the floor does not build: {done.stderr.strip().splitlines()[0]}")
    return program


def parse(text: str) -> dict[str, list[float]]:
    """Values of each operation in the order printed."""
    values: dict[str, list[float]] = {}
    for name, value in LINE.findall(text.replace("\r", "")):
        values.setdefault(re.sub(r"[-_]", " ", name), []).append(float(value))
    return values


def checked(machine: Machine, text: str) -> dict[str, float]:
    """The median of each operation; all of them must be there."""
    values = parse(text)
    missing = [name for name in CASES if name not in values]
    if missing:
        raise BenchError(f"{machine.node.label}: prims did not print {', '.join(missing)}; "
                         f"its last words: {machine.why_dead()}")
    return {name: median(found) for name, found in values.items()}


class Bench:
    """The state of one session of this benchmark."""

    def __init__(self, session: Session) -> None:
        self.session, self.samples = session, Samples()
        self.machines: dict[tuple[str, str], Machine] = {}
        self.cpus = tuple(dict.fromkeys((session.cpu, SECOND_CPU)))
        self.floor = build_floor(session.folder) if "floor" in session.systems else None
        for label in session.systems if len(self.cpus) > 1 else ():
            add_port(self.node(SECOND_CPU, label))

    def node(self, cpu: str, label: str) -> Node:
        """What to boot. Two models' nodes live side by side: each has a port of its own."""
        session = self.session
        if label == "floor":
            node = Node("floor", FLOOR_HOST, self.floor)
        else:
            node = session.peer.prims() if label == "peer" else session.build.shell()
        return node if cpu == session.cpu else replace(node, host=node.host + SECOND_PORT)

    def start(self, cpu: str, label: str, icount: bool) -> Machine:
        """Boots a system to where it takes commands."""
        machine = Machine(self.node(cpu, label), self.session.hardware(icount=icount, cpu=cpu))
        machine.wait_for(PROMPT[label], BOOT_LIMIT_S)
        return machine

    def run_program(self, machine: Machine) -> dict[str, float]:
        """Runs the program once on a system that takes commands."""
        label, since = machine.node.label, len(machine.log())
        machine.type(COMMAND[label])
        return checked(machine, machine.wait_for(PROMPT[label], RUN_LIMIT_S, since))

    def run_floor(self, cpu: str, icount: bool) -> dict[str, float]:
        hardware = self.session.hardware(icount=icount, cpu=cpu)
        with Machine(self.node(cpu, "floor"), hardware) as machine:
            return checked(machine, machine.wait_for(FLOOR_END, RUN_LIMIT_S))

    def round(self, cpu: str, label: str) -> dict[str, float]:
        """One run on a system; the others stand still."""
        if label == "floor":
            return self.run_floor(cpu, icount=False)
        key = (cpu, label)
        if key not in self.machines:
            self.machines[key] = self.start(cpu, label, icount=False)
        else:
            self.machines[key].resume()
        values = self.run_program(self.machines[key])
        self.machines[key].pause()
        return values

    def measure_times(self) -> None:
        """Round 1 of every system on the first model and on the second, then round 2."""
        session = self.session
        turns = [(number, cpu, label) for number in range(1, session.rounds + 1)
                 for cpu in self.cpus for label in session.systems]
        try:
            for number, cpu, label in turns:
                session.progress(f"primitives: round {number}/{session.rounds}, {label} on {cpu}")
                for case, value in self.round(cpu, label).items():
                    self.samples.add(self.name(case, cpu), label, value)
        finally:
            for machine in self.machines.values():
                machine.stop()

    def name(self, case: str, cpu: str) -> str:
        """The row's name: the contract's for the session's processor model."""
        return case if cpu == self.session.cpu else f"{case} on {cpu}"

    def instructions(self, cpu: str, label: str) -> dict[str, float]:
        """Instructions of each operation, from a boot of its own."""
        self.session.progress(f"primitives: counting instructions, {label} on {cpu}")
        if label == "floor":
            return self.run_floor(cpu, icount=True)
        with self.start(cpu, label, icount=True) as machine:
            return self.run_program(machine)

    def rows(self, cpu: str, cases: list[str]) -> list[dict]:
        """The rows of one processor model."""
        counted = {label: self.instructions(cpu, label) for label in self.session.systems}
        return [self.row(cpu, case, {label: found[case] for label, found in counted.items()})
                for case in cases]

    def row(self, cpu: str, case: str, instructions: dict[str, float]) -> dict:
        deos, peer, floor = (instructions.get(label) for label in ("deos", "peer", "floor"))
        extra = {"floor_note": FLOOR_NOTE} if floor is not None else {}
        made = make_row(self.samples, self.name(case, cpu), "ns", "lower", PEER_NAME,
                        instructions=rounded(deos), peer_instructions=rounded(peer),
                        floor_instructions=rounded(floor), cpu_model=cpu,
                        instruction_ratio=rounded(peer / deos) if peer and deos else None,
                        wanted=WANTED[case].words(), **extra)
        made["short"] = WANTED[case].short(made)
        return made


def run(session: Session) -> list[dict]:
    """Measures every case and returns the report's rows."""
    cases = [case for case in CASES if re.search(session.cases, case)]
    if not cases:
        return []
    bench = Bench(session)
    bench.measure_times()
    return [row for cpu in bench.cpus for row in bench.rows(cpu, cases)]

# SPDX-License-Identifier: BSD-2-Clause
"""`primitives`: what the kernel's basic operations cost, beside Linux's.

On each system one program runs the operations and prints a line a repetition,
"prims: NAME ns=VALUE"; here it is started once a round on each, by turns. The
floor is a program without any kernel (floor/), booted anew for each round. A
further boot under -icount shift=0, where one instruction lasts one nanosecond,
gives instructions instead of time.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from deos import FLOOR_HOST
from record import Samples, make_row, median, rounded
from rig import BenchError, Machine, Node
from session import Session

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PEER_NAME = "Linux system calls and signals"
CASES = ("null call", "fault upcall", "protect fault unprotect", "control transfer",
         "map page batch", "environment create destroy", "fork 16MiB")
NO_FLOOR = {"fork 16MiB"}       # what it is for needs a kernel
LINE = re.compile(r"^prims: ([\w -]+?) ns=([\d.]+)\s*$", re.M)
BOOT_LIMIT_S, RUN_LIMIT_S = 60.0, 120.0
PROMPT = {"deos": r"deos> \Z", "peer": r"peer: ready\r?\n\Z"}
COMMAND = {"deos": "run prims", "peer": ""}
FLOOR_END = r"floor: done"
FLOOR_NOTE = "the processor alone, no kernel: harness/bench/floor"
FLOOR_FLAGS = ("-O2 -Wall -Wextra -Werror -ffreestanding -fno-pic -no-pie -mno-red-zone "
               "-mgeneral-regs-only -fno-stack-protector -fcf-protection=none -nostdlib -static "
               "-Wl,--build-id=none -Wl,-z,noexecstack -Wl,--no-warn-rwx-segments").split()


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
    missing = [name for name in CASES if name not in values
               and not (machine.node.label == "floor" and name in NO_FLOOR)]
    if missing:
        raise BenchError(f"{machine.node.label}: prims did not print {', '.join(missing)}; "
                         f"its last words: {machine.why_dead()}")
    return {name: median(found) for name, found in values.items()}


class Bench:
    """The state of one session of this benchmark."""

    def __init__(self, session: Session) -> None:
        self.session, self.samples = session, Samples()
        self.machines: dict[str, Machine] = {}
        self.floor = build_floor(session.folder) if "floor" in session.systems else None

    def start(self, label: str, icount: bool) -> Machine:
        """Boots a system to where it takes commands."""
        session = self.session
        node = session.peer.prims() if label == "peer" else session.build.shell()
        machine = Machine(node, session.hardware(icount=icount))
        machine.wait_for(PROMPT[label], BOOT_LIMIT_S)
        return machine

    def run_program(self, machine: Machine) -> dict[str, float]:
        """Runs the program once on a system that takes commands."""
        label, since = machine.node.label, len(machine.log())
        machine.type(COMMAND[label])
        return checked(machine, machine.wait_for(PROMPT[label], RUN_LIMIT_S, since))

    def run_floor(self, icount: bool) -> dict[str, float]:
        node = Node("floor", FLOOR_HOST, self.floor)
        with Machine(node, self.session.hardware(icount=icount)) as machine:
            return checked(machine, machine.wait_for(FLOOR_END, RUN_LIMIT_S))

    def round(self, label: str) -> dict[str, float]:
        """One run on a system; the others stand still."""
        if label == "floor":
            return self.run_floor(icount=False)
        if label not in self.machines:
            self.machines[label] = self.start(label, icount=False)
        else:
            self.machines[label].resume()
        values = self.run_program(self.machines[label])
        self.machines[label].pause()
        return values

    def measure_times(self) -> None:
        try:
            for number, label in self.session.order():
                self.session.progress(f"primitives: round {number}/{self.session.rounds}, {label}")
                for case, value in self.round(label).items():
                    self.samples.add(case, label, value)
        finally:
            for machine in self.machines.values():
                machine.stop()

    def instructions(self, label: str) -> dict[str, float]:
        """Instructions of each operation, from a boot of its own."""
        self.session.progress(f"primitives: counting instructions, {label}")
        if label == "floor":
            return self.run_floor(icount=True)
        with self.start(label, icount=True) as machine:
            return self.run_program(machine)


def run(session: Session) -> list[dict]:
    """Measures every case and returns the report's rows."""
    cases = [case for case in CASES if re.search(session.cases, case)]
    if not cases:
        return []
    bench = Bench(session)
    bench.measure_times()
    counted = {label: bench.instructions(label) for label in session.systems}
    rows = []
    for case in cases:
        deos, peer, floor = (rounded(counted.get(label, {}).get(case))
                             for label in ("deos", "peer", "floor"))
        extra = {"floor_note": FLOOR_NOTE} \
            if "floor" in session.systems and case not in NO_FLOOR else {}
        rows.append(make_row(bench.samples, case, "ns", "lower", PEER_NAME, instructions=deos,
                             peer_instructions=peer, floor_instructions=floor, **extra))
    return rows

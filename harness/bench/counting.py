# SPDX-License-Identifier: BSD-2-Clause
"""Where the instructions of an operation between two nodes go.

A node that is counted runs with the plugin counts.c: a table of its translated blocks,
which can be read at any time. What an operation costs is the difference between a run
with few operations and one with many, so that nothing of a program's start is in it.
"""

from __future__ import annotations

import bisect
import struct
import subprocess
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
KERNEL_FROM = 0xffffffff80000000
PROGRAM = "(programs)"
FLAGS = "-O2 -Wall -Wextra -Werror -shared -fPIC".split()
HEAD, RECORD = struct.Struct("<Q"), struct.Struct("<4Q")

# Of the kernel, by their names in the source. What the compiler makes of one carries a
# dot and more behind its name.
TAG = ("siphash_begin", "siphash_words", "siphash_copy", "siphash_end", "siphash64",
       "tag_of", "session_tag")
CHECK = ("owner_check", "era_holds")
INTERRUPTS = ("stub_",)

Blocks = dict[tuple[int, int], tuple[int, int]]


def build_plugin(folder: Path) -> Path:
    """Compiles the plugin into folder."""
    library = folder / "counts.so"
    done = subprocess.run(["gcc", *FLAGS, "-o", str(library), str(HERE / "counts.c")],
                          capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"counts.c does not build: {done.stderr.strip().splitlines()[0]}")
    return library


def read_blocks(path: Path) -> Blocks:
    """Executions and device accesses so far, by a block's address and length."""
    with open(path, "rb") as file:
        used = HEAD.unpack(file.read(HEAD.size))[0]
        data = file.read(used * RECORD.size)
    return {(address, length): (ran, devices)
            for address, length, ran, devices in RECORD.iter_unpack(data)}


class Symbols:
    """The functions of a kernel with symbols."""

    def __init__(self, lines: str) -> None:
        """What nm -n prints."""
        found = [line.split() for line in lines.splitlines()]
        placed = [(int(words[0], 16), words[2]) for words in found
                  if len(words) == 3 and words[1] in "tT"]
        self.starts = [start for start, _ in placed]
        self.names = [name.split(".")[0] for _, name in placed]

    @classmethod
    def of(cls, kernel: Path) -> Symbols:
        return cls(subprocess.run(["nm", "-n", str(kernel)], capture_output=True, text=True,
                                  check=True).stdout)

    def at(self, address: int) -> tuple[str, bool]:
        """In which function an address is, and whether it is its first."""
        if address < KERNEL_FROM or not self.starts:
            return PROGRAM, False
        index = bisect.bisect_right(self.starts, address) - 1
        return self.names[index], self.starts[index] == address


@dataclass
class Function:
    """What of an operation is in one."""

    instructions: float = 0.0
    entered: float = 0.0
    devices: float = 0.0


@dataclass
class Cost:
    """An operation at one node."""

    instructions: float = 0.0
    devices: float = 0.0
    functions: dict[str, Function] = field(default_factory=lambda: defaultdict(Function))

    def of(self, names: tuple[str, ...]) -> float:
        """Instructions in these functions."""
        return sum(self.functions[name].instructions for name in names
                   if name in self.functions)

    @property
    def interrupts(self) -> float:
        return sum(function.entered for name, function in self.functions.items()
                   if name.startswith(INTERRUPTS))


def between(before: Blocks, after: Blocks) -> Blocks:
    """What ran from one reading to the next."""
    out = {}
    for block, (ran, devices) in after.items():
        old_ran, old_devices = before.get(block, (0, 0))
        out[block] = (ran - old_ran, devices - old_devices)
    return out


def cost(few: Blocks, many: Blocks, operations: int, symbols: Symbols) -> Cost:
    """One operation, of two runs that differ by so many."""
    out = Cost()
    for (address, length), (ran, devices) in between(few, many).items():
        name, first = symbols.at(address)
        function = out.functions[name]
        function.instructions += ran * length / operations
        function.devices += devices / operations
        function.entered += ran / operations if first else 0
    out.instructions = sum(function.instructions for function in out.functions.values())
    out.devices = sum(function.devices for function in out.functions.values())
    return out


def table(title: str, found: Cost) -> str:
    """The functions, dearest first, down to one instruction."""
    lines = [f"{title}: {found.instructions:.0f} instructions, {found.devices:.2f} accesses to "
             f"devices, {found.interrupts:.2f} interrupts"]
    lines += [f"  {function.instructions:8.1f} {function.entered:7.2f} {function.devices:6.2f}  "
              f"{name}" for name, function in
              sorted(found.functions.items(), key=lambda item: -item[1].instructions)
              if function.instructions >= 1 or function.devices >= 0.01]
    return "\n".join(lines)

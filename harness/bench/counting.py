# SPDX-License-Identifier: BSD-2-Clause
"""Where the instructions of an operation between two nodes go.

A node that is counted runs with the plugin counts.c: a table of its translated blocks,
which can be read at any time. What an operation costs is the difference between a run
with few operations and one with many, so that nothing of a program's start is in it.
"""

from __future__ import annotations

import struct
import subprocess
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from functions import Functions

HERE = Path(__file__).resolve().parent
FLAGS = "-O2 -Wall -Wextra -Werror -shared -fPIC".split()
HEAD, RECORD = struct.Struct("<Q"), struct.Struct("<4Q")

# Of the kernel, by their names in the source.
TAG = ("siphash_begin", "siphash_words", "siphash_copy", "siphash_end", "last_word", "finish64",
       "siphash64", "tag_of", "session_tag")
CHECK = ("owner_check", "holder_is", "era_holds", "range_holds", "aligned")
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


def cost(few: Blocks, many: Blocks, operations: int, functions: Functions) -> Cost:
    """One operation, of two runs that differ by so many."""
    out = Cost()
    for (address, length), (ran, devices) in between(few, many).items():
        each = ran / operations
        for name in functions.at(address, length) if ran else ():
            out.functions[name].instructions += each
        for name in functions.entered(address, length) if ran else ():
            out.functions[name].entered += each
        if devices:
            out.functions[functions.at(address)[0]].devices += devices / operations
        out.instructions += each * length
        out.devices += devices / operations
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

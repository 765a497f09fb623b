# SPDX-License-Identifier: BSD-2-Clause
"""Which function each instruction of a kernel belongs to, by its debugging information.

The compiler puts functions into others, with link-time optimisation most of them. An
instruction belongs to the innermost that it comes from, whatever symbol it stands under,
so that a function is the same one in every build. What stands in a header or is declared
`inline` is a part of who uses it: as link-time optimisation leaves that out of what it
says, the sources tell.
"""

from __future__ import annotations

import re
import subprocess
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Iterator

KERNEL_FROM = 0xffffffff80000000
PROGRAM, ELSEWHERE = "(programs)", "(elsewhere)"

# Of objdump -d: where a symbol stands, or an instruction.
LINE = re.compile(r"^ *([0-9a-f]+)(?: <(.+)>:$|:\t)", re.M)
# Of readelf: an entry of .debug_info, or one of its attributes.
WORD = re.compile(r"^ *(?:"
                  r"<[0-9a-f]+><([0-9a-f]+)>: Abbrev Number: \d+ \(DW_TAG_(\w+)\)|"
                  r"<[0-9a-f]+> +DW_AT_(name|comp_dir|abstract_origin|specification|low_pc|"
                  r"high_pc|entry_pc|ranges) *: (?:\(.*\):? )?<?([^\s>]+))", re.M)
UNIT, PLACE = "compile_unit", "inlined_subroutine"
TAGS = (UNIT, "subprogram", PLACE)
DEFINED = re.compile(r"^(.*)\n(\w+)\(", re.M)  # the name begins the line
LAST, PAIR, BASE, LENGTH = 0, 4, 5, 7  # of what a list of ranges has (DWARF 5, 7.25)


@cache
def own_functions(source: Path) -> set[str]:
    """The functions of a source file that are not declared inline."""
    return {name for kind, name in DEFINED.findall(source.read_text())
            if "inline" not in kind.split()}


@dataclass
class Entry:
    """A compiled source file, a function of it, a copy of one, or a place that one is put."""

    tag: str
    unit: Entry | None
    values: dict[str, str] = field(default_factory=dict)

    def number(self, name: str) -> int | None:
        return int(self.values[name], 0) if name in self.values else None


class Lists:
    """.debug_rnglists: addresses, and numbers of seven bits a byte, the lowest first."""

    def __init__(self, data: bytes) -> None:
        self.data, self.next = data, 0

    def address(self) -> int:
        self.next += 8
        return int.from_bytes(self.data[self.next - 8:self.next], "little")

    def number(self) -> int:
        value = shift = 0
        while True:
            byte = self.data[self.next]
            value |= (byte & 0x7f) << shift
            self.next, shift = self.next + 1, shift + 7
            if byte < 0x80:
                return value

    def at(self, place: int, base: int) -> Iterator[tuple[int, int]]:
        """The ranges of one list."""
        self.next = place
        while (kind := self.number()) != LAST:
            if kind == BASE:
                base = self.address()
            elif kind == PAIR:
                begin, end = self.number(), self.number()
                yield base + begin, base + end
            elif kind == LENGTH:
                begin = self.address()
                yield begin, begin + self.number()
            else:
                raise ValueError(f"a list of ranges has an entry of kind {kind}")


class Information:
    """What readelf prints of .debug_info, and .debug_rnglists."""

    def __init__(self, text: str, lists: bytes) -> None:
        self.entries: dict[int, Entry] = {}
        self.lists = Lists(lists)
        unit: Entry | None = None
        entry: Entry | None = None
        for word in WORD.finditer(text):
            at, tag, name, value = word.groups()
            if tag:
                entry = Entry(tag, unit) if tag in TAGS else None
                if entry:
                    self.entries[int(at, 16)] = entry
                    unit = entry if tag == UNIT else unit
            elif entry:
                entry.values[name] = value

    def source(self, entry: Entry) -> Entry:
        """What it is a copy of."""
        while "name" not in entry.values:
            origin = entry.number("abstract_origin") or entry.number("specification")
            if origin is None:
                break
            entry = self.entries[origin]
        return entry

    def ranges(self, entry: Entry) -> list[tuple[int, int]]:
        """The addresses of its instructions."""
        low, length = entry.number("low_pc"), entry.number("high_pc")
        if low is not None and length is not None:
            return [(low, low + length)]
        place, base = entry.number("ranges"), entry.unit.number("low_pc") or 0
        return list(self.lists.at(place, base)) if place is not None else []

    def placed(self) -> Iterator[tuple[Entry, str, list[tuple[int, int]]]]:
        """What has instructions, with its name; a function before what was put into it."""
        for entry in self.entries.values():
            ranges = self.ranges(entry) if entry.tag != UNIT else []
            values = self.source(entry).values
            if not ranges or "name" not in values:
                continue
            unit = self.source(entry).unit.values
            if entry.tag != PLACE or values["name"] in own_functions(
                    Path(unit["comp_dir"], unit["name"])):
                yield entry, values["name"], ranges


class Functions:
    """The functions of a kernel, by the addresses of its instructions."""

    def __init__(self, code: str = "", information: str = "", lists: bytes = b"") -> None:
        """What objdump -d prints of it, readelf of .debug_info, and .debug_rnglists."""
        self.addresses: list[int] = []
        self.names: list[str] = []
        # A function is entered where its symbol is, and where one that was put into another
        # begins. The compiler mixes that with what stands around it: a hint, not a proof.
        self.entries: dict[int, list[str]] = defaultdict(list)
        symbol = ELSEWHERE
        for line in LINE.finditer(code):
            address = int(line[1], 16)
            if not line[2]:
                self.addresses.append(address)
                self.names.append(symbol)
                continue
            symbol, *kind = line[2].split(".")
            if not {"part", "cold"} & set(kind):  # the rest of one that is entered elsewhere
                self.entries[address].append(symbol)
        for entry, name, ranges in Information(information, lists).placed():
            for begin, end in ranges:
                first, last = (bisect_left(self.addresses, at) for at in (begin, end))
                self.names[first:last] = [name] * (last - first)
            if entry.tag == PLACE:
                self.entries[entry.number("entry_pc") or ranges[0][0]].append(name)

    @classmethod
    def of(cls, kernel: Path) -> Functions:
        code, information, lists = (
            subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout for command in (
                ["objdump", "-d", "--no-show-raw-insn", "-j", ".text", kernel],
                ["readelf", "-W", "--debug-dump=info", kernel],
                ["objcopy", "--dump-section", ".debug_rnglists=/dev/stdout", kernel, "/dev/null"]))
        return cls(code.decode(), information.decode(), lists)

    def _first(self, address: int) -> int | None:
        """Where an instruction stands among all."""
        first = bisect_left(self.addresses, address)
        return first if self.addresses[first:first + 1] == [address] else None

    def at(self, address: int, length: int = 1) -> list[str]:
        """Whose each of so many instructions is."""
        first = self._first(address)
        if first is None:
            return [PROGRAM if address < KERNEL_FROM else ELSEWHERE] * length
        return self.names[first:first + length]

    def entered(self, address: int, length: int) -> Iterator[str]:
        """The functions that begin among so many instructions."""
        first = self._first(address)
        if first is not None:
            for place in self.addresses[first:first + length]:
                yield from self.entries.get(place, ())

#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""What programs and the kernel share in memory, as the compiler lays it out: a line for
every constant, enumerator, structure and field of kernel/abi/*.h.

    kernel/abi/layout.py                print the lines
    kernel/abi/layout.py --since        those that no release has frozen

    constant TABLE_LINKS_OFFSET 0x40000
    value fabric_op FABRIC_READ 1
    struct fabric_submit 280
    field fabric_submit.local 24 8 u64      at byte 24, 8 bytes long

Enumerators that only count the others are left out, and so is what is reserved: both
change when something is added."""
from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Iterator, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
COMPILE = ["gcc", "-std=gnu11", "-I.", "-gdwarf-4", "-fno-eliminate-unused-debug-types",
           "-O0", "-c", "-x", "c"]
# Those that stand for no number, or have arguments, are no constants.
MACRO = re.compile(r"^#define ([A-Z][A-Z0-9_]*)[ \t]+(.*)$", re.M)
COUNTS = re.compile(r"_COUNT$")


class Entry(NamedTuple):
    """What is said of one thing in the debugging information."""

    tag: str
    depth: int
    attributes: dict[str, str]


def compiled(root: Path) -> str:
    """The debugging information of all headers, with an enumerator for each macro."""
    headers = sorted((root / "kernel/abi").glob("*.h"))
    names = [name for header in headers
             for name, value in MACRO.findall(header.read_text(encoding="utf-8"))
             if not value.startswith("\\") and not value.startswith('"')]
    lines = [f'#include "{header.relative_to(root)}"' for header in headers]
    lines += ["enum layout_constants {"]
    lines += [f"constant_{name} = ({name})," for name in dict.fromkeys(names)] + ["};", ""]
    with tempfile.NamedTemporaryFile(suffix=".o") as out:
        subprocess.run([*COMPILE, "-o", out.name, "-"], cwd=root, input="\n".join(lines),
                       text=True, check=True)
        return subprocess.run(["readelf", "--wide", "--debug-dump=info", out.name],
                              capture_output=True, text=True, check=True).stdout


def entries(text: str) -> dict[str, Entry]:
    """By their addresses, in order."""
    found: dict[str, Entry] = {}
    entry = None
    for line in text.splitlines():
        head = re.match(r" *<(\w+)><(\w+)>: .*\((DW_TAG_\w+)\)", line)
        said = re.match(r" *<\w+> +DW_AT_(\w+) *: *(?:\([^)]*\):? )*(.*?)\s*$", line)
        if head:
            entry = found[head[2]] = Entry(head[3][7:], int(head[1], 16), {})
        elif said and entry:
            entry.attributes[said[1]] = said[2]
    return found


class Layout:
    """The lines of one tree."""

    def __init__(self, root: Path):
        self.all = entries(compiled(root))
        self.children: dict[str, list[str]] = {}
        above: list[str] = []
        for at, entry in self.all.items():
            del above[entry.depth:]
            if above:
                self.children.setdefault(above[-1], []).append(at)
            above.append(at)

    def type_of(self, at: str) -> str:
        """The address of an entry's type."""
        return self.all[at].attributes["type"].split(">")[0].removeprefix("<0x")

    def name(self, at: str) -> str:
        """A name as the source has it; empty where it has none."""
        return self.all[at].attributes.get("name", "")

    def number(self, at: str, attribute: str) -> int:
        """A number that is said of an entry."""
        return int(self.all[at].attributes[attribute].split()[0], 0)

    def size_and_type(self, at: str) -> tuple[int, str]:
        """How many bytes a type takes, and its name."""
        tag = self.all[at].tag
        if tag in ("volatile_type", "const_type"):
            return self.size_and_type(self.type_of(at))
        if tag == "typedef":
            return self.size_and_type(self.type_of(at))[0], self.name(at)
        if tag == "array_type":
            size, name = self.size_and_type(self.type_of(at))
            for bound in self.children[at]:
                open_end = "upper_bound" not in self.all[bound].attributes
                count = 0 if open_end else self.number(bound, "upper_bound") + 1
                size, name = size * count, f"{name}[{count or ''}]"
            return size, name
        kind = {"structure_type": "struct ", "union_type": "union ",
                "enumeration_type": "enum "}.get(tag, "")
        return self.number(at, "byte_size"), kind + self.name(at)

    def fields(self, at: str, prefix: str, base: int) -> Iterator[str]:
        """A structure's fields; those of parts without a name count from its start."""
        for child in self.children.get(at, []):
            if self.all[child].tag != "member":
                continue
            inside, name = self.type_of(child), self.name(child)
            offset = base
            if "data_member_location" in self.all[child].attributes:
                offset += self.number(child, "data_member_location")
            size, kind = self.size_and_type(inside)
            if kind in ("struct ", "union "):
                yield from self.fields(inside, f"{prefix}{name}." if name else prefix, offset)
            elif not name.startswith("reserved"):
                yield f"field {prefix}{name} {offset} {size} {kind}"

    def lines(self) -> Iterator[str]:
        """All of it."""
        for at, entry in self.all.items():
            name = self.name(at)
            if entry.depth != 1 or not name or "byte_size" not in entry.attributes:
                continue
            if entry.tag == "enumeration_type":
                for child in self.children[at]:
                    value = self.number(child, "const_value")
                    of, what = name, self.name(child)
                    if name == "layout_constants":
                        yield f"constant {what.removeprefix('constant_')} {value:#x}"
                    elif not COUNTS.search(what):
                        yield f"value {of} {what} {value}"
            elif entry.tag == "structure_type":
                yield f"struct {name} {self.number(at, 'byte_size')}"
                yield from self.fields(at, f"{name}.", 0)


def frozen(folder: Path = ROOT / "kernel/abi") -> list[str]:
    """The lines that releases have frozen."""
    return [line for path in sorted(folder.glob("released-*.layout"))
            for line in path.read_text(encoding="utf-8").splitlines()
            if not line.startswith("#")]


def main() -> int:
    """The command line."""
    if sys.argv[1:] not in ([], ["--since"]):
        print(__doc__, file=sys.stderr)
        return 2
    old = set(frozen() if sys.argv[1:] else [])
    print("\n".join(line for line in Layout(ROOT).lines() if line not in old))
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Reads the tables beside this file, and prints docs/protocol/frames.md of them.
`make protocol` writes that page and all else that is made from them (protocol.py).
"""
import re
import sys
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
STRING = r'"((?:[^"\\]|\\.)*)"'
HEAD = """# Frames

Every layout and table on one page. Made from `net/wire/*.def` by `make protocol`; do
not edit. Every frame is an Ethernet header (destination, source, EtherType 0x88B5 in
network order), a header, a body, what follows the body, and a tag of 8 bytes:
SipHash-2-4 of everything from the header up to the tag. Numbers are little-endian.
What is named reserved is sent as 0 and not looked at.

[vectors.md](vectors.md) has frames in hex, with all keys.
"""


class Field(NamedTuple):
    """One field of a structure: where it lies and what it is."""

    name: str
    offset: int
    size: int
    number: bool
    sentence: str


class Struct(NamedTuple):
    """One structure of frames.def."""

    name: str
    sentence: str
    fields: list[Field]

    @property
    def size(self) -> int:
        """Bytes on the wire."""
        return sum(field.size for field in self.fields)


def structs() -> dict[str, Struct]:
    """The structures of frames.def, by name, in order."""
    found: dict[str, Struct] = {}
    current = None
    for line in (HERE / "frames.def").read_text(encoding="utf-8").splitlines():
        if match := re.fullmatch(rf"STRUCT\((\w+), {STRING}\)", line):
            current = Struct(match[1], match[2], [])
            found[current.name] = current
        elif match := re.fullmatch(rf"(FIELD|BYTES)\((\d+), (\w+), {STRING}\)", line):
            number = match[1] == "FIELD"
            size = int(match[2]) // 8 if number else int(match[2])
            current.fields.append(Field(match[3], current.size, size, number, match[4]))
        elif line and not line.startswith(("//", "END(")):
            raise SystemExit(f"frames.def: cannot read {line!r}")
    return found


def rows(name: str) -> list[list[str]]:
    """The arguments of every X(...) in a table."""
    text = (HERE / name).read_text(encoding="utf-8")
    found = re.findall(r"^X\((.*)\)$", text, re.MULTILINE)
    return [[quoted or word.strip() for quoted, word in
             re.findall(rf'{STRING}|([^,"\s][^,"]*)', row)] for row in found]


def table(heads: list[str], lines: list[list]) -> str:
    """A Markdown table."""
    cells = [heads, ["---"] * len(heads), *lines]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "or") for cell in line) + " |"
                     for line in cells) + "\n"


def kinds() -> str:
    """The table of kinds."""
    return table(["kind", "number", "body", "tagged under", "what for"],
                 [[name, number, body, tag, what] for name, body, number, tag, what
                  in rows("kinds.def")])


def operations() -> str:
    """The table of operations."""
    return table(["operation", "number", "capability", "rights", "length", "repeated",
                  "what it does"],
                 [[name, number, kind, rights.replace("|", "and"),
                   low if low == high else f"{low}..{high}", again, what]
                  for name, number, kind, rights, low, high, again, what
                  in rows("ops.def")])


def page() -> str:
    """The whole page."""
    parts = [HEAD, "## Kinds\n", kinds()]
    for struct in structs().values():
        parts += [f"## {struct.name}\n",
                  f"{struct.size} bytes. {struct.sentence[0].upper()}{struct.sentence[1:]}.\n",
                  table(["at", "bytes", "field", "what"],
                        [[field.offset, field.size, field.name, field.sentence]
                         for field in struct.fields])]
    parts += ["## Operations\n",
              "`length` of a request lies within the bounds here. A repeated request is run\n"
              "again (RUN), or told what happened (TELL).\n",
              operations(),
              "## Capability types\n",
              table(["type", "number", "what"], rows("types.def")),
              "## Statuses\n", table(["status", "number", "what"], rows("statuses.def")),
              "## Codes\n", table(["code", "number", "what"], rows("codes.def"))]
    return "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(page())

#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Prints net/wire/deos.lua, the fabric's dissector for Wireshark and tshark, from the
tables beside this file. `make protocol` writes it, and test_dissector.py compares what
tshark then reads with golden vectors and with a run of nodes."""
from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from reader import STRUCTS, frames      # noqa: E402

TABLES = {"kind": "kinds", "op": "ops", "status": "statuses", "code": "codes",
          "type": "types"}
NUMBER = {"kinds": 2, "ops": 1, "statuses": 1, "codes": 1, "types": 1}
HEX = re.compile(r"from|to|.*incarnation|seen|proof|old_.*|compare_.*|swap_.*|word|offset|"
                 r"generation|environment")
BITS = {"flags", "rights"}              # whose sentence names bits: `WHOLE 1`
TABLES_HERE, STRUCTURES_HERE = "-- (tables)\n", "-- (structures)\n"


def names(table: str) -> str:
    """A table of numbers and names."""
    rows = [f'\t[{row[NUMBER[table]]}] = "{row[0]}",'
            for row in frames.rows(f"{table}.def")]
    return f"local {table} = {{\n" + "\n".join(rows) + "\n}\n"


def quoted(sentence: str) -> str:
    """A sentence as Lua, on as many lines as it takes."""
    lines = textwrap.wrap(sentence.replace('"', "'"), 72) or [""]
    return " ..\n\t\t".join(f'"{line} "' if line != lines[-1] else f'"{line}"'
                            for line in lines)


def kind(field) -> str:
    """How a field is shown: a constructor of ProtoField and its arguments in between."""
    if not field.number:
        return "ether" if field.name == "mac" else "bytes"
    return "uint" + {1: "8", 2: "16", 4: "32"}.get(field.size, "64")


def constructor(struct: str, field) -> str:
    """The ProtoField of one field."""
    abbreviation = f"deos.{struct}.{field.name}"
    how = kind(field)
    if not field.number:
        middle = ", base.NONE" if how == "bytes" else ""
    else:
        values = TABLES.get(field.name, "nil")
        middle = f", base.{'HEX' if HEX.fullmatch(field.name) else 'DEC'}, {values}"
        middle += ", nil"
    sentence = quoted(field.sentence)
    return f'ProtoField.{how}("{abbreviation}", "{field.name}"{middle},\n\t\t{sentence})'


def bits(struct: str, field) -> list[str]:
    """Flags of a field, each a field of its own below it."""
    if field.name not in BITS:
        return []
    found = re.findall(r"\b([A-Z_]{3,}) (\d+)\b", field.sentence)
    return [f'ProtoField.bool("deos.{struct}.{field.name}.{name.lower()}", "{name}", '
            f"{8 * field.size}, nil, {value})" for name, value in found]


def structures() -> str:
    """All structures: size, and each field's place."""
    parts = []
    for struct in STRUCTS.values():
        parts.append(f"structs.{struct.name} = {{ size = {struct.size} }}")
        for field in struct.fields:
            below = bits(struct.name, field)
            parts.append(f'field("{struct.name}", "{field.name}", {field.offset}, {field.size}, '
                         f"{str(field.number).lower()},\n"
                         f"\t{constructor(struct.name, field)}"
                         + (",\n\t{ " + ",\n\t  ".join(below) + " }" if below else "") + ")")
        parts.append("")
    return "\n".join(parts)


def bodies() -> str:
    """Which structure each kind has for its body, and what is behind requests."""
    rows = [f'\t[{row[2]}] = "{row[1]}",' for row in frames.rows("kinds.def")]
    numbers = {row[0]: row[1] for row in frames.rows("ops.def")}
    behind = [f'\t[{numbers[op]}] = "{what}",' for op, what in frames.rows("operands.def")
              if what != "data"]
    return ("local bodies = {\n" + "\n".join(rows) + "\n}\nlocal operands = {\n"
            + "\n".join(behind) + "\n}\n")


def lua() -> str:
    """The whole script."""
    template = (HERE / "dissector.lua").read_text(encoding="utf-8")
    _, _, template = template.partition("\n\n")      # its own head comment
    tables = "\n".join(names(table) for table in TABLES.values())
    return template.replace(TABLES_HERE, tables + "\n" + bodies()) \
        .replace(STRUCTURES_HERE, structures())


if __name__ == "__main__":
    sys.stdout.write(lua())

#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Bugs for the oracle to find: each replaces one check of the kernel by one that can
be switched off at run time. The checked kernel is compiled from copies with these in
them; `planted_bug` (control.c) says which is on, 0 for none.

    planted.py --files          the sources that are replaced
    planted.py SOURCE COPY      makes the copy and prints its name
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple


class Plant(NamedTuple):
    """One bug: in `file`, `old` becomes `new`, in which BUG is true while it is on."""

    name: str
    file: str
    old: str
    new: str


PLANTS = [
    Plant("range", "kernel/sys/user.c",
          "return cap_covers(*cap, frame, count) ? 0",
          "return BUG || cap_covers(*cap, frame, count) ? 0"),
]


def copy(source: str, target: str) -> None:
    """Writes a source with its bugs; a line that is not there stops the build."""
    text = Path(source).read_text(encoding="utf-8")
    for number, plant in enumerate(PLANTS, 1):
        if plant.file != source:
            continue
        if text.count(plant.old) != 1:
            sys.exit(f"planted.py: {source} has not one place for `{plant.name}`: {plant.old}")
        text = text.replace(plant.old, plant.new.replace("BUG", f"(planted_bug == {number}u)"))
    head = f'extern unsigned planted_bug;\n#line 1 "{source}"\n'
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    Path(target).write_text(head + text, encoding="utf-8")


def main() -> int:
    """The command line."""
    if sys.argv[1:] == ["--files"]:
        print(*sorted({plant.file for plant in PLANTS}))
        return 0
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    copy(sys.argv[1], sys.argv[2])
    print(sys.argv[2])
    return 0


if __name__ == "__main__":
    sys.exit(main())

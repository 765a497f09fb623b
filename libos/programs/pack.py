#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Packs programs into the boot archive: newc cpio, the same bytes every time.

The content of each program starts on a page, so that the pages of its text
can be mapped where they lie. What lies between is a member ".pad" whose
content fills the gap.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

PAGE = 4096
HEADER = 110
MODE_PROGRAM = 0o100755
MODE_PAD = 0o100400


def member(number: int, mode: int, name: str, content: bytes) -> bytes:
    """One member: header, name, content, each padded to four bytes."""
    fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
    head += bytes(-len(head) % 4)
    return head + content + bytes(-len(content) % 4)


def content_at(offset: int, name: str) -> int:
    """Where the content of a member begins that starts at `offset`."""
    return (offset + HEADER + len(name) + 1 + 3) // 4 * 4


def pack(programs: list[Path]) -> bytes:
    """The archive of these files, by name."""
    out = bytearray()
    for number, path in enumerate(sorted(programs, key=lambda p: p.name), 1):
        if content_at(len(out), path.name) % PAGE:
            start = content_at(len(out), ".pad")
            out += member(0, MODE_PAD, ".pad", bytes(-content_at(start, path.name) % PAGE))
        assert content_at(len(out), path.name) % PAGE == 0
        out += member(number, MODE_PROGRAM, path.name, path.read_bytes())
    return bytes(out + member(0, 0, "TRAILER!!!", b""))


def main() -> int:
    parser = argparse.ArgumentParser(description="Packs programs into a boot archive.")
    parser.add_argument("archive", type=Path, help="the archive to write")
    parser.add_argument("program", type=Path, nargs="+", help="a file to put into it")
    arguments = parser.parse_args()
    try:
        arguments.archive.write_bytes(pack(arguments.program))
    except OSError as error:
        print(f"pack: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

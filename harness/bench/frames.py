# SPDX-License-Identifier: BSD-2-Clause
"""How long the fabric's frames are, read from its own tables in net/wire."""

from __future__ import annotations

import math
import re
from pathlib import Path

WIRE = Path(__file__).resolve().parent.parent.parent / "net/wire"
FRAME_MIN = 60


def lengths(table: str) -> dict[str, int]:
    """Bytes of each structure in the text of frames.def."""
    sizes: dict[str, int] = {}
    for name, fields in re.findall(r"^STRUCT\((\w+),.*?\n(.*?)^END\(\1\)", table, re.M | re.S):
        bits = sum(map(int, re.findall(r"^FIELD\((\d+),", fields, re.M)))
        sizes[name] = bits // 8 + sum(map(int, re.findall(r"^BYTES\((\d+),", fields, re.M)))
    return sizes


def constants(header: str) -> dict[str, int]:
    """The numbers that wire.h defines as WIRE_NAME."""
    return {name: int(value) for name, value in
            re.findall(r"^#define WIRE_(\w+) (\d+)u?\b", header, re.M)}


SIZES = lengths((WIRE / "frames.def").read_text())
NUMBERS = constants((WIRE / "wire.h").read_text())
AROUND = SIZES["header"] + NUMBERS["TAG"]


def frames(body: str, payload: int, mtu: int) -> tuple[int, int]:
    """How many frames carry a payload behind a body (request or response), and the length
    of each, Ethernet header included; of a payload in parts, the mean one."""
    whole = AROUND + SIZES[body] + payload <= mtu
    count = 1 if whole else math.ceil(payload / NUMBERS["PART"])
    length = NUMBERS["ETHERNET"] + AROUND + SIZES[body] + math.ceil(payload / count)
    return count, max(FRAME_MIN, length)

# SPDX-License-Identifier: BSD-2-Clause
"""Names of kinds, operations and reasons, from the tables that the code is made of."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def numbered(path: str, prefix: str = "") -> dict[int, str]:
    """Rows X(NAME, NUMBER, ...) as number to name."""
    found = re.findall(r"^X\((\w+),\s*(\d+)", (ROOT / path).read_text(), re.MULTILINE)
    return {int(number): name.removeprefix(prefix) for name, number in found}


def listed(path: str, prefix: str) -> dict[int, str]:
    """Rows X(NAME, ...), numbered by their order, as words."""
    found = re.findall(r"^X\((\w+),", (ROOT / path).read_text(), re.MULTILINE)
    return {number: name.removeprefix(prefix).lower() for number, name in enumerate(found)}


KINDS = numbered("kernel/abi/trace.def")
KIND = {name: number for number, name in KINDS.items()}
WORDS = dict(re.findall(r'^X\((\w+),\s*\d+,\s*"(\w+)"', (ROOT / "kernel/abi/trace.def").read_text(),
                        re.MULTILINE))
BY_WORD = {word: KIND[name] for name, word in WORDS.items()}
FRAMES = {int(number): name for name, number in re.findall(
    r"^X\((\w+),\s*\w+,\s*(\d+)", (ROOT / "net/wire/kinds.def").read_text(), re.MULTILINE)}
OPERATIONS = numbered("net/wire/ops.def")
STATUSES = numbered("net/wire/statuses.def")
CODES = {number: name.lower() for number, name in numbered("net/wire/codes.def", "CODE_").items()}
DROPS = listed("net/link/drops.def", "LINK_DROP_")
STRAYS = listed("net/rcap/drops.def", "RCAP_DROP_")
OUTCOMES = {0: "DONE", 1: "NOT_DONE", 2: "UNKNOWN_FINAL"}
REQUEST = next(number for number, name in FRAMES.items() if name == "REQUEST")
RESPONSE = next(number for number, name in FRAMES.items() if name == "RESPONSE")
NO_SLOT = 0xffffffff
NOBODY = 0xffff

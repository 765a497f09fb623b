# SPDX-License-Identifier: BSD-2-Clause
"""What people read: tables, sizes, times. What a node said is shown without control bytes."""

from __future__ import annotations

import re
from typing import Iterable

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
NUMBER = re.compile(r"-|\d+(\.\d)?( [KMGT]?i?B)?")
CUT = "not all of it is shown: it was more than the node told"
UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def clean(text: object, lines: bool = False) -> str:
    """Text that cannot steer a terminal."""
    if text is None:
        return "-"
    shown = CONTROL.sub("?", str(text))
    return shown if lines else shown.replace("\n", " ").replace("\t", " ")


def size(count: int | None) -> str:
    """Bytes in the unit that suits them."""
    if count is None:
        return "-"
    value = float(count)
    for unit in UNITS:
        if value < 1024 or unit == UNITS[-1]:
            break
        value /= 1024
    return f"{count} B" if unit == "B" else f"{value:.1f} {unit}"


def span(seconds: float) -> str:
    """A time that passed."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def short(uuid: str | None) -> str:
    """A node, as short as it is told apart in practice."""
    return uuid[:8] if uuid else "-"


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Aligned columns; the last one is as long as it is. Columns of numbers stand right."""
    lines = [list(head)] + [[clean(cell) for cell in row] for row in rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    numeric = [all(NUMBER.fullmatch(line[column]) for line in lines[1:])
               and any(line[column] != "-" for line in lines[1:]) for column in range(len(widths))]
    text = []
    for line in lines:
        cells = [cell.rjust(width) if right else cell.ljust(width)
                 for cell, width, right in zip(line, widths, numeric)]
        text.append("  ".join(cells).rstrip())
    return "\n".join(text)


def plural(count: int, what: str) -> str:
    """1 node, 2 nodes."""
    return f"{count} {what}{'' if count == 1 else 's'}"

# SPDX-License-Identifier: BSD-2-Clause
"""What a measurement was to reach, and whether it did.

A count is the same on every host: one that misses its bar ends the command with status 1.
A time is what this host made of it: that it misses is said, and fails nothing.
"""

from __future__ import annotations

from guest import GuestError


def verdict(value: float, least: float = 0, most: float = float("inf")) -> str:
    """How a value stands to its bars."""
    wanted = f"at least {least:g}" if least else f"at most {most:g}"
    return f"wanted {wanted}: {'met' if least <= value <= most else 'missed'}"


def count(what: str, value: float, least: float = 0, most: float = float("inf")):
    """Says it, and fails when it missed."""
    said = f"{what}: {value:.3f}, {verdict(value, least, most)}"
    print(said, flush=True)
    if not least <= value <= most:
        raise GuestError(said)

# SPDX-License-Identifier: BSD-2-Clause
"""What released versions of the ABI have given a number keeps it: `released-1.abi` is
frozen, and later calls, errors and capabilities have the numbers behind."""

import hashlib
import pathlib
import re

ABI = pathlib.Path(__file__).parent
RELEASED = ABI / "released-1.abi"
HASH = "d0872e637aa638d59bf96af184af84fd"


def rows(name: str) -> list[list[str]]:
    """The first words of every row of a table."""
    found = re.findall(r"^X\(\s*(.*)\)$", (ABI / name).read_text(encoding="utf-8"), re.M)
    return [[word.strip() for word in row.split(",")] for row in found]


def now() -> list[str]:
    """What this tree's tables say, in the lines of the file."""
    calls = re.findall(r'^X\(\s*(\d+), (\w+),\s*"([^"]*)"',
                       (ABI / "syscalls.def").read_text(encoding="utf-8"), re.M)
    lines = [f"call {number} {name} {len([a for a in arguments.split(',') if a])}"
             for number, name, arguments in calls]
    lines += [f"error {row[1]} {row[0]}" for row in rows("errors.def")]
    lines += [f"capability {at} {row[0]}" for at, row in enumerate(rows("caps.def"), 1)]
    return lines


def released() -> list[str]:
    """The frozen lines."""
    text = RELEASED.read_text(encoding="utf-8")
    return [line for line in text.splitlines() if not line.startswith("#")]


def test_the_file_never_changes():
    assert hashlib.blake2b(RELEASED.read_bytes(), digest_size=16).hexdigest() == HASH


def test_numbers_keep_their_meaning():
    lines = now()
    assert len(released()) > 80
    assert [line for line in released() if line not in lines] == []


def test_what_is_new_has_numbers_of_its_own():
    for lines in (now(), released()):
        numbers = [tuple(line.split()[:2]) for line in lines]
        assert len(set(numbers)) == len(numbers)


def test_the_version_is_that_of_the_file():
    text = (ABI / "tables.h").read_text(encoding="utf-8")
    assert re.search(r"^#define ABI_VERSION 1u$", text, re.M)

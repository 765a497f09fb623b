# SPDX-License-Identifier: BSD-2-Clause
"""The reference of system calls is what its tables make of it, and every call is bounded."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import reference    # noqa: E402


def test_every_call_has_a_bound() -> None:
    """In numbers, or by a call that has some."""
    most = reference.bounds()
    names = [name for _, name, _, _ in reference.calls()]
    assert len(names) > 30
    for name in names:
        assert name in most, f"{name}: give it a BOUND in kernel/abi/bounds.def"
        other = re.fullmatch(r"as (\w+)\b.*", most[name])
        assert re.search(r"\d", most[name]) or name == "null" or (other and other[1] in names)


def test_every_entry_was_read() -> None:
    """No line of the tables is one that the patterns miss."""
    for table, found in (("syscalls.def", reference.calls()), ("errors.def", reference.errors()),
                         ("bounds.def", reference.bounds())):
        text = (reference.ABI / table).read_text()
        assert len(re.findall(r"^(?:X|BOUND)\(", text, re.M)) == len(found), table


def test_numbers_run_on() -> None:
    """A call's number is its place in the table."""
    assert [int(number) for number, *_ in reference.calls()] == list(
        range(len(reference.calls())))


def test_the_page_is_made_from_the_tables() -> None:
    """Otherwise: make reference."""
    assert reference.PAGE.read_text() == reference.page(), "run make reference"

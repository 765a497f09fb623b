# SPDX-License-Identifier: BSD-2-Clause
"""The table of features: what DEOS is said to have names the tests that show it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/features.md").read_text()
SYSTEMS = 14  # with DEOS


def rows() -> list[list[str]]:
    """The cells of every row of the first table."""
    lines = [line for line in PAGE.splitlines() if line.startswith("|")]
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in table if len(row) == SYSTEMS + 2][2:]


def named(cell: str) -> list[tuple[str, str]]:
    """The tests of a cell as (file, name)."""
    return re.findall(r"`([\w/.]+)::(\w+)`", cell)


def test_the_table_is_there() -> None:
    assert len(rows()) >= 25
    assert all(row[1] in "YPN" for row in rows())


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_what_is_there_names_its_tests(row: list[str]) -> None:
    """Y and P name at least one test that exists, N none."""
    tests = named(row[2])
    assert bool(tests) == (row[1] != "N")
    for path, name in tests:
        assert re.search(rf"\b{name}\b", (ROOT / path).read_text()), (path, name)

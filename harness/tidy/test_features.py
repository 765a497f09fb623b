# SPDX-License-Identifier: BSD-2-Clause
"""The tables of features, and of promises: what DEOS is said to have names the tests that
show it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SYSTEMS = {"features": 14, "features-fabric": 11}  # a page: with DEOS
LEAST = {"features": 33, "features-fabric": 49}


def rows(page: str) -> list[list[str]]:
    """The cells of every row of a page's first table."""
    lines = [line for line in (ROOT / f"docs/{page}.md").read_text().splitlines()
             if line.startswith("|")]
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in table if len(row) == SYSTEMS[page] + 2][2:]


def named(cell: str) -> list[tuple[str, str]]:
    """The tests of a cell as (file, name)."""
    return re.findall(r"`([\w/.]+)::(\w+)`", cell)


@pytest.mark.parametrize("page", SYSTEMS)
def test_the_table_is_there(page: str) -> None:
    assert len(rows(page)) >= LEAST[page]
    assert all(row[1] in ("Y", "P", "N") for row in rows(page))


def is_run(path: str, name: str) -> bool:
    """Is there such a test, and does it run: by pytest, in its program's list, or as a part
    of the self-test, all of whose parts run in the guest (test_selftest.py)?"""
    file = ROOT / path
    text = file.read_text() if file.exists() else ""
    if path.endswith(".py"):
        return name.startswith("test_") and f"\ndef {name}(" in text
    if path.endswith("_test.c"):
        return f"cmocka_unit_test({name})" in text
    parts = (ROOT / "libos/programs/selftest/main.c").read_text()
    return "selftest" in file.parts and bool(
        re.search(rf"^{name}\(void\)\n{{", text, re.M)
        and re.search(rf'^\t{{ "[\w-]+", {name} }},$', parts, re.M))


@pytest.mark.parametrize("path, name, runs", [
    ("harness/tidy/test_features.py", "test_the_table_is_there", True),
    ("harness/tidy/test_features.py", "rows", False),
    ("harness/tidy/test_gone.py", "test_the_table_is_there", False),
    ("harness/tidy/tidy.py", "main", False),
    ("kernel/cap/cap_test.c", "test_depth_is_bounded", True),
    ("kernel/cap/cap_test.c", "test_depth", False),
    ("kernel/cap/cap.c", "cap_mint", False),
    ("libos/programs/selftest/time.c", "test_slice_upcalls", True),
    ("libos/programs/selftest/time.c", "test_yield", False),
])
def test_what_counts_as_a_test(path: str, name: str, runs: bool) -> None:
    """A name that is a word of some file is not enough."""
    assert is_run(path, name) == runs


@pytest.mark.parametrize("row", [row for page in SYSTEMS for row in rows(page)],
                         ids=lambda row: row[0])
def test_what_is_there_names_its_tests(row: list[str]) -> None:
    """Y and P name at least one test that exists, N none."""
    tests = named(row[2])
    assert bool(tests) == (row[1] != "N")
    for path, name in tests:
        assert is_run(path, name), (path, name)


def test_each_promise_names_its_tests() -> None:
    """docs/SAFETY.md: nine, each with tests that are run."""
    lines = re.findall(r"^\| (P\d) \|.*\| ([^|]*) \|$", (ROOT / "docs/SAFETY.md").read_text(), re.M)
    assert [name for name, _ in lines] == [f"P{number}" for number in range(1, 10)]
    for name, cell in lines:
        tests = named(cell)
        assert tests, name
        for path, test in tests:
            assert is_run(path, test), (path, test)

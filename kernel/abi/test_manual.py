# SPDX-License-Identifier: BSD-2-Clause
"""The manual of system calls says what the tables of the ABI say."""

import pathlib
import re

ABI = pathlib.Path(__file__).parent
MANUAL = (ABI.parent.parent / "docs/syscalls.md").read_text()


def rows(name: str) -> list[tuple[str, ...]]:
    text = (ABI / name).read_text()
    found = re.findall(r'^X\((.*)\)$', text, re.M)
    assert len(found) > 5
    return [tuple(part.strip().strip('"') for part in re.findall(r'"[^"]*"|[^,"]+(?=,)', row))
            for row in found]


def test_every_call_is_in_the_manual() -> None:
    for number, name, arguments, sentence in rows("syscalls.def"):
        assert f"## {number}. {name}({arguments})" in MANUAL
        assert f"{sentence[0].upper()}{sentence[1:]}." in MANUAL


def test_every_error_is_in_the_manual() -> None:
    for name, code, sentence in rows("errors.def"):
        assert f"| {name} | {code} | {sentence} |" in MANUAL


def test_the_manual_names_no_error_that_does_not_exist() -> None:
    known = {row[0] for row in rows("errors.def")}
    assert set(re.findall(r"\bE_[A-Z]+\b", MANUAL)) <= known

# SPDX-License-Identifier: BSD-2-Clause
"""What programs share with the kernel in memory lies where released versions of the ABI
had it: `released-*.layout` are frozen, and later fields and numbers come behind."""
from __future__ import annotations

import hashlib
import re
import shutil
import sys
from pathlib import Path

import pytest

ABI = Path(__file__).resolve().parent
sys.path.insert(0, str(ABI))
import layout                           # noqa: E402

HASHES = {"released-1.layout": "ac353a24e2ffb685050e3a1d20bbd7db"}
# Tables of one entry: a program that knows less of it reads less.
GROWS = {"sys_info", "fabric_info"}
WHAT_TO_DO = """
Programs of ABI 1 look for these where kernel/abi/released-*.layout says. Put them back, and
what is new where `reserved` was, at the end of sys_info or fabric_info, or into a structure
of its own; give new numbers behind the last; bounds (_MAX) only rise. What cannot be so is
ABI 2: docs/support.md, "A change of the ABI"."""


def holds(line: str, now: dict[str, str]) -> bool:
    """Whether what a frozen line says is still so, for who knows no more than the line."""
    name, value = line.split()[-2:]
    if line.startswith("struct ") and name in GROWS:
        return int(now.get(f"struct {name}", "0")) >= int(value)
    if line.startswith("constant ") and name.endswith("_MAX"):
        return int(now.get(f"constant {name}", "0"), 0) >= int(value, 0)
    return line in now


def moved(root: Path) -> list[str]:
    """The frozen lines that do not hold in a tree."""
    lines = list(layout.Layout(root).lines())
    now = dict(line.rsplit(" ", 1) for line in lines) | dict.fromkeys(lines, "")
    return [line for line in layout.frozen(ABI) if not holds(line, now)]


def test_the_files_never_change():
    assert {path.name: hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
            for path in ABI.glob("released-*.layout")} == HASHES


def test_they_say_all_that_matters():
    lines = layout.frozen(ABI)
    assert len(lines) == len(set(lines)) > 900
    for line in ("value fabric_op FABRIC_READ 1", "struct fabric_submit 280",
                 "field fabric_control.complete 128 4096 struct fabric_complete[64]",
                 "constant TABLES_BASE 0x700000000000"):
        assert line in lines


def test_nothing_that_programs_know_has_moved():
    found = moved(layout.ROOT)
    assert not found, "\n".join(["no longer so:", *found]) + WHAT_TO_DO


@pytest.fixture(name="tree")
def copy_of_the_headers(tmp_path: Path) -> Path:
    """A tree to break."""
    for folder in ("kernel/abi", "kernel/base", "net/wire"):
        shutil.copytree(layout.ROOT / folder, tmp_path / folder,
                        ignore=shutil.ignore_patterns("*.c", "*.py", "*.md", "golden"))
    return tmp_path


def change(tree: Path, header: str, old: str, new: str):
    """One place of a header."""
    path = tree / "kernel/abi" / header
    text = path.read_text(encoding="utf-8")
    assert len(re.findall(old, text)) == 1, old
    path.write_text(re.sub(old, new, text), encoding="utf-8")


@pytest.mark.parametrize("header, old, new, complaint", [
    ("fabric.h", r"FABRIC_GRANT,", "FABRIC_NEW, FABRIC_GRANT,",
     "value fabric_op FABRIC_GRANT 10"),
    ("fabric.h", r"\tu64 lapsed;.*\n", "", "field fabric_info.lapsed"),
    ("fabric.h", r"\tu64 walks;", "\tu64 fresh;\n\tu64 walks;", "field fabric_info.walks"),
    ("fabric.h", r"\tu16 carries;.*\n(\tu32 session;.*\n)", r"\1\tu16 carries;\n\tu16 more;\n",
     "field fabric_link.carries"),
    ("fabric.h", r"(FABRIC_CODES_MAX) 40u", r"\1 36u", "constant FABRIC_CODES_MAX 0x28"),
    ("observe.h", r"\tu64 denials;(.*named the slot)", r"\tu32 denials;\n\tu32 more;\1",
     "field fabric_export.denials"),
    ("observe.h", r"\tu32 work\[", "\tu64 last;\n\tu32 work[", "struct fabric_export 112"),
    ("tables.h", r"0x50000ull", "0x58000ull", "constant TABLE_FABRIC_OFFSET 0x50000"),
])
def test_what_moves_is_told(tree: Path, header: str, old: str, new: str, complaint: str):
    change(tree, header, old, new)
    for path in (tree / "kernel/abi").glob("*.h"):      # which would say it first
        text = path.read_text(encoding="utf-8")
        path.write_text(re.sub(r"STATIC_ASSERT\([^;]*\);", "", text), encoding="utf-8")
    assert [line for line in moved(tree) if line.startswith(complaint)]


@pytest.mark.parametrize("header, old, new", [
    ("fabric.h", r"\tFABRIC_OP_COUNT\n", "\tFABRIC_NEW,\n\tFABRIC_OP_COUNT\n"),
    ("fabric.h", r"(\tu64 lapsed;.*\n)", r"\1\tu64 fresh;\n"),
    ("fabric.h", r"\tu8 reserved0\[56\];", "\tu32 fresh;\n\tu8 reserved0[52];"),
    ("fabric.h", r"struct fabric_holders \{", "struct fresh { u64 a; };\n\\g<0>"),
    ("layout.h", r"(QUEUES_MAX) 8u\n(#define FABRIC)", r"\1 9u\n\2"),
])
def test_what_comes_behind_is_nobodys_business(tree: Path, header: str, old: str, new: str):
    change(tree, header, old, new)
    assert moved(tree) == []

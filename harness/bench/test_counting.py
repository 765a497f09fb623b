# SPDX-License-Identifier: BSD-2-Clause
"""Counting instructions: the arithmetic, the names it looks for, and the plugin itself."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE))

import counting  # noqa: E402 (the path above comes first)

KERNEL = 0xffffffff80100000
NM = (f"{KERNEL:016x} T stub_33\n{KERNEL + 0x40:016x} t owner_check.part.0\n"
      f"{KERNEL + 0x60:016x} D data\n{KERNEL + 0x80:016x} T siphash_words\n")


def test_functions_by_address():
    symbols = counting.Symbols(NM)
    assert symbols.at(KERNEL) == ("stub_33", True)
    assert symbols.at(KERNEL + 0x7f) == ("owner_check", False)
    assert symbols.at(KERNEL + 0x4000) == ("siphash_words", False)
    assert symbols.at(0x400000) == (counting.PROGRAM, False)


def test_cost_is_the_difference_of_two_runs():
    start = {(KERNEL, 3): (5, 0)}
    few = {(KERNEL, 3): (15, 0), (KERNEL + 0x44, 10): (10, 10), (KERNEL + 0x80, 4): (1000, 0)}
    many = {(KERNEL, 3): (45, 0), (KERNEL + 0x44, 10): (40, 40), (KERNEL + 0x80, 4): (2000, 0),
            (0x400000, 7): (20, 0)}
    found = counting.cost(counting.between(start, few), counting.between(few, many), 20,
                          counting.Symbols(NM))
    # Of the block at KERNEL 10 and 30 ran, of the check 10 and 30, of the tag 1000 and 1000.
    assert found.interrupts == pytest.approx(1.0)
    assert found.of(counting.CHECK) == pytest.approx(10.0)
    assert found.of(counting.TAG) == 0
    assert found.functions[counting.PROGRAM].instructions == pytest.approx(7.0)
    assert found.instructions == pytest.approx(20.0) and found.devices == pytest.approx(1.0)
    assert "owner_check" in counting.table("owner", found)


def test_the_functions_that_are_looked_for_are_there():
    """Else a share would quietly be nothing."""
    source = "".join((ROOT / name).read_text() for name in (
        "kernel/base/siphash.c", "net/link/seal.c", "net/rcap/owner.c"))
    for name in (*counting.TAG, *counting.CHECK):
        assert re.search(rf"^{name}\(", source, re.M), name
    assert "stub_\\vector:" in (ROOT / "kernel/arch/x86_64/trap.S").read_text()


@pytest.mark.qemu
def test_the_plugin_counts_a_loop(tmp_path):
    """A boot sector that goes round 1000 times, then halts."""
    code = bytes.fromhex("b9e803"        # mov cx, 1000
                         "9090" "e2fc"   # nop, nop, loop back to the first
                         "f4")           # hlt
    (tmp_path / "disk").write_bytes(code.ljust(510, b"\0") + b"\x55\xaa")
    library, out = counting.build_plugin(tmp_path), tmp_path / "counts"
    with subprocess.Popen(["qemu-system-x86_64", "-accel", "tcg", "-display", "none", "-nodefaults",
                           "-plugin", f"{library},out={out}",
                           "-drive", f"format=raw,file={tmp_path}/disk"]) as guest:
        try:
            loop = (0x7c03, 3)
            for _ in range(300):
                blocks = counting.read_blocks(out) if out.exists() and out.stat().st_size else {}
                if blocks.get((0x7c07, 1)):
                    break
                with pytest.raises(subprocess.TimeoutExpired):
                    guest.wait(0.1)
        finally:
            guest.kill()
    # The first turn is in the block that begins with mov.
    assert blocks[loop][0] == 999
    assert sum(devices for _, devices in blocks.values()) > 0, "firmware looks at devices"

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
from functions import ELSEWHERE, PROGRAM, Functions  # noqa: E402

KERNEL = 0xffffffff80100000
CODE = "".join(f"\n{KERNEL + at:016x} <{symbol}>:\n" + "".join(
    f"{KERNEL + at + byte:016x}:\tnop\n" for byte in range(0x40))
    for at, symbol in ((0, "stub_33"), (0x40, "owner_check.part.0"), (0x80, "siphash_words")))

# Each function has an instruction of its own kind (OWN).
SOURCES = {
    "caller.c": """
#include "other.h"
static __attribute__((noinline)) void
kept(void) { asm volatile("sfence"); }
static inline void
small(void) { asm volatile("cpuid" : : : "eax", "ebx", "ecx", "edx"); }
static __attribute__((always_inline)) void
middle(void) { asm volatile("mfence"); small(); smaller(); deep(); }
void
start(void) { middle(); asm volatile("pause"); deep(); kept(); middle(); }
""",
    "other.h": """
void
deep(void);
static inline void
smaller(void) { asm volatile("wbinvd"); }
""",
    "other.c": """
#include "other.h"
void
deep(void) { asm volatile("lfence"); }
""",
}
OWN = {"start": "pause", "middle": "mfence", "small": "cpuid", "smaller": "wbinvd",
       "deep": "lfence", "kept": "sfence"}
COMPILE = f"""gcc -O2 -g -w -ffreestanding -fno-pic -no-pie -mcmodel=kernel -nostdlib -static
    -fcf-protection=none -fno-asynchronous-unwind-tables -Wl,--build-id=none
    -Wl,-Ttext={KERNEL:#x} -Wl,-e,start""".split()


def test_functions_by_symbols():
    """Assembly, and kernels without debugging information."""
    functions = Functions(CODE)
    assert functions.at(KERNEL) == ["stub_33"]
    assert functions.at(KERNEL + 0x7f) == ["owner_check"]
    assert functions.at(KERNEL + 0x80, 3) == ["siphash_words"] * 3
    assert functions.at(0x400000, 2) == [PROGRAM] * 2
    assert functions.at(KERNEL + 0x4000, 2) == [ELSEWHERE] * 2
    assert list(functions.entered(KERNEL, 3)) == ["stub_33"]
    assert not list(functions.entered(KERNEL + 1, 3))
    assert not list(functions.entered(KERNEL + 0x40, 3)), "a part is no function"


@pytest.fixture(name="kernel", params=[(), ("-flto", "-flto-partition=one")], ids=["", "lto"])
def _kernel(request, tmp_path):
    """Where a small kernel lies, whether all of it was compiled as one, and the addresses
    of each function's own instructions."""
    for name, text in SOURCES.items():
        (tmp_path / name).write_text(text)
    for name in ("caller", "other"):
        subprocess.run([*COMPILE, *request.param, "-c", "-o", f"{name}.o", f"{name}.c"],
                       cwd=tmp_path, check=True)
    subprocess.run([*COMPILE, *request.param, "-o", "kernel", "caller.o", "other.o"],
                   cwd=tmp_path, check=True)
    said = subprocess.run(["objdump", "-d", "--no-show-raw-insn", "kernel"], cwd=tmp_path,
                          capture_output=True, text=True, check=True).stdout
    places = {name: [int(at, 16) for at in re.findall(rf"^([0-9a-f]+):\t{word}\b", said, re.M)]
              for name, word in OWN.items()}
    return tmp_path / "kernel", bool(request.param), places


def test_functions_that_were_inlined(kernel):
    """The innermost counts, but what is declared inline is a part of who uses it."""
    path, whole, places = kernel
    functions = Functions.of(path)
    assert {name: len(found) for name, found in places.items()} == {
        "start": 1, "middle": 2, "small": 2, "smaller": 2, "kept": 1, "deep": 3 if whole else 1}
    for name, found in places.items():
        for address in found:
            assert functions.at(address) == ["middle" if "small" in name else name]


def test_cost_of_functions_that_were_inlined(kernel):
    """As though `start` had run five times from its first instruction to its last."""
    path, whole, _ = kernel
    functions = Functions.of(path)
    nm = subprocess.run(["nm", "-S", path], capture_output=True, text=True, check=True).stdout
    begin, size = (int(word, 16) for word in re.search(r"(\w+) (\w+) T start", nm).groups())
    length = sum(begin <= address < begin + size for address in functions.addresses)
    found = counting.cost({}, {(begin, length): (10, 0)}, 2, functions)
    entered = {name: function.entered for name, function in found.functions.items()}
    assert entered == {"start": 5, "middle": 10} | ({"deep": 15} if whole else {})
    assert found.functions["middle"].instructions >= 30  # its own, and those of small and smaller
    assert found.instructions == 5 * length == sum(
        function.instructions for function in found.functions.values())


def test_cost_is_the_difference_of_two_runs():
    start = {(KERNEL, 3): (5, 0)}
    few = {(KERNEL, 3): (15, 0), (KERNEL + 0x44, 10): (10, 0), (KERNEL + 0x46, 0): (0, 10),
           (KERNEL + 0x80, 4): (1000, 0)}
    many = {(KERNEL, 3): (45, 0), (KERNEL + 0x44, 10): (40, 0), (KERNEL + 0x46, 0): (0, 40),
            (KERNEL + 0x80, 4): (2000, 0), (0x400000, 7): (20, 0)}
    found = counting.cost(counting.between(start, few), counting.between(few, many), 20,
                          Functions(CODE))
    # Of the block at KERNEL 10 and 30 ran, of the check 10 and 30, of the tag 1000 and 1000.
    assert found.interrupts == pytest.approx(1.0)
    assert found.of(counting.CHECK) == pytest.approx(10.0)
    assert found.of(counting.TAG) == 0
    assert found.functions[PROGRAM].instructions == pytest.approx(7.0)
    assert found.functions["owner_check"].devices == pytest.approx(1.0)
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
    seen = {length for (_, length), (_, devices) in blocks.items() if devices}
    assert seen == {0}, "firmware looks at devices, and each record is of an instruction"

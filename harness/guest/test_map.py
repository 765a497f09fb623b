# SPDX-License-Identifier: BSD-2-Clause
"""What the processor enforces, as QEMU sees it: the page tables that are loaded and
the control registers, while programs run."""

from __future__ import annotations

import re

import pytest

pytestmark = pytest.mark.qemu

KERNEL = 1 << 47
STACKS = 0xffffd00000000000
TEXT = 0xffffffff80000000
CR0_WP = 1 << 16
CR4 = {"UMIP": 11, "FSGSBASE": 16, "SMEP": 20, "SMAP": 21, "MCE": 6}
EFER_NX = 1 << 11


def monitor(guest, command: str) -> str:
    return str(guest.qmp("human-monitor-command", **{"command-line": command}))


def leaves(guest) -> list[tuple[int, str]]:
    """Address and flags of each page that is mapped: X says not executable here."""
    found = re.findall(r"^([0-9a-f]{16}): [0-9a-f]{16} (\S+)", monitor(guest, "info tlb"), re.M)
    return [(int(address, 16), flags) for address, flags in found]


def test_nothing_is_writable_and_executable(node):
    """Neither the kernel's half nor a program's; and what is the kernel's is not the program's."""
    guest = node()
    guest.run("envs")
    pages = leaves(guest)
    kernel = [page for page in pages if page[0] >= KERNEL]
    assert len(kernel) > 100 and len(pages) > len(kernel) + 20, len(pages)
    assert [page for page in pages if "W" in page[1] and "X" not in page[1]] == []
    assert [page for page in kernel if "U" in page[1]] == []
    assert [page for page in kernel if "X" not in page[1] and page[0] < TEXT] == []
    assert any("X" not in flags for address, flags in pages if address < KERNEL)


def test_tables_are_read_only(node):
    """The exported tables are there for programs, and only to read."""
    tables = [flags for address, flags in leaves(node())
              if 0x700000000000 <= address < 0x7f0000000000]
    assert len(tables) > 4
    assert all("U" in flags and "W" not in flags and "X" in flags for flags in tables)


def test_every_stack_has_a_guard(node):
    """Below each kernel stack nothing is mapped: four pages, then a gap of one."""
    stacks = sorted(address - STACKS for address, _ in leaves(node(smp=2))
                    if STACKS <= address < STACKS + (1 << 24))
    assert len(stacks) == 2 * 4 * 4
    for number, offset in enumerate(stacks):
        assert offset == (number + number // 4 + 1) << 12


@pytest.mark.parametrize("processors", [1, 2])
def test_control_registers(node, processors: int):
    """Each processor enforces what `-cpu max` can."""
    said = monitor(node(smp=processors), "info registers -a")
    registers = [re.findall(rf"{name}=([0-9a-f]+)", said) for name in ("CR0", "CR4", "EFER")]
    assert [len(values) for values in registers] == [processors] * 3
    for cr0, cr4, efer in zip(*registers):
        assert int(cr0, 16) & CR0_WP
        assert [name for name, bit in CR4.items() if not int(cr4, 16) >> bit & 1] == []
        assert int(efer, 16) & EFER_NX

# SPDX-License-Identifier: BSD-2-Clause
"""The kernel breaks on purpose (panic=WAY on its command line): its protections stop
it, and the panic tells what happened, where, and what went before."""

from __future__ import annotations

import re

import pytest

from guest import Guest, build_folder

pytestmark = [pytest.mark.qemu, pytest.mark.apart]

# What the report says first, and which functions the backtrace names, innermost first.
# The caller of a function without a frame of its own is not seen.
KERNEL_MODE = r"exception {} in kernel mode\nvector {} error 0x{:x} "
WAYS = {
    "assert": (r"harness/broken/provoke\.c:\d+: broken invariant: env_table",
               ["break_invariant", "kernel_main"]),
    "write-text": (KERNEL_MODE.format(14, 14, 0x3), ["write_text", "kernel_main"]),
    "write-text-alias": (KERNEL_MODE.format(14, 14, 0x3), ["write_text_alias", "kernel_main"]),
    "write-constant": (KERNEL_MODE.format(14, 14, 0x3), ["write_constant", "kernel_main"]),
    "write-sealed": (KERNEL_MODE.format(14, 14, 0x3), ["write_sealed", "kernel_main"]),
    "write-sealed-alias": (KERNEL_MODE.format(14, 14, 0x3), ["write_sealed_alias", "kernel_main"]),
    "write-gate": (KERNEL_MODE.format(14, 14, 0x3), ["write_gate", "kernel_main"]),
    "run-direct": (KERNEL_MODE.format(14, 14, 0x11), ["kernel_main"]),
    "run-frame": (KERNEL_MODE.format(14, 14, 0x11), ["kernel_main"]),
    "run-stack": (KERNEL_MODE.format(14, 14, 0x11), ["kernel_main"]),
    "run-data": (KERNEL_MODE.format(14, 14, 0x11), ["kernel_main"]),
    "read-null": (KERNEL_MODE.format(14, 14, 0x0), ["read_null", "kernel_main"]),
    "read-user": (KERNEL_MODE.format(14, 14, 0x1), ["read_user", "kernel_main"]),
    "run-user": (KERNEL_MODE.format(14, 14, 0x11), ["kernel_main"]),
    "stack": (KERNEL_MODE.format(8, 8, 0x0), ["overflow_stack", "kernel_main"]),
    "smash": (r"stack smashed\n", ["smash_stack"]),
    # Found by the audit (kernel/sys/audit.c), each by what it misses.
    **{way: (rf"kernel/sys/audit\.c:\d+: broken invariant: {missed}\n", ["do_machine_audit"])
       for way, missed in {
           "leak-frame": "h->owned == h->root_frames",
           "leak-table": r"h->owned \+ h->kept == info->used\.frames",
           "leak-slice": "h->slices == h->root_slices",
           "leak-ring": r"h->root_rings == info->used\.rings",
           "leak-quota": r"sum\.of\[kind\] == env_quota_total\.of\[kind\]",
           "leak-pin": r"pins == count_pins\(\)",
           "leak-block": r"root_blocks \+ removal_blocks == sys_info\.disk_blocks",
           "twice-block": r"root_blocks \+ removal_blocks == sys_info\.disk_blocks",
       }.items()},
}


def broken(word: str, **options) -> Guest:
    """A node whose kernel can break itself (harness/broken)."""
    return Guest(append=f"panic={word}", network=False,
                 kernel=build_folder() / "broken/deos.elf", **options)


def report(way: str, **options) -> str:
    """Boots a node that breaks in that way; what it says from PANIC to the end."""
    with broken(way, **options) as guest:
        guest.wait_for("^halted; ")
        text = guest.log()
        return text[text.index("PANIC: "):]


@pytest.mark.parametrize("way", WAYS)
def test_panic(way):
    """The report is complete: reason, registers, symbols, and the last events."""
    said = report(way)
    reason, functions = WAYS[way]
    assert re.match("PANIC: " + reason, said), said
    assert bool(re.search("^rip (ffff|0)", said, re.M)) == ("exception" in said)
    assert re.search("^processor 0$", said, re.M)
    backtrace = re.search(r"^backtrace:\n((?:  [0-9a-f]{16} .*\n|  [0-9a-f]{16}\n)+)", said, re.M)
    assert backtrace, said
    names = re.findall(r"^  [0-9a-f]{16} (\w+)\+0x[0-9a-f]+$", backtrace[1], re.M)
    assert [name for name in names if name in functions] == functions, said
    events = re.search(r"^last events:\n((?: +\d+ ns env .*\n)+)", said, re.M)
    assert events, said
    # Environment 0 was made and became runnable: states 1 and 2.
    assert re.findall(r"env +0x0 (0x\d)$", events[1], re.M)[-2:] == ["0x1", "0x2"]


def test_other_processors_stop():
    """A panic on one processor ends all: nothing else is said after it."""
    said = report("assert", smp=4)
    assert said.splitlines()[-1].startswith("halted; ")


@pytest.mark.parametrize("way, cpu, stopped", [("read-user", "max,-smap", "error 0x1 "),
                                              ("run-user", "max,-smep", "error 0x11 ")])
def test_without_the_protection(way, cpu, stopped):
    """What SMAP and SMEP stop is not stopped by anything else: the tests above see them."""
    with broken(way, cpu=cpu) as guest:
        found = guest.wait_for(rf"^panic={way}: nothing stopped it$|^PANIC: .*\n(?:.*\n)?")
        assert stopped not in found[0], found[0]


def test_no_such_way():
    """A word that names nothing is said to, and the node boots."""
    with broken("nicely") as guest:
        guest.wait_for("^panic=: no such way to break the kernel$")
        guest.wait_prompt()

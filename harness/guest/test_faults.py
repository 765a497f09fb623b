# SPDX-License-Identifier: BSD-2-Clause
"""Every way to fault, and every way to be a bad host of upcalls: what the processor
and the kernel answer. The table says what the manual demands; where QEMU's emulator
is known to answer otherwise, both are listed."""

from __future__ import annotations

import re

import pytest

import accounts
from conftest import SITE

pytestmark = pytest.mark.qemu

# vector, error code.
READ, WRITE, FETCH = (14, 0x4), (14, 0x6), (14, 0x14)      # nothing there
NO_READ, NO_WRITE, NO_FETCH = (14, 0x5), (14, 0x7), (14, 0x15)      # there, not for us
PROTECTION = (13, 0)
UNDEFINED = (6, 0)
DEBUG = (1, 0)
NONE = "no fault"

FAULTS = {
    "read-null": READ, "write-null": WRITE, "run-null": FETCH, "read-unmapped": READ,
    "write-text": NO_WRITE, "write-constant": NO_WRITE,
    "run-data": NO_FETCH, "run-constant": NO_FETCH, "run-stack": NO_FETCH,
    "read-kernel": NO_READ, "write-kernel": NO_WRITE, "run-kernel": NO_FETCH,
    "read-kernel-data": NO_READ, "write-kernel-data": NO_WRITE,
    "read-direct-map": NO_READ, "write-direct-map": NO_WRITE,
    "write-info": NO_WRITE, "write-envs": NO_WRITE, "write-slices": NO_WRITE,
    "write-rings": NO_WRITE, "write-frames": NO_WRITE, "write-devices": NO_WRITE,
    "write-cpus": NO_WRITE, "write-links": NO_WRITE, "write-fabric": NO_WRITE,
    "run-tables": NO_FETCH, "run-uarea": NO_FETCH, "read-behind-uarea": READ,
    "read-last-canonical": READ, "read-non-canonical": PROTECTION,
    "write-non-canonical": PROTECTION, "run-non-canonical": PROTECTION,
    "push-non-canonical": [(12, 0), PROTECTION],        # QEMU: 13
    "push-kernel": NO_WRITE,
    "divide-by-zero": (0, 0), "divide-overflow": (0, 0),
    "int3": (3, 0), "icebp": [DEBUG, UNDEFINED],        # QEMU: 6
    "ud2": UNDEFINED, "bad-lock": UNDEFINED, "into": UNDEFINED, "far-call": UNDEFINED,
    "too-long": PROTECTION,
    **dict.fromkeys(
        ["cli", "sti", "hlt", "in", "out", "rdmsr", "wrmsr", "lgdt", "lidt", "lldt", "ltr",
         "read-cr0", "read-cr3", "read-cr4", "read-cr8", "write-cr0", "write-cr3", "write-cr4",
         "write-cr8", "lmsw", "clts", "invlpg", "wbinvd", "invd", "swapgs", "sysret",
         "read-dr7", "write-dr7", "rdpmc", "sgdt", "sidt", "sldt", "str", "smsw"], PROTECTION),
    "xgetbv": UNDEFINED, "xsave": UNDEFINED, "avx": UNDEFINED, "monitor": UNDEFINED,
    "load-ss-null": PROTECTION, "load-ss-kernel": (13, 0x10), "load-ds-kernel": (13, 0x10),
    "load-fs-tss": (13, 0x30), "load-gs-local": (13, 0x1004),
    "jump-to-kernel": (13, 0x8), "jump-to-null": (13, 0x18), "jump-to-data": (13, 0x20),
    "jump-to-tss": (13, 0x30), "call-local-gate": (13, 0x100c),
    # QEMU pops as the kernel would, which SMAP forbids (gone since 9.1).
    "iret-to-kernel": [(13, 0x8), (14, 0x1)], "iret-nested": PROTECTION,
    "iret-non-canonical": [PROTECTION, (14, 0x1)],
    "single-step": DEBUG, "single-step-syscall": DEBUG,
    "single-step-shadow": DEBUG, "ud2-with-ac": UNDEFINED, "x87-waiting": NONE,
    "x87-divide": (16, 0), "sse-divide": [(19, 0), NONE],       # QEMU: none
    "bad-mxcsr": [PROTECTION, NONE], "fs-non-canonical": [PROTECTION, NONE],    # QEMU: none
    "gs-into-kernel": NO_READ,
}

# Attempts besides: 256 vectors, 4096 ports, and what else holds at all times; one of them
# needs FSGSBASE.
OTHERS = 4370

# On processors that lack a protection, what is caught all the same.
WITHOUT_SMAP = {"load-gs-local": (13, 0x1004), "call-local-gate": (13, 0x100c),
                "iret-to-kernel": (13, 0x8)}


def faults(guest, others: int = OTHERS) -> dict:
    """Runs the program, which must make all of its attempts; returns what it met."""
    said = guest.run("faults")
    met = {}
    for name, vector, error in re.findall(
            r"^faults: ([\w-]+): (?:vector (\d+) error (0x[0-9a-f]+)|no fault)$", said, re.M):
        met[name] = (int(vector), int(error, 16)) if vector else NONE
    assert f"\nfaults: PASS {len(FAULTS) + others} attempts\n" in said, said
    return met


@pytest.mark.parametrize("processors", [1, 2])
def test_every_fault(node, processors):
    """Each comes back as the upcall that the manual names, and nothing is left behind."""
    guest = node(smp=processors, site=SITE)
    before = accounts.everything(guest)
    met = faults(guest)
    assert met.keys() == FAULTS.keys()
    wrong = {name: what for name, what in met.items()
             if what not in (FAULTS[name] if isinstance(FAULTS[name], list) else [FAULTS[name]])}
    assert wrong == {}
    accounts.check_restored(guest, before)
    assert guest.get("/") == SITE["index.html"]
    guest.check()


def test_flags_end_at_the_kernel(node):
    """AC, NT, TF, DF of a program are none of the kernel's: the checked kernel looks at each
    call and each fault."""
    guest = node(memory_mib=128, checked=True)
    met = faults(guest)
    assert met["ud2-with-ac"] == UNDEFINED and met["single-step-syscall"] == DEBUG
    guest.check()


@pytest.mark.parametrize("cpu, others", [("max,-smap,-smep", OTHERS), ("qemu64", OTHERS - 1)])
def test_without_the_newer_protections(node, cpu, others):
    """A program on an older processor gains nothing from the tables it could lay out."""
    guest = node(cpu=cpu, site=SITE)
    met = faults(guest, others)
    assert {name: met[name] for name in WITHOUT_SMAP} == WITHOUT_SMAP
    assert guest.get("/") == SITE["index.html"]
    guest.check()

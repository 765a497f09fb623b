# SPDX-License-Identifier: BSD-2-Clause
"""libos/programs/selftest in the guest: what the kernel promises a libOS and the
libOS a program, each test alone, on one processor and on two."""

from __future__ import annotations

import pytest

import accounts

pytestmark = pytest.mark.qemu

TESTS = ["clock", "wait", "timer", "threads", "thread-guard", "paging", "bits", "stack",
         "nested-faults", "fresh-frames", "registers", "float", "entropy", "reap", "yield",
         "everywhere", "wake", "slices", "move", "slice-upcalls", "sections", "overruns",
         "migrate", "revoke-running", "revoke-asleep", "loop", "filters",
         "trim", "rounds", "overlap", "wide", "tables", "secrets", "revoke-refusals",
         "revoke-request", "revoke-taken", "revoke-declared", "revoke-scribbler", "revoke-reserve",
         "revoke-family", "revoke-others", "revoke-lent", "programs", "predicates", "handlers",
         "transfer", "transfer-refused", "transfer-aborted", "transfer-deadline",
         "transfer-orphan", "transfer-float", "transfer-account", "transfer-depth",
         "transfer-destroyed", "transfer-revoked", "transfer-told",
         "link", "link-ended", "link-lies", "link-revoked",
         "completion", "completion-held", "completion-nested", "completion-asleep",
         "completion-broken"]


@pytest.mark.parametrize("processors", [1, 2])
@pytest.mark.parametrize("name", TESTS)
def test_part(node, name: str, processors: int):
    """One part passes and leaves nothing behind."""
    guest = node(smp=processors)
    before = accounts.everything(guest)
    said = guest.run(f"selftest {name}")
    assert said.splitlines()[-1] == f"selftest: {name}: PASS", said
    accounts.check_restored(guest, before)
    guest.check()


@pytest.mark.timeout(400)
def test_no_part_is_left_out(node):
    """The program has no test that is not named here, and runs all when none is named."""
    said = node(smp=1).run("selftest", 380)
    assert [line.split(": ")[1:] for line in said.splitlines() if line.startswith("selftest: ")] \
        == [[name, "PASS"] for name in TESTS]

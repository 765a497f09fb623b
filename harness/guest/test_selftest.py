# SPDX-License-Identifier: BSD-2-Clause
"""libos/programs/selftest in the guest: what the kernel promises a libOS and the
libOS a program, each test alone, on one processor and on two."""

from __future__ import annotations

from pathlib import Path

import pytest

import accounts

pytestmark = pytest.mark.qemu

TESTS = ["clock", "wait", "timer", "threads", "thread-guard", "paging", "bits", "stack",
         "nested-faults", "fresh-frames", "registers", "float", "entropy", "reap", "yield",
         "everywhere", "wake", "slices", "move", "slice-upcalls", "sections", "overruns",
         "migrate", "revoke-running", "revoke-asleep", "loop", "filters",
         "trim", "rounds", "overlap", "wide", "tables", "secrets", "revoke-refusals",
         "revoke-request", "revoke-taken", "revoke-declared", "revoke-scribbler", "revoke-reserve",
         "revoke-family", "revoke-others", "revoke-lent", "revoke-blocks", "programs",
         "predicates", "handlers",
         "transfer", "transfer-refused", "transfer-aborted", "transfer-deadline",
         "transfer-orphan", "transfer-float", "transfer-account", "transfer-depth",
         "transfer-destroyed", "transfer-revoked", "transfer-told",
         "link", "link-ended", "link-lies", "link-revoked",
         "completion", "completion-held", "completion-nested", "completion-asleep",
         "completion-broken"]


@pytest.fixture(scope="module", name="disks")
def _disks(tmp_path_factory) -> dict[int, Path]:
    """A disk for the node with so many processors."""
    folder = tmp_path_factory.mktemp("selftest")
    disks = {processors: folder / f"disk{processors}" for processors in (1, 2)}
    for disk in disks.values():
        disk.write_bytes(bytes(1 << 20))
    return disks


@pytest.mark.parametrize("processors", [1, 2])
@pytest.mark.parametrize("name", TESTS)
def test_part(node, disks, name: str, processors: int):
    """One part passes and leaves nothing behind."""
    guest = node(smp=processors, disk=disks[processors])
    before = accounts.everything(guest)
    said = guest.run(f"selftest {name}")
    assert said.splitlines()[-1] == f"selftest: {name}: PASS", said
    assert "selftest: no disk" not in said
    accounts.check_restored(guest, before)
    guest.check()


@pytest.mark.timeout(400)
def test_no_part_is_left_out(node, disks):
    """The program has no test that is not named here, and runs all when none is named."""
    said = node(smp=1, disk=disks[1]).run("selftest", 380)
    assert [line.split(": ")[1:] for line in said.splitlines() if line.startswith("selftest: ")] \
        == [[name, "PASS"] for name in TESTS]


def test_no_such_part(node, disks):
    """A name that is none runs nothing, not even the others."""
    guest = node(smp=1, disk=disks[1])
    assert guest.run("selftest clock frames").startswith("selftest: there is no test 'frames'\n")
    assert guest.run("status") == "status 2\n"

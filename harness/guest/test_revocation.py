# SPDX-License-Identifier: BSD-2-Clause
"""libos/programs/cache: three programs of the same kind are asked for half of their
pages. One gives them, one declared them, one ignores everything; each has lost exactly
that, and serves on. What the kernel takes, and in which order, is in test_selftest."""

from __future__ import annotations

import pytest

import accounts

pytestmark = pytest.mark.qemu


@pytest.mark.parametrize("processors", [1, 2])
def test_caches_give_back(node, processors: int):
    """Each has half of its pages left; only who did not give was taken from."""
    guest = node(smp=processors)
    before = accounts.everything(guest)
    assert guest.run("cache").splitlines() == [
        f"cache: {manner}: owed 48, has 48 of 96 pages, {taken} taken by force, "
        "all look-ups right"
        for manner, taken in [("gives", 0), ("declares", 48), ("ignores", 48)]]
    assert guest.run("status") == "status 0\n"
    accounts.check_restored(guest, before)
    guest.check()

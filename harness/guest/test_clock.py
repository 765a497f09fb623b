# SPDX-License-Identifier: BSD-2-Clause
"""The clock keeps time, also when the host was busy while the kernel measured it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time

import pytest

from guest import Guest

pytestmark = [pytest.mark.qemu, pytest.mark.apart]

BOOTS = 3
SPAN_S = 2.0
BURN = [sys.executable, "-c", "while True: pass"]


def uptime(guest: Guest) -> tuple[float, float, float]:
    """What the node's clock says, and the host's before and after asking."""
    before = time.monotonic()
    said = guest.run("uptime")
    after = time.monotonic()
    found = re.search(r"up (\d+\.\d+) s", said)
    assert found, said
    return float(found[1]), before, after


def test_clock_keeps_time_after_a_boot_on_a_busy_host():
    burners = [subprocess.Popen(BURN) for _ in range(2 * (os.cpu_count() or 1))]
    try:
        guests = []
        for _ in range(BOOTS):
            guest = Guest(network=False)
            guest.wait_prompt()
            guests.append(guest)
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()
    try:
        first = [uptime(guest) for guest in guests]
        time.sleep(SPAN_S)
        for guest, (began, before, after) in zip(guests, first):
            now, before_now, after_now = uptime(guest)
            # The moment of reading lies somewhere between asking and hearing.
            assert (before_now - after) * 0.95 - 0.01 <= now - began
            assert now - began <= (after_now - before) * 1.05 + 0.01
    finally:
        for guest in guests:
            guest.__exit__()

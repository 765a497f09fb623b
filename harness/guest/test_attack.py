# SPDX-License-Identifier: BSD-2-Clause
"""Hostile programs (libos/programs/hostile) on a node that serves a site: each must
have made its attempts and been refused, harm nobody, and leave nothing behind."""

from __future__ import annotations

import re

import pytest

import accounts
from conftest import SITE

pytestmark = pytest.mark.qemu


@pytest.fixture(name="guest", params=[1, 2], ids=["smp1", "smp2"])
def fixture_guest(node, request):
    """A node that serves, with one processor and with two; what it holds is the same
    after each test as before, and it still serves."""
    guest = node(smp=request.param, memory_mib=128, site=SITE)
    before = accounts.everything(guest)
    yield guest
    if guest.broken:
        return          # the test has failed and says why
    guest.check()
    assert accounts.everything(guest) == before
    assert guest.get("/folder/large.bin") == SITE["folder/large.bin"]
    guest.check()


def verdict(guest, command: str, attempts: int) -> str:
    """Runs a program to its verdict, which must be PASS after that many attempts."""
    said = guest.run(command)
    name = command.split()[0]
    found = re.search(rf"^{name}: PASS (\d+) attempts$", said, re.M)
    assert found, said
    assert int(found[1]) >= attempts, said
    return said


def test_wild_pointers(guest):
    """Pointers to nowhere, and calls that there are not."""
    said = verdict(guest, "wild", 300)
    assert re.findall(r"^wild: (\w+)$", said, re.M) == [
        "env_create", "cap_inspect", "page_batch", "wait", "wake", "ring_bind", "ring_narrow",
        "console_write", "console_read", "entropy_read", "trace_read"]


def test_theft(guest):
    """Slots, ranges, rights, frames, slices and places of others."""
    verdict(guest, "thief", 500)


# How the environment ends; a broken handler is found at the fault or one later.
WAYS = {
    **dict.fromkeys(["no-handler", "handler-low", "handler-kernel", "handler-tables",
                     "handler-uarea", "handler-non-canonical"], "died of a fault"),
    **dict.fromkeys(["handler-unmapped", "handler-data", "handler-faults", "stack-none",
                     "stack-upside-down", "stack-tiny", "stack-unmapped", "stack-constant",
                     "stack-text", "stack-kernel", "stack-tables", "stack-uarea",
                     "stack-non-canonical", "stack-everything", "stack-low"],
                    "died: its upcall stack could not take a"),
}


def test_broken_upcalls(guest):
    """An upcall handler or stack that is none ends its own environment, and says how."""
    for way, end in WAYS.items():
        said = guest.run(f"die {way}")
        assert re.fullmatch(rf"die: trying {way}\n\[\d+\] die: {end}.* \(vector 14\), .*\n", said)


def test_broken_timers(guest):
    """The same when the upcall is that of a timer."""
    for way, end in WAYS.items():
        said = guest.run(f"die {way} timer")
        found = re.fullmatch(rf"die: trying {way}\n\[\d+\] die: {end}(.*) "
                             r"\(vector (\d+)\), .*\n", said)
        assert found, said
        # A handler that can be entered meets its own fault next.
        enters = way in ("handler-unmapped", "handler-data", "handler-faults")
        assert (found[1].split()[-1], int(found[2])) == (
            ("fault", 14) if enters else ("timer", 0xffff)), said


@pytest.mark.parametrize("call", ["nothing", "null", "yield", "wait", "timer", "map"])
def test_endless_loops(guest, call):
    """Loops for ever, more than there are processors, take nobody else's time."""
    spinners = [guest.background(f"spin {call}") for _ in range(guest.smp + 1)]
    for _ in range(3):
        assert guest.get("/folder/large.bin") == SITE["folder/large.bin"]
    envs = accounts.environments(guest)
    assert all(envs[number]["name"] == "spin" for number in spinners)
    assert "hello: environment" in guest.run("hello")
    for number in spinners:
        assert guest.run(f"kill {number}") == f"[{number}] spin: killed\n"

# SPDX-License-Identifier: BSD-2-Clause
"""Programs that exist for the sake of one thing of the kernel's each: a wakeup predicate
(until), a handler on a ring (answer), a filter that narrows another's (port)."""

from __future__ import annotations

import re

import pytest

import accounts
from datagrams import Datagrams

pytestmark = pytest.mark.qemu

SHORT = 20
KIB_A_FRAME = 4


@pytest.fixture(name="guest")
def fixture_guest(node):
    """A node with a network, which holds after the test what it held before."""
    guest = node()
    before = accounts.everything(guest)
    yield guest
    accounts.check_restored(guest, before)
    guest.check()


def free_kib(guest) -> int:
    """What the node has free."""
    return accounts.frames(guest)["total"]["free"] * KIB_A_FRAME


def test_until(guest):
    """It sleeps through changes that are not enough, asked for each, and wakes once."""
    assert re.fullmatch(r"until: \d+ KiB are free, asked 1 times\n", guest.run("until 4"))
    before = free_kib(guest)
    hogs = [guest.background("spin") for _ in range(2)]
    after = free_kib(guest)
    target = after + (before - after) // 4      # less than what one of the hogs has
    number = guest.background(f"until {target}", "")
    assert accounts.environments(guest)[number]["name"] == "until"
    since = len(guest.log())
    assert f"[{hogs[0]}] spin: killed" in guest.run(f"kill {hogs[0]}")
    assert accounts.environments(guest)[number]["state"] == "asleep"
    guest.run(f"kill {hogs[1]}")
    found = guest.wait_for(r"until: (\d+) KiB are free, asked (\d+) times$", since=since)
    assert int(found[1]) >= target and int(found[2]) > 2, found[0]


def test_until_it_is_late(guest):
    """What does not come does not keep it for ever; and what it is not asked for."""
    assert guest.run("until 999999999 30").startswith("until: the deadline passed first\n")
    for words in ("", "x", "99999999999999", "4 5 6"):
        assert "usage: until KIB [MS]" in guest.run(f"until {words}"), words


def test_answer(guest):
    """Short datagrams are answered while the program sleeps: by the kernel."""
    number = guest.background("answer 10.0.2.17 7")
    link = Datagrams(guest, "10.0.2.17", 7)
    link.ask(b"first")
    start = accounts.environments(guest)[number]
    for i in range(SHORT):
        assert link.ask(b"%d short" % i) == b"%d short" % i
    end = accounts.environments(guest)[number]
    assert (end["state"], end["cpu"]) == ("asleep", start["cpu"])
    since = len(guest.log())
    long = b"long " * 200
    assert link.ask(long) == long
    found = guest.wait_for(r"answer: (\d+) datagrams by the kernel, 1 here$", since=since)
    assert int(found[1]) > SHORT
    # Its address is taken, and nobody sends or receives under it by halves.
    assert "answer: it belongs to somebody else" in guest.run("answer 10.0.2.17 8")
    guest.run(f"kill {number}")


def test_port(guest):
    """Who holds the ring lends one port of it, and has it again when the borrower ends."""
    number = guest.background("port 10.0.2.18 9", "port: 9 is taken\n")
    lent, kept = (Datagrams(guest, "10.0.2.18", port) for port in (9, 10))
    since = len(guest.log())
    assert lent.ask(b"to the child") == b"to the child"
    guest.wait_for("port: 9, taken: to the child$", since=since)
    kept.link.send(b"to the parent")
    guest.wait_for("port: 10, untaken: to the parent$", since=since)
    assert "port: 9, untaken" not in guest.log()[since:]
    # Without the ring there is no authority.
    assert "port: taking the port: it belongs to somebody else" in guest.run("port take 9")
    assert lent.ask(b"bye") == b"bye"
    guest.wait_for("port: given back$", since=since)
    lent.link.send(b"again")
    guest.wait_for("port: 9, untaken: again$", since=since)
    guest.run(f"kill {number}")

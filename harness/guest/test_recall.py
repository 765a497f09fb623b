# SPDX-License-Identifier: BSD-2-Clause
"""Revocation that a holder on another node sees: node two lends pages to programs on one
and three, and asks for some of them back (`remote keep`, `remote recall`). Who gives has
lost what it gave; from who does not it is taken, and its record says so; who is dead, cut
off or in another life keeps nobody waiting."""

from __future__ import annotations

import pytest

from fabricbed import Fabric

pytestmark = [pytest.mark.qemu, pytest.mark.apart]

PAGES, WANTED = 4, 3
LONG_MS, SHORT_MS = 9000, 700


def keeps(node, owner, manner: str) -> int:
    """Starts a holder; returns where its output begins."""
    since = len(node.log())
    node.background(f"remote keep {owner.mac} {PAGES} {manner}",
                    f"remote: keeps {PAGES} pages\n")
    return since


def asks(node, owner, pages: int, milliseconds: int) -> int:
    """Has the owner ask; returns where its output begins."""
    since = len(owner.log())
    said = node.run(f"remote recall {owner.mac} {pages} {milliseconds}")
    assert "they are asked" in said, said
    return since


def told(owner, since: int) -> tuple[int, int]:
    """What the owner says of it: given, taken."""
    found = owner.wait_for(r"environment \d+ of node \d+ gave (\d+) pages, (\d+) were taken",
                           since=since)
    return int(found[1]), int(found[2])


def verdict(node, since: int, manner: str, has: int, taken: int):
    """What the holder says of it; it reads what it still has, and no more."""
    node.wait_for(rf"remote: {manner}: has {has} of {PAGES} pages, {taken} taken by force; "
                  rf"reads {has}\n", since=since)


def test_holders_of_another_node():
    """One after the other on node one: gives, gives while it has a copy of what it keeps,
    declares, ignores; then all of it."""
    with Fabric(3) as fabric:
        one, two, three = fabric.nodes
        two.background("remote serve 8", "remote: serving 8 pages\n")
        for manner, ms, given in (("gives", LONG_MS, WANTED), ("copies", LONG_MS, WANTED),
                                  ("declares", SHORT_MS, 0), ("ignores", SHORT_MS, 0)):
            since = keeps(one, two, manner)
            said = asks(three, two, WANTED, ms)
            assert told(two, said) == (given, WANTED - given)
            verdict(one, since, manner, PAGES - WANTED, WANTED - given)
        for manner, ms, given in (("gives", LONG_MS, PAGES), ("ignores", SHORT_MS, 0)):
            since = keeps(one, two, manner)
            said = asks(three, two, PAGES, ms)
            assert told(two, said) == (given, PAGES - given)
            verdict(one, since, manner, 0, PAGES - given)


def test_two_holders_are_asked_at_once():
    """One gives at once, the other loses at the deadline; neither loses the other's."""
    with Fabric(3) as fabric:
        one, two, three = fabric.nodes
        two.background("remote serve 8", "remote: serving 8 pages\n")
        first, second = keeps(one, two, "gives"), keeps(three, two, "ignores")
        since = asks(three, two, WANTED, SHORT_MS)
        two.wait_for(r"(gave 3 pages, 0 were[\s\S]*gave 0 pages, 3 were taken)", since=since)
        verdict(one, first, "gives", PAGES - WANTED, 0)
        verdict(three, second, "ignores", PAGES - WANTED, WANTED)


def test_cut_off_after_the_request():
    """The link is cut behind the request: both nodes keep the deadline, each for itself."""
    with Fabric(3) as fabric:
        one, two, three = fabric.nodes
        two.background("remote serve 8", "remote: serving 8 pages\n")
        since = keeps(one, two, "ignores")
        said = asks(three, two, WANTED, 3000)
        one.wait_for(f"remote: is asked for {WANTED}\n", since=since)
        fabric.switch.control.must("partition 1:2,3")
        assert told(two, said) == (0, WANTED)
        found = one.wait_for(r"remote: ignores: has (\d) of \d pages, (\d) taken by force",
                             since=since)
        assert (found[1], found[2]) == (str(PAGES - WANTED), str(WANTED))
        fabric.switch.control.must("heal")


def test_cut_off_before_the_request():
    """It never came; when the link is whole again, the holder is told what is gone."""
    with Fabric(3) as fabric:
        one, two, three = fabric.nodes
        two.background("remote serve 8", "remote: serving 8 pages\n")
        since = keeps(one, two, "ignores")
        fabric.switch.control.must("partition 1:2,3")
        said = asks(three, two, WANTED, SHORT_MS)
        assert told(two, said) == (0, WANTED)
        assert "is asked" not in one.log()[since:]
        fabric.switch.control.must("heal")
        verdict(one, since, "ignores", PAGES - WANTED, WANTED)


def test_killed_and_rebooted():
    """A holder that loses power with the request open, and one that comes back before the
    deadline: the owner has its pages at the deadline, or as soon as it knows."""
    with Fabric(3) as fabric:
        one, two, three = fabric.nodes
        two.background("remote serve 8", "remote: serving 8 pages\n")
        since = keeps(one, two, "ignores")
        said = asks(three, two, WANTED, 3000)
        one.wait_for("remote: is asked", since=since)
        one.kill()
        assert told(two, said) == (0, WANTED)
        one.start()
        one.wait_prompt()
        since = keeps(one, two, "ignores")
        said = asks(three, two, PAGES, LONG_MS)
        one.wait_for("remote: is asked", since=since)
        one.restart()
        assert sum(told(two, said)) == PAGES

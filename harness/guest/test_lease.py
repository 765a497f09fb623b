# SPDX-License-Identifier: BSD-2-Clause
"""Copies under leases (`remote cache`): read without a word to their owner while it lets
them, gone when it takes the page back, is cut off or dies, and when their holder gives the
page up."""

from __future__ import annotations

import re

import pytest

from fabricbed import Fabric

pytestmark = [pytest.mark.qemu, pytest.mark.apart]

READS = r"remote: (\d+) reads of the copy, 0 wrong, 0 operations; it is (there|gone)\n"
GONE = r"remote: the copy is gone after \d+ ms; taken: 1 pages; read again: no\n"
ITSELF = r"remote: the page itself: (.*)\n"
REVOKED = "the capability was revoked, or given up"
# What one hears who asks just before or after its kernel gives the other node up.
SILENT = ("there is no session with that node",
          "the session ended: it may have run, it cannot run any more")
REBORN = "the capability is of an earlier life of that node"
ATTEMPTS = 4
LEASED = r"remote: giving the page up: there are copies under leases by this capability\n"


def holds(node, owner) -> int:
    """Starts a program with a copy; returns where its output begins."""
    since = len(node.log())
    node.background(f"remote cache {owner.mac}", "remote: holds a copy under a lease\n")
    return since


def lost(node, since: int, *why: str):
    """It lost the copy; asked for the page, it hears one of these. Its kernel may tell the
    owner meanwhile what was given up before, by operations of its own."""
    found = node.wait_for(READS.replace("0 operations", r"\d+ operations") + GONE + ITSELF,
                          since=since)
    assert found[3] in why


def cached(node, owner, manner: str, says: str) -> re.Match:
    """A program with a copy, from its beginning to its end. On a host that keeps a node
    from running for longer than a lease that ends too early, as it must: then again."""
    for _ in range(ATTEMPTS):
        said = node.run(f"remote cache {owner.mac} {manner}")
        found = re.search(says, said)
        if found and found[2] == "there" and found[3] not in SILENT:
            return found
    raise AssertionError(said)


def test_taken_back_and_given_up():
    """The owner takes it back after two leases, in which some thousand reads took no
    operation; then a holder drops the capability, and has no copy when that returns."""
    with Fabric(2) as fabric:
        one, two = fabric.nodes
        two.background("remote serve 8", "remote: serving 8 pages\n")
        since = len(two.log())
        found = cached(one, two, "revoke", f"{READS}{GONE}{ITSELF}")
        assert int(found[1]) > 1000 and found[3] == REVOKED
        two.wait_for("remote: no copy is left of what was taken back\n", since=since)
        cached(one, two, "drop", f"{READS}{LEASED}{GONE}{ITSELF}")


def test_cut_off_dead_and_reborn():
    """Nobody tells the holder anything: its kernel finds that it cannot prove the lease."""
    with Fabric(2) as fabric:
        one, two = fabric.nodes
        two.background("remote serve 8", "remote: serving 8 pages\n")
        since = holds(one, two)
        fabric.switch.control.must("partition 1:2")
        lost(one, since, *SILENT)
        fabric.switch.control.must("heal")
        since = holds(one, two)
        two.kill()
        lost(one, since, *SILENT)
        two.start()
        two.wait_prompt()
        two.background("remote serve 8", "remote: serving 8 pages\n")
        since = holds(one, two)
        two.restart()
        lost(one, since, *SILENT, REBORN)

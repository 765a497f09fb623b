# SPDX-License-Identifier: BSD-2-Clause
"""What the tests of the node share: a site, and nodes that live as long as a module."""

from __future__ import annotations

import random

import pytest

from guest import Guest

_BYTES = random.Random(2)
SITE = {
    "index.html": b"<!doctype html><title>site</title><p>It is served.\n",
    "empty": b"",
    "with space.txt": b"one\n",
    "päge.txt": "zwei\n".encode(),
    "folder/large.bin": _BYTES.randbytes(300_001),
}


LIVE: list[dict[str, Guest]] = []       # the nodes of the modules that run


@pytest.fixture(scope="module")
def node():
    """Makes nodes of this module; they end with it. Same arguments, same node, until
    it is broken."""
    guests: dict[str, Guest] = {}

    def make(**options) -> Guest:
        key = repr(sorted(options.items()))
        if key in guests and guests[key].broken:
            guests.pop(key).__exit__()
        if key not in guests:
            guests[key] = Guest(**options)
            guests[key].wait_prompt()
        guests[key].check()
        return guests[key]

    LIVE.append(guests)
    yield make
    LIVE.remove(guests)
    for guest in guests.values():
        guest.__exit__()


@pytest.fixture(autouse=True)
def audited():
    """After each test, nothing that the kernel gave out is lost or there twice."""
    yield
    for guests in LIVE:
        for guest in guests.values():
            guest.audit()

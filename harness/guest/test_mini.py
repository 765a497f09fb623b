# SPDX-License-Identifier: BSD-2-Clause
"""Two libOSes at once: the standard one serves a site, the small one of libos/mini answers
UDP echo on its own ring and address, preempts its own threads, and neither notices."""

from __future__ import annotations

import random
import re
import threading

import pytest

import accounts
from conftest import SITE
from datagrams import Datagrams

pytestmark = pytest.mark.qemu

DATAGRAMS = 300
LOADERS = 2


class Echo(Datagrams):
    """To the small libOS."""

    def __init__(self, guest):
        super().__init__(guest, "10.0.2.16", 7)

    def counters(self) -> dict[str, int]:
        """What the small libOS says of itself."""
        text = self.ask(b"counters", b"echoed ").decode()
        words = text.split()
        return dict(zip(words[::2], map(int, words[1::2])))


def load(guest, stop: threading.Event, wrong: list[str], done: list[int]):
    """Fetches until told to stop."""
    while not stop.is_set():
        if guest.get("/folder/large.bin") != SITE["folder/large.bin"]:
            wrong.append("large.bin")
        done.append(1)


def test_two_at_once(node):
    """Each gets all of its own packets and none of the other's, under load on both."""
    guest = node(memory_mib=128, site=SITE)
    before = accounts.everything(guest)
    number = guest.background("mini", "")
    echo, chance = Echo(guest), random.Random(5)
    first = echo.counters()
    stop, wrong, done = threading.Event(), [], []
    loaders = [threading.Thread(target=load, args=(guest, stop, wrong, done), daemon=True)
               for _ in range(LOADERS)]
    for loader in loaders:
        loader.start()
    try:
        for i in range(DATAGRAMS):
            datagram = b"%d " % i + chance.randbytes(chance.randrange(1, 1400))
            assert echo.ask(datagram) == datagram
    finally:
        stop.set()
        for loader in loaders:
            loader.join()
    last = echo.counters()
    assert not wrong and len(done) >= LOADERS
    assert last["echoed"] - first["echoed"] >= DATAGRAMS
    assert last["preempted"] > first["preempted"] and last["worked"] > first["worked"]
    row = accounts.environments(guest)[number]
    assert row["name"] == "mini"
    assert re.search(r" mini ", guest.run("rings"))
    guest.run(f"kill {number}")
    guest.check()
    accounts.check_restored(guest, before)
    assert guest.get("/") == SITE["index.html"]

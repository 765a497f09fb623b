# SPDX-License-Identifier: BSD-2-Clause
"""The program that `make bench BENCH=fabric` and `BENCH=block` measure: each operation
runs as often as asked, is checked, and says so; nothing is timed here."""

from __future__ import annotations

import re

import pytest

from fabricbed import Fabric

pytestmark = pytest.mark.qemu

REPORT = re.compile(r"^remote-bench: operations=(\d+) took_ns=(\d+) median_ns=(\d+) "
                    r"min_ns=(\d+) p99_ns=(\d+)\n", re.M)
BLOCKS = 64


@pytest.fixture(name="pair")
def fixture_pair(tmp_path):
    """The asking node, and the serving one with a disk."""
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(BLOCKS * 4096))
    with Fabric(2, each={2: {"disk": disk}}) as fabric:
        yield fabric.nodes


def test_operations(pair):
    """Every kind, one and many at a time."""
    one, two = pair
    two.background("remote-bench serve", "remote-bench: serving\n")
    for words in ("read 8 1 50", "read 4096 32 100", "write 4096 1 50", "cas 8 1 50",
                  "cas 8 32 600", "block-read 4096 32 100", "block-write 4096 1 50",
                  "block-read 131072 1 20"):
        said = one.run(f"remote-bench ask {two.mac} {words}")
        report = REPORT.search(said)
        assert report, (words, said)
        count, took, median, least, p99 = (int(number) for number in report.groups())
        assert count == int(words.split()[-1]) and 0 < least <= median <= p99, said
        assert took >= least


def test_two_writers_in_turn(pair):
    """Twice, since who answers waits for the next who begins; and what it refuses."""
    one, two = pair
    two.background(f"remote-bench pong {one.mac}", "remote-bench: serving\n")
    for words in ("4096 40", "8 20"):
        said = one.run(f"remote-bench ping {two.mac} {words}")
        report = REPORT.search(said)
        assert report, (words, said)
        count, took, median, least, p99 = (int(number) for number in report.groups())
        assert count == int(words.split()[-1]) and 0 < least <= median <= p99, said
        assert took >= least * count
    for words in ("4100 9", "4104 9", "8 0", "8 8193", "8"):
        assert "usage: remote-bench" in one.run(f"remote-bench ping {two.mac} {words}"), words


def test_what_it_refuses(pair):
    """Arguments out of bounds, a node that serves nothing, a node that is none."""
    one, two = pair
    for words in ("read 4097 1 9", "read 8 33 9", "cas 16 1 9", "block-read 4096 1 0",
                  "block-read 131072 2 9", "block-write 512 1 9", "erase 8 1 9", "read 8 1 8193"):
        assert "usage: remote-bench" in one.run(f"remote-bench ask {two.mac} {words}"), words
    said = one.run(f"remote-bench ask {two.mac} read 8 1 9")
    assert "remote-bench: failed: nobody offers that service" in said
    said = one.run("remote-bench ask ff:ff read 8 1 9")
    assert "remote-bench: failed: no session with that node" in said

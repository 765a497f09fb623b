# SPDX-License-Identifier: BSD-2-Clause
"""A node of the release before and nodes of this tree are one cluster: the older one's
kernel and programs are built from its commit (harness/release/before.py). They use each
other's pages and blocks through a bad network, and the dissector reads all that they
say. A third node shows that the newer ones speak the newer version among themselves.
SEED=n replays.
"""

from __future__ import annotations

import os
import re
import sys

import pytest

from fabricbed import Fabric
from guest import ROOT, build_folder
from switchbed import wait_for

sys.path[:0] = [str(ROOT / "harness/release"), str(ROOT / "net/wire")]
import before                           # noqa: E402
from test_dissector import leaves, tshark       # noqa: E402
from vectors import minor               # noqa: E402

pytestmark = [pytest.mark.qemu, pytest.mark.long, pytest.mark.early, pytest.mark.timeout(900)]

SEED = int(os.environ.get("SEED", "1"))
FAULTS = "loss=5 dup=2 reorder=5"    # nothing damaged: who drops a shape does not know it
UNKNOWN = ("another version", "no such kind", "a field outside its domain")
OPERATIONS = 2_000
BLOCK = 4096


@pytest.fixture(name="old", scope="module")
def fixture_old():
    """The folder of the older images."""
    try:
        return before.before(ROOT, build_folder())
    except before.NoHistory as error:
        pytest.skip(str(error))


def hammer(node, other):
    """Mixed operations of one on another, each compared with a model."""
    said = node.run(f"remote hammer {other.mac} {OPERATIONS} {SEED}", 280)
    assert re.search(rf"^remote: PASS {OPERATIONS} operations", said, re.M), said


def test_a_node_of_the_release_before(old, tmp_path):
    disks = {}
    for number in (1, 2, 3):
        disks[number] = tmp_path / f"disk{number}"
        disks[number].write_bytes(bytes(256 * BLOCK))
    each = {number: {"disk": disk} for number, disk in disks.items()}
    each[1]["images"] = old
    with Fabric(3, seed=SEED, faults=FAULTS, each=each) as fabric:
        path = tmp_path / "run.pcap"
        fabric.switch.control.must(f"pcap {path}")
        older, newer, third = fabric.nodes
        for node in fabric.nodes:
            node.background("remote serve 16 rw", "serving 16 pages and the disk\n")
        hammer(newer, older)
        hammer(older, newer)
        hammer(third, newer)
        # A new life of the older node is met by both.
        older.restart()
        older.background("remote serve 16 rw", "serving 16 pages and the disk\n")
        for node in (newer, third):
            wait_for(lambda node=node: "remote: read 16 bytes" in
                     node.run(f"remote read {older.mac} 3 16"), 60)
            said = node.run("links")
            assert not any(words in said for words in UNKNOWN), said
        fabric.switch.control.must("pcap off")
        read_all(path, older.mac, [newer.mac, third.mac])


def read_all(path, older: str, newer: list[str]):
    """The dissector reads what was said; who greets with which version."""
    frames = [leaves(layers) for layers in tshark(path, "-c", "6000", "-Y", "deos")]
    assert len(frames) > 3000
    assert not any(name.startswith(("deos.flaw", "deos.stranger"))
                   for found in frames for name in found)
    spoken: dict[str, set[str]] = {}
    for found in map(leaves, tshark(path, "-Y", "deos.header.kind <= 2")):
        if "deos.hello.minor" in found:
            spoken.setdefault(found["eth.src"][0], set()).add(found["deos.hello.minor"][0])
    assert str(minor() - 1) in spoken[older]
    for mac in newer:
        assert str(minor()) in spoken[mac]
    assert sum("deos.time" in found for found in frames) > 1000

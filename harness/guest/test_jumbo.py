# SPDX-License-Identifier: BSD-2-Clause
"""Nodes whose interfaces take 9000 bytes: a page in one frame where the path carries
it, in three where it does not, and rings that go on with 1500."""

from __future__ import annotations

import re
import struct
import time
from pathlib import Path

import pytest

from fabricbed import Fabric
from guest import PATIENCE_S
from test_fabric import counted

pytestmark = [pytest.mark.qemu, pytest.mark.apart]

JUMBO = 9000
WHOLE = 4184            # docs/protocol: a page's frame behind its Ethernet header
RESPONSE = 5            # in net/wire/kinds.def
FABRIC = 0x88B5
ABOUT_A_PAGE = 1000     # bytes; a frame that is longer holds a page or a third of one
BROADCAST = b"\xff" * 6


def address(node) -> bytes:
    """A node's address as it stands in frames."""
    return bytes.fromhex(node.mac.replace(":", ""))


def captured(path: Path) -> list[bytes]:
    """The frames of a pcap file."""
    data, at, frames = path.read_bytes(), 24, []
    while at < len(data):
        length, whole = struct.unpack_from("<8xII", data, at)
        assert length == whole
        frames.append(data[at + 16:at + 16 + length])
        at += 16 + length
    return frames


def answers(fabric: Fabric, tmp_path: Path, reader, owner) -> list[int]:
    """How long the frames are in which a page comes, as the switch saw them; on a busy
    host some come twice, because the reader asked again."""
    capture = tmp_path / "frames"
    fabric.switch.control.must(f"pcap {capture}")
    assert "remote: read 4096 bytes" in reader.run(f"remote read {owner.mac} 3 4096")
    fabric.switch.control.must("pcap off")
    way = address(reader) + address(owner) + struct.pack("!H", FABRIC)
    return [len(frame) for frame in captured(capture)
            if frame.startswith(way) and frame[15] == RESPONSE and len(frame) > ABOUT_A_PAGE]


def wait_carries(node, other, carries: int):
    """Until `links` says that the path takes such frames."""
    until = time.monotonic() + PATIENCE_S
    line = rf" {other.mac} up +\w+ +\d+ +\d+ +\d+ +{carries} "
    while not re.search(line, said := node.run("links")):
        assert time.monotonic() < until, said
        time.sleep(0.05)


def test_a_page_in_one_frame_or_in_three(tmp_path):
    """Two take long frames and the third does not: each pair does what it can."""
    with Fabric(3, mtu=JUMBO, each={3: {"mtu": 1500}}) as fabric:
        one, two, three = fabric.nodes
        two.background("remote serve 16", "remote: serving 16 pages\n")
        for node in (one, three):
            node.run(f"remote write {two.mac} 3 hello")
        wait_carries(one, two, WHOLE)
        assert set(answers(fabric, tmp_path, one, two)) == {14 + WHOLE}
        three_parts = answers(fabric, tmp_path, three, two)
        assert len(three_parts) >= 3 and max(three_parts) <= 1514
        # The ring's frames stay at 1500: longer ones are counted, and nobody gets them.
        station = fabric.switch.connect(4)
        station.send((BROADCAST + station.mac + b"\x08\x00").ljust(14 + 2000, b"\0"))
        for node in (one, two):
            counted(node, "1 too long for a ring", verb="rings")
        assert "0 too long for a ring" in three.run("rings")


def test_a_path_that_changes(tmp_path):
    """The interfaces take long frames and the path loses them: nobody waits in vain."""
    with Fabric(2, mtu=JUMBO, append="cluster=test far=8") as fabric:
        one, two = fabric.nodes
        wait_carries(one, two, WHOLE)
        assert set(answers(fabric, tmp_path, one, two)) == {14 + WHOLE}
        fabric.switch.control.must("link 2 mtu=1500")
        answers(fabric, tmp_path, one, two)     # asked again, until it comes in three
        assert fabric.switch.counters(2)["too_long_in"] > 0
        parts = answers(fabric, tmp_path, one, two)
        assert len(parts) >= 3 and max(parts) <= 1514

# SPDX-License-Identifier: BSD-2-Clause
"""Nodes with `fabric=hidden`: they work as others do, what they say does not show on the
way, and they have nothing in common with nodes that do not hide it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fabricbed import FAULTS, Fabric
from guest import Guest

pytestmark = [pytest.mark.qemu, pytest.mark.apart]

SEED = int(os.environ.get("SEED", "1"))
HIDDEN = "cluster=test fabric=hidden"
WORD = "in-plain-view-of-all"


def said_on_the_way(fabric: Fabric, path: Path, reader: Guest, owner: Guest) -> bytes:
    """What the switch saw while a word was written and read."""
    fabric.switch.control.must(f"pcap {path}")
    assert "remote: wrote" in reader.run(f"remote write {owner.mac} 3 {WORD}")
    assert " ".join(f"{byte:02x}" for byte in WORD[:16].encode()) in \
        reader.run(f"remote read {owner.mac} 3 32")
    fabric.switch.control.must("pcap off")
    seen = path.read_bytes()
    assert bytes.fromhex(owner.mac.replace(":", "")) + b"\x88\xb5" in seen
    return seen


def test_what_is_said_does_not_show(tmp_path):
    """Words, pages and blocks, through a bad network; beside those who do not hide, and one
    whose operator mistyped the word."""
    (tmp_path / "disk").write_bytes(bytes(1 << 20))
    each = {2: {"disk": tmp_path / "disk"}, 3: {"append": "cluster=test"},
            4: {"append": "cluster=test"}, 5: {"append": "cluster=test fabric=hiden"}}
    with Fabric(5, seed=SEED, append=HIDDEN, each=each, strangers=True) as fabric:
        one, two, three, four, five = fabric.nodes
        assert "fabric=hidden: what frames carry is encrypted" in one.log()
        two.background("remote serve 16 rw", "serving 16 pages and the disk\n")
        four.background("remote serve 16", "remote: serving 16 pages\n")
        assert WORD.encode() not in said_on_the_way(fabric, tmp_path / "hidden", one, two)
        assert WORD.encode() in said_on_the_way(fabric, tmp_path / "shown", three, four)
        assert "no session with a node" in three.run(f"remote read {two.mac} 3")
        assert "no session with a node" in one.run(f"remote read {four.mac} 3")
        assert "takes the words hidden and untagged: this node joins no cluster" in five.log()
        assert "joined no cluster" in five.run(f"remote read {two.mac} 3")
        fabric.switch.control.must(f"link all {FAULTS}")
        said = one.run(f"remote hammer {two.mac} 1000 {SEED}", 280)
        assert "remote: PASS 1000 operations" in said, said

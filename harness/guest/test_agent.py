# SPDX-License-Identifier: BSD-2-Clause
"""Nodes with an agent each: they form one cluster, keep its record through deaths and
restarts, and leave disks alone that are not theirs."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

import pytest

from fabricbed import Fabric, Node
from guest import PATIENCE_S, build_folder
from memory import GDB, Memory, code_of, find

pytestmark = [pytest.mark.qemu, pytest.mark.apart]

SEED = 41
DISK_MIB = 16
UNDEFINED = b"\x0f\x0b"         # ud2
CLAIM = "cluster=test disk=claim"
STATE = re.compile(r"cluster ([0-9a-f]{8}), record version (\d+), (with|without) a majority")
MEMBER = re.compile(r"^ *\d+ ([0-9a-f]{8}) ([0-9a-f]{16}) (alive|suspect|dead) +(votes)? +"
                    r"(\d+) MiB", re.MULTILINE)


def uuid(number: int) -> str:
    """A firmware's, as nodes of a rack have."""
    return f"{number}a51e57a-0000-4000-8000-00000000000{number}"


def blank(folder: Path, name: str) -> Path:
    """A disk of zeros."""
    path = folder / name
    with path.open("wb") as disk:
        disk.truncate(DISK_MIB << 20)
    return path


def said(node: Node) -> str:
    """What `cluster` says on a node. Its agent may write into the middle of the echo, so
    the answer is found by what it ends with."""
    since = len(node.log())
    node.type("cluster")
    node.wait_for("^(no site|site: ).*\n", since=since)
    return node.log()[since:]


def seen(node: Node) -> tuple[tuple, dict[str, tuple]]:
    """The record's id, version and majority; and the members, as this node knows them."""
    text = said(node)
    state = STATE.search(text)
    members = {found[1]: (found[2], found[3], found[4]) for found in MEMBER.finditer(text)}
    return state.groups() if state else (), members


def until(node: Node, what: str, is_so) -> tuple[tuple, dict[str, tuple]]:
    """Waits for this node's view to be so."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        view = seen(node)
        if is_so(*view):
            return view
        time.sleep(0.5)
    raise AssertionError(f"{node.name}: not {what}: {node.log()[-2000:]}")


def voters(members: dict[str, tuple]) -> int:
    """How many vote."""
    return sum(1 for member in members.values() if member[2])


def formed(count: int, voting: int):
    """So many members that live, so many of them with a vote, and a majority."""
    return lambda state, members: (
        len(state) == 3 and state[2] == "with" and voters(members) == voting
        and sum(1 for member in members.values() if member[1] == "alive") == count)


def own(node: Node) -> str:
    """The first digits of a node's UUID."""
    return node.uuid[:8]


def test_formation(tmp_path):
    """Three nodes with disks form one record; one without is a member and has no vote; a
    fourth disk joins; one dies and comes back as another life; all restart and keep it."""
    each = {n: {"append": CLAIM, "disk": blank(tmp_path, f"disk{n}"), "uuid": uuid(n)}
            for n in (1, 2, 3)}
    each[4] = {"append": "cluster=test", "uuid": uuid(4)}
    with Fabric(4, seed=SEED, each=each, agent=True, spare=2) as fabric:
        one, two, three, bare = fabric.nodes
        states = [until(node, "formed", formed(4, 3))[0] for node in fabric.nodes]
        assert len({state[0] for state in states}) == 1, states
        name = states[0][0]
        assert not seen(one)[1][own(bare)][2], "a node without a disk has no vote"

        fifth = Node(fabric.switch, 5, CLAIM, agent=True, uuid=uuid(5),
                     disk=blank(tmp_path, "disk5"))
        fabric.nodes.append(fifth)
        for node in (bare, fifth):
            state, _ = until(node, "joined by a fifth", formed(5, 4))
            assert state[0] == name

        before = seen(one)[1][own(two)]
        who = own(two)
        two.kill()
        until(one, "told of the death", lambda _, members: members[who][1] == "dead")
        two.start()
        two.wait_prompt()
        _, members = until(one, "told of the new life", formed(5, 4))
        assert members[who][0] != before[0]
        until(two, "back", formed(5, 4))

        version = int(until(three, "settled", formed(5, 4))[0][1])
        for node in fabric.nodes:
            node.kill()
        for node in fabric.nodes:
            node.start()
        for node in fabric.nodes:
            node.wait_prompt()
            state, _ = until(node, "formed again", formed(5, 4))
            assert state[0] == name and int(state[1]) >= version


def test_agent_comes_back(tmp_path):
    """An agent dies of a fault of its memory; init starts it again, in the same life of the
    node, and it is a member and a voter as before."""
    symbols = subprocess.run(["nm", build_folder() / "libos/agent.debug"], capture_output=True,
                             text=True, check=True).stdout.splitlines()
    code = code_of("agent", "members_timer", symbols)
    each = {n: {"append": CLAIM, "disk": blank(tmp_path, f"disk{n}"), "uuid": uuid(n)}
            for n in (1, 2)}
    with Fabric(2, seed=SEED, each=each, agent=True, words=GDB) as fabric:
        one, two = fabric.nodes
        before = until(one, "formed", formed(2, 2))
        until(two, "formed", formed(2, 2))
        places = find(two, code)
        assert places
        with Memory(two) as memory:
            for place in places:
                memory.write(place, UNDEFINED)
        two.wait_for(r"^init: agent died of a fault: invalid opcode \(vector 6\)")
        with Memory(two) as memory:
            for place in places:
                memory.write(place, code[:2])
        two.wait_for("record record: version .* voters")
        for node in (two, one):
            assert until(node, "formed again", formed(2, 2)) == before


def test_no_majority_no_record(tmp_path):
    """Of three voters one alone knows the record and says that it has no majority; with a
    second one it has."""
    each = {n: {"append": CLAIM, "disk": blank(tmp_path, f"disk{n}"), "uuid": uuid(n)}
            for n in (1, 2, 3)}
    with Fabric(3, seed=SEED, each=each, agent=True) as fabric:
        one, two, three = fabric.nodes
        name = until(one, "formed", formed(3, 3))[0][0]
        until(two, "formed", formed(3, 3))
        two.kill()
        three.kill()
        until(one, "without a majority",
              lambda state, _: state[:1] == (name,) and state[2] == "without")
        one.kill()
        one.start()
        one.wait_for("record record: on disk -> not known yet")
        assert "no record yet" in said(one)
        two.start()
        until(one, "with a majority again",
              lambda state, _: state[:1] == (name,) and state[2] == "with")


def test_disks_that_are_not_the_clusters(tmp_path):
    """A disk with something on it is not claimed, a blank one not without the word; no byte
    of either changes, and there is no record without a disk."""
    tail = tmp_path / "tail"
    tail.write_bytes(bytes((16 << 20) - 512) + b"EFI PART" + bytes(504))
    clean = blank(tmp_path, "clean")
    contents = {path: path.read_bytes() for path in (tail, clean)}
    each = {1: {"append": CLAIM, "disk": tail, "uuid": uuid(1)},
            2: {"append": "cluster=test", "disk": clean, "uuid": uuid(2)}}
    with Fabric(2, seed=SEED, each=each, agent=True) as fabric:
        one, two = fabric.nodes
        for node in fabric.nodes:
            node.wait_for("agent: disk disk: not used: ")
        until(one, "two members", lambda _, members: len(members) == 2)
        time.sleep(4)           # longer than what makes the first record
        for node in (one, two):
            assert "no record yet" in said(node)
    for path, content in contents.items():
        assert path.read_bytes() == content, path

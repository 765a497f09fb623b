# SPDX-License-Identifier: BSD-2-Clause
"""Every shortage once (kernel/base/scarce.h): each place of the checked kernel that may
lack something says once that it does. Who asked is told, nothing is lost, and the second
try goes through. Each mark in the sources is made to fail by exactly one of these tests."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

import accounts
from conftest import SITE
from fabricbed import Fabric
from guest import ADDRESS, ROOT
from test_fabric import counted

pytestmark = [pytest.mark.qemu, pytest.mark.apart]

# By the function in which the mark stands: what comes there, and on which node. All other
# places the program `scarce` comes to by itself.
VOLUME = {
    "volume_type_add": "share format",
    "volume_root_add": "share format",
    "volume_load": "share format",
    "compare": "share run 4",
    "volume_update": "share run 4",
}
OWNER, HOLDER = 1, 0
FABRIC = {
    "grant_check": (OWNER, "read"),
    "entry_make": (OWNER, "read"),
    "rcap_host_derive": (OWNER, "pool"),
    "rcap_host_alloc": (OWNER, "pool"),
    "rcap_host_granted": (HOLDER, "read"),
    "lease_bind": (HOLDER, "cache"),
    "remote_pass": (HOLDER, "ticket"),
}
# Of net/rcap, which knows no kernel: what makes its refusals true. A fault point makes them
# so for the simulator, which asks of every seed what is asked here; a test fills the table.
CORE = {
    "room_to_derive": "FAULT_POINT(EXPORTS_FULL)",
    "rcap_recall": "cmocka_unit_test(the_table_has_an_end)",
}
# A refusal that another's stands behind: what an error is called on the wire, and
# a request for which revoke.c has no room.
PASSED_ON = r"^\s*default:|revoke_remote\("
REFUSAL = r"(?:return|[?:]) .*(?:-E_(?:FRAMES|TABLE|LIST|QUOTA)|\bCODE_(?:TABLE|FRAMES))\b"
TOLD = "is full|are not left|quota is spent|no such run of free frames"
LINES_MAX = 3           # of a mark; the compiler names the last
TRIES = 5               # a session may lapse on a busy host


@dataclass(frozen=True)
class Mark:
    """Where the kernel's sources say that something may lack."""
    path: str
    line: int
    function: str

    def named(self, log: str) -> bool:
        """Whether the node has said that it failed."""
        return any(f"scarce: {self.path}:{line}\n" in log
                   for line in range(self.line, self.line + LINES_MAX))


@dataclass(frozen=True)
class Line(Mark):
    """A line of a source, and those that it is read with."""
    text: str
    near: str


def lines(*folders: str) -> list[Line]:
    """All lines of the sources in these folders."""
    found = []
    for path in sorted(path for folder in folders for path in ROOT.glob(f"{folder}/*.c")):
        if path.name.endswith(("_test.c", "_rig.c", "_fuzz.c")):
            continue
        function, text = "", path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(text, 1):
            if name := re.match(r"(\w+)\(", line):
                function = name[1]
            near = "\n".join(text[max(0, number - 4):number])
            found.append(Line(str(path.relative_to(ROOT)), number, function, line, near))
    return found


def marks() -> list[Mark]:
    """All of them."""
    return [line for line in lines("kernel/*") if "SCARCE(" in line.text]


def refusals(*folders: str) -> list[Line]:
    """Where something is refused for want of something."""
    return [line for line in lines(*folders) if re.search(REFUSAL, line.text)]


def marks_of(functions) -> list[Mark]:
    """Those in these functions, each of which has one."""
    found = [mark for mark in marks() if mark.function in functions]
    assert {mark.function for mark in found} == set(functions)
    return found


def test_every_refusal_is_marked():
    """Nothing is refused for want of something but where a mark stands."""
    found = refusals("kernel/sys", "kernel/fabric", "kernel/volume")
    assert [line for line in found if "SCARCE(" not in line.near
            and not re.search(PASSED_ON, line.near, re.M)] == []


def test_every_refusal_of_the_core_is_made_true():
    """Each by a fault point or a test, which are there."""
    text = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("net/rcap/*.c"))
    assert {line.function for line in refusals("net/rcap")} == set(CORE)
    assert [what for what in CORE.values() if what not in text] == []


def test_every_shortage(node, tmp_path):
    """Of one environment, by the program `scarce`, which counts."""
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(1 << 20))
    guest = node(memory_mib=128, site=SITE, disk=disk, checked=True,
                 append=ADDRESS + " cluster=test agent=off")
    before = accounts.everything(guest)
    said = guest.run("scarce", seconds=280)
    assert re.search(r"^scarce: PASS \d+ attempts$", said, re.M), said
    guest.check()
    accounts.check_restored(guest, before)
    wanted = [mark for mark in marks() if mark.function not in {**VOLUME, **FABRIC}]
    assert [mark for mark in wanted if not mark.named(guest.log())] == []
    assert re.search(rf"^scarce: \d+ runs, {len(wanted)} places$", said, re.M), said


def name(guest, mark: Mark):
    """It fails once, for whoever comes there next."""
    assert guest.run(f"scarce {Path(mark.path).name} {mark.line}") == ""


def test_every_shortage_of_a_volume(node, tmp_path):
    """The catalogue, roots, the cache of metadata, what a root may have."""
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(1 << 20))
    guest = node(memory_mib=128, disk=disk, network=False, checked=True, append="agent=off")
    before = accounts.everything(guest)
    assert "PASS" in guest.run("share format")
    for mark in marks_of(VOLUME):
        command, since = VOLUME[mark.function], len(guest.log())
        name(guest, mark)
        said = guest.run(command)
        assert mark.named(guest.log()[since:]) and "PASS" not in said, said
        assert re.search(f"share: .*: cannot .*(?:{TOLD})", said), said
        guest.audit()
        for again in (command, "share check"):
            assert "PASS" in guest.run(again), again
    accounts.check_restored(guest, before)


class Nodes:
    """A holder, the owner, and a third that a holder passes a part on to."""

    def __init__(self, fabric: Fabric):
        self.nodes = self.holder, self.owner, self.third = fabric.nodes
        self.owner.background("remote serve 16 ro pool 16", "remote: serving 16 pages")

    def read(self) -> bool:
        """Asks the owner for a page and reads it."""
        return "remote: read 16 bytes" in self.holder.run(f"remote read {self.owner.mac} 3 16")

    def pool(self) -> bool:
        """Takes frames out of the owner's pool, and gives them back."""
        return "remote: PASS" in self.holder.run(f"remote pool {self.owner.mac}")

    def cache(self) -> bool:
        """Keeps a copy of a page under a lease."""
        said = self.holder.run(f"remote cache {self.owner.mac} drop")
        return "holds a copy under a lease" in said and "FAIL" not in said

    def ticket(self) -> bool:
        """Passes a part on without the owner."""
        since = len(self.third.log())
        job = self.third.background("remote redeem", "remote: redeems as environment")
        number = self.third.wait_for(r"redeems as environment (\d+)", since=since)[1]
        said = self.holder.run(f"remote hand {self.owner.mac} {self.third.mac} {number}")
        if "remote: taken back" not in said:
            self.third.run(f"kill {job}")
            return False
        self.third.wait_for("it is refused: ", since=since)
        return True

    def said(self, since: list[int]) -> str:
        """What all of them have said since then."""
        return "".join(node.log()[start:] for node, start in zip(self.nodes, since))

    def make_fail(self, mark: Mark):
        """Once: it is told, to who asked or to who was to grant; then it works."""
        number, way = FABRIC[mark.function]
        since = [len(node.log()) for node in self.nodes]
        name(self.nodes[number], mark)
        for _ in range(TRIES):
            good = getattr(self, way)()
            if mark.named(self.said(since)):
                break
        said = self.said(since)
        assert mark.named(said) and not good and re.search(TOLD, said), (mark, said)
        for node in self.nodes:
            node.audit()
        assert any(getattr(self, way)() for _ in range(TRIES)), (mark, self.said(since))
        counted(self.owner, ", 0 of ")          # places in use, of those for others


def test_every_shortage_of_the_fabric():
    """Grants, what is derived and taken on another node's word, leases, tickets."""
    with Fabric(3, memory_mib=128, checked=True) as fabric:
        nodes = Nodes(fabric)
        before = [accounts.everything(node) for node in nodes.nodes]
        for mark in marks_of(FABRIC):
            nodes.make_fail(mark)
        for node, had in zip(nodes.nodes, before):
            accounts.check_restored(node, had)

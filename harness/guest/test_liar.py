# SPDX-License-Identifier: BSD-2-Clause
"""What an owner refuses to a member of its cluster that lies (liar.py): capabilities
of another environment, another life or another node, forged and stale ones, frames
with a bit flipped, frames sent again. Honest kernels never send any of these.

The tests share a node, a liar and its genuine capability, in order; SEED=n replays.
"""

from __future__ import annotations

import os
import random
import re

import pytest

from fabricbed import Fabric
from liar import Liar
from switchbed import wait_for
from wirekeys import cluster_key, x25519

pytestmark = pytest.mark.qemu

SEED = int(os.environ.get("SEED", "1"))
SECRET = bytes(range(32))
PAGES = 8
BYTES = PAGES * 4096
READ, WRITE = 1, 2
HOLDER = 41                             # the environment that asked, honestly
PATTERN = random.Random(SEED).randbytes(1000)


class Bed:
    """The node, the liar, what it holds, and what the node counts."""

    def __init__(self, fabric: Fabric):
        self.rng = random.Random(SEED)
        self.fabric, self.node = fabric, fabric.nodes[0]
        self.key = cluster_key("liars", SECRET)
        self.node.background(f"remote serve {PAGES}", f"remote: serving {PAGES} pages\n")
        self.liar = Liar(fabric.switch.connect(2), self.key, self.rng)
        assert self.liar.meet(), "no session"
        self.cap = self.fields(self.liar.beg(HOLDER, READ | WRITE))

    @staticmethod
    def fields(grant) -> dict:
        """What a request says of its capability."""
        assert grant.environment == HOLDER and grant.count == PAGES and grant.type == 1
        return {"environment": HOLDER, "slot": grant.slot, "generation": grant.generation}

    def write(self, offset: int, data: bytes):
        """Writes with the genuine capability."""
        said = self.liar.ask("WRITE", **self.cap, offset=offset, length=len(data), data=data)
        assert said.status == "DONE", said

    def read(self, offset: int = 0, length: int = 4096) -> bytes:
        """Reads with it."""
        said = self.liar.ask("READ", **self.cap, offset=offset, length=length)
        assert said.status == "DONE" and len(said.data) == length, said
        return said.data

    def memory(self) -> bytes:
        """All of what is lent."""
        return b"".join(self.read(page * 4096) for page in range(PAGES))

    def refused(self, code: str, op: str, **fields):
        """One attempt: refused with this code."""
        fields = self.cap | {"offset": 0, "length": 8} | fields
        said = self.liar.ask(op, **fields)
        assert said[:2] == ("NOT_DONE", code) and not said.data, (op, fields, said)

    def sessions(self) -> str:
        """Sessions so far, and lapses."""
        return re.search(r"sessions: .*", self.node.run("links"))[0]

    def drops(self, why: str = "") -> int:
        """Frames that had no effect."""
        return sum(int(n) for n in re.findall(rf"^dropped (\d+): {why}", self.node.run("links"),
                                              re.M))

    def counts(self, before: int, count: int, why: str = ""):
        """The drops come to be so many more, and no more than that."""
        wait_for(lambda: self.drops(why) >= before + count)
        assert self.drops(why) == before + count


@pytest.fixture(name="bed", scope="module")
def fixture_bed():
    """One of all this."""
    with Fabric(1, seed=SEED, spare=2, append=f"cluster=liars key={SECRET.hex()}") as fabric:
        bed = Bed(fabric)
        bed.write(0, PATTERN)
        yield bed
        bed.liar.close()


@pytest.fixture(name="untouched")
def fixture_untouched(bed):
    """A test that leaves the memory and the session as they were."""
    memory, sessions = bed.memory(), bed.sessions()
    yield bed
    assert bed.memory() == memory and bed.sessions() == sessions


def test_ladder():
    """The liar's X25519 is that of RFC 7748, section 5.2."""
    scalar = bytes.fromhex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4")
    point = bytes.fromhex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c")
    assert x25519(scalar, point) == bytes.fromhex(
        "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552")


def test_genuine(bed):
    """The capability works, at its last byte too: what is refused below is the lie."""
    assert bed.read() == PATTERN.ljust(4096, b"\0")
    bed.write(BYTES - 3, b"end")
    assert bed.read(BYTES - 4096) == b"end".rjust(4096, b"\0")


@pytest.mark.parametrize("op, more", [("READ", {}), ("WRITE", {"data": b"12345678"}),
                                      ("FETCH_ADD", {"data": b"\1" * 8}),
                                      ("NOTIFY", {"length": 4})])
def test_forged(untouched, op, more):
    """Another environment, a slot never given, a generation never given."""
    cap = untouched.cap
    for other in (HOLDER - 1, HOLDER + 1, 0, 0xffffffff, HOLDER ^ 1 << 31):
        untouched.refused("CODE_HOLDER", op, **more, environment=other)
    for slot in (cap["slot"] + 200, (1 << 24) - 1, 0xffffffff):
        untouched.refused("CODE_SLOT", op, **more, slot=slot)
    assert cap["generation"] == 1       # the first that was ever given there
    for generation in (0, 2, 1 << 31, 0xffffffff):
        untouched.refused("CODE_GENERATION", op, **more, generation=generation)


def test_stale(untouched):
    """What was given up stays void, when its slot may be another capability's too."""
    old = untouched.fields(untouched.liar.beg(HOLDER, READ | WRITE))
    said = untouched.liar.ask("DROP", **old)
    assert said.status == "DONE", said
    untouched.refused("CODE_REVOKED", "READ", **old)
    new = untouched.fields(untouched.liar.beg(HOLDER, READ | WRITE))
    assert new != old
    untouched.refused("CODE_REVOKED", "READ", **old)
    untouched.refused("CODE_REVOKED", "WRITE", **old, data=b"12345678")
    untouched.refused("CODE_REVOKED", "DROP", **old, length=0)
    assert untouched.liar.ask("READ", **new, offset=0, length=8).data == PATTERN[:8]


def test_out_of_range(untouched):
    """Beyond the range, also where offset and length together overflow."""
    top = (1 << 64) - 1 - 4096          # the largest offset that a frame may have
    for offset, length in ((BYTES, 1), (BYTES - 1, 2), (BYTES - 1000, 1001), (1 << 63, 8),
                           (top, 1368), (top - 8, 1000)):
        untouched.refused("CODE_RANGE", "READ", offset=offset, length=length)
        untouched.refused("CODE_RANGE", "WRITE", offset=offset, length=length,
                          data=bytes(length))
    malformed = []
    before = untouched.drops("a field outside its domain")
    for offset in (top + 1, (1 << 64) - 8, (1 << 64) - 1):
        with untouched.liar.news:
            malformed.append(untouched.liar.seal("REQUEST", untouched.liar.request(
                "WRITE", **untouched.cap, offset=offset, length=16, data=bytes(16))))
    untouched.liar.inject(*malformed)
    untouched.counts(before, len(malformed), "a field outside its domain")


def test_rights_types_alignment(untouched):
    """Read-only pages, another kind of object, a place in between."""
    readable = untouched.fields(untouched.liar.beg(HOLDER, READ))
    said = untouched.liar.ask("READ", **readable, offset=0, length=8)
    assert said.data == PATTERN[:8]
    untouched.refused("CODE_RIGHTS", "WRITE", **readable, data=b"12345678")
    untouched.refused("CODE_RIGHTS", "FETCH_ADD", **readable, data=b"\1" * 8)
    untouched.refused("CODE_RIGHTS", "NOTIFY", **readable, length=4)
    untouched.refused("CODE_TYPE", "BLOCK_READ", length=4096)
    untouched.refused("CODE_TYPE", "SEND", data=b"12345678")
    for offset in (1, 4, 4095):
        untouched.refused("CODE_ALIGNMENT", "FETCH_ADD", offset=offset, data=b"\1" * 8)
    untouched.refused("CODE_ALIGNMENT", "NOTIFY", offset=2, length=4)


def test_repeated_number(bed):
    """A number runs once, whatever comes under it: its old value is told again."""
    place, sessions = 2 * 4096, bed.sessions()
    add = {**bed.cap, "offset": place, "length": 8}
    for addend in (5, 5, 5, 1000):
        said = bed.liar.ask("FETCH_ADD", **add, data=addend.to_bytes(8, "little"), keep=True)
        assert said[:3] == ("DONE", "CODE_NONE", 0)
    bed.liar.number += 1
    assert bed.read(place, 8) == (5).to_bytes(8, "little")
    said = bed.liar.ask("FETCH_ADD", **add, data=(2).to_bytes(8, "little"))
    assert said[:3] == ("DONE", "CODE_NONE", 5) and bed.sessions() == sessions
    assert bed.read(place, 8) == (7).to_bytes(8, "little")


def test_every_bit_flipped(bed):
    """A genuine WRITE that was never sent, once with each bit flipped from the header's
    first to the tag's last: no effect, each counted. Unflipped it then works."""
    memory, sessions, before = bed.memory(), bed.sessions(), bed.drops()
    with bed.liar.news:
        frame = bed.liar.seal("REQUEST", bed.liar.request(
            "WRITE", **bed.cap, offset=64, length=16, data=b"sixteen  letters"))
    flipped = []
    for bit in range(14 * 8, len(frame) * 8):
        one = bytearray(frame)
        one[bit // 8] ^= 1 << bit % 8
        flipped.append(bytes(one))
    assert len(flipped) == 8 * (48 + 32 + 16 + 8)
    bed.liar.inject(*flipped)
    bed.counts(before, len(flipped))
    assert bed.drops("a wrong tag") > 100
    # To read in between would end the life of its number. Had a flipped one run under
    # it, this one would not, nor would the memory be what it is after it.
    bed.liar.inject(frame)
    with bed.liar.news:
        bed.liar.number += 1
    after = bed.memory()
    assert after == memory[:64] + b"sixteen  letters" + memory[80:]
    assert bed.sessions() == sessions


def test_replayed(bed):
    """Everything of the session sent again as it was: seen before, no effect."""
    bed.write(3 * 4096, b"before")
    bed.write(3 * 4096, b"after!")
    with bed.liar.news:
        frames = list(bed.liar.sent)
    memory, sessions, before = bed.memory(), bed.sessions(), bed.drops("seen before")
    bed.liar.inject(*frames)
    bed.counts(before, len(frames), "seen before")
    assert bed.memory() == memory and bed.sessions() == sessions


@pytest.mark.parametrize("life", [0, 1])
def test_live_holder_is_not_replaced(untouched, life):
    """Who says to be the holder, in this life of it or another, with a key of its own,
    gets no session while that one speaks, and ends none."""
    why = "a greeting while the session is alive"
    before, us = untouched.drops(why), untouched.liar.us
    thief = Liar(untouched.fabric.switch.connect(3), untouched.key, untouched.rng,
                 uuid=us.uuid, incarnation=us.incarnation + life)
    try:
        wait_for(lambda: untouched.drops(why) >= before + 3)
        assert not thief.meet(0)
    finally:
        thief.close()


def test_same_address_and_same_uuid(bed):
    """Another node at the holder's address, and another life under its name: both get
    sessions and capabilities of their own, and cannot use the holder's. Comes last."""
    memory = bed.memory()
    bed.liar.close()
    port = bed.fabric.switch.connect(3)
    for more, codes in (({"mac": bed.liar.mac}, ("CODE_HOLDER",)),
                        ({"uuid": bed.liar.us.uuid}, ("CODE_HOLDER", "CODE_REVOKED"))):
        thief = Liar(port, bed.key, bed.rng, **more)
        try:
            assert thief.meet()
            for op, data in (("READ", b""), ("WRITE", b"12345678"), ("FETCH_ADD", b"\1" * 8)):
                said = thief.ask(op, **bed.cap, offset=0, length=8, data=data)
                assert said.status == "NOT_DONE" and said.code in codes, said
            own = bed.fields(thief.beg(HOLDER, READ))
            for page in range(PAGES):
                said = thief.ask("READ", **own, offset=page * 4096, length=4096)
                assert said.data == memory[page * 4096:][:4096]
        finally:
            thief.close()

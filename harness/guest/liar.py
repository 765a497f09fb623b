# SPDX-License-Identifier: BSD-2-Clause
"""A node made by hand: a member of the cluster that says what no honest kernel would.

    liar = Liar(switch.connect(2), cluster_key("test", b""), random.Random(1))
    liar.meet()
    answer = liar.ask("READ", slot=3, generation=1, environment=9, offset=0, length=8)

It speaks docs/protocol from the tables, with keys and tags of its own, and shares no
line with the nodes. A thread keeps its session alive, as a kernel's timers do; there
is one request open at a time, which leaves the numbers simple: `done` is that one.
"""

from __future__ import annotations

import random
import struct
import sys
import threading
import time
from typing import NamedTuple

from guest import ROOT

sys.path.insert(0, str(ROOT / "net" / "wire"))
import reader                           # noqa: E402
from wirekeys import (BASE, Side, cluster_tag_key, pair_keys,           # noqa: E402
                      session_keys, x25519)

ETHERTYPE = b"\x88\xb5"
BROADCAST = b"\xff" * 6
HEADER = reader.size("header")
NOBODY = 0xffff
NO_SLOT = 0xffffffff
INDEX = 7                               # what nodes are to write into `sender`
MTU = 1500                              # so that nobody tries longer frames
PART = 1368
IDLE_S = 0.1                            # of a lease of one second
AGAIN_S = 0.25
BEACON_S = 1.0
PATIENCE_S = 60.0
LOW = (1 << 32) - 1
WANT = 8                                # request frames that we would like to have open
GRANT = 64
KINDS = {name: int(number) for name, _, number, *_ in reader.frames.rows("kinds.def")}
OPS = reader.numbers("ops.def")
CODES = {number: name for name, number in reader.numbers("codes.def").items()}
STATUSES = reader.numbers("statuses.def")


class Answer(NamedTuple):
    """A response, or what its parts come to."""

    status: str
    code: str
    old: int
    data: bytes


class Grant(NamedTuple):
    """A capability that came."""

    environment: int
    slot: int
    generation: int
    type: int
    rights: int
    count: int
    word: int


def clock() -> int:
    """Our clock, in the header's microseconds."""
    return time.monotonic_ns() // 1000 & LOW


class Session:
    """What was agreed with the one node that a liar talks to."""

    def __init__(self, them: Side, mac: bytes, keys: tuple[bytes, bytes], nonce: bytes):
        self.them, self.mac = them, mac
        self.pair_key, self.proof_key = keys
        self.nonce, self.their_nonce = nonce, bytes(16)
        self.tx_key = self.rx_key = b""
        self.up = False
        self.index = NOBODY
        self.sequence = 0
        self.credit = self.turn = self.clock = 0
        self.seen = self.seen_newest = 0
        self.heard = 0                  # newest sequence

    def taken(self, number: int):
        """A request of theirs has come whole."""
        ahead = number - self.seen_newest & LOW
        if 0 < ahead < 1 << 31:
            for n in range(self.seen_newest + 1, self.seen_newest + 1 + min(ahead, 64)):
                self.seen &= ~(1 << n % 64)
            self.seen_newest = number
        self.seen |= 1 << number % 64


class Liar:
    """The node. Public methods are for the test's thread."""

    def __init__(self, port, cluster: bytes, rng: random.Random, *, uuid: bytes | None = None,
                 incarnation: int | None = None, mac: bytes | None = None):
        self.port, self.rng = port, rng
        # A socket of its own for sending, as the receiver's timeouts are the socket's.
        self.out = port.socket.dup()
        self.out.settimeout(PATIENCE_S)
        self.mac = mac or port.mac
        self.cluster, self.tag_key = cluster, cluster_tag_key(cluster)
        self.secret = rng.randbytes(32)
        self.us = Side(uuid or rng.randbytes(16), incarnation or rng.getrandbits(63) | 1,
                       x25519(self.secret, BASE))
        self.session: Session | None = None
        self.number = 1                 # of the request that is open, or of the next
        self.sent: list[bytes] = []     # frames of the session, as they were
        self.grants: list[Grant] = []
        self.parts: dict[int, dict] = {}
        self.news = threading.Condition()
        self.stop = False
        self.error: Exception | None = None
        self.next_idle = self.next_beacon = 0.0
        self.thread = threading.Thread(target=self._live, daemon=True)
        self.thread.start()

    def close(self):
        """Falls silent, as a node that died."""
        self.stop = True
        self.thread.join(PATIENCE_S)
        self.out.close()

    # Frames on their way out.

    def inject(self, *frames: bytes):
        """Sends frames as they are, no faster than a switch's queue takes them."""
        for at in range(0, len(frames), 50):
            with self.news:
                self.out.sendall(b"".join(struct.pack("!I", len(one)) + one
                                          for one in frames[at:at + 50]))
            time.sleep(0.02)

    def _put(self, to: bytes, tagged: bytes, key: bytes) -> bytes:
        frame = to + self.mac + ETHERTYPE + tagged
        frame += reader.siphash(key, tagged).to_bytes(8, "little")
        self.out.sendall(struct.pack("!I", len(frame)) + frame)
        return frame

    def _greeting(self, kind: str, length: int, to: int) -> bytes:
        return reader.write("header", version=1, kind=KINDS[kind], length=length + 8,
                            sender=NOBODY, **{"from": self.us.incarnation & LOW},
                            to=to & LOW, clock=clock())

    def _who(self) -> dict:
        return {"uuid": self.us.uuid, "incarnation": self.us.incarnation,
                "public_key": self.us.public_key, "mac": self.mac, "mtu": MTU}

    def _say_beacon(self):
        body = reader.write("beacon", **self._who())
        self._put(BROADCAST, self._greeting("BEACON", HEADER + len(body), 0) + body, self.tag_key)

    def _say_hello(self):
        s = self.session
        body = reader.write("hello", **self._who(), index=INDEX, nonce=s.nonce,
                            to_incarnation=s.them.incarnation, nonce_seen=s.their_nonce)
        tagged = self._greeting("HELLO", HEADER + len(body), s.them.incarnation) + body[:-8]
        proof = reader.siphash(s.proof_key, tagged).to_bytes(8, "little")
        self._put(s.mac, tagged + proof, self.tag_key)

    def seal(self, kind: str, body: bytes) -> bytes:
        """The next frame of the session, with its tag; it is not sent."""
        s = self.session
        s.sequence += 1
        tagged = reader.write(
            "header", version=1, kind=KINDS[kind], length=HEADER + len(body) + 8,
            sender=s.index, grant=GRANT, want=WANT, **{"from": self.us.incarnation & LOW},
            to=s.them.incarnation & LOW, sequence=s.sequence, turn_seen=s.turn,
            clock=clock(), echo=s.clock, done=self.number, seen_newest=s.seen_newest,
            seen=s.seen) + body
        return s.mac + self.mac + ETHERTYPE + tagged + \
            reader.siphash(s.tx_key, tagged).to_bytes(8, "little")

    def _say(self, kind: str, body: bytes):
        frame = self.seal(kind, body)
        self.sent.append(frame)
        self.out.sendall(struct.pack("!I", len(frame)) + frame)
        self.next_idle = time.monotonic() + IDLE_S

    # Frames on their way in, all in our own thread.

    def _live(self):
        try:
            while not self.stop:
                frame = self.port.receive(0.02)
                with self.news:
                    if frame and frame[12:14] == ETHERTYPE:
                        self._hear(frame)
                    self._timers(time.monotonic())
        except Exception as error:      # told to the test's thread, which waits
            with self.news:
                self.error = error
                self.news.notify_all()

    def _timers(self, now: float):
        if now >= self.next_beacon:
            self.next_beacon = now + BEACON_S
            self._say_beacon()
        if now >= self.next_idle and self.session:
            self.next_idle = now + IDLE_S
            if self.session.tx_key:
                self._say("IDLE", reader.write("idle", carries=0))
            if not self.session.up:
                self._say_hello()

    def _hear(self, frame: bytes):
        header = reader.read("header", frame[14:])
        tagged = frame[14:14 + header["length"] - 8]
        tag = int.from_bytes(frame[14 + len(tagged):][:8], "little")
        kind, body = header["kind"], tagged[HEADER:]
        if kind in (KINDS["BEACON"], KINDS["HELLO"]):
            if tag != reader.siphash(self.tag_key, tagged):
                return
            if kind == KINDS["BEACON"]:
                self._hear_node(reader.read("beacon", body))
            elif header["to"] == self.us.incarnation & LOW:
                self._hear_hello(reader.read("hello", body), tagged[:-8])
        elif self._hear_session(header, tagged, tag):
            if kind == KINDS["REQUEST"]:
                self._hear_request(reader.read("request", body), body[reader.size("request"):])
            elif kind == KINDS["RESPONSE"]:
                self._hear_response(reader.read("response", body), body[reader.size("response"):])

    def _hear_node(self, body: dict):
        """A beacon or HELLO: the keys for that life of the node."""
        them = Side(body["uuid"], body["incarnation"], body["public_key"])
        if them.uuid == self.us.uuid or (self.session and self.session.them == them):
            return
        keys = pair_keys(self.cluster, self.secret, self.us, them)
        self.session = Session(them, body["mac"], keys, self.rng.randbytes(16))

    def _hear_hello(self, body: dict, proven: bytes):
        self._hear_node(body)
        s = self.session
        if s is None or s.up or reader.siphash(s.proof_key, proven) != body["proof"]:
            return
        s.index = body["index"]
        if body["nonce"] != s.their_nonce:
            s.their_nonce, s.sequence = body["nonce"], 0
            s.tx_key, s.rx_key = session_keys(s.pair_key, self.us.uuid < s.them.uuid,
                                              s.nonce, s.their_nonce)
        self._say_hello()

    def _hear_session(self, header: dict, tagged: bytes, tag: int) -> bool:
        s = self.session
        if s is None or header["to"] != self.us.incarnation & LOW or \
                header["sender"] != INDEX or not s.rx_key or \
                tag != reader.siphash(s.rx_key, tagged):
            return False
        if not s.up:
            s.up, s.seen_newest = True, header["done"] - 1 & LOW
        if header["sequence"] > s.heard:
            s.heard, s.clock = header["sequence"], header["clock"]
            s.credit, s.turn = header["grant"], header["turn"]
        self.news.notify_all()
        return True

    def _hear_request(self, body: dict, rest: bytes):
        """Only grants are for us; all of them are welcome, and a copy is the same again."""
        status, code = STATUSES["NOT_DONE"], 18
        if body["op"] == OPS["GRANT"]:
            fields = reader.read("grant", rest)
            grant = Grant(**{name: fields[name] for name in Grant._fields})
            status, code = STATUSES["DONE"], 0
            if grant not in self.grants:
                self.grants.append(grant)
        self.session.taken(body["number"])
        self._say("RESPONSE", reader.write("response", number=body["number"], execution=1,
                                           status=status, code=code, parts=1, clause=255))
        self.news.notify_all()

    def _hear_response(self, body: dict, rest: bytes):
        if body["number"] != self.number:
            return
        if self.parts and next(iter(self.parts.values()))["execution"] != body["execution"]:
            self.parts.clear()
        self.parts[body["part"]] = body | {"data": rest}
        self.news.notify_all()

    # For the test.

    def _wait(self, condition, seconds: float = PATIENCE_S) -> bool:
        """Waits, with the lock held, until something is so."""
        found = self.news.wait_for(lambda: self.error or condition(), seconds)
        if self.error:
            raise self.error
        return bool(found)

    def meet(self, seconds: float = PATIENCE_S) -> bool:
        """Whether there is a session with credit within that time."""
        with self.news:
            return self._wait(lambda: self.session and self.session.up and self.session.credit,
                              seconds)

    def request(self, op: str, *, data: bytes = b"", **fields: int) -> bytes:
        """A request of one part as a frame's body."""
        return reader.write("request", number=self.number, op=OPS[op], **fields) + data

    def _answer(self) -> Answer | None:
        if not self.parts or len(self.parts) < next(iter(self.parts.values()))["parts"]:
            return None
        first = self.parts[0]
        names = {number: name for name, number in STATUSES.items()}
        return Answer(names[first["status"]], CODES[first["code"]], first["old_low"],
                      b"".join(self.parts[part]["data"] for part in sorted(self.parts)))

    def ask(self, op: str, *, keep: bool = False, **fields) -> Answer:
        """One operation; `keep` leaves its number open, so that the next has it too."""
        with self.news:
            self.parts.clear()
            body = self.request(op, **fields)
            until = time.monotonic() + PATIENCE_S
            while not (answer := self._answer()):
                if time.monotonic() > until:
                    raise AssertionError(f"no answer to {op} {fields}")
                self._say("REQUEST", body)
                self._wait(self._answer, AGAIN_S)
            if not keep:
                self.number += 1
            return answer

    def beg(self, environment: int, rights: int) -> Grant:
        """Asks `remote serve` for its pages as an environment does."""
        word = self.rng.getrandbits(64)
        said = self.ask("SEND", environment=environment, slot=NO_SLOT, offset=0x66617201,
                        length=32, data=struct.pack("<IIQQQ", 1, rights, 0, 0, word))
        assert said.status == "DONE", said
        with self.news:
            assert self._wait(lambda: any(one.word == word for one in self.grants)), "no grant"
            return next(one for one in self.grants if one.word == word)

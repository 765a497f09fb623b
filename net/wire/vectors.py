#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Prints golden vectors for the version of the wire that is being worked on: two nodes
with every key and nonce of theirs, and a frame of every kind, operation and status.

Written by the tables (reader.py) and keys of its own (wirekeys.py); vectors_test.c
reads and writes the same frames with the kernel's code. The lines:

    NAME VALUE                      a key, a nonce, an address
    FRAME.key NAME                  what the tag is under
    FRAME.structs header request    what follows the Ethernet header, in order
    FRAME.header.version 1          fields: numbers, or bytes in hex
    FRAME.payload HEX               what stands behind the structures, if anything does
    FRAME.frame HEX                 all of it, Ethernet header and tag included
    hidden.shown HEX                a payload; what nodes with fabric=hidden make of it, in a
    hidden.sent HEX                 frame of hidden.sequence under hidden.key
    turn.next HEX                   the key of the turn behind that of turn.key; and the one
    turn.second HEX                 behind that
    secret.shown HEX                a slot's secret; what a GRANT of secret.sequence under
    secret.sent HEX                 secret.key carries for it
    ticket.signed HEX               a ticket up to its tag, which is under secret.shown
    ticket.tag HEX
"""
from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from reader import STRUCTS, frames, numbers, read, siphash, write      # noqa: E402
from wirekeys import (BASE, Side, cluster_key, cluster_tag_key,        # noqa: E402
                      hidden, masked, next_turn, pair_keys, session_keys, wide, x25519)

ETHERTYPE = b"\x88\xb5"
NOBODY, NO_SLOT = 0xffff, 0xffffffff
PART, PAGE = 1368, 4096
LOW = (1 << 32) - 1
KINDS = {row[0]: int(row[2]) for row in frames.rows("kinds.def")}
OPS = frames.rows("ops.def")
OP = numbers("ops.def")
OPERANDS = dict(frames.rows("operands.def"))
STATUS, CODE = numbers("statuses.def"), numbers("codes.def")
ASKED = {"number": 0x1d1e1f28, "environment": 0x65666768, "slot": 0x696a6b,
         "generation": 0x6c6d6e6f, "offset": 0x7071727374757000}      # of a request
HEAD = "# Golden vectors of the fabric's wire, version {name}. docs/protocol/vectors.md says how " \
    "to\n# read them. {state}\n"


def minor() -> int:
    """The version that is being worked on."""
    return len(frames.rows("versions.def"))


def pattern(length: int, start: int) -> bytes:
    """Bytes that count, so that swapped ones show."""
    return bytes(start + i & 255 for i in range(length))


class Node:
    """One of the two: its secrets, and what it counts."""

    def __init__(self, name: str, seed: int):
        self.name, self.seed = name, seed
        self.secret, self.nonce = pattern(32, seed), pattern(16, seed + 0x60)
        self.mac = b"\x02\0\0\0\0" + bytes([seed])
        self.side = Side(pattern(16, seed + 0x20), 0x1122334455667700 | seed,
                         x25519(self.secret, BASE))
        self.sequence = 0

    def who(self) -> dict:
        """What a beacon and a HELLO say of it."""
        return {"uuid": self.side.uuid, "incarnation": self.side.incarnation,
                "public_key": self.side.public_key, "mac": self.mac, "mtu": 9000}


class Golden:
    """The lines of a file of vectors, for tests."""

    def __init__(self, path: Path):
        lines = [line.split(" ", 1) for line in path.read_text(encoding="utf-8").splitlines()
                 if line and not line.startswith("#")]
        self.path, self.value = path, dict(lines)
        assert len(self.value) == len(lines), "a name stands twice"
        self.frames = [name.removesuffix(".frame") for name in self.value
                       if name.endswith(".frame")]

    def raw(self, name: str) -> bytes:
        """The bytes of a line."""
        return bytes.fromhex(self.value[name])

    def fields(self, frame: str, part: str) -> dict[str, int | bytes]:
        """What the file says of a structure; names that came later are not there."""
        found = {}
        for field in STRUCTS[part.split(":")[0]].fields:
            text = self.value.get(f"{frame}.{part}.{field.name}")
            if text is not None:
                found[field.name] = int(text, 0) if field.number else bytes.fromhex(text)
        return found

    def side(self, name: str) -> Side:
        """One of the two nodes."""
        return Side(self.raw(f"{name}.uuid"),
                    int.from_bytes(self.raw(f"{name}.incarnation"), "little"),
                    self.raw(f"{name}.public"))


class Vectors:
    """The nodes, their keys and the lines so far."""

    def __init__(self):
        self.a, self.b = Node("a", 0x11), Node("b", 0x42)
        secret = pattern(32, 0xc0)
        cluster = cluster_key("golden", secret)
        pair, proof = pair_keys(cluster, self.a.secret, self.a.side, self.b.side)
        to_b, to_a = session_keys(pair, True, self.a.nonce, self.b.nonce)
        self.keys = {"cluster_tag": cluster_tag_key(cluster), "proof": proof,
                     "a_to_b": to_b, "b_to_a": to_a}
        self.lines = [f"cluster_name {b'golden'.hex()}", f"cluster_secret {secret.hex()}",
                      f"cluster {cluster.hex()}", f"pair {pair.hex()}"]
        self.lines += [f"{name} {key.hex()}" for name, key in self.keys.items()]
        for node in (self.a, self.b):
            self.lines += [f"{node.name}.{name} {value.hex()}" for name, value in (
                ("secret", node.secret), ("public", node.side.public_key),
                ("uuid", node.side.uuid), ("nonce", node.nonce), ("mac", node.mac),
                ("incarnation", node.side.incarnation.to_bytes(8, "little")))]

    def frame(self, name: str, head: bytes, key: str, structs: list[tuple[str, dict]],
              payload: bytes = b""):
        """Seals one, and writes its lines."""
        tagged = b"".join(write(kind, **fields) for kind, fields in structs) + payload
        tag = siphash(self.keys[key], tagged).to_bytes(8, "little")
        names: list[str] = []
        for kind, _ in structs:
            count = sum(one.split(":")[0] == kind for one in names)
            names.append(f"{kind}:{count + 1}" if count else kind)
        self.lines += ["", f"{name}.key {key}", f"{name}.structs {' '.join(names)}"]
        at = 0
        for part, (kind, _) in zip(names, structs):
            for field, value in read(kind, tagged[at:]).items():
                shown = value.hex() if isinstance(value, bytes) else \
                    str(value) if value < 1 << 16 else f"{value:#x}"
                self.lines.append(f"{name}.{part}.{field} {shown}")
            at += STRUCTS[kind].size
        if payload:
            self.lines.append(f"{name}.payload {payload.hex()}")
        self.lines.append(f"{name}.frame {(head + ETHERTYPE + tagged + tag).hex()}")

    def greeting(self, name: str, kind: str, sender: Node, to: Node | None, **fields):
        """A BEACON or HELLO."""
        body = kind.lower()
        length = STRUCTS["header"].size + STRUCTS[body].size + 8
        header = {"version": 1, "kind": KINDS[kind], "length": length, "sender": NOBODY,
                  "from": sender.side.incarnation & LOW, "clock": 0x01020304,
                  "to": to.side.incarnation & LOW if to else 0}
        fields = sender.who() | fields
        if kind == "HELLO":
            proven = write("header", **header) + write("hello", **fields)[:-8]
            fields["proof"] = siphash(self.keys["proof"], proven)
        head = (to.mac if to else b"\xff" * 6) + sender.mac
        self.frame(name, head, "cluster_tag", [("header", header), (body, fields)])

    def session(self, name: str, kind: str, sender: Node, structs: list[tuple[str, dict]],
                payload: bytes = b""):
        """A frame under the session's keys; every field of its header says something."""
        to = self.b if sender is self.a else self.a
        sender.sequence += 1
        length = STRUCTS["header"].size + len(payload) + 8 + \
            sum(STRUCTS[one].size for one, _ in structs)
        header = {"version": 1, "kind": KINDS[kind], "length": length, "sender": 0x0506,
                  "grant": 7, "want": 8, "from": sender.side.incarnation & LOW,
                  "to": to.side.incarnation & LOW, "sequence": sender.sequence | 0x0a0b << 32,
                  "turn": 12, "turn_seen": 13, "clock": 0x15161718, "echo": 0x191a1b1c,
                  "done": 0x1d1e1f20, "seen_newest": 0x21222324, "seen": 0x25262728292a2b2c}
        key = f"{sender.name}_to_{to.name}"
        self.frame(name, to.mac + sender.mac, key, [("header", header), *structs], payload)

    def request(self, name: str, op: str, operand: list[tuple[str, dict]] = (),
                payload: bytes = b"", **fields):
        """One of a's requests."""
        fields = {"op": OP[op]} | ASKED | fields
        self.session(name, "REQUEST", self.a, [("request", fields), *operand], payload)

    def response(self, name: str, payload: bytes = b"", **fields):
        """One of b's answers."""
        fields = {"number": 0x1d1e1f28, "execution": 0x81828384, "parts": 1,
                  "clause": 255} | fields
        self.session(name, "RESPONSE", self.b, [("response", fields)], payload)


def operand_of(kind: str) -> tuple[str, dict]:
    """A structure behind a request, each field another value, within its bounds."""
    bounded = {"type": 2, "rights": 3, "chain_length": 24, "flags": 1,
               "chain": 0}
    if kind == "alloc":
        bounded |= {"range": 0x201, "count": 9}
    fields, start = {}, 0xb0
    for field in STRUCTS[kind].fields:
        value = pattern(field.size, start)
        start += field.size
        fields[field.name] = value if not field.number else \
            bounded.get(field.name, int.from_bytes(value, "big") >> 8)
        if field.name.startswith("reserved"):
            fields[field.name] = 0
    return kind, fields


def greetings(v: Vectors):
    """From a beacon to a session, as in docs/protocol/session.md."""
    v.greeting("beacon", "BEACON", v.a, None)
    newest = {"minor": minor()}
    v.greeting("hello-first", "HELLO", v.b, v.a, index=0x0304, nonce=v.b.nonce,
               to_incarnation=v.a.side.incarnation, **newest)
    v.greeting("hello-answer", "HELLO", v.a, v.b, index=0x0506, nonce=v.a.nonce,
               nonce_seen=v.b.nonce, to_incarnation=v.b.side.incarnation, **newest)
    v.session("idle", "IDLE", v.b, [("idle", {"carries": 4184, "answer": 1})])
    whole = sum(STRUCTS[one].size for one in ("header", "request")) + PAGE + 8
    fixed = sum(STRUCTS[one].size for one in ("header", "idle")) + 8
    v.session("idle-probe", "IDLE", v.a, [("idle", {})], bytes(whole - fixed))


def further(count: int) -> list[tuple[str, dict]]:
    """The requests behind the first of so many in one frame."""
    return [("request", ASKED | {"op": OP["READ"], "number": ASKED["number"] + one,
                                 "offset": one * PAGE, "length": PAGE,
                                 "flags": 5 if one + 1 < count else 1})
            for one in range(1, count)]


def requests(v: Vectors):
    """Every operation, and the shapes that they come in."""
    for name, _, kind, _, shortest, longest, *_ in OPS:
        if name in ("READV", "PUTV"):
            continue
        what = OPERANDS.get(name)
        length = int(longest) if what != "data" else max(int(shortest), min(int(longest), 21))
        more = {"slot": NO_SLOT} if kind == "NONE" else {}
        if what == "data":
            data = pattern(length, 0xa0)
            v.request(f"request-{name}", name, payload=data, length=length,
                      flags=1 if length > PART else 0, **more)
        else:
            v.request(f"request-{name}", name, [operand_of(what)] if what else [],
                      length=length, **more)
    v.request("request-READ-whole", "READ", length=PAGE, flags=1)
    v.request("request-READ-three", "READ", further(3), length=PAGE, flags=5)
    v.request("request-WRITE-part", "WRITE", payload=pattern(PAGE - 2 * PART, 5), length=PAGE,
              part=2)
    v.request("request-WRITE-cancel", "WRITE", length=PAGE, flags=2)
    clause = operand_of("clause")
    v.request("request-MCAS-three", "MCAS", [clause, clause, clause], length=8)
    write_chain = ("clause", clause[1] | {"chain": 1})
    v.request("request-MCAS-write", "MCAS", [write_chain], pattern(24, 0x30), length=8, pieces=1)
    notify = ("clause", clause[1] | {"chain": 2, "chain_length": 4, "chain_offset": 0x1230})
    v.request("request-MCAS-notify", "MCAS", [clause, notify], length=16, pieces=2)
    pieces = [("piece", {"offset": offset, "length": length})
              for offset, length in ((0x1122, 7), (0x3344, 9))]
    v.request("request-READV", "READV", pieces, length=16, pieces=2)
    v.request("request-PUTV", "PUTV", [operand_of("change"), *pieces], pattern(16, 0x40),
              length=8, pieces=2)
    v.request("request-GRANT-secret", "GRANT", [operand_of("grant"), operand_of("secret")],
              slot=NO_SLOT, length=0)
    v.request("request-SEND-service", "SEND", payload=b"hello", length=5, slot=NO_SLOT,
              generation=0, offset=0x66617201)


def responses(v: Vectors):
    """Every status, and answers with data."""
    for status in STATUS:
        code = {"NOT_DONE": "CODE_RANGE", "PARTIAL": "CODE_REVOKED"}.get(status, "CODE_NONE")
        held = {"PENDING": 3}.get(status, 0)
        v.response(f"response-{status}", status=STATUS[status], code=CODE[code], held=held)
    v.response("response-data", pattern(5, 0xc0), length=2 * PART + 5, part=2, parts=3)
    v.response("response-whole", pattern(21, 0xd0), length=21)
    v.response("response-DONE-slow", held=0x5a)
    v.response("response-MCAS", clause=1, old_low=0x9192939495969798,
               old_high=0xa1a2a3a4a5a6a7a8, payload=pattern(24, 0xe0), length=24)


def covers(v: Vectors):
    """A payload that is hidden, with a short block at its end."""
    shown, sequence = pattern(150, 0x77), 0x0a0b00000007
    sent = hidden(v.keys["a_to_b"], sequence, shown)
    v.lines += ["", "hidden.key a_to_b", f"hidden.sequence {sequence:#x}",
                f"hidden.shown {shown.hex()}", f"hidden.sent {sent.hex()}"]


def secrets(v: Vectors):
    """What keys become, a slot's secret on its way, and a ticket that is made with it."""
    key, secret, sequence = v.keys["a_to_b"], pattern(16, 0x33), 0x0c0d00000009
    kind, fields = operand_of("ticket")
    signed = write(kind, **fields)[:-16]
    v.lines += ["", "turn.key a_to_b", f"turn.next {next_turn(key).hex()}",
                f"turn.second {next_turn(next_turn(key)).hex()}",
                "secret.key a_to_b", f"secret.sequence {sequence:#x}",
                f"secret.shown {secret.hex()}",
                f"secret.sent {masked(key, sequence, secret).hex()}",
                f"ticket.signed {signed.hex()}", f"ticket.tag {wide(secret, signed).hex()}"]


def text() -> str:
    """The whole file."""
    v = Vectors()
    greetings(v)
    requests(v)
    responses(v)
    covers(v)
    secrets(v)
    head = HEAD.format(name=f"1.{minor()}", state="Not released: `make protocol` writes them.")
    return head + "\n".join(v.lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())

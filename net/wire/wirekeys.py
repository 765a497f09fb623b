# SPDX-License-Identifier: BSD-2-Clause
"""The fabric's keys, from docs/protocol/keys.md: X25519 (RFC 7748) and ChaCha20
(RFC 8439) written down once more, and keyed BLAKE2b. Not for use: nothing here takes
constant time."""

from __future__ import annotations

import struct
from hashlib import blake2b
from typing import NamedTuple

from reader import siphash

QUARTERS = ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
            (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))
PRIME = 2 ** 255 - 19
BASE = (9).to_bytes(32, "little")


def x25519(scalar: bytes, point: bytes) -> bytes:
    """RFC 7748, section 5: the Montgomery ladder."""
    k = int.from_bytes(scalar, "little") & ~7 & (1 << 255) - 1 | 1 << 254
    x1 = int.from_bytes(point, "little") & (1 << 255) - 1
    x2, z2, x3, z3, swap = 1, 0, x1, 1, 0
    for t in reversed(range(255)):
        bit = k >> t & 1
        if swap ^ bit:
            x2, z2, x3, z3 = x3, z3, x2, z2
        swap = bit
        plus, minus = (x2 + z2) % PRIME, (x2 - z2) % PRIME
        plus2, minus2 = plus * plus % PRIME, minus * minus % PRIME
        da, cb = (x3 - z3) * plus % PRIME, (x3 + z3) * minus % PRIME
        e = plus2 - minus2
        x2, z2 = plus2 * minus2 % PRIME, e * (plus2 + 121665 * e) % PRIME
        x3, z3 = (da + cb) ** 2 % PRIME, x1 * (da - cb) ** 2 % PRIME
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, PRIME - 2, PRIME) % PRIME).to_bytes(32, "little")


def cluster_key(name: str, secret: bytes) -> bytes:
    """What `cluster=NAME key=HEX` stands for."""
    return blake2b(name.encode(), key=secret.ljust(32, b"\0"), digest_size=32).digest()


def cluster_tag_key(cluster: bytes) -> bytes:
    """The key of the tags of beacons and HELLOs."""
    return blake2b(b"deos fabric cluster tag", key=cluster, digest_size=16).digest()


class Side(NamedTuple):
    """One life of a node, as it tells others."""

    uuid: bytes
    incarnation: int
    public_key: bytes

    def text(self) -> bytes:
        """What of it goes into the pair key."""
        return self.uuid + self.incarnation.to_bytes(8, "little") + self.public_key


def pair_keys(cluster: bytes, secret: bytes, us: Side, them: Side) -> tuple[bytes, bytes]:
    """The pair key, and the key of the proof in a HELLO."""
    sides = sorted([us, them], key=lambda side: side.uuid)
    text = x25519(secret, them.public_key) + b"".join(side.text() for side in sides)
    keys = blake2b(text, key=cluster, digest_size=48).digest()
    return keys[:32], keys[32:]


def session_keys(pair: bytes, low: bool, nonce: bytes, theirs: bytes) -> tuple[bytes, bytes]:
    """The keys of tags to them and from them; `low`: our uuid is the lower."""
    text = nonce + theirs if low else theirs + nonce
    keys = blake2b(text, key=pair, digest_size=32).digest()
    return (keys[:16], keys[16:]) if low else (keys[16:], keys[:16])


def wide(key: bytes, text: bytes) -> bytes:
    """SipHash-2-4 with 128 bits."""
    return siphash(key, text, wide=True).to_bytes(16, "little")


def next_turn(key: bytes) -> bytes:
    """The key of the turn behind the one that has this key."""
    return wide(key, b"deos fabric turn")


def masked(key: bytes, sequence: int, secret: bytes) -> bytes:
    """A slot's secret as a GRANT with that sequence carries it; `key` is that of the tag."""
    mask = wide(key, b"deos fabric mask" + struct.pack("<Q", sequence))
    return bytes(one ^ two for one, two in zip(secret, mask))


def chacha20(key: bytes, nonce: bytes, text: bytes) -> bytes:
    """RFC 8439, section 2.4, from block 0 on."""
    start = struct.unpack("<4I", b"expand 32-byte k") + struct.unpack("<8I", key)
    shown = bytearray()
    for at in range(0, len(text), 64):
        first = [*start, at // 64, *struct.unpack("<3I", nonce)]
        x = list(first)
        for quarter in 10 * QUARTERS:
            _quarter(x, *quarter)
        stream = struct.pack("<16I", *((one + two) & 0xffffffff for one, two in zip(x, first)))
        shown += bytes(one ^ two for one, two in zip(text[at:at + 64], stream))
    return bytes(shown)


def _quarter(x: list[int], a: int, b: int, c: int, d: int) -> None:
    for one, two, three, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        x[one] = (x[one] + x[two]) & 0xffffffff
        mixed = x[three] ^ x[one]
        x[three] = (mixed << bits | mixed >> (32 - bits)) & 0xffffffff


def hidden(key: bytes, sequence: int, payload: bytes) -> bytes:
    """A payload between nodes with fabric=hidden, and back; `key` is that of the tag."""
    stream = b"".join(wide(key, b"deos fabric hide" + struct.pack("<Q", half))
                      for half in (0, 1))
    return chacha20(stream, struct.pack("<QI", sequence, 0), payload)

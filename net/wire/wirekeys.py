# SPDX-License-Identifier: BSD-2-Clause
"""The fabric's keys, from docs/protocol/keys.md: X25519 (RFC 7748) written down once more, and
keyed BLAKE2b. Not for use: nothing here takes constant time."""

from __future__ import annotations

from hashlib import blake2b
from typing import NamedTuple

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

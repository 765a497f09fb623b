# SPDX-License-Identifier: BSD-2-Clause
"""The wire's structures read and written by the tables, and tags by a SipHash of its
own: what tests use, so that they share no line with the C code that they look at."""

from __future__ import annotations

import importlib.util
import struct
from pathlib import Path

HERE = Path(__file__).resolve().parent
MASK = (1 << 64) - 1
# By its place: other folders have a frames.py too.
SPEC = importlib.util.spec_from_file_location("frames", HERE / "frames.py")
frames = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(frames)
STRUCTS = frames.structs()


def siphash(key: bytes, data: bytes, wide: bool = False) -> int:
    """SipHash-2-4 from the paper's description, 64 bits; wide: its authors' 128."""
    k0, k1 = struct.unpack("<QQ", key)
    v = [k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d,
         k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573]

    def turn(x: int, bits: int) -> int:
        return (x << bits | x >> (64 - bits)) & MASK

    def mix(rounds: int):
        for _ in range(rounds):
            v[0] = (v[0] + v[1]) & MASK
            v[1] = turn(v[1], 13) ^ v[0]
            v[0] = turn(v[0], 32)
            v[2] = (v[2] + v[3]) & MASK
            v[3] = turn(v[3], 16) ^ v[2]
            v[0] = (v[0] + v[3]) & MASK
            v[3] = turn(v[3], 21) ^ v[0]
            v[2] = (v[2] + v[1]) & MASK
            v[1] = turn(v[1], 17) ^ v[2]
            v[2] = turn(v[2], 32)

    v[1] ^= 0xee if wide else 0
    padded = data + bytes(7 - len(data) % 8) + bytes([len(data) & 0xff])
    for (word,) in struct.iter_unpack("<Q", padded):
        v[3] ^= word
        mix(2)
        v[0] ^= word
    v[2] ^= 0xee if wide else 0xff
    mix(4)
    low = v[0] ^ v[1] ^ v[2] ^ v[3]
    if not wide:
        return low
    v[1] ^= 0xdd
    mix(4)
    return low | (v[0] ^ v[1] ^ v[2] ^ v[3]) << 64


def size(name: str) -> int:
    """Bytes of a structure."""
    return STRUCTS[name].size


def read(name: str, data: bytes) -> dict:
    """The fields of a structure at the start of `data`."""
    return {field.name: int.from_bytes(data[field.offset:][:field.size], "little")
            if field.number else data[field.offset:][:field.size]
            for field in STRUCTS[name].fields}


def write(name: str, **values: int | bytes) -> bytes:
    """A structure of these fields; others are 0."""
    unknown = set(values) - {field.name for field in STRUCTS[name].fields}
    if unknown:
        raise ValueError(f"{name} has no {sorted(unknown)}")
    parts = []
    for field in STRUCTS[name].fields:
        value = values.get(field.name, 0 if field.number else bytes(field.size))
        parts.append(value.to_bytes(field.size, "little") if field.number else value)
        assert len(parts[-1]) == field.size, field.name
    return b"".join(parts)


def numbers(table: str, column: int = 1) -> dict[str, int]:
    """The names of a table and their numbers."""
    return {row[0]: int(row[column]) for row in frames.rows(table)}

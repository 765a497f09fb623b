# SPDX-License-Identifier: BSD-2-Clause
"""The page of frames says what the tables say, and the golden frames are what both
say: they are read here by the tables and a SipHash written down once more."""
import importlib.util
import struct
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent.parent / "docs/protocol/frames.md"
MASK = (1 << 64) - 1
SPEC = importlib.util.spec_from_file_location("frames", HERE / "frames.py")
frames = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(frames)
GOLDEN = dict(line.split() for line in (HERE / "wire.golden").read_text().splitlines())
OPERAND = {"mcas": "clause", "derive": "derive", "grant": "grant"}


def siphash(key: bytes, data: bytes) -> int:
    """SipHash-2-4, 64 bits, from the paper's description."""
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

    padded = data + bytes(7 - len(data) % 8) + bytes([len(data) & 0xff])
    for (word,) in struct.iter_unpack("<Q", padded):
        v[3] ^= word
        mix(2)
        v[0] ^= word
    v[2] ^= 0xff
    mix(4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def read(name: str, data: bytes) -> dict:
    """The fields of a structure at the start of `data`."""
    return {field.name: int.from_bytes(data[field.offset:][:field.size], "little")
            if field.number else data[field.offset:][:field.size]
            for field in frames.structs()[name].fields}


def test_the_page_is_what_the_tables_make():
    assert PAGE.read_text(encoding="utf-8") == frames.page(), \
        "net/wire/frames.py > docs/protocol/frames.md"


def test_numbers_are_unique():
    for name, column in [("kinds.def", 2), ("ops.def", 1), ("codes.def", 1),
                         ("types.def", 1), ("statuses.def", 1)]:
        numbers = [row[column] for row in frames.rows(name)]
        assert len(numbers) > 2 and len(set(numbers)) == len(numbers), name


def test_every_kind_is_golden():
    kinds = {int(number) for _, _, number, *_ in frames.rows("kinds.def")}
    assert {bytes.fromhex(text)[15] for text in GOLDEN.values()} == kinds


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_frame_reads_by_the_tables(name: str):
    frame = bytes.fromhex(GOLDEN[name])
    header = read("header", frame[14:])
    assert frame[12:14] == b"\x88\xb5"
    assert header["version"] == 1 and header["length"] == len(frame) - 14
    assert header["sequence"] == 0x0d0e0f101112 and header["seen"] == 0x25262728292a2b2c
    tagged, tag = frame[14:-8], frame[-8:]
    assert siphash(bytes(range(16)), tagged) == int.from_bytes(tag, "little")
    bodies = {int(number): body for _, body, number, *_ in frames.rows("kinds.def")}
    body = bodies[header["kind"]]
    size = frames.structs()["header"].size
    rest = tagged[size + frames.structs()[body].size:]
    fields = read(body, tagged[size:])
    if name in OPERAND:
        assert len(rest) == frames.structs()[OPERAND[name]].size
    if body == "request":
        ops = {int(row[1]): row[0] for row in frames.rows("ops.def")}
        assert ops[fields["op"]] == name.upper()
        assert fields["generation"] == 0x6c6d6e6f and fields["environment"] == 0x65666768
    if name == "derive":
        assert read("derive", rest) | {"uuid": 0} == {
            "uuid": 0, "incarnation": 1, "environment": 2, "rights": 3, "reserved": 0,
            "reserved2": 0, "base": 4, "count": 5, "word": 6}
    if name == "hello":
        assert fields["proof"] == 0x5152535455565758 and fields["index"] == 0x0a0b
    if name == "response":
        assert fields["length"] == 2 * 1368 + 5 and rest == bytes(range(0xc0, 0xc5))

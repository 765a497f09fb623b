# SPDX-License-Identifier: BSD-2-Clause
"""The page of frames says what the tables say, and the golden frames are what both
say: they are read here by the tables and a SipHash written down once more (reader.py)."""
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent.parent / "docs/protocol/frames.md"
sys.path.insert(0, str(HERE))
from reader import frames, read, siphash      # noqa: E402

GOLDEN = dict(line.split() for line in (HERE / "wire.golden").read_text().splitlines())
OPERAND = {"mcas": "clause", "derive": "derive", "grant": "grant"}


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

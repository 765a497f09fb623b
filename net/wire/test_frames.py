# SPDX-License-Identifier: BSD-2-Clause
"""What is made from the tables is as they say; golden vectors are what a second
implementation (reader.py, wirekeys.py) makes of their fields and reads of their bytes;
vectors of released versions never change; and the pages leave nothing out.
"""
import hashlib
import re
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
PAGES = HERE.parents[1] / "docs/protocol"
sys.path.insert(0, str(HERE))
import protocol                                                     # noqa: E402
from vectors import Golden                                          # noqa: E402
from reader import STRUCTS, frames, numbers, read, siphash, write   # noqa: E402
from wirekeys import (BASE, cluster_key, cluster_tag_key, hidden,   # noqa: E402
                      pair_keys, session_keys, x25519)

FILES = sorted((HERE / "golden").glob("*.vec"))
RELEASED = {row[1]: row for row in frames.rows("versions.def")}
KINDS = {int(row[2]): row[0] for row in frames.rows("kinds.def")}


@pytest.mark.parametrize("path", protocol.files(), ids=lambda path: path.name)
def test_made_from_the_tables(path: Path):
    assert path.read_text(encoding="utf-8") == protocol.files()[path], "run: make protocol"


def test_numbers_are_unique():
    for name, column in [("kinds.def", 2), ("ops.def", 1), ("codes.def", 1),
                         ("types.def", 1), ("statuses.def", 1), ("versions.def", 0)]:
        found = [row[column] for row in frames.rows(name)]
        assert found and len(set(found)) == len(found), name


@pytest.fixture(name="v", params=FILES, ids=lambda path: path.stem)
def fixture_v(request) -> Golden:
    """Each file."""
    return Golden(request.param)


def test_keys(v: Golden):
    cluster = cluster_key(v.raw("cluster_name").decode(), v.raw("cluster_secret"))
    assert cluster == v.raw("cluster") and cluster_tag_key(cluster) == v.raw("cluster_tag")
    for one, other in ("ab", "ba"):
        assert x25519(v.raw(f"{one}.secret"), BASE) == v.raw(f"{one}.public")
        pair = pair_keys(cluster, v.raw(f"{one}.secret"), v.side(one), v.side(other))
        assert pair == (v.raw("pair"), v.raw("proof"))
        assert session_keys(pair[0], one == "a", v.raw(f"{one}.nonce"),
                            v.raw(f"{other}.nonce")) == \
            (v.raw(f"{one}_to_{other}"), v.raw(f"{other}_to_{one}"))


def test_frames(v: Golden):
    """Fields give the bytes, bytes give the fields."""
    assert len(v.frames) > 20
    for frame in v.frames:
        data = v.raw(f"{frame}.frame")
        tagged, tag = data[14:-8], int.from_bytes(data[-8:], "little")
        assert siphash(v.raw(v.value[f"{frame}.key"]), tagged) == tag, frame
        parts = v.value[f"{frame}.structs"].split()
        payload = bytes.fromhex(v.value.get(f"{frame}.payload", ""))
        assert data[12:14] == b"\x88\xb5"
        assert b"".join(write(part.split(":")[0], **v.fields(frame, part))
                        for part in parts) + payload == tagged, frame
        at = 0
        for part in parts:
            wanted = v.fields(frame, part)
            found = read(part.split(":")[0], tagged[at:])
            assert {name: found[name] for name in wanted} == wanted, frame
            at += STRUCTS[part.split(":")[0]].size
        if parts[1] == "hello":
            proven = tagged[:at - 8]
            assert siphash(v.raw("proof"), proven) == v.fields(frame, "hello")["proof"]
        header = v.fields(frame, "header")
        assert header["length"] == len(data) - 14
        assert KINDS[header["kind"]].lower() == parts[1]


def test_hidden(v: Golden):
    """Files of versions before 1.2 have none."""
    if "hidden.key" not in v.value:
        assert int(v.path.stem.split(".")[1]) < 2
        return
    key, sequence = v.raw(v.value["hidden.key"]), int(v.value["hidden.sequence"], 0)
    assert hidden(key, sequence, v.raw("hidden.shown")) == v.raw("hidden.sent")
    assert hidden(key, sequence, v.raw("hidden.sent")) == v.raw("hidden.shown")


def test_released_vectors_never_change():
    assert RELEASED
    for name, row in RELEASED.items():
        data = (HERE / "golden" / f"{name}.vec").read_bytes()
        assert hashlib.blake2b(data, digest_size=16).hexdigest() == row[7], name
    assert {path.stem for path in FILES} == {*RELEASED, f"1.{len(RELEASED)}"}


def test_every_kind_operation_and_status_has_a_vector():
    v = Golden(HERE / "golden" / f"1.{len(RELEASED)}.vec")
    assert {v.fields(frame, "header")["kind"] for frame in v.frames} == set(KINDS)
    assert {v.fields(frame, "request")["op"] for frame in v.frames
            if "request" in v.value[f"{frame}.structs"]} == set(numbers("ops.def").values())
    assert {v.fields(frame, "response")["status"] for frame in v.frames
            if "response" in v.value[f"{frame}.structs"]} == \
        set(numbers("statuses.def").values())


def test_pages_leave_nothing_out():
    """Each structure stands in the page of its family, each operation has a section."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES.glob("*.md")
                     if page.name != "frames.md")
    assert set(re.findall(r"<!-- struct (\w+) -->", text)) == set(STRUCTS)
    assert set(re.findall(r"^### ([A-Z_]+)$", text, re.M)) >= set(numbers("ops.def"))

# SPDX-License-Identifier: BSD-2-Clause
"""The dissector (deos.lua) in tshark: every field of every golden vector as the vectors
say, in a frame of its own; and what is not well formed is said to be.
"""
import json
import struct
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from reader import STRUCTS, frames                          # noqa: E402
from vectors import Golden                                  # noqa: E402

FILES = sorted((HERE / "golden").glob("*.vec"))
PCAP = struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1)


def tshark(path: Path, *words: str) -> list[dict]:
    """What tshark says of each frame of a capture."""
    done = subprocess.run(
        ["tshark", "-n", "-X", f"lua_script:{HERE / 'deos.lua'}", "-r", str(path), "-T", "json",
         "--no-duplicate-keys", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "rror" not in done.stderr.replace("Running as", ""), \
        done.stderr
    return [frame["_source"]["layers"] for frame in json.loads(done.stdout)]


def capture(path: Path, packets: list[bytes]) -> Path:
    """A capture of these, a millisecond apart."""
    records = [struct.pack("<IIII", 1000, 1000 * at, len(one), len(one)) + one
               for at, one in enumerate(packets)]
    path.write_bytes(PCAP + b"".join(records))
    return path


def leaves(tree, found: dict[str, list[str]] | None = None) -> dict[str, list[str]]:
    """All fields below, by name."""
    found = {} if found is None else found
    for name, value in tree.items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict):
                leaves(one, found)
            else:
                found.setdefault(name, []).append(one)
    return found


def as_number(text: str) -> int:
    """How tshark writes numbers."""
    return int(text, 0) if text.startswith("0x") else int(text)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_vectors(path: Path, tmp_path: Path):
    v = Golden(path)
    seen = tshark(capture(tmp_path / "golden.pcap",
                          [v.raw(f"{frame}.frame") for frame in v.frames]))
    assert len(seen) == len(v.frames)
    for frame, layers in zip(v.frames, seen):
        found = leaves(layers)
        assert not any("expert" in name and "flaw" in name for name in found), frame
        wanted: dict[str, list] = {}
        for part in v.value[f"{frame}.structs"].split():
            kind = part.split(":")[0]
            for name, value in v.fields(frame, part).items():
                wanted.setdefault(f"deos.{kind}.{name}", []).append(value)
        for name, values in wanted.items():
            assert name in found, (frame, name)
            shown = [bytes.fromhex(text.replace(":", "")) if isinstance(value, bytes)
                     else as_number(text) for text, value in zip(found[name], values)]
            assert shown == values, (frame, name)
        fields = {name for name in found
                  if name.count(".") == 2 and name.split(".")[1] in STRUCTS}
        assert fields >= set(wanted), frame
        # What a version does not name was reserved in it.
        for name in fields - set(wanted):
            assert all(as_number(text) == 0 for text in found[name]), (frame, name)
        assert as_number(found["deos.tag"][0]) == \
            int.from_bytes(v.raw(f"{frame}.frame")[-8:], "little")
        payload = bytes.fromhex(v.value.get(f"{frame}.payload", ""))
        data = "".join(found.get("deos.data", []) + found.get("deos.padding", []))
        assert bytes.fromhex(data.replace(":", "")) == payload, frame


def test_names_and_relations(tmp_path: Path):
    """Kinds, operations and codes by name; a request and its answer know each other."""
    v = Golden(FILES[0])
    chosen = ["beacon", "request-FETCH_ADD", "response-NOT_DONE"]
    path = capture(tmp_path / "few.pcap", [v.raw(f"{name}.frame") for name in chosen])
    done = subprocess.run(
        ["tshark", "-n", "-X", f"lua_script:{HERE / 'deos.lua'}", "-r", str(path), "-T", "fields",
         "-e", "_ws.col.Info", "-e", "deos.response_in", "-e", "deos.request_in", "-e",
         "deos.time"], capture_output=True, text=True, check=True)
    beacon, request, response = [line.split("\t") for line in done.stdout.splitlines()]
    assert beacon[0].startswith("BEACON")
    assert request[0].startswith("REQUEST FETCH_ADD #488513320 slot 6908523.1819111023")
    assert "RESPONSE FETCH_ADD #488513320 NOT_DONE CODE_RANGE" in response[0]
    assert response[2] == "2" and float(response[3]) == pytest.approx(0.001)


def test_what_is_not_well_formed_is_said(tmp_path: Path):
    v = Golden(FILES[0])
    whole = v.raw("request-READ.frame")
    bad = [whole[:60], whole[:-9],                                      # cut
           whole[:15] + b"\x63" + whole[16:],                           # no such kind
           whole[:16] + (70).to_bytes(2, "little") + whole[18:],        # too short for it
           whole[:14] + b"\x02" + whole[15:]]                           # another version
    seen = [leaves(layers) for layers in tshark(capture(tmp_path / "bad.pcap", bad))]
    assert [any(name.startswith("deos.flaw") for name in found) for found in seen] == \
        [True, True, True, True, False]
    assert any(name.startswith("deos.stranger") for name in seen[4])


def test_every_table_is_in_the_script():
    text = (HERE / "deos.lua").read_text(encoding="utf-8")
    for table in ("kinds", "ops", "statuses", "codes", "types"):
        for row in frames.rows(f"{table}.def"):
            assert f'"{row[0]}",' in text, row[0]

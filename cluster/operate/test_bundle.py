# SPDX-License-Identifier: BSD-2-Clause
"""The stream of a website: its bytes, its bounds, and files that change under it."""

from __future__ import annotations

import hashlib
import os
import random
import tracemalloc
from pathlib import Path

import pytest

from operate import bundle
from clusters import site
from clusters.failure import Failure

SIZES = [0, 1, 4095, 4096, bundle.CHUNK - 1, bundle.CHUNK, bundle.CHUNK + 1, 3 * bundle.CHUNK]


def fill(folder: Path, seed: int = 1) -> dict[str, bytes]:
    """Files of many sizes, in folders whose order is not that of their paths' bytes."""
    draw = random.Random(seed)
    files = {}
    for number, size in enumerate(SIZES):
        name = ["a/x", "a-b", "a.b/c", "b", "B", "ü", "z z", "0"][number] + f".{number}"
        files[name] = draw.randbytes(size)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(files[name])
    return files


def unpack(stream: bytes) -> list[tuple[str, int, bytes]]:
    """The files of a stream, read as libos/store/bundle.h says."""
    assert bundle.HEAD.unpack_from(stream) == (b"DEOSPACK", 1, 0)
    at, found = bundle.HEAD.size, []
    while True:
        name_len, zero, size, mtime, digest = (bundle.FILE.unpack_from(stream, at)
                                               if len(stream) - at >= bundle.FILE.size
                                               else (0, 0, 0, 0, b""))
        if not name_len:
            break
        at += bundle.FILE.size
        name, at = stream[at:at + name_len].decode(), at + name_len
        content, at = stream[at:at + size], at + size
        assert zero == 0 and hashlib.blake2b(content, digest_size=32).digest() == digest
        found.append((name, mtime, content))
    assert bundle.END.unpack_from(stream, at) == (0, len(found), sum(len(f[2]) for f in found))
    assert at + bundle.END.size == len(stream)
    return found


def test_every_file_is_in_it_in_order_of_its_path(tmp_path):
    files = fill(tmp_path)
    os.utime(tmp_path / "b.3", (1234567890, 1234567890))
    found = site.read_site(tmp_path)
    stream = b"".join(bundle.pack(found))
    assert len(stream) == bundle.length(found)
    unpacked = unpack(stream)
    assert [name.encode() for name, _, _ in unpacked] == sorted(name.encode() for name in files)
    assert {name: content for name, _, content in unpacked} == files
    assert [mtime for name, mtime, _ in unpacked if name == "b.3"] == [1234567890]


@pytest.mark.parametrize("change", ["other bytes", "longer", "shorter", "gone"])
def test_a_file_that_changes_is_told_by_name(tmp_path, change):
    path = tmp_path / "big.bin"
    path.write_bytes(bytes(4 * bundle.CHUNK))
    pieces = bundle.pack(site.read_site(tmp_path))
    next(pieces), next(pieces)  # the head, and the file's: it was hashed
    if change == "other bytes":
        with open(path, "r+b") as file:
            file.seek(3 * bundle.CHUNK)
            file.write(b"x")
    elif change == "longer":
        with open(path, "ab") as file:
            file.write(b"x")
    elif change == "shorter":
        os.truncate(path, 2 * bundle.CHUNK)
    else:
        path.unlink()  # whoever has it open reads on
        assert unpack(bundle.HEAD.pack(b"DEOSPACK", 1, 0) + bundle.FILE.pack(
            7, 0, 4 * bundle.CHUNK, 0, hashlib.blake2b(bytes(4 * bundle.CHUNK),
                                                       digest_size=32).digest())
            + b"big.bin" + b"".join(pieces))
        return
    with pytest.raises(Failure, match="big.bin: changed while it was read"):
        list(pieces)


def test_a_file_that_vanished_is_told_by_name(tmp_path):
    fill(tmp_path)
    found = site.read_site(tmp_path)
    (tmp_path / "b.3").unlink()
    with pytest.raises(Failure, match="b.3: No such file"):
        list(bundle.pack(found))


def test_memory_does_not_grow_with_the_site(tmp_path):
    with open(tmp_path / "sparse", "wb") as file:
        file.truncate(64 << 20)
    found = site.read_site(tmp_path)
    tracemalloc.start()
    for _ in bundle.pack(found):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * bundle.CHUNK


def test_what_a_bundle_cannot_hold_is_refused(tmp_path):
    deep = tmp_path
    for _ in range(5):
        deep = deep / ("d" * 204)
        deep.mkdir()
    (deep / "f").write_bytes(b"")
    with pytest.raises(Failure, match="more than 1024 bytes"):
        bundle.check(site.read_site(tmp_path))
    (deep / "f").unlink()
    many = site.Site([site.Member(f"{n}", tmp_path, 0, 0) for n in range(bundle.FILES_MAX + 1)])
    with pytest.raises(Failure, match="65537 files: a site has at most 65536"):
        bundle.check(many)

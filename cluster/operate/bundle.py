# SPDX-License-Identifier: BSD-2-Clause
"""A website as the one stream in which it is deployed (libos/store/bundle.h).

Each file stands in it with the hash of its content in front, so a file is read
twice: to hash it, and to send it. What was sent is hashed again: a file that
changed in between is told by its name, and the deployment is broken off. Memory
does not grow with the site.
"""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path
from typing import BinaryIO, Iterator

from clusters.failure import Failure
from clusters.site import Member, Site, fail_os

MAGIC = b"DEOSPACK"
VERSION = 1
HEAD = struct.Struct("<8sII")
FILE = struct.Struct("<IIQQ32s")
END = struct.Struct("<IIQ")
FILES_MAX = 65536
PATH_MAX = 1024
CHUNK = 1 << 18


def check(site: Site) -> None:
    """What a bundle cannot hold is refused before anything is sent."""
    if len(site.members) > FILES_MAX:
        raise Failure(f"{len(site.members)} files: a site has at most {FILES_MAX}")
    for member in site.members:
        if len(member.name.encode()) > PATH_MAX:
            raise Failure(f"{member.path}: the path has more than {PATH_MAX} bytes")


def length(site: Site) -> int:
    """Bytes of the stream."""
    return HEAD.size + END.size + sum(FILE.size + len(member.name.encode()) + member.size
                                      for member in site.members)


def changed(path: Path) -> Failure:
    """A file that is not what it was."""
    return Failure(f"{path}: changed while it was read: try again; the old site is served on")


def read(member: Member, file: BinaryIO) -> Iterator[bytes]:
    """The content of a file, which must be as long as it was found to be."""
    left = member.size
    while left and (chunk := file.read(min(left, CHUNK))):
        left -= len(chunk)
        yield chunk
    if left or file.read(1):
        raise changed(member.path)


def pack_file(member: Member) -> Iterator[bytes]:
    """One file of the stream."""
    with open(member.path, "rb") as file:
        first = hashlib.blake2b(digest_size=32)
        whole = b""
        for chunk in read(member, file):
            first.update(chunk)
            whole = chunk if len(chunk) == member.size else b""
        name = member.name.encode()
        # What one chunk held whole need not be read again.
        yield FILE.pack(len(name), 0, member.size, member.mtime, first.digest()) + name + whole
        if len(whole) == member.size:
            return
        file.seek(0)
        second = hashlib.blake2b(digest_size=32)
        for chunk in read(member, file):
            second.update(chunk)
            yield chunk
        if second.digest() != first.digest():
            raise changed(member.path)


def pack(site: Site) -> Iterator[bytes]:
    """The stream, in pieces. Members are in order of their names' bytes."""
    yield HEAD.pack(MAGIC, VERSION, 0)
    for member in site.members:
        try:
            yield from pack_file(member)
        except OSError as error:
            raise fail_os(error) from error
    yield END.pack(0, len(site.members), site.content_bytes)

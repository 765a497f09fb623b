# SPDX-License-Identifier: BSD-2-Clause
"""A trace file: who the nodes are, and pieces of their events. Little-endian.

    head    8s "DEOSTRC1", u32 version, u32 bytes of an event, u32 nodes, u32 flags, u64 0
    node    16s UUID, u64 incarnation, u64 0                      one for each node
    piece   u32 node, u32 count, then so many events              to the end of the file
    event   u64 ns, u16 kind, u16 peer, u32 a, u64 b              kernel/abi/trace.h

Flag 1: all times are of one clock (the simulator's); else each node's own, since its boot.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterable, NamedTuple

MAGIC = b"DEOSTRC1"
VERSION = 1
HEAD = struct.Struct("<8sIIIIQ")
NODE = struct.Struct("<16sQQ")
PIECE = struct.Struct("<II")
EVENT = struct.Struct("<QHHIQ")
ONE_CLOCK = 1
PEER = 33  # kernel/abi/trace.def


class Malformed(Exception):
    """What is no trace file."""


class Event(NamedTuple):
    """One event as it lies in the file."""

    time_ns: int
    kind: int
    peer: int
    a: int
    b: int


@dataclass
class Node:
    """A node and the bytes of its events."""

    uuid: bytes
    incarnation: int
    events: bytes = b""
    names: bytes = b""

    @property
    def count(self) -> int:
        """Events, without those that only name a peer."""
        return len(self.events) // EVENT.size

    def name_peer(self, index: int, uuid: bytes) -> None:
        """Says who stands at a place in its table of links, for traces that begin later."""
        self.names += EVENT.pack(0, PEER, index, 0, int.from_bytes(uuid[:8], "little"))


@dataclass
class Trace:
    """A file that was read: nodes, and for each its events in the order of its clock."""

    one_clock: bool
    nodes: list[Node] = field(default_factory=list)
    events: list[list[Event]] = field(default_factory=list)


def write(path: Path, nodes: Iterable[Node]) -> None:
    """Writes a file of traces with clocks of their own."""
    nodes = list(nodes)
    with open(path, "wb") as out:
        out.write(HEAD.pack(MAGIC, VERSION, EVENT.size, len(nodes), 0, 0))
        for node in nodes:
            out.write(NODE.pack(node.uuid, node.incarnation, 0))
        for index, node in enumerate(nodes):
            content = node.names + node.events
            out.write(PIECE.pack(index, len(content) // EVENT.size) + content)


def take(data: bytes, at: int, form: struct.Struct) -> tuple:
    """The fields of a structure in the file."""
    if at + form.size > len(data):
        raise Malformed("it ends too early")
    return form.unpack_from(data, at)


def read(path: Path) -> Trace:
    """Reads a file, whole."""
    data = path.read_bytes()
    if len(data) < HEAD.size or data[:len(MAGIC)] != MAGIC:
        raise Malformed("it is no trace file")
    _, version, size, count, flags, _ = take(data, 0, HEAD)
    if version != VERSION or size != EVENT.size:
        raise Malformed(f"it is of version {version}, with events of {size} bytes")
    trace, at = Trace(bool(flags & ONE_CLOCK)), HEAD.size
    for _ in range(count):
        uuid, incarnation, _ = take(data, at, NODE)
        trace.nodes.append(Node(uuid, incarnation))
        trace.events.append([])
        at += NODE.size
    while at < len(data):
        node, events = take(data, at, PIECE)
        at += PIECE.size
        if node >= count or at + events * size > len(data):
            raise Malformed("a piece of it is cut off, or of no node")
        trace.events[node] += map(Event._make, EVENT.iter_unpack(data[at:at + events * size]))
        at += events * size
    return trace

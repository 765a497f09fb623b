# SPDX-License-Identifier: BSD-2-Clause
"""Events of all nodes, each with what it is about: who the peer is, which capability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator

from .file import Event, Trace
from .names import FRAMES, KIND, NO_SLOT, NOBODY, OPERATIONS, REQUEST

FRAME_KINDS = {KIND["IN"], KIND["OUT"]}
WITH_SLOT = {KIND[name] for name in ("DROP", "SUBMIT", "END", "RAN", "REFUSED")}


@dataclass(slots=True)
class Seen:
    """One event, read."""

    time_ns: int
    node: int
    event: Event
    peer: bytes | None = None   # the first 8 bytes of its UUID
    slot: int | None = None     # at the owner of the capability

    @property
    def number(self) -> int:
        """Of the request."""
        return self.event.a

    @property
    def length(self) -> int:
        """Bytes."""
        return self.event.b >> 32 & 0xffff

    @property
    def x(self) -> int:
        """The first small number."""
        return self.event.b >> 48 & 0xff

    @property
    def y(self) -> int:
        """The second one."""
        return self.event.b >> 56

    @property
    def frame(self) -> int:
        """Kind of the frame."""
        return self.x & 15

    @property
    def part(self) -> int:
        """Part of it."""
        return self.x >> 4


class Reader:
    """What is known of a node while its events are read in their order."""

    def __init__(self) -> None:
        self.peers: dict[int, bytes] = {}
        self.slots: dict[tuple[int, int, bool], int] = {}   # peer, number, asked here
        self.submitted: dict[int, int] = {}                 # id of an operation

    def slot(self, event: Event) -> int | None:
        """The capability that an event is about, by itself or by what came before."""
        own = event.b & 0xffffffff
        own = None if own == NO_SLOT else own
        kind, frame = event.kind, event.b >> 48 & 15
        if kind in FRAME_KINDS and frame == REQUEST:
            if own is not None:
                self.slots[event.peer, event.a, kind == KIND["OUT"]] = own
            return own
        if kind in FRAME_KINDS:
            return self.slots.get((event.peer, event.a, kind == KIND["IN"]))
        if kind == KIND["SUBMIT"] and own is not None:
            self.submitted[event.a] = own
        if kind in (KIND["OPEN"], KIND["RESEND"]):
            return self.submitted.get(event.b)
        return own if kind in WITH_SLOT else None

    def read(self, node: int, event: Event, time_ns: int) -> Seen:
        """One event."""
        if event.kind == KIND["PEER"]:
            self.peers[event.peer] = event.b.to_bytes(8, "little")
        if event.kind == KIND["BOOT"]:
            self.peers.clear()
            self.slots.clear()
        seen = Seen(time_ns, node, event)
        if event.peer != NOBODY and event.kind >= KIND["BOOT"]:
            seen.peer = self.peers.get(event.peer)
        seen.slot = self.slot(event)
        return seen


def seen_by(trace: Trace) -> list[list[Seen]]:
    """Each node's events, in its own time."""
    told = []
    for node, events in enumerate(trace.events):
        reader = Reader()
        # Names that were added come with time 0, before everything that they name.
        told.append([reader.read(node, event, event.time_ns) for event in events])
    return told


def merged(told: list[list[Seen]], offsets: list[int]) -> list[Seen]:
    """All events in the order of one clock."""
    every = []
    for events, offset in zip(told, offsets):
        for seen in events:
            if seen.event.time_ns:
                seen.time_ns = seen.event.time_ns + offset
                every.append(seen)
    every.sort(key=lambda seen: seen.time_ns)
    return every


def durations(every: list[Seen]) -> Iterator[tuple[Seen, Seen]]:
    """Operations: where each was submitted, and where it ended."""
    open_ones: dict[tuple[int, int], Seen] = {}
    for seen in every:
        if seen.event.kind == KIND["SUBMIT"]:
            open_ones[seen.node, seen.event.a] = seen
        elif seen.event.kind == KIND["END"]:
            begun = open_ones.pop((seen.node, seen.event.a), None)
            if begun:
                yield begun, seen


def operation(seen: Seen) -> str:
    """What a request asks for."""
    return OPERATIONS.get(seen.y, f"operation {seen.y}")


def frame(seen: Seen) -> str:
    """A frame's kind."""
    return FRAMES.get(seen.frame, f"kind {seen.frame}")

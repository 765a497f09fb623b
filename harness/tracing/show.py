# SPDX-License-Identifier: BSD-2-Clause
"""Events as lines for people, and as JSON for chrome://tracing and Perfetto."""

from __future__ import annotations

from .events import Seen, durations, frame, operation
from .names import (CODES, DROPS, KIND, KINDS, NO_SLOT, OUTCOMES, REQUEST, RESPONSE, STATUSES,
                    STRAYS, WORDS)


def word(seen: Seen) -> str:
    """The kind."""
    return WORDS.get(KINDS.get(seen.event.kind, ""), f"kind {seen.event.kind}")


def slot(seen: Seen) -> str:
    """The capability that an event names itself."""
    number = seen.event.b & 0xffffffff
    return "" if number == NO_SLOT else f" slot {number}"


def about_frame(seen: Seen) -> str:
    """A frame in or out."""
    if seen.frame == REQUEST:
        part = f" part {seen.part}" if seen.part else ""
        return f"{frame(seen)} {seen.number} {operation(seen)}{slot(seen)}{part}"
    if seen.frame == RESPONSE:
        part = f" part {seen.part}" if seen.part else ""
        status = STATUSES.get(seen.y, f"status {seen.y}")
        return f"{frame(seen)} {seen.number} {status}{part}, {seen.length} bytes"
    return frame(seen)


def about(seen: Seen) -> str:
    """What an event says, but for when, where and with whom."""
    event, kind = seen.event, seen.event.kind
    if kind in (KIND["IN"], KIND["OUT"]):
        return about_frame(seen)
    if kind == KIND["DROP"]:
        what = frame(seen) if seen.x else "frame"
        return f"{what}{slot(seen)}, {seen.length} bytes: {DROPS.get(seen.y, seen.y)}"
    if kind == KIND["STRAY"]:
        return f"{seen.number}: {STRAYS.get(seen.y, seen.y)}"
    if kind == KIND["SUBMIT"]:
        return f"#{event.a} {operation(seen)}{slot(seen)}, {seen.length} bytes, by {seen.x}"
    if kind == KIND["OPEN"]:
        return f"#{event.b} is number {event.a}"
    if kind == KIND["RESEND"]:
        return f"{event.a} (#{event.b})"
    if kind == KIND["END"]:
        code = f" {CODES.get(seen.y, seen.y)}" if seen.y else ""
        return f"#{event.a} {OUTCOMES.get(seen.x, seen.x)}{code}{slot(seen)}"
    if kind == KIND["RAN"]:
        return f"{seen.number} {operation(seen)}{slot(seen)}, {seen.length} bytes"
    if kind == KIND["REFUSED"]:
        return f"{seen.number}{slot(seen)}: {CODES.get(seen.y, seen.y)}"
    if kind == KIND["SESSION"]:
        return f"{event.a} begins" if event.b else "ends"
    if kind == KIND["BOOT"]:
        return f"life {event.b:016x}"
    if kind == KIND["PEER"]:
        return f"place {event.peer}"
    return f"{event.a:#x} {event.b:#x}"


ARROWS = {KIND["OUT"]: "->", KIND["IN"]: "<-"}


def line(seen: Seen, names: list[str], start_ns: int) -> str:
    """One event."""
    peer = seen.peer.hex()[:8] if seen.peer else ""
    arrow = ARROWS.get(seen.event.kind, "--" if peer else "  ")
    return (f"{(seen.time_ns - start_ns) / 1e9:13.6f}  {names[seen.node]:8}  {word(seen):8} "
            f"{arrow} {peer:8}  {about(seen)}").rstrip()


def chrome(every: list[Seen], names: list[str], start_ns: int) -> dict:
    """Chrome's trace events: a process for each node, a row for each peer."""
    rows: dict[tuple[int, bytes | None], int] = {}
    told: list[dict] = [{"ph": "M", "name": "process_name", "pid": node, "tid": 0,
                         "args": {"name": f"node {name}"}} for node, name in enumerate(names)]
    for seen in every:
        key = (seen.node, seen.peer)
        if key not in rows:
            rows[key] = len(rows) + 1
            told.append({"ph": "M", "name": "thread_name", "pid": seen.node, "tid": rows[key],
                         "args": {"name": f"peer {seen.peer.hex()[:8]}" if seen.peer
                                  else "itself"}})
        told.append({"ph": "i", "s": "t", "name": f"{word(seen)} {about(seen)}", "pid": seen.node,
                     "tid": rows[key], "ts": (seen.time_ns - start_ns) / 1000,
                     "cat": word(seen), "args": {"slot": seen.slot}})
    for begun, ended in durations(every):
        told.append({"ph": "X", "name": operation(begun), "pid": begun.node, "cat": "operation",
                     "tid": rows[begun.node, begun.peer], "ts": (begun.time_ns - start_ns) / 1000,
                     "dur": (ended.time_ns - begun.time_ns) / 1000,
                     "args": {"slot": begun.slot, "outcome": OUTCOMES.get(ended.x, ended.x),
                              "code": CODES.get(ended.y, ended.y)}})
    return {"traceEvents": told, "displayTimeUnit": "ns"}

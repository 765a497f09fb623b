# SPDX-License-Identifier: BSD-2-Clause
"""One clock for nodes that have each their own: from frames that one made and another took.

A frame that left A at a (its clock) and came to B at b (its clock) was on the way for
b - a + offset(A) - offset(B), which is never negative. The shortest ways in both directions
are taken to be equally long, as NTP takes them (RFC 5905).
"""

from __future__ import annotations

from .events import Seen
from .names import KIND, REQUEST, RESPONSE


def crossings(told: list[list[Seen]], uuids: list[bytes]) -> dict[tuple[int, int], int]:
    """For each two nodes the shortest `came - left` of frames that can be matched."""
    places = {uuid[:8]: node for node, uuid in enumerate(uuids)}
    left: dict[tuple, list[int]] = {}
    came: dict[tuple, list[int]] = {}
    for events in told:
        for seen in events:
            other = places.get(seen.peer) if seen.peer else None
            if other is None or seen.frame not in (REQUEST, RESPONSE):
                continue
            what = (seen.frame, seen.number, seen.part)
            if seen.event.kind == KIND["OUT"]:
                left.setdefault((seen.node, other, *what), []).append(seen.event.time_ns)
            elif seen.event.kind == KIND["IN"]:
                came.setdefault((other, seen.node, *what), []).append(seen.event.time_ns)
    best: dict[tuple[int, int], int] = {}
    for key, times in left.items():
        arrivals = came.get(key, [])
        if len(times) != 1 or len(arrivals) != 1:
            continue  # asked again: which copy came is not known
        way = arrivals[0] - times[0]
        best[key[:2]] = min(way, best.get(key[:2], way))
    return best


def offsets(told: list[list[Seen]], uuids: list[bytes]) -> tuple[list[int], list[bool]]:
    """What to add to each node's times, and whether that is known: from node 0 on."""
    best = crossings(told, uuids)
    result, known, waiting = [0] * len(uuids), [False] * len(uuids), []
    for start in range(len(uuids)):
        if known[start]:
            continue
        known[start] = start == 0
        waiting.append(start)
        seen = {start}
        while waiting:
            here = waiting.pop()
            for there in range(len(uuids)):
                forth, back = best.get((here, there)), best.get((there, here))
                if there in seen or known[there] or (forth is None and back is None):
                    continue
                forth = -back if forth is None and back is not None else forth
                back = -forth if back is None and forth is not None else back
                assert forth is not None and back is not None
                result[there] = result[here] - (forth - back) // 2
                known[there] = known[here]
                seen.add(there)
                waiting.append(there)
    return result, known

# SPDX-License-Identifier: BSD-2-Clause
"""What a row is to reach, in words for the table, and what of it a row does not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Limit(NamedTuple):
    """One kind of limit: where in a row its figure stands, and how it is told."""

    key: str
    most: bool  # the figure is to be at most the limit; else at least
    words: str  # as the table shows it
    told: str   # of a figure, in a sentence


LIMITS = {
    "faster": Limit("ratio_to_peer", False, "{:g}x peer", "{:.3g} times faster than the peer"),
    "of_floor": Limit("ratio_to_floor", True, "{:g}x floor", "{:.3g} times its floor"),
    "rate": Limit("ratio_to_floor", False, "{:g} of floor", "{:.3g} of its floor"),
    "tail": Limit("p99_to_floor", True, "p99 {:g}x floor's", "p99 {:.3g} times its floor's"),
    "fewer": Limit("instruction_ratio", False, "{:g}x instr.",
                   "{:.3g} times fewer instructions"),
    "owner": Limit("owner_untagged", True, "{:g} at owner",
                   "{:.0f} instructions at the owner without the tag"),
    "check": Limit("check_share", True, "check {:g} of them",
                   "the capability's check is {:.3g} of them"),
}


@dataclass(frozen=True)
class Wanted:
    """What a row is to reach; None: nothing is asked."""

    faster: float | None = None     # than the peer, times
    of_floor: float | None = None   # at most, times
    fewer: float | None = None      # instructions than the peer, times
    rate: float | None = None       # of the floor's rate, at least
    tail: float | None = None       # 99th percentile, of the floor's, at most
    owner: float | None = None      # instructions at the owner without the tag, at most
    check: float | None = None      # the check's share of those, at most

    def _asked(self) -> list[tuple[Limit, float]]:
        return [(limit, getattr(self, name)) for name, limit in LIMITS.items()
                if getattr(self, name)]

    def words(self) -> str:
        """As the table shows it."""
        return ", ".join(limit.words.format(value) for limit, value in self._asked())

    def short(self, row: dict) -> list[str]:
        """What the row does not reach, in words. What was not measured is not short."""
        out = []
        for limit, value in self._asked():
            figure = row.get(limit.key)
            if figure is None or (figure <= value if limit.most else figure >= value):
                continue
            out.append(limit.told.format(figure) + f", wanted {value:g}" +
                       (" at most" if limit.most else ""))
        return out

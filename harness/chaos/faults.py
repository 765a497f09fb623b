# SPDX-License-Identifier: BSD-2-Clause
"""What happens to a cluster, drawn from a seed: one fault after another.

The plan is a sequence of steps, each of which begins a fault, lets it last and ends
it. One node at a time is away: two copies of everything, on two nodes, is what the
cluster promises, so two at once may lose sight of a file. Links may be bad at any
time. A seed repeats the plan; when things happen within the run also depends on how
long nodes take to come back.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Iterator

KINDS = ("kill", "kill", "pause", "freeze", "partition", "link")
# The worst link of the plan; a frame between two nodes passes two of them.
LOSS, DUP, REORDER, CORRUPT, DELAY, JITTER = 2.0, 2.0, 5.0, 0.1, 5.0, 5.0


@dataclass(frozen=True)
class Step:
    """One fault."""

    kind: str
    choice: float  # which node: a part of all that can be chosen
    at_holder: bool  # the holder of the virtual address it is, whichever that is then
    seconds: float  # that it lasts
    rest: float  # seconds of quiet after it
    link: dict[str, float]

    def text(self) -> str:
        """As a line."""
        what = " ".join(f"{key}={value:g}" for key, value in self.link.items())
        return f"{self.kind} for {self.seconds:.1f} s {what}".rstrip()


def plan(seed: int) -> Iterator[Step]:
    """Steps without end."""
    draw = random.Random(seed)
    while True:
        kind = draw.choice(KINDS)
        link = {"loss": LOSS, "dup": DUP, "reorder": REORDER, "corrupt": CORRUPT,
                "delay": DELAY, "jitter": JITTER}
        link = {key: round(draw.uniform(0, most), 2) for key, most in link.items()}
        yield Step(kind, draw.random(), draw.random() < 0.5, draw.uniform(3.0, 15.0),
                   draw.uniform(1.0, 8.0), link if kind == "link" else {})

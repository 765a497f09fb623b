# SPDX-License-Identifier: BSD-2-Clause
"""How long a node is waited for: by what it says, where that may take its time."""

from __future__ import annotations

import pytest

from clusters import machine
from clusters.failure import Failure
from guest import Guest


class Clock:
    """Time that passes when somebody sleeps."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self) -> float:
        """The time."""
        return self.now

    def sleep(self, seconds: float):
        """Some of it."""
        self.now += seconds


class Talker(Guest):
    """A node that says a line a second, so many in all, and never ends."""

    def __init__(self, clock: Clock, lines: int):   # pylint: disable=super-init-not-called
        self.clock, self.lines, self.broken = clock, lines, False

    def alive(self) -> bool:
        """It is."""
        return True

    def log(self) -> str:
        """What it has said by now."""
        return "".join(f"round {n + 1}\n" for n in range(min(int(self.clock.now), self.lines)))

    def tail(self, count: int = 60) -> list[str]:
        """For the failure's text."""
        return self.log().splitlines()[-count:]


@pytest.fixture(name="clock")
def fixture_clock(monkeypatch) -> Clock:
    """In place of the host's."""
    clock = Clock()
    monkeypatch.setattr(machine, "time", clock)
    return clock


def test_who_goes_on_is_waited_for(clock):
    """Ten lines take longer than the seconds given, none of them does."""
    node = Talker(clock, 10)
    assert node.wait_on("^round 10$", 3.0)[0] == "round 10"
    assert clock.now >= 10 and not node.broken


def test_who_is_silent_is_not(clock):
    """What is wanted never comes, and in the end nothing does."""
    node = Talker(clock, 5)
    with pytest.raises(Failure, match="round 5"):
        node.wait_on("^round 6$", 3.0)
    assert node.broken and clock.now < 15

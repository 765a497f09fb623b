# SPDX-License-Identifier: BSD-2-Clause
"""Counts that miss their bar fail what measures them; times that do are said to."""

from __future__ import annotations

import sys

import pytest

import bars
import siege
from guest import ROOT, GuestError

sys.path.insert(0, str(ROOT / "harness" / "crowd"))
import crowd                            # noqa: E402


def test_a_count_fails(capsys):
    """Above, below, and at its bar."""
    bars.count("instructions", 1.1, most=1.1)
    assert "instructions: 1.100, wanted at most 1.1: met" in capsys.readouterr().out
    for value, bar in ((1.11, {"most": 1.1}), (0, {"least": 1})):
        with pytest.raises(GuestError):
            bars.count("instructions", value, **bar)
        assert "missed" in capsys.readouterr().out


def test_a_time_is_said_to_miss(capsys):
    """The siege's lines."""
    siege.tell("p99", [100.0], [250.0], "us", most=2)
    assert "2.50 times, wanted at most 2: missed" in capsys.readouterr().out
    siege.tell("reads", [100.0], [50.0], "a second", least=0.5)
    assert "0.50 times, wanted at least 0.5: met" in capsys.readouterr().out


@pytest.mark.parametrize("many, status", [((1050, 3.0), 0), ((1200, 1.0), 1)],
                         ids=["late", "dear"])
def test_the_crowd_ends_with_its_count(monkeypatch, capsys, many, status):
    """More instructions among many peers end it with status 1; more time does not."""
    monkeypatch.setattr(crowd, "build_plugin", lambda folder: folder)
    monkeypatch.setattr(crowd, "measure", lambda peers, *_: (1000, 1.0) if peers == 2 else many)
    monkeypatch.setattr(sys, "argv", ["crowd.py"])
    assert crowd.main() == status
    said = capsys.readouterr().out
    assert ("p50 3.000 times its control, wanted at most 1.1: missed" in said) == (not status)

# SPDX-License-Identifier: BSD-2-Clause
"""docs/attacks.md names a trigger for each defence: every one must be where it says."""

from __future__ import annotations

import re
import sys

import pytest

import test_attack
import test_checked
import test_faults
import test_panic
from guest import ROOT

sys.path.insert(0, str(ROOT / "harness/checked"))
from planted import PLANTS      # noqa: E402

TRIGGERS_MIN = 40
TABLES = {
    "faults": {name for name, what in test_faults.FAULTS.items() if what != test_faults.NONE},
    "panic": set(test_panic.WAYS),
    "checked": set(test_checked.WAYS),
    "die": set(test_attack.WAYS),
    "planted": {plant.name for plant in PLANTS},
}


def rows() -> list[tuple[str, str]]:
    """The table: defence and trigger."""
    text = (ROOT / "docs/attacks.md").read_text(encoding="utf-8")
    return re.findall(r"^\| (?!defence)([^|]+?) \| `([^`]+)` \|$", text, re.M)


def exists(trigger: str) -> bool:
    """Is there such a trigger?"""
    if found := re.fullmatch(r'(\w+): "(.+)"', trigger):
        path = ROOT / f"libos/programs/hostile/{found[1]}.c"
        return path.exists() and f'"{found[2]}"' in path.read_text(encoding="utf-8")
    if found := re.fullmatch(r"(\S+_test\.c): (\w+)", trigger):
        path = ROOT / found[1]
        return path.exists() and f"cmocka_unit_test({found[2]})" in \
            path.read_text(encoding="utf-8")
    kind, name = trigger.split(" ")
    return name in TABLES[kind]


def test_enough():
    """Every line of the table was read, and no trigger stands for two defences."""
    text = (ROOT / "docs/attacks.md").read_text(encoding="utf-8")
    triggers = [trigger for _, trigger in rows()]
    of_two = re.findall(r"^\| [^|]+ \| [^|]+ \|$", text, re.M)    # other tables have more
    assert len(triggers) == len(of_two) - 1
    assert len(set(triggers)) == len(triggers) >= TRIGGERS_MIN


@pytest.mark.parametrize("defence, trigger", rows(), ids=[trigger for _, trigger in rows()])
def test_trigger(defence, trigger):
    """The trigger is where the table says."""
    assert exists(trigger), f"{defence}: {trigger}"

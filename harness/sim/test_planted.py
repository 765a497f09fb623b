#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Each bug that the cores can be made to have is found, and told so that it can
be seen again."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
import zoo  # noqa: E402
from simbed import SIM, run  # noqa: E402
from simulator import ROOT, build  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def built():
    """The fast build."""
    build(SIM)


def test_there_are_enough():
    assert len(zoo.bugs()) >= 40


@pytest.mark.parametrize("bug", zoo.bugs())
def test_planted_bug_is_found(bug):
    found = zoo.hunt(ROOT / SIM, bug)
    assert found, f"{bug} was not found"
    second = run(*found.again, "--bug", bug, "--trace")
    assert second.returncode == 1 and found.complaint in second.stdout
    assert run(*found.again).returncode == 0, "it fails without the bug too"


def test_the_page_names_every_bug():
    page = (ROOT / "docs/simulator.md").read_text(encoding="utf-8")
    assert [bug for bug in zoo.bugs() if f"| `{bug}` |" not in page] == []

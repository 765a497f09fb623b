# SPDX-License-Identifier: BSD-2-Clause
"""Finding the ring of a frame costs with a hundred filters what it costs with one.

cost_rig.c counts instructions; it is built here as the kernel is.
"""
import re

import pytest
from stepping import ROOT, counted

HOST_ONLY = ("-mcmodel=kernel", "-mno-red-zone", "-mstack-protector-guard=global", "-ffreestanding",
             "-fno-pic", "-fno-pie")
SOURCES = ["kernel/filter/cost_rig.c", "kernel/filter/claim.c", "kernel/filter/trie.c",
           "kernel/filter/filter.c", "kernel/base/memory.c"]


def kernel_flags() -> list[str]:
    """KFLAGS of kernel/rules.mk, without what a program of the host cannot have."""
    rules = (ROOT / "kernel/rules.mk").read_text(encoding="utf-8")
    value = dict(re.findall(r"^(\w+) := ((?:.*\\\n)*.*)$", rules, re.M))
    text = value["KFLAGS"].replace("$(BY_LOOPS)", value["BY_LOOPS"])
    flags = text.replace("\\\n", " ").split()
    return [flag for flag in flags if flag not in (*HOST_ONLY, "-MMD", "-MP")]


@pytest.fixture(scope="module", name="cost")
def count(tmp_path_factory) -> dict[tuple[str, int], int]:
    """Instructions by case and number of filters."""
    rows = counted(tmp_path_factory.mktemp("cost"), kernel_flags(), SOURCES)
    return {(name, int(filters)): int(value) for name, filters, value in rows}


@pytest.mark.parametrize("case", ["ports", "addresses", "misses", "broadcasts"])
def test_a_hundred_filters_cost_at_most_half_more(cost, case):
    """Filters for ports of one address or several; frames that are taken, and not."""
    assert cost[case, 1] > 20
    for kind in (case, f"{case}-max"):
        assert cost[kind, 100] <= 1.5 * cost[kind, 1], cost


def test_one_that_takes_everything_costs_less_than_a_compare_of_all_words(cost):
    """The web server's ring: what stood there before was dearer."""
    assert cost["whole", 1] < cost["linear-whole", 1], cost
    assert cost["whole", 16] < cost["linear-whole", 16], cost
    assert cost["linear-ports", 100] > 10 * cost["ports", 100], cost

# SPDX-License-Identifier: BSD-2-Clause
"""A frame that comes to nothing costs its receiver less than one that is right; and hardly
anything where it is dropped before its tag is looked at, however long it is."""
import os

import pytest
from stepping import ROOT, counted

BUILD = ROOT / os.environ.get("DEOS_BUILD", "build")
SOURCES = ["net/rcap/test_rig.c", "net/rcap/asked_rig.c", "net/link/dropped_rig.c",
           "kernel/base/siphash.c"]
FLAGS = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-I."]
BEFORE_THE_TAG = 400


@pytest.fixture(scope="module", name="cost")
def count(tmp_path_factory) -> dict[tuple[str, str], int]:
    """Instructions by kind of request and what is wrong with it."""
    cores = [path for path in sorted(ROOT.glob("net/*/*.c"))
             if not path.name.endswith(("_test.c", "_fuzz.c", "_rig.c"))]
    rows = counted(tmp_path_factory.mktemp("dropped"), FLAGS,
                   [*SOURCES, *cores, BUILD / "host/net/sodium/libsodium.o"])
    print(rows)
    return {(kind, fault): int(value) for kind, fault, value in rows}


@pytest.mark.parametrize("kind", ["read", "write"])
def test_a_dropped_frame_costs_less_than_one_that_is_taken(cost, kind):
    for fault in ("version", "sender", "life", "tag", "again"):
        assert 10 < cost[kind, fault] < cost[kind, "none"], cost
    for fault in ("version", "sender", "life"):
        assert cost[kind, fault] < BEFORE_THE_TAG, cost

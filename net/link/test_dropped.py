# SPDX-License-Identifier: BSD-2-Clause
"""A frame that comes to nothing costs its receiver less than one that is right; and hardly
anything where it is dropped before its tag is looked at, however long it is."""
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("DEOS_BUILD", "build")
SOURCES = ["net/rcap/test_rig.c", "net/rcap/asked_rig.c", "net/link/dropped_rig.c",
           "kernel/base/siphash.c", "harness/testing/host_assert.c", "harness/testing/stepped.c"]
FLAGS = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-I."]
BEFORE_THE_TAG = 400


@pytest.fixture(scope="module", name="cost")
def counted(tmp_path_factory) -> dict[tuple[str, str], int]:
    """Instructions by kind of request and what is wrong with it."""
    program = tmp_path_factory.mktemp("dropped") / "dropped_rig"
    cores = [path for path in sorted(ROOT.glob("net/*/*.c"))
             if not path.name.endswith(("_test.c", "_fuzz.c", "_rig.c"))]
    subprocess.run([os.environ.get("HOSTCC", "gcc"), *FLAGS, "-o", program, *SOURCES, *cores,
                    BUILD / "host/net/sodium/libsodium.o"], cwd=ROOT, check=True)
    said = subprocess.run([program], capture_output=True, text=True, timeout=280, check=False)
    assert said.returncode == 0, said.stderr
    print(said.stdout)
    rows = [line.split() for line in said.stdout.splitlines()]
    return {(kind, fault): int(value) for kind, fault, value in rows}


@pytest.mark.parametrize("kind", ["read", "write"])
def test_a_dropped_frame_costs_less_than_one_that_is_taken(cost, kind):
    for fault in ("version", "sender", "life", "tag", "again"):
        assert 10 < cost[kind, fault] < cost[kind, "none"], cost
    for fault in ("version", "sender", "life"):
        assert cost[kind, fault] < BEFORE_THE_TAG, cost

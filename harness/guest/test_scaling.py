# SPDX-License-Identifier: BSD-2-Clause
"""Calls and faults of environments that share nothing cost each processor what they
cost one alone, counted in instructions, and none waits for the kernel lock."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from guest import Guest

pytestmark = pytest.mark.qemu

HERE = Path(__file__).resolve().parent
OPERATIONS = 5000
RUNS = 3                # the best counts: a busy host stops a processor that others wait for
KINDS = ("null call", "fault", "map and unmap")
# A call, a fault, two calls: a fault's handler returns to the program without the kernel.
ENTRIES = 4 * OPERATIONS
WITHIN = 1.10


@pytest.fixture(scope="module", name="plugin")
def _plugin(tmp_path_factory) -> Path:
    """The plugin, compiled."""
    library = tmp_path_factory.mktemp("plugin") / "count.so"
    done = subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC",
                           "-o", str(library), str(HERE / "count.c")],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return library


def measure(plugin: Path, processors: int) -> tuple[dict, list[dict[str, int]]]:
    """Runs `scale`; returns instructions an operation, by kind and processor, and what
    the exported table counted on each."""
    out = plugin.with_name(f"marks{processors}")
    with Guest(smp=processors, network=False, memory_mib=128,
               options=["-plugin", f"{plugin},out={out}"]) as guest:
        guest.wait_prompt()
        said = "".join(guest.run(f"scale {OPERATIONS}", seconds=280) for _ in range(RUNS))
        guest.check()
    counted = [{"beside": int(a), "locks": int(b), "waits": int(c)} for a, b, c in re.findall(
        r"^scale: processor \d+: (\d+) beside the lock, (\d+) locks, (\d+) waits, ", said, re.M)]
    assert len(counted) == processors * RUNS, said
    marks: dict[tuple[int, int], list[int]] = {}
    for line in out.read_text().splitlines():
        cpu, number, count = map(int, line.split())
        marks.setdefault((cpu, number), []).append(count)
    return ({kind: [min(end - start for start, end in
                        zip(marks[cpu, 2 * i], marks[cpu, 2 * i + 1], strict=True)) / OPERATIONS
                    for cpu in range(processors)] for i, kind in enumerate(KINDS)}, counted)


@pytest.fixture(scope="module", name="alone")
def _alone(plugin) -> dict[str, float]:
    """What each operation costs one processor."""
    return {kind: costs[0] for kind, costs in measure(plugin, 1)[0].items()}


@pytest.mark.parametrize("processors", [2, 4])
def test_scaling(plugin, alone, processors):
    """Within ten percent on each processor; nearly nothing took the lock, or waited; and
    the kernel was entered for what was asked of it and for nothing else."""
    costs, counted = measure(plugin, processors)
    for kind in KINDS:
        shown = ", ".join(f"{cost:.0f}" for cost in costs[kind])
        print(f"{kind}: {alone[kind]:.0f} alone, on {processors} processors {shown}")
    for kind in KINDS:
        assert max(costs[kind]) <= WITHIN * alone[kind], (kind, costs[kind], alone[kind])
    for processor in counted:
        assert 0.98 * ENTRIES < processor["beside"] <= ENTRIES, counted
        assert processor["beside"] + processor["locks"] < 1.02 * ENTRIES, counted
        assert processor["locks"] < OPERATIONS / 100, counted
        assert processor["waits"] < OPERATIONS / 100, counted

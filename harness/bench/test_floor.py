# SPDX-License-Identifier: BSD-2-Clause
"""The bare-frame floor between two nodes: floor=ping asks, floor=echo answers."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from clusters.machine import Machine  # noqa: E402 (the path above comes first)

KERNEL = HERE.parent.parent / os.environ.get("DEOS_BUILD", "build") / "floor/deos.elf"
ECHO_MAC = "52:54:00:00:00:01"
FIELDS = ("operations", "took_ns", "busy_ns", "median_ns", "min_ns", "p99_ns")


def node(folder: Path, name: str, append: str, mtu: int = 1500) -> Machine:
    """One end of a cable that is a unix socket; the echo side listens."""
    side = "on" if name == "echo" else "off"
    return Machine(folder, name=name, memory_mib=64, kernel=KERNEL, append=append,
                   mtu=mtu, mac=ECHO_MAC if name == "echo" else "52:54:00:00:00:02",
                   netdev=f"stream,id=net,server={side},addr.type=unix,addr.path=cable")


@pytest.mark.qemu
@pytest.mark.parametrize("mtu, plan", [
    (1500, "1x102,1x78,1,200"), (1500, "1x102,3x1450,32,500"), (1500, "3x1450,1x78,1,200,spin"),
    (9000, "1x102,1x4198,32,500"), (9000, "1x9014,1x9014,1,200")])
def test_ping_ends_with_figures_that_agree(tmp_path, mtu, plan):
    with node(tmp_path, "echo", "floor=echo", mtu) as echo:
        echo.wait_for("floor: echoing frames")
        with node(tmp_path, "ping", f"floor=ping,{ECHO_MAC},{plan}", mtu) as ping:
            said = ping.wait_for(r"^floor: ping (.*)\n", 20)[1]
    seen = {name: int(value) for name, value in (word.split("=") for word in said.split())}
    assert tuple(seen) == FIELDS
    flights, operations = map(int, plan.removesuffix(",spin").split(",")[2:])
    assert seen["operations"] == operations
    assert 0 < seen["min_ns"] <= seen["median_ns"] <= seen["p99_ns"]
    assert 0 < seen["busy_ns"] <= seen["took_ns"]
    # `flights` operations overlap, so the whole lasts at least the shortest, that many at a time.
    assert seen["took_ns"] >= seen["min_ns"] * (operations - flights) // flights
    if plan.endswith("spin"):
        assert seen["busy_ns"] == seen["took_ns"]


@pytest.mark.qemu
@pytest.mark.parametrize("plan", ["9x102,1x78,1,200", "1x102,1x1515,1,200"])
def test_a_plan_that_is_none_is_refused(tmp_path, plan):
    with node(tmp_path, "echo", f"floor=ping,{ECHO_MAC},{plan}") as wrong:
        wrong.wait_for(rf"^PANIC: floor=ping,52:54:00:00:00:01,{plan}: not MAC,AxB")

#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""How long the kernel keeps interrupts off: `make stays`.

Boots the kernel that measures its own stays (stays.c), lets programs make every system call
at its largest and at its worst, powers off, and prints what the kernel says: for each
call and each other reason to enter it, how often, and the longest stay in instructions
(under -icount, where one tick is one instruction). With --time a second run adds
microseconds of this host's emulation, in which the host's own pauses count. The last line
names the longest of all.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

sys.dont_write_bytecode = True      # before the modules beside this one
ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "harness/guest"), str(ROOT / "harness")]

from clusters.failure import Failure    # noqa: E402
from guest import Guest, build_folder   # noqa: E402

LINE = re.compile(r"^stay: (\w+) (\d+) (\d+) (\d+)$", re.M)
DISK_BYTES = 4 << 20
MEMORY_MIB = 128
SECONDS = 300.0
PROGRAMS = ("selftest", "prims", "diskio", "share format", "share run 3", "share attack", "procs",
            "cache", "wild", "thief", "exhaust", "quit writing")


class Stay(NamedTuple):
    """One reason to be in the kernel."""

    count: int
    ticks: int
    ns: int


def parse(said: str) -> dict[str, Stay]:
    """What the kernel printed as it stopped."""
    return {name: Stay(int(count), int(ticks), int(ns))
            for name, count, ticks, ns in LINE.findall(said)}


def measure(programs: tuple[str, ...], icount: int | None, folder: Path) -> dict[str, Stay]:
    """One boot; programs that fail are no matter here, a kernel that panics is."""
    disk = folder / "disk"
    disk.write_bytes(bytes(DISK_BYTES))
    with Guest(kernel=build_folder() / "stays/deos.elf", disk=disk, memory_mib=MEMORY_MIB,
               icount=icount) as guest:
        guest.wait_prompt()
        for program in programs:
            guest.run(program, SECONDS)
        guest.check()
        guest.type("poweroff")
        guest.wait_end()
        return parse(guest.log())


def table(counted: dict[str, Stay], timed: dict[str, Stay]) -> list[str]:
    """Rows, the longest first."""
    lines = [f"{'entered by':16}{'times':>9}{'instructions':>14}{'us here':>10}"]
    for name, stay in sorted(counted.items(), key=lambda item: -item[1].ticks):
        here = f"{timed[name].ns / 1000:.1f}" if name in timed else "-"
        lines.append(f"{name:16}{stay.count:>9}{stay.ticks:>14}{here:>10}")
    name, stay = max(counted.items(), key=lambda item: item[1].ticks)
    lines.append(f"longest: {stay.ticks} instructions, by {name}")
    return lines


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="Print how long the kernel keeps interrupts off.")
    parser.add_argument("--time", action="store_true",
                        help="a second run, for microseconds of this host's emulation")
    options = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory(prefix="deos-stays-") as name:
            counted = measure(PROGRAMS, 0, Path(name))
            timed = measure(PROGRAMS, None, Path(name)) if options.time else {}
    except (Failure, AssertionError) as error:
        print(f"stays: {error}", file=sys.stderr)
        return 1
    print("\n".join(table(counted, timed)))
    return 0


if __name__ == "__main__":
    sys.exit(main())

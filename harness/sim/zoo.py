#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Every bug of net/wire/bugs.def, looked for until it shows: a table of seeds and of what
the simulator said.

    harness/sim/zoo.py PROGRAM          (make sim-zoo)

Fails when one is not found within its budget."""
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
SEEDS = 600         # within these each is found, most in the first few
CUT = "oneway,pause,delay"
# What shows only under some faults, or much sooner: when a session ends with requests on
# their way, where none may end at all, where silent peers go and others come, or where a
# node that lied is dead.
FAULTS = {"LEASE": CUT, "WAIT_SHORT": CUT, "PLACE_TAKEN": "oneway,member,pause",
          "ECHO_AHEAD": "lie,crash"}


class Found(NamedTuple):
    """A seed that showed a bug, and as what."""

    seed: int
    complaint: str
    again: list[str]    # arguments that show it again, but for --bug


def bugs() -> dict[str, str]:
    """Their names, and what is wrong."""
    text = (ROOT / "net/wire/bugs.def").read_text(encoding="utf-8")
    return dict(re.findall(r'^X\((\w+),\s+"(.*)"\)$', text, re.MULTILINE))


def hunt(program: Path, bug: str) -> Found | None:
    """The first seed that shows a bug."""
    ran = subprocess.run([program, "--seeds", f"1..{SEEDS}", "--faults",
                          FAULTS.get(bug, "swarm"), "--bug", bug], cwd=ROOT,
                         capture_output=True, text=True, check=False)
    again = re.search(r"^again: make sim SEEDS=(\d+) NODES=(\S+) FAULTS=(\S+) BUG=(\S+)",
                      ran.stdout, re.MULTILINE)
    failed = re.search(r"^seed (\d+) failed at \S+ s: (.*)$", ran.stdout, re.MULTILINE)
    if ran.returncode != 1 or not again or not failed or again[4] != bug:
        return None
    return Found(int(failed[1]), failed[2],
                 ["--seeds", again[1], "--nodes", again[2], "--faults", again[3]])


def short(complaint: str) -> str:
    """Without what differs from seed to seed."""
    complaint = re.sub(r"^op \d+, .*?bytes \d+\+\d+: |^n\d+: ", "", complaint)
    broken = re.search(r"(\S+?):\d+: broken invariant: (.*)", complaint)
    told = f"`{broken[2]}` in {broken[1]}" if broken else complaint
    return told.replace("|", "\\|")


def main() -> int:
    """The command line."""
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    missing = 0
    print("| bug | what is wrong | seeds | what the simulator says |\n|---|---|---|---|")
    for bug, what in bugs().items():
        found = hunt(Path(sys.argv[1]).resolve(), bug)
        missing += not found
        told = f"{found.seed} | {short(found.complaint)}" if found else "not found | "
        where = f" (`{FAULTS[bug]}`)" if bug in FAULTS else ""
        print(f"| `{bug}` | {what}{where} | {told} |", flush=True)
    return bool(missing)


if __name__ == "__main__":
    sys.exit(main())

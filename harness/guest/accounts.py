# SPDX-License-Identifier: BSD-2-Clause
"""What a node holds, read from its shell: conservation is that nothing of it
changes when programs have come and gone, whatever they did."""

from __future__ import annotations

import re
import time

from guest import Guest

SETTLE_S = 100.0        # for what a device still reads or writes when its owner ends

STATES = ("owned", "table", "limbo", "reserved", "free", "all")


def frames(guest: Guest) -> dict[str, dict[str, int]]:
    """Page frames by owner and state; `total` has the sums and `shown` free frames."""
    rows, text = {}, guest.run("frames")
    for line in text.splitlines():
        if found := re.fullmatch(r"(\S.*?)((?: +\d+){6})", line):
            rows[found[1]] = dict(zip(STATES, map(int, found[2].split())))
    rows["total"] = {state: sum(row[state] for row in rows.values()) for state in STATES}
    rows["total"]["shown"] = int(re.search(r"^(\d+) of \d+ frames free", text, re.M)[1])
    return rows


def environments(guest: Guest) -> dict[int, dict[str, str]]:
    """The env table: id -> columns."""
    head, *lines = guest.run("envs").splitlines()
    assert head.split() == ["ID", "PARENT", "NAME", "STATE", "CPU", "ms", "EXCESS", "ms",
                            "FRAMES", "SLICES", "RINGS", "FAULTS"], head
    keys = ("id", "parent", "name", "state", "cpu", "excess", "frames", "slices", "rings", "faults")
    rows = [dict(zip(keys, re.split(r" +", line.replace("/ ", "/").strip()))) for line in lines]
    return {int(row["id"]): row for row in rows}


def rings(guest: Guest) -> list[tuple[str, str]]:
    """The packet rings: owner and address."""
    return re.findall(r"^ *\d+ (\S+) +(\S\S(?::\S\S){5}) ", guest.run("rings"), re.M)


def settled(guest: Guest) -> dict[str, dict[str, int]]:
    """frames(), once what the kernel shows as free is what it counts: a processor may give
    back what a device was still at while another one reads the table."""
    until = time.monotonic() + SETTLE_S
    while (owned := frames(guest))["total"]["shown"] != owned["total"]["free"]:
        assert time.monotonic() < until, "sys_info.frames_free is wrong"
        time.sleep(0.05)
    return owned


def everything(guest: Guest) -> dict:
    """All that must be the same before and after. The web service takes memory as it
    serves, and page tables of init and the shell stay for the next program; what
    these hold counts as free."""
    owned = settled(guest)
    web = owned.get("web", dict.fromkeys(STATES, 0))
    return {
        "shell": owned["sh"]["owned"],
        "free, web's, tables of services":
            owned["total"]["free"] + web["owned"] + web["table"]
            + owned["sh"]["table"] + owned["init"]["table"],
        "limbo": owned["total"]["limbo"],
        "environments": [(number, row["name"], row["slices"])
                         for number, row in environments(guest).items()],
        "rings": rings(guest),
        "slices": guest.run("slices"),
        "capabilities": guest.run("caps"),
    }


def check_restored(guest: Guest, before: dict):
    """Fails when the node does not hold again what it held before."""
    until = time.monotonic() + SETTLE_S
    while (after := everything(guest)) != before:
        if time.monotonic() > until:
            raise AssertionError("\n".join(
                f"{key}: {before[key]} before, {after[key]} after"
                for key in after if after[key] != before[key]))
        time.sleep(0.05)

#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Bugs for the oracle to find: each replaces one check of the kernel by one that can
be switched off at run time. The checked kernel is compiled from copies with these in
them; `planted_bug` (control.c) says which is on, 0 for none.

    planted.py --files          the sources that are replaced
    planted.py SOURCE COPY      makes the copy and prints its name
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple


class Plant(NamedTuple):
    """One bug: in `file`, `old` becomes `new`, in which BUG is true while it is on."""

    name: str
    file: str
    old: str
    new: str


PLANTS = [
    Plant("range", "kernel/cap/cap.c",
          "return cap_covers(found, base, count) ? 0",
          "return BUG || cap_covers(found, base, count) ? 0"),
    Plant("range-end", "kernel/cap/cap.c",
          "span_covers(cap->base, cap->count, base, count);",
          "span_covers(cap->base, cap->count, base, BUG ? 1 : count);"),
    Plant("rights", "kernel/cap/cap.c",
          "if ((found->rights & rights) != rights)",
          "if (!BUG && (found->rights & rights) != rights)"),
    Plant("type", "kernel/cap/cap.c",
          "if (found->type != type)",
          "if (!BUG && found->type != type)"),
    Plant("derive-rights", "kernel/cap/cap.c",
          "(rights & ~(u32)cap->rights))",
          "(!BUG && (rights & ~(u32)cap->rights)))"),
    Plant("derive-range", "kernel/cap/cap.c",
          "if (!cap_covers(cap, base, count) ||",
          "if ((!BUG && !cap_covers(cap, base, count)) ||"),
    Plant("map-write", "kernel/sys/memory.c",
          "rights |= op->prot & PROT_WRITE ? CAP_WRITE : 0;",
          "rights |= !BUG && (op->prot & PROT_WRITE) ? CAP_WRITE : 0;"),
    Plant("map-execute", "kernel/sys/memory.c",
          "rights |= op->prot & PROT_EXECUTE ? CAP_EXECUTE : 0;",
          "rights |= !BUG && (op->prot & PROT_EXECUTE) ? CAP_EXECUTE : 0;"),
    Plant("map-both", "kernel/sys/memory.c",
          "((op->prot & PROT_WRITE) && (op->prot & PROT_EXECUTE)))",
          "(!BUG && (op->prot & PROT_WRITE) && (op->prot & PROT_EXECUTE)))"),
    Plant("map-place", "kernel/sys/memory.c",
          "if (va < USER_BASE || va >= USER_END ||",
          "if (va < USER_BASE || (!BUG && va >= USER_END) ||"),
    Plant("tables-quota", "kernel/sys/memory.c",
          "if (SCARCE(missing > env_quota_left(env) ||",
          "if (SCARCE((!BUG && missing > env_quota_left(env)) ||"),
    Plant("frames-quota", "kernel/sys/user.c",
          "if (SCARCE(count > env_quota_left(call->env)))",
          "if (SCARCE(!BUG && count > env_quota_left(call->env)))"),
    Plant("not-cleared", "kernel/sys/memory.c",
          "memset(frame_memory(base), 0, count * PAGE_SIZE);",
          "if (!BUG) memset(frame_memory(base), 0, count * PAGE_SIZE);"),
    Plant("read-only", "kernel/arch/x86_64/paging.c",
          "(write && !(entry & PTE_WRITE)))",
          "(!BUG && write && !(entry & PTE_WRITE)))"),
    Plant("sweep", "kernel/sys/removal.c",
          "if (!envs[index].page_root)",
          "if (BUG || !envs[index].page_root)"),
    Plant("sweep-rights", "kernel/arch/x86_64/paging.c",
          "if ((sweep->cover[frame] & needed) == needed)",
          "if (BUG || (sweep->cover[frame] & needed) == needed)"),
    Plant("child-quota", "kernel/sys/env.c",
          "parent->quota.of[kind] -= c->spec.quota.of[kind];",
          "parent->quota.of[kind] -= BUG && !kind ? 0 : c->spec.quota.of[kind];"),
    Plant("slice-taken", "kernel/sys/slice.c",
          "slice_table[cpu][index].owner != OWNER_NONE)\n\t\treturn -E_TAKEN;",
          "(!BUG && slice_table[cpu][index].owner != OWNER_NONE))\n\t\treturn -E_TAKEN;"),
    Plant("wait-pin", "kernel/sys/wait.c",
          "if (!wait[i].exported)\n\t\t\town_pin",
          "if (!BUG && !wait[i].exported)\n\t\t\town_pin"),
    Plant("alloc-taken", "kernel/own/own.c",
          "if (base >= own->count || free_run(own, base, count) < count)",
          "if (base >= own->count || (!BUG && free_run(own, base, count) < count))"),
    Plant("packet-span", "kernel/filter/egress.c",
          "if (span_covers(e->span[i].first, e->span[i].count, first,",
          "if (BUG || span_covers(e->span[i].first, e->span[i].count, first,"),
    Plant("packet-address", "kernel/sys/ring_rx.c",
          "for (u32 left = claimants; left; left &= left - 1) {",
          "for (u32 left = BUG && receiver_count ? 1u << receivers[receiver_count - 1] "
          ": claimants; left; left &= left - 1) {"),
    Plant("queue-frames", "kernel/sys/queue.c",
          "return span_covers(q->region_first, q->region_count, s->frame, s->count)",
          "return BUG || span_covers(q->region_first, q->region_count, s->frame, s->count)"),
    Plant("queue-blocks", "kernel/sys/queue.c",
          "if (!span_covers(q->block_first, q->block_count, s->block, s->count) ||",
          "if ((!BUG && !span_covers(q->block_first, q->block_count, s->block, "
          "s->count)) ||"),
]


def copy(source: str, target: str) -> None:
    """Writes a source with its bugs; a line that is not there stops the build."""
    text = Path(source).read_text(encoding="utf-8")
    for number, plant in enumerate(PLANTS, 1):
        if plant.file != source:
            continue
        if text.count(plant.old) != 1:
            sys.exit(f"planted.py: {source} has not one place for `{plant.name}`: {plant.old}")
        if plant.old.count("\n") != plant.new.count("\n"):
            sys.exit(f"planted.py: `{plant.name}` would move the lines after it")
        text = text.replace(plant.old, plant.new.replace("BUG", f"(planted_bug == {number}u)"))
    head = f'extern unsigned planted_bug;\n#line 1 "{source}"\n'
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    Path(target).write_text(head + text, encoding="utf-8")


def main() -> int:
    """The command line."""
    if sys.argv[1:] == ["--files"]:
        print(*sorted({plant.file for plant in PLANTS}))
        return 0
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    copy(sys.argv[1], sys.argv[2])
    print(sys.argv[2])
    return 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: BSD-2-Clause
"""Commands for gdb, loaded by `make gdb`.

    deos envs           the environments: id, name, state, processor time
    deos trace [CPU]    a processor's newest trace events
    deos program NAME   adds a program's symbols (web, sh, init ...)

They read the kernel's own structures, so they work on a node that has panicked.
"""

from __future__ import annotations

from pathlib import Path

import gdb

EVENTS_SHOWN = 32


def symbol(value: gdb.Value, prefix: str) -> str:
    """An enumerator's name, without the prefix that all of its kind have."""
    return str(value).replace(prefix, "").lower()


class Deos(gdb.Command):
    """What DEOS adds to gdb: deos envs, deos trace [CPU], deos program NAME."""

    def __init__(self) -> None:
        super().__init__("deos", gdb.COMMAND_DATA, prefix=True)


class Envs(gdb.Command):
    """Lists the environments."""

    def __init__(self) -> None:
        super().__init__("deos envs", gdb.COMMAND_DATA)

    def invoke(self, _argument: str, _from_tty: bool) -> None:
        """Walks the table."""
        states = gdb.lookup_type("enum env_state")
        table = gdb.parse_and_eval("envs")
        first, last = table.type.range()
        print(f"{'index':>5} {'id':>5} {'state':<9} {'ms':>8}  name")
        for index in range(first, last + 1):
            info = table[index]["info"]
            if not info or not int(info["id"]):
                continue
            state = symbol(info["state"].cast(states), "ENV_")
            print(f"{index:>5} {int(info['id']):>5} {state:<9} "
                  f"{int(info['cpu_ns']) // 1000000:>8}  {info['name'].string()}")


class Trace(gdb.Command):
    """Shows a processor's newest trace events: deos trace [CPU]."""

    def __init__(self) -> None:
        super().__init__("deos trace", gdb.COMMAND_DATA)

    def invoke(self, argument: str, _from_tty: bool) -> None:
        """Oldest first, as a panic prints them."""
        cpu = gdb.parse_and_eval(f"cpus[{int(argument or 0)}]")
        kinds = gdb.lookup_type("enum trace_kind")
        ring, after = cpu["trace"], int(cpu["trace_next"])
        size = ring.type.range()[1] + 1
        for number in range(max(0, after - min(EVENTS_SHOWN, size)), after):
            event = ring[number % size]
            kind = symbol(event["kind"].cast(kinds), "TRACE_")
            print(f"{int(event['time_ns']):>14} ns env {int(event['env']):>5} {kind:<8} "
                  f"{int(event['a']):#x} {int(event['b']):#x}")


class Program(gdb.Command):
    """Adds a program's symbols: deos program web."""

    def __init__(self) -> None:
        super().__init__("deos program", gdb.COMMAND_FILES)

    def invoke(self, argument: str, _from_tty: bool) -> None:
        """All programs lie at the same address: one at a time makes sense."""
        build = Path(gdb.current_progspace().filename).parent
        path = build / "libos" / f"{argument}.debug"
        if not argument or not path.exists():
            there = ", ".join(sorted(one.stem for one in path.parent.glob("*.debug")))
            raise gdb.GdbError(f"no program '{argument}': there are {there}")
        gdb.execute(f"add-symbol-file {path}", to_string=True)
        print(f"symbols of {argument}")


for command in (Deos, Envs, Trace, Program):
    command()

#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Makes docs/calls.md, the reference of system calls, from the tables of the ABI.

    reference.py            prints it
    reference.py --write    writes it where it belongs: `make reference`
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ABI = Path(__file__).resolve().parent
PAGE = ABI.parents[1] / "docs/calls.md"
CALL = re.compile(r'^X\(\s*(\d+), (\w+),\s*"([^"]*)",\s*"([^"]*)"\)$', re.M)
BOUND = re.compile(r'^BOUND\((\w+),\s*"([^"]*)"\)$', re.M)
ERROR = re.compile(r'^X\((\w+),\s*(\d+),\s*"([^"]*)"\)$', re.M)

HEAD = """# System calls: the reference

Made from `kernel/abi/syscalls.def`, `bounds.def` and `errors.def` by `make reference`; a test
holds it to them. [syscalls.md](syscalls.md) is the manual: what each call demands and
answers. *At most* is what one call does, in constants of the ABI and, where frames are sought,
of the machine: a search goes through the frames of the node, 262,144 for each GiB. On its way
out a processor also takes what has come from devices (4 batches of 256 frames, 86 disk
operations), does what is due for others, and chooses who runs (64 slices, 64 environments).
What is due is a round of an environment's end, one of a request that was not met, and what the
fabric has to send, each bounded as `env_exit`, `cap_revoke` and `fabric_kick`.
[stays.md](stays.md) has what that takes, measured.
"""


def calls() -> list[tuple[str, str, str, str]]:
    """Number, name, arguments and sentence of each call."""
    return CALL.findall((ABI / "syscalls.def").read_text(encoding="utf-8"))


def bounds() -> dict[str, str]:
    """What each call does at most."""
    return dict(BOUND.findall((ABI / "bounds.def").read_text(encoding="utf-8")))


def errors() -> list[tuple[str, str, str]]:
    """Name, code and meaning of each error."""
    return ERROR.findall((ABI / "errors.def").read_text(encoding="utf-8"))


def page() -> str:
    """The whole reference."""
    most = bounds()
    lines = [HEAD, "| | call | does | at most |", "|---|---|---|---|"]
    for number, name, arguments, sentence in calls():
        if name not in most:
            sys.exit(f"reference: {name} has no bound in kernel/abi/bounds.def")
        lines.append(f"| {number} | `{name}({arguments})` | {sentence} | {most[name]} |")
    lines += ["", "| code | error | meaning |", "|---|---|---|"]
    lines += [f"| {code} | {name} | {meaning} |" for name, code, meaning in errors()]
    return "\n".join(lines) + "\n"


def main() -> int:
    """The command line."""
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(page(), encoding="utf-8")
    elif sys.argv[1:]:
        print(__doc__, file=sys.stderr)
        return 2
    else:
        print(page(), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())

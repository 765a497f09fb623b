# SPDX-License-Identifier: BSD-2-Clause
"""Rules on how files hang together: include arrows, dead files, folder names.

The arrows: base -> abi, wire -> cores -> hosts, and net -> kernel -> libos -> dsm
-> cluster, where kernel/base and kernel/abi are the ground under all rooms and
nothing else of kernel/ is seen from another one.
"""
import os
import re
import subprocess
from typing import Iterator

from tree import LEVELS, ROOMS, Finding, Include, Tree, is_free, level, room

# What a compiler brings along even where there is no C library.
FREESTANDING = {"stdarg.h", "stdbool.h", "stddef.h", "stdint.h", "stdatomic.h", "limits.h",
                "stdalign.h", "stdnoreturn.h", "cpuid.h"}
# The levels that each level may use; its own room's order comes on top.
BELOW = {"base": {"base"}, "abi": {"base", "abi"}, "wire": {"base", "abi", "wire"},
         "core": {"base", "abi", "wire", "core"}, "host": set(LEVELS)}
BAD_FOLDERS = re.compile(r"(?:^|/)(utils?|commons?|misc|helpers?)/")


def broken_arrow(path: str, include: Include) -> str:
    """Why `path` may not include that, or ""."""
    target = include.target
    if not include.quoted:
        if target in FREESTANDING:
            return ""
        return f"<{target}> is of a host's C library"
    if level(target) not in BELOW[level(path)]:
        return f"{target} is a {level(target)}; a {level(path)} may not use it"
    if level(target) in ("base", "abi"):
        return ""
    here, there = room(path), room(target)
    if here not in ROOMS:
        return ""
    if there not in ROOMS:
        return f"{target} is of {there}/, which no room is built on"
    if ROOMS.index(there) > ROOMS.index(here):
        return f"{there}/ comes after {here}/"
    if there == "kernel" and here != "kernel":
        return f"{target}: outside of kernel/ only kernel/base and kernel/abi are seen"
    return ""


def arrows(tree: Tree) -> Iterator[Finding]:
    """Includes point one way."""
    for path in tree.with_suffix(".c", ".h", ".def"):
        for include in tree.includes(path):
            if include.quoted and not (tree.root / include.target).is_file():
                yield Finding(path, include.line, "include",
                              f"{include.target}: no such file from the repository's root")
            elif not is_free(path):
                why = broken_arrow(path, include)
                if why:
                    yield Finding(path, include.line, "arrow", why)


def made(tree: Tree) -> set[str]:
    """Every source file that make mentions when it is asked for everything."""
    env = dict(os.environ, MAKELEVEL="1", MAKEFLAGS="", LC_ALL="C")
    done = subprocess.run(["make", "-npk", "all", "host-tests", "fuzzers"], cwd=tree.root,
                          env=env, capture_output=True, text=True, check=False)
    return set(re.findall(r"[\w./-]+\.c\b", done.stdout))


def dead(tree: Tree) -> Iterator[Finding]:
    """Every header is included, every C file is built."""
    sources = tree.with_suffix(".c", ".h", ".def", ".S")
    included = {include.target for path in sources for include in tree.includes(path)
                if include.target != path}
    built = made(tree) | included
    scripts = [path for path in tree.paths if path.endswith((".py", ".mk"))]
    for path in tree.with_suffix(".c", ".h"):
        if path.endswith(".h") and path not in included:
            yield Finding(path, 0, "dead", "no file includes this header")
        elif path.endswith(".c") and path not in built:
            stem = path.rsplit("/", 1)[-1].rsplit(".", 1)[0]
            word = re.compile(rf"\b{re.escape(stem)}\b")
            if not any(word.search(tree.text(script)) for script in scripts
                       if room(script) == room(path)):
                yield Finding(path, 0, "dead", "no make target builds this file")


def folders(tree: Tree) -> Iterator[Finding]:
    """No folder is named after nothing."""
    for path in tree.paths:
        found = BAD_FOLDERS.search(path)
        if found:
            yield Finding(path, 0, "folder", f"a folder named '{found[1]}' says nothing")

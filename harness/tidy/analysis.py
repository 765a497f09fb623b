# SPDX-License-Identifier: BSD-2-Clause
"""Rules that need a compiler: headers stand alone, and three static analysers.

Each check is one command on one file. Its result is kept under a hash of all
that it depends on (the command, the file, everything it includes, the analyser's
settings), so a second run costs the files that changed.
"""
import hashlib
import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Iterator, NamedTuple

from tree import FREE_NAME, Finding, Tree, level, room

HERE = Path(__file__).resolve().parent
CLANG_TIDY = HERE / "clang-tidy.yml"
TIMEOUT_S = 600
SAVE_EACH = 20          # results
MESSAGE = re.compile(r"^(?P<path>[^:\s]+):(?P<line>\d+):(?:\d+:)? "
                     r"(?:warning|error|fatal error): (?P<text>.*)$")

FREESTANDING = ["-std=gnu11", "-ffreestanding", "-mgeneral-regs-only", "-fno-pic",
                "-mno-red-zone"]
HOSTED = ["-std=gnu11", "-D_GNU_SOURCE="]
GCC = ["-O1", "-I.", "-fanalyzer", "-Wall", "-Wextra", "-Wno-analyzer-too-complex",
       # GCC 12 loses track of memory that is kept in a structure behind a pointer; the
       # tests' leak sanitizer does not.
       "-Wno-analyzer-malloc-leak", "-c", "-o", os.devnull]
CPPCHECK = ["cppcheck", "--quiet", "--std=c11", "--inline-suppr", "-I.",
            "--template={file}:{line}: warning: {message} [{id}]",
            "--enable=warning,performance,portability",
            # Fixed-width types and GNU attributes come from headers that it need not follow.
            "--suppress=missingIncludeSystem", "--suppress=missingInclude",
            # It gives up on a header with too many configurations, and says so.
            "--suppress=toomanyconfigs",
            # The difference of two of the linker script's symbols is meant.
            "--suppress=comparePointers"]


class Check(NamedTuple):
    """One command on one file, and the rule that its messages break."""

    rule: str
    path: str
    command: list[str]


def flags(path: str) -> list[str]:
    """How a file is compiled, as far as its meaning depends on it."""
    if path.startswith("harness/checked/"):
        return [*FREESTANDING, "-DDEOS_CHECKED"]
    own = room(path) in ("net", "kernel", "libos", "dsm", "cluster")
    return FREESTANDING if own and not FREE_NAME.search(path.rsplit("/", 1)[-1]) else HOSTED


def header_check(path: str) -> Check:
    """Includes the header alone, twice."""
    source = f'#include "{path}"\n#include "{path}"\n'
    return Check("alone", path, ["sh", "-c", 'printf %s "$0" | exec "$@"', source,
                                 "gcc", *flags(path), "-Wall", "-Wextra", "-Werror", "-I.",
                                 "-fsyntax-only", "-x", "c", "-"])


def checks(tree: Tree) -> Iterator[Check]:
    """Everything that is to be run."""
    for path in tree.with_suffix(".h"):
        yield header_check(path)
    for path in tree.with_suffix(".c"):
        if FREE_NAME.search(path.rsplit("/", 1)[-1]):
            continue
        yield Check("gcc-analyzer", path, ["gcc", *flags(path), *GCC, path])
        yield Check("cppcheck", path, [*CPPCHECK, path])
        if level(path) != "host":
            yield Check("clang-tidy", path, ["clang-tidy", "--quiet",
                                             f"--config-file={CLANG_TIDY}", path, "--",
                                             "-std=gnu11", "-ffreestanding", "-I."])


def key(tree: Tree, check: Check) -> str:
    """A hash of all that the result of a check depends on."""
    digest = hashlib.sha256(repr(check).replace(str(HERE), "").encode())
    if check.rule == "clang-tidy":
        digest.update(CLANG_TIDY.read_bytes())
    for path in sorted(tree.reach(check.path) | {check.path}):
        digest.update(path.encode() + b"\0" + tree.text(path).encode())
    return digest.hexdigest()


def run(root: Path, check: Check) -> list[list]:
    """The [path, line, message] triples that a check says."""
    try:
        done = subprocess.run(check.command, cwd=root, capture_output=True, text=True,
                              check=False, timeout=TIMEOUT_S)
    except FileNotFoundError:
        return [[check.path, 0, f"{check.command[0]} is not installed: make setup"]]
    except subprocess.TimeoutExpired:
        return [[check.path, 0, f"not finished after {TIMEOUT_S} s"]]
    said = {}
    for line in (done.stdout + done.stderr).splitlines():
        found = MESSAGE.match(line)
        if found:
            path = os.path.relpath(root / found["path"], root)
            said[path, int(found["line"]), found["text"]] = None
    if done.returncode and not said:
        lines = (done.stderr or done.stdout).strip().splitlines() or [f"exit {done.returncode}"]
        said[check.path, 0, lines[-1]] = None
    return [list(triple) for triple in said]


class Cache:
    """Results of earlier runs. What this run did not ask for is forgotten."""

    def __init__(self, path: Path):
        self.path = path
        self.used: dict[str, list] = {}
        try:
            self.old = json.loads(path.read_text())
        except (OSError, ValueError):
            self.old = {}

    def save(self, more: dict[str, list] | None = None):
        """Replaces the file in one step."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_suffix(f".{os.getpid()}")
        new.write_text(json.dumps((more or {}) | self.used))
        new.replace(self.path)


def analyse(tree: Tree, build: Path, jobs: int) -> Iterator[Finding]:
    """Runs what is not known yet, side by side, and reports everything."""
    cache = Cache(build / "tidy" / "cache.json")
    wanted = [(check, key(tree, check)) for check in checks(tree)]
    with ThreadPoolExecutor(jobs) as pool:
        for (check, name), result in zip(wanted, pool.map(
                lambda pair: cache.old.get(pair[1]) if pair[1] in cache.old
                else run(tree.root, pair[0]), wanted)):
            cache.used[name] = result
            for path, line, message in result:
                yield Finding(path, line, check.rule, message)
            if name not in cache.old and len(cache.used) % SAVE_EACH == 0:
                cache.save(cache.old)   # a run that is ended half-way loses little
    cache.save()

# SPDX-License-Identifier: BSD-2-Clause
"""Rules on what a single file says: its head, its lines, its words, what it points to."""
import ast
import re
from pathlib import PurePosixPath
from typing import Iterator

from tree import Finding, Tree, code_only, is_free, level

COLUMNS = 100
HEAD_LINES_MAX = 35
C_LIKE = (".c", ".h", ".S")
CODE = C_LIKE + (".py", ".sh", ".mk", ".ld", ".def", ".awk", ".lua", ".ini", ".yml", ".ipxe",
                 ".gdb")
SPDX = "SPDX-License-Identifier: BSD-2-Clause"

# Marks of unfinished work, written so that this line is none.
UNFINISHED = re.compile(r"\b(TO[D]O|FIX[M]E|X[X]X|HA[C]K)\b")
MACHINE_PATH = re.compile(r"(?<![\w.$}~%)-])/(home|root|work|Users)/\w")
BANNED = {
    "strcpy": "string_copy() or snprintf()", "strcat": "snprintf()",
    "sprintf": "snprintf()", "vsprintf": "vsnprintf()", "gets": "a bounded read",
    "alloca": "a bounded array", "rand": "kernel/base/prng.h", "srand": "kernel/base/prng.h",
}
BANNED_IN_ROOMS = {
    "strncpy": "string_copy()", "strncat": "kernel/base/fmt.h", "strtok": "a parser",
    "setjmp": "plain control flow", "longjmp": "plain control flow",
}
BANNED_IN_CORES = {
    "malloc": "memory from the caller", "calloc": "memory from the caller",
    "realloc": "memory from the caller", "free": "memory from the caller",
    "time": "the argument `now`", "clock": "the argument `now`",
    "clock_gettime": "the argument `now`", "gettimeofday": "the argument `now`",
    "printf": "an output to the host", "getenv": "an argument",
}
CALL = re.compile(r"(?<![\w.>])(\w+)\(")
LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^()\s]+)\)|!\[[^\]\n]*\]\(([^()\s]+)\)")
NAMED = re.compile(r"(?<![\w./$*<-])(\w[\w./-]*\.(?:c|h|S|def|py|md))(?!\w|\(|\.\w)")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.DOTALL | re.MULTILINE)


def is_script(tree: Tree, path: str) -> bool:
    """True for an executable text without a suffix, like harness/setup."""
    return "." not in PurePosixPath(path).name and tree.text(path).startswith("#!")


def is_code(tree: Tree, path: str) -> bool:
    """True for everything that a tool reads as source."""
    return (path.endswith(CODE) or PurePosixPath(path).name == "Makefile"
            or is_script(tree, path))


def columns(tree: Tree) -> Iterator[Finding]:
    """Line length, white space at line ends, the last newline."""
    for path in tree.paths:
        if not is_code(tree, path):
            continue
        for number, line in tree.lines(path):
            # A table of X macros has one row a line, however long its sentence.
            if len(line.expandtabs(8)) > COLUMNS and not path.endswith(".def"):
                yield Finding(path, number, "columns", f"more than {COLUMNS} columns")
            if line != line.rstrip():
                yield Finding(path, number, "space", "white space at the end of the line")
        if tree.text(path) and not tree.text(path).endswith("\n"):
            yield Finding(path, 0, "space", "no newline at the end of the file")


def tabs(tree: Tree) -> Iterator[Finding]:
    """C is indented by tabs, Python by spaces."""
    for path in tree.with_suffix(*C_LIKE, ".py"):
        for number, line in tree.lines(path):
            if path.endswith(".py") and "\t" in line:
                yield Finding(path, number, "tabs", "a tab in Python source")
            elif not path.endswith(".py") and line.startswith("        "):
                yield Finding(path, number, "tabs", "indented by spaces")


def head_length(text: str) -> int:
    """Lines of the first comment behind the SPDX line of a C file."""
    count = 0
    for line in text.splitlines()[1:]:
        if line.startswith("//"):
            count += 1
        elif count or (line.strip() and not line.startswith("#pragma once")):
            break
    return count


def head_wanted(text: str) -> int:
    """A head comment grows with its file: one line for a page, five for a long file."""
    return 1 + min(text.count("\n") // 100, 4)


def heads(tree: Tree) -> Iterator[Finding]:
    """The SPDX line of every source, the head comment of every C file."""
    for path in tree.paths:
        if not is_code(tree, path):
            continue
        text = tree.text(path)
        if SPDX not in "\n".join(text.splitlines()[:2]):
            yield Finding(path, 1, "head", f"no line '{SPDX}'")
        elif path.endswith((".c", ".h")):
            length, wanted = head_length(text), head_wanted(text)
            if not wanted <= length <= HEAD_LINES_MAX:
                yield Finding(path, 2, "head", f"a head comment of {length} lines; "
                              f"{wanted} to {HEAD_LINES_MAX} are wanted")
        if path.endswith(".h") and "#pragma once" not in text:
            yield Finding(path, 1, "head", "a header without #pragma once")


def words(tree: Tree) -> Iterator[Finding]:
    """Marks of unfinished work, and paths of somebody's machine."""
    for path in tree.paths:
        if not is_code(tree, path) and not path.endswith(".md"):
            continue
        for number, line in tree.lines(path):
            found = UNFINISHED.search(line)
            if found:
                yield Finding(path, number, "unfinished",
                              f"{found[0]}: finish it, or open an issue")
            found = MACHINE_PATH.search(line)
            if found:
                yield Finding(path, number, "path", f"{found[0]}...: a path of one machine")


def calls(tree: Tree) -> Iterator[Finding]:
    """Functions that are not used here, and what to use instead."""
    for path in tree.with_suffix(".c", ".h"):
        banned = dict(BANNED)
        if not is_free(path):
            banned.update(BANNED_IN_ROOMS)
            if level(path) != "host":
                banned.update(BANNED_IN_CORES)
        for number, line in enumerate(code_only(tree.text(path)).splitlines(), 1):
            for name in CALL.findall(line):
                if name in banned:
                    yield Finding(path, number, "banned", f"{name}(): use {banned[name]}")


def python(tree: Tree) -> Iterator[Finding]:
    """Python compiles, names things that exist, and uses what it imports."""
    from pyflakes import checker

    for path in tree.paths:
        if not path.endswith(".py") and not (
                is_script(tree, path) and "python" in tree.text(path).split("\n", 1)[0]):
            continue
        try:
            parsed = ast.parse(tree.text(path), path)
        except SyntaxError as error:
            yield Finding(path, error.lineno or 0, "python", error.msg)
            continue
        for message in checker.Checker(parsed, path).messages:
            yield Finding(path, message.lineno, "python",
                          message.message % message.message_args)


def slugs(text: str) -> set[str]:
    """The anchors that a Markdown page's headings make."""
    headings = re.findall(r"^#+ +(.*)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
            for heading in headings}


def named(tree: Tree) -> Iterator[Finding]:
    """Files that comments name are there: by their path, its end, or as a system's header."""
    there = {"/".join(parts[at:]) for parts in (path.split("/") for path in tree.paths)
             for at in range(len(parts))}
    sources = tree.with_suffix(".c", ".h")
    there |= {include.target for path in sources for include in tree.includes(path)
              if not include.quoted}
    for path in sources:
        for number, line in tree.lines(path):
            for name in NAMED.findall(line.partition("//")[2]):
                if name not in there:
                    yield Finding(path, number, "named", f"{name}: no such file")


def links(tree: Tree) -> Iterator[Finding]:
    """Links between pages lead somewhere."""
    for path in tree.with_suffix(".md"):
        text = FENCE.sub(lambda found: "\n" * found[0].count("\n"), tree.text(path))
        for found in LINK.finditer(text):
            target = found[1] or found[2]
            if re.match(r"\w+:", target):
                continue
            line = text.count("\n", 0, found.start()) + 1
            file, _, anchor = target.partition("#")
            page = (tree.root / path).parent / file if file else tree.root / path
            if not page.exists():
                yield Finding(path, line, "link", f"{target}: no such file")
            elif anchor and page.suffix == ".md" and anchor not in slugs(
                    page.read_text(encoding="utf-8")):
                yield Finding(path, line, "link", f"{target}: no such heading")


def pages(tree: Tree) -> Iterator[Finding]:
    """docs/README.md, where there is one, lists every page beside it."""
    index = "docs/README.md"
    if index not in tree.paths:
        return
    listed = {(found[1] or found[2]).partition("#")[0] for found in LINK.finditer(tree.text(index))}
    for path in tree.with_suffix(".md"):
        folder, _, name = path.rpartition("/")
        if folder == "docs" and path != index and name not in listed:
            yield Finding(path, 1, "page", f"{index} does not list it")

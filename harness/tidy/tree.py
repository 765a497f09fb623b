# SPDX-License-Identifier: BSD-2-Clause
"""The source tree as the rules see it: its files, their text, and their place.

A file's *room* is its top folder, its *level* is where it stands on the arrow
base -> abi, wire -> core -> host of docs/ARCHITECTURE.md. Tests, fuzz targets
and the harness are free: nothing is built on them.
"""
import re
import subprocess
from functools import cached_property
from pathlib import Path
from typing import Iterator, NamedTuple

ROOMS = ["net", "kernel", "libos", "dsm", "cluster"]
FREE_NAME = re.compile(r"_test\.|_fuzz\.|_cases\.|_rig\.|^test_")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+(["<])([^">]+)[">]', re.MULTILINE)

# Folders that hold sans-IO cores only.
CORE_FOLDERS = {
    "kernel/cap", "kernel/own", "kernel/filter", "kernel/code", "kernel/volume",
    "net/link", "net/rcap",
    "libos/tcp", "libos/http", "libos/store", "libos/content", "libos/image",
    "libos/text", "dsm/core",
    "cluster/member", "cluster/agree", "cluster/record", "cluster/place", "cluster/balance",
    "cluster/view", "cluster/planted", "cluster/api",
}
# Files that stand beside a core and drive it.
HOSTS_AMONG_CORES = {"libos/content/reader"}
# Cores that stand among the files that drive them.
CORES_AMONG_HOSTS = {f"harness/switch/{name}" for name in ("core", "frame", "lane", "mac",
                                                           "snoop")} | {"libos/process/pages",
                                                                     "libos/process/pipe",
                                                                     "libos/message/channel",
                                                                     "libos/pager/clock",
                                                                     "libos/remote/pace"}

LEVELS = ["base", "abi", "wire", "core", "host"]


class Finding(NamedTuple):
    """One broken rule. Line 0 stands for the file as a whole."""

    path: str
    line: int
    rule: str
    message: str

    def __str__(self):
        return f"{self.path}:{self.line}: {self.rule}: {self.message}"


class Include(NamedTuple):
    """One #include: where it stands, what it names, and whether in quotes."""

    line: int
    target: str
    quoted: bool


def room(path: str) -> str:
    """The top folder of a file, or "" for a file at the top."""
    return path.split("/")[0] if "/" in path else ""


def is_free(path: str) -> bool:
    """True for tests, their helpers, and the harness outside of its cores."""
    name = path.rsplit("/", 1)[-1]
    return bool(FREE_NAME.search(name)) or (room(path) not in ROOMS and level(path) != "core")


def level(path: str) -> str:
    """base, abi, wire, core or host."""
    folder = path.rsplit("/", 1)[0]
    stem = path.rsplit(".", 1)[0]
    if path.startswith("kernel/base/"):
        return "base"
    if path.startswith("kernel/abi/"):
        return "abi"
    if path.startswith("net/wire/"):
        return "wire"
    if stem in CORES_AMONG_HOSTS:
        return "core"
    if folder in CORE_FOLDERS and stem not in HOSTS_AMONG_CORES:
        return "core"
    return "host"


def blank(found: re.Match) -> str:
    """The same number of lines, with nothing on them."""
    return "\n" * found[0].count("\n") or " "


LITERALS = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)


def code_only(text: str) -> str:
    """C source without its comments, strings and character constants."""
    return LITERALS.sub(blank, text)


class Tree:
    """All files of a repository, by their path from its root."""

    def __init__(self, root: Path):
        self.root = root
        self._text: dict[str, str] = {}

    @cached_property
    def paths(self) -> list[str]:
        """Files that belong to the project: git's list, or all but build/ without git."""
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=self.root, capture_output=True, text=True, check=False) \
            if (self.root / ".git").exists() else None
        if listed and listed.returncode == 0:
            names = {name for name in listed.stdout.split("\0") if name}
        else:
            names = {str(path.relative_to(self.root)) for path in self.root.rglob("*")}
            names = {name for name in names
                     if name.split("/")[0] not in (".git", "build")
                     and "__pycache__" not in name}
        return sorted(name for name in names if (self.root / name).is_file())

    def with_suffix(self, *suffixes: str) -> list[str]:
        """The files whose names end so."""
        return [path for path in self.paths if path.endswith(suffixes)]

    def text(self, path: str) -> str:
        """A file's text; bytes that are not UTF-8 become U+FFFD."""
        if path not in self._text:
            self._text[path] = (self.root / path).read_text(encoding="utf-8", errors="replace")
        return self._text[path]

    def lines(self, path: str) -> Iterator[tuple[int, str]]:
        """A file's lines, numbered from 1."""
        return enumerate(self.text(path).splitlines(), 1)

    def includes(self, path: str) -> list[Include]:
        """What a C file includes."""
        text = self.text(path)
        return [Include(text.count("\n", 0, found.start()) + 1, found[2], found[1] == '"')
                for found in INCLUDE.finditer(text)]

    def reach(self, path: str) -> set[str]:
        """All files of the tree that a C file includes, directly or not."""
        seen: set[str] = set()
        ahead = [path]
        while ahead:
            for include in self.includes(ahead.pop()):
                target = include.target
                if include.quoted and target not in seen and (self.root / target).is_file():
                    seen.add(target)
                    ahead.append(target)
        return seen

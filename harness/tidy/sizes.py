# SPDX-License-Identifier: BSD-2-Clause
"""Rules on how long things are: functions, files, and the images that boot."""
import ast
import json
import subprocess
from pathlib import Path
from typing import Iterator

from text import is_script
from tree import Finding, Tree

FUNCTION_LINES = 70
FILE_LINES = 600
KIB = 1024
KERNEL_BYTES = 512 * KIB
BOOT_BYTES = 4 * KIB * KIB


def c_functions(tree: Tree) -> Iterator[tuple[str, str, int, int]]:
    """(path, name, first line, lines) of every C function, by ctags."""
    paths = tree.with_suffix(".c", ".h")
    done = subprocess.run(
        ["ctags", "--options=NONE", "--languages=C", "--langmap=C:.c.h", "--kinds-C=f",
         "--output-format=json", "--fields=+ne", "-f", "-", "-L", "-"],
        cwd=tree.root, input="\n".join(paths), capture_output=True, text=True, check=True)
    for line in done.stdout.splitlines():
        tag = json.loads(line)
        if "end" in tag:
            yield tag["path"], tag["name"], tag["line"], tag["end"] - tag["line"] + 1


def python_functions(tree: Tree) -> Iterator[tuple[str, str, int, int]]:
    """(path, name, first line, lines) of every Python function."""
    for path in tree.paths:
        if not path.endswith(".py") and not is_script(tree, path):
            continue
        try:
            parsed = ast.parse(tree.text(path))
        except SyntaxError:
            continue            # not Python, or the rule `python` tells
        for node in ast.walk(parsed):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield path, node.name, node.lineno, node.end_lineno - node.lineno + 1


def functions(tree: Tree) -> Iterator[Finding]:
    """A function fits a page."""
    for measure in (c_functions, python_functions):
        for path, name, line, length in measure(tree):
            if length > FUNCTION_LINES:
                yield Finding(path, line, "function", f"{name}() has {length} lines; "
                              f"at most {FUNCTION_LINES}")


def files(tree: Tree) -> Iterator[Finding]:
    """A file holds one idea."""
    for path in tree.with_suffix(".c", ".h", ".S", ".py", ".sh", ".mk"):
        length = tree.text(path).count("\n")
        if length > FILE_LINES:
            yield Finding(path, 0, "file", f"{length} lines; at most {FILE_LINES}")


def images(tree: Tree, build: Path) -> Iterator[Finding]:
    """What is loaded over the network stays small. Nothing built is nothing to say."""
    kernel, archive = build / "deos.elf", build / "boot.cpio"
    size = kernel.stat().st_size if kernel.exists() else 0
    if size >= KERNEL_BYTES:
        yield Finding("build/deos.elf", 0, "image", f"{size} bytes; below {KERNEL_BYTES} wanted")
    if archive.exists():
        size += archive.stat().st_size
        if size >= BOOT_BYTES:
            yield Finding("build/boot.cpio", 0, "image", f"{size} bytes with the kernel; "
                          f"below {BOOT_BYTES} wanted")

#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""How much there is: lines and bytes a folder, and the images: `make size`."""
import argparse
import re
import sys
from collections import defaultdict
from pathlib import Path

sys.dont_write_bytecode = True      # before the module beside this one
sys.path.insert(0, str(Path(__file__).resolve().parent))

from tree import Tree, blank, is_free  # noqa: E402

IMAGES = ["deos.elf", "deos.debug", "boot.cpio"]
SOURCES = (".c", ".h", ".S", ".def", ".ld", ".py", ".mk", ".sh")
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
KERNEL_C_LINES = 12_000
# What speaks to a device or to firmware, by registers or tables. The fabric's host, and its
# queues and counters as programs see them.
APART = {"drivers": ("kernel/dev/",),
         "the fabric": ("kernel/fabric/", "kernel/abi/fabric.h", "kernel/abi/observe.h")}


def folder(path: str) -> str:
    """The room and the folder in it."""
    parts = path.split("/")[:-1]
    return "/".join(parts[:2]) or "."


def reached(tree: Tree, sources: list[str]) -> set[str]:
    """These, and the files that they include, however indirectly."""
    found, todo = set(sources), list(sources)
    while todo:
        for include in tree.includes(todo.pop()):
            if include.target not in found and (tree.root / include.target).is_file():
                found.add(include.target)
                todo.append(include.target)
    return found


def code_lines(tree: Tree, path: str) -> int:
    """Lines that hold more than blanks and comments."""
    return sum(1 for line in COMMENT.sub(blank, tree.text(path)).split("\n") if line.strip())


def kernel_c(tree: Tree) -> tuple[dict[str, int], dict[str, int], int]:
    """The C of the kernel's image, headers with it: lines of code a folder, of drivers and of
    the fabric, and all lines of the former. A header that no source of the image includes is
    not the kernel's: kernel/base and kernel/abi are the ground under all rooms."""
    folders, apart, lines = defaultdict(int), {name: 0 for name in APART}, 0
    sources = [path for path in tree.with_suffix(".c")
               if path.startswith("kernel/") and not is_free(path)]
    for path in reached(tree, sources):
        if not path.startswith("kernel/") or not path.endswith((".c", ".h")):
            continue
        code = code_lines(tree, path)
        whose = [name for name, places in APART.items() if path.startswith(places)]
        if whose:
            apart[whose[0]] += code
        else:
            folders[path.split("/")[1]] += code
            lines += tree.text(path).count("\n")
    return folders, apart, lines


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="Print lines and bytes a folder.")
    parser.add_argument("--build", type=Path, default=Path("build"), metavar="DIR")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2],
                        metavar="DIR", help="the tree (default: this repository)")
    options = parser.parse_args()
    build = options.build
    tree = Tree(options.root)
    sums = defaultdict(lambda: [0, 0, 0, 0])
    for path in tree.with_suffix(*SOURCES):
        text = tree.text(path)
        test = is_free(path) and ("_test." in path or "_fuzz." in path or "/test_" in path)
        for name in (folder(path), "all"):
            sums[name][0] += 1
            sums[name][2 if test else 1] += text.count("\n")
            sums[name][3] += len(text.encode())
    print(f"{'folder':24}{'files':>7}{'lines':>9}{'of tests':>10}{'bytes':>11}")
    for name, (files, lines, tests, size) in sorted(
            sums.items(), key=lambda item: (item[0] == "all", item[0])):
        print(f"{name:24}{files:>7}{lines:>9}{tests:>10}{size:>11}")
    for image in IMAGES:
        path = build / image
        if path.exists():
            print(f"{str(path):24}{'':26}{path.stat().st_size:>11}")
    folders, apart, lines = kernel_c(tree)
    code = sum(folders.values())
    over = f", {code - KERNEL_C_LINES} too many" if code > KERNEL_C_LINES else ""
    print(f"the kernel's C without drivers, fabric and tests: {code} lines of code, "
          f"{KERNEL_C_LINES} wanted at most{over} ({lines} with comments and blank lines)")
    print("of them", ", ".join(f"{count} {name}" for name, count in sorted(folders.items())))
    print("beside them", ", ".join(f"{count} of {name}" for name, count in apart.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())

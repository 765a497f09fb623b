#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""How much there is: lines and bytes a folder, and the images: `make size`."""
import argparse
import sys
from collections import defaultdict
from pathlib import Path

sys.dont_write_bytecode = True      # before the module beside this one
sys.path.insert(0, str(Path(__file__).resolve().parent))

from tree import Tree, is_free  # noqa: E402

IMAGES = ["deos.elf", "deos.debug", "boot.cpio"]
SOURCES = (".c", ".h", ".S", ".def", ".ld", ".py", ".mk", ".sh")


def folder(path: str) -> str:
    """The room and the folder in it."""
    parts = path.split("/")[:-1]
    return "/".join(parts[:2]) or "."


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="Print lines and bytes a folder.")
    parser.add_argument("--build", type=Path, default=Path("build"), metavar="DIR")
    build = parser.parse_args().build
    tree = Tree(Path(__file__).resolve().parents[2])
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
    return 0


if __name__ == "__main__":
    sys.exit(main())

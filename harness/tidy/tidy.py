#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Checks the tree against the house's rules: `make tidy`.

Prints one line for each broken rule, file:line: rule: message, and exits 1 when
there is one. docs/CONTRIBUTING.md says what the rules are for.
"""
import argparse
import os
import sys
from functools import partial
from pathlib import Path

sys.dont_write_bytecode = True      # before the modules beside this one
sys.path.insert(0, str(Path(__file__).resolve().parent))

import analysis  # noqa: E402
import arrows  # noqa: E402
import sizes  # noqa: E402
import text  # noqa: E402
from tree import Finding, Tree  # noqa: E402

QUICK = [text.columns, text.tabs, text.heads, text.words, text.calls, text.python, text.named,
         text.links, text.pages, arrows.arrows, arrows.folders, sizes.functions, sizes.files]


def findings(root: Path, build: Path, jobs: int, quick: bool = False) -> list[Finding]:
    """Every broken rule of a tree, by file and line, each once."""
    tree = Tree(root)
    rules = list(QUICK)
    if not quick:
        rules += [arrows.dead, partial(sizes.images, build=build),
                  partial(analysis.analyse, build=build, jobs=jobs)]
    return sorted({finding for rule in rules for finding in rule(tree)})


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="Check the tree against the house's rules.")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2],
                        metavar="DIR", help="the tree (default: this repository)")
    parser.add_argument("--build", type=Path, metavar="DIR",
                        help="its build folder (default: ROOT/build)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N",
                        help="analysers side by side")
    parser.add_argument("--quick", action="store_true", help="text rules only, no compiler")
    parser.add_argument("paths", nargs="*", metavar="PATH",
                        help="report these files and folders only")
    options = parser.parse_args()
    if not options.root.is_dir():
        parser.error(f"{options.root}: no such directory")
    build = options.build or options.root / "build"
    broken = findings(options.root, build, options.jobs, options.quick)
    if options.paths:
        broken = [finding for finding in broken if finding.path.startswith(tuple(options.paths))]
    for finding in broken:
        print(finding)
    if broken:
        print(f"tidy: {len(broken)} broken rules in {len({f.path for f in broken})} files",
              file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())

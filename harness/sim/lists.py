#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The page of what the simulator has in the cores, made from the code:

    harness/sim/lists.py            print what is wrong; exit 1 if anything is
    harness/sim/lists.py --write    write docs/marks.md (make marks)

A name in a table that stands nowhere in the cores is wrong too."""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/marks.md"
CORES = ("net/link", "net/rcap")
USES = {"net/wire/marks.def": r"\bSOMETIMES(?:_IF|_WHEN)?\((\w+)[,)]",
        "net/wire/points.def": r"\bFAULT_POINT\((\w+)\)",
        "net/wire/bugs.def": r"\bPLANTED\(BUG_(\w+)\)"}
HEAD = """# Marks and fault points

Made by `make marks` from `net/wire/marks.def`, `net/wire/points.def` and the cores.
[The simulator](simulator.md) is the only build that has either.

## Fault points

Each makes something rare happen where it stands. A seed that has `points` among its
faults has one in three of them, each at a rate of its own.

"""
MARKS = """
## Marks

Each counts how often a rare path was taken. A long run fails when it reached one
of them never.

"""


def table(path: str) -> dict[str, str]:
    """The names of a table, and what is said of each."""
    text = (ROOT / path).read_text(encoding="utf-8")
    return dict(re.findall(r'^X\((\w+),\s+"(.*)"\)$', text, re.MULTILINE))


def places(path: str) -> dict[str, list[str]]:
    """Of each name of a table, the files of the cores where it stands."""
    found: dict[str, list[str]] = {name: [] for name in table(path)}
    for folder in CORES:
        for file in sorted((ROOT / folder).glob("*.[ch]")):
            for name in re.findall(USES[path], file.read_text(encoding="utf-8")):
                name_of = str(file.relative_to(ROOT))
                if name_of not in found[name]:
                    found[name].append(name_of)
    return found


def rows(path: str, column: str) -> str:
    """A table of the page."""
    where, what = places(path), table(path)
    lines = [f"| {column} | what | in |", "|---|---|---|"]
    lines += [f"| `{name}` | {text} | {', '.join(where[name])} |" for name, text in what.items()]
    return "\n".join(lines) + "\n"


def page() -> str:
    """The page as it should be."""
    return (HEAD + rows("net/wire/points.def", "point") + MARKS +
            rows("net/wire/marks.def", "mark"))


def nowhere() -> list[str]:
    """Names that stand in a table and not in the cores."""
    return [f"{path}: {name} stands nowhere in the cores" for path in USES
            for name, files in places(path).items() if not files]


def main() -> int:
    """The command line."""
    if sys.argv[1:] not in ([], ["--write"]):
        print(__doc__, file=sys.stderr)
        return 2
    wrong = nowhere()
    if sys.argv[1:]:
        PAGE.write_text(page(), encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page():
        wrong.append("docs/marks.md is not as the code says: make marks")
    print("\n".join(wrong), end="\n" if wrong else "")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())

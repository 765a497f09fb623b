#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Everything that is made from the tables beside this file:

    net/wire/protocol.py            print what is not as they say; exit 1 if anything is not
    net/wire/protocol.py --write    write it (make protocol)

That is docs/protocol/frames.md, the tables in the other pages there (between
`<!-- struct NAME -->` or `<!-- table NAME -->` and `<!-- end -->`), the dissector, and
the golden vectors of the version that is being worked on.
"""
from __future__ import annotations

import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PAGES = ROOT / "docs/protocol"
sys.path.insert(0, str(HERE))
import dissector                        # noqa: E402
import vectors                          # noqa: E402
from reader import STRUCTS, frames      # noqa: E402

BLOCK = re.compile(r"(<!-- (struct|table) (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def versions() -> str:
    """Released versions, and the one that is not."""
    rows = [[name, commit, kinds.removeprefix("WIRE_"), ops.removeprefix("OP_"), codes, flags]
            for _, name, commit, kinds, ops, codes, flags, _ in frames.rows("versions.def")]
    rows.append([f"1.{vectors.minor()}", "not released", frames.rows("kinds.def")[-1][0],
                 frames.rows("ops.def")[-1][0], frames.rows("codes.def")[-1][0], ""])
    return frames.table(["version", "spoken by commit", "kinds up to", "operations up to",
                         "codes up to", "flags"], rows)


def block(match: re.Match) -> str:
    """What belongs between two marks."""
    begin, what, name, end = match.groups()
    if what == "struct":
        struct = STRUCTS[name]
        made = frames.table(["at", "bytes", "field", "what"],
                            [[field.offset, field.size, field.name, field.sentence]
                             for field in struct.fields])
        made = f"{struct.size} bytes.\n\n{made}"
    else:
        made = {"versions": versions, "operations": frames.operations,
                "statuses": lambda: frames.table(["status", "number", "what"],
                                                 frames.rows("statuses.def")),
                "codes": lambda: frames.table(["code", "number", "what"],
                                              frames.rows("codes.def")),
                "kinds": frames.kinds}[name]()
    return f"{begin}{made}{end}"


def files() -> dict[Path, str]:
    """Every file that is made, and what it should hold."""
    made = {page: BLOCK.sub(block, page.read_text(encoding="utf-8"))
            for page in sorted(PAGES.glob("*.md")) if page.name != "frames.md"}
    made[PAGES / "frames.md"] = frames.page()
    made[HERE / "deos.lua"] = dissector.lua()
    made[HERE / "golden" / f"1.{vectors.minor()}.vec"] = vectors.text()
    return made


def main() -> int:
    """The command line."""
    if sys.argv[1:] not in ([], ["--write"]):
        print(__doc__, file=sys.stderr)
        return 2
    stale = 0
    for path, text in files().items():
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        if sys.argv[1:]:
            path.write_text(text, encoding="utf-8")
        else:
            print(f"{path.relative_to(ROOT)} is not as the tables say: make protocol")
            stale = 1
    return stale


if __name__ == "__main__":
    sys.exit(main())

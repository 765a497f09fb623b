# SPDX-License-Identifier: BSD-2-Clause
"""`make size` counts what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
COUNTED = re.compile(r"^the kernel's C without drivers, fabric and tests: (\d+) lines of code, "
                     r"12000 wanted at most(?:, (\d+) too many)? \((\d+) with", re.M)


def size(root: Path) -> tuple[int, int, int]:
    """Lines of code, how many too many, and all lines."""
    done = subprocess.run([sys.executable, str(HERE / "report.py"), "--root", str(root)],
                          capture_output=True, text=True, check=True)
    found = COUNTED.search(done.stdout)
    assert found, done.stdout + done.stderr
    return int(found[1]), int(found[2] or 0), int(found[3])


def test_what_is_counted(tmp_path: Path):
    """C of the kernel and the headers that it includes; not its tests, its drivers, its fabric,
    other rooms, and headers that only those include."""
    lines = {"kernel/sys/a.c": 100, "kernel/abi/a.h": 10, "kernel/arch/x86_64/b.c": 1,
             "kernel/sys/a_test.c": 1000, "kernel/abi/a.def": 1000, "kernel/dev/d.c": 1000,
             "kernel/fabric/f.c": 1000, "kernel/abi/fabric.h": 1000,
             "kernel/abi/observe.h": 1000, "kernel/base/others.h": 1000,
             "kernel/arch/x86_64/t.S": 1000, "libos/l.c": 1000}
    for path, count in lines.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("x;\t// one\n" * count)
    (tmp_path / "kernel/sys/a.c").write_text('#include "kernel/abi/a.h"\n' + "x;\n" * 99)
    (tmp_path / "libos/l.c").write_text('#include "kernel/base/others.h"\n')
    assert size(tmp_path) == (111, 0, 111)
    (tmp_path / "kernel/abi/a.h").write_text("// Comment.\n\n\t\n/* a\nb\n*/ x;\ny;\n")
    assert size(tmp_path) == (103, 0, 108)
    (tmp_path / "kernel/sys/a.c").write_text('#include "kernel/abi/a.h"\n' + "x;\n" * 11999)
    assert size(tmp_path) == (12003, 3, 12008)


def test_this_kernel():
    """There is a kernel to be counted, and it is no larger than is said: where it grows, a
    change has to say why in docs/ARCHITECTURE.md."""
    code, _, lines = size(HERE.parents[1])
    assert 5000 < code < lines
    page = (HERE.parents[1] / "docs/ARCHITECTURE.md").read_text()
    said = re.search(r"([\d,]+) lines of code, [\d,]+ with comments and blank lines", page)
    assert said and code <= int(said[1].replace(",", "")), (code, said and said[1])

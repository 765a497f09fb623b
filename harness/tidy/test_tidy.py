# SPDX-License-Identifier: BSD-2-Clause
"""Every rule of tidy.py against a small tree in which that rule is broken.

The clean tree passes; each test plants one violation and wants exactly that rule
at that line. The last test holds this repository to all of them.
"""
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

pytestmark = pytest.mark.apart

SPDX = "// SPDX-License-Identifier: BSD-2-Clause\n"
HASH_SPDX = SPDX.replace("//", "#")
HEADER = SPDX + "#pragma once\n// What it is.\n\n"
SOURCE = SPDX + "// What it is.\n\n"
MAKEFILE = HASH_SPDX + """all: a.o
host-tests fuzzers:
a.o: kernel/cap/cap.c libos/http/conn.c net/wire/frame.c
>cc -c $^
""".replace(">", "\t")


def tidy(root: Path, *words: str) -> list[str]:
    """The findings of one run as `path:line: rule`."""
    done = subprocess.run([sys.executable, str(HERE / "tidy.py"), "--root", str(root), *words],
                          capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    assert "Traceback" not in done.stderr
    found = [": ".join(line.split(": ")[:2]) for line in done.stdout.splitlines()]
    assert bool(found) == bool(done.returncode)
    return found


@pytest.fixture
def tree(tmp_path: Path):
    """A clean tree; returns a function that writes a file into it."""
    def write(path: str, text: str) -> Path:
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return tmp_path

    write("Makefile", MAKEFILE)
    write("kernel/base/types.h", HEADER + "typedef unsigned int u32;\n")
    write("kernel/cap/cap.h", HEADER + '#include "kernel/base/types.h"\n\nu32\ncap(u32 a);\n')
    write("kernel/cap/cap.c", SOURCE + '#include "kernel/cap/cap.h"\n\n'
          "u32\ncap(u32 a)\n{\n\treturn a + 1;\n}\n")
    write("net/wire/frame.h", HEADER + '#include "kernel/base/types.h"\n\nu32\nframe(void);\n')
    write("net/wire/frame.c", SOURCE + '#include "net/wire/frame.h"\n\n'
          "u32\nframe(void)\n{\n\treturn 1;\n}\n")
    write("libos/http/conn.c", SOURCE + '#include "net/wire/frame.h"\n\n'
          "u32\nconn(void);\n\nu32\nconn(void)\n{\n\treturn frame();\n}\n")
    write("harness/tool.py", HASH_SPDX + '"""A tool."""\nprint(1)\n')
    write("docs/a.md", "# A page\n\nSee [the page](a.md#a-page).\n")
    return write


def test_clean_tree_passes(tree):
    root = tree("README.md", "[a](docs/a.md)\n")
    assert tidy(root) == []


LONG_C = "\nvoid\nlong_one(int *a)\n{\n" + "\t(*a)++;\n" * 68 + "}\n"
LONG_PY = "def long_one():\n" + "    print(1)\n" * 70

QUICK = [
    ("columns", "harness/a.py", HASH_SPDX + "# " + "x" * 99 + "\n", 2),
    ("space", "harness/a.py", HASH_SPDX + "A = 1 \n", 2),
    ("space", "harness/a.py", HASH_SPDX + "A = 1", 0),
    ("tabs", "harness/a.c", SOURCE + "int\nf(void)\n{\n        return 1;\n}\n", 7),
    ("tabs", "harness/a.py", HASH_SPDX + "if 1:\n\tprint(2)\n", 3),
    ("head", "harness/a.c", "// What it is.\n\nint a;\n", 1),
    ("head", "harness/a.c", SPDX + "\nint a;\n", 2),
    ("head", "harness/a.c", SOURCE + "int a;\n" * 450, 2),
    ("head", "harness/a.c", SPDX + "// words\n" * 36, 2),
    ("head", "kernel/base/a.h", SPDX + "// What it is.\n\n", 1),
    ("head", "harness/a.py", "A = 1\n", 1),
    ("head", "harness/script", "#!/bin/sh\necho\n", 1),
    ("head", "kernel/arch/k.ld", "SECTIONS {}\n", 1),
    ("unfinished", "harness/a.c", SOURCE + "// TO" + "DO: more\n", 4),
    ("path", "harness/a.sh", HASH_SPDX + "cd /ho" + "me/joe/deos\n", 2),
    ("path", "docs/b.md", "Run /ro" + "ot/deos/run.\n", 1),
    ("banned", "harness/a.c", SOURCE + "void\nf(char *a)\n{\n\tstrcpy" + "(a, a);\n}\n", 7),
    ("banned", "libos/http/a.c", SOURCE + "long\nf(void)\n{\n\treturn time(0);\n}\n", 7),
    ("banned", "kernel/sys/a.c", SOURCE + "void\nf(char *a)\n{\n\tstrtok(a, a);\n}\n", 7),
    ("python", "harness/a.py", HASH_SPDX + "import os\n", 2),
    ("python", "harness/a.py", HASH_SPDX + "print(unknown)\n", 2),
    ("python", "harness/a.py", HASH_SPDX + "def f(:\n", 2),
    ("link", "docs/b.md", "# B\n\n[there](nowhere.md)\n", 3),
    ("link", "docs/b.md", "# B\n\n[there](a.md#nowhere)\n", 3),
    ("include", "harness/a.c", SOURCE + '#include "nothing.h"\n', 4),
    ("arrow", "kernel/base/a.c", SOURCE + '#include "kernel/cap/cap.h"\n', 4),
    ("arrow", "kernel/abi/a.h", HEADER + '#include "net/wire/frame.h"\n', 5),
    ("arrow", "net/wire/a.c", SOURCE + '#include "kernel/cap/cap.h"\n', 4),
    ("arrow", "net/link/a.c", SOURCE + '#include "kernel/cap/cap.h"\n', 4),
    ("arrow", "libos/http/a.c", SOURCE + '#include "kernel/cap/cap.h"\n', 4),
    ("arrow", "libos/http/a.c", SOURCE + "#include <stdio.h>\n", 4),
    ("arrow", "kernel/sys/a.c", SOURCE + "#include <string.h>\n", 4),
    ("folder", "harness/util/a.py", HASH_SPDX, 0),
    ("named", "harness/a.c", SPDX + "// What it is: see gone.c.\n", 2),
    ("named", "harness/a.c", SPDX + "// What it is: see kernel/own/cap.h.\n", 2),
    ("function", "harness/a.c", SOURCE + LONG_C, 6),
    ("function", "harness/a.py", HASH_SPDX + LONG_PY, 2),
    ("file", "harness/a.py", HASH_SPDX + "A = 1\n" * 600, 0),
]


@pytest.mark.parametrize("rule, path, text, line", QUICK,
                         ids=[f"{rule}-{number}" for number, (rule, *_) in enumerate(QUICK)])
def test_planted_violation_is_found(tree, rule, path, text, line):
    assert f"{path}:{line}: {rule}" in tidy(tree(path, text), "--quick")


@pytest.mark.parametrize("target, reason", [
    ("libos/crt/host.h", "a core includes a host"),
    ("dsm/core/core.h", "a later room"),
])
def test_cores_see_neither_hosts_nor_later_rooms(tree, target, reason):
    tree(target, HEADER)
    root = tree("libos/http/a.c", SOURCE + f'#include "{target}"\n')
    assert "libos/http/a.c:4: arrow" in tidy(root, "--quick"), reason


def test_a_kernel_host_may_use_cores_and_a_test_everything(tree):
    tree("kernel/sys/a.c", SOURCE + '#include "kernel/cap/cap.h"\n#include "net/wire/frame.h"\n')
    root = tree("net/wire/a_test.c", SOURCE + '#include <stdio.h>\n#include "kernel/cap/cap.h"\n')
    assert tidy(root, "--quick") == []


def test_words_in_strings_and_comments_are_no_calls(tree):
    root = tree("harness/a.c", SOURCE + '// not strcpy' + '(), said here\n'
                'const char *a = "sprintf' + '(x)";\n')
    assert tidy(root, "--quick") == []


def test_files_are_named_by_any_end_of_their_path(tree):
    root = tree("harness/a.c", SPDX + "// Of kernel/cap/cap.c, cap/cap.h, cap.c, stdio.h.\n"
                "\n#include <stdio.h>\n")
    assert tidy(root, "--quick") == []


def test_each_page_is_in_the_index(tree):
    tree("docs/b.md", "# B\n")
    assert tidy(tree("docs/README.md", "# All\n\n[A](a.md), [B](b.md#b)\n"), "--quick") == []
    assert tidy(tree("docs/README.md", "# All\n\n[A](a.md)\n"), "--quick") == ["docs/b.md:1: page"]


def test_links_in_code_blocks_are_no_links(tree):
    root = tree("docs/b.md", "# B\n\n```\n[there](nowhere.md)\n```\n")
    assert tidy(root, "--quick") == []


def test_dead_files_are_found(tree):
    tree("kernel/cap/unused.h", HEADER)
    root = tree("kernel/cap/unbuilt.c", SOURCE + "int unbuilt;\n")
    assert tidy(root) == ["kernel/cap/unbuilt.c:0: dead", "kernel/cap/unused.h:0: dead"]


def test_header_that_needs_another_is_found(tree):
    root = tree("kernel/cap/cap.h", HEADER + "\nu32\ncap(u32 a);\n")
    assert "kernel/cap/cap.h:6: alone" in tidy(root)


NULL_USE = """
u32
cap(u32 a)
{
>u32 *p = 0;

>if (a == 7)
>>return *p;
>return a;
}
""".replace(">", "\t")


def test_analysers_find_a_null_dereference(tree):
    root = tree("kernel/cap/cap.c", SOURCE + '#include "kernel/cap/cap.h"\n' + NULL_USE)
    found = tidy(root)
    for rule in ("gcc-analyzer", "clang-tidy", "cppcheck"):
        assert f"kernel/cap/cap.c:12: {rule}" in found


def test_recursion_in_a_core_is_found(tree):
    root = tree("kernel/cap/cap.c", SOURCE + '#include "kernel/cap/cap.h"\n'
                "\nu32\ncap(u32 a)\n{\n\treturn a ? cap(a - 1) : 0;\n}\n")
    assert any(finding.endswith(": clang-tidy") for finding in tidy(root))


def test_cached_results_follow_a_change_in_an_included_header(tree):
    root = tree("kernel/base/types.h", HEADER + "typedef unsigned int u32;\n")
    assert tidy(root) == []
    tree("kernel/base/types.h", HEADER + "typedef unsigned long long u33;\n")
    assert any(": alone" in finding for finding in tidy(root))
    tree("kernel/base/types.h", HEADER + "typedef unsigned int u32;\n")
    assert tidy(root) == []


@pytest.mark.parametrize("kernel, archive, broken", [
    (512 * 1024, 0, "build/deos.elf:0: image"),
    (1000, 4 * 1024 * 1024 - 1000, "build/boot.cpio:0: image"),
])
def test_images_that_are_too_large_are_found(tree, kernel, archive, broken):
    root = tree("build/deos.elf", "x" * kernel)
    tree("build/boot.cpio", "x" * archive)
    assert tidy(root) == [broken]


def test_bad_root_is_a_usage_error(tmp_path):
    done = subprocess.run([sys.executable, str(HERE / "tidy.py"), "--root",
                           str(tmp_path / "none")], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "no such directory" in done.stderr


def test_this_repository_reads_well():
    """What needs no compiler, for those in a hurry."""
    assert tidy(ROOT, "--quick") == []


@pytest.mark.early
@pytest.mark.long
@pytest.mark.timeout(3600)
def test_this_repository_is_tidy():
    """All rules. Where nothing was analysed before, this takes minutes, of the processor
    time that nodes leave."""
    done = subprocess.run(["nice", sys.executable, str(HERE / "tidy.py")], cwd=ROOT,
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, "\n" + done.stdout + done.stderr

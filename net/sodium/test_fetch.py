# SPDX-License-Identifier: BSD-2-Clause
"""net/sodium/fetch makes source lists of what a machine has, in either format, and
says in one line what went wrong. apt-get is played by a script."""
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

FETCH = Path(__file__).resolve().parent / "fetch"
CODENAME = next(line.split("=")[1].strip().strip('"') for line in
                Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
                if line.startswith("VERSION_CODENAME="))
APT = """#!/bin/sh
for word; do
\tcase $word in
\tupdate) exit ${UPDATE:-0} ;;
\tsource) [ -n "${SOURCE-}" ] && exit 1; cp "$ARCHIVE" libsodium_9.orig.tar.gz
\t\t[ -z "${DEBIAN-}" ] || cp "$DEBIAN" libsodium_9.debian.tar.gz
\t\texit 0 ;;
\tesac
done
"""
OURS = f"http://deb.debian.org/debian {CODENAME} main"


@pytest.fixture(name="machine")
def machine_fixture(tmp_path: Path):
    """Folders that stand for a machine; returns a function that runs fetch there."""
    etc, tools, source = (tmp_path / name for name in ("etc", "bin", "x-9"))
    (etc / "sources.list.d").mkdir(parents=True)
    tools.mkdir()
    (tools / "apt-get").write_text(APT)
    (tools / "apt-get").chmod(0o755)
    (source / "src/libsodium/a").mkdir(parents=True)
    with tarfile.open(tmp_path / "archive.tar.gz", "w:gz") as archive:
        archive.add(source, "libsodium-9")

    def run(lists: dict[str, str], **more: str) -> tuple[subprocess.CompletedProcess, Path]:
        for name, text in lists.items():
            (etc / name).write_text(text)
        done = subprocess.run(
            [FETCH, tmp_path / "out"], capture_output=True, text=True, check=False,
            env=os.environ | {"APT_ETC": str(etc), "PATH": f"{tools}:{os.environ['PATH']}",
                              "ARCHIVE": str(tmp_path / "archive.tar.gz")} | more)
        return done, tmp_path / "out"
    return run


def test_one_line_lists(machine):
    done, out = machine({"sources.list": f"""# comment
deb {OURS} contrib
deb-src {OURS}
deb [arch=amd64 signed-by=/k.gpg] http://x/ {CODENAME}-security main
deb cdrom:[Debian] / {CODENAME} main
""", "sources.list.d/other.list": "deb https://elsewhere.example/ nodistro main\n"})
    assert done.returncode == 0, done.stderr
    assert (out / "source/a").is_dir()
    assert (out / "parts/machine.list").read_text().splitlines() == [
        f"deb-src {OURS} contrib",
        f"deb-src [arch=amd64 signed-by=/k.gpg] http://x/ {CODENAME}-security main"]


def test_paragraphs(machine):
    done, out = machine({"sources.list.d/debian.sources": f"""Types: deb
URIs: http://deb.debian.org/debian
Suites: {CODENAME} {CODENAME}-updates
Components: main
Signed-By: /k.gpg

Types: deb
URIs: http://elsewhere.example/
Suites: nodistro
Components: main
"""})
    assert done.returncode == 0, done.stderr
    text = (out / "parts/machine.sources").read_text()
    assert text.splitlines()[0] == "Types: deb-src" and text.count("Types:") == 1
    assert "Signed-By: /k.gpg" in text and "nodistro" not in text


@pytest.mark.parametrize("more, words", [({"UPDATE": "1"}, "is the network up?"),
                                         ({"SOURCE": "no"}, "cannot fetch the source")])
def test_a_failure_is_one_line(machine, more: dict[str, str], words: str):
    done, out = machine({"sources.list": f"deb {OURS}\n"}, **more)
    assert done.returncode == 1 and not (out / "source").exists()
    assert words in done.stderr and done.stderr.count("\n") == 1


def test_a_machine_without_the_distribution(machine):
    done, _ = machine({"sources.list": "deb https://elsewhere.example/ nodistro main\n"})
    assert done.returncode == 1
    assert f"no source of {CODENAME}" in done.stderr and done.stderr.count("\n") == 1


PATCH = """--- a/src/libsodium/a/b.c
+++ b/src/libsodium/a/b.c
@@ -1 +1 @@
-old
+mended
"""


def write_debian(folder: Path, patch: str) -> Path:
    """The archive that holds Debian's part of a source package."""
    patches = folder / "debian/patches"
    patches.mkdir(parents=True)
    (patches / "series").write_text("# in order\nmend.patch\n")
    (patches / "mend.patch").write_text(patch)
    with tarfile.open(folder / "debian.tar.gz", "w:gz") as archive:
        archive.add(folder / "debian", "debian")
    return folder / "debian.tar.gz"


@pytest.mark.parametrize("patch, status", [(PATCH, 0), (PATCH.replace("old", "other"), 1)])
def test_debians_patches_are_applied(machine, tmp_path, patch, status):
    (tmp_path / "x-9/src/libsodium/a/b.c").write_text("old\n")
    with tarfile.open(tmp_path / "archive.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "x-9", "libsodium-9")
    done, out = machine({"sources.list": f"deb {OURS}\n"},
                        DEBIAN=str(write_debian(tmp_path, patch)))
    assert done.returncode == status, done.stderr
    if status:
        assert "patches of libsodium do not apply" in done.stderr
    else:
        assert (out / "source/a/b.c").read_text() == "mended\n"

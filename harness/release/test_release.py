# SPDX-License-Identifier: BSD-2-Clause
"""A release's archive depends on names and bytes alone, and what is built knows nothing of
where, when, by whom and in which order it was built. `make release` compares two whole
builds of a commit; here what these tests run on is built once more."""
import io
import lzma
import os
import re
import shutil
import sys
import tarfile
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import release                          # noqa: E402
from before import (IMAGES, ROOT, NoHistory, commit_before, export,     # noqa: E402
                    make)

BUILD = ROOT / os.environ.get("DEOS_BUILD", "build")


def tree(folder: Path, order: list[str]) -> Path:
    """A tree with everything that a release has, its files made in this order."""
    for at, name in enumerate(order):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode() * 100)
        os.utime(path, (at, at))
        path.chmod(0o755 if name.endswith("run") else 0o640 if at % 2 else 0o644)
    return folder


NAMES = ["build/deos.elf", "build/boot.cpio", "net/wire/deos.lua", "net/wire/golden/1.0.vec",
         "docs/a.md", "docs/protocol/b.md", "docs/run", "LICENSE", "README.md"]


def test_archive_depends_on_names_and_bytes_alone(tmp_path: Path):
    one = release.files(tree(tmp_path / "one", NAMES), {"COMMIT": b"c"})
    other = release.files(tree(tmp_path / "two" / "deeper", NAMES[::-1]), {"COMMIT": b"c"})
    made = release.archive("deos-9", one, 1_000_000)
    assert made == release.archive("deos-9", other, 1_000_000)
    assert release.differing(made, made) == []
    with tarfile.open(fileobj=io.BytesIO(lzma.decompress(made))) as tar:
        members = tar.getmembers()
    assert [member.name for member in members] == sorted(member.name for member in members)
    assert {(member.uid, member.gid, member.uname, member.mtime) for member in members} == \
        {(0, 0, "", 1_000_000)}
    assert {member.name for member in members if member.mode == 0o755} == {"deos-9/docs/run"}
    (tmp_path / "two" / "deeper" / "LICENSE").write_bytes(b"changed")
    changed = release.files(tmp_path / "two" / "deeper", {"COMMIT": b"c"})
    assert release.differing(made, release.archive("deos-9", changed, 1_000_000)) == \
        ["deos-9/LICENSE", "deos-9/SHA256SUMS"]


@pytest.mark.parametrize("image", ["deos.elf", "boot.cpio"])
def test_images_do_not_know_their_folder(image: str):
    """Nor the day: nothing in the sources asks the compiler for either."""
    assert str(ROOT).encode() not in (BUILD / image).read_bytes()
    for room in ("kernel", "net", "libos", "dsm", "cluster"):
        for path in (ROOT / room).rglob("*.[chS]"):
            found = re.search(r"__(DATE|TIME|TIMESTAMP)__", path.read_text(encoding="utf-8"))
            assert not found, path


ELSEWHERE = {"TZ": "Pacific/Kiritimati", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "7",
             "USER": "somebody", "LOGNAME": "somebody", "HOSTNAME": "elsewhere",
             "SOURCE_DATE_EPOCH": "1"}


def copy_backwards(to: Path):
    """This tree, its files made last one first, a day apart, for their owner alone."""
    def unwanted(_: str, names: list[str]) -> list[str]:
        return [name for name in names if name.startswith(".") or name == "__pycache__"]
    found = [path for path in ROOT.iterdir()
             if path not in (BUILD, *BUILD.parents) and not path.name.startswith(".")]
    for path in sorted(found, reverse=True):
        if path.is_dir():
            shutil.copytree(path, to / path.name, ignore=unwanted)
        else:
            to.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, to / path.name)
    files = sorted((path for path in to.rglob("*") if path.is_file()), reverse=True)
    for day, path in enumerate(files):
        content, mode = path.read_bytes(), path.stat().st_mode
        path.unlink()
        path.write_bytes(content)
        path.chmod(mode & 0o700)
        os.utime(path, (day * 86400, day * 86400))


@pytest.mark.long
@pytest.mark.early
@pytest.mark.timeout(1500)
def test_built_elsewhere_it_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """In a deeper folder, time zone, locale, order of files and of hashes, by somebody who
    keeps files to himself, one file at a time."""
    folder = tmp_path / "another-folder-with-a-longer-name" / "deos"
    for name, value in (ELSEWHERE | {"HOME": str(tmp_path)}).items():
        monkeypatch.setenv(name, value)
    before = os.umask(0o077)
    try:
        copy_backwards(folder)
        make(folder, BUILD.resolve() / "sodium", "-j1", "B=build",
             *(f"build/{image}" for image in IMAGES))
    finally:
        os.umask(before)
    differ = [image for image in IMAGES
              if (folder / "build" / image).read_bytes() != (BUILD / image).read_bytes()]
    assert not differ, f"cmp and readelf say where; kept in {folder}/build"
    shutil.rmtree(folder)


def test_the_release_before_is_a_commit(tmp_path: Path):
    assert re.fullmatch(r"[0-9a-f]{7,40}", commit_before(ROOT))
    with pytest.raises(NoHistory, match="is not here"):
        export(ROOT, "0123456", tmp_path / "none")

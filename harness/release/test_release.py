# SPDX-License-Identifier: BSD-2-Clause
"""A release's archive depends on names and bytes alone, and what is built knows nothing of
the folder that it was built in. `make release` itself compares two whole builds."""
import io
import lzma
import os
import re
import sys
import tarfile
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import release                          # noqa: E402
from before import ROOT, NoHistory, commit_before, export      # noqa: E402

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


def test_the_release_before_is_a_commit(tmp_path: Path):
    assert re.fullmatch(r"[0-9a-f]{7,40}", commit_before(ROOT))
    with pytest.raises(NoHistory, match="is not here"):
        export(ROOT, "0123456", tmp_path / "none")

# SPDX-License-Identifier: BSD-2-Clause
"""The site's archive: what is in it, and what is refused. cpio(1) is the second opinion."""

from __future__ import annotations

import os
import random
import socket
import subprocess
from pathlib import Path

import pytest

from clusters import site
from clusters.failure import Failure

NAMES = ["index.html", "a file with blanks.txt", "grüße/äöü ß.html", "日本語/ページ.html",
         "deep/er/and/deep/er.css", "percent%20sign", "plus+and&and?", "-dash", ".hidden",
         "quote'\"s", "long/" + "n" * 250]


def fill(folder: Path, seed: int = 1) -> dict[str, bytes]:
    """Writes files with NAMES and contents of many sizes."""
    draw = random.Random(seed)
    files = {}
    for number, name in enumerate(NAMES):
        content = draw.randbytes([0, 1, 2, 3, 4, 5, 4095, 4096, 70000][number % 9])
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
        files[name] = content
    return files


def pack(folder: Path, archive: Path) -> site.Site:
    """Packs a folder and checks the announced length."""
    found = site.read_site(folder)
    assert site.write_archive(found, archive) == archive.stat().st_size == found.archive_bytes
    return found


def refusal(folder: Path) -> str:
    """The line with which a folder is refused."""
    with pytest.raises(Failure) as caught:
        site.read_site(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture(name="folder")
def folder_fixture(tmp_path):
    """An empty site."""
    folder = tmp_path / "site"
    folder.mkdir()
    return folder


def test_cpio_unpacks_the_same_files(folder, tmp_path):
    files = fill(folder)
    for number, name in enumerate(NAMES):
        os.utime(folder / name, (0, 1_000_000_000 + number))
    pack(folder, tmp_path / "site.cpio")
    out = tmp_path / "out"
    out.mkdir()
    with open(tmp_path / "site.cpio", "rb") as archive:
        subprocess.run(["cpio", "-i", "--make-directories", "--preserve-modification-time",
                        "--quiet"], stdin=archive, cwd=out, check=True)
    assert {str(path.relative_to(out)): path.read_bytes()
            for path in out.rglob("*") if path.is_file()} == files
    assert [int((out / name).stat().st_mtime) for name in NAMES] == [
        1_000_000_000 + number for number in range(len(NAMES))]


def test_same_folder_gives_same_bytes_in_order_of_names(tmp_path):
    archives = []
    for turn, order in enumerate((NAMES, NAMES[::-1])):
        folder = tmp_path / f"site{turn}"
        for name in order:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(name.encode())
            os.utime(folder / name, (0, 1_500_000_000))
        found = pack(folder, tmp_path / f"{turn}.cpio")
        assert [member.name.encode() for member in found.members] == sorted(
            name.encode() for name in NAMES)
        archives.append((tmp_path / f"{turn}.cpio").read_bytes())
    assert archives[0] == archives[1]


def test_links_inside_are_followed(folder, tmp_path):
    (folder / "real").mkdir()
    (folder / "real" / "page.html").write_text("page")
    (folder / "link.html").symlink_to("real/page.html")
    (folder / "other").symlink_to("real")
    (folder / "absolute.html").symlink_to(folder / "real" / "page.html")
    found = pack(folder, tmp_path / "site.cpio")
    assert [member.name for member in found.members] == [
        "absolute.html", "link.html", "other/page.html", "real/page.html"]
    assert (tmp_path / "site.cpio").read_bytes().count(b"page\0\0\0\0") + (
        tmp_path / "site.cpio").read_bytes().count(b"page0707") == 4


def test_site_may_itself_be_a_link(folder, tmp_path):
    (folder / "index.html").write_text("x")
    (folder / "again.html").symlink_to(folder / "index.html")
    (tmp_path / "name").symlink_to(folder)
    assert len(site.read_site(tmp_path / "name").members) == 2


def test_front_page_is_asked_first_else_the_smallest_file(folder):
    (folder / "b").write_text("bb")
    (folder / "a").write_text("aaa")
    assert site.read_site(folder).probe_name() == "b"
    (folder / "index.html").write_text("the front page")
    assert site.read_site(folder).probe_name() == ""


def test_links_that_lead_out_are_refused(folder, tmp_path):
    (tmp_path / "secret").write_text("secret")
    (folder / "link").symlink_to("../secret")
    assert "leads out of the site" in refusal(folder)
    (folder / "link").unlink()
    (folder / "link").symlink_to("/etc")
    assert "leads out of the site, to /etc" in refusal(folder)


def test_links_without_an_end_are_refused(folder):
    (folder / "sub").mkdir()
    (folder / "sub" / "up").symlink_to("..")
    assert "it has no end" in refusal(folder)
    (folder / "sub" / "up").unlink()
    (folder / "loop").symlink_to("loop")
    assert "leads nowhere" in refusal(folder)
    (folder / "loop").unlink()
    (folder / "dead").symlink_to("absent")
    assert "leads nowhere (absent)" in refusal(folder)


def test_what_is_no_site_is_refused(folder, tmp_path):
    assert "no files in it" in refusal(folder)
    assert "no such directory" in refusal(tmp_path / "absent")
    (tmp_path / "file").write_text("x")
    assert "not a directory" in refusal(tmp_path / "file")


def test_what_a_url_cannot_say_is_refused(folder):
    (folder / os.fsdecode(b"caf\xe9")).write_text("latin 1")
    assert "not UTF-8" in refusal(folder)
    (folder / os.fsdecode(b"caf\xe9")).unlink()
    for name in ("back\\slash", "line\nbreak", "bell\a"):
        (folder / name).write_text("x")
        assert "no URL can say it" in refusal(folder)
        (folder / name).unlink()


def test_what_is_no_file_is_refused(folder):
    os.mkfifo(folder / "pipe")
    assert "neither a file nor a folder" in refusal(folder)
    (folder / "pipe").unlink()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(folder / "socket"))
        assert "neither a file nor a folder" in refusal(folder)


def test_a_file_that_nobody_may_read_is_refused(folder, monkeypatch):
    (folder / "page").write_text("x")
    (folder / "page").chmod(0)
    # Root may read everything: ask as what another user would hear.
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).stat().st_mode & 0o444 != 0)
    assert refusal(folder).endswith("page: not readable for this user")


def test_a_file_that_changes_meanwhile_is_noticed(folder, tmp_path):
    (folder / "page").write_text("long before")
    found = site.read_site(folder)
    for content in ("short", "much longer than before"):
        (folder / "page").write_text(content)
        with pytest.raises(Failure, match="changed while it was read"):
            site.write_archive(found, tmp_path / "site.cpio")


def test_a_full_disk_is_one_line(folder):
    (folder / "page").write_bytes(bytes(1 << 16))
    with pytest.raises(Failure, match="No space left"):
        site.write_archive(site.read_site(folder), Path("/dev/full"))


def test_many_files(folder, tmp_path):
    for number in range(2000):
        (folder / f"page {number}.html").write_text(str(number))
    assert len(pack(folder, tmp_path / "site.cpio").members) == 2000

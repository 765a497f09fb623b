# SPDX-License-Identifier: BSD-2-Clause
"""What machines fetch: the script, and the server of one folder."""

from __future__ import annotations

import http.client
import os
import socket
import threading
from pathlib import Path

import pytest

from pxe import boot


# ---- the script ----

def test_script_names_no_machine_and_no_address():
    text = boot.script("deos.elf", ["boot.cpio", "site.cpio"], "quiet  ip=10.0.0.9/24")
    lines = text.splitlines()
    assert lines[0] == "#!ipxe"
    assert [line for line in lines if line.startswith(("kernel", "initrd", "boot"))] == [
        "kernel deos.elf quiet ip=10.0.0.9/24 || goto failed",
        "initrd boot.cpio || goto failed", "initrd site.cpio || goto failed",
        "boot || goto failed"]
    assert "://" not in text and "${" not in text
    assert lines[-1] == "goto again" and ":again" in lines and ":failed" in lines


@pytest.mark.parametrize("words", ["a||b", "a;b", "${mac}", "'x'", 'x"y', "a\\b", "\u00fc",
                                   "x" * 1024])
def test_script_refuses_what_ipxe_would_change(words):
    with pytest.raises(boot.BootError, match="command line"):
        boot.script("deos.elf", [], words)


@pytest.mark.parametrize("name", ["a b", "../x", "", "-x", "a/b", ".x", "x" * 65])
def test_script_refuses_names_that_are_no_plain_names(name):
    with pytest.raises(boot.BootError, match="name of a boot file"):
        boot.script("deos.elf", [name], "")


def test_folder_holds_copies(tmp_path):
    build, folder = tmp_path / "build", tmp_path / "boot"
    build.mkdir()
    folder.mkdir()
    (build / "deos.elf").write_bytes(b"kernel 1")
    (folder / "site.cpio").write_bytes(b"site")
    made = boot.write_script(folder, build / "deos.elf", [folder / "site.cpio"], "")
    assert made == folder / "boot.ipxe"
    with open(build / "deos.elf", "r+b") as rebuilt:
        rebuilt.write(b"kernel 2")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        "deos.elf": b"kernel 1", "site.cpio": b"site",
        "boot.ipxe": boot.script("deos.elf", ["site.cpio"], "").encode()}


def test_folder_says_what_is_not_built(tmp_path):
    with pytest.raises(boot.BootError, match=r"deos\.elf is not there: run 'make'"):
        boot.write_script(tmp_path, tmp_path / "deos.elf", [], "")


# ---- the server ----

BIG = os.urandom((1 << 20) + 17)


class Reports:
    """Keeps what the server tells, and waits for requests to end."""

    def __init__(self):
        self.all: list[boot.Fetch] = []
        self.changed = threading.Condition()

    def __call__(self, fetch: boot.Fetch) -> None:
        with self.changed:
            self.all.append(fetch)
            self.changed.notify_all()

    def ended(self, count: int) -> list[boot.Fetch]:
        """The last reports of `count` requests."""
        def last() -> list[boot.Fetch]:
            return [fetch for fetch in self.all if fetch.ended]
        with self.changed:
            assert self.changed.wait_for(lambda: len(last()) >= count, 20)
            return last()


@pytest.fixture
def reports() -> Reports:
    return Reports()


@pytest.fixture
def server(tmp_path, reports):
    folder = tmp_path / "boot"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(b"secret")
    (folder / "big").write_bytes(BIG)
    (folder / "empty").write_bytes(b"")
    (folder / "link").symlink_to("../secret")
    (folder / "sub").mkdir()
    (folder / "sub" / "inner").write_bytes(b"inner")
    os.mkfifo(folder / "pipe")
    with boot.FileServer(folder, "127.0.0.1", 0, reports) as running:
        yield running


def connect(server: boot.FileServer) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)


def test_server_sends_files_on_one_connection(server, reports):
    connection = connect(server)
    for name, content in (("big", BIG), ("empty", b""), ("big?mac=1", BIG), ("%62ig", BIG)):
        connection.request("GET", "/" + name)
        answer = connection.getresponse()
        assert (answer.status, answer.version) == (200, 11)
        assert answer.read() == content
        assert connection.sock is not None      # it stayed open
    connection.close()
    assert [(fetch.client, fetch.name, fetch.sent, fetch.complete)
            for fetch in reports.ended(4)] == [
        ("127.0.0.1", "big", len(BIG), True), ("127.0.0.1", "empty", 0, True),
        ("127.0.0.1", "big", len(BIG), True), ("127.0.0.1", "big", len(BIG), True)]
    first = reports.all[:reports.all.index(reports.ended(1)[0]) + 1]
    assert [fetch.sent for fetch in first] == sorted(fetch.sent for fetch in first)
    assert len(first) > 3                       # progress was told in between


def test_server_answers_head_without_the_file(server, reports):
    connection = connect(server)
    connection.request("HEAD", "/big")
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("Content-Length")) == (200, str(len(BIG)))
    assert answer.read() == b""
    connection.request("GET", "/empty")
    assert connection.getresponse().status == 200
    assert [fetch.name for fetch in reports.ended(1)] == ["empty"]


@pytest.mark.parametrize("path", [
    "/../secret", "/%2e%2e/secret", "/..%2fsecret", "//secret", "/link", "/sub", "/sub/inner",
    "/pipe", "/", "/.", "/..", "/big/", "/big%00", "/nothing", "/sub/../big", "big", "*",
    "http://127.0.0.1/big", "/" + "x" * 5000])
def test_server_has_no_way_out_of_its_folder(server, reports, path):
    with socket.create_connection(("127.0.0.1", server.port), 20) as raw:
        raw.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: raw.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 404 ") and b"secret" not in answer
    assert [(fetch.status, fetch.size) for fetch in reports.ended(1)] == [(404, 0)]


def test_server_reports_how_far_a_machine_got(server, reports):
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.connect(("127.0.0.1", server.port))
        raw.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        raw.recv(1)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    last = reports.ended(1)[0]
    assert last.name == "big" and last.sent < last.size == len(BIG) and not last.complete


def test_a_rack_at_once(server, reports):
    got: list[bytes] = []

    def load() -> None:
        connection = connect(server)
        for _ in range(2):
            connection.request("GET", "/big")
            got.append(connection.getresponse().read())
        connection.close()

    threads = [threading.Thread(target=load) for _ in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 120 and all(content == BIG for content in got)
    assert all(fetch.complete for fetch in reports.ended(120))


def test_machines_beyond_the_limit_wait_for_a_place(tmp_path, monkeypatch):
    monkeypatch.setattr(boot, "CONNECTIONS_MAX", 2)
    (tmp_path / "f").write_bytes(b"content")
    with boot.FileServer(tmp_path, "127.0.0.1", 0) as server:
        first = [connect(server) for _ in range(2)]
        for connection in first:
            connection.request("GET", "/f")
            assert connection.getresponse().read() == b"content"
        late = connect(server)
        late.request("GET", "/f")
        late.sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            late.sock.recv(1, socket.MSG_PEEK)
        first[0].close()
        late.sock.settimeout(60)
        assert late.getresponse().read() == b"content"


@pytest.mark.parametrize("request_line, status", [
    ("POST /big HTTP/1.1", 501), ("GET /big HTTP/3.0", 505), ("GET", 400), ("\0\1\2", 400)])
def test_server_refuses_what_is_no_request_for_a_file(server, request_line, status):
    with socket.create_connection(("127.0.0.1", server.port), 20) as raw:
        raw.sendall(f"{request_line}\r\nHost: x\r\n\r\n".encode())
        answer = b"".join(iter(lambda: raw.recv(65536), b""))
    assert str(status).encode() in answer
    connection = connect(server)                # and goes on
    connection.request("GET", "/big")
    assert connection.getresponse().read() == BIG


def test_server_says_which_port_is_taken(server):
    with pytest.raises(boot.BootError, match=rf"127\.0\.0\.1:{server.port}: Address already"):
        boot.FileServer(Path("."), "127.0.0.1", server.port)


def test_stopped_server_gives_its_port_back(tmp_path):
    server = boot.FileServer(tmp_path, "127.0.0.1", 0)
    server.start()
    assert server.url() == f"http://127.0.0.1:{server.port}/boot.ipxe"
    server.stop()
    boot.FileServer(tmp_path, "127.0.0.1", server.port).stop()

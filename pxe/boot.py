# SPDX-License-Identifier: BSD-2-Clause
"""The folder that machines boot from, and the HTTP server of exactly that folder.

One iPXE script serves every machine: it names the kernel, its command line and
its modules relative to itself, so it holds no address and no machine's name.
Whoever reaches the server can fetch what is in the folder.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import stat
import sys
import threading
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO, Callable, Sequence
from urllib.parse import unquote

from clusters.failure import Failure

SCRIPT = "boot.ipxe"
RETRY_SECONDS = 5
CMDLINE_MAX = 1023              # kernel/arch/x86_64/multiboot.h, with the terminator
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
# iPXE expands ${...}, takes quotes and backslashes away and ends commands at ||, && and ;.
WORD = re.compile(r"[A-Za-z0-9_.,:/=@+%-]+")

CHUNK = 64 << 10
SEND_BUFFER = 128 << 10         # bounds memory, and by how much "sent" is ahead of the machine
IDLE_SECONDS = 10               # a machine that has booted never closes its connection
CONNECTIONS_MAX = 512


class BootError(Failure):
    """The machines cannot be served."""


def printable(text: str) -> str:
    """A stranger's words as a terminal may show them."""
    return "".join(c if c.isprintable() else "?" for c in text[:200])


def script(kernel: str, modules: Sequence[str], cmdline: str) -> str:
    """The iPXE script. A machine that cannot load everything tries again for ever."""
    for name in (kernel, *modules):
        if not NAME.fullmatch(name):
            raise BootError(f"{name}: the name of a boot file is made of A-Z a-z 0-9 _ . -")
    for word in cmdline.split():
        if not WORD.fullmatch(word):
            raise BootError(f"command line: '{word}' does not pass through an iPXE script "
                            "(letters, digits and _.,:/=@+%- do)")
    words = " ".join(cmdline.split())
    if len(words) + len(kernel) + 128 > CMDLINE_MAX:        # the kernel's URL stands before it
        raise BootError(f"the command line is longer than {CMDLINE_MAX - 128 - len(kernel)} bytes")
    lines = ["#!ipxe", "# One script for every machine; the names are relative to it.", ":again",
             f"kernel {kernel} {words}".rstrip() + " || goto failed"]
    lines += [f"initrd {module} || goto failed" for module in modules]
    lines += ["boot || goto failed", ":failed",
              f"echo DEOS could not be loaded; trying again in {RETRY_SECONDS} s",
              "imgfree", f"sleep {RETRY_SECONDS}", "goto again"]
    return "\n".join([*lines, ""])


def write_script(folder: Path, kernel: Path, modules: Sequence[Path], cmdline: str) -> Path:
    """Puts kernel and modules into a folder, with the script that boots them.

    They are copied, so that a build in the meantime does not change what a machine is loading; a
    file that lies in the folder already stays. Returns the script's path.
    """
    text = script(kernel.name, [module.name for module in modules], cmdline)
    for path in (kernel, *modules):
        if not path.is_file():
            raise BootError(f"{path} is not there: run 'make'")
        try:
            if path.resolve().parent != folder.resolve():
                shutil.copyfile(path, folder / path.name)
            (folder / path.name).chmod(0o644)
        except OSError as error:
            raise BootError(f"{error.filename}: {error.strerror}") from error
    (folder / SCRIPT).write_text(text)
    (folder / SCRIPT).chmod(0o644)
    return folder / SCRIPT


@dataclass(frozen=True)
class Fetch:
    """How far one request got. `sent` counts bytes of the file, without the head."""

    client: str                 # address
    method: str
    name: str                   # of the file; of a refused request, what was asked for
    status: int
    sent: int
    size: int
    ended: bool                 # the last report of this request

    @property
    def complete(self) -> bool:
        return self.ended and self.status == HTTPStatus.OK and self.sent == self.size


class _Handler(BaseHTTPRequestHandler):
    """GET and HEAD of the files in the server's folder, on connections that stay open."""

    server: _Server
    server_version = "DEOS-boot"
    sys_version = ""
    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True
    error_message_format = "%(code)d %(message)s\n"
    error_content_type = "text/plain"

    def log_message(self, *_words) -> None:
        """Requests are reported by tell(); the base class would write to stderr."""

    def tell(self, name: str, status: int, sent: int = 0, size: int = 0,
             ended: bool = True) -> None:
        self.server.on_fetch(Fetch(self.client_address[0], self.command, name, status, sent,
                                   size, ended))

    def do_GET(self) -> None:
        """Sends a file."""
        self.answer(True)

    def do_HEAD(self) -> None:
        """Sends what a GET would send before the file."""
        self.answer(False)

    def answer(self, with_body: bool) -> None:
        """The whole of a request."""
        path = unquote(self.path.partition("?")[0])
        file = self.server.open(path)
        if file is None:
            self.tell(printable(path), HTTPStatus.NOT_FOUND)
            self.send_error(HTTPStatus.NOT_FOUND, "no such file here")
            return
        with file:
            size = os.fstat(file.fileno()).st_size
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(size))
            self.end_headers()
            if with_body:
                self.send_file(path[1:], file, size)

    def send_file(self, name: str, file: BinaryIO, size: int) -> None:
        """The body, reported piece by piece: a machine may stop in the middle."""
        sent = 0
        self.tell(name, HTTPStatus.OK, 0, size, ended=False)
        try:
            while sent < size:
                piece = file.read(min(CHUNK, size - sent))
                if not piece:
                    self.close_connection = True    # the file became shorter
                    break
                self.wfile.write(piece)
                sent += len(piece)
                if sent < size:
                    self.tell(name, HTTPStatus.OK, sent, size, ended=False)
        except OSError:                             # the machine went away
            self.close_connection = True
        finally:
            self.tell(name, HTTPStatus.OK, sent, size)


class _Server(ThreadingHTTPServer):
    """A thread a connection, CONNECTIONS_MAX at most; more wait to be accepted."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 512

    def __init__(self, folder: Path, address: tuple[str, int],
                 on_fetch: Callable[[Fetch], None]) -> None:
        self.folder = folder
        self.on_fetch = on_fetch
        self.places = threading.BoundedSemaphore(CONNECTIONS_MAX)
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Without the base class's look-up of this host's name, which can take long."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.server_address[:2]

    def open(self, path: str) -> BinaryIO | None:
        """The file of a request's path: a plain name, of a regular file in the folder itself."""
        if not NAME.fullmatch(path[1:]) or path[0] != "/":
            return None
        try:
            number = os.open(self.folder / path[1:],
                             os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None
        if not stat.S_ISREG(os.fstat(number).st_mode):
            os.close(number)
            return None
        return os.fdopen(number, "rb", buffering=0)

    def process_request(self, request, client_address) -> None:
        """Starts a connection's thread as soon as there is a place for it."""
        if not self.places.acquire(timeout=IDLE_SECONDS):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:                        # no more threads on this machine
            self.places.release()
            self.shutdown_request(request)

    def process_request_thread(self, request, client_address) -> None:
        """One connection, from its first request to its end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.places.release()

    def handle_error(self, request, client_address) -> None:
        """A connection that broke is the client's affair, and shows in its Fetch."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class FileServer:
    """Serves the files in a folder by HTTP, from start() until stop().

    on_fetch is called from the connections' threads, at the start of each transfer, while it goes
    on and at its end; a request that is refused is reported once.
    """

    def __init__(self, folder: Path, address: str, port: int,
                 on_fetch: Callable[[Fetch], None] = lambda fetch: None) -> None:
        try:
            self._server = _Server(folder, (address, port), on_fetch)
        except OSError as error:
            raise BootError(f"HTTP on {address}:{port}: {error.strerror}: choose another "
                            "port") from error
        self.address, self.port = self._server.server_address[:2]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,),
                                        name="boot-http", daemon=True)

    def url(self, name: str = SCRIPT) -> str:
        """Where machines on the link find a file."""
        return f"http://{self.address}:{self.port}/{name}"

    def start(self) -> None:
        """Begins to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Accepts no more; transfers under way end with the process."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def __enter__(self) -> FileServer:
        self.start()
        return self

    def __exit__(self, *_exception) -> None:
        self.stop()

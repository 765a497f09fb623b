# SPDX-License-Identifier: BSD-2-Clause
"""Clients that check every byte, for clusters whose nodes die.

    load = Load(cluster.port, files, clients=8, seed=7)
    with load:
        ...
    load.failures      what went wrong, each with the time at which its request began

Each client asks for one file after another, over connections that last for some
requests. As other clients do (RFC 9112, 9.3.1), it asks again, once, when a
connection that has answered before ends without a byte of this answer: the server
may have given it up before the request came. Nothing else is tried twice. A request
begins when its client first sends it or first tries to connect for it.
"""

from __future__ import annotations

import random
import socket
import threading
import time
from collections import Counter
from dataclasses import dataclass
from urllib.parse import quote

SECONDS = 20.0  # for a whole answer: slow is no failure
PER_CONNECTION_MAX = 100
HEAD_MAX = 16 << 10
WRONG = "wrong bytes"
KEPT_MAX = 100_000


@dataclass(frozen=True)
class Failed:
    """A request that did not bring what it should have."""

    began: float  # time.monotonic()
    ended: float
    path: str
    why: str


class Refused(Exception):
    """No answer, or not the one that was wanted."""


class Unanswered(Refused):
    """The connection ended before the first byte of an answer."""


class Client:
    """One connection at a time."""

    def __init__(self, port: int, seconds: float = SECONDS) -> None:
        self.port = port
        self.seconds = seconds
        self.link: socket.socket | None = None
        self.answered = 0  # on this connection

    def get(self, path: str) -> bytes:
        """The content of a path."""
        if self.link is not None:
            try:
                return self._ask(path)
            except Unanswered:
                self.close()
        try:
            self.link = socket.create_connection(("127.0.0.1", self.port), self.seconds)
            self.answered = 0
            return self._ask(path)
        except OSError as error:
            self.close()
            raise Refused(f"no connection ({error.strerror or error})") from error
        except Refused:
            self.close()
            raise

    def _ask(self, path: str) -> bytes:
        assert self.link is not None
        deadline = time.monotonic() + self.seconds
        request = f"GET {quote(path)} HTTP/1.1\r\nHost: deos\r\n\r\n".encode()
        said = b""
        try:
            self.link.settimeout(self.seconds)
            self.link.sendall(request)
            while b"\r\n\r\n" not in said and len(said) < HEAD_MAX:
                said += self._receive(deadline)
            head, _, body = said.partition(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            length, lasts = self._read_head(lines)
            parts, missing = [body], length - len(body)
            while missing > 0:
                parts.append(self._receive(deadline))
                missing -= len(parts[-1])
        except TimeoutError as error:
            self.close()
            raise Refused(f"no {'end' if said else 'answer'} in {self.seconds:g} s") from error
        except OSError as error:
            self.close()
            kind = Refused if said else Unanswered
            raise kind(f"the connection broke ({error.strerror or error})") from error
        self.answered += 1
        if not lasts:
            self.close()
        status = lines[0].split(" ", 2)
        if status[1] != "200":
            raise Refused(f"status {status[1]}")
        return b"".join(parts)

    def _receive(self, deadline: float) -> bytes:
        assert self.link is not None
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.link.settimeout(left)
        data = self.link.recv(256 << 10)
        if not data:
            raise ConnectionResetError("closed by the server")
        return data

    @staticmethod
    def _read_head(lines: list[str]) -> tuple[int, bool]:
        """How long the content is, and whether the connection lasts."""
        fields = {name.strip().lower(): value.strip() for name, _, value in
                  (line.partition(":") for line in lines[1:])}
        if not lines[0].startswith("HTTP/1.1 ") or not fields.get("content-length",
                                                                   "").isdigit():
            raise Refused(f"no answer that can be read: {lines[0][:80]!r}")
        return int(fields["content-length"]), fields.get("connection", "").lower() != "close"

    def close(self) -> None:
        """Ends the connection, if there is one."""
        if self.link is not None:
            self.link.close()
            self.link = None


class Load:
    """Clients in threads, from `with` to its end."""

    def __init__(self, port: int, files: dict[str, bytes], *, clients: int = 4, seed: int = 1,
                 pause: float = 0.0) -> None:
        self.port = port
        self.files = files
        self.paths = sorted(files)
        self.pause = pause  # of each client, between two requests
        self.done = 0
        self.bytes = 0
        self.failures: list[Failed] = []
        self.reasons: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(random.Random(seed * 1000 + n),),
                                          daemon=True) for n in range(clients)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(2 * SECONDS + 5)

    def _run(self, draw: random.Random) -> None:
        client = Client(self.port)
        lasts = 0
        while not self._stopped.is_set():
            if lasts == 0:
                client.close()
                lasts = draw.randrange(1, PER_CONNECTION_MAX)
            lasts -= 1
            self._one(client, draw.choice(self.paths))
            if self.pause:
                self._stopped.wait(self.pause)
        client.close()

    def _one(self, client: Client, path: str) -> None:
        began = time.monotonic()
        try:
            content = client.get(path)
            why = "" if content == self.files[path] else WRONG
        except Refused as error:
            content, why = b"", str(error)
        with self._lock:
            self.done += 1
            self.bytes += len(content)
            if why:
                self.reasons[why] += 1
                if len(self.failures) < KEPT_MAX:
                    self.failures.append(Failed(began, time.monotonic(), path, why))
        if why:
            self._stopped.wait(0.05)  # a refusal costs nothing: do not count it a million times

    def wrong(self) -> list[Failed]:
        """Answers with wrong bytes: never excused."""
        return [one for one in self.failures if one.why == WRONG]

    def unexcused(self, windows: list[tuple[float, float]]) -> list[Failed]:
        """Failures of requests that neither began inside one of the windows nor were under way
        when it began, and wrong bytes."""
        return [one for one in self.failures if one.why == WRONG or not any(
            one.began <= end and one.ended >= begin for begin, end in windows)]

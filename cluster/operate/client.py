# SPDX-License-Identifier: BSD-2-Clause
"""Requests to the control interface, each with its end: an answer, a reason, a time-out.

A request that is sent in pieces is watched while it is sent: the node may answer
before it has all of it, with an error, and closes then.
"""

from __future__ import annotations

import http.client
import json
import select
import socket
import time
from dataclasses import dataclass
from typing import Any, Callable, Iterable
from urllib.parse import quote, urlencode

from clusters.failure import Failure

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 15.0
# A node asks others in turn for what their programs printed, 3 s each.
LOGS_SECONDS = 60.0
# Until the cluster takes more of an upload, or answers after the last of it: disks and
# fabric may be under an emulator, and a manifest of 65,536 files is written at the end.
UPLOAD_SECONDS = 120.0
TRIES = 2
PAUSE_SECONDS = 1.0
ANSWER_MAX = 16 << 20
PAGES_MAX = 256


class Refused(Failure):
    """The cluster answered, with an error."""

    def __init__(self, code: int, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class Lost(Failure):
    """No answer came."""


@dataclass(frozen=True)
class Upload:
    """The content of a request, made while it is sent."""

    length: int
    pieces: Iterable[bytes]


def answer_object(content: bytes) -> dict:
    """An answer's JSON."""
    told = json.loads(content)
    if not isinstance(told, dict):
        raise ValueError("no object")
    return told


class Client:
    """One cluster, at one address of its control interface."""

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port

    @property
    def name(self) -> str:
        """The address, for people."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def get(self, *path: str, **query: object) -> dict:
        """GET: repeated when the connection fails, for it changes nothing."""
        for tried in range(1, TRIES + 1):
            try:
                return self.request("GET", path, query)
            except Lost:
                if tried == TRIES:
                    raise
            time.sleep(PAUSE_SECONDS)
        raise AssertionError("not reached")

    def whole(self, route: str, name: str, *lists: str) -> dict:
        """GET, page after page until these lists are whole. What ends them before that leaves
        `truncated` in the answer."""
        told = self.get(route, name)
        for _ in range(PAGES_MAX):
            if not lists or not told["next"] or not told["truncated"]:
                break
            page = self.get(route, name, **{"from": told["next"]})
            for key in lists:
                told[key] += page[key]
            told.update(next=page["next"], truncated=page["truncated"])
        return told

    def text(self, target: str) -> str:
        """GET of what is no JSON."""
        return self._exchange("GET", target, None, lambda content: content.decode())

    def request(self, method: str, path: tuple[str, ...], query: dict[str, object] | None = None,
                upload: Upload | None = None) -> dict:
        """One request; its answer, or its error as a Failure."""
        target = "/api/" + "/".join(quote(part, safe="") for part in path)
        if query:
            target += "?" + urlencode(query)
        return self._exchange(method, target, upload, answer_object)

    def _exchange(self, method: str, target: str, upload: Upload | None,
                  read: Callable[[bytes], Any]) -> Any:
        link = http.client.HTTPConnection(self.host, self.port, timeout=CONNECT_SECONDS)
        try:
            self._connect(link)
            self._send(link, method, target, upload)
            return self._answer(link, read)
        except TimeoutError as error:
            raise Lost(f"{self.name} did not answer in time: is that node well? --cluster may "
                       "name another one") from error
        except (http.client.HTTPException, ValueError) as error:
            raise Lost(f"{self.name} does not answer as a cluster's control interface does: is "
                       "this its port (7077)?") from error
        except OSError as error:
            raise Lost(f"{self.name}: the connection broke off ({error.strerror or error}): try "
                       "again") from error
        finally:
            link.close()

    def _connect(self, link: http.client.HTTPConnection) -> None:
        try:
            link.connect()
        except TimeoutError as error:
            raise Lost(f"{self.name}: nothing answers there: is the address right, and the "
                       "cluster up?") from error
        except socket.gaierror as error:
            raise Lost(f"{self.host}: no such host ({error.strerror}): give --cluster "
                       "http://HOST[:PORT]") from error
        except OSError as error:
            raise Lost(f"{self.name}: {error.strerror or error}: is the cluster up? --cluster "
                       "names another one") from error

    def _send(self, link: http.client.HTTPConnection, method: str, target: str,
              upload: Upload | None) -> None:
        link.putrequest(method, target, skip_accept_encoding=True)
        link.putheader("Connection", "close")
        if method != "GET":
            link.putheader("Content-Length", str(upload.length if upload else 0))
        link.endheaders()
        link.sock.settimeout(LOGS_SECONDS if "/logs/" in target else ANSWER_SECONDS)
        if upload is not None:
            self._send_upload(link.sock, upload)

    def _send_upload(self, sock: socket.socket, upload: Upload) -> None:
        """Sends the pieces, unless an answer comes first: it is read by who called."""
        sock.setblocking(False)
        left = upload.length
        for piece in upload.pieces:
            view = memoryview(piece)
            left -= len(piece)
            while view:
                readable, writable, _ = select.select([sock], [sock], [], UPLOAD_SECONDS)
                if readable:
                    sock.settimeout(ANSWER_SECONDS)
                    return
                if not writable:
                    raise TimeoutError
                try:
                    view = view[sock.send(view):]
                except BlockingIOError:
                    continue
                except (BrokenPipeError, ConnectionResetError):
                    sock.settimeout(ANSWER_SECONDS)
                    return  # what it said before may still be there
        assert left == 0, "an upload is not as long as it said"
        sock.settimeout(UPLOAD_SECONDS)

    def _answer(self, link: http.client.HTTPConnection, read: Callable[[bytes], Any]) -> Any:
        answer = link.getresponse()
        content = answer.read(ANSWER_MAX)
        if answer.length:
            raise http.client.IncompleteRead(content)
        if answer.status >= 400:
            told = answer_object(content)
            raise Refused(answer.status, str(told.get("error") or f"error {answer.status}"))
        return read(content)

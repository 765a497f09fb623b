# SPDX-License-Identifier: BSD-2-Clause
"""Asks web servers whether they serve: once, or until one does."""

from __future__ import annotations

import http.client
import threading
import time

FIRST_PAUSE = 0.02
LAST_PAUSE = 0.5
ANSWER_SECONDS = 10.0
READ_MAX = 64 << 10


def asks_well(port: int, path: str, may_lack: bool = False,
              seconds: float = ANSWER_SECONDS) -> str:
    """One GET at 127.0.0.1:port: "" when the answer was a 200, else what it was. With
    `may_lack`, a page that is not there is as good."""
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        link.request("GET", path, headers={"Connection": "close"})
        answer = link.getresponse()
        answer.read(READ_MAX)
        good = answer.status == 200 or may_lack and answer.status == 404
        return "" if good else f"it answers {answer.status} {answer.reason}"
    except (OSError, http.client.HTTPException) as error:
        return f"it does not answer ({error or type(error).__name__})"
    finally:
        link.close()


class Probe:
    """Goes on asking in a thread of its own; whoever waits looks at `answered`."""

    def __init__(self, port: int, path: str, may_lack: bool = False) -> None:
        self.port = port
        self.path = path
        self.may_lack = may_lack
        self.answered = False
        self.why = "it was not asked yet"
        self._stopped = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while not self._stopped.is_set():
            started = time.monotonic()
            self.why = asks_well(self.port, self.path, self.may_lack)
            if not self.why:
                self.answered = True
                return
            self._stopped.wait(max(0.0, pause - (time.monotonic() - started)))
            pause = min(pause * 1.5, LAST_PAUSE)

    def stop(self) -> None:
        """Asks no more, and counts no late answer."""
        self._stopped.set()

# SPDX-License-Identifier: BSD-2-Clause
"""Asks a web server until it answers 200."""

from __future__ import annotations

import http.client
import threading
import time
from urllib.parse import quote

FIRST_PAUSE = 0.02
LAST_PAUSE = 0.5
ANSWER_SECONDS = 10.0
READ_MAX = 64 << 10


def asks_well(port: int, path: str) -> str:
    """One GET at 127.0.0.1:port: "" when the answer was a 200, else what it was."""
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
    try:
        link.request("GET", path, headers={"Connection": "close"})
        answer = link.getresponse()
        answer.read(READ_MAX)
        return "" if answer.status == 200 else f"it answers {answer.status} {answer.reason}"
    except (OSError, http.client.HTTPException) as error:
        return f"it does not answer ({error or type(error).__name__})"
    finally:
        link.close()


class Probe:
    """Goes on asking in a thread of its own; whoever waits looks at `answered`."""

    def __init__(self, port: int, name: str) -> None:
        self.port = port
        self.path = "/" + quote(name)
        self.answered = False
        self.why = "it was not asked yet"
        self._stopped = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while not self._stopped.is_set():
            started = time.monotonic()
            self.why = asks_well(self.port, self.path)
            if not self.why:
                self.answered = True
                return
            self._stopped.wait(max(0.0, pause - (time.monotonic() - started)))
            pause = min(pause * 1.5, LAST_PAUSE)

    def stop(self) -> None:
        """Asks no more, and counts no late answer."""
        self._stopped.set()

# SPDX-License-Identifier: BSD-2-Clause
"""What the harness asks the cluster's own control interface (docs/api.md)."""

from __future__ import annotations

import http.client
import json
import threading
import time
from typing import Callable

SECONDS = 10.0
PAUSE = 0.2
AGENT_PORT = 7077
DISK_SECONDS = 10.0  # that disks are waited for: one may be another cluster's


def get(port: int, path: str, seconds: float = SECONDS) -> dict:
    """One GET of the control interface behind a port of 127.0.0.1. OSError when nothing
    answers, ValueError when what answers is no JSON or an error."""
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        link.request("GET", path, headers={"Connection": "close"})
        answer = link.getresponse()
        content = json.loads(answer.read())
        if answer.status != 200:
            raise ValueError(content.get("error", f"it answers {answer.status}"))
        return content
    except http.client.HTTPException as error:
        raise ConnectionError(str(error) or type(error).__name__) from error
    finally:
        link.close()


def why_not_formed(status: dict, nodes: int) -> str:
    """What a cluster of so many nodes still lacks; "" when it is one."""
    alive = sum(node["life"] != "dead" for node in status["nodes"])
    if alive < nodes:
        return f"{alive} of {nodes} nodes have found one another"
    if not status["formed"]:
        return status.get("reason") or "its nodes have not agreed yet"
    if not status["virtual_address"]:
        return "it has no virtual address yet"
    return ""


def lacks_disks(status: dict, nodes: int) -> bool:
    """Whether what is deployed now would lie on one disk only."""
    return status["voters"] < min(nodes, 2)


class Watcher:
    """Goes on asking nodes for the cluster's status, in a thread of its own."""

    def __init__(self, ports: Callable[[], list[int]], nodes: int) -> None:
        self.ports = ports
        self.nodes = nodes
        self.why = "its nodes have no addresses yet"
        self.status: dict | None = None  # of a cluster that has formed
        self.formed_at = 0.0  # when it was first seen as one
        self._stopped = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while not self._stopped.is_set():
            for port in self.ports():
                if self._ask(port):
                    return
            self._stopped.wait(PAUSE)

    def _ask(self, port: int) -> bool:
        try:
            status = get(port, "/api/status")
            self.why = why_not_formed(status, self.nodes)
        except (OSError, ValueError) as error:
            self.why = f"an agent does not answer well ({error or type(error).__name__})"
            return False
        except (KeyError, TypeError) as error:
            self.why = f"an agent's answer lacks {error}"
            return False
        if self.why:
            return False
        self.formed_at = self.formed_at or time.monotonic()
        if lacks_disks(status, self.nodes) and time.monotonic() < self.formed_at + DISK_SECONDS:
            self.why = f"{status['voters']} of {self.nodes} disks are the cluster's"
            return False
        self.status = status
        return True

    def stop(self) -> None:
        """Asks no more."""
        self._stopped.set()

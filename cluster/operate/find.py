# SPDX-License-Identifier: BSD-2-Clause
"""Which cluster is meant: the one named, or the one that harness/cluster up started."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from clusters.client import not_up
from clusters.failure import Failure, Usage
from clusters.state import State

from .client import Client

PORT = 7077
SHAPE = "--cluster is http://HOST[:PORT]"


def client_of(url: str) -> Client:
    """The client of a URL; its port is 7077 where it names none."""
    if "://" not in url:
        url = f"http://{url}"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise Usage(f"'{url}': {SHAPE} ({error})") from error
    if parts.scheme != "http" or not host or parts.path not in ("", "/") or parts.query:
        raise Usage(f"'{url}': {SHAPE}")
    return Client(host, port or PORT)


def running(folder: Path) -> Client:
    """The cluster that runs from a state folder of harness/cluster."""
    state = State(folder)
    if not state.folder.is_dir() or state.supervisor() is None:
        raise Failure(f"{not_up(state)}; --cluster URL names one elsewhere")
    url = state.read().get("api")
    if not url:
        raise Failure(f"the run in {folder} is no cluster (harness/cluster up --standalone), or "
                      "is only coming up: it has no control interface")
    return client_of(url)

"""Clusters of Dask on this machine, and what is compared of runs: shared by test_cluster*.py."""

from __future__ import annotations

import json
import logging
import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import distributed
from cli_cases import Outcome
from file_cases import files_below

# They have no types.
LocalCluster: Any = distributed.LocalCluster
Client: Any = distributed.Client
LOCAL = {
    "threads_per_worker": 1,
    "processes": True,
    "host": "127.0.0.1",
    "scheduler_kwargs": {"dashboard": False, "dashboard_address": "127.0.0.1:0"},
    "silence_logs": logging.CRITICAL,
}


def numbers(outcome: Outcome) -> Any:
    """Return what ``--json`` says, but for the times."""
    assert (outcome.code, outcome.err) == (0, ""), outcome
    document = json.loads(outcome.out)
    whole = document["overall"] if isinstance(document["overall"], list) else [document["overall"]]
    for entry in [*document["inputs"], *whole]:
        del entry["seconds"], entry["rows_per_second"]
    return document


def take_outputs() -> dict[str, bytes]:
    """Return the bytes of all outputs, and remove them."""
    found = {name: data for name, data in files_below(".").items() if "out" in name}
    for name in found:
        Path(name).unlink()
    return found


class Proxy:
    """A way to a scheduler that can be cut."""

    def __init__(self, target: str) -> None:
        host, port = target.removeprefix("tcp://").rsplit(":", 1)
        self._target = host, int(port)
        self._pairs: list[socket.socket] = []
        self._open = True
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp://127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            if not self._open:
                near.close()
                continue
            far = socket.create_connection(self._target)
            self._pairs += [near, far]
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=_pass_on, args=(one, other), daemon=True).start()

    def cut(self) -> None:
        """End all connections, and take no new ones."""
        self._open = False
        for each in self._pairs:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._pairs = []

    def restore(self) -> None:
        """Take connections again."""
        self._open = True

    def close(self) -> None:
        """End everything."""
        self.cut()
        self._server.close()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    """Copy all that comes from one connection to another."""
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    for each in (source, target):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)

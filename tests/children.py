"""What child processes run: spawned ones import it, which they cannot do with a test module."""

from __future__ import annotations

from typing import Any

import fastent as fe


def entropy_bytes(connection: Any, p: Any) -> None:
    """Send the bytes of the entropies of p, computed on two threads."""
    with fe.num_threads(2):
        connection.send(fe.entropy(p).tobytes())

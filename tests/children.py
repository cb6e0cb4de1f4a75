"""Child processes: what spawned ones import (they cannot import a test module), and scripts."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import fastent as fe


def entropy_bytes(connection: Any, p: Any) -> None:
    """Send the bytes of the entropies of p, computed on two threads."""
    with fe.num_threads(2):
        connection.send(fe.entropy(p).tobytes())


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own."""
    variables = {k: v for k, v in os.environ.items() if "NUM_THREADS" not in k} | environment
    return subprocess.run(
        [sys.executable, "-P", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        env=variables,
    )

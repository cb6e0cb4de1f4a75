"""What the figures depend on: processor, versions, and the floor in bytes a second."""

import importlib.metadata
import os
import platform
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench import floor
from bench.timing import seconds
from fastent import _core

PACKAGES = ("numpy", "scipy", "torch", "jax")
CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
FLOOR_ENTRIES = 16 << 20  # float32, of each operand


def processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor_name() -> str:
    """Return the processor's name as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def last_cache_mebibytes() -> float | None:
    """Return the size of the processor's last-level cache, where Linux tells."""
    try:
        texts = [path.read_text(encoding="ascii").strip() for path in CACHES.glob("index*/size")]
        return max(int(text.removesuffix("K")) for text in texts) / 1024
    except (OSError, ValueError):
        return None


def versions() -> dict[str, str]:
    """Return the versions of all that is compared."""
    found = {"fastent": _version("fastent-numpy"), "python": platform.python_version()}
    found.update({name: _version(name) for name in PACKAGES})
    return {name: version for name, version in found.items() if version}


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def floors() -> list[dict[str, Any]]:
    """Return the floor's bytes a second, for each kind and for one and two threads."""
    first, second, to = (np.full(FLOOR_ENTRIES, i, np.float32) for i in range(3))
    found = []
    for threads in range(1, 1 + min(2, processors())):
        kinds = {
            "read one": (1, partial(floor.read, first, threads=threads)),
            "read two": (2, partial(floor.read, first, second, threads=threads)),
            "copy (read and written)": (2, partial(floor.copy, to, first, threads=threads)),
        }
        for kind, (arrays, call) in kinds.items():
            rate = arrays * first.nbytes / min(seconds(call) for _ in range(9))
            found.append({"kind": kind, "threads": threads, "bytes_per_second": rate})
    return found


def machine() -> dict[str, Any]:
    """Return everything about the machine, as plain data."""
    return {
        "processor": processor_name(),
        "processors": processors(),
        "system": f"{platform.system()} {platform.machine()}",
        "last_cache_mebibytes": last_cache_mebibytes(),
        "isa": _core.isa(),
        "clock_ghz": max(floor.clock_ghz() for _ in range(20)),
        "versions": versions(),
        "floors": floors(),
    }

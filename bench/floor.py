"""The floors that everything is measured against: one pass over memory, and the core's clock."""

import ctypes
import hashlib
import os
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastent import _core

SOURCE = Path(__file__).with_name("floor.c")
LINE = 64  # bytes; threads start on lines of their own
SPINS = 320_000  # dependent additions: about a tenth of a millisecond
WORK_ROUNDS = 10_000

Array = NDArray[Any]


@cache
def library() -> ctypes.CDLL:
    """Compile floor.c once for this source and compiler, and load it."""
    compiler = os.environ.get("CC", "cc").split()
    flags = ["-O2", "-shared", "-fPIC", "-Wno-psabi"]
    if {"avx2", "avx512"} & set(_core.available_isas()):
        flags.append("-mavx2")
    key = hashlib.sha256(SOURCE.read_bytes() + repr((compiler, flags)).encode()).hexdigest()[:16]
    folder = _cache_folder()
    target = folder / f"floor-{key}.so"
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as workplace:
            built = Path(workplace) / target.name
            subprocess.run([*compiler, *flags, str(SOURCE), "-o", str(built)], check=True)
            built.replace(target)
    loaded = ctypes.CDLL(str(target))
    size, pointer = ctypes.c_size_t, ctypes.c_void_p
    declare = {
        "floor_read": (ctypes.c_uint64, [pointer, size, pointer, size]),
        "floor_copy": (None, [pointer, pointer, pointer, size]),
        "floor_pick": (ctypes.c_uint64, [pointer, size, pointer, size, size, size]),
        "floor_spin": (ctypes.c_uint64, [size]),
        "floor_work": (ctypes.c_float, [size]),
    }
    for name, (result, arguments) in declare.items():
        function = getattr(loaded, name)
        function.restype, function.argtypes = result, arguments
    return loaded


def _cache_folder() -> Path:
    """Return the user's cache folder for compiled floors, or a temporary one."""
    chosen = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(chosen) if chosen else Path.home() / ".cache") / "fastent-bench"
    except RuntimeError:
        return Path(tempfile.gettempdir()) / "fastent-bench"


def read(*arrays: Array, threads: int = 1) -> None:
    """Read every byte of one or two contiguous arrays once."""
    first = arrays[0]
    second = arrays[1] if len(arrays) > 1 else first[:0]
    run = library().floor_read

    def part(i: int) -> None:
        a, a_bytes = _share(first, i, threads)
        b, b_bytes = _share(second, i, threads)
        run(a, a_bytes, b, b_bytes)

    _each(part, threads)


def copy(to: Array, *sources: Array, threads: int = 1) -> None:
    """Stream one or two arrays as large as `to` into it, past the cache."""
    if any(source.nbytes != to.nbytes for source in sources):
        raise ValueError("copy() takes arrays of one size")
    run = library().floor_copy

    def part(i: int) -> None:
        target, count = _share(to, i, threads)
        first = _share(sources[0], i, threads)[0]
        run(target, first, _share(sources[1], i, threads)[0] if len(sources) > 1 else None, count)

    _each(part, threads)


def pick(labels: NDArray[np.int64], table: Array, axis: int, threads: int = 1) -> None:
    """Read one entry of a 2-D table for each label, as a log loss must."""
    row_step, label_step = table.strides if axis in (1, -1) else table.strides[::-1]
    run = library().floor_pick

    def part(i: int) -> None:
        start, nbytes = _share(labels, i, threads)
        first = (start - labels.ctypes.data) // labels.itemsize
        entries = table.ctypes.data + first * row_step
        run(start, nbytes // labels.itemsize, entries, row_step, label_step, table.itemsize)

    _each(part, threads)


def _share(array: Array, i: int, threads: int) -> tuple[int, int]:
    """Return where the bytes of one thread start, and their number."""
    if not array.flags.c_contiguous:
        raise ValueError("floors read contiguous arrays")
    step = -(-array.nbytes // (threads * LINE)) * LINE
    start = min(i * step, array.nbytes)
    return array.ctypes.data + start, min(step, array.nbytes - start)


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads)


def _each(part: Any, threads: int) -> None:
    """Run every thread's part, the last one here; ctypes releases the GIL."""
    waiting = [_pool(threads).submit(part, i) for i in range(threads - 1)]
    part(threads - 1)
    for future in waiting:
        future.result()


def clock_ghz() -> float:
    """Return the core's clock right now: a dependent addition takes one cycle."""
    spin, best = library().floor_spin, float("inf")
    for _ in range(3):
        start = time.perf_counter()
        spin(SPINS)
        best = min(best, time.perf_counter() - start)
    return SPINS / best / 1e9


def work_seconds() -> float:
    """Time a loop that fills the arithmetic units: longer when a stranger shares the core."""
    start = time.perf_counter()
    library().floor_work(WORK_ROUNDS)
    return time.perf_counter() - start

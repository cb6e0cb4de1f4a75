"""The benchmark of the reader's own machine: the work of ``fastent bench``.

A handful of cases, each beside what is installed of NumPy, SciPy and PyTorch. The repository's
``python -m bench`` measures them all, against its own loops in C.

The floor is a read of the operands: NumPy's exclusive or of all their bytes, as whole numbers of 64
bits, on as many threads as fastent has. That runs at the speed of memory. ``np.sum`` of float32
does not (it adds in order to round well), and would flatter by a factor of five.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastent
from fastent._config import gather_info

Array = NDArray[Any]
Call = Callable[..., Any]

ROUNDS, PEER_ROUNDS = 9, 2
QUICK_ROUNDS, QUICK_PEER_ROUNDS = 5, 1
PEER_SECONDS = 0.7  # a peer that has taken so long is timed once
MEBIBYTES, QUICK_MEBIBYTES = 64, 24
CHECKED_ROWS = 500
BLOCK = 1 << 20  # entries that are made; larger arrays repeat them
TOLERANCE = {"float32": 2e-6, "float64": 1e-11}  # relative, ours against float64
PEER_TOLERANCE = {"float32": 1e-3, "float64": 1e-6}


class WrongResultError(Exception):
    """A result is not what float64 NumPy says."""


@dataclass(frozen=True)
class Case:
    """What is measured: a call, what it is to give, and how others do it."""

    name: str
    operands: tuple[str, ...]
    columns: int
    ours: Call
    reference: Call
    peers: dict[str, Call]


@dataclass(frozen=True)
class Timing:
    """How long a case took, over a floor just before: fastent's median, the others' best."""

    case: str
    seconds: float
    ratio: float
    peers: dict[str, float]


# ---- the same in other libraries ----------------------------------------------------------------


def _scipy(name: str) -> Any:
    return importlib.import_module(f"scipy.{name}")


def _torch() -> Any:
    return importlib.import_module("torch")


def _log_sum(x: Array) -> Array:
    largest = x.max(axis=-1)
    return np.asarray(largest + np.log(np.exp(x - largest[:, None]).sum(axis=-1)))


def _picked(labels: Array, x: Array) -> Array:
    return np.take_along_axis(x, labels[:, None], -1)[:, 0]


def _binary(target: Array, prob: Array) -> Array:
    return np.asarray(-(target * np.log(prob) + (1 - target) * np.log1p(-prob)).mean())


def _binary_scipy(target: Array, prob: Array) -> Any:
    special = _scipy("special")
    return -(special.xlogy(target, prob) + special.xlog1py(1 - target, -prob)).mean()


ENTROPY: dict[str, Call] = {
    "NumPy": lambda p: -(p * np.log(p)).sum(-1),
    "SciPy": lambda p: _scipy("stats").entropy(p, axis=-1),
    "PyTorch": lambda p: _torch().special.entr(p).sum(-1),
}
CROSS_ENTROPY: dict[str, Call] = {
    "NumPy": lambda p, q: -(p * np.log(q)).sum(-1),
    "SciPy": lambda p, q: -_scipy("special").xlogy(p, q).sum(-1),
    "PyTorch": lambda p, q: -_torch().xlogy(p, q).sum(-1),
}
KL_DIVERGENCE: dict[str, Call] = {
    "NumPy": lambda p, q: (p * np.log(p / q)).sum(-1),
    "SciPy": lambda p, q: _scipy("stats").entropy(p, q, axis=-1),
    "PyTorch": lambda p, q: _torch().nn.functional.kl_div(q.log(), p, reduction="none").sum(-1),
}
BINARY: dict[str, Call] = {
    "NumPy": _binary,
    "SciPy": _binary_scipy,
    "PyTorch": lambda t, p: _torch().nn.functional.binary_cross_entropy(p, t),
}
SOFTMAX: dict[str, Call] = {
    "NumPy": lambda labels, x: _log_sum(x) - _picked(labels, x),
    "SciPy": lambda labels, x: -_picked(labels, _scipy("special").log_softmax(x, axis=-1)),
    "PyTorch": lambda labels, x: _torch().nn.functional.cross_entropy(x, labels, reduction="none"),
}


def _rows(columns: int) -> Iterator[Case]:
    """Yield the measures of rows of one length."""
    rows = f", rows of {columns}"
    yield Case("entropy" + rows, ("p",), columns, fastent.entropy, ENTROPY["NumPy"], ENTROPY)
    pair = ("p", "q")
    cross = CROSS_ENTROPY
    yield Case("cross entropy" + rows, pair, columns, fastent.cross_entropy, cross["NumPy"], cross)
    yield Case(
        "KL divergence" + rows,
        pair,
        columns,
        fastent.kl_divergence,
        lambda p, q: (p * np.log(p / q) - p + q).sum(-1),
        KL_DIVERGENCE,
    )


def cases() -> list[Case]:
    """Return what is measured."""
    binary = Case(
        "mean binary cross entropy",
        ("target", "prob"),
        1,
        lambda t, p: fastent.binary_cross_entropy(t, p, reduction="mean"),
        BINARY["NumPy"],
        BINARY,
    )
    softmax = Case(
        "softmax cross entropy, 1000 classes",
        ("labels", "logits"),
        1000,
        fastent.softmax_cross_entropy,
        SOFTMAX["NumPy"],
        SOFTMAX,
    )
    return [*_rows(1000), *_rows(10), binary, softmax]


# ---- data, floor and timing ---------------------------------------------------------------------


def make(operand: str, columns: int, nbytes: int, dtype: str) -> Array:
    """Return an operand of about so many bytes, of which a block is random and the rest repeats."""
    rows = max(1, nbytes // (columns * np.dtype(dtype).itemsize))
    rng = np.random.default_rng(sum(map(ord, operand)))
    some = max(1, min(rows, BLOCK // columns))
    if operand == "labels":
        return rng.integers(0, columns, rows)
    if operand in ("target", "prob"):
        block = 0.01 + 0.98 * rng.random(some)
        if operand == "target":
            block = np.round(block)
    elif operand == "logits":
        block = 3 * rng.standard_normal((some, columns))
    else:
        block = np.exp(2 * rng.standard_normal((some, columns)))
        block /= block.sum(axis=-1, keepdims=True)
    return np.concatenate([block.astype(dtype)] * -(-rows // some))[:rows]


def read(arrays: Sequence[Array], pool: ThreadPoolExecutor, threads: int) -> None:
    """Read every byte of arrays once: the floor."""
    waiting = []
    for array in arrays:
        words = array.reshape(-1).view(np.uint8)[: array.nbytes // 8 * 8].view(np.uint64)
        for part in np.array_split(words, threads):
            waiting.append(pool.submit(np.bitwise_xor.reduce, part))
    for future in waiting:
        future.result()


def installed() -> list[str]:
    """Return the peers there are."""
    modules = {"NumPy": "numpy", "SciPy": "scipy", "PyTorch": "torch"}
    return [name for name, module in modules.items() if importlib.util.find_spec(module)]


def _seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _check(who: str, case: Case, dtype: str, operands: Sequence[Array], call: Call) -> None:
    """Raise unless a library's result is that of float64 NumPy, for the first rows."""
    some = [array[: max(1, CHECKED_ROWS)] for array in operands]
    wide = [array if array.dtype.kind == "i" else array.astype(np.float64) for array in some]
    given = [_torch().from_numpy(array) for array in some] if who == "PyTorch" else some
    found, expected = np.asarray(call(*given)), case.reference(*wide)
    tolerance = (TOLERANCE if who == "fastent" else PEER_TOLERANCE)[dtype]
    if not np.allclose(found, expected, rtol=tolerance, atol=tolerance * 1e-3):
        worst = np.max(np.abs(found - expected) / np.abs(expected))
        raise WrongResultError(f"{who}: {case.name} is off by a relative {worst:.1e}")


def measure(case: Case, nbytes: int, dtype: str, quick: bool, peers: Sequence[str]) -> Timing:
    """Check and time a case: rounds of floor and fastent, then those that take longer."""
    operands = [make(name, case.columns, nbytes, dtype) for name in case.operands]
    rounds, peer_rounds = (ROUNDS, PEER_ROUNDS)
    if quick:
        rounds, peer_rounds = QUICK_ROUNDS, QUICK_PEER_ROUNDS
    threads = fastent.get_num_threads()
    _check("fastent", case, dtype, operands, case.ours)
    gc.collect()
    with ThreadPoolExecutor(threads) as pool:

        def floor() -> None:
            read(operands, pool, threads)

        def beside_the_floor(call: Callable[[], Any]) -> tuple[float, float]:
            """Return a call's time, and how many times that of a floor just before it is."""
            before = _seconds(floor)
            taken = _seconds(call)
            return taken, taken / before

        ours = partial(case.ours, *operands)
        floor()
        ours()
        pairs = [beside_the_floor(ours) for _ in range(rounds)]
        found = {}
        for name in peers:
            call = case.peers[name]
            _check(name, case, dtype, operands, call)
            given = [_torch().from_numpy(a) for a in operands] if name == "PyTorch" else operands
            bound = partial(call, *given)
            others = [beside_the_floor(bound)]
            while len(others) < peer_rounds and others[0][0] < PEER_SECONDS:
                others.append(beside_the_floor(bound))
            found[name] = min(ratio for _, ratio in others)
    seconds, ratio = (statistics.median(values) for values in zip(*pairs, strict=True))
    return Timing(case.name, seconds, ratio, found)


def run(
    quick: bool, dtype: str, mebibytes: int | None, advance: Callable[[str], None]
) -> dict[str, Any]:
    """Measure everything; return the machine, the settings and the timings."""
    if mebibytes is None:
        mebibytes = QUICK_MEBIBYTES if quick else MEBIBYTES
    peers, threads = installed(), fastent.get_num_threads()
    versions = {}
    for name, module in (("NumPy", "numpy"), ("SciPy", "scipy"), ("PyTorch", "torch")):
        if name in peers:
            versions[name] = importlib.import_module(module).__version__
    if "PyTorch" in peers:
        before = _torch().get_num_threads()
        _torch().set_num_threads(threads)
    timings = []
    try:
        for case in cases():
            timings.append(measure(case, mebibytes << 20, dtype, quick, peers))
            advance(case.name)
    finally:
        if "PyTorch" in peers:
            _torch().set_num_threads(before)
    return {
        "machine": gather_info(),
        "versions": versions,
        "settings": {"dtype": dtype, "mebibytes": mebibytes, "threads": threads, "quick": quick},
        "floor": "exclusive or of the operands as 64-bit words, on as many threads",
        "cases": [
            asdict(timing) | {"mib_per_second": mebibytes * len(case.operands) / timing.seconds}
            for case, timing in zip(cases(), timings, strict=True)
        ],
    }


__all__ = ["Case", "Timing", "WrongResultError", "cases", "measure", "run"]

"""Nothing as large as the input is made: at most 1 MiB beside input and output."""

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastent as fe
from fastent import _core

ROWS, COLUMNS = 40_000, 50  # 16 MB in float64: a copy would show sixteen times over
ALLOWED = 2**20

LAYOUTS: dict[str, Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]] = {
    "plain": lambda a: a,
    "reversed": lambda a: a[::-1, ::-1],
    "fortran": np.asfortranarray,
    "byteswapped": lambda a: a.astype(a.dtype.newbyteorder()),
    "float16": lambda a: a.astype(np.float16),
    "integer": lambda a: (a > 0.5).astype(np.int64),
    "unaligned": lambda a: unaligned(a),
    "one row": lambda a: a.reshape(1, -1),
    "one byteswapped row": lambda a: a.astype(a.dtype.newbyteorder()).reshape(1, -1),
}


def unaligned(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return a copy that starts one byte after an aligned address."""
    raw: np.ndarray[Any, Any] = np.empty(array.nbytes + 1, np.uint8)[1:].view(array.dtype)
    raw = raw.reshape(array.shape)
    raw[...] = array
    return raw


CALLS: dict[str, Callable[[Any], Any]] = {
    "entropy": fe.entropy,
    "entropy, axis 0": lambda a: fe.entropy(a, axis=0),
    "entropy, normalised": lambda a: fe.entropy(a, normalize=True),
    "perplexity, mean": lambda a: fe.perplexity(a, reduction="mean"),
    "entropy, mean": lambda a: fe.entropy(a, reduction="mean"),
    "cross entropy": lambda a: fe.cross_entropy(a, a),
    "KL": lambda a: fe.kl_divergence(a, a),
    "KL of all": lambda a: fe.kl_divergence(a, a, axis=None),
    "surprisal, mean": lambda a: fe.surprisal(a, reduction="mean"),
    "BCE, mean": lambda a: fe.binary_cross_entropy(a, a, reduction="mean"),
    "perplexity, weighted mean": lambda a: fe.perplexity(
        a, reduction="weighted_mean", weight=np.broadcast_to(2.0, len(a))
    ),
    "surprisal, weighted sum": lambda a: fe.surprisal(a, reduction="sum", weight=a[:1]),
    "log loss": lambda a: fe.log_loss(np.broadcast_to(3, len(a)), a),
    "log loss, mean": lambda a: fe.log_loss(np.broadcast_to(3, len(a)), a, reduction="mean"),
    "total variation, axis 0": lambda a: fe.total_variation_distance(a, a, axis=0),
    "BCE": lambda a: fe.binary_cross_entropy(a, a),
    "softmax": fe.softmax,
    "log softmax, axis 0": lambda a: fe.log_softmax(a, axis=0),
    "softmax of all": lambda a: fe.softmax(a, axis=None),
    "score logits": lambda a: fe.score_logits(np.broadcast_to(3, len(a)), a),
    "score logits, axis 0": lambda a: fe.score_logits(None, a, axis=0)[1:5],
    "top log probs": lambda a: fe.top_log_probs(a, 3),
    "top log probs, chosen": lambda a: fe.top_log_probs(a, [3, 1]),
    "gradient": lambda a: fe.softmax_cross_entropy_grad(np.broadcast_to(3, len(a)), a),
    "gradient of targets, and loss": lambda a: fe.softmax_cross_entropy_grad(
        a, a, value_and_grad=True
    ),
    "binary gradients": lambda a: fe.binary_cross_entropy_with_logits_grad(a, a),
    "mutual information": fe.mutual_information,
    "conditional entropy": fe.conditional_entropy,
    "entropy, pseudocount": lambda a: fe.entropy(a, normalize=True, pseudocount=0.5),
    "BCE, mean, labels": lambda a: fe.binary_cross_entropy(a > 0.5, a, reduction="mean"),
}


def bytes_of(result: Any) -> int:
    """Return how much memory a result takes, or several."""
    parts = result if isinstance(result, tuple) else (result,)
    return sum(np.asarray(part).nbytes for part in parts)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("call", CALLS)
def test_no_large_temporary(call: str, layout: str) -> None:
    """The peak of what is allocated during the call, less the result and targets made for it."""
    array = LAYOUTS[layout](np.random.default_rng().dirichlet(np.ones(COLUMNS), ROWS))
    CALLS[call](array[:2])  # first use: caches, imports
    _core.scratch_peak()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    result = CALLS[call](array)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    scratch = _core.scratch_peak()
    labels = array.size if "labels" in call else 0
    beside = peak - before - bytes_of(result) - labels
    assert beside <= ALLOWED
    assert beside + scratch <= ALLOWED * fe.get_num_threads()


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["byteswapped", "unaligned", "fortran", "one byteswapped row"])
def test_a_gibibyte(layout: str) -> None:
    """The allowance does not grow with the array."""
    rows = 2**30 // 8 // COLUMNS
    raw = np.empty(rows * COLUMNS * 8 + 1, np.uint8)
    start = 1 if layout == "unaligned" else 0
    array = raw[start : start + rows * COLUMNS * 8].view(">f8" if "swap" in layout else "f8")
    array.fill(1 / COLUMNS)
    array = array.reshape((rows, COLUMNS), order="F" if layout == "fortran" else "C")
    if layout.startswith("one"):
        array = array.reshape(1, -1)
    for call in (fe.entropy, CALLS["KL"], CALLS["entropy, mean"], CALLS["BCE, mean"]):
        call(array[:1])
        _core.scratch_peak()
        tracemalloc.start()
        result = call(array)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        beside = peak - np.asarray(result).nbytes + _core.scratch_peak()
        assert beside <= ALLOWED * fe.get_num_threads(), (layout, beside)


@pytest.mark.slow
def test_a_vocabulary(rng: np.random.Generator) -> None:
    """Losses of 4096 tokens of a language model: 2 GiB of logits, and less than 2 MiB beside."""
    logits = np.empty((4096, 128_000), np.float32)
    logits[:] = rng.standard_normal(128_000, np.float32)
    labels = rng.integers(0, 128_000, 4096)
    calls: dict[str, Callable[[Any, Any], Any]] = {
        "losses": fe.softmax_cross_entropy,
        "mean": lambda t, x: fe.softmax_cross_entropy(t, x, reduction="mean"),
        "scores": fe.score_logits,
        "largest": lambda t, x: fe.top_log_probs(x, 10),
    }
    for name, call in calls.items():
        call(labels[:2], logits[:2])
        _core.scratch_peak()
        tracemalloc.start()
        result = call(labels, logits)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak - bytes_of(result) + _core.scratch_peak() < 2 << 20, name

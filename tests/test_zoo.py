"""Every dtype, layout, measure, axis and number of threads: the bits of the contiguous copy.

The other tests of layouts are finer (shapes, ISAs, reductions); this one is the whole grid. Arrays
have more entries than one thread is given, and rows on both sides of where short rows end.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from family import FAMILY, SAMPLE
from zoo import ZOO

import fastent as fe

pytestmark = pytest.mark.usefixtures("threads_early")
SHAPE = (6, 40, 290)
THREADS = (1, 3)
DTYPES = ["float16", "bfloat16", "float32", "float64", "bool", "uint8", "int32", "int64"]
AXES: list[Any] = [-1, 0, 1, (0, 2), None]
MEASURES: dict[str, Callable[..., Any]] = {
    "surprisal": lambda p, q, axis: fe.surprisal(p),
    "binary_entropy": lambda p, q, axis: fe.binary_entropy(p),
    "binary_cross_entropy": lambda p, q, axis: fe.binary_cross_entropy(p, q),
    "binary_cross_entropy mean": lambda p, q, axis: fe.binary_cross_entropy(p, q, reduction="mean"),
    "sigmoid": lambda p, q, axis: fe.sigmoid(p),
    "binary_cross_entropy logits": lambda p, q, axis: fe.binary_cross_entropy_with_logits(p, q),
    "binary_cross_entropy logits sum": lambda p, q, axis: fe.binary_cross_entropy_with_logits(
        p, q, reduction="sum"
    ),
    "entropy": lambda p, q, axis: fe.entropy(p, axis=axis),
    "entropy mean": lambda p, q, axis: fe.entropy(p, axis=axis, reduction="mean"),
    "entropy weighted": lambda p, q, axis: fe.entropy(
        p, axis=axis, reduction="weighted_mean", weight=0.75
    ),
    "perplexity": lambda p, q, axis: fe.perplexity(p, axis=axis, normalize=True),
    "cross_entropy": lambda p, q, axis: fe.cross_entropy(p, q, axis=axis),
    "kl_divergence": lambda p, q, axis: fe.kl_divergence(p, q, axis=axis),
    "kl_divergence normalize": lambda p, q, axis: fe.kl_divergence(p, q, axis=axis, normalize=True),
    # integers of a target do not raise the dtype: brier_score has tests of its own
    **{
        name: lambda p, q, axis, f=FAMILY[name]: f(p, q, axis=axis)
        for name in SAMPLE
        if name != "brier_score"
    },
    "softmax": lambda p, q, axis: fe.softmax(p, axis=axis),
    "log_softmax": lambda p, q, axis: fe.log_softmax(p, axis=axis, temperature=0.7),
    "softmax_entropy": lambda p, q, axis: fe.softmax_entropy(p, axis=axis),
    "score_logits": lambda p, q, axis: np.stack(
        fe.score_logits(np.full_like(p.max(axis), 1, int), p, axis=axis)
    ),
    "top_log_probs": lambda p, q, axis: fe.top_log_probs(p, 3, axis=axis).log_probs,
    "top_log_probs indices": lambda p, q, axis: fe.top_log_probs(p, 3, axis=axis).indices,
    "top_log_probs chosen": lambda p, q, axis: fe.top_log_probs(p, [5, 0], axis=axis).log_probs,
}


def _axes(name: str) -> list[Any]:
    """Return the axes along which a measure takes rows."""
    if name.startswith(("surprisal", "binary", "sigmoid")):
        return [None]
    return AXES[:3] if name.startswith(("score", "top")) else AXES


CASES = [(name, axis) for name in MEASURES for axis in _axes(name)]


@functools.cache
def operands(dtype: str) -> tuple[Any, Any]:
    """Return two arrays; of integers, the first holds labels and the second floats."""
    rng = np.random.default_rng(5)
    p, q = (rng.random(SHAPE) ** 4 for _ in range(2))
    p[rng.random(SHAPE) < 0.1] = 0
    if np.dtype(dtype).kind in "biu":
        return (p > 0.5).astype(dtype), q.astype(np.float32)
    kind = np.dtype(getattr(ml_dtypes, dtype) if dtype == "bfloat16" else dtype)
    return p.astype(kind), q.astype(kind)


@functools.cache
def expected(measure: str, dtype: str, axis: Any) -> Any:
    """Return the result for contiguous arrays, on one thread, of a dtype that kernels read."""
    p, q = operands(dtype)
    if np.dtype(p.dtype).kind == "V" or p.dtype == np.float16:
        p, q = p.astype(np.float32), q.astype(np.float32)
    elif p.dtype.kind in "biu":
        p = p.astype(q.dtype if measure.startswith("binary_cross") else np.float64)
        q = q.astype(p.dtype)
    with fe.num_threads(1):
        return MEASURES[measure](p, q, axis)


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("layout", ZOO)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("measure", "axis"), CASES, ids=str)
def test_bits(measure: str, dtype: str, layout: str, axis: Any, threads: int) -> None:
    """The same dtype, shape and bits."""
    p, q = (ZOO[layout](x) for x in operands(dtype))
    with fe.num_threads(threads):
        got = MEASURES[measure](p, q, axis)
    want = expected(measure, dtype, axis)
    assert np.asarray(got).dtype == np.asarray(want).dtype
    assert np.shape(got) == np.shape(want)
    assert np.asarray(got).tobytes() == np.asarray(want).tobytes()

"""The data that is measured: rows like those of a softmax, predictions and their targets."""

import importlib
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

BLOCK_BYTES = 4 << 20  # of different values; larger arrays repeat them


@cache
def has_bfloat16() -> bool:
    """Whether NumPy knows bfloat16: importing ml_dtypes teaches it."""
    try:
        importlib.import_module("ml_dtypes")
    except ImportError:
        return False
    return True


def _repeated(block: Array, count: int) -> Array:
    """Return `count` rows (or entries) in memory of their own: those of the block, repeated."""
    array = np.empty((count, *block.shape[1:]), block.dtype)
    for start in range(0, count, len(block)):
        array[start : start + len(block)] = block[: count - start]
    return array


def _fill(rows: int, dtype: str, make: Callable[[int], Array], row_bytes: int) -> Array:
    """Return rows of which only a block is different."""
    some = max(1, min(rows, BLOCK_BYTES // row_bytes))
    return _repeated(make(some).astype(dtype), rows)


def distributions(seed: int, nbytes: int, columns: int, dtype: str) -> Array:
    """Rows like those of a softmax: logits from a normal distribution of width 2."""
    rng = np.random.default_rng(seed)

    def weights(rows: int, entries: int) -> Array:
        return np.exp(2 * rng.standard_normal((rows, entries), np.float32)).astype(np.float64)

    def make(rows: int) -> Array:
        some = weights(rows, columns)
        return np.asarray(some / some.sum(axis=1, keepdims=True))

    row_bytes = columns * np.dtype(dtype).itemsize
    if row_bytes > BLOCK_BYTES:
        block = weights(1, BLOCK_BYTES // np.dtype(dtype).itemsize)[0]
        whole, rest = divmod(columns, block.size)
        block /= block.sum() * whole + block[:rest].sum()
        return _repeated(block.astype(dtype), columns).reshape(1, columns)
    return _fill(max(1, nbytes // row_bytes), dtype, make, row_bytes)


def logits(seed: int, nbytes: int, columns: int, dtype: str) -> Array:
    """Rows of scores from a normal distribution of width 3."""
    rng = np.random.default_rng(seed)

    def make(rows: int) -> Array:
        return np.asarray(3 * rng.standard_normal((rows, columns)))

    row_bytes = columns * np.dtype(dtype).itemsize
    return _fill(max(1, nbytes // row_bytes), dtype, make, row_bytes)


def probabilities(seed: int, nbytes: int, dtype: str) -> Array:
    """Predictions of a two-class model: a sigmoid of logits of width 3, none of them 0 or 1."""
    rng = np.random.default_rng(seed)

    def make(count: int) -> Array:
        return np.asarray(1 / (1 + np.exp(-3 * rng.standard_normal(count).clip(-4, 4))))

    itemsize = np.dtype(dtype).itemsize
    return _fill(nbytes // itemsize, dtype, make, itemsize)


def hard_targets(seed: int, prob: Array) -> Array:
    """Targets 0 and 1 that the predictions get right as often as they say."""
    rng = np.random.default_rng(seed)
    some = prob[: BLOCK_BYTES // prob.itemsize]
    return _repeated((rng.random(some.size) < some).astype(prob.dtype), prob.size)

"""All pairs of rows: the walk over blocks of the matrix, which is filled or searched for the least.

What makes a block is a function of its first and last rows and columns; its result is read before
the next call.
"""

from collections.abc import Callable
from operator import index
from typing import Any, NamedTuple

import numpy as np

from fastent._arrays import Array, as_array, check_integers, kernel_dtype
from fastent._check import check_rows
from fastent._lazy import is_lazy
from fastent._plan import Rows, check_out, deliver

ROWS, COLUMNS = 256, 1024  # of a block: 2 MiB of doubles
CROWDED = 32  # candidates a row, beyond which they are thinned before they are sorted

Block = Callable[[int, int, int, int], Array]
Progress = Callable[[int, int], Any] | None


class NearestRows(NamedTuple):
    """The rows of Q nearest to each row of P, nearest first.

    Examples
    --------
    >>> import fastent as fe
    >>> P = [[0.5, 0.5], [0.9, 0.1], [0.6, 0.4]]
    >>> indices, distances = fe.pairwise_kl_divergence(P, k_nearest=1)
    >>> print(indices.ravel(), distances.ravel().round(3))
    [2 2 0] [0.02  0.226 0.02 ]
    """

    indices: Array
    distances: Array


class Operands:
    """Two matrices whose rows are paired; the second may be the first."""

    def __init__(self, truth: Any, judged: Any, normalize: bool, check: bool) -> None:
        self.same = judged is None
        names = ("P",) if self.same else ("P", "Q")
        values = (truth,) if self.same else (truth, judged)
        for value, name in zip(values, names, strict=True):
            if is_lazy(value):
                raise TypeError(
                    f"{name} is a Dask array, of which pairs are not made lazily: "
                    f"pass {name}.compute(), or blocks of its rows one by one"
                )
        arrays = [as_array(value, name) for value, name in zip(values, names, strict=True)]
        shapes = " and ".join(
            f"{n} has shape {a.shape}" for n, a in zip(names, arrays, strict=True)
        )
        if any(array.ndim != 2 for array in arrays):
            raise ValueError(f"{shapes}: pairs are made of the rows of matrices")
        if arrays[0].shape[1] != arrays[-1].shape[1]:
            raise ValueError(f"{shapes}: their rows differ in length")
        self.dtype = kernel_dtype(arrays)
        for array, name in zip(arrays, names, strict=True):
            if not normalize:
                check_integers(array, name)
            if check:
                check_rows(Rows((array,), (name,), -1), (name,), self.dtype, normalize)
        self.p, self.q = arrays[0], arrays[-1]
        self.normalize = normalize
        self.shape = (len(self.p), len(self.q))
        self.length = self.p.shape[1]


def answer(
    operands: Operands,
    block: Block,
    out: Array | None,
    k_nearest: int | None,
    progress: Progress,
) -> Any:
    """Return the matrix that the blocks make up, or the `k_nearest` columns of each row."""
    if k_nearest is None:
        return _fill(operands, block, out, progress)
    return _select(operands, block, index(k_nearest), progress)


def check_options(operands: Operands, out: Any, k_nearest: Any, progress: Any) -> None:
    """Raise unless these are what they should be."""
    if progress is not None and not callable(progress):
        raise TypeError(f"progress must be callable, or None, not {progress!r}")
    if k_nearest is None:
        check_out(out, operands.shape, operands.dtype)
        return
    if out is not None:
        raise ValueError("out takes the matrix, which k_nearest does not make: drop one of them")
    try:
        count = index(k_nearest)
    except TypeError:
        raise TypeError(f"k_nearest must be an integer or None, not {k_nearest!r}") from None
    others = operands.shape[1] - operands.same
    if not 0 <= count <= max(others, 0):
        what = f"{others} other rows of P" if operands.same else f"{others} rows of Q"
        raise ValueError(f"k_nearest is {count}, but there are {what}")


def _fill(operands: Operands, block: Block, out: Array | None, progress: Progress) -> Any:
    """Return the matrix, block by block."""
    rows, columns = operands.shape
    direct = out is not None and not any(
        np.may_share_memory(out, array) for array in (operands.p, operands.q)
    )
    result = np.empty(operands.shape, operands.dtype) if out is None or not direct else out
    entries = result.view(np.ndarray)
    for i in range(0, rows, ROWS):
        j = min(i + ROWS, rows)
        for a in range(0, columns, COLUMNS):
            b = min(a + COLUMNS, columns)
            entries[i:j, a:b] = block(i, j, a, b).astype(operands.dtype, copy=False)
        if progress is not None:
            progress(j, rows)
    return result if direct else deliver(result, out)


def _select(operands: Operands, block: Block, count: int, progress: Progress) -> NearestRows:
    """Return the least of each row, of which no more than a block is made at a time."""
    rows, columns = operands.shape
    result = NearestRows(np.empty((rows, count), np.int64), np.empty((rows, count), operands.dtype))
    for i in range(0, rows, ROWS):
        j = min(i + ROWS, rows)
        best = NearestRows(np.empty((j - i, 0), np.int64), np.empty((j - i, 0), operands.dtype))
        for a in range(0, columns if count else 0, COLUMNS):
            b = min(a + COLUMNS, columns)
            found = block(i, j, a, b).astype(operands.dtype)
            places = np.broadcast_to(np.arange(a, b), found.shape)
            if operands.same:  # a row itself comes last of all, even of NaN
                itself = np.arange(max(i, a), min(j, b))
                places = places.copy()
                places[itself - i, itself - a] = columns
                found[itself - i, itself - a] = np.nan
            best = _merge(best, NearestRows(places, found), count)
        result.indices[i:j], result.distances[i:j] = best
        if progress is not None:
            progress(j, rows)
    return result


def _merge(best: NearestRows, more: NearestRows, count: int) -> NearestRows:
    """Return the `count` least of each row of both, in order: NaN last, ties by lowest index.

    All indices of `more` are beyond those of `best`.
    """
    found, kept = more.distances, best.distances.shape[1]
    wanted = np.ones(found.shape, bool)
    if kept == count:  # a later column does not replace an equal one
        worst = best.distances[:, -1:]
        wanted = (found < worst) | np.isnan(worst)
    if count < found.shape[1] and np.count_nonzero(wanted) > CROWDED * len(found):
        limit = np.partition(found, count - 1, axis=1)[:, count - 1 : count]
        wanted &= (found <= limit) | np.isnan(limit)
    row = np.nonzero(wanted)[0]
    if not row.size:
        return best
    row = np.concatenate([np.repeat(np.arange(len(found)), kept), row])
    indices = np.concatenate([best.indices.ravel(), more.indices[wanted]])
    distances = np.concatenate([best.distances.ravel(), found[wanted]])
    order = np.lexsort((indices, distances, row))
    numbers = np.bincount(row, minlength=len(found))
    first = np.cumsum(numbers) - numbers
    chosen = order[first[:, None] + np.arange(min(count, numbers.min()))]
    return NearestRows(indices[chosen], distances[chosen])

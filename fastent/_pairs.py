"""All pairs of rows: the walk over blocks of the matrix, which is filled or searched for the least.

What makes a block is called with its first and last rows and columns, and yields strips of it:
which rows, and their results, which are read before the next strip is made.
"""

from collections.abc import Callable, Iterable
from numbers import Integral
from operator import index
from typing import Any, NamedTuple

import numpy as np

from fastent._arrays import Array, as_array, check_integers, kernel_dtype
from fastent._check import check_rows
from fastent._lazy import is_lazy
from fastent._plan import Rows, check_out, deliver

COLUMNS = 2048  # of a block
STRIP = 128  # rows of a strip of it: 2 MiB of doubles
CROWDED = 32  # candidates a row, beyond which they are thinned before they are sorted

Block = Callable[[int, int, int, int], Iterable[tuple[slice, Array]]]
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
    height: int,
    out: Array | None,
    k_nearest: int | None,
    progress: Progress,
    symmetric: bool = False,
) -> Any:
    """Return the matrix that blocks of `height` rows make up, or the nearest columns of each row.

    A `symmetric` measure of pairs within P is made above the diagonal alone.
    """
    if k_nearest is None:
        return _fill(operands, block, height, out, progress, symmetric and operands.same)
    return _select(operands, block, height, index(k_nearest), progress)


def has_negative(operands: Operands) -> bool:
    """Whether an entry is negative."""
    arrays = (operands.p,) if operands.same else (operands.p, operands.q)
    step = max(1, (1 << 16) // max(1, operands.length))
    return any(
        bool((array[i : i + step] < 0).any())
        for array in arrays
        for i in range(0, len(array), step)
    )


def check_options(operands: Operands, out: Any, k_nearest: Any, progress: Any) -> None:
    """Raise unless these are what they should be."""
    if progress is not None and not callable(progress):
        raise TypeError(f"progress must be callable, or None, not {progress!r}")
    if k_nearest is None:
        check_out(out, operands.shape, operands.dtype)
        return
    if out is not None:
        raise ValueError("out takes the matrix, which k_nearest does not make: drop one of them")
    if isinstance(k_nearest, bool) or not isinstance(k_nearest, Integral):
        raise TypeError(f"k_nearest must be an integer or None, not {k_nearest!r}")
    count = index(k_nearest)
    others = operands.shape[1] - operands.same
    if not 0 <= count <= max(others, 0):
        what = f"{others} other rows of P" if operands.same else f"{others} rows of Q"
        raise ValueError(f"k_nearest is {count}, but there are {what}")


def _fill(
    operands: Operands,
    block: Block,
    height: int,
    out: Array | None,
    progress: Progress,
    symmetric: bool,
) -> Any:
    """Return the matrix, block by block."""
    rows, columns = operands.shape
    direct = out is not None and not any(
        np.may_share_memory(out, array) for array in (operands.p, operands.q)
    )
    result = np.empty(operands.shape, operands.dtype) if out is None or not direct else out
    entries = result.view(np.ndarray)
    for i in range(0, rows, height):
        j = min(i + height, rows)
        begin = i if symmetric else 0
        if symmetric:
            entries[i:j, :i] = entries[:i, i:j].T
        for a in range(begin, columns, COLUMNS):
            b = min(a + COLUMNS, columns)
            for strip, made in block(i, j, a, b):
                entries[strip, a:b] = made.astype(operands.dtype, copy=False)
        if progress is not None:
            progress(j, rows)
    return result if direct else deliver(result, out)


def _select(
    operands: Operands, block: Block, height: int, count: int, progress: Progress
) -> NearestRows:
    """Return the least of each row, of which no more than a block is made at a time."""
    rows, columns = operands.shape
    result = NearestRows(np.empty((rows, count), np.int64), np.empty((rows, count), operands.dtype))
    for i in range(0, rows, height):
        j = min(i + height, rows)
        best: dict[int, NearestRows] = {}
        for a in range(0, columns if count else 0, COLUMNS):
            for strip, made in block(i, j, a, min(a + COLUMNS, columns)):
                more = _candidates(operands, made, strip, a)
                best[strip.start] = _merge(best.get(strip.start), more, count)
        for first, kept in best.items():
            strip = slice(first, first + len(kept.indices))
            result.indices[strip], result.distances[strip] = kept
        if progress is not None:
            progress(j, rows)
    return result


def _candidates(operands: Operands, made: Array, rows: slice, first: int) -> NearestRows:
    """Return some rows of a block and the places of its columns; a row itself comes last of all."""
    distances = made.astype(operands.dtype)
    last = first + made.shape[1]
    places = np.broadcast_to(np.arange(first, last), made.shape)
    if operands.same:
        itself = np.arange(max(rows.start, first), min(rows.stop, last))
        places = places.copy()
        places[itself - rows.start, itself - first] = operands.shape[1]
        distances[itself - rows.start, itself - first] = np.nan
    return NearestRows(places, distances)


def _merge(best: NearestRows | None, more: NearestRows, count: int) -> NearestRows:
    """Return the `count` least of each row of both, in order: NaN last, ties by lowest index.

    All indices of `more` are beyond those of `best`.
    """
    if best is None:
        best = NearestRows(more.indices[:, :0], more.distances[:, :0])
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

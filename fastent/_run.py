"""Run planned work through the kernels: block by block, or as one long row."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fastent import _core
from fastent._arrays import Array
from fastent._core import NORMALIZE, LongRow, Measure
from fastent._plan import PIECE, Index, Rows, blocks, contiguous, is_plain, pieces_of, segments

SUM = _core.measures["sum"]
TOTAL = _core.measures["total"]
PLAIN = np.array([1.0, 0.0, -math.inf, 0.0, 0.0])  # parameters: no scale, no floor, no flags


def row_results(
    measure: Measure, rows: Rows, dtype: np.dtype[Any], vector: Array
) -> Iterator[tuple[Index, Array, int]]:
    """Yield results block by block: where they belong, their values, status bits."""
    if rows.length > PIECE:
        for place in np.ndindex(rows.outer):
            row, status = long_row(measure, [view[place] for view in rows.views], dtype, vector)
            yield place, row, status
        return
    scratch = [np.empty(0, dtype) for _ in rows.views]
    for index in blocks(rows.outer, PIECE // max(rows.length, 1)):
        pieces = [view[index] for view in rows.views]
        shape = pieces[0].shape[: pieces[0].ndim - len(rows.core)]
        count = math.prod(shape)
        for i, piece in enumerate(pieces):
            if scratch[i].size < piece.size:
                scratch[i] = np.empty(piece.size, dtype)
            pieces[i] = contiguous(piece, dtype, scratch[i]).reshape(count, rows.length)
        values = np.empty(count, dtype)
        status = measure.compute(tuple(pieces), vector, values)
        yield index, values.reshape(shape), status


def long_row(
    measure: Measure, views: Sequence[Array], dtype: np.dtype[Any], vector: Array
) -> tuple[Any, int]:
    """Return the result of one row that is read in pieces, and status bits."""
    length, double = views[0].size, dtype == np.float64
    inverses = []
    if int(vector[4]) & NORMALIZE:
        for view in views:
            total = LongRow(TOTAL, double, length, PLAIN)
            for piece in pieces_of([view], dtype):
                total.accumulate(piece)
            inverses.append(total.sums())
    row = LongRow(measure, double, length, vector, inverses)
    for piece in pieces_of(views, dtype):
        row.accumulate(piece)
    return row.finish(), row.status


def whole_sum(
    measure: Measure, views: Sequence[Array], dtype: np.dtype[Any], vector: Array
) -> tuple[Any, int]:
    """Return the measure of all entries as one row, in logical order, and status bits."""
    if all(is_plain(view, dtype) for view in views):
        result = np.empty((), dtype)
        status = measure.compute(tuple(view.reshape(-1) for view in views), vector, result)
        return result[()], status
    return long_row(measure, views, dtype, vector)


def sum_results(
    parts: Iterator[tuple[Index, Any, int]], count: int, dtype: np.dtype[Any], reduction: str
) -> tuple[Any, int]:
    """Return the sum or mean of results that come block by block, and status bits."""
    status = 0

    def results() -> Iterator[list[Array]]:
        nonlocal status
        for _, values, invalid in parts:
            status |= invalid
            yield [np.atleast_1d(values)]

    scale = _core.divided(PLAIN, count) if reduction == "mean" else PLAIN
    total = LongRow(SUM, dtype == np.float64, count, scale)
    for piece in segments(results(), 1, dtype):
        total.accumulate(piece)
    return total.finish(), status

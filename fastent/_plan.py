"""Turn a call into work for the kernels: dtypes, axes, parameters, pieces.

What is contiguous and of one dtype goes straight through ``Measure.direct``. Everything else is
planned here: operands are checked and named in errors, axes are moved and broadcast as views, and
either the gufunc walks the views (it gathers strided rows itself), or pieces of at most
``SEGMENT`` entries are converted into a scratch buffer, never the whole.
"""

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from fastent import _core
from fastent._arrays import Array, as_array, check_integers, kernel_dtype
from fastent._core import BITS, NORMALIZE, SEGMENT, LongRow, Measure

Axis = int | tuple[int, ...] | None
Index = tuple[int | slice, ...]

REDUCTIONS = ("none", "mean", "sum")
SUM = _core.measures["sum"]
TOTAL = _core.measures["total"]
PLAIN = np.array([1.0, 0.0, -math.inf, 0.0, 0.0])

# 1/log(base) to twice the precision of a double, for the bases that people use.
INVERSE_LOGS = {
    2: (1.4426950408889634, 2.0355273740931033e-17),
    10: (0.4342944819032518, 1.098319650216765e-17),
}

# ---- parameters -----------------------------------------------------------------------------


@lru_cache(maxsize=256)
def parameters(
    measure: Measure, base: float | None, log_floor: float | None, normalize: bool
) -> Array:
    """Return what the kernels need beside the arrays, as one vector."""
    flags = NORMALIZE if normalize else 0
    if base == 2 and measure.exact_bits:
        flags |= BITS
        scale = (1.0, 0.0)
    else:
        scale = (1.0, 0.0) if base is None else _inverse_log(base)
    floor = -math.inf if log_floor is None else float(log_floor)
    if math.isnan(floor) or floor > 0:
        raise ValueError(f"log_floor must be None or a number up to 0, not {log_floor!r}")
    return np.array([*scale, floor, math.exp(floor), flags])


def _inverse_log(base: float) -> tuple[float, float]:
    """Return 1/log(base) as a sum of two doubles."""
    if base in INVERSE_LOGS:
        return INVERSE_LOGS[int(base)]
    try:
        value = float(base)
    except (TypeError, ValueError):
        value = math.nan
    if not 0 < value < math.inf or value == 1:
        raise ValueError(f"base must be a positive number other than 1, or None, not {base!r}")
    from decimal import Decimal, localcontext

    with localcontext() as context:
        context.prec = 40
        inverse = 1 / Decimal(value).ln()
        return float(inverse), float(inverse - Decimal(float(inverse)))


def check_reduction(reduction: str, keepdims: bool = False) -> None:
    """Raise unless this is a reduction that exists."""
    if reduction not in REDUCTIONS:
        known = ", ".join(repr(name) for name in REDUCTIONS)
        raise ValueError(f"reduction must be one of {known}, not {reduction!r}")
    if keepdims and reduction != "none":
        raise ValueError('keepdims=True keeps an axis of the rows: it needs reduction="none"')


# ---- rows -----------------------------------------------------------------------------------


def reduce_rows(
    measure: Measure,
    names: tuple[str, ...],
    values: tuple[Any, ...],
    axis: Axis,
    base: float | None,
    log_floor: float | None,
    normalize: bool,
    keepdims: bool,
    out: Array | None,
    reduction: str,
    check: bool,
    additive: bool = True,
) -> Any:
    """Return one number a row, or their mean or sum.

    `additive` measures are sums over entries, so the sum over all rows is the measure of all
    entries as one row: one pass, no result a row.
    """
    vector = parameters(measure, base, log_floor, normalize)
    arrays = values
    if not all(type(value) is np.ndarray for value in values):
        arrays = tuple(map(as_array, values, names))
    if axis == -1 and reduction == "none" and out is None and not (keepdims or check):
        result = measure.direct(arrays, vector)
        if result is not None:
            return result
    check_reduction(reduction, keepdims)
    arrays = tuple(map(as_array, values, names))
    if not normalize:
        for array, name in zip(arrays, names, strict=True):
            check_integers(array, name)
    dtype = kernel_dtype(arrays)
    rows = Rows(arrays, names, axis)
    if check:
        check_rows(rows, names, dtype, normalize)
    if reduction == "none":
        return _each_row(measure, rows, dtype, vector, keepdims, out)
    scale = vector if reduction == "sum" else _core.divided(vector, rows.count)
    if additive and not normalize:
        result, status = whole_sum(measure, rows.views, dtype, scale)
    else:
        parts = row_results(measure, rows, dtype, vector)
        result, status = sum_results(parts, rows.count, dtype, reduction)
    if status:
        _core.report_invalid(measure.name)
    return deliver(result, out)


class Rows:
    """Operands as views with the distribution's axes last, broadcast over the others."""

    def __init__(self, arrays: Sequence[Array], names: Sequence[str], axis: Axis) -> None:
        dimensions = max(array.ndim for array in arrays)
        if axis is None and dimensions == 0:
            arrays, dimensions = [array.reshape(1) for array in arrays], 1
        every = tuple(range(dimensions))
        self.axes = every if axis is None else tuple(sorted(normalize_axis_tuple(axis, dimensions)))
        kept = len(self.axes)
        last = tuple(range(-kept, 0))
        views = [
            np.moveaxis(array[(None,) * (dimensions - array.ndim)], self.axes, last)
            for array in arrays
        ]
        self.core: tuple[int, ...] = views[0].shape[dimensions - kept :]
        for view, array, name in zip(views, arrays, names, strict=True):
            if view.shape[dimensions - kept :] != self.core:
                raise ValueError(
                    f"{names[0]} has shape {arrays[0].shape} and {name} has shape {array.shape}: "
                    f"their distributions (axis={axis}) differ in length"
                )
        try:
            self.outer = np.broadcast_shapes(*(view.shape[: dimensions - kept] for view in views))
        except ValueError:
            shapes = " and ".join(
                f"{n} has shape {a.shape}" for n, a in zip(names, arrays, strict=True)
            )
            raise ValueError(f"{shapes}: they do not broadcast to common rows") from None
        self.views = [np.broadcast_to(view, self.outer + self.core) for view in views]
        self.length = math.prod(self.core)
        self.count = math.prod(self.outer)

    def kept_shape(self) -> tuple[int, ...]:
        """Return the outer shape with a 1 in place of each of the distribution's axes."""
        rest = iter(self.outer)
        dimensions = len(self.outer) + len(self.axes)
        return tuple(1 if i in self.axes else next(rest) for i in range(dimensions))


def _each_row(
    measure: Measure, rows: Rows, dtype: np.dtype[Any], vector: Array, keepdims: bool,
    out: Array | None,
) -> Any:
    """Return the results of all rows."""
    shape = rows.kept_shape() if keepdims else rows.outer
    check_out(out, shape, dtype)
    merged = [merge_core(view, len(rows.core)) for view in rows.views]
    native = all(
        view is not None and view.dtype == dtype and view.flags.aligned for view in merged
    )
    overlaps = out is not None and any(np.may_share_memory(out, view) for view in rows.views)
    result = np.empty(shape, dtype) if out is None or overlaps or out.dtype != dtype else out
    flat = np.squeeze(result, axis=rows.axes) if keepdims else result
    if native:
        measure.ufunc(*merged, vector, out=flat)
    else:
        status = 0
        for index, values, invalid in row_results(measure, rows, dtype, vector):
            flat[index] = values
            status |= invalid
        if status:
            _core.report_invalid(measure.name)
    return deliver(result, out)


def row_results(
    measure: Measure, rows: Rows, dtype: np.dtype[Any], vector: Array
) -> Iterator[tuple[Index, Array, int]]:
    """Yield results block by block: where they belong, their values, status bits."""
    if rows.length > SEGMENT:
        for place in np.ndindex(rows.outer):
            row, status = long_row(measure, [view[place] for view in rows.views], dtype, vector)
            yield place, row, status
        return
    scratch = [np.empty(0, dtype) for _ in rows.views]
    for index in blocks(rows.outer, SEGMENT // max(rows.length, 1)):
        pieces = [view[index] for view in rows.views]
        shape = pieces[0].shape[: pieces[0].ndim - len(rows.core)]
        for i, piece in enumerate(pieces):
            if scratch[i].size < piece.size:
                scratch[i] = np.empty(piece.size, dtype)
            pieces[i] = contiguous(piece, dtype, scratch[i]).reshape(-1, rows.length)
            if rows.length == 0:
                pieces[i] = np.empty((math.prod(shape), 0), dtype)
        values = np.empty(pieces[0].shape[0], dtype)
        status = measure.compute(tuple(pieces), vector, values)
        yield index, values.reshape(shape), status


# ---- one row, or everything as one row ---------------------------------------------------------


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


def pieces_of(views: Sequence[Array], dtype: np.dtype[Any]) -> Iterator[tuple[Array, ...]]:
    """Yield all entries of equally shaped views, in logical order, a segment at a time."""
    shape = views[0].shape
    cut = ([view[index] for view in views] for index in blocks(shape, SEGMENT // 2))
    return segments(cut, len(views), dtype)


def segments(
    chunks: Iterator[list[Array]], operands: int, dtype: np.dtype[Any]
) -> Iterator[tuple[Array, ...]]:
    """Join chunks of at most a segment, of any layout and dtype, to plain segments."""
    buffers = [np.empty(2 * SEGMENT, dtype) for _ in range(operands)]
    filled = 0
    for chunk in chunks:
        size = chunk[0].size
        for buffer, part in zip(buffers, chunk, strict=True):
            np.copyto(buffer[filled : filled + size].reshape(part.shape), part, casting="unsafe")
        filled += size
        if filled >= SEGMENT:
            yield tuple(buffer[:SEGMENT] for buffer in buffers)
            filled -= SEGMENT
            for buffer in buffers:
                buffer[:filled] = buffer[SEGMENT : SEGMENT + filled]
    if filled:
        yield tuple(buffer[:filled] for buffer in buffers)


# ---- pieces of arrays -------------------------------------------------------------------------


def blocks(shape: tuple[int, ...], largest: int) -> Iterator[Index]:
    """Yield indices that cut an array of this shape into blocks of at most `largest` items.

    Blocks follow each other in C order. A block is a slice of one axis, all of the axes behind
    it, one position of those before.
    """
    axis, inner = len(shape), 1
    while axis > 0 and inner * shape[axis - 1] <= largest:
        axis -= 1
        inner *= shape[axis]
    if axis == 0:
        yield ()
        return
    step = max(1, largest // inner)
    for lead in np.ndindex(shape[: axis - 1]):
        for start in range(0, shape[axis - 1], step):
            yield (*lead, slice(start, start + step))


def is_plain(array: Array, dtype: np.dtype[Any]) -> bool:
    """Whether kernels can read this as it is."""
    return array.dtype == dtype and array.flags.c_contiguous and array.flags.aligned


def contiguous(piece: Array, dtype: np.dtype[Any], scratch: Array) -> Array:
    """Return the piece as a plain array: itself, or converted into `scratch`."""
    if is_plain(piece, dtype):
        return piece
    plain = scratch[: piece.size].reshape(piece.shape)
    np.copyto(plain, piece, casting="unsafe")
    return plain


def merge_core(view: Array, count: int) -> Array | None:
    """Return the view with its last `count` axes as one, or None if that takes a copy."""
    if count == 1:
        return view
    outer, core = view.ndim - count, view.shape[view.ndim - count :]
    step = view.strides[-1]
    expected = step
    for length, stride in zip(reversed(core), reversed(view.strides[outer:]), strict=True):
        if length != 1 and stride != expected:
            return None
        expected *= length
    return np.lib.stride_tricks.as_strided(
        view, (*view.shape[:outer], math.prod(core)), (*view.strides[:outer], step),
        writeable=False,
    )


# ---- results ----------------------------------------------------------------------------------


def check_out(out: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Raise unless `out` can take results of this shape and dtype."""
    if out is None:
        return
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out must be an ndarray, not {type(out).__name__}")
    if out.shape != shape:
        raise ValueError(f"out has shape {out.shape}, the result {shape}")
    if not np.can_cast(dtype, out.dtype, "same_kind"):
        raise TypeError(f"out has dtype {out.dtype}, which cannot hold the result's {dtype}")


def deliver(result: Any, out: Array | None) -> Any:
    """Return `out` filled with the result, or the result: 0-d ones as NumPy scalars."""
    if out is None:
        return result[()]
    if result is not out:
        check_out(out, np.shape(result), np.asarray(result).dtype)
        out[...] = result
    return out


# ---- check=True -------------------------------------------------------------------------------


def check_rows(
    rows: Rows, names: Sequence[str], dtype: np.dtype[Any], normalize: bool
) -> None:
    """Raise a ValueError that names the first row that is no distribution, and the rule."""
    n = rows.length
    allowed = 1e-6 * math.sqrt(n) + 4 * n * float(np.finfo(dtype).eps)
    for view, name in zip(rows.views, names, strict=True):
        single = Rows([view], [name], tuple(range(-len(rows.core), 0)))
        for index, totals, _ in row_results(TOTAL, single, dtype, PLAIN):
            if normalize:
                good = (totals > 0) & (totals < math.inf)
            else:
                good = np.abs(totals - 1) <= allowed
            if np.all(good):
                continue
            first = np.unravel_index(int(np.argmin(good)), np.shape(good))
            block = view[index]
            row = np.asarray(block[first], dtype=np.float64)
            place = _place(index, first, rows.outer)
            where = f"{name}: row {place}" if rows.outer else name
            _explain_row(where, row, float(np.asarray(totals)[first]), allowed, normalize)


def _place(index: Index, first: tuple[Any, ...], outer: tuple[int, ...]) -> Any:
    """Return the position of an item of a block within the whole: an int for one axis."""
    lead = [i for i in index if not isinstance(i, slice)]
    offset = [i.start for i in index if isinstance(i, slice)]
    inner = [int(i) for i in first]
    if offset and inner:
        inner[0] += offset[0]
    whole = tuple(int(i) for i in lead) + tuple(inner)
    return whole[0] if len(outer) == 1 else whole


def _explain_row(
    where: str, row: Array, total: float, allowed: float, normalize: bool
) -> None:
    """Raise the error that says what is wrong with this row."""
    bad = ~(row >= 0)
    if bad.any():
        place = np.unravel_index(int(np.argmax(bad)), row.shape)
        column = int(place[0]) if len(place) == 1 else tuple(int(i) for i in place)
        raise ValueError(
            f"{where} holds {row[place]} at {column}: probabilities must be 0 or more"
        )
    if normalize:
        raise ValueError(f"{where} sums to {total}: weights need a positive, finite sum")
    raise ValueError(
        f"{where} sums to {total}, not to 1 within {allowed:.2g}: "
        "pass normalize=True to divide rows by their sums"
    )

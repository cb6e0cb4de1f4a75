"""Measures that need more than one kernel: rows block by block, with the usual keywords.

What is made on the way, marginals for example, is made of a block, never of the whole. Where a
block ends depends on shapes alone, and a row's result on nothing but the row.
"""

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from fastent import _core
from fastent._arrays import FLOAT64, Array, as_array, check_integers, kernel_dtype
from fastent._check import check_rows
from fastent._core import Measure
from fastent._lazy import call_lazily, is_lazy, lazy_operands
from fastent._plan import (
    Axis,
    Rows,
    axes_of,
    blocks,
    check_out,
    check_reduction,
    deliver,
    divisor_of,
    parameters,
    result_array,
    weigh,
    weight_beside,
    weights_of,
)

BLOCK = 8192  # entries, of which several arrays are at work: they stay in the cache
PARTS = 1024  # sums of blocks that are kept before they are added

ENTROPY = _core.measures["entropy"]
SUM = _core.measures["sum"]
TOTAL = _core.measures["total"]
WEIGHTED_SUM = _core.measures["weighted_sum"]
PLAIN = parameters(SUM, None)


def shares_in(base: float | None) -> Array:
    """Return the parameters of the entropy of rows over their sums, in this base.

    In bits too logarithms are natural: those to base 2 lose what the quotient's rounding left.
    """
    return parameters(SUM, base, normalize=True)


SHARES = shares_in(None)

# Takes rows, as a view, and how many of its last axes hold a row: float64 results, and status bits.
Compute = Callable[[Array, int], tuple[Array, int]]


def reduce_by_blocks(
    name: str,
    operand: str,
    value: Any,
    axis: Axis,
    compute: Compute,
    held: Callable[[tuple[int, ...]], int],
    normalize: bool,
    keepdims: bool,
    out: Array | None,
    reduction: str,
    weight: Any,
    check: bool,
    pseudocount: float = 0.0,
) -> Any:
    """Return one number a row, or their mean or sum; `compute` is called with some rows at a time.

    `held(shape)` says how many numbers it holds of a row of this shape. `name` is the function's,
    for the warning about invalid values.
    """
    check_reduction(reduction, weight, keepdims)
    array = as_array(value, operand)
    if not normalize:
        check_integers(array, operand)
    dtype = kernel_dtype([array])
    rows = Rows([array], [operand], axis)
    if check:
        check_rows(rows, [operand], dtype, normalize, pseudocount > 0)
    weight = weight_beside(out, weight)
    at_once = max(1, BLOCK // max(1, held(rows.core)))
    if reduction == "none":
        shape = rows.kept_shape() if keepdims else rows.outer
        check_out(out, shape, dtype)
        result = result_array(out, shape, dtype, rows.views)
        flat = np.squeeze(result, axis=rows.axes) if keepdims and result.ndim else result
        status = _fill(compute, rows, at_once, flat)
        weigh(flat, weight)
    else:
        weights = None if weight is None else weights_of(weight, rows.outer)
        total, status = _add_up(compute, rows, at_once, weights)
        with np.errstate(all="ignore"):
            result = dtype.type(total / divisor_of(reduction, weights, rows.outer))
    if status:
        _core.report_invalid(name)
    return deliver(result, out)


def _fill(compute: Compute, rows: Rows, at_once: int, result: Array) -> int:
    """Write the results of all rows; return status bits."""
    status = 0
    with np.errstate(all="ignore"):
        for index in blocks(rows.outer, at_once):
            values, bits = compute(rows.views[0][index], len(rows.core))
            result[index] = values
            status |= bits
    return status


def _add_up(
    compute: Compute, rows: Rows, at_once: int, weights: Array | None
) -> tuple[np.float64, int]:
    """Return the sum of the results of all rows, times their weights, and status bits."""
    status, parts, sums = 0, [], []
    with np.errstate(all="ignore"):
        for index in blocks(rows.outer, at_once):
            values, bits = compute(rows.views[0][index], len(rows.core))
            status |= bits
            if weights is None:
                parts.append(of_rows(SUM, (values.reshape(-1),), 1)[0])
            else:
                pair = (weights[index].reshape(-1), values.reshape(-1))
                parts.append(of_rows(WEIGHTED_SUM, pair, 1)[0])
            if len(parts) == PARTS:
                sums.append(joined(parts))
                parts = []
        sums += parts
        return np.float64(joined(sums)[()]), status


# ---- within a block ----------------------------------------------------------------------------


def of_rows(
    measure: Measure, views: tuple[Array, ...], cores: int, vector: Array = PLAIN
) -> tuple[Array, int]:
    """Return what a measure makes of rows, in float64 and in their order, and status bits."""
    batch = views[0].ndim - cores
    if views[0].size and batch > 1:
        firsts: Any = (..., *(0,) * cores)
        out = np.empty_like(views[0][firsts], FLOAT64, subok=False)
    else:
        out = np.empty(views[0].shape[:batch])
    return out, measure.rows(views, cores, vector, out)


def pieces(view: Array, cores: int) -> Iterator[tuple[Array, int]]:
    """Yield rows whole, or cut, where one is longer than a block; and how many axes hold a row."""
    for index in blocks(view.shape[view.ndim - cores :], BLOCK):
        rest = (slice(None),) * (cores - len(index))
        taken = sum(not isinstance(i, slice) for i in index)
        yield view[(..., *index, *rest)], cores - taken


def joined(parts: list[Array]) -> Array:
    """Return the sums of what each piece of the rows gave."""
    return parts[0] if len(parts) == 1 else of_rows(SUM, (_beside(parts),), 1)[0]


def _beside(parts: list[Array]) -> Array:
    """Return parts along a new last axis: of one row there are many, numbers each."""
    return np.moveaxis(np.array(parts), 0, -1)


def joined_entropies(sums: list[Array], entropies: list[Array], vector: Array = SHARES) -> Array:
    """Return the entropy of rows from those of their pieces, all normalised, and the pieces' sums.

    H(p) = H(s/S) + sum s/S H(piece), s being the sums of the pieces and S that of the row: no term
    is negative, so nothing cancels.
    """
    if len(sums) == 1:
        return entropies[0]
    of_piece, inside = _beside(sums), _beside(entropies)
    inside[of_piece == 0] = 0  # that was nothing over nothing
    shares = of_piece / of_rows(TOTAL, (of_piece,), 1)[0][..., None]
    between = of_rows(ENTROPY, (of_piece,), 1, vector)[0]
    return between + of_rows(WEIGHTED_SUM, (shares, inside), 1)[0]


# ---- Dask arrays -------------------------------------------------------------------------------


def call_on_rows_lazily(
    function: Callable[..., Any],
    value: Any,
    operand: str,
    axis: Axis,
    keepdims: bool,
    out: Any,
    reduction: str,
    weight: Any,
) -> Any:
    """Return the Dask array that `function` makes of blocks; it takes `axis` too, if not None."""
    check_reduction(reduction, weight, keepdims)
    operands = lazy_operands((value,), (operand,), out)
    axes = tuple(i - operands[0].ndim for i in axes_of(axis, operands[0].ndim))
    return call_lazily(
        partial(_call_on_block, function, axes),
        operands,
        (operand,),
        (True,),
        axes,
        kernel_dtype(operands),
        keepdims,
        reduction,
        weight,
    )


def _call_on_block(
    function: Callable[..., Any],
    axes: tuple[int, ...],
    operands: tuple[Any, ...],
    weight: Any,
    reduction: str,
    keepdims: bool,
) -> Any:
    """Return what the function makes of a block."""
    return function(operands[0], axes, keepdims, None, reduction, weight)


def any_lazy(value: Any, weight: Any) -> bool:
    """Whether one of these is a Dask array."""
    return is_lazy(value) or is_lazy(weight)


def as_float64(view: Array, cores: int) -> Array:
    """Return a copy in float64: rows that are short and many lie beside each other in it."""
    batch = view.ndim - cores
    if math.prod(view.shape[:batch]) <= view.shape[-1]:
        return np.array(view, FLOAT64, order="C", subok=False)
    order = (*range(batch, view.ndim), *range(batch))
    turned = np.array(view.transpose(order), FLOAT64, order="C", subok=False)
    return turned.transpose(np.argsort(order))

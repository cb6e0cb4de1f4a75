"""Measures of rows: one number a row, or their mean or sum.

What is contiguous and of one dtype goes straight through ``Measure.direct``; the rest is planned.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from fastent import _core
from fastent._arrays import Array, as_array, check_integers, kernel_dtype
from fastent._check import check_rows
from fastent._core import Measure
from fastent._lazy import call_lazily, is_lazy, lazy_operands
from fastent._plan import (
    Axis,
    Rows,
    axes_of,
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
from fastent._ragged import reduce_ragged


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
    weight: Any,
    check: bool,
    return_weight: bool = False,
    additive: bool = True,
    temperature: float | None = None,
    smoothing: float = 0.0,
    order: float = 0.0,
    offsets: Any = None,
) -> Any:
    """Return one number a row, or their mean or sum.

    `additive` measures are sums over entries, so the sum over all rows is the measure of all
    entries as one row: one pass, no result a row. Operands whose names begin with "logits" hold
    logits, which have a `temperature`. Integers of a "target" do not raise the dtype.
    `return_weight` has the mean's divisor beside a sum. With `offsets` rows are ragged.
    """
    if temperature is None:
        temperature = 1.0
    settings = (base, log_floor, normalize, keepdims, out, reduction, weight, check, return_weight)
    further = (additive, temperature, smoothing, order)
    if offsets is not None:
        return reduce_ragged(measure, names, values, offsets, axis, *settings, *further)
    vector = parameters(measure, base, log_floor, normalize, temperature, smoothing, order)
    arrays = values
    plain = all(type(value) is np.ndarray for value in values)
    if not plain or weight is not None:
        if any(map(is_lazy, (*values, weight))):
            return _reduce_lazily(measure, names, values, axis, *settings, *further)
        arrays = tuple(map(as_array, values, names))
    if (
        type(axis) is int
        and axis == -1
        and out is None
        and weight is None
        and not keepdims
        and not check
        and not return_weight
    ):
        result = None
        if reduction == "none":
            result = measure.direct(arrays, vector)
        elif additive and not normalize and reduction in ("mean", "sum"):
            mean = reduction == "mean"
            result = measure.direct_sum(arrays, vector, mean, False, measure.name)
        if result is not None:
            return result
    check_reduction(reduction, weight, keepdims, return_weight)
    arrays = tuple(map(as_array, values, names))
    if not normalize:
        for array, name in zip(arrays, names, strict=True):
            if not name.startswith("logits"):
                check_integers(array, name)
    dtype = _result_dtype(arrays, names)
    rows = Rows(arrays, names, axis)
    if check:
        check_rows(rows, names, dtype, normalize)
    weight = weight_beside(out, weight)
    if reduction == "none":
        shape = rows.kept_shape() if keepdims else rows.outer
        check_out(out, shape, dtype)
        result = result_array(out, shape, dtype, rows.views)
        flat = np.squeeze(result, axis=rows.axes) if keepdims and result.ndim else result
        status = measure.rows(rows.views, len(rows.core), vector, flat)
        weigh(flat, weight)
    elif additive and not normalize and weight is None:
        divisor = 1 if reduction == "sum" else rows.count
        result, status = measure.whole(rows.views, vector, dtype, divisor)
    else:
        weights = None if weight is None else weights_of(weight, rows.outer)
        result, status = measure.reduced(
            rows.views, len(rows.core), vector, dtype, reduction, weights
        )
    if status:
        _core.report_invalid(measure.name)
    result = deliver(result, out)
    return (result, np.float64(divisor_of("mean", None, rows.outer))) if return_weight else result


def _result_dtype(arrays: Sequence[Any], names: Sequence[str]) -> np.dtype[Any]:
    """Return the dtype of the result, to which a target of integers has nothing to say."""
    counted = [
        array
        for array, name in zip(arrays, names, strict=True)
        if name != "target" or array.dtype.kind not in "biu"
    ]
    return kernel_dtype(counted)


def _reduce_lazily(
    measure: Measure,
    names: tuple[str, ...],
    values: tuple[Any, ...],
    axis: Axis,
    base: float | None,
    log_floor: float | None,
    normalize: bool,
    keepdims: bool,
    out: Any,
    reduction: str,
    weight: Any,
    check: bool,
    return_weight: bool,
    additive: bool,
    temperature: float,
    smoothing: float,
    order: float,
) -> Any:
    """Return the Dask array that the same call on its blocks makes up, or both of a pair."""
    check_reduction(reduction, weight, keepdims, return_weight)
    operands = lazy_operands(values, names, out)
    dimensions = max(operand.ndim for operand in operands)
    axes = tuple(i - dimensions for i in axes_of(axis, dimensions))
    call = partial(_reduce_block, measure.name, names, axes, base, log_floor, normalize, check)
    return call_lazily(
        partial(call, additive, temperature, smoothing, order),
        operands,
        names,
        (True,) * len(operands),
        axes,
        _result_dtype(operands, names),
        keepdims,
        reduction,
        weight,
        return_weight=return_weight,
    )


def _reduce_block(
    measure: str,
    names: tuple[str, ...],
    axes: Axis,
    base: float | None,
    log_floor: float | None,
    normalize: bool,
    check: bool,
    additive: bool,
    temperature: float,
    smoothing: float,
    order: float,
    operands: tuple[Any, ...],
    weight: Any,
    reduction: str,
    keepdims: bool,
) -> Any:
    """Return what reduce_rows makes of a block."""
    settings = (base, log_floor, normalize, keepdims, None, reduction, weight, check, False)
    further = (additive, temperature, smoothing, order)
    return reduce_rows(_core.measures[measure], names, operands, axes, *settings, *further)

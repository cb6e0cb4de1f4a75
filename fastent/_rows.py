"""Measures of rows: one number a row, or their mean or sum.

What is contiguous and of one dtype goes straight through ``Measure.direct``. Other arrays of the
kernels' dtypes go through the gufunc, which walks any strides; the rest is converted in pieces.
"""

from typing import Any

import numpy as np

from fastent import _core
from fastent._arrays import Array, as_array, check_integers, kernel_dtype
from fastent._check import check_rows
from fastent._core import Measure
from fastent._plan import (
    Axis,
    Rows,
    check_out,
    check_reduction,
    deliver,
    merge_core,
    parameters,
)
from fastent._run import row_results, sum_results, whole_sum


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


def _each_row(
    measure: Measure,
    rows: Rows,
    dtype: np.dtype[Any],
    vector: Array,
    keepdims: bool,
    out: Array | None,
) -> Any:
    """Return the results of all rows."""
    shape = rows.kept_shape() if keepdims else rows.outer
    check_out(out, shape, dtype)
    merged = [merge_core(view, len(rows.core)) for view in rows.views]
    native = all(view is not None and view.dtype == dtype and view.flags.aligned for view in merged)
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

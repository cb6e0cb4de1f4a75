"""Plan pointwise measures: ufuncs for one result an element, sums without one."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from fastent import _core
from fastent._arrays import FLOAT32, FLOAT64, Array, as_array
from fastent._check import check_unit
from fastent._core import Measure
from fastent._plan import PIECE, Index, blocks, check_reduction, contiguous, deliver, parameters
from fastent._run import sum_results, whole_sum


def map_elements(
    measure: Measure,
    names: tuple[str, ...],
    values: tuple[Any, ...],
    base: float | None,
    log_floor: float | None,
    where: Any,
    out: Array | None,
    reduction: str,
    check: bool,
    summed_by: Measure | None = None,
) -> Any:
    """Return one number an element, or their mean or sum.

    The last operand is judged and decides the dtype; a target before it never raises it when it
    holds integers or booleans. `summed_by` is the row measure that sums all elements in one pass.
    """
    vector = parameters(measure, base, log_floor, False)
    if where is True and reduction == "none" and out is None and not check:
        plain = all(type(value) is np.ndarray for value in values)
        result = measure.direct(values if plain else tuple(map(as_array, values, names)), vector)
        if result is not None:
            return result
    check_reduction(reduction)
    if where is not True and reduction != "none":
        raise ValueError('where= chooses elements of a result: it needs reduction="none"')
    if out is not None and not isinstance(out, np.ndarray):
        raise TypeError(f"out must be an ndarray, not {type(out).__name__}")
    arrays = [as_array(value, name) for value, name in zip(values, names, strict=True)]
    dtype = _dtype(values, arrays)
    broadcast_shape(arrays, names)
    if check:
        for array, name in zip(arrays, names, strict=True):
            check_unit(array, name)
    if reduction == "none":
        if dtype == FLOAT32:  # float64 scalars beside float32 arrays are Python's, and weak
            arrays = [a.astype(FLOAT32) if a.dtype == FLOAT64 else a for a in arrays]
        return measure.ufunc(*arrays, *vector[:3], out=out, where=where, dtype=dtype)
    return _reduce(summed_by or measure, measure.name, arrays, dtype, vector, reduction, out)


def _dtype(values: tuple[Any, ...], arrays: list[Array]) -> np.dtype[Any]:
    """Return the dtype of the result: float64 unless every operand that counts is smaller."""
    counted = []
    for i, (value, array) in enumerate(zip(values, arrays, strict=True)):
        is_target = i < len(arrays) - 1 and array.dtype.kind in "biu"
        is_weak = isinstance(value, (bool, int, float)) and not isinstance(value, np.generic)
        if not is_target and not is_weak:
            counted.append(array.dtype)
    small = counted and all(d.itemsize <= 4 and d.kind not in "biu" for d in counted)
    return FLOAT32 if small else FLOAT64


def broadcast_shape(arrays: list[Array], names: tuple[str, ...]) -> tuple[int, ...]:
    """Return the common shape, or raise a ValueError that names both."""
    try:
        return np.broadcast_shapes(*(array.shape for array in arrays))
    except ValueError:
        shapes = " and ".join(
            f"{n} has shape {a.shape}" for n, a in zip(names, arrays, strict=True)
        )
        raise ValueError(f"{shapes}: they do not broadcast") from None


def _reduce(
    measure: Measure,
    name: str,
    arrays: list[Array],
    dtype: np.dtype[Any],
    vector: Array,
    reduction: str,
    out: Array | None,
) -> Any:
    """Return the mean or sum over all elements."""
    views = list(np.broadcast_arrays(*arrays))
    count = views[0].size
    if measure.pointwise:
        result, status = sum_results(
            _results(measure, views, dtype, vector), count, dtype, reduction
        )
    else:
        scale = _core.divided(vector, count) if reduction == "mean" else vector
        result, status = whole_sum(measure, views, dtype, scale)
    if status:
        _core.report_invalid(name)
    return deliver(result, out)


def _results(
    measure: Measure, views: list[Array], dtype: np.dtype[Any], vector: Array
) -> Iterator[tuple[Index, Array, int]]:
    """Yield results block by block: where they belong, their values, status bits."""
    shape = views[0].shape
    scratch = [np.empty(min(PIECE, math.prod(shape)), dtype) for _ in views]
    for index in blocks(shape, PIECE):
        pieces = [
            contiguous(view[index], dtype, room) for view, room in zip(views, scratch, strict=True)
        ]
        values = np.empty(pieces[0].shape, dtype)
        yield index, values, measure.compute(tuple(pieces), vector, values)

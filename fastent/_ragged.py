"""Ragged rows: measures of rows of any lengths, which lie in flat arrays between offsets."""

from typing import Any

import numpy as np

from fastent import _core
from fastent._arrays import Array, as_array, check_integers, kernel_dtype
from fastent._check import check_ragged
from fastent._core import Measure
from fastent._lazy import is_lazy
from fastent._plan import (
    Axis,
    check_out,
    check_reduction,
    deliver,
    parameters,
    result_array,
    weigh,
    weight_beside,
    weights_of,
)


def reduce_ragged(
    measure: Measure,
    names: tuple[str, ...],
    values: tuple[Any, ...],
    offsets: Any,
    axis: Axis,
    base: float | None,
    log_floor: float | None,
    normalize: bool,
    keepdims: bool,
    out: Array | None,
    reduction: str,
    weight: Any,
    check: bool,
    return_weight: bool,
    additive: bool,
    temperature: float,
    smoothing: float,
    order: float,
) -> Any:
    """Return one number a row, or their mean or sum, as ``reduce_rows`` does."""
    vector = parameters(measure, base, log_floor, normalize, temperature, smoothing, order)
    check_reduction(reduction, weight, False, return_weight)
    if any(map(is_lazy, (*values, offsets, weight))):
        raise TypeError(
            "offsets= takes no Dask arrays: call .compute() first, or pass the call and its "
            "arrays to dask.delayed"
        )
    if axis != -1:
        raise ValueError(f"axis={axis} cannot be given with offsets: ragged rows have no other")
    if keepdims:
        raise ValueError("keepdims=True cannot be given with offsets: ragged rows have no axis")
    arrays = tuple(map(as_array, values, names))
    places = offsets_of(offsets, arrays, names)
    first, last = int(places[0]), int(places[-1])
    parts = tuple(array[first:last] for array in arrays)
    if not normalize:
        for part, name in zip(parts, names, strict=True):
            if not name.startswith("logits"):
                check_integers(part, name)
    dtype = kernel_dtype(arrays)
    if check:
        check_ragged(arrays, places, names, dtype, normalize)
    shape = (len(places) - 1,)
    weight = weight_beside(out, weight)
    if reduction == "none":
        check_out(out, shape, dtype)
        result = result_array(out, shape, dtype, (*parts, places))
        status = measure.rows(arrays, 1, vector, result, offsets=places)
        weigh(result, weight)
    elif additive and not normalize and weight is None:
        # the sum over rows is the measure of all their entries as one row
        divisor = 1 if reduction == "sum" else shape[0]
        result, status = measure.whole(parts, vector, dtype, divisor)
    else:
        weights = None if weight is None else weights_of(weight, shape)
        result, status = measure.reduced(
            arrays, 1, vector, dtype, reduction, weights, offsets=places
        )
    if status:
        _core.report_invalid(measure.name)
    result = deliver(result, out)
    return (result, np.float64(shape[0])) if return_weight else result


def offsets_of(offsets: Any, arrays: tuple[Array, ...], names: tuple[str, ...]) -> Array:
    """Return the offsets as an array, or raise if they are no places in the flat arrays."""
    for array, name in zip(arrays, names, strict=True):
        if array.ndim != 1:
            raise ValueError(
                f"{name} has shape {array.shape}: with offsets, rows lie in an array of one axis"
            )
        if array.shape != arrays[0].shape:
            raise ValueError(
                f"{names[0]} has {len(arrays[0])} entries and {name} {len(array)}: "
                "with offsets, one entry lies beside the other"
            )
    try:
        places = np.asarray(offsets)
    except ValueError as error:
        raise ValueError(f"offsets cannot be read as an array: {error}") from None
    if places.ndim != 1:
        raise ValueError(f"offsets has shape {places.shape}: it needs one axis")
    if places.size == 0:
        raise ValueError("offsets is empty: n rows have n + 1 offsets")
    if places.dtype.kind not in "iu":
        raise TypeError(
            f"offsets has dtype {places.dtype}: offsets are integers, such as "
            "offsets.astype(np.int64)"
        )
    bad = _core.misplaced_offset(places, len(arrays[0]))
    if bad >= 0:
        where = f"offsets[{bad}] is {places[bad]}"
        if places[bad] < 0:
            raise ValueError(f"{where}: offsets are 0 or more")
        if bad > 0 and places[bad] < places[bad - 1]:
            raise ValueError(f"{where}, below the one before, {places[bad - 1]}")
        raise ValueError(f"{where}, but {names[0]} has {len(arrays[0])} entries")
    return places

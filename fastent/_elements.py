"""Plan pointwise measures: one result an element, or sums without one."""

import math
from functools import partial
from typing import Any, Literal

import numpy as np

from fastent import _core
from fastent._arrays import FLOAT32, FLOAT64, Array, as_array
from fastent._check import check_pos_weight, check_unit
from fastent._core import Measure
from fastent._lazy import call_lazily, is_lazy, lazy_operands
from fastent._plan import (
    check_reduction,
    deliver,
    divisor_of,
    parameters,
    weigh,
    weight_beside,
    weights_of,
)

# base, log_floor, where, out, reduction, weight, check, return_weight
Settings = tuple[Any, Any, Any, Any, Any, Any, Any, Any]


def map_elements(
    measure: Measure,
    names: tuple[str, ...],
    values: tuple[Any, ...],
    base: float | None,
    log_floor: float | None,
    where: Any,
    out: Array | None,
    reduction: str,
    weight: Any,
    check: bool,
    return_weight: bool = False,
    summed_by: Measure | None = None,
    logits: bool = False,
    smoothing: float = 0.0,
) -> Any:
    """Return one number an element, or their mean or sum.

    The last operand is judged and decides the dtype; a target, the first, never raises it when it
    holds integers or booleans, a weight between the two never. `summed_by` is the row measure that
    sums all elements in one pass. Targets are probabilities, and the last operand but for `logits`.
    `return_weight` has the mean's divisor beside a sum.
    """
    vector = parameters(measure, base, log_floor, False, 1.0, smoothing)
    plain = all(type(value) is np.ndarray for value in values)
    if (not plain or weight is not None) and any(map(is_lazy, (*values, weight))):
        check_reduction(reduction, weight, False, return_weight)
        blocks = lazy_operands(values, names, out)
        summed = summed_by and summed_by.name
        settings = (measure.name, names, base, log_floor, check, summed, logits, smoothing)
        dtype = result_dtype(values, blocks)
        for i, value in enumerate(values):
            if isinstance(value, float):  # weak here, but no longer in a block
                blocks[i] = np.asarray(value, dtype)
        if where is not True:
            blocks.append(where if is_lazy(where) else np.asarray(where))
            names = (*names, "where")
        whole = (True,) * len(blocks)
        block = partial(_map_block, *settings)
        results = (dtype, False, reduction, weight)
        return call_lazily(block, blocks, names, whole, (), *results, return_weight=return_weight)
    if where is True and out is None and weight is None and not check and not return_weight:
        operands = values if plain else tuple(map(as_array, values, names))
        result = None
        if reduction == "none":
            result = measure.direct(operands, vector)
        elif summed_by is not None and reduction in ("mean", "sum"):
            mean = reduction == "mean"
            result = summed_by.direct_sum(operands, vector, mean, True, measure.name)
        if result is not None:
            return result
    check_reduction(reduction, weight, False, return_weight)
    if where is not True and reduction != "none":
        raise ValueError('where= chooses elements of a result: it needs reduction="none"')
    if out is not None and not isinstance(out, np.ndarray):
        raise TypeError(f"out must be an ndarray, not {type(out).__name__}")
    arrays = [as_array(value, name) for value, name in zip(values, names, strict=True)]
    dtype = result_dtype(values, arrays)
    shape = broadcast_shape(arrays, names)
    if check:
        for i in {0} if logits else {0, len(arrays) - 1}:
            check_unit(arrays[i], names[i])
    weight = weight_beside(out, weight)
    if reduction == "none":
        result = _each(measure, arrays, dtype, vector, where, out)
        return weigh(result, weight, where)
    views = tuple(np.broadcast_to(array, shape) for array in arrays)
    if summed_by and weight is None:
        divisor = views[0].size if reduction == "mean" else 1
        result, status = summed_by.whole(views, vector, dtype, divisor)
    else:
        weights = None if weight is None else weights_of(weight, shape)
        result, status = measure.reduced(views, 0, vector, dtype, reduction, weights)
    if status:
        _core.report_invalid(measure.name)
    result = deliver(result, out)
    return (result, np.float64(divisor_of("mean", None, shape))) if return_weight else result


def map_weighted(
    measure: Measure,
    judged: str,
    values: tuple[Any, Any, Any],
    smoothing: float,
    settings: Settings,
    logits: bool = False,
) -> Any:
    """Return the same of a target, the weight of its class 1 (None is 1) and what is judged."""
    target, pos_weight, prediction = values
    if pos_weight is None:
        pos_weight = 1.0
    elif not is_lazy(pos_weight):
        check_pos_weight(as_array(pos_weight, "pos_weight"))
    names, values = ("target", "pos_weight", judged), (target, pos_weight, prediction)
    return map_elements(measure, names, values, *settings, logits=logits, smoothing=smoothing)


def _each(
    measure: Measure,
    arrays: list[Array],
    dtype: np.dtype[Any],
    vector: Array,
    where: Any,
    out: Array | None,
) -> Any:
    """Return one number an element."""
    order = _order(arrays)
    if order and where is True and out is None:
        result = np.empty(arrays[0].shape, dtype, order)
        flat = tuple(array.reshape(-1, order=order) for array in arrays)
        if measure.elements(flat, vector, result.reshape(-1, order=order)):
            _core.report_invalid(measure.name)
        return result[()]
    if dtype == FLOAT32:  # float64 scalars beside float32 arrays are Python's, and weak
        for i in {0, len(arrays) - 1}:
            if arrays[i].dtype == FLOAT64:
                arrays[i] = arrays[i].astype(FLOAT32)
    scalars = vector[:3] if len(arrays) < 3 else (*vector[:3], vector[6])
    return measure.ufunc(*arrays, *scalars, out=out, where=where, dtype=dtype)


def _order(arrays: list[Array]) -> Literal["C", "F", None]:
    """Return the order in which all these arrays lie in memory without gaps, if there is one."""
    if any(array.shape != arrays[0].shape for array in arrays):
        return None
    if all(array.flags.c_contiguous for array in arrays):
        return "C"
    return "F" if all(array.flags.f_contiguous for array in arrays) else None


def result_dtype(values: tuple[Any, ...], arrays: list[Array]) -> np.dtype[Any]:
    """Return the dtype of the result: float64 unless every operand that counts is smaller."""
    counted = []
    for i, (value, array) in enumerate(zip(values, arrays, strict=True)):
        is_target = i == 0 < len(arrays) - 1 and array.dtype.kind in "biu"
        is_weight = 0 < i < len(arrays) - 1
        is_weak = isinstance(value, (bool, int, float)) and not isinstance(value, np.generic)
        if not is_target and not is_weight and not is_weak:
            counted.append(array.dtype)
    small = counted and all(d.itemsize <= 4 and d.kind not in "biu" for d in counted)
    return FLOAT32 if small else FLOAT64


def broadcast_shape(arrays: list[Array], names: tuple[str, ...]) -> tuple[int, ...]:
    """Return the common shape, or raise a ValueError that names both.

    A column of predictions beside a vector of targets, (n, 1) and (n,), is no table of n x n pairs,
    which NumPy would make of them.
    """
    if all(array.shape == arrays[0].shape for array in arrays):
        shape: tuple[int, ...] = arrays[0].shape
        return shape  # which may have more axes than NumPy broadcasts
    pairs = list(zip(names, arrays, strict=True))
    try:
        shape = np.broadcast_shapes(*(array.shape for array in arrays))
    except ValueError:
        raise ValueError(f"{_shapes(pairs)}: they do not broadcast") from None
    operands = ("target", "prob", "logits")
    judged = sorted((array.shape for name, array in pairs if name in operands), key=len)
    if judged and judged[-1] == (*judged[0], 1) and math.prod(judged[0]) > 1:
        raise ValueError(
            f"{_shapes(pairs)}, which makes {math.prod(shape)} pairs: reshape one to the other's "
            "shape"
        )
    return shape


def _shapes(pairs: list[tuple[str, Array]]) -> str:
    """Return what is said of arrays that do not go together."""
    return " and ".join(f"{name} has shape {array.shape}" for name, array in pairs)


def _map_block(
    measure: str,
    names: tuple[str, ...],
    base: float | None,
    log_floor: float | None,
    check: bool,
    summed_by: str | None,
    logits: bool,
    smoothing: float,
    operands: tuple[Any, ...],
    weight: Any,
    reduction: str,
    keepdims: bool,
) -> Any:
    """Return what map_elements makes of a block of a Dask array."""
    count = len(names)
    where = operands[count] if len(operands) > count else True
    summing = _core.measures[summed_by] if summed_by else None
    if count == 3:
        check_pos_weight(operands[1])
    return map_elements(
        _core.measures[measure],
        names,
        operands[:count],
        base,
        log_floor,
        where,
        None,
        reduction,
        weight,
        check,
        False,
        summing,
        logits,
        smoothing,
    )

"""Plan a call: parameters, axes, weights, results. Nothing here computes a measure.

Axes are moved and broadcast as views, which the loops of ``_core`` read whatever their strides and
dtypes are: nothing is copied here.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from numbers import Real
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from fastent._arrays import Array, as_array
from fastent._core import BITS, NORMALIZE, Measure

Axis = int | tuple[int, ...] | None
Index = tuple[int | slice, ...]

REDUCTIONS = ("none", "mean", "sum", "weighted_mean")

# 1/log(base) to twice the precision of a double, for the bases that people use.
INVERSE_LOGS = {
    2: (1.4426950408889634, 2.0355273740931033e-17),
    10: (0.4342944819032518, 1.098319650216765e-17),
}

LEAST_TEMPERATURE = 1e-6  # and its inverse: their reciprocals fit a float32 with room

# ---- parameters -----------------------------------------------------------------------------


def parameters(
    measure: Measure,
    base: float | None,
    log_floor: float | None = None,
    normalize: bool = False,
    temperature: float = 1.0,
    smoothing: float = 0.0,
    order: float = 0.0,
) -> Array:
    """Return what the kernels need beside the arrays, as one vector."""
    try:
        return _parameters(measure, base, log_floor, normalize, temperature, smoothing, order)
    except TypeError:  # what cannot be hashed is no number either
        _check_number("base", base)
        _check_number("log_floor", log_floor)
        _check_number("temperature", temperature)
        _check_number("label_smoothing", smoothing)
        raise


def _check_number(name: str, value: Any) -> None:
    """Raise TypeError unless this is a real number or None."""
    if value is not None and not isinstance(value, Real):
        raise TypeError(f"{name} must be a number or None, not {value!r}")


@lru_cache(maxsize=256, typed=True)
def _parameters(
    measure: Measure,
    base: float | None,
    log_floor: float | None,
    normalize: bool,
    temperature: float,
    smoothing: float,
    order: float,
) -> Array:
    _check_number("base", base)
    _check_number("log_floor", log_floor)
    if not isinstance(temperature, Real):
        raise TypeError(f"temperature must be a number, not {temperature!r}")
    if not LEAST_TEMPERATURE <= temperature <= 1 / LEAST_TEMPERATURE:
        raise ValueError(
            f"temperature must be a positive number, from {LEAST_TEMPERATURE:g} to "
            f"{1 / LEAST_TEMPERATURE:g}, not {temperature!r}"
        )
    if not isinstance(smoothing, Real):
        raise TypeError(f"label_smoothing must be a number, not {smoothing!r}")
    if not 0 <= smoothing <= 1:
        raise ValueError(f"label_smoothing must lie between 0 and 1, not {smoothing!r}")
    flags = NORMALIZE if normalize else 0
    if base == 2 and measure.exact_bits:
        flags |= BITS
        scale = (1.0, 0.0)
    else:
        scale = (1.0, 0.0) if base is None else _inverse_log(base)
    floor = -math.inf if log_floor is None else _as_float("log_floor", log_floor)
    if math.isnan(floor) or floor > 0:
        raise ValueError(f"log_floor must be None or a number up to 0, not {log_floor!r}")
    rest = (flags, float(temperature), smoothing, order)
    vector = np.array([*scale, floor, math.exp(floor), *rest])
    vector.flags.writeable = False  # shared by all calls
    return vector


def _as_float(name: str, value: float) -> float:
    """Return a number as a float, or raise ValueError if it is too large for one."""
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{name} is beyond the largest float64") from None


def _inverse_log(base: float) -> tuple[float, float]:
    """Return 1/log(base) as a sum of two doubles."""
    if base in INVERSE_LOGS:
        return INVERSE_LOGS[int(base)]
    value = _as_float("base", base)
    if not 0 < value < math.inf or value == 1:
        raise ValueError(f"base must be a positive number other than 1, or None, not {base!r}")
    from decimal import Decimal, localcontext

    with localcontext() as context:
        context.prec = 40
        inverse = 1 / Decimal(value).ln()
        return float(inverse), float(inverse - Decimal(float(inverse)))


def check_reduction(
    reduction: str, weight: Any, keepdims: bool = False, return_weight: bool = False
) -> None:
    """Raise unless this is a reduction that exists, with what it needs."""
    if reduction not in REDUCTIONS:
        known = ", ".join(repr(name) for name in REDUCTIONS)
        raise ValueError(f"reduction must be one of {known}, not {reduction!r}")
    if reduction == "weighted_mean" and weight is None:
        raise ValueError('reduction="weighted_mean" divides by the sum of weight, which is missing')
    if keepdims and reduction != "none":
        raise ValueError('keepdims=True keeps an axis of the rows: it needs reduction="none"')
    if return_weight and reduction != "sum":
        raise ValueError(
            "return_weight=True returns a sum and what the mean divides it by: "
            f'it needs reduction="sum", not {reduction!r}'
        )


def divisor_of(reduction: str, weights: Array | None, shape: tuple[int, ...]) -> float:
    """Return what the sum of results of this shape, times their weights, is divided by."""
    if reduction == "mean":
        return float(math.prod(shape))
    if reduction == "weighted_mean" and weights is not None:
        return float(np.sum(weights, dtype=np.float64))
    return 1.0


def is_plain(axis: Any, reduction: Any, *options: Any) -> bool:
    """Whether rows lie along the last axis and no option is given: each is None, False or 0."""
    if type(axis) is not int or axis != -1 or reduction not in ("none", "mean", "sum"):
        return False
    return all(one is None or one is False or (type(one) is float and one == 0) for one in options)


def weights_of(weight: Any, shape: tuple[int, ...]) -> Array:
    """Return the weights of results of this shape as a view."""
    array = as_array(weight, "weight")
    try:
        return np.broadcast_to(array, shape)
    except ValueError:
        raise ValueError(
            f"weight has shape {array.shape}, the results that it multiplies {shape}"
        ) from None


# ---- axes ------------------------------------------------------------------------------------


def axes_of(axis: Axis, dimensions: int) -> tuple[int, ...]:
    """Return the axes as positions from 0 on, ascending."""
    if axis is None:
        return tuple(range(dimensions))
    try:
        return tuple(sorted(normalize_axis_tuple(axis, dimensions)))
    except TypeError:
        raise TypeError(f"axis must be an int, a tuple of ints or None, not {axis!r}") from None


def to_last(array: Array, axis: int) -> Array:
    """Return the array with this axis last: itself if it is, which costs nothing."""
    return array if axis in (-1, array.ndim - 1) else np.moveaxis(array, axis, -1)


def from_last(array: Array, axis: int) -> Array:
    """Return the array with its last axis there."""
    return array if axis in (-1, array.ndim - 1) else np.moveaxis(array, -1, axis)


class Rows:
    """Operands as views with the distribution's axes last, broadcast over the others."""

    def __init__(self, arrays: Sequence[Array], names: Sequence[str], axis: Axis) -> None:
        dimensions = max(array.ndim for array in arrays)
        self.single = dimensions == 0
        if axis is None and dimensions == 0:
            arrays, dimensions = [array.reshape(1) for array in arrays], 1
        every = tuple(range(dimensions))
        self.axes = axes_of(axis, dimensions)
        kept = len(self.axes)
        order = [i for i in every if i not in self.axes] + list(self.axes)
        views = [
            array[(None,) * (dimensions - array.ndim)].transpose(order)
            if array.ndim < dimensions
            else array.transpose(order)
            for array in arrays
        ]
        shape = views[0].shape
        self.core: tuple[int, ...] = shape[dimensions - kept :]
        self.outer: tuple[int, ...] = shape[: dimensions - kept]
        if any(view.shape != shape for view in views):
            self._broadcast(views, arrays, names, axis)
        self.views = tuple(views)
        self.length = math.prod(self.core)
        self.count = math.prod(self.outer)

    def _broadcast(
        self, views: list[Array], arrays: Sequence[Array], names: Sequence[str], axis: Axis
    ) -> None:
        """Make the views of one shape, or say why that cannot be."""
        rows = len(views[0].shape) - len(self.core)
        for view, array, name in zip(views, arrays, names, strict=True):
            if view.shape[rows:] != self.core:
                raise ValueError(
                    f"{names[0]} has shape {arrays[0].shape} and {name} has shape {array.shape}: "
                    f"their distributions (axis={axis}) differ in length"
                )
        try:
            self.outer = np.broadcast_shapes(*(view.shape[:rows] for view in views))
        except ValueError:
            shapes = " and ".join(
                f"{n} has shape {a.shape}" for n, a in zip(names, arrays, strict=True)
            )
            raise ValueError(f"{shapes}: they do not broadcast to common rows") from None
        views[:] = [np.broadcast_to(view, self.outer + self.core) for view in views]

    def kept_shape(self) -> tuple[int, ...]:
        """Return the outer shape with a 1 in place of each of the distribution's axes."""
        if self.single:
            return ()
        rest = iter(self.outer)
        dimensions = len(self.outer) + len(self.axes)
        return tuple(1 if i in self.axes else next(rest) for i in range(dimensions))


# ---- blocks -----------------------------------------------------------------------------------


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


# ---- results ----------------------------------------------------------------------------------


def check_out(out: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Raise unless `out` can take results of this shape and dtype."""
    if out is None:
        return
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out must be an ndarray, not {type(out).__name__}")
    if not out.flags.writeable:
        raise ValueError("out is read-only")
    if out.shape != shape:
        raise ValueError(f"out has shape {out.shape}, the result {shape}")
    if not np.can_cast(dtype, out.dtype, "same_kind"):
        raise TypeError(f"out has dtype {out.dtype}, which cannot hold the result's {dtype}")


def result_array(
    out: Array | None, shape: tuple[int, ...], dtype: np.dtype[Any], operands: Iterable[Array]
) -> Array:
    """Return `out`, if results can be written there as they are made; else a new array."""
    if out is None or out.dtype != dtype or not out.flags.behaved:
        return np.empty(shape, dtype)
    overlaps = any(np.may_share_memory(out, operand) for operand in operands)
    return np.empty(shape, dtype) if overlaps else out.view(np.ndarray)


def room_beside(out: Array | None, operands: Iterable[Array], dtype: np.dtype[Any]) -> Array:
    """Return `out`, if a result an entry can be written there as they are made; else a new array.

    They can where `out` is an operand itself: a row is read before its results are written.
    """
    operands = tuple(operands)
    fits = out is not None and out.dtype == dtype and out.flags.behaved
    if out is None or not fits or any(_partly(out, operand) for operand in operands):
        return np.empty_like(operands[0], dtype, subok=False)
    return out.view(np.ndarray)


def _partly(out: Array, operand: Array) -> bool:
    """Whether these share memory otherwise than entry by entry."""
    return np.may_share_memory(out, operand) and not same_memory(out, operand)


def weight_beside(out: Any, weight: Any) -> Any:
    """Return the weight, or a copy of it if the result is to be written over it."""
    if isinstance(out, np.ndarray) and isinstance(weight, np.ndarray):
        return weight.copy() if np.may_share_memory(out, weight) else weight
    return weight


def same_memory(one: Array, other: Array) -> bool:
    """Whether these are the same entries."""
    if one.strides != other.strides or one.dtype != other.dtype:
        return False
    # An address costs more than all else here: a whole view of an array that owns its memory.
    if one.base is other and other.base is None and one.shape == other.shape:
        return True
    data: bool = one.__array_interface__["data"] == other.__array_interface__["data"]
    return data


def deliver(result: Any, out: Array | None) -> Any:
    """Return `out` filled with the result, or the result: 0-d ones as NumPy scalars."""
    if out is None:
        return result[()]
    if not (isinstance(result, np.ndarray) and same_memory(result, out)):
        check_out(out, np.shape(result), np.asarray(result).dtype)
        out[...] = result
    return out


def weigh(result: Any, weight: Any, where: Any = True) -> Any:
    """Return results times their weights; an array is changed in place."""
    if weight is None:
        return result
    weights = weights_of(weight, np.shape(result))
    with np.errstate(all="ignore"):
        if not isinstance(result, np.ndarray):
            return type(result)(result * weights)
        return np.multiply(result, weights, out=result, where=where, casting="same_kind")

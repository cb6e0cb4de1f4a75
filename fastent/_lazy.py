"""Dask arrays: the same calls, made block by block when the result is asked for.

Nothing here is imported unless a Dask array is passed, and then Dask is there already.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from fastent._arrays import Array, as_array, check_dtype, kernel_dtype


def is_lazy(value: Any) -> bool:
    """Whether this is a Dask array."""
    kind = type(value)
    return kind.__name__ == "Array" and kind.__module__.startswith("dask.array")


def lazy_operands(values: Sequence[Any], names: Sequence[str], out: Any) -> list[Any]:
    """Return operands of dtypes that are computed with, without computing any."""
    if out is not None:
        raise TypeError("out cannot take the result of Dask arrays, which is not computed yet")
    operands = []
    for value, name in zip(values, names, strict=True):
        if not is_lazy(value):
            value = as_array(value, name)
        check_dtype(value.dtype, name)
        operands.append(value)
    return operands


def call_lazily(
    call: Callable[..., Any],
    operands: Sequence[Any],
    names: Sequence[str],
    whole: Sequence[bool],
    axes: tuple[int, ...],
    dtype: np.dtype[Any],
    keepdims: bool,
    reduction: str,
    weight: Any,
    divisor: Callable[..., float] | None = None,
    return_weight: bool = False,
) -> Any:
    """Return a Dask array of results, or a 0-d one of their reduction.

    `call(blocks, weight, reduction, keepdims)` computes blocks of the operands. Rows lie along
    `axes`, counted from the last; operands that are not `whole` lack them. What a mean divides by
    is the sum of `divisor(blocks, weight)`, or else of ones or weights; `return_weight` returns it
    as well, a second 0-d array.
    """
    da: Any = import_module("dask.array")

    dimensions = max(value.ndim for value, full in zip(operands, whole, strict=True) if full)
    every = tuple(range(-dimensions, 0))
    outer = tuple(i for i in every if i not in axes)
    arguments: list[Any] = []
    for value, name, full in zip(operands, names, whole, strict=True):
        indices = every if full else outer
        array = _in_chunks(value, axes)
        arguments += [array, indices[len(indices) - array.ndim :]]
        if full:
            _check_chunks(array, name, axes)
    if weight is not None:
        array = da.asarray(weight)
        arguments += [array, outer[len(outer) - array.ndim :]]
    block = partial(_block, call, divisor, tuple(whole), axes, reduction, keepdims)
    if reduction == "none":
        shape = every if keepdims else outer
        return da.blockwise(
            block,
            shape,
            *arguments,
            concatenate=True,
            adjust_chunks={i: 1 for i in axes} if keepdims else None,
            meta=np.empty((0,) * len(shape), dtype),
        )
    parts = da.blockwise(
        block,
        (*outer, 0),
        *arguments,
        concatenate=True,
        new_axes={0: 2},
        adjust_chunks=dict.fromkeys(outer, 1),
        meta=np.empty((0,) * (len(outer) + 1)),
    )

    def joined(join: Callable[[Array], Any], kind: Any) -> Any:
        meta = np.empty((), kind)
        return da.blockwise(join, (), parts, (*outer, 0), concatenate=True, meta=meta)

    result = joined(partial(_join, reduction, dtype), dtype)
    return (result, joined(_join_divisors, np.float64)) if return_weight else result


def fields_lazily(
    call: Callable[[tuple[Any, ...]], Array],
    operands: Sequence[Any],
    names: Sequence[str],
    whole: Sequence[bool],
    axis: int,
    keepdims: bool,
    count: int,
) -> list[Any]:
    """Return `count` Dask arrays of results, which `call` stacks along a new first axis.

    Operands that are not `whole` lack the rows' `axis`, counted from the last.
    """
    da: Any = import_module("dask.array")

    dimensions = max(value.ndim for value in operands)
    every = tuple(range(-dimensions, 0))
    outer = tuple(i for i in every if i != axis)
    arguments: list[Any] = []
    for value, name, full in zip(operands, names, whole, strict=True):
        array = _in_chunks(value, (axis,) if full else ())
        if full:
            _check_chunks(array, name, (axis,))
        arguments += [array, every if full else outer]
    stacked = da.blockwise(
        partial(_stack, call),
        (0, *(every if keepdims else outer)),
        *arguments,
        concatenate=True,
        new_axes={0: count},
        adjust_chunks={axis: 1} if keepdims else None,
        meta=np.empty((0,) * (1 + len(every if keepdims else outer))),
    )
    return [stacked[i] for i in range(count)]


def columns_lazily(
    call: Callable[[tuple[Any, ...]], Array], rows: Any, places: Any, axis: int, width: int
) -> Any:
    """Return a Dask array of what `call` makes of rows: `width` numbers a row along a last axis.

    Rows lie along `axis`, counted from the last, and so do the `places` of each; or these are one
    list for all rows, or None. Both are joined along it.
    """
    da: Any = import_module("dask.array")

    if math.isnan(width):
        raise ValueError("indices_or_k has an unknown length: call its compute_chunk_sizes() first")
    operands = [rows] if places is None else [rows, places]
    every = tuple(range(-max(value.ndim for value in operands), 0))
    outer = tuple(i for i in every if i != axis)
    arguments: list[Any] = []
    for own, value in enumerate(operands, 1):  # the axis of each is its own
        last = axis if own == 1 or value.ndim > 1 else -1
        array = _in_chunks(value, (last,)).rechunk({last: -1})
        indices = [own if i == last else i for i in every[len(every) - array.ndim :]]
        arguments += [array, indices]
    return da.blockwise(
        partial(_stack, call),
        (*outer, 0),
        *arguments,
        concatenate=True,
        new_axes={0: width},
        meta=np.empty((0,) * (len(outer) + 1)),
    )


def _in_chunks(value: Any, axes: tuple[int, ...]) -> Any:
    """Return a Dask array: another one is cut as Dask likes it, but not along `axes`."""
    if is_lazy(value):
        return value
    da: Any = import_module("dask.array")

    value = np.asarray(value)
    chunks = tuple(-1 if i - value.ndim in axes else "auto" for i in range(value.ndim))
    return da.from_array(value, chunks=chunks)


def _stack(call: Callable[[tuple[Any, ...]], Array], *blocks: Any) -> Array:
    """Return what `call` makes of blocks."""
    try:
        return call(blocks)
    except ValueError as error:
        error.add_note("Positions are counted from the start of a block of the Dask array.")
        raise


def call_on_blocks(
    call: Callable[[Any], Any], value: Any, name: str, axes: tuple[int, ...], out: Any
) -> Any:
    """Return a Dask array of the same shape, which `call` makes of each block."""
    (array,) = lazy_operands((value,), (name,), out)
    _check_chunks(array, name, tuple(i - array.ndim for i in axes))
    return array.map_blocks(call, dtype=kernel_dtype([array]), meta=np.empty((0,) * array.ndim))


def _check_chunks(array: Any, name: str, axes: tuple[int, ...]) -> None:
    """Raise unless each row lies in one chunk."""
    for axis in axes:
        if array.ndim >= -axis and array.numblocks[axis] > 1:
            raise ValueError(
                f"{name} is a Dask array of {array.numblocks[axis]} chunks along axis {axis}, "
                f"where its distributions lie: pass {name}.rechunk({{{axis}: -1}})"
            )


def _block(
    call: Callable[..., Any],
    divide_by: Callable[..., float] | None,
    whole: Sequence[bool],
    axes: tuple[int, ...],
    reduction: str,
    keepdims: bool,
    *blocks: Any,
) -> Any:
    """Return a block's results; or their sum and what the reduction divides by."""
    operands, weights = blocks[: len(whole)], blocks[len(whole) :]
    weight = weights[0] if weights else None
    try:
        if reduction == "none":
            return np.asarray(call(operands, weight, "none", keepdims))
        total = call(operands, weight, "sum", False)
    except ValueError as error:
        error.add_note("Positions are counted from the start of a block of the Dask array.")
        raise
    shape = np.broadcast_shapes(
        *(
            tuple(n for i, n in enumerate(block.shape) if not full or i - block.ndim not in axes)
            for block, full in zip(operands, whole, strict=True)
        )
    )
    divisor: Any = math.prod(shape)
    if divide_by is not None:
        divisor = divide_by(operands, weight)
    elif reduction == "weighted_mean":
        divisor = np.broadcast_to(np.asarray(weight, np.float64), shape).sum()
    return np.reshape(np.array([total, divisor], np.float64), (1,) * len(shape) + (2,))


def _join(reduction: str, dtype: np.dtype[Any], parts: Array) -> Any:
    """Return the sum of the blocks' sums, or the quotient of both."""
    sums = parts.reshape(-1, 2)
    total, divisor = (_exact_sum(sums[:, i]) for i in range(2))
    with np.errstate(all="ignore"):
        result = np.float64(total) / divisor if reduction != "sum" else total
        return np.asarray(result, dtype)


def _join_divisors(parts: Array) -> Any:
    """Return the sum of what the blocks add to the divisor of a mean."""
    return np.asarray(_exact_sum(parts.reshape(-1, 2)[:, 1]))


def _exact_sum(values: Array) -> float:
    """Return the sum, rounded once: the same however many blocks there are."""
    try:
        return math.fsum(values)
    except (ValueError, OverflowError):  # infinities of both signs, or beyond the largest number
        return float(np.sum(values))

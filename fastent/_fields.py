"""Several results a row from one read of it: named tuples of arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from fastent._arrays import FLOAT64, Array, kernel_dtype
from fastent._core import Measure
from fastent._labels import check_label_shape
from fastent._lazy import fields_lazily, lazy_operands
from fastent._plan import Rows, check_out, deliver, result_array


def class_axis(logits: Any, axis: int) -> int:
    """Return the axis from 0 on; raise if there is nothing along it."""
    if logits.ndim == 0:
        raise ValueError("logits is a single number, and has no axis of classes")
    try:
        position: int = normalize_axis_index(axis, logits.ndim)
    except TypeError:
        raise TypeError(f"axis must be an int, not {axis!r}: classes lie along one axis") from None
    if logits.shape[position] == 0:
        raise ValueError(f"logits has shape {logits.shape}: there are no classes (axis={axis})")
    return position


def fill_fields(
    measure: Measure,
    arrays: Sequence[Array],
    names: Sequence[str],
    position: int,
    vector: Array,
    keepdims: bool,
    out: Any,
    dtypes: Sequence[np.dtype[Any] | None],
    wanted: Sequence[bool],
    labels: Array | None = None,
    ignored: int | None = None,
) -> list[Any]:
    """Return several arrays of one result a row; None for what is not wanted."""
    dtype = kernel_dtype(arrays)
    rows = Rows(arrays, names, position)
    shape = rows.kept_shape() if keepdims else rows.outer
    if out is None:
        out = (None,) * len(dtypes)
    elif not isinstance(out, tuple) or len(out) != len(dtypes):
        raise TypeError(f"out must be a tuple of {len(dtypes)} arrays or Nones")
    for each, kind, want in zip(out, dtypes, wanted, strict=True):
        if each is not None and not want:
            raise ValueError("out has room for what takes a target, but there is no target")
        check_out(each, shape, kind or dtype)
    results: list[Array | None] = []
    for i, (each, kind, want) in enumerate(zip(out, dtypes, wanted, strict=True)):
        others = [
            other for other in (*arrays, labels, *out[:i], *out[i + 1 :]) if other is not None
        ]
        results.append(_contiguous(each, shape, kind or dtype, others) if want else None)
    measure.fields(
        rows.views,
        1,
        vector,
        tuple(results),
        dtype,
        labels,
        float("nan") if ignored is None else float(ignored),
    )
    return [
        None if result is None else deliver(result, each)
        for result, each in zip(results, out, strict=True)
    ]


def fill_plain(
    measure: Measure,
    arrays: tuple[Array, ...],
    vector: Array,
    dtypes: Sequence[np.dtype[Any] | None],
    wanted: Sequence[bool],
    labels: Array | None,
) -> list[Any]:
    """Return what fill_fields does, of what _core.plain_rows() has looked at, without options."""
    shape, dtype = arrays[0].shape[:-1], arrays[0].dtype
    results = [
        np.empty(shape, kind or dtype) if want else None
        for kind, want in zip(dtypes, wanted, strict=True)
    ]
    measure.fields(arrays, 1, vector, tuple(results), dtype, labels)
    return results if shape else [None if one is None else one[()] for one in results]


def _contiguous(
    out: Array | None, shape: tuple[int, ...], dtype: np.dtype[Any], others: Sequence[Array]
) -> Array:
    """Return `out`, if the loops can fill it as it is; else a new array."""
    result = result_array(out, shape, dtype, others)
    return result if result.flags.c_contiguous else np.empty(shape, dtype)


def lazy_fields(
    call: Any,
    operands: tuple[Any, ...],
    names: Sequence[str],
    axis: int,
    keepdims: bool,
    out: Any,
    dtypes: Sequence[np.dtype[Any] | None],
    wanted: Sequence[bool],
) -> list[Any]:
    """Return Dask arrays of one result a row, which share one read of the operands.

    `call` stacks the results of blocks (`stack_fields`); a target comes first.
    """
    blocks = lazy_operands(operands, names, out)
    position = class_axis(blocks[-1], axis)
    whole = tuple(name != "target" for name in names)
    if not whole[0]:
        check_label_shape(blocks[0], blocks[-1], position, "target")
    dtype = kernel_dtype(blocks[not whole[0] :])
    place = position - blocks[-1].ndim
    parts = fields_lazily(call, blocks, names, whole, place, keepdims, len(dtypes))
    return [
        part.astype(kind or dtype) if want else None
        for part, kind, want in zip(parts, dtypes, wanted, strict=True)
    ]


def stack_fields(fields: Sequence[Any], shape: tuple[int, ...]) -> Array:
    """Return a block's results along a new first axis; 0 for those that were not made."""
    rest = np.zeros(shape)
    return np.stack([np.asarray(rest if f is None else f, FLOAT64) for f in fields])

"""Views of Arrow's buffers as NumPy arrays, and of its bitmaps as masks."""

from typing import Any

import numpy as np
import pyarrow as pa

from fastent._arrays import Array

NAMES = {"halffloat": "float16", "float": "float32", "double": "float64"}


def dtype_of(type: pa.DataType) -> np.dtype[Any]:
    """Return the dtype of numbers, or of booleans once their bits are bytes.

    PyArrow's own answer, `to_pandas_dtype`, imports pandas in older versions.
    """
    return np.dtype(NAMES.get(str(type), str(type)))


def numbers(array: pa.Array) -> Array:
    """Return the entries of an array of numbers where they lie, those that are null too.

    ``Array.to_numpy`` makes NaN of nulls, silently. Booleans are bits, and are copied.
    """
    buffer, count = array.buffers()[1], len(array)
    dtype = dtype_of(array.type)
    if buffer is None or count == 0:
        return np.zeros(count, dtype)
    if pa.types.is_boolean(array.type):
        return bits(buffer, array.offset, count)
    return np.frombuffer(buffer, dtype, count, array.offset * dtype.itemsize)


def bits(buffer: pa.Buffer, offset: int, count: int) -> Array:
    """Return bits of a bitmap, from bit `offset` on, as booleans."""
    first, skip = divmod(offset, 8)
    octets = np.frombuffer(buffer, np.uint8, (skip + count + 7) // 8, first)
    return np.unpackbits(octets, count=skip + count, bitorder="little")[skip:].view(np.bool_)


def valid(array: pa.Array, start: int = 0, stop: int | None = None) -> Array | None:
    """Return which items of an array, or of a part of it, are not null; None if all are there."""
    buffer = array.buffers()[0] if array.null_count else None
    if buffer is None:
        return None
    stop = len(array) if stop is None else stop
    return bits(buffer, array.offset + start, stop - start)


def bitmap(mask: Array | None) -> pa.Buffer | None:
    """Return a mask as the bitmap of an array's validity."""
    if mask is None:
        return None
    return pa.py_buffer(np.packbits(mask, bitorder="little"))

"""Results as Arrow arrays: filled block by block, null where a row is."""

from dataclasses import dataclass
from math import prod
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from fastent._arrays import Array
from fastent.arrow._bits import bitmap


@dataclass(frozen=True)
class Result:
    """What a result is: its name, its dtype, and the axes that a row of it has."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    lists: bool
    """Whether it is as long as the row is, which is known row by row."""

    @property
    def field(self) -> pa.Field:
        """Return the field of its column."""
        type = pa.from_numpy_dtype(self.dtype)
        if self.lists:
            return pa.field(self.name, pa.list_(type))
        for size in reversed(self.shape):
            type = pa.list_(type, size)
        return pa.field(self.name, type)

    def of(self, rows: int) -> "Filling":
        """Return the results of so many rows, to be filled."""
        return Lists(self, rows) if self.lists else Fixed(self, rows)


class Filling(Protocol):
    """Results of the rows of a batch, of which blocks come one after the other."""

    def put(self, start: int, stop: int, places: Array | None, part: Array, offsets: Any) -> None:
        """Take the results of these rows, or of those at some places among them."""

    def finish(self, mask: Array | None) -> pa.Array:
        """Return all as an array, null but where the mask is true."""


class Fixed:
    """Results of one shape."""

    def __init__(self, result: Result, rows: int) -> None:
        self._result, self._rows = result, rows
        self._values: Array | None = None

    def put(self, start: int, stop: int, places: Array | None, part: Array, offsets: Any) -> None:
        """Take results; those of a whole batch as they are."""
        if places is None and stop - start == self._rows:
            self._values = part
            return
        if self._values is None:
            self._values = self._nothing()
        block = self._values[start:stop]
        block[slice(None) if places is None else places] = part

    def finish(self, mask: Array | None) -> pa.Array:
        """Return the array, whose memory is that of the results."""
        values = self._nothing() if self._values is None else self._values
        sizes, rows = self._result.shape, self._rows
        entries = np.ascontiguousarray(values).reshape(rows * prod(sizes))
        array = of_numbers(entries, None if sizes else mask)
        for depth in range(len(sizes), 0, -1):
            type = pa.list_(array.type, sizes[depth - 1])
            outer = rows * prod(sizes[: depth - 1])
            bits = bitmap(mask) if depth == 1 else None
            array = pa.Array.from_buffers(type, outer, [bits], children=[array])
        return array

    def _nothing(self) -> Array:
        return np.zeros((self._rows, *self._result.shape), self._result.dtype)


class Lists:
    """Results as long as their rows."""

    def __init__(self, result: Result, rows: int) -> None:
        self._dtype = result.dtype
        self._lengths = np.zeros(rows, np.int64)
        self._parts: list[Array] = []

    def put(self, start: int, stop: int, places: Array | None, part: Array, offsets: Any) -> None:
        """Take results: rows of one length, or a flat array beside its offsets."""
        lengths = part.shape[1] if part.ndim == 2 else np.diff(offsets)
        self._lengths[start:stop][slice(None) if places is None else places] = lengths
        self._parts.append(part.reshape(-1))

    def finish(self, mask: Array | None) -> pa.Array:
        """Return the array."""
        entries = np.concatenate(self._parts) if self._parts else np.empty(0, self._dtype)
        ends = np.concatenate([[0], np.cumsum(self._lengths)])
        if ends[-1] > np.iinfo(np.int32).max:
            raise ValueError(
                f"a batch has {ends[-1]} results in lists, beyond 2^31 - 1: pass fewer rows at once"
            )
        offsets = pa.py_buffer(ends.astype(np.int32))
        values = of_numbers(entries, None)
        type, rows = pa.list_(values.type), len(self._lengths)
        return pa.Array.from_buffers(type, rows, [bitmap(mask), offsets], children=[values])


def of_numbers(values: Array, mask: Array | None) -> pa.Array:
    """Return numbers as an array that shares their memory; booleans become bits."""
    data = bitmap(values) if values.dtype == np.bool_ else pa.py_buffer(values)
    type = pa.from_numpy_dtype(values.dtype)
    return pa.Array.from_buffers(type, len(values), [bitmap(mask), data])

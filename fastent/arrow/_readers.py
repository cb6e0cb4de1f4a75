"""Readers: rows of Arrow arrays as NumPy arrays, views wherever the layout allows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from fastent._arrays import Array
from fastent.arrow._bits import numbers, valid


@dataclass(frozen=True)
class Ragged:
    """Rows that may differ in length, which lie between offsets, the first of them 0."""

    values: Array
    offsets: Array

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, rows: slice) -> "Ragged":
        places = self.offsets[rows.start : rows.stop + 1]
        return Ragged(self.values[places[0] : places[-1]], places - places[0])


Rows = Array | Ragged


class Reader(Protocol):
    """What gives out rows."""

    def rows(self, start: int, stop: int, places: Array | None) -> Rows:
        """Return these rows, or those at some places among them. No other is looked at."""


class NullEntryError(Exception):
    """A null within a row that is none: which of the rows that were asked for, and what is null."""

    def __init__(self, row: int, what: str) -> None:
        super().__init__(row, what)
        self.row, self.what = row, what


class FixedRows:
    """Rows of one shape: numbers, fixed-size lists and tensors."""

    def __init__(
        self,
        array: pa.Array,
        column: str,
        shape: tuple[int, ...],
        order: tuple[int, ...],
        fill: float | None,
    ) -> None:
        self._column, self._fill = column, fill
        self._shape = tuple(shape[order.index(i)] for i in range(len(order))) or shape
        self._order = (0, *(1 + i for i in order)) if order else ()
        self._levels = []
        rows, width = len(array), 1
        while isinstance(array, pa.FixedSizeListArray):
            # `values` knows nothing of a slice; `flatten` would leave out null rows
            size = array.type.list_size
            array = inside(array.values.slice(array.offset * size, len(array) * size))
            width *= size
            if array.null_count:
                self._levels.append((array, width))
        self._values = numbers(array).reshape(rows, width)
        self._width = width

    def rows(self, start: int, stop: int, places: Array | None) -> Array:
        """Return rows."""
        part = at(places, self._values[start:stop])
        for array, width in self._levels:
            there = valid(array, start * width, stop * width)
            if there is None or there.all():
                continue
            missing = np.repeat(~at(places, there.reshape(-1, width)), self._width // width, axis=1)
            if not missing.any():
                continue
            if self._fill is None:
                row, entry = (int(i) for i in np.argwhere(missing)[0])
                raise NullEntryError(row, f"entry {entry} of column {self._column!r}")
            part = filled(part, missing, self._fill)
        part = part.reshape(len(part), *self._shape)
        return part.transpose(self._order) if self._order else part


class ListRows:
    """Rows that may differ in length: lists, large lists and views of lists."""

    def __init__(self, array: pa.Array, column: str, fill: float | None) -> None:
        self._column, self._fill = column, fill
        self._offsets = offsets_of(array)
        # a view may lie anywhere, and `flatten` puts them in order
        values = inside(array.flatten() if isinstance(array, VIEWS) else array.values)
        self._nulls = values if values.null_count else None
        self._values = numbers(values)

    def rows(self, start: int, stop: int, places: Array | None) -> Ragged:
        """Return rows."""
        offsets = self._offsets[start : stop + 1]
        first, last = int(offsets[0]), int(offsets[-1])
        offsets = offsets - first
        part = self._values[first:last]
        there = None if self._nulls is None else valid(self._nulls, first, last)
        if places is not None:
            lengths = np.diff(offsets)
            offsets = np.concatenate([[0], np.cumsum(lengths[places], dtype=np.int64)])
            if offsets[-1] < len(part):
                kept = np.zeros(len(lengths), np.bool_)
                kept[places] = True
                entries = np.repeat(kept, lengths)
                part, there = part[entries], None if there is None else there[entries]
        if there is not None and not there.all():
            if self._fill is None:
                place = int(np.argmin(there))
                row = int(np.searchsorted(offsets, place, "right")) - 1
                entry = place - int(offsets[row])
                raise NullEntryError(row, f"entry {entry} of column {self._column!r}")
            part = filled(part, ~there, self._fill)
        return Ragged(part, offsets)


class GatheredRows:
    """Rows with an entry in each of several columns, gathered into the same room block by block."""

    def __init__(
        self,
        arrays: Sequence[pa.Array],
        columns: Sequence[str],
        dtype: np.dtype[Any],
        fill: float | None,
        block: int,
    ) -> None:
        self._columns, self._fill = columns, fill
        self._values = [numbers(array) for array in arrays]
        self._nulls = [(i, array) for i, array in enumerate(arrays) if array.null_count]
        if fill and dtype.kind in "biu":
            dtype = np.dtype(np.float64)  # integers have no infinity
        self._room = np.empty((len(arrays), min(block, len(arrays[0]))), dtype)

    def rows(self, start: int, stop: int, places: Array | None) -> Array:
        """Return rows, until the next are asked for."""
        room = self._room[:, : stop - start if places is None else len(places)]
        for line, values in zip(room, self._values, strict=True):
            line[...] = at(places, values[start:stop])
        first: tuple[int, str] | None = None
        for i, array in self._nulls:
            there = valid(array, start, stop)
            there = None if there is None else at(places, there)
            if there is None or there.all():
                continue
            if self._fill is None:
                found = (int(np.argmin(there)), f"column {self._columns[i]!r}")
                first = found if first is None else min(first, found)
            else:
                room[i][~there] = self._fill
        if first is not None:
            raise NullEntryError(*first)
        return room.T


def inside(array: pa.Array) -> pa.Array:
    """Return the numbers that lists hold."""
    while isinstance(array, pa.ExtensionArray):
        array = array.storage
    return array.cast(pa.int8()) if pa.types.is_null(array.type) else array


VIEWS = (pa.ListViewArray, pa.LargeListViewArray)


def offsets_of(array: pa.Array) -> Array:
    """Return where lists begin among their entries, and where the last one ends."""
    if not isinstance(array, VIEWS):
        return _buffer(array, 1, 1)
    sizes, there = _buffer(array, 2, 0), valid(array)
    if there is not None:
        sizes = np.where(there, sizes, 0)
    return np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])


def at(places: Array | None, rows: Array) -> Array:
    """Return the rows at some places, or all."""
    return rows if places is None else rows.take(places, axis=0)


def filled(part: Array, missing: Array, fill: float) -> Array:
    """Return a copy with something else in place of what is missing."""
    if fill and part.dtype.kind in "biu":
        part = part.astype(np.float64)  # integers have no infinity
    return np.where(missing, part.dtype.type(fill), part)


def _buffer(array: pa.Array, place: int, more: int) -> Array:
    """Return the offsets or sizes of lists, of which there may be one more than lists."""
    buffer = array.buffers()[place]
    large = isinstance(array, (pa.LargeListArray, pa.LargeListViewArray))
    dtype = np.dtype(np.int64 if large else np.int32)
    if buffer is None or buffer.size == 0:
        return np.zeros(len(array) + more, dtype)
    return np.frombuffer(buffer, dtype, len(array) + more, array.offset * dtype.itemsize)

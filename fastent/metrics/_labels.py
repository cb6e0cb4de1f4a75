"""Labels of any dtype that sorts, as numbers: a code for each sample, and how often each occurs.

Integers close together are their own codes but for an offset, and strings are numbered character by
character; neither is sorted.
"""

from typing import NamedTuple

import numpy as np

from fastent._arrays import Array

FEW = 1000  # up to so many strings NumPy's sort is as fast
ROOM = 64  # codes that any number of samples may have
LARGEST = 2**31  # codes, so that pairs of them have codes too


class Codes(NamedTuple):
    """Labels as numbers: `values[code]` is the label, and `counts[code]` may be 0."""

    code: Array
    counts: Array
    values: Array

    @property
    def classes(self) -> Array:
        """The labels that occur, sorted."""
        return self.values[self.counts > 0]

    @property
    def sizes(self) -> Array:
        """How often each of them occurs."""
        return self.counts[self.counts > 0]


def coded(labels: Array) -> Codes:
    """Return the codes of one-dimensional labels, in the order of their values."""
    codes = None
    kind = labels.dtype.kind
    if labels.size:
        if kind == "b":
            codes = _of_integers(labels.view(np.uint8), labels.dtype)
        elif kind in "iu":
            codes = _of_integers(labels, labels.dtype)
        elif kind == "f":
            codes = _of_floats(labels)
        elif kind == "U" and labels.size > FEW:
            codes = _of_text(labels)
        elif kind == "O":
            codes = _of_objects(labels)
    if codes is not None:
        return codes
    values, code, counts = np.unique(labels, return_inverse=True, return_counts=True)
    return Codes(code, counts, values)


def most(samples: int) -> int:
    """Return how many codes so many samples may have, before sorting them pays."""
    return min(4 * samples + ROOM, LARGEST)


def _of_integers(labels: Array, dtype: np.dtype) -> Codes | None:
    """Return integers less the smallest; None where that leaves too many codes."""
    low, high = labels.min(), labels.max()
    size = int(high) - int(low) + 1
    if size > most(labels.size):
        return None
    code = labels
    if low != 0 or labels.dtype != np.intp:
        code = labels.astype(np.intp)  # beyond its range modulo 2^64, which the difference undoes
        code -= low.astype(np.intp)
    values = np.arange(size).astype(labels.dtype) + low
    return Codes(code, np.bincount(code, minlength=size), values.astype(dtype))


def _of_floats(labels: Array) -> Codes | None:
    """Return the codes of whole numbers; None for others."""
    whole = whole_numbers(labels)
    return None if whole is None else _of_integers(whole, labels.dtype)


def whole_numbers(labels: Array) -> Array | None:
    """Return floats as integers, if they are."""
    whole = labels.astype(np.int64)
    return whole if np.array_equal(whole.astype(labels.dtype), labels) else None


def _of_text(labels: Array) -> Codes | None:
    """Return the codes of strings of a fixed width, from their first character to their last."""
    if labels.dtype.itemsize == 0:
        return None
    text = np.ascontiguousarray(labels, labels.dtype.newbyteorder("="))
    characters = text.view(np.uint32).reshape(len(text), -1)
    code, size = np.zeros(len(text), np.intp), 1
    for place in characters.T:
        low, high = int(place.min()), int(place.max())
        if low == high:
            continue
        if size * (high - low + 1) > most(len(text)):
            code, size = _closed_up(code, size)
        if size * (high - low + 1) > most(len(text)):
            return None
        code *= high - low + 1
        code += place
        code -= low
        size *= high - low + 1
    code, size = _closed_up(code, size)
    first = np.empty(size, np.intp)
    first[code] = np.arange(len(text))  # any sample of each
    return Codes(code, np.bincount(code, minlength=size), labels[first])


def _closed_up(code: Array, size: int) -> tuple[Array, int]:
    """Return codes without the gaps between those that occur, and their number."""
    seen = np.bincount(code, minlength=size) > 0
    rank = np.cumsum(seen) - 1
    return rank[code], int(rank[-1]) + 1


def _of_objects(labels: Array) -> Codes | None:
    """Return the codes of strings among objects; None if there are others."""
    listed = labels.tolist()
    if set(map(type, listed)) - {str, np.str_}:
        return None
    values = sorted(set(listed))
    place = {value: i for i, value in enumerate(values)}
    code = np.fromiter(map(place.__getitem__, listed), np.intp, len(listed))
    return Codes(code, np.bincount(code, minlength=len(values)), np.array(values, labels.dtype))

"""check=True: errors that name the first bad row or element, its value and the rule."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastent import _core
from fastent._arrays import Array
from fastent._plan import Index, Rows, blocks, parameters

TOTAL = _core.measures["total"]
PLAIN = parameters(TOTAL, None)
LARGEST_WEIGHT = np.float64(1e38)  # of class 1: it fits a float32 (and a float16 is cast to it)
BLOCK = 16384  # sums, or elements, that are looked at at a time


def check_rows(
    rows: Rows,
    names: Sequence[str],
    dtype: np.dtype[Any],
    normalize: bool,
    zeros: bool = False,
) -> None:
    """Raise a ValueError that names the first row that is no distribution, and the rule.

    Rows that are normalised may be all zeros if `zeros` says so.
    """
    allowed = float(_allowed(rows.length, dtype))
    for view, name in zip(rows.views, names, strict=True):
        for index in blocks(rows.outer, BLOCK):
            totals = np.empty(view[index].shape[: view[index].ndim - len(rows.core)], dtype)
            TOTAL.rows((view[index],), len(rows.core), PLAIN, totals)
            good = _good_sums(totals, allowed, normalize) | (zeros & (totals == 0))
            if np.all(good):
                continue
            first = np.unravel_index(int(np.argmin(good)), np.shape(good))
            block = view[index]
            row = np.asarray(block[first], dtype=np.float64)
            place = place_of(index, first, rows.outer)
            where = f"{name}: row {place}" if rows.outer else name
            _explain_row(where, row, float(np.asarray(totals)[first]), allowed, normalize)


def check_ragged(
    arrays: Sequence[Array],
    offsets: Array,
    names: Sequence[str],
    dtype: np.dtype[Any],
    normalize: bool,
) -> None:
    """Do the same for the rows of flat arrays between offsets."""
    for array, name in zip(arrays, names, strict=True):
        for start in range(0, len(offsets) - 1, BLOCK):
            places = offsets[start : start + BLOCK + 1]
            totals = np.empty(len(places) - 1, dtype)
            TOTAL.rows((array,), 1, PLAIN, totals, offsets=places)
            allowed = _allowed(np.diff(places.astype(np.float64)), dtype)
            good = _good_sums(totals, allowed, normalize)
            if np.all(good):
                continue
            first = int(np.argmin(good))
            row = np.asarray(array[int(places[first]) : int(places[first + 1])], np.float64)
            where = f"{name}: row {start + first}"
            _explain_row(where, row, float(totals[first]), float(allowed[first]), normalize)


def _allowed(length: Any, dtype: np.dtype[Any]) -> Any:
    """Return how far from 1 the sums of rows of some length may be."""
    return 1e-6 * np.sqrt(length) + 4 * length * float(np.finfo(dtype).eps)


def _good_sums(totals: Array, allowed: Any, normalize: bool) -> Any:
    """Return which sums are those of distributions, or of weights."""
    if normalize:
        return (totals > 0) & (totals < math.inf)
    return np.abs(totals - 1) <= allowed


def check_unit(array: Array, name: str) -> None:
    """Raise a ValueError that names the first element outside [0, 1]."""
    _check_each(array, name, lambda block: (block >= 0) & (block <= 1), "[0, 1]")


def check_pos_weight(array: Array) -> None:
    """Raise a ValueError that names the first negative or too large weight; NaN is none."""
    rule = f"[0, {LARGEST_WEIGHT:g}]"
    _check_each(array, "pos_weight", lambda b: ~((b < 0) | (b > LARGEST_WEIGHT)), rule)


def _check_each(array: Array, name: str, good_ones: Callable[[Array], Any], rule: str) -> None:
    """Raise a ValueError that names the first element that is not good."""
    for index in blocks(array.shape, BLOCK):
        block = array[index]
        good = np.asarray(good_ones(block))
        if good.all():
            continue
        first = np.unravel_index(int(np.argmin(good)), good.shape)
        place = place_of(index, first, array.shape)
        where = f"{name}: element {place}" if array.shape else name
        raise ValueError(f"{where} is {np.asarray(block)[first]}: it must lie in {rule}")


def place_of(index: Index, first: tuple[Any, ...], outer: tuple[int, ...]) -> Any:
    """Return the position of an item of a block within the whole: an int for one axis."""
    lead = [i for i in index if not isinstance(i, slice)]
    offset = [i.start for i in index if isinstance(i, slice)]
    inner = [int(i) for i in first]
    if offset and inner:
        inner[0] += offset[0]
    whole = tuple(int(i) for i in lead) + tuple(inner)
    return whole[0] if len(outer) == 1 else whole


def _explain_row(where: str, row: Array, total: float, allowed: float, normalize: bool) -> None:
    """Raise the error that says what is wrong with this row."""
    bad = ~(row >= 0)
    if bad.any():
        place = np.unravel_index(int(np.argmax(bad)), row.shape)
        column = int(place[0]) if len(place) == 1 else tuple(int(i) for i in place)
        raise ValueError(f"{where} holds {row[place]} at {column}: probabilities must be 0 or more")
    if normalize:
        raise ValueError(f"{where} sums to {total}: weights need a positive, finite sum")
    raise ValueError(
        f"{where} sums to {total}, not to 1 within {allowed:.2g}: "
        "pass normalize=True to divide rows by their sums"
    )

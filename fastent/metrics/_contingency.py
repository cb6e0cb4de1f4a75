"""Contingency tables by their cells that are not 0: nothing of the size of a table is made.

A pair of codes is one integer, so the cells are counted, or where there is room for many more pairs
than samples, the pairs sorted.
"""

import warnings
from typing import Any, NamedTuple

import numpy as np

from fastent._arrays import Array
from fastent.metrics._arrays import (
    check_dimensions,
    check_finite,
    check_lengths,
    check_size,
    in_numpy,
    read,
)
from fastent.metrics._labels import Codes, coded, most
from fastent.metrics._parameters import is_sparse
from fastent.metrics._targets import target_of

INTEGERS = (np.dtype(np.intp), np.dtype(np.int32), np.dtype(np.int64))


class Cells(NamedTuple):
    """The cells of a table that are not 0, and its sums, of all rows and columns."""

    row: Array
    column: Array
    counts: Array
    rows: Array
    columns: Array


def read_labels(labels_true: Any, labels_pred: Any) -> tuple[Codes, Codes]:
    """Return the codes of two labelings of the same samples."""
    arrays = []
    for labels in in_numpy(labels_true, labels_pred):
        array = read(labels)
        check_dimensions(array)
        check_finite(array)
        check_size(array, 0)
        arrays.append(array)
    targets = [target_of(array) for array in arrays]
    kinds = [target.kind for target in targets]
    if "continuous" in kinds:
        warnings.warn(
            f"Clustering metrics expects discrete values but received {kinds[0]} values for label, "
            f"and {kinds[1]} values for target",
            UserWarning,
            stacklevel=3,
        )
    for name, array in zip(("labels_true", "labels_pred"), arrays, strict=True):
        if array.ndim != 1:
            raise ValueError(f"{name} must be 1D: shape is {array.shape!r}")
    check_lengths(*arrays)
    codes = [coded(target.array) if target.codes is None else target.codes for target in targets]
    return codes[0], codes[1]


def cells_of_labels(true: Codes, pred: Codes) -> Cells:
    """Return the table of two labelings."""
    width = len(pred.counts)
    pair = true.code * width
    pair += pred.code
    if len(true.counts) * width <= most(len(pair)):
        table = np.bincount(pair)
        place = np.flatnonzero(table)
        count = table[place]
    else:
        place, count = _counted(pair)
    row, column = np.divmod(place, max(1, width))
    return Cells(row, column, count, true.counts, pred.counts)


def _counted(values: Array) -> tuple[Array, Array]:
    """Return the values, which are sorted in place, without repetitions, and how often each is."""
    values.sort()
    starts = np.flatnonzero(np.concatenate(([True], values[1:] != values[:-1])))
    return values[starts], np.diff(starts, append=len(values))


# ---- a table as it is given --------------------------------------------------------------------


def cells_of_table(table: Any) -> Cells:
    """Return the cells of a table of counts, dense or sparse; what is no integer becomes one."""
    if is_sparse(table):
        return _cells_of_sparse(table)
    array = read(in_numpy(table)[0])
    if array.dtype not in INTEGERS:
        check_finite(array, dtype=INTEGERS[0])
        array = array.astype(INTEGERS[0])
    if array.ndim < 2:
        _raise_for_dimensions(table, array)
    check_dimensions(array)
    check_size(array)
    row, column = np.nonzero(array)
    return Cells(row, column, array[row, column], array.sum(1), array.sum(0))


def _raise_for_dimensions(table: Any, array: Array) -> None:
    """Raise for a table of fewer than two dimensions."""
    reshape = (
        "Reshape your data either using array.reshape(-1, 1) if your data has a single feature or "
        "array.reshape(1, -1) if it contains a single sample."
    )
    if array.ndim == 0:
        got = f"Expected 2D array, got scalar array instead:\narray={array}.\n"
    elif hasattr(table, "iloc"):
        raise ValueError(
            f"Expected a 2-dimensional container but got {type(table)} instead. Pass a DataFrame "
            "containing a single row (i.e. single sample) or a single column (i.e. single feature) "
            "instead."
        )
    else:
        got = f"Expected 2D array, got 1D array instead:\narray={array}.\n"
    raise ValueError(got + reshape)


def _cells_of_sparse(table: Any) -> Cells:
    """Return the cells of one of SciPy's sparse arrays: entries of the same cell are added."""
    if table.dtype.kind == "c":
        raise ValueError(f"Complex data not supported\n{table}\n")
    if table.ndim < 2:
        raise ValueError(
            f"Expected 2D input, got input with shape {table.shape}.\nReshape your data either "
            "using array.reshape(-1, 1) if your data has a single feature or array.reshape(1, -1) "
            "if it contains a single sample."
        )
    check_size(table)
    entries = table.tocoo()
    value = entries.data
    if value.dtype not in INTEGERS:
        value = value.astype(INTEGERS[0])
    pair = entries.row.astype(np.int64) * table.shape[1] + entries.col
    place, inverse = np.unique(pair, return_inverse=True)
    count = np.zeros(len(place), np.int64)
    np.add.at(count, inverse, value)
    row, column = np.divmod(place, table.shape[1])
    rows, columns = np.zeros(table.shape[0], np.int64), np.zeros(table.shape[1], np.int64)
    np.add.at(rows, row, count)
    np.add.at(columns, column, count)
    some = count != 0
    return Cells(row[some], column[some], count[some], rows, columns)

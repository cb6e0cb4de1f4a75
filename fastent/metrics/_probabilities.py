"""Scores of predicted probabilities: what log loss and Brier score have in common.

Probabilities are read twice, in blocks that stay in the cache: for what scikit-learn checks of
them, and for the losses. Those of the positive class alone count as rows of two, 1 - p and p in
their own dtype, as scikit-learn has them.
"""

import math
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from fastent._arrays import Array
from fastent._by_blocks import WEIGHTED_SUM, of_rows
from fastent.metrics._arrays import (
    FLOATS,
    check_dimensions,
    check_finite,
    check_lengths,
    check_size,
    check_weights,
    not_finite,
    read,
)
from fastent.metrics._parameters import setting
from fastent.metrics._targets import Classes, classes_of, placed, target_of

BLOCK = 2**16  # entries
FEW = 4  # columns, which are quicker added one by one

# Takes rows of probabilities and the codes of their labels, or a table of labels: a loss a row.
Losses = Callable[[Array, Array], Array]


class Range(NamedTuple):
    """The largest and smallest probability, and sum of a row."""

    high: Any
    low: Any
    most: float
    least: float


def read_probabilities(value: Any) -> Array:
    """Return probabilities as an array; whether they are finite, `range_of` tells."""
    prob = read(value, FLOATS)
    check_dimensions(prob)
    if prob.ndim == 0:
        check_finite(prob)
    check_size(prob)
    return prob


def range_of(prob: Array, with_sums: bool) -> Range:
    """Return the range of probabilities, and of the sums of rows; raise for NaN and infinity.

    Rows that are not contiguous are taken all at once: blocks of columns' pieces take longer.
    """
    exact = np.promote_types(prob.dtype, np.float32)
    ranges = []
    with np.errstate(all="ignore"):
        for block in _blocks(prob) if prob.flags.c_contiguous else [prob]:
            block = block.astype(exact, copy=False)
            high, low = block.max(), block.min()
            most = least = 1.0 + 0 * high  # NaN makes rows of two sum to it
            if with_sums:
                sums = _sums(block)
                most, least = sums.max(), sums.min()
            ranges.append((high, -low, most, -least))
        high, low, most, least = np.max(ranges, axis=0) * (1, -1, 1, -1)
    if not (np.isfinite(high) and np.isfinite(low)) and not setting("assume_finite"):
        raise not_finite(prob.dtype, np.isnan(high))
    return Range(prob.dtype.type(high), prob.dtype.type(low), most, least)


def _sums(rows: Array) -> Array:
    """Return the sums of rows, the quickest way: they are only held against a tolerance."""
    if rows.shape[1] > FEW:
        return np.asarray(np.einsum("ij->i", rows))
    total = rows[:, 0] + rows[:, 1]
    for column in range(2, rows.shape[1]):
        total += rows[:, column]
    return np.asarray(total)


def check_range(found: Range, less: str) -> None:
    """Raise for probabilities outside [0, 1]."""
    if found.high > 1:
        raise ValueError(f"y_prob contains values greater than 1: {found.high}")
    if found.low < 0:
        raise ValueError(f"y_prob contains values {less} than 0: {found.low}")


def _blocks(array: Array) -> Iterator[Array]:
    """Yield rows, some at a time."""
    step = max(1, BLOCK // (array.shape[1] if array.ndim == 2 else 2))
    for start in range(0, len(array), step):
        yield array[start : start + step]


# ---- labels -------------------------------------------------------------------------------------


def multiclass_labels(y_true: Any, prob: Array, weights: Any, labels: Any) -> Array:
    """Return what is true of each row: its class's place, or a table; warn of sums other than 1."""
    check_of_sums = prob.ndim == 2 and prob.shape[1] > 1
    found = range_of(prob, check_of_sums)
    check_range(found, "lower")
    check_lengths(prob, y_true, weights)
    check_weights(weights, len(prob))
    true, classes = _true_labels(y_true, labels)
    tolerance = 1e-8 + math.sqrt(np.finfo(prob.dtype).eps)
    if not (found.most <= 1 + tolerance and found.least >= 1 - tolerance):
        warnings.warn(
            "The y_prob values do not sum to one. Make sure to pass probabilities.",
            UserWarning,
            stacklevel=3,
        )
    columns = prob.shape[1] if check_of_sums else 2
    if len(classes.labels) != columns:
        if labels is None:
            raise ValueError(
                "y_true and y_prob contain different number of classes: "
                f"{len(classes.labels)} vs {columns}. Please provide the true labels explicitly "
                f"through the labels argument. Classes found in y_true: {classes.labels}"
            )
        raise ValueError(
            "The number of classes in labels is different from that in y_prob. Classes found in "
            f"labels: {classes.labels}"
        )
    return true


def _true_labels(y_true: Any, labels: Any) -> tuple[Array, Classes]:
    """Return the place of each label among the classes, which `labels` lists, if it is not None."""
    if labels is None:
        target, classes = classes_of(y_true)
        if len(classes.labels) == 1:
            raise ValueError(
                f"y_true contains only one label ({classes.labels[0]}). Please provide the list of "
                "all expected class labels explicitly through the labels argument."
            )
        return placed(y_true, target, classes), classes
    _, classes = classes_of(labels)
    if not np.all(classes.labels == labels):
        warnings.warn(
            f"Labels passed were {labels}. But this function assumes labels are ordered "
            f"lexicographically. Pass the ordered labels={classes.labels.tolist()} and ensure that "
            "the columns of y_prob correspond to this ordering.",
            UserWarning,
            stacklevel=4,
        )
    is_plain = isinstance(y_true, np.ndarray) and y_true.ndim == 1 and y_true.dtype.kind in "biuU"
    read_before = target_of(y_true) if is_plain else None  # others may raise, after what follows
    codes = read_before.codes if read_before else None
    occurring = codes.classes if codes else y_true
    if not np.all(np.isin(occurring, labels)):
        raise ValueError(
            f"y_true contains values {set(y_true) - set(labels)} not belonging to the passed "
            f"labels {labels}."
        )
    if len(classes.labels) == 1:
        raise ValueError(
            f"The labels array needs to contain at least two labels, got {classes.labels}."
        )
    return placed(y_true, read_before or target_of(y_true), classes), classes


# ---- losses -------------------------------------------------------------------------------------


def average(losses: Losses, true: Array, prob: Array, weights: Any, normalize: bool = True) -> Any:
    """Return the mean of the losses of rows, or their sum, as a scalar of the dtype of both."""
    each = None if weights is None else np.asarray(weights)
    if each is not None and each.dtype.kind not in "biuf":
        return _average_of_objects(losses, true, prob, each, normalize)
    dtype = prob.dtype if each is None else np.result_type(prob.dtype, each.dtype)
    sums, start = [], 0
    with np.errstate(all="ignore"):
        for rows in _blocks(prob):
            end = start + len(rows)
            some = losses(_rows_of_two(rows), true[start:end])
            sums.append(some.sum() if each is None else _product(some, each[start:end]))
            start = end
        result = np.sum(sums, dtype=np.float64)
    if normalize:
        divisor = len(prob) if each is None else each.sum(dtype=dtype)
        if divisor == 0:
            raise ZeroDivisionError("Weights sum to zero, can't be normalized")
        result = result / float(divisor)
    return dtype.type(result)


def _product(losses: Array, weights: Array) -> Any:
    """Return the sum of losses times weights: BLAS would have its own threads."""
    if weights.dtype.itemsize > 8:
        weights = weights.astype(np.float64)
    return of_rows(WEIGHTED_SUM, (losses, weights), 1)[0]


def _average_of_objects(
    losses: Losses, true: Array, prob: Array, weights: Array, normalize: bool
) -> Any:
    """Return the same with weights that are no numbers of NumPy's."""
    values = losses(_rows_of_two(prob), true)
    return np.average(values, weights=weights) if normalize else np.dot(values, weights)


def _rows_of_two(prob: Array) -> Array:
    """Return rows of probabilities, of the positive class alone with those of the other."""
    if prob.ndim == 2 and prob.shape[1] > 1:
        return prob
    positive = prob.reshape(-1)
    rows = np.empty((len(positive), 2), prob.dtype)
    np.subtract(1, positive, out=rows[:, 0])
    rows[:, 1] = positive
    return rows

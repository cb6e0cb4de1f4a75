"""Class indices: whether they are in range, and what they make of weights."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from fastent._arrays import Array, as_array
from fastent._plan import divisor_of, weights_of

LOGITS_AXIS = "the length of logits' axis"  # why there are so many classes


def check_label_dtype(labels: Any, name: str, kinds: str = "biu") -> None:
    """Raise a TypeError unless labels are integers."""
    if labels.dtype.kind not in kinds:
        raise TypeError(
            f"{name} has dtype {labels.dtype}: class indices are integers, "
            f"such as {name}.astype(np.int64)"
        )


def check_label_shape(
    labels: Any, logits: Any, position: int, name: str, beside: str = "logits"
) -> None:
    """Raise unless there is an integer for each row of the logits, or of what is `beside`."""
    check_label_dtype(labels, name)
    rows = logits.shape[:position] + logits.shape[position + 1 :]
    if labels.shape != rows:
        raise ValueError(
            f"{name} has shape {labels.shape}, but {beside} of shape {logits.shape} has rows of "
            f"shape {rows} (class indices: one a row)"
        )


def check_labels(
    labels: Array, classes: int, reason: str, name: str = "labels", ignored: int | None = None
) -> None:
    """Raise a ValueError that names the first label out of range."""
    if labels.size == 0 or (labels.min() >= 0 and labels.max() < classes):
        return
    bad = (labels < 0) | (labels >= classes)
    if ignored is not None:
        bad &= labels != ignored
    if not bad.any():
        return
    place = np.unravel_index(int(np.argmax(bad)), bad.shape)
    index = int(place[0]) if len(place) == 1 else tuple(int(i) for i in place)
    which = name if labels.ndim == 0 else f"{name}: element {index}"
    raise ValueError(
        f"{which} is {labels[place]}, but there are {classes} classes, "
        f"0 to {classes - 1} ({reason})"
    )


def check_class_weight(class_weight: Any, classes: int) -> Array | None:
    """Return the weights of classes as float64, if there are any."""
    if class_weight is None:
        return None
    array = as_array(class_weight, "class_weight")
    if array.shape != (classes,):
        raise ValueError(
            f"class_weight has shape {array.shape}, but there are {classes} classes: "
            "it needs one weight a class"
        )
    return array.astype(np.float64)


def row_weights(
    labels: Array,
    weight: Any,
    class_weight: Array | None,
    ignored: int | None,
    reduction: str,
    weighted: bool = False,
) -> tuple[str, Array | None, float | None]:
    """Return how to reduce losses of labels: a reduction, weights, and what else to divide by.

    `weighted` losses have been multiplied by their class's weight.
    """
    weights = None if weight is None else weights_of(weight, labels.shape)
    if class_weight is None and ignored is None:
        return reduction, weights, None
    kept = _kept(labels, ignored)
    each = np.where(kept, 1.0 if weights is None else weights, 0.0)
    if class_weight is not None and not weighted:
        each *= class_weight[np.where(kept, labels, 0)]
    if reduction in ("none", "sum"):
        return reduction, each, None
    return "sum", each, mean_divisor(labels, weight, class_weight, ignored, reduction)


def mean_divisor(
    labels: Array, weight: Any, class_weight: Array | None, ignored: int | None, reduction: str
) -> float:
    """Return the sum of the class weights of the rows that are kept, or of their weights."""
    if class_weight is None and ignored is None and reduction != "weighted_mean":
        return divisor_of("mean", None, labels.shape)
    kept = _kept(labels, ignored)
    each: Any = 1.0
    if reduction == "weighted_mean":
        each = weights_of(weight, labels.shape)
    elif class_weight is not None:
        each = class_weight[np.where(kept, labels, 0)]
    return float(np.where(kept, each, 0.0).sum())


def block_divisor(
    class_weight: Array | None, ignored: int | None, reduction: str, return_weight: bool
) -> Callable[..., float] | None:
    """Return what says how much blocks of Dask arrays, labels first, add to the divisor of a mean.

    None if no divisor is needed, or if it is the number or the weights of all rows.
    """
    if class_weight is None and ignored is None:
        return None
    if reduction in ("none", "sum") and not return_weight:
        return None
    return partial(_block_divisor, class_weight, ignored, reduction)


def _block_divisor(
    class_weight: Array | None, ignored: int | None, reduction: str, blocks: Any, weight: Any
) -> float:
    """Return what a block of a Dask array, labels first, adds to the divisor of a mean."""
    return mean_divisor(blocks[0], weight, class_weight, ignored, reduction)


def _kept(labels: Array, ignored: int | None) -> Array:
    """Return which rows count."""
    return np.ones(labels.shape, bool) if ignored is None else labels != ignored

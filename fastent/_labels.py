"""Class indices: whether they are in range, and what they make of weights."""

from typing import Any

import numpy as np

from fastent._arrays import Array, as_array
from fastent._plan import weights_of


def check_label_dtype(labels: Any, name: str) -> None:
    """Raise a TypeError unless labels are integers."""
    if labels.dtype.kind not in "biu":
        raise TypeError(
            f"{name} has dtype {labels.dtype}: class indices are integers, "
            f"such as {name}.astype(np.int64)"
        )


def check_label_shape(labels: Any, logits: Any, position: int, name: str) -> None:
    """Raise unless there is an integer for each row of the logits."""
    check_label_dtype(labels, name)
    rows = logits.shape[:position] + logits.shape[position + 1 :]
    if labels.shape != rows:
        raise ValueError(
            f"{name} has shape {labels.shape}, but logits of shape {logits.shape} has rows of "
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
    raise ValueError(
        f"{name}: element {index} is {labels[place]}, but there are {classes} classes, "
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
) -> tuple[str, Array | None, float | None]:
    """Return how to reduce losses of labels: a reduction, weights, and what else to divide by.

    A mean divides by the class weights of the rows that are kept, a weighted mean by their weights.
    """
    weights = None if weight is None else weights_of(weight, labels.shape)
    if class_weight is None and ignored is None:
        return reduction, weights, None
    kept = np.ones(labels.shape, bool) if ignored is None else labels != ignored
    each = kept.astype(np.float64)
    if class_weight is not None:
        each *= class_weight[np.where(kept, labels, 0)]
    if weights is None:
        return ("weighted_mean" if reduction == "mean" else reduction), each, None
    if reduction == "mean":
        return "sum", each * weights, float(each.sum())
    if reduction == "weighted_mean":
        return "sum", each * weights, float((kept * weights).sum())
    return reduction, each * weights, None

"""What kind of target labels are, and their classes: scikit-learn's rules and words."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fastent._arrays import Array
from fastent.metrics._arrays import check_dimensions, check_finite, check_size, count, read
from fastent.metrics._labels import Codes, coded

INDICATOR = "multilabel-indicator"


class Target(NamedTuple):
    """Labels as an array, their kind in scikit-learn's words, and their codes if it has any."""

    array: Array
    kind: str
    codes: Codes | None = None


class Classes(NamedTuple):
    """Classes, sorted, and the kind of the target from which they were learned."""

    labels: Array
    kind: str


def target_of(value: Any, name: str = "") -> Target:
    """Return labels with their kind; raise for what can be none."""
    if type(value) is not np.ndarray:
        _check_is_target(value)
    array = _as_target(value)
    if array.ndim == 2 and array.shape[1] > 1 and _is_indicator(array):
        return Target(array, INDICATOR)
    if array.ndim > 0 and len(array) > 0:
        _check_first(array[0])
    if array.ndim not in (1, 2) or (array.ndim == 2 and array.size == 0):
        return Target(array, "unknown")
    if array.size == 0:
        return Target(array, "binary", coded(array))
    if array.dtype == object and not isinstance(array.flat[0], str):
        return Target(array, "unknown")
    several = array.ndim == 2 and array.shape[1] > 1
    suffix = "-multioutput" if several else ""
    if array.dtype.kind == "f" and np.any(array != array.astype(np.int64).astype(array.dtype)):
        check_finite(array, name)
        return Target(array, "continuous" + suffix)
    if several:
        return Target(array, "multiclass" + suffix)
    codes = coded(array.reshape(-1))
    return Target(array, "multiclass" if len(codes.sizes) > 2 else "binary", codes)


def _check_is_target(value: Any) -> None:
    """Raise unless this is a sequence or an array of labels."""
    known = isinstance(value, Sequence) or hasattr(value, "__array__")
    if isinstance(value, str) or not (known or hasattr(value, "__array_namespace__")):
        raise ValueError(f"Expected array-like (array or non-string sequence), got {value!r}")
    if type(value).__name__ in ("SparseSeries", "SparseArray"):
        raise ValueError("y cannot be class 'SparseSeries' or 'SparseArray'")


def _as_target(value: Any) -> Array:
    """Return labels as an array: of objects, where they are no array otherwise."""
    try:
        return read(value)
    except ValueError as error:
        if str(error).startswith("Complex data not supported"):
            raise
        return read(value, (object,))


def _is_indicator(array: Array) -> bool:
    """Whether a table says which labels each sample has: whole numbers, two of them at most."""
    if len(np.unique(array)) > 2:
        return False
    if array.dtype.kind == "f":
        return bool((array.astype(np.int64).astype(array.dtype) == array).all())
    return array.dtype.kind in "biu"


def _check_first(first: Any) -> None:
    """Raise if the first sample is no label."""
    if isinstance(first, bytes):
        raise TypeError(
            "Support for labels represented as bytes is not supported. Convert the labels to a "
            "string or integer format."
        )
    is_row = isinstance(first, Sequence) and not hasattr(first, "__array__")
    if is_row and not isinstance(first, str):
        raise ValueError(
            "You appear to be using a legacy multi-label data representation. Sequence of "
            "sequences are no longer supported; use a binary array or sparse matrix instead - the "
            "MultiLabelBinarizer transformer can convert to this format."
        )


# ---- classes -----------------------------------------------------------------------------------


def classes_of(value: Any) -> tuple[Target, Classes]:
    """Return labels, and the classes among them."""
    target = target_of(value, "y")
    _check_single(target.kind)
    if count(value) == 0:
        raise ValueError(f"y has 0 samples: {value!r}")
    if target.kind == INDICATOR:
        return target, Classes(np.arange(target.array.shape[1]), target.kind)
    if target.codes is None:
        if isinstance(value, np.ndarray):
            np.unique(value)  # which says so of what has no order
        raise ValueError(f"Unknown label type: {(value,)!r}")
    labels = target.codes.classes
    if not hasattr(value, "__array__"):
        _check_one_type(value, target.array)
    if labels.dtype.kind in "OU":
        labels = np.asarray(labels.tolist())  # as long as the longest
    return target, Classes(labels, target.kind)


def _check_single(kind: str) -> None:
    """Raise for several labels a sample."""
    if "multioutput" in kind:
        raise ValueError("Multioutput target data is not supported with label binarization")


def _check_one_type(value: Any, array: Array) -> None:
    """Raise for a sequence of strings and numbers: as an array, it is one of strings."""
    if array.ndim == 2:
        set(value)  # which rows cannot be in
    if array.dtype.kind != "U" or all(issubclass(kind, str) for kind in set(map(type, value))):
        return
    raise ValueError(
        f"Mix of label input types (string and number); Got {np.unique(np.asarray(value))}."
    )


def placed(value: Any, target: Target, classes: Classes) -> Array:
    """Return the place of each label among the classes; of a table of labels the table."""
    if target.kind == INDICATOR and classes.kind != INDICATOR:
        raise ValueError("The object was not fitted with multilabel input.")
    if not isinstance(value, list):
        check_dimensions(target.array)
        check_finite(target.array, "y")
        check_size(target.array)
    _check_single(target.kind)
    if target.kind == "unknown":
        raise ValueError("The type of target data is not known")
    if target.kind == INDICATOR:
        table = target.array
        if table.shape[1] != len(classes.labels):
            raise ValueError(
                f"classes {classes.labels} mismatch with the labels {np.arange(table.shape[1])} "
                "found in the data"
            )
        return table if table.dtype.kind == "i" else table.astype(np.int64)
    if target.codes is None:
        raise ValueError(f"{target.kind} target data is not supported with label binarization")
    codes = target.codes
    if np.array_equal(codes.values, classes.labels):
        return codes.code
    return np.searchsorted(classes.labels, codes.values)[codes.code]

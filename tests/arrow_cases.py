"""Every measure of rows with operands for it, and every way in which Arrow can hold them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pa: Any = pytest.importorskip("pyarrow")

Array = np.ndarray[Any, np.dtype[Any]]

Hold = Callable[..., Any]

ROWS, CLASSES = 37, 6

# ---- layouts ----------------------------------------------------------------------------------


def fixed(rows: Array, mask: Any = None) -> Any:
    """Hold rows of any number of axes as fixed-size lists of fixed-size lists."""
    array = pa.array(rows.reshape(-1))
    for size in reversed(rows.shape[1:]):
        outer = len(array) // size
        bits = mask if outer == len(rows) else None
        array = pa.FixedSizeListArray.from_arrays(array, size, mask=_bits(bits))
    return array


def tensor(rows: Array, mask: Any = None) -> Any:
    """Hold them as tensors of one shape."""
    flat = fixed(rows.reshape(len(rows), -1), mask)
    kind = pa.fixed_shape_tensor(flat.type.value_type, rows.shape[1:])
    return pa.ExtensionArray.from_storage(kind, flat)


def transposed(rows: Array, mask: Any = None) -> Any:
    """Hold them as tensors whose axes lie in memory the other way round."""
    axes = tuple(reversed(range(rows.ndim - 1)))
    physical = np.ascontiguousarray(rows.transpose(0, *(1 + i for i in axes)))
    flat = fixed(physical.reshape(len(rows), -1), mask)
    kind = pa.fixed_shape_tensor(flat.type.value_type, physical.shape[1:], permutation=axes)
    return pa.ExtensionArray.from_storage(kind, flat)


def lists(rows: Array, mask: Any = None) -> Any:
    """Hold them as lists that happen to be of one length, those under null rows too."""
    offsets = pa.array(np.arange(len(rows) + 1, dtype=np.int32) * rows.shape[1])
    return pa.ListArray.from_arrays(offsets, pa.array(rows.reshape(-1)), mask=_bits(mask))


def large_lists(rows: Array, mask: Any = None) -> Any:
    """Hold them as lists with offsets of 64 bits."""
    offsets = pa.array(np.arange(len(rows) + 1, dtype=np.int64) * rows.shape[1])
    return pa.LargeListArray.from_arrays(offsets, pa.array(rows.reshape(-1)), mask=_bits(mask))


def list_views(rows: Array, mask: Any = None) -> Any:
    """Hold them as views into entries that lie in the opposite order."""
    size = rows.shape[1]
    offsets = pa.array(np.arange(len(rows), dtype=np.int32)[::-1] * size)
    sizes = pa.array(np.full(len(rows), size, np.int32))
    entries = pa.array(rows[::-1].reshape(-1))
    return pa.ListViewArray.from_arrays(offsets, sizes, entries, mask=_bits(mask))


def struct(rows: Array, mask: Any = None) -> Any:
    """Hold them as structs with a field for each entry."""
    fields = [pa.array(np.ascontiguousarray(column)) for column in rows.T]
    names = [f"field {i}" for i in range(len(fields))]
    return pa.StructArray.from_arrays(fields, names, mask=_bits(mask))


def _bits(mask: Any) -> Any:
    return None if mask is None else pa.array(mask)


def between(make: Hold) -> Hold:
    """Return the same as a slice, with rows of NaN before and behind."""

    def sliced(rows: Array, mask: Any = None) -> Any:
        bad = np.full((3, *rows.shape[1:]), 99).astype(rows.dtype)
        more = None if mask is None else np.concatenate([[False] * 3, mask, [True] * 3])
        return make(np.concatenate([bad, rows, bad]), more)[3 : 3 + len(rows)]

    return sliced


def nullify(array: Any, nulls: Any) -> Any:
    """Return the array with null rows, and what was there still beneath them."""
    bits = pa.py_buffer(np.packbits(~nulls, bitorder="little"))
    if isinstance(array, pa.ExtensionArray):
        return pa.ExtensionArray.from_storage(array.type, nullify(array.storage, nulls))
    assert array.offset == 0
    children = []
    if isinstance(array, pa.StructArray):
        children = [array.field(i) for i in range(array.type.num_fields)]
    elif not isinstance(array, (pa.NumericArray, pa.BooleanArray)):
        children = [array.values]
    buffers = [bits, *array.buffers()[1 : array.type.num_buffers]]
    return pa.Array.from_buffers(array.type, len(array), buffers, children=children)


IN_ONE_COLUMN: dict[str, Hold] = {
    "fixed-size lists": fixed,
    "lists": lists,
    "large lists": large_lists,
    "list views": list_views,
    "structs": struct,
    "tensors": tensor,
    "slice of fixed-size lists": between(fixed),
    "slice of lists": between(lists),
    "slice of large lists": between(large_lists),
    "slice of list views": between(list_views),
    "slice of structs": between(struct),
    "slice of tensors": between(tensor),
}
"""Rows of two axes, each with a mask of the rows that are null."""

# ---- measures ---------------------------------------------------------------------------------

RNG = np.random.default_rng(17)
P = RNG.dirichlet(np.full(CLASSES, 0.4), ROWS)
Q = RNG.dirichlet(np.ones(CLASSES), ROWS)
P[3] = [0, 0, 0.5, 0.25, 0.125, 0.125]
X = RNG.normal(0, 4, (ROWS, CLASSES))
Y = X + RNG.normal(0, 0.1, X.shape)
LABELS = RNG.integers(0, CLASSES, ROWS)
BITS = RNG.integers(0, 2, ROWS)
ONES = RNG.integers(0, 2, (ROWS, CLASSES))
JOINT = RNG.dirichlet(np.ones(6), ROWS).reshape(ROWS, 2, 3)
WEIGHT = RNG.random(ROWS)
PLACES = np.argsort(RNG.random((ROWS, CLASSES)))[:, :2]

CASES: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("surprisal", (P[:, 0],), {"base": 2}),
    ("surprisal", (P,), {}),
    ("binary_entropy", (Q[:, 1],), {}),
    ("entropy", (P,), {}),
    ("entropy", (P,), {"base": 2, "weight": WEIGHT, "normalize": True}),
    ("entropy", (ONES + 1,), {"normalize": True, "bias_correction": "miller-madow"}),
    ("perplexity", (P,), {}),
    ("renyi_entropy", (P,), {"alpha": 2}),
    ("tsallis_entropy", (P,), {"order": 0.5}),
    ("cross_entropy", (P, Q), {"log_floor": None}),
    ("kl_divergence", (P, Q), {"generalized": False}),
    ("kl_divergence", (P, Q), {"base": 10, "check": True}),
    ("js_divergence", (P, Q), {}),
    ("js_distance", (P, Q), {}),
    ("jeffreys_divergence", (P, Q), {}),
    ("renyi_divergence", (P, Q), {"alpha": 0.5}),
    ("hellinger_distance", (P, Q), {}),
    ("total_variation_distance", (P, Q), {}),
    ("population_stability_index", (P, Q), {}),
    ("mutual_information", (JOINT,), {"normalized": "min"}),
    ("conditional_entropy", (JOINT,), {}),
    ("joint_entropy", (JOINT,), {}),
    ("binary_cross_entropy", (BITS, Q[:, 0]), {"weight": WEIGHT}),
    ("binary_cross_entropy", (BITS > 0, Q[:, 0]), {"pos_weight": WEIGHT}),
    ("binary_cross_entropy", (ONES, Q), {"pos_weight": 2.0}),
    ("binary_cross_entropy_grad", (BITS, Q[:, 0]), {"value_and_grad": True}),
    ("binary_cross_entropy_with_logits", (BITS, X[:, 0]), {"label_smoothing": 0.1}),
    ("binary_cross_entropy_with_logits_grad", (ONES, X), {}),
    ("log_loss", (LABELS, P), {}),
    ("log_loss", (LABELS, P), {"class_weight": [1, 2, 3, 4, 5, 6], "ignore_index": 2}),
    ("log_loss", (BITS, Q[:, 0]), {"base": 2}),
    ("brier_score", (LABELS, P), {}),
    ("brier_score", (Q, P), {}),
    ("brier_score", (BITS, Q[:, 0]), {}),
    ("sigmoid", (X[:, 0],), {}),
    ("softmax", (X,), {"temperature": 2}),
    ("log_softmax", (X,), {}),
    ("logsumexp", (X,), {}),
    ("softmax_entropy", (X,), {"weight": WEIGHT}),
    ("softmax_cross_entropy", (LABELS, X), {"label_smoothing": 0.1}),
    ("softmax_cross_entropy", (P, X), {"weight": WEIGHT}),
    ("softmax_cross_entropy_grad", (LABELS, X), {"weight": WEIGHT}),
    ("softmax_cross_entropy_grad", (LABELS, X), {"value_and_grad": True}),
    ("softmax_kl_divergence", (X, Y), {}),
    ("score_logits", (LABELS, X), {}),
    ("score_logits", (None, X), {}),
    ("compare_logits", (X, Y, LABELS), {}),
    ("compare_logits", (X, Y), {"base": 2}),
    ("top_log_probs", (X,), {"indices_or_k": 3}),
    ("top_log_probs", (X,), {"indices_or_k": [4, 0]}),
    ("top_log_probs", (X,), {"indices_or_k": PLACES}),
]
"""Measure, operands, options."""

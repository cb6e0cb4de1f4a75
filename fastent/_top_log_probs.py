"""Log-probabilities of some classes of rows of logits: the largest, or those that are asked for."""

from functools import partial
from operator import index
from typing import Any, NamedTuple

import numpy as np

from fastent import _core
from fastent._arrays import FLOAT64, Array, as_array, kernel_dtype
from fastent._fields import class_axis
from fastent._labels import LOGITS_AXIS, check_label_dtype, check_labels
from fastent._lazy import columns_lazily, is_lazy, lazy_operands
from fastent._plan import from_last, parameters, to_last

TOP_LOG_PROBS = _core.measures["top_log_probs"]


class TopLogProbs(NamedTuple):
    """What `top_log_probs` says of each row.

    Examples
    --------
    >>> import fastent as fe
    >>> indices, log_probs, entropy = fe.top_log_probs([[0.0, 0.0]], 1, base=2)
    >>> print(indices, log_probs, entropy)
    [[0]] [[-1.]] [1.]
    """

    indices: Any
    log_probs: Any
    entropy: Any


def top_log_probs(
    logits: Any,
    indices_or_k: Any,
    *,
    axis: int = -1,
    base: float | None = None,
    temperature: float = 1.0,
) -> TopLogProbs:
    """Return the largest log-probabilities of rows of logits, or those of given classes.

    Parameters
    ----------
    logits : array_like
        Scores of the classes along `axis`; -inf is a class of probability 0.
    indices_or_k : int or array_like of int
        How many of the largest; or which classes: one list for all rows, or an array that has its
        own length along `axis` and otherwise broadcasts with `logits`.
    axis : int
        Along which the classes lie, and the results.
    base : float, optional
        Of the logarithm: nats by default, 2 for bits.
    temperature : float
        Logits are divided by it.

    Returns
    -------
    TopLogProbs
        A named tuple of arrays: ``indices``, the classes, those of the largest logits first (of
        equal ones the lowest index), or the ones given; their ``log_probs``; and the ``entropy`` of
        each row's softmax. float32 for float32 and float16 `logits`, else float64; indices int64.

    Notes
    -----
    log softmax(logits / temperature), of which only what is returned is made; the logits are read
    once. The accuracy is that of `softmax_cross_entropy`. A row that is no distribution (NaN, -inf
    alone, several +inf) has NaN, and -1 for the indices of its largest. An index out of range is a
    ValueError. The chunks of Dask arrays are joined along `axis`.

    References
    ----------
    .. [1] C. M. Bishop, "Pattern Recognition and Machine Learning", 2006, equation 4.108.

    Examples
    --------
    >>> import fastent as fe
    >>> top = fe.top_log_probs([[1.0, 4.0, 2.0]], 2)
    >>> print(top.indices, top.log_probs)
    [[1 2]] [[-0.16984602 -2.16984602]]
    >>> print(fe.top_log_probs([[1.0, 4.0, 2.0]], [0]).log_probs)
    [[-3.16984602]]
    """
    vector = parameters(TOP_LOG_PROBS, base, temperature=temperature)
    if is_lazy(logits) or is_lazy(indices_or_k):
        return _top_lazily(logits, indices_or_k, axis, base, temperature)
    array = as_array(logits, "logits")
    place = class_axis(array, axis) - array.ndim
    rows = to_last(array, place)
    dtype = kernel_dtype([array])
    chosen = np.ndim(indices_or_k) > 0
    if chosen:
        rows, places = _choose(rows, indices_or_k, place)
    else:
        count = _count(indices_or_k, rows.shape[-1])
        places = np.empty((*rows.shape[:-1], count), np.int64)
    entropy = np.empty(rows.shape[:-1], dtype)
    log_probs = np.empty(places.shape, dtype)
    TOP_LOG_PROBS.fields(
        (rows,),
        1,
        vector,
        (entropy,),
        dtype,
        places=places,
        log_probs=log_probs,
        chosen_places=chosen,
    )
    return TopLogProbs(from_last(places, place), from_last(log_probs, place), entropy[()])


def _count(wanted: Any, classes: int) -> int:
    """Return how many of the largest are wanted."""
    try:
        count = index(wanted)
    except TypeError:
        raise TypeError(
            f"indices_or_k must be an integer or an array of them, not {wanted!r}"
        ) from None
    if count < 0 or count > classes:  # not if it is unknown how many there are
        raise ValueError(
            f"indices_or_k is {count}, but there are {classes} classes ({LOGITS_AXIS})"
        )
    return count


def _choose(rows: Array, given: Any, place: int) -> tuple[Array, Array]:
    """Return rows, and the classes that were asked for of each, along their last axes."""
    places = as_array(given, "indices_or_k")
    _check_places(places, place)
    check_labels(places, rows.shape[-1], LOGITS_AXIS, "indices_or_k")
    if places.ndim > 1:
        places = to_last(places, place)
    try:
        outer = np.broadcast_shapes(rows.shape[:-1], places.shape[:-1])
    except ValueError:
        raise ValueError(
            f"indices_or_k has shape {np.shape(given)}, which does not broadcast with the rows of "
            f"logits, of shape {rows.shape[:-1]}"
        ) from None
    rows = np.broadcast_to(rows, (*outer, rows.shape[-1]))
    return rows, np.array(np.broadcast_to(places, (*outer, places.shape[-1])), np.int64, order="C")


def _check_places(places: Any, place: int) -> None:
    """Raise unless these can be the classes that are asked for, along this axis from the last."""
    check_label_dtype(places, "indices_or_k", "iu")
    if 1 < places.ndim < -place:
        raise ValueError(
            f"indices_or_k has shape {places.shape}, and no axis {place} for the classes of logits"
        )


def _top_lazily(
    logits: Any, indices_or_k: Any, axis: int, base: float | None, temperature: float
) -> TopLogProbs:
    """Return Dask arrays that share one read of the logits."""
    (rows,) = lazy_operands((logits,), ("logits",), None)
    place = class_axis(rows, axis) - rows.ndim
    places = None
    if np.ndim(indices_or_k) > 0:
        (places,) = lazy_operands((indices_or_k,), ("indices_or_k",), None)
        _check_places(places, place)
        count = places.shape[place if places.ndim > 1 else 0]
    else:
        count = _count(indices_or_k, rows.shape[place])
    call = partial(_top_block, place, base, temperature, count)
    parts = columns_lazily(call, rows, places, place, 2 * count + 1)
    dtype = kernel_dtype([rows])
    indices, log_probs = (parts[..., i * count : (i + 1) * count] for i in range(2))
    return TopLogProbs(
        np.moveaxis(indices.astype(np.int64), -1, place),
        np.moveaxis(log_probs.astype(dtype), -1, place),
        parts[..., -1].astype(dtype),
    )


def _top_block(
    place: int, base: float | None, temperature: float, count: int, operands: tuple[Any, ...]
) -> Array:
    """Return what there is to say of a block of a Dask array, side by side along the last axis."""
    wanted = operands[1] if len(operands) > 1 else count
    top = top_log_probs(operands[0], wanted, axis=place, base=base, temperature=temperature)
    indices, log_probs = (to_last(part, place) for part in top[:2])
    parts = [indices, log_probs, np.asarray(top.entropy)[..., None]]
    return np.concatenate(parts, axis=-1, dtype=FLOAT64)

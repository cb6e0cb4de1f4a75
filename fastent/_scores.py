"""Everything about rows of logits in one read: scores of a label, the largest log-probabilities."""

from collections.abc import Sequence
from functools import partial
from operator import index
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from fastent import _core
from fastent._arrays import FLOAT64, Array, as_array, kernel_dtype
from fastent._core import Measure
from fastent._labels import check_label_shape, check_labels
from fastent._lazy import fields_lazily, is_lazy, lazy_operands
from fastent._plan import Rows, check_out, deliver, parameters, result_array

SCORE_LOGITS = _core.measures["score_logits"]
TOP_LOG_PROBS = _core.measures["top_log_probs"]

INT64 = np.dtype(np.int64)
REASON = "the length of logits' axis"


class LogitScores(NamedTuple):
    """What `score_logits` says of each row; the first and the last are None without a target.

    Examples
    --------
    >>> import fastent as fe
    >>> print(fe.score_logits(None, [[0.0, 0.0], [0.0, 1.0]], base=2)._fields)
    ('cross_entropy', 'entropy', 'confidence', 'margin', 'prediction', 'rank')
    """

    cross_entropy: Any
    entropy: Any
    confidence: Any
    margin: Any
    prediction: Any
    rank: Any


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


def score_logits(
    target: Any,
    logits: Any,
    *,
    axis: int = -1,
    base: float | None = None,
    temperature: float = 1.0,
    keepdims: bool = False,
    out: tuple[Array | None, ...] | None = None,
    ignore_index: int | None = None,
) -> LogitScores:
    """Return everything that is asked of rows of logits, from one read of them.

    Parameters
    ----------
    target : array_like of int or None
        The true class of each row, of the shape of `logits` without `axis`; None if there is none.
    logits : array_like
        Scores of the classes along `axis`; -inf is a class of probability 0.
    axis : int
        Along which the classes lie.
    base : float, optional
        Of the logarithm in cross entropy and entropy: nats by default, 2 for bits.
    temperature : float
        Logits are divided by it.
    keepdims : bool
        Leave the classes' axis in the results, with length 1.
    out : tuple of (ndarray or None), optional
        Take the results, in their order.
    ignore_index : int, optional
        Rows of this label have cross entropy 0 and rank -1.

    Returns
    -------
    LogitScores
        A named tuple of arrays, of one number a row: ``cross_entropy`` of the target; ``entropy``
        of the softmax; ``confidence``, its largest probability; ``margin``, the distance of that
        to the runner-up's; ``prediction``, the class of the largest; and ``rank`` of the target,
        the number of classes with a larger logit. float32 for float32 and float16 `logits`, else
        float64; prediction and rank int64.

    Notes
    -----
    As `softmax_cross_entropy` and `softmax_entropy` [1]_, with their accuracy; margin is
    (1 - exp(x2 - x1)) / S, which keeps its digits between two logits that are close. Of equal
    logits the lowest index is the prediction. A row that is no distribution (NaN, -inf alone,
    several +inf) has NaN, prediction and rank -1. A label out of range is a ValueError, and so are
    rows of no classes.

    References
    ----------
    .. [1] C. M. Bishop, "Pattern Recognition and Machine Learning", 2006, equation 4.108.

    Examples
    --------
    >>> import fastent as fe
    >>> scores = fe.score_logits([0, 1], [[2.0, 0.0, 0.0], [3.0, 2.0, 0.0]], base=2)
    >>> print(scores.cross_entropy)
    [0.34559005 1.94621324]
    >>> print(scores.prediction, scores.rank)
    [0 0] [0 1]
    """
    vector = parameters(SCORE_LOGITS, base, temperature=temperature)
    dtypes = (None, None, None, None, INT64, INT64)
    if target is None and out is not None and (out[0] is not None or out[-1] is not None):
        raise ValueError("out has room for cross_entropy and rank, but there is no target")
    wanted = tuple(target is not None or 0 < i < 5 for i in range(6))
    if is_lazy(logits) or is_lazy(target):
        call = partial(_score_block, axis, base, temperature, keepdims, ignore_index)
        operands = (logits,) if target is None else (target, logits)
        fields = _lazy_fields(call, operands, axis, keepdims, out, dtypes, wanted)
        return LogitScores(*fields)
    array = as_array(logits, "logits")
    position = _position(array, axis)
    labels = None
    if target is not None:
        labels = as_array(target, "target")
        check_label_shape(labels, array, position, "target")
        check_labels(labels, array.shape[position], REASON, "target", ignore_index)
    results = fill_fields(
        SCORE_LOGITS,
        (array,),
        ("logits",),
        position,
        vector,
        keepdims,
        out,
        dtypes,
        wanted,
        labels,
        ignore_index,
    )
    return LogitScores(*results)


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
        How many of the largest; or which classes: an array that has its own length along `axis`,
        and broadcasts with the rows of `logits`.
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
    ValueError.

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
        raise TypeError("top_log_probs is not made lazily: map the call over the blocks")
    array = as_array(logits, "logits")
    position = _position(array, axis)
    rows = np.moveaxis(array, position, -1)
    dtype = kernel_dtype([array])
    chosen = np.ndim(indices_or_k) > 0
    if chosen:
        places = _places(indices_or_k, rows, position)
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
    return TopLogProbs(
        np.moveaxis(places, -1, position), np.moveaxis(log_probs, -1, position), entropy[()]
    )


def _position(logits: Array, axis: int) -> int:
    """Return the axis from 0 on; raise if there is nothing along it."""
    if logits.ndim == 0:
        raise ValueError("logits is a single number, and has no axis of classes")
    position: int = normalize_axis_index(axis, logits.ndim)
    if logits.shape[position] == 0:
        raise ValueError(f"logits has shape {logits.shape}: there are no classes (axis={axis})")
    return position


def _count(wanted: Any, classes: int) -> int:
    """Return how many of the largest are wanted."""
    try:
        count = index(wanted)
    except TypeError:
        raise TypeError(
            f"indices_or_k must be an integer or an array of them, not {wanted!r}"
        ) from None
    if not 0 <= count <= classes:
        raise ValueError(f"indices_or_k is {count}, but there are {classes} classes ({REASON})")
    return count


def _places(given: Any, rows: Array, position: int) -> Array:
    """Return the classes that were asked for, for each row along the last axis."""
    places = as_array(given, "indices_or_k")
    if places.dtype.kind not in "iu":
        raise TypeError(
            f"indices_or_k has dtype {places.dtype}: class indices are integers, "
            "such as indices_or_k.astype(np.int64)"
        )
    check_labels(places, rows.shape[-1], REASON, "indices_or_k")
    if places.ndim == rows.ndim:
        places = np.moveaxis(places, position, -1)
    try:
        return np.broadcast_to(places, (*rows.shape[:-1], places.shape[-1]))
    except ValueError:
        raise ValueError(
            f"indices_or_k has shape {np.shape(given)}, which does not broadcast with the rows of "
            f"logits, of shape {rows.shape[:-1]}"
        ) from None


def fill_fields(
    measure: Measure,
    arrays: Sequence[Array],
    names: Sequence[str],
    position: int,
    vector: Array,
    keepdims: bool,
    out: Any,
    dtypes: Sequence[np.dtype[Any] | None],
    wanted: Sequence[bool],
    labels: Array | None = None,
    ignored: int | None = None,
) -> list[Any]:
    """Return several arrays of one result a row; None for what is not wanted."""
    dtype = kernel_dtype(arrays)
    rows = Rows(arrays, names, position)
    shape = rows.kept_shape() if keepdims else rows.outer
    if out is None:
        out = (None,) * len(dtypes)
    elif not isinstance(out, tuple) or len(out) != len(dtypes):
        raise TypeError(f"out must be a tuple of {len(dtypes)} arrays or Nones")
    for each, kind in zip(out, dtypes, strict=True):
        check_out(each, shape, kind or dtype)
    inputs = (*arrays, *(() if labels is None else (labels,)))
    results: list[Array | None] = [
        _contiguous(each, shape, kind or dtype, inputs) if want else None
        for each, kind, want in zip(out, dtypes, wanted, strict=True)
    ]
    measure.fields(
        rows.views,
        1,
        vector,
        tuple(results),
        dtype,
        labels,
        float("nan") if ignored is None else float(ignored),
    )
    return [
        None if result is None else deliver(result, each)
        for result, each in zip(results, out, strict=True)
    ]


def _contiguous(
    out: Array | None, shape: tuple[int, ...], dtype: np.dtype[Any], inputs: Sequence[Array]
) -> Array:
    """Return `out`, if the loops can fill it as it is; else a new array."""
    result = result_array(out, shape, dtype, inputs)
    return result if result.flags.c_contiguous else np.empty(shape, dtype)


def _lazy_fields(
    call: Any,
    operands: tuple[Any, ...],
    axis: int,
    keepdims: bool,
    out: Any,
    dtypes: Sequence[np.dtype[Any] | None],
    wanted: Sequence[bool],
) -> list[Any]:
    """Return Dask arrays of one result a row, which share one read of the operands."""
    names = ("target", "logits")[-len(operands) :]
    blocks = lazy_operands(operands, names, out)
    position = normalize_axis_index(axis, blocks[-1].ndim)
    if len(blocks) > 1:
        check_label_shape(blocks[0], blocks[-1], position, "target")
    dtype = kernel_dtype(blocks[-1:])
    place = position - blocks[-1].ndim
    parts = fields_lazily(
        call, blocks, names, (False, True)[-len(blocks) :], place, keepdims, len(dtypes)
    )
    return [
        part.astype(kind or dtype) if want else None
        for part, kind, want in zip(parts, dtypes, wanted, strict=True)
    ]


def _score_block(
    axis: int,
    base: float | None,
    temperature: float,
    keepdims: bool,
    ignore_index: int | None,
    operands: tuple[Any, ...],
) -> Array:
    """Return the scores of a block of a Dask array, one after the other along a new first axis."""
    target = operands[0] if len(operands) > 1 else None
    scores = score_logits(
        target,
        operands[-1],
        axis=axis,
        base=base,
        temperature=temperature,
        keepdims=keepdims,
        ignore_index=ignore_index,
    )
    rest = np.zeros(np.shape(scores.entropy))
    return np.stack([np.asarray(rest if s is None else s, FLOAT64) for s in scores])

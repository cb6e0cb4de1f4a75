"""Everything about rows of logits in one read: cross entropy, entropy, confidence, margin, rank."""

from collections.abc import Sequence
from functools import partial
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
    wanted = tuple(target is not None or 0 < i < 5 for i in range(6))
    if is_lazy(logits) or is_lazy(target):
        call = partial(_score_block, axis, base, temperature, keepdims, ignore_index)
        operands = (logits,) if target is None else (target, logits)
        fields = _lazy_fields(call, operands, axis, keepdims, out, dtypes, wanted)
        return LogitScores(*fields)
    array = as_array(logits, "logits")
    position = class_axis(array, axis)
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


def class_axis(logits: Any, axis: int) -> int:
    """Return the axis from 0 on; raise if there is nothing along it."""
    if logits.ndim == 0:
        raise ValueError("logits is a single number, and has no axis of classes")
    try:
        position: int = normalize_axis_index(axis, logits.ndim)
    except TypeError:
        raise TypeError(f"axis must be an int, not {axis!r}: classes lie along one axis") from None
    if logits.shape[position] == 0:
        raise ValueError(f"logits has shape {logits.shape}: there are no classes (axis={axis})")
    return position


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
    for each, kind, want in zip(out, dtypes, wanted, strict=True):
        if each is not None and not want:
            raise ValueError("out has room for what takes a target, but there is no target")
        check_out(each, shape, kind or dtype)
    results: list[Array | None] = []
    for i, (each, kind, want) in enumerate(zip(out, dtypes, wanted, strict=True)):
        others = [
            other for other in (*arrays, labels, *out[:i], *out[i + 1 :]) if other is not None
        ]
        results.append(_contiguous(each, shape, kind or dtype, others) if want else None)
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
    out: Array | None, shape: tuple[int, ...], dtype: np.dtype[Any], others: Sequence[Array]
) -> Array:
    """Return `out`, if the loops can fill it as it is; else a new array."""
    result = result_array(out, shape, dtype, others)
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
    position = class_axis(blocks[-1], axis)
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

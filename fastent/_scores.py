"""Everything about rows of logits in one read: cross entropy, entropy, confidence, margin, rank."""

from functools import partial
from typing import Any, NamedTuple

import numpy as np

from fastent import _core
from fastent._arrays import Array, as_array, from_list
from fastent._core import plain_rows
from fastent._fields import class_axis, fill_fields, fill_plain, lazy_fields, stack_fields
from fastent._labels import LOGITS_AXIS, check_label_shape, check_labels
from fastent._lazy import is_lazy
from fastent._plan import is_plain, parameters

SCORE_LOGITS = _core.measures["score_logits"]

INT64 = np.dtype(np.int64)


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
    target, logits = from_list(target, "target"), from_list(logits, "logits")
    vector = parameters(SCORE_LOGITS, base, temperature=temperature)
    dtypes = (None, None, None, None, INT64, INT64)
    labelled = target is not None
    wanted = (labelled, True, True, True, True, labelled)
    if is_plain(axis, "none", keepdims, out, ignore_index) and plain_rows(logits, target):
        results = fill_plain(SCORE_LOGITS, (logits,), vector, dtypes, wanted, target)
        return LogitScores(*results)
    if is_lazy(logits) or is_lazy(target):
        call = partial(_score_block, axis, base, temperature, keepdims, ignore_index)
        operands = (logits,) if target is None else (target, logits)
        names = ("target", "logits")[-len(operands) :]
        fields = lazy_fields(call, operands, names, axis, keepdims, out, dtypes, wanted)
        return LogitScores(*fields)
    array = as_array(logits, "logits")
    position = class_axis(array, axis)
    labels = None
    if target is not None:
        labels = as_array(target, "target")
        check_label_shape(labels, array, position, "target")
        check_labels(labels, array.shape[position], LOGITS_AXIS, "target", ignore_index)
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
    return stack_fields(scores, np.shape(scores.entropy))

"""Two arrays of logits against each other, in one read of both."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from fastent import _core
from fastent._arrays import Array, as_array
from fastent._core import plain_rows
from fastent._fields import class_axis, fill_fields, fill_plain, lazy_fields, stack_fields
from fastent._labels import LOGITS_AXIS, check_label_shape, check_labels
from fastent._lazy import is_lazy, lazy_operands
from fastent._plan import Axis, is_plain, parameters
from fastent._rows import reduce_rows

SOFTMAX_KL_DIVERGENCE = _core.measures["softmax_kl_divergence"]
COMPARE_LOGITS = _core.measures["compare_logits"]

BOOL = np.dtype(np.bool_)


class LogitComparison(NamedTuple):
    """What `compare_logits` says of each pair of rows; the last is None without a target.

    Examples
    --------
    >>> import fastent as fe
    >>> fields = fe.compare_logits([[0.0, 0.0]], [[0.0, 1.0]])._fields
    >>> print(*fields)
    kl_divergence entropy_p entropy_q same_prediction target_log_prob_change
    """

    kl_divergence: Any
    entropy_p: Any
    entropy_q: Any
    same_prediction: Any
    target_log_prob_change: Any


def softmax_kl_divergence(
    logits_p: Any,
    logits_q: Any,
    *,
    axis: Axis = -1,
    offsets: Any = None,
    base: float | None = None,
    temperature: float = 1.0,
    keepdims: bool = False,
    out: Array | None = None,
    reduction: str = "none",
    weight: Any = None,
    return_weight: bool = False,
) -> Any:
    """Return the KL divergence of the softmaxes of rows of logits, without making them.

    Unlike ``torch.nn.functional.kl_div`` the true distribution comes first, and nothing is
    averaged unless asked for.

    Parameters
    ----------
    logits_p : array_like
        Rows of the true distribution, p, along `axis`; -inf is a class of probability 0.
    logits_q : array_like
        Rows of the other, q; broadcasts with `logits_p`.
    axis : int, tuple of int or None
        Along which a distribution lies; several axes, or all (None), count as one.
    offsets : array_like of int, optional
        For ragged rows, laid out as in Arrow and CSR: the input has one axis, and row i holds its
        entries from offsets[i] up to offsets[i + 1].
    base : float, optional
        Of the logarithm: nats by default, 2 for bits.
    temperature : float
        Logits of both are divided by it.
    keepdims : bool
        Leave the distribution's axes in the result, with length 1.
    out : ndarray, optional
        Takes the result.
    reduction : {"none", "mean", "sum", "weighted_mean"}
        One number a row, or their mean, sum, or mean weighted by `weight`.
    weight : array_like, optional
        Multiplies the results, with whose shape it broadcasts. The mean divides by the number of
        rows, the weighted mean by the sum of the weights.
    return_weight : bool
        Return the sum and what the mean would divide it by, a pair: it needs ``reduction="sum"``.
        Both, added up over chunks, make the mean of the whole.

    Returns
    -------
    ndarray or scalar, or tuple
        One number a row, never negative; float32 if both are float32 or float16, else float64.
        With `return_weight` a tuple of the sum and a float64, its divisor.

    Notes
    -----
    sum p log(p / q) of p = softmax(logits_p / temperature) and q likewise [1]_, as
    log(1 + sum p (e^w - 1 - w)) with w the difference of both logits less its mean under p: no
    term is negative, so two models that are close have all the digits of their divergence. It is
    infinite where q has lost a class of p. A row of -inf alone, several +inf and NaN give NaN.

    References
    ----------
    .. [1] S. Kullback and R. A. Leibler, "On Information and Sufficiency", 1951.

    Examples
    --------
    >>> import fastent as fe
    >>> print(fe.softmax_kl_divergence([[0.0, 0.0], [1.0, 3.0]], [[0.0, 1e-9], [101.0, 103.0]]))
    [1.25e-19 0.00e+00]
    """
    settings = (base, None, False, keepdims, out, reduction, weight, False, return_weight, False)
    names = ("logits_p", "logits_q")
    values = (logits_p, logits_q)
    return reduce_rows(
        SOFTMAX_KL_DIVERGENCE, names, values, axis, *settings, temperature, offsets=offsets
    )


def compare_logits(
    logits_p: Any,
    logits_q: Any,
    target: Any = None,
    *,
    axis: int = -1,
    base: float | None = None,
    temperature: float = 1.0,
    keepdims: bool = False,
    out: tuple[Array | None, ...] | None = None,
    ignore_index: int | None = None,
) -> LogitComparison:
    """Return how two models' rows of logits differ, from one read of both.

    Parameters
    ----------
    logits_p : array_like
        Scores of the classes along `axis`, of the model that is held to be true, p.
    logits_q : array_like
        Those of the other, q, such as the same model quantised; of the same shape.
    target : array_like of int, optional
        The true class of each row, of the shape of the logits without `axis`.
    axis : int
        Along which the classes lie.
    base : float, optional
        Of the logarithms: nats by default, 2 for bits.
    temperature : float
        Logits of both are divided by it.
    keepdims : bool
        Leave the classes' axis in the results, with length 1.
    out : tuple of (ndarray or None), optional
        Take the results, in their order.
    ignore_index : int, optional
        Rows of this label have a change of 0.

    Returns
    -------
    LogitComparison
        A named tuple of arrays, of one number a row: ``kl_divergence`` of p from q; ``entropy_p``
        and ``entropy_q``; ``same_prediction``, whether both have the same largest logit (of equal
        ones the first counts); and ``target_log_prob_change``, log q - log p of the target, None
        without one. float32 if both are float32 or float16, else float64; same_prediction bool.

    Notes
    -----
    As `softmax_kl_divergence` and `softmax_entropy` [1]_, bit for bit. The change has its digits
    where p and q are close: it is not made from two logarithms. A row that is no distribution in p
    or q (NaN, -inf alone, several +inf) has NaN, and no same prediction. A label out of range is a
    ValueError, and so are rows of no classes.

    References
    ----------
    .. [1] S. Kullback and R. A. Leibler, "On Information and Sufficiency", 1951.

    Examples
    --------
    >>> import fastent as fe
    >>> comparison = fe.compare_logits([[2.0, 0.0], [1.0, 0.0]], [[2.0, 0.0], [0.0, 1.0]], [0, 0])
    >>> print(comparison.kl_divergence, comparison.same_prediction)
    [0.         0.46211716] [ True False]
    >>> print(comparison.target_log_prob_change)
    [ 0. -1.]
    """
    vector = parameters(COMPARE_LOGITS, base, temperature=temperature)
    dtypes = (None, None, None, None, BOOL)
    wanted = (target is not None, True, True, True, True)
    plain = is_plain(axis, "none", keepdims, out, ignore_index)
    if plain and plain_rows(logits_p, target) and plain_rows(logits_q):
        pair = (logits_p, logits_q)
        if logits_p.shape == logits_q.shape and logits_p.dtype == logits_q.dtype:
            fields = fill_plain(COMPARE_LOGITS, pair, vector, dtypes, wanted, target)
            change, divergence, entropy_p, entropy_q, same = fields
            return LogitComparison(divergence, entropy_p, entropy_q, same, change)
    names: tuple[str, ...] = ("logits_p", "logits_q")
    if any(map(is_lazy, (logits_p, logits_q, target))):
        call = partial(_compare_block, axis, base, temperature, keepdims, ignore_index)
        operands: tuple[Any, ...] = (logits_p, logits_q)
        operands = tuple(lazy_operands(operands, names, out))
        _check_shapes(operands)
        if target is not None:
            operands, names = (target, *operands), ("target", *names)
        fields = lazy_fields(call, operands, names, axis, keepdims, out, dtypes, wanted)
        change, divergence, entropy_p, entropy_q, same = fields
        return LogitComparison(divergence, entropy_p, entropy_q, same, change)
    arrays = (as_array(logits_p, "logits_p"), as_array(logits_q, "logits_q"))
    _check_shapes(arrays)
    position = class_axis(arrays[0], axis)
    labels = None
    if target is not None:
        labels = as_array(target, "target")
        check_label_shape(labels, arrays[0], position, "target")
        check_labels(labels, arrays[0].shape[position], LOGITS_AXIS, "target", ignore_index)
    order = (out[-1], *out[:-1]) if isinstance(out, tuple) and out else out  # the kernel's
    settings = (vector, keepdims, order, dtypes, wanted, labels, ignore_index)
    fields = fill_fields(COMPARE_LOGITS, arrays, names, position, *settings)
    change, divergence, entropy_p, entropy_q, same = fields
    return LogitComparison(divergence, entropy_p, entropy_q, same, change)


def _check_shapes(logits: Sequence[Any]) -> None:
    """Raise a ValueError unless both have the same rows."""
    if logits[0].shape != logits[1].shape:
        raise ValueError(
            f"logits_p has shape {logits[0].shape}, but logits_q {logits[1].shape}: "
            "each needs a row for each of the other's"
        )


def _compare_block(
    axis: int,
    base: float | None,
    temperature: float,
    keepdims: bool,
    ignore_index: int | None,
    operands: Sequence[Any],
) -> Array:
    """Return what is said of a block of a Dask array, one field after the other."""
    logits_p, logits_q = operands[-2:]
    fields = compare_logits(
        logits_p,
        logits_q,
        operands[0] if len(operands) > 2 else None,
        axis=axis,
        base=base,
        temperature=temperature,
        keepdims=keepdims,
        ignore_index=ignore_index,
    )
    return stack_fields((fields[-1], *fields[:-1]), np.shape(fields.entropy_p))

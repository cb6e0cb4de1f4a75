"""The log loss of class probabilities: plain, and with class weights, smoothing, ignored rows.

Label smoothing gives the share e of a target to all K classes, so the loss of a row is

    (1 - e) w_label (-log p_label) + (e/K) sum_j w_j (-log p_j)

with the weights w of classes: a sum of at most two parts, each a measure of the row times a number
that depends on its label.
"""

from functools import partial
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from fastent import _core
from fastent._arrays import Array, as_array, check_integers, kernel_dtype
from fastent._check import check_rows, check_unit
from fastent._core import plain_rows
from fastent._elements import map_elements
from fastent._labels import (
    block_divisor,
    check_class_weight,
    check_label_dtype,
    check_labels,
    mean_divisor,
)
from fastent._lazy import call_lazily, is_lazy, lazy_operands
from fastent._log_loss_parts import (
    BINARY_CROSS_ENTROPY,
    SURPRISAL,
    Options,
    parts_of_rows,
    parts_of_two,
    sum_of_parts,
)
from fastent._plan import (
    Rows,
    check_out,
    check_reduction,
    deliver,
    is_plain,
    to_last,
    weigh,
    weight_beside,
    weights_of,
)

BINARY_CROSS_ENTROPY_SUM = _core.measures["binary_cross_entropy_sum"]


def log_loss(
    labels: Any,
    prob: Any,
    *,
    axis: int = -1,
    base: float | None = None,
    log_floor: float | None = -100.0,
    class_weight: Any = None,
    label_smoothing: float = 0.0,
    ignore_index: int | None = None,
    keepdims: bool = False,
    out: Array | None = None,
    reduction: str = "none",
    weight: Any = None,
    check: bool = False,
    return_weight: bool = False,
) -> Any:
    """Return the log loss of predicted class probabilities, one loss a row.

    Unlike ``sklearn.metrics.log_loss`` nothing is averaged unless asked for, and labels are class
    indices.

    Parameters
    ----------
    labels : array_like of int
        The true class of each row, from 0 on; `prob`'s shape without `axis`.
    prob : array_like
        Predicted probabilities of the classes along `axis`. One-dimensional: the probabilities of
        class 1, for labels 0 and 1.
    axis : int
        Along which the classes lie.
    base : float, optional
        Of the logarithm: nats by default, 2 for bits.
    log_floor : float or None
        The logarithm is taken to be at least this, in nats whatever the base. None is exact.
    class_weight : array_like, optional
        One weight a class: multiplies what a target has of that class.
    label_smoothing : float
        The share of the target, 0 to 1, that goes to all classes alike.
    ignore_index : int, optional
        Rows with this label cost 0 and are left out of means.
    keepdims : bool
        Leave the classes' axis in the result, with length 1.
    out : ndarray, optional
        Takes the result.
    reduction : {"none", "mean", "sum", "weighted_mean"}
        One loss a row, or their mean, sum, or mean weighted by `weight`.
    weight : array_like, optional
        Multiplies the results, with whose shape it broadcasts. The mean divides by the number of
        rows that are kept, or the sum of the class weights of their labels; the weighted mean by
        the sum of the weights.
    check : bool
        Raise a ValueError that names the first row that is no distribution.
    return_weight : bool
        Return the sum and what the mean would divide it by, a pair: it needs ``reduction="sum"``.
        Both, added up over chunks, make the mean of the whole.

    Returns
    -------
    ndarray or scalar, or tuple
        One number a row; float32 for float32 and float16 `prob`, else float64.
        With `return_weight` a tuple of the sum and a float64, its divisor.

    Notes
    -----
    -max(log prob[label], log_floor) [1]_: only the probability of the label is read, and rows are
    used as they are. A label out of range is a ValueError. With class weights w and smoothing e it
    is (1 - e) w[label] L[label] + (e/K) sum w L, where L = -max(log prob, log_floor) of K classes:
    the arithmetic of ``torch.nn.CrossEntropyLoss``.

    References
    ----------
    .. [1] C. M. Bishop, "Pattern Recognition and Machine Learning", 2006, equation 4.108.

    Examples
    --------
    >>> import fastent as fe
    >>> print(fe.log_loss([0, 2], [[0.5, 0.25, 0.25], [0.5, 0.25, 0.25]], base=2))
    [1. 2.]
    >>> print(fe.log_loss([0, 1], [[0.5, 0.5], [0.75, 0.25]], base=2, class_weight=[1, 3]))
    [1. 6.]
    """
    check_reduction(reduction, weight, keepdims, return_weight)
    settings = (label_smoothing, ignore_index, reduction, keepdims, check, return_weight)
    options = Options(axis, base, log_floor, class_weight, *settings)
    given = (keepdims, out, weight, class_weight, label_smoothing, ignore_index)
    plain = is_plain(axis, reduction, *given, check, return_weight)
    if plain and plain_rows(prob, labels) and prob.ndim > 1:
        return _plain_losses(labels, prob, options)
    if any(map(is_lazy, (labels, prob, weight))):
        return _losses_lazily(labels, prob, options, out, weight)
    return _losses(labels, prob, options, out, weight)


def _losses(labels: Any, prob: Any, options: Options, out: Array | None, weight: Any) -> Any:
    """Return log losses, or their reduction, or a sum and what the mean divides it by."""
    indices = as_array(labels, "labels")
    check_label_dtype(indices, "labels")
    array = as_array(prob, "prob")
    check_integers(array, "prob")
    of_two = array.ndim == 1
    losses = _losses_of_two if of_two else _losses_of_rows
    result = losses(indices, array, options, out, weight)
    if not options.return_weight:
        return result
    weights = check_class_weight(options.class_weight, 2 if of_two else array.shape[options.axis])
    return result, np.float64(mean_divisor(indices, None, weights, options.ignore_index, "mean"))


def _plain_losses(labels: Array, prob: Array, options: Options) -> Any:
    """Return what _losses_of_rows does, of what _core.plain_rows() has looked at."""
    vector = options.parameters(SURPRISAL)
    if options.reduction == "none":
        losses = np.empty(labels.shape, prob.dtype)
        status = SURPRISAL.picked(prob, labels, vector, losses)
    else:
        losses, status = SURPRISAL.reduced(
            (prob,), 1, vector, prob.dtype, options.reduction, None, labels
        )
    if status:
        _core.report_invalid("log_loss")
    return losses[()]


def _losses_of_two(
    labels: Array, prob: Array, options: Options, out: Array | None, weight: Any
) -> Any:
    """Return log losses of probabilities of class 1."""
    reason = "a 1-D prob holds the probabilities of class 1"
    check_labels(labels, 2, reason, ignored=options.ignore_index)
    if labels.shape != prob.shape:
        raise ValueError(f"labels has shape {labels.shape} and prob has shape {prob.shape}")
    if not options.plain:
        if options.check:
            check_unit(prob, "prob")
        parts = parts_of_two(labels, prob, options)
        return sum_of_parts(
            parts, labels, 2, kernel_dtype([prob]), prob.shape, options, out, weight
        )
    seen: list[Any] = []
    with np.errstate(invalid="call", call=lambda *flag: seen.append(flag)):
        result = map_elements(
            BINARY_CROSS_ENTROPY,
            ("labels", "prob"),
            (labels, prob),
            options.base,
            options.log_floor,
            True,
            out,
            options.reduction,
            weight,
            options.check,
            summed_by=BINARY_CROSS_ENTROPY_SUM,
        )
    if seen:
        _core.report_invalid("log_loss")
    return result


def _losses_of_rows(
    labels: Array, prob: Array, options: Options, out: Array | None, weight: Any
) -> Any:
    """Return log losses of rows of class probabilities."""
    position = normalize_axis_index(options.axis, prob.ndim)
    rows = to_last(prob, position)
    classes = rows.shape[-1]
    if labels.shape != rows.shape[:-1]:
        raise ValueError(
            f"labels has shape {labels.shape}, but prob of shape {prob.shape} has rows of shape "
            f"{rows.shape[:-1]} (axis={options.axis})"
        )
    check_labels(labels, classes, "the length of prob's axis", ignored=options.ignore_index)
    dtype = kernel_dtype([prob])
    if options.check:
        check_rows(Rows([prob], ["prob"], position), ["prob"], dtype, False)
    shape = prob.shape[:position] + (1,) * options.keepdims + prob.shape[position + 1 :]
    if not options.plain:
        parts = parts_of_rows(rows, options)
        return sum_of_parts(parts, labels, classes, dtype, shape, options, out, weight)
    vector = options.parameters(SURPRISAL)
    weight = weight_beside(out, weight)
    if options.reduction == "none":
        check_out(out, shape, dtype)
        flat = np.empty(labels.shape, dtype)
        status = SURPRISAL.picked(rows, labels, vector, flat)
        result = weigh(flat, weight).reshape(shape)
    else:
        weights = None if weight is None else weights_of(weight, labels.shape)
        result, status = SURPRISAL.reduced(
            (rows,), 1, vector, dtype, options.reduction, weights, labels=labels
        )
    if status:
        _core.report_invalid("log_loss")
    return deliver(result, out)


# ---- Dask -------------------------------------------------------------------------------------


def _losses_lazily(labels: Any, prob: Any, options: Options, out: Any, weight: Any) -> Any:
    """Return the Dask array that the same call on its blocks makes up, or both of a pair."""
    operands = lazy_operands((labels, prob), ("labels", "prob"), out)
    check_label_dtype(operands[0], "labels")
    prob = operands[1]
    flat = prob.ndim == 1
    place = prob.ndim if flat else normalize_axis_index(options.axis, prob.ndim)
    rows = prob.shape[:place] + prob.shape[place + 1 :]
    given = operands[0].shape
    if len(given) != len(rows) or any(
        n != m and n == n and m == m for n, m in zip(given, rows, strict=True)
    ):
        raise ValueError(
            f"labels has shape {given}, but prob of shape {prob.shape} has rows of shape "
            f"{rows} (axis={options.axis})"
        )
    weights = check_class_weight(options.class_weight, 2 if flat else prob.shape[place])
    options.parameters(SURPRISAL)
    ignored, reduction, pair = options.ignore_index, options.reduction, options.return_weight
    return call_lazily(
        partial(_losses_of_block, options),
        operands,
        ("labels", "prob"),
        (flat, True),
        () if flat else (place - prob.ndim,),
        kernel_dtype([prob]),
        options.keepdims,
        reduction,
        weight,
        block_divisor(weights, ignored, reduction, pair),
        pair,
    )


def _losses_of_block(
    options: Options, operands: tuple[Any, ...], weight: Any, reduction: str, keepdims: bool
) -> Any:
    """Return the log loss of a block of a Dask array."""
    labels, prob = operands
    block = options._replace(reduction=reduction, keepdims=keepdims, return_weight=False)
    return _losses(labels, prob, block, None, weight)

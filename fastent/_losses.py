"""Losses from probabilities: binary cross entropy and log loss."""

from functools import partial
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from fastent import _core
from fastent._arrays import Array, as_array, check_integers, kernel_dtype
from fastent._check import check_rows
from fastent._elements import map_elements
from fastent._labels import check_label_dtype, check_labels
from fastent._lazy import call_lazily, is_lazy, lazy_operands
from fastent._plan import (
    Rows,
    check_out,
    check_reduction,
    deliver,
    parameters,
    weigh,
    weight_beside,
    weights_of,
)

SURPRISAL = _core.measures["surprisal"]
BINARY_CROSS_ENTROPY = _core.measures["binary_cross_entropy"]
BINARY_CROSS_ENTROPY_SUM = _core.measures["binary_cross_entropy_sum"]
BINARY_CROSS_ENTROPY_WEIGHTED = _core.measures["binary_cross_entropy_weighted"]
OPERANDS: tuple[str, ...] = ("target", "prob")
OPERANDS_AND_WEIGHT = ("target", "pos_weight", "prob")


def binary_cross_entropy(
    target: Any,
    prob: Any,
    *,
    base: float | None = None,
    log_floor: float | None = -100.0,
    pos_weight: Any = None,
    label_smoothing: float = 0.0,
    where: Any = True,
    out: Array | None = None,
    reduction: str = "none",
    weight: Any = None,
    check: bool = False,
) -> Any:
    """Return the binary cross entropy of predicted probabilities, one loss an element.

    Unlike ``torch.nn.BCELoss`` the target comes first, and nothing is averaged unless asked for.

    Parameters
    ----------
    target : array_like
        What is true: labels 0 and 1 (of any integer or boolean dtype), or probabilities.
    prob : array_like
        Predicted probabilities of 1; broadcasts with `target`.
    base : float, optional
        Of the logarithm: nats by default, 2 for bits.
    log_floor : float or None
        The logarithms are taken to be at least this, in nats whatever the base: a certain but
        wrong prediction costs 100 by default. None is exact: it costs infinity.
    pos_weight : array_like, optional
        Weight of class 1, from 0 to 1e38: multiplies what the target has of it. Broadcasts with
        both, and does not raise the dtype.
    label_smoothing : float
        The share e of the target that goes to both classes alike: target (1 - e) + e/2.
    where : array_like of bool, optional
        Elements to compute; the others of `out` stay as they are.
    out : ndarray, optional
        Takes the result.
    reduction : {"none", "mean", "sum", "weighted_mean"}
        One loss an element, or their mean, sum, or mean weighted by `weight`.
    weight : array_like, optional
        Multiplies the results, with whose shape it broadcasts. The mean divides by the number of
        elements, the weighted mean by the sum of the weights.
    check : bool
        Raise a ValueError that names the first element outside [0, 1].

    Returns
    -------
    ndarray or scalar
        Of the common shape; float32 for float32 and float16 `prob`, else float64.

    Notes
    -----
    -target max(log prob, floor) - (1 - target) max(log(1 - prob), floor) [1]_. A target or prob
    outside [0, 1] gives NaN, with NumPy's "invalid value" warning; NaN gives NaN, silently.

    With a weight w of class 1 and smoothing e, -w z max(log prob, floor) - y max(log(1 - prob),
    floor), where z = target (1 - e) + e/2 and y = (1 - target) (1 - e) + e/2 is 1 - z: the arithmetic
    of ``torch.nn.BCEWithLogitsLoss``. A weight of 0 contributes 0.

    References
    ----------
    .. [1] C. M. Bishop, "Pattern Recognition and Machine Learning", 2006, equation 4.90; the floor
       is that of ``torch.nn.BCELoss``.

    Examples
    --------
    >>> import fastent as fe
    >>> print(fe.binary_cross_entropy([0, 1, 1], [0.0, 0.5, 0.0]))
    [  0.           0.69314718 100.        ]
    >>> print(fe.binary_cross_entropy([0, 1], [0.5, 0.5], base=2, reduction="mean"))
    1.0
    >>> print(fe.binary_cross_entropy([0, 1], [0.5, 0.5], base=2, pos_weight=3))
    [1. 3.]
    """
    measure, names = BINARY_CROSS_ENTROPY, OPERANDS
    values: tuple[Any, ...] = (target, prob)
    summed_by: _core.Measure | None = BINARY_CROSS_ENTROPY_SUM
    if pos_weight is not None or label_smoothing != 0:
        measure, names, summed_by = BINARY_CROSS_ENTROPY_WEIGHTED, OPERANDS_AND_WEIGHT, None
        values = (target, 1.0 if pos_weight is None else pos_weight, prob)
    return map_elements(
        measure,
        names,
        values,
        base,
        log_floor,
        where,
        out,
        reduction,
        weight,
        check,
        summed_by=summed_by,
        smoothing=label_smoothing,
    )


def log_loss(
    labels: Any,
    prob: Any,
    *,
    axis: int = -1,
    base: float | None = None,
    log_floor: float | None = -100.0,
    keepdims: bool = False,
    out: Array | None = None,
    reduction: str = "none",
    weight: Any = None,
    check: bool = False,
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
    keepdims : bool
        Leave the classes' axis in the result, with length 1.
    out : ndarray, optional
        Takes the result.
    reduction : {"none", "mean", "sum", "weighted_mean"}
        One loss a row, or their mean, sum, or mean weighted by `weight`.
    weight : array_like, optional
        Multiplies the results, with whose shape it broadcasts. The mean divides by the number of
        rows, the weighted mean by the sum of the weights.
    check : bool
        Raise a ValueError that names the first row that is no distribution.

    Returns
    -------
    ndarray or scalar
        One number a row; float32 for float32 and float16 `prob`, else float64.

    Notes
    -----
    -max(log prob[label], log_floor) [1]_: only the probability of the label is read, and rows are
    used as they are. A label out of range is a ValueError.

    References
    ----------
    .. [1] C. M. Bishop, "Pattern Recognition and Machine Learning", 2006, equation 4.108.

    Examples
    --------
    >>> import fastent as fe
    >>> print(fe.log_loss([0, 2], [[0.5, 0.25, 0.25], [0.5, 0.25, 0.25]], base=2))
    [1. 2.]
    """
    check_reduction(reduction, weight, keepdims)
    if any(map(is_lazy, (labels, prob, weight))):
        return _log_loss_lazily(
            labels, prob, axis, base, log_floor, keepdims, out, reduction, weight, check
        )
    indices = as_array(labels, "labels")
    check_label_dtype(indices, "labels")
    array = as_array(prob, "prob")
    check_integers(array, "prob")
    if array.ndim == 1:
        check_labels(indices, 2, "a 1-D prob holds the probabilities of class 1")
        if indices.shape != array.shape:
            raise ValueError(f"labels has shape {indices.shape} and prob has shape {array.shape}")
        names, operands = ("labels", "prob"), (indices, array)
        seen: list[Any] = []
        with np.errstate(invalid="call", call=lambda *flag: seen.append(flag)):
            result = map_elements(
                BINARY_CROSS_ENTROPY,
                names,
                operands,
                base,
                log_floor,
                True,
                out,
                reduction,
                weight,
                check,
                summed_by=BINARY_CROSS_ENTROPY_SUM,
            )
        if seen:
            _core.report_invalid("log_loss")
        return result
    position = normalize_axis_index(axis, array.ndim)
    rows = np.moveaxis(array, position, -1)
    if indices.shape != rows.shape[:-1]:
        raise ValueError(
            f"labels has shape {indices.shape}, but prob of shape {array.shape} has rows of shape "
            f"{rows.shape[:-1]} (axis={axis})"
        )
    check_labels(indices, rows.shape[-1], "the length of prob's axis")
    dtype = kernel_dtype([array])
    if check:
        check_rows(Rows([array], ["prob"], position), ["prob"], dtype, False)
    vector = parameters(SURPRISAL, base, log_floor, False)
    weight = weight_beside(out, weight)
    if reduction == "none":
        shape = array.shape[:position] + (1,) * keepdims + array.shape[position + 1 :]
        check_out(out, shape, dtype)
        flat = np.empty(indices.shape, dtype)
        status = SURPRISAL.picked(rows, indices, vector, flat)
        result = weigh(flat, weight).reshape(shape)
    else:
        weights = None if weight is None else weights_of(weight, indices.shape)
        result, status = SURPRISAL.reduced(
            (rows,), 0, vector, dtype, reduction, weights, labels=indices
        )
    if status:
        _core.report_invalid("log_loss")
    return deliver(result, out)


def _log_loss_lazily(
    labels: Any,
    prob: Any,
    axis: int,
    base: float | None,
    log_floor: float | None,
    keepdims: bool,
    out: Any,
    reduction: str,
    weight: Any,
    check: bool,
) -> Any:
    """Return the Dask array that the same call on its blocks makes up."""
    operands = lazy_operands((labels, prob), ("labels", "prob"), out)
    check_label_dtype(operands[0], "labels")
    prob = operands[1]
    flat = prob.ndim == 1
    place = prob.ndim if flat else normalize_axis_index(axis, prob.ndim)
    rows = prob.shape[:place] + prob.shape[place + 1 :]
    given = operands[0].shape
    if len(given) != len(rows) or any(
        n != m and n == n and m == m for n, m in zip(given, rows, strict=True)
    ):
        raise ValueError(
            f"labels has shape {given}, but prob of shape {prob.shape} has rows of shape "
            f"{rows} (axis={axis})"
        )
    axes = () if flat else (place - prob.ndim,)
    return call_lazily(
        partial(_log_loss_block, axis, base, log_floor, check),
        operands,
        ("labels", "prob"),
        (flat, True),
        axes,
        kernel_dtype([prob]),
        keepdims,
        reduction,
        weight,
    )


def _log_loss_block(
    axis: int,
    base: float | None,
    log_floor: float | None,
    check: bool,
    operands: tuple[Any, ...],
    weight: Any,
    reduction: str,
    keepdims: bool,
) -> Any:
    """Return the log loss of a block of a Dask array."""
    labels, prob = operands
    return log_loss(
        labels,
        prob,
        axis=axis,
        base=base,
        log_floor=log_floor,
        keepdims=keepdims,
        reduction=reduction,
        weight=weight,
        check=check,
    )

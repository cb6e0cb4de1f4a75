"""Derivatives of cross entropies from logits, and the cross entropies, in the same call."""

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from fastent import _core
from fastent._arrays import Array, as_array, from_list, kernel_dtype
from fastent._core import plain_rows
from fastent._labels import LOGITS_AXIS, check_class_weight, check_labels, row_weights
from fastent._lazy import is_lazy
from fastent._plan import (
    blocks,
    check_out,
    check_reduction,
    deliver,
    divisor_of,
    is_plain,
    parameters,
    room_beside,
    to_last,
    weigh,
    weight_beside,
    weights_of,
)
from fastent._softmax import are_labels

OF_LABELS = _core.measures["softmax_cross_entropy_grad"]
OF_CLASSES = _core.measures["softmax_cross_entropy_grad_of_classes"]
OF_TARGETS = _core.measures["softmax_cross_entropy_grad_of_targets"]
SUM = _core.measures["sum"]
BLOCK = 16384  # entries of targets that are made at a time


def softmax_cross_entropy_grad(
    target: Any,
    logits: Any,
    *,
    axis: int = -1,
    base: float | None = None,
    temperature: float = 1.0,
    out: Array | None = None,
    reduction: str = "none",
    weight: Any = None,
    class_weight: Any = None,
    label_smoothing: float = 0.0,
    ignore_index: int | None = None,
    value_and_grad: bool = False,
) -> Any:
    """Return the derivatives of the cross entropy of the softmax of each row by its logits.

    Arguments are those of `softmax_cross_entropy`, and so is the loss.

    Parameters
    ----------
    target : array_like
        What is true. Class indices: integers, of the shape of `logits` without `axis`. Or
        distributions over the classes: as many axes as `logits`, or floating-point numbers.
    logits : array_like
        Scores of the classes along `axis`; -inf is a class of probability 0.
    axis : int
        Along which the classes lie.
    base : float, optional
        Of the logarithm: nats by default, 2 for bits.
    temperature : float
        Logits are divided by it.
    out : ndarray, optional
        Takes the derivatives; may be `logits` itself.
    reduction : {"none", "mean", "sum", "weighted_mean"}
        Of the losses whose derivatives are wanted: for a mean each row's are divided by what the
        mean divides by; "none" and "sum" have the same.
    weight : array_like, optional
        Multiplies the losses, with whose shape it broadcasts, and so the derivatives.
    class_weight : array_like, optional
        A weight a class, by which its part of a loss is multiplied.
    label_smoothing : float
        This share of the target, from 0 to 1, is spread evenly over the classes that are not
        masked.
    ignore_index : int, optional
        Rows of this label have derivatives of 0 and are left out of means. Of class indices only.
    value_and_grad : bool
        Return the loss too.

    Returns
    -------
    ndarray or (loss, ndarray)
        Derivatives, of the shape of `logits`; float32 for float32 and float16 `logits`, else
        float64. With `value_and_grad` after the loss: one a row, or their reduction.

    Notes
    -----
    (W softmax(logits / temperature) - target) / temperature [1]_, with W the sum of the target: 1
    for a label. At the label of a confident row it is minus the sum of the other probabilities: one
    of 1e-20 is -1e-20, not 0.

    References
    ----------
    .. [1] C. M. Bishop, "Pattern Recognition and Machine Learning", 2006, equation 4.109.

    Examples
    --------
    >>> import fastent as fe
    >>> print(fe.softmax_cross_entropy_grad([0, 1], [[50.0, 0.0], [0.0, 0.0]]))
    [[-1.92874985e-22  1.92874985e-22]
     [ 5.00000000e-01 -5.00000000e-01]]
    >>> loss, gradient = fe.softmax_cross_entropy_grad(
    ...     [0, 1], [[1.0, 1.0], [1.0, 1.0]], reduction="mean", value_and_grad=True
    ... )
    >>> print(loss, gradient)
    0.6931471805599453 [[-0.25  0.25]
     [ 0.25 -0.25]]
    """
    target, logits = from_list(target, "target"), from_list(logits, "logits")
    given = (out, weight, class_weight, label_smoothing, ignore_index)
    if is_plain(axis, reduction, *given) and plain_rows(logits, target):
        return _plain(target, logits, base, temperature, reduction, value_and_grad)
    check_reduction(reduction, weight)
    if any(map(is_lazy, (target, logits, weight, class_weight))):
        raise TypeError(
            "softmax_cross_entropy_grad takes arrays in memory: call it on the blocks of Dask "
            "arrays, as with dask.array.map_blocks"
        )
    true, scores = as_array(target, "target"), as_array(logits, "logits")
    if scores.ndim == 0:
        raise ValueError("logits has no axis: its classes need one")
    position = normalize_axis_index(axis, scores.ndim)
    labelled = are_labels(true, scores, position)
    dtype = kernel_dtype([scores])
    check_out(out, scores.shape, dtype)
    rows = to_last(scores, position)
    classes = rows.shape[-1]
    weights_of_classes = check_class_weight(class_weight, classes)
    measure = OF_TARGETS
    if labelled:
        check_labels(true, classes, LOGITS_AXIS, "target", ignore_index)
        measure = OF_CLASSES if label_smoothing > 0 else OF_LABELS
    elif ignore_index is not None:
        raise TypeError(
            "ignore_index goes with class indices, but target holds distributions "
            f"(dtype {true.dtype}, shape {true.shape})"
        )
    vector = parameters(measure, base, None, False, temperature, label_smoothing)
    if weight is not None:
        weight = as_array(weight_beside(out, weight), "weight")
    result = room_beside(out, (scores, true), dtype)
    turned = to_last(result, position)
    losses = None
    if value_and_grad:
        losses = np.empty(rows.shape[:-1], dtype if reduction == "none" else np.float64)
    ignored = float("nan") if ignore_index is None else float(ignore_index)
    divisor: float | None = None
    if labelled:
        reduction, each, divisor = row_weights(
            true, weight, weights_of_classes, ignore_index, reduction, label_smoothing > 0
        )
    else:
        each = None if weight is None else weights_of(weight, rows.shape[:-1])
    if divisor is None:
        divisor = divisor_of(reduction, each, rows.shape[:-1])
    operands: tuple[Array, ...] = (rows,)
    if measure is OF_CLASSES:
        weights = np.ones(classes) if weights_of_classes is None else weights_of_classes
        operands = (np.broadcast_to(weights.astype(dtype), rows.shape), rows)
    if labelled:
        measure.gradient(operands, 1, vector, turned, losses, true, ignored, each, divisor)
    else:
        targets = _rows_of_targets(true, scores, axis)
        share = label_smoothing
        _of_targets(targets, rows, vector, turned, losses, each, divisor, weights_of_classes, share)
    gradient = deliver(result, out)
    if losses is None:
        return gradient
    return _value(losses, each, divisor, reduction, dtype), gradient


def _plain(
    labels: Array,
    logits: Array,
    base: float | None,
    temperature: float,
    reduction: str,
    value_and_grad: bool,
) -> Any:
    """Return the gradient of plain rows at their labels, after the loss if that is wanted."""
    vector = parameters(OF_LABELS, base, None, False, temperature)
    dtype, shape, losses = logits.dtype, labels.shape, None
    divisor = divisor_of(reduction, None, shape)
    gradient = np.empty_like(logits)
    if value_and_grad:
        losses = np.empty(shape, dtype if reduction == "none" else np.float64)
    OF_LABELS.gradient((logits,), 1, vector, gradient, losses, labels, divisor=divisor)
    if losses is None:
        return gradient
    return _value(losses, None, divisor, reduction, dtype), gradient


def _value(
    losses: Array, each: Array | None, divisor: float, reduction: str, dtype: np.dtype[Any]
) -> Any:
    """Return losses times their weights, or what they come to."""
    if reduction == "none":
        return weigh(losses, each)[()]
    weigh(losses, each)
    plain = parameters(SUM, None)
    total, _ = SUM.whole((losses,), plain, np.dtype(np.float64), divisor)
    return dtype.type(total)


def _rows_of_targets(target: Array, logits: Array, axis: int) -> Array:
    """Return the targets of each row of logits, classes last."""
    try:
        spread = np.broadcast_to(target, logits.shape)
    except ValueError:
        raise ValueError(
            f"target has shape {target.shape}, which does not broadcast to that of logits, "
            f"{logits.shape}"
        ) from None
    if target.ndim == 0 or target.shape[axis] != logits.shape[axis]:
        raise ValueError(
            f"target has shape {target.shape} and logits has shape {logits.shape}: "
            f"their distributions (axis={axis}) differ in length"
        )
    return to_last(spread, axis)


def _of_targets(
    targets: Array,
    rows: Array,
    vector: Array,
    out: Array,
    losses: Array | None,
    each: Array | None,
    divisor: float,
    class_weight: Array | None,
    share: float,
) -> None:
    """Fill `out` with the derivatives of targets, and `losses`.

    Class weights and smoothing make other targets of them, block by block, of a row at least.
    """
    status = 0
    if class_weight is None and share == 0:
        status = OF_TARGETS.gradient(
            (targets, rows), 1, vector, out, losses, factors=each, divisor=divisor
        )
        _report(status)
        return
    outer = rows.shape[:-1]
    weights: Any = 1.0 if class_weight is None else class_weight
    for index in blocks(outer, max(1, BLOCK // max(rows.shape[-1], 1))):
        at = (*index, ...)
        logits, made = rows[at], targets[at].astype(np.float64)
        kept = logits > -np.inf
        number = np.maximum(kept.sum(-1, keepdims=True), 1)
        with np.errstate(invalid="ignore"):
            made = weights * ((1 - share) * made + share / number * kept)
        status |= OF_TARGETS.gradient(
            (made, logits),
            1,
            vector,
            out[at],
            None if losses is None else losses[at],
            factors=None if each is None else each[at],
            divisor=divisor,
        )
    _report(status)


def _report(status: int) -> None:
    """Warn of targets that are no distributions, as the caller's np.errstate says."""
    if status:
        _core.report_invalid("softmax_cross_entropy_grad")

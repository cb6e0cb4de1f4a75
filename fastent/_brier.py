"""The Brier score: squared errors of probabilities."""

from functools import partial
from numbers import Integral
from typing import Any, TypeGuard

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from fastent import _core
from fastent._arrays import Array, as_array, check_dtype, kernel_dtype
from fastent._check import check_rows, check_unit
from fastent._labels import check_label_shape, check_labels, row_weights
from fastent._lazy import call_lazily, is_lazy, lazy_operands
from fastent._plan import (
    Axis,
    Rows,
    check_out,
    check_reduction,
    deliver,
    parameters,
    result_array,
    to_last,
    weigh,
    weight_beside,
)
from fastent._rows import reduce_rows

OF_TARGETS = _core.measures["brier_score"]
OF_LABELS = _core.measures["brier_score_of_labels"]
PLAIN = parameters(OF_LABELS, None)
REASON = "the length of prob's axis"


def brier_score(
    target: Any,
    prob: Any,
    *,
    axis: Axis = -1,
    keepdims: bool = False,
    out: Array | None = None,
    reduction: str = "none",
    weight: Any = None,
    check: bool = False,
    return_weight: bool = False,
) -> Any:
    """Return the Brier score of predicted probabilities: their squared errors.

    Unlike ``sklearn.metrics.brier_score_loss`` nothing is averaged unless asked for.

    Parameters
    ----------
    target : array_like
        What is true. Class indices: integers, of the shape of `prob` without `axis`. Or
        distributions over the classes: as many axes as `prob`. Beside a 1-D or 0-D `prob` of the
        same shape: labels 0 and 1, or probabilities of 1.
    prob : array_like
        Predicted probabilities of the classes along `axis`; or of class 1, if it is 1-D or 0-D and
        `target` has its shape.
    axis : int, tuple of int or None
        Along which the classes lie; beside class indices an int.
    keepdims : bool
        Leave the classes' axis in the result, with length 1.
    out : ndarray, optional
        Takes the result.
    reduction : {"none", "mean", "sum", "weighted_mean"}
        One score a row, or their mean, sum, or mean weighted by `weight`.
    weight : array_like, optional
        Multiplies the results, with whose shape it broadcasts. The mean divides by the number of
        rows, the weighted mean by the sum of the weights.
    check : bool
        Raise a ValueError that names the first row of `prob` that is no distribution, or the first
        element outside [0, 1].
    return_weight : bool
        Return the sum and what the mean would divide it by, a pair: it needs ``reduction="sum"``.
        Both, added up over chunks, make the mean of the whole.

    Returns
    -------
    ndarray or scalar, or tuple
        One number a row, or an element of probabilities of class 1; float32 for float32 and
        float16 `prob`, else float64. A pair for `return_weight`.

    Notes
    -----
    sum (prob - target)^2 over the classes [1]_, from 0 to 2; of probabilities of class 1
    (prob - target)^2, from 0 to 1, which is half of the sum over both classes. The mean of either
    is scikit-learn's with its default ``scale_by_half="auto"`` but for rows of two classes, which
    it halves. A negative target or prob makes its row NaN, with NumPy's "invalid value" warning; so
    does NaN, silently. A label out of range is a ValueError.

    References
    ----------
    .. [1] G. W. Brier, "Verification of Forecasts Expressed in Terms of Probability", 1950.

    Examples
    --------
    >>> import fastent as fe
    >>> print(fe.brier_score([0, 2], [[1.0, 0.0, 0.0], [0.25, 0.25, 0.5]]))
    [0.    0.375]
    >>> print(fe.brier_score([0, 1], [0.25, 0.75], reduction="mean"))
    0.0625
    """
    check_reduction(reduction, weight, keepdims, return_weight)
    true = target if is_lazy(target) else as_array(target, "target")
    given = prob if is_lazy(prob) else as_array(prob, "prob")
    check_dtype(given.dtype, "prob")
    _check_counts(given, "prob")
    position = normalize_axis_index(axis, max(given.ndim, 1)) if _is_index(axis) else None
    if true.ndim < given.ndim and (true.dtype.kind in "biu" or _one_a_row(true, given, position)):
        if position is None:
            raise TypeError(f"axis must be an int beside class indices, not {axis!r}")
        check_label_shape(true, given, position, "target", "prob")
        settings = (keepdims, reduction, weight, out, check, return_weight)
        return _of_labels(true, given, position, *settings)
    elements = given.ndim < 2 and true.shape == given.shape
    _check_counts(true, "target")
    if check and elements and not is_lazy(given):
        check_unit(given, "prob")
    return reduce_rows(
        OF_TARGETS,
        ("target", "prob"),
        (true, given),
        () if elements else axis,
        None,
        None,
        False,
        keepdims,
        out,
        reduction,
        weight,
        check and not elements,
        return_weight,
    )


def _is_index(axis: Axis) -> TypeGuard[int]:
    """Whether this is one axis."""
    return isinstance(axis, Integral)


def _one_a_row(target: Any, prob: Any, position: int | None) -> bool:
    """Whether a target has the shape of class indices."""
    if position is None:
        return False
    rows = prob.shape[:position] + prob.shape[position + 1 :]
    return bool(target.shape == rows)


def _check_counts(array: Any, name: str) -> None:
    """Raise for integers that are no probabilities."""
    if is_lazy(array) or array.dtype.kind not in "iu" or not array.size or array.max() <= 1:
        return
    raise ValueError(
        f"{name} holds integers above 1, such as {array.max()}: probabilities are from 0 to 1, and "
        "class indices go beside a row of probabilities each"
    )


def _of_labels(
    labels: Any,
    prob: Any,
    position: int,
    keepdims: bool,
    reduction: str,
    weight: Any,
    out: Array | None,
    check: bool,
    return_weight: bool,
) -> Any:
    """Return the score of each row of probabilities, whose classes lie along `position`."""
    if any(map(is_lazy, (labels, prob, weight))):
        return call_lazily(
            partial(_of_block, position - prob.ndim, check),
            lazy_operands((labels, prob), ("target", "prob"), out),
            ("target", "prob"),
            (False, True),
            (position - prob.ndim,),
            kernel_dtype([prob]),
            keepdims,
            reduction,
            weight,
            return_weight=return_weight,
        )
    rows = to_last(prob, position)
    check_labels(labels, rows.shape[-1], REASON, "target")
    dtype = kernel_dtype([prob])
    if check:
        check_rows(Rows([prob], ["prob"], position), ["prob"], dtype, False)
    if weight is not None:
        weight = as_array(weight_beside(out, weight), "weight")
    how, each, _ = row_weights(labels, weight, None, None, reduction)
    operands = (np.broadcast_to(dtype.type(0), rows.shape), rows)  # the first is made of labels
    if reduction == "none":
        shape = prob.shape[:position] + (1,) * keepdims + prob.shape[position + 1 :]
        check_out(out, shape, dtype)
        result = result_array(out, shape, dtype, (prob, labels))
        flat = np.squeeze(result, axis=position) if keepdims else result
        status = OF_LABELS.rows(operands, 1, PLAIN, flat, labels)
        weigh(flat, each)
    else:
        result, status = OF_LABELS.reduced(operands, 1, PLAIN, dtype, how, each, labels)
    if status:
        _core.report_invalid("brier_score")
    result = deliver(result, out)
    return (result, np.float64(labels.size)) if return_weight else result


def _of_block(
    axis: int, check: bool, blocks: Any, weight: Any, reduction: str, keepdims: bool
) -> Any:
    """Return the scores of a block of a Dask array, or their sum."""
    labels, prob = blocks
    return _of_labels(
        labels, prob, axis % prob.ndim, keepdims, reduction, weight, None, check, False
    )

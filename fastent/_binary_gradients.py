"""First and second derivatives of binary cross entropies, by probabilities and by logits."""

from collections.abc import Callable
from typing import Any

import numpy as np

from fastent import _core
from fastent._arrays import FLOAT32, FLOAT64, Array, as_array
from fastent._check import check_pos_weight, check_unit
from fastent._core import Measure
from fastent._elements import broadcast_shape, result_dtype
from fastent._lazy import is_lazy
from fastent._logits import binary_cross_entropy_with_logits
from fastent._losses import binary_cross_entropy
from fastent._plan import (
    check_out,
    check_reduction,
    deliver,
    divisor_of,
    parameters,
    weigh,
    weight_beside,
    weights_of,
)

OF_PROB = _core.measures["binary_cross_entropy_grad"]
OF_PROB_WEIGHTED = _core.measures["binary_cross_entropy_grad_weighted"]
OF_LOGITS = _core.measures["binary_cross_entropy_with_logits_grad"]
OF_LOGITS_WEIGHTED = _core.measures["binary_cross_entropy_with_logits_grad_weighted"]

Outs = tuple[Array | None, Array | None]


def binary_cross_entropy_grad(
    target: Any,
    prob: Any,
    *,
    base: float | None = None,
    pos_weight: Any = None,
    label_smoothing: float = 0.0,
    out: Outs | None = None,
    reduction: str = "none",
    weight: Any = None,
    check: bool = False,
    value_and_grad: bool = False,
) -> Any:
    """Return the first and second derivatives of the binary cross entropy by the probabilities.

    Arguments are those of `binary_cross_entropy`, and so is the loss.

    Parameters
    ----------
    target : array_like
        What is true: labels 0 and 1 (of any integer or boolean dtype), or probabilities.
    prob : array_like
        Predicted probabilities of 1; broadcasts with `target`.
    base : float, optional
        Of the logarithm: nats by default, 2 for bits.
    pos_weight : array_like, optional
        Weight of class 1, from 0 to 1e38. Broadcasts with both, and does not raise the dtype.
    label_smoothing : float
        The share e of the target that goes to both classes alike: target (1 - e) + e/2.
    out : tuple of two ndarrays, optional
        Take the results; None takes nothing.
    reduction : {"none", "mean", "sum", "weighted_mean"}
        Of the losses whose derivatives are wanted: for a mean they are divided by what it divides
        by; "none" and "sum" have the same.
    weight : array_like, optional
        Multiplies the losses, with whose shape it broadcasts, and so the derivatives.
    check : bool
        Raise a ValueError that names the first element outside [0, 1].
    value_and_grad : bool
        Return the loss too.

    Returns
    -------
    (ndarray, ndarray) or (loss, ndarray, ndarray)
        The gradient and the diagonal of the Hessian, of the common shape; float32 for float32 and
        float16 `prob`, else float64. With `value_and_grad` after the loss.

    Notes
    -----
    (p - t) / max(p (1 - p), 1e-12), as PyTorch has it, and t/p^2 + (1 - t)/(1 - p)^2 [1]_, with p
    and 1 - p no smaller than 1e-12 there; and with a weight w of class 1 of
    -w t log p - (1 - t) log(1 - p).

    References
    ----------
    .. [1] C. M. Bishop, "Pattern Recognition and Machine Learning", 2006, equation 4.90.

    Examples
    --------
    >>> import fastent as fe
    >>> gradient, hessian = fe.binary_cross_entropy_grad([1, 0], [0.5, 0.2])
    >>> print(gradient, hessian)
    [-2.    1.25] [4.     1.5625]
    """
    return _derivatives(
        (OF_PROB, OF_PROB_WEIGHTED),
        binary_cross_entropy,
        "prob",
        (target, pos_weight, prob),
        (base, label_smoothing),
        out,
        reduction,
        weight,
        check,
        value_and_grad,
    )


def binary_cross_entropy_with_logits_grad(
    target: Any,
    logits: Any,
    *,
    base: float | None = None,
    pos_weight: Any = None,
    label_smoothing: float = 0.0,
    out: Outs | None = None,
    reduction: str = "none",
    weight: Any = None,
    check: bool = False,
    value_and_grad: bool = False,
) -> Any:
    """Return the first and second derivatives of the binary cross entropy by the logits.

    Arguments are those of `binary_cross_entropy_with_logits`, and so is the loss. What LightGBM and
    XGBoost want of an objective.

    Parameters
    ----------
    target : array_like
        What is true: labels 0 and 1 (of any integer or boolean dtype), or probabilities.
    logits : array_like
        Predicted log-odds of 1; broadcasts with `target`.
    base : float, optional
        Of the logarithm: nats by default, 2 for bits.
    pos_weight : array_like, optional
        Weight of class 1, from 0 to 1e38. Broadcasts with both, and does not raise the dtype.
    label_smoothing : float
        The share e of the target that goes to both classes alike: target (1 - e) + e/2.
    out : tuple of two ndarrays, optional
        Take the results; None takes nothing. The first may be `logits` itself.
    reduction : {"none", "mean", "sum", "weighted_mean"}
        Of the losses whose derivatives are wanted: for a mean they are divided by what it divides
        by; "none" and "sum" have the same.
    weight : array_like, optional
        Multiplies the losses, with whose shape it broadcasts, and so the derivatives.
    check : bool
        Raise a ValueError that names the first target outside [0, 1].
    value_and_grad : bool
        Return the loss too.

    Returns
    -------
    (ndarray, ndarray) or (loss, ndarray, ndarray)
        The gradient and the diagonal of the Hessian, of the common shape; float32 for float32 and
        float16 `logits`, else float64. With `value_and_grad` after the loss.

    Notes
    -----
    s - t and s (1 - s) of s = sigmoid(logits) [1]_, with all digits in both tails: a certain and
    right prediction has 1e-20, not 0. With a weight w of class 1 they are (1 - t) s - w t (1 - s)
    and (w t + 1 - t) s (1 - s).

    References
    ----------
    .. [1] C. M. Bishop, "Pattern Recognition and Machine Learning", 2006, equations 4.91 and 4.97.

    Examples
    --------
    >>> import fastent as fe
    >>> gradient, hessian = fe.binary_cross_entropy_with_logits_grad([1, 0], [50.0, 0.0])
    >>> print(gradient, hessian)
    [-1.92874985e-22  5.00000000e-01] [1.92874985e-22 2.50000000e-01]
    """
    return _derivatives(
        (OF_LOGITS, OF_LOGITS_WEIGHTED),
        binary_cross_entropy_with_logits,
        "logits",
        (target, pos_weight, logits),
        (base, label_smoothing),
        out,
        reduction,
        weight,
        check,
        value_and_grad,
    )


def _derivatives(
    measures: tuple[Measure, Measure],
    loss: Callable[..., Any],
    judged: str,
    values: tuple[Any, Any, Any],
    settings: tuple[float | None, float],
    out: Outs | None,
    reduction: str,
    weight: Any,
    check: bool,
    value_and_grad: bool,
) -> Any:
    """Return both derivatives, after the loss if that is wanted."""
    target, pos_weight, prediction = values
    base, smoothing = settings
    plain, weighted = measures
    check_reduction(reduction, weight)
    if any(map(is_lazy, (*values, weight))):
        raise TypeError(
            f"{plain.name} takes arrays in memory: call it on the blocks of Dask arrays, as with "
            "dask.array.map_blocks"
        )
    outs = _check_outs(out)
    names: tuple[str, ...] = ("target", judged)
    given: tuple[Any, ...] = (target, prediction)
    measure = plain
    if pos_weight is not None:
        names, given, measure = ("target", "pos_weight", judged), values, weighted
    vector = parameters(measure, base, None, False, 1.0, smoothing)
    arrays = [as_array(value, name) for value, name in zip(given, names, strict=True)]
    if pos_weight is not None:
        check_pos_weight(arrays[1])
    if check:
        for i in {0, len(arrays) - 1} if judged == "prob" else {0}:
            check_unit(arrays[i], names[i])
    dtype = result_dtype(given, arrays)
    if dtype == FLOAT32:  # float64 scalars beside float32 arrays are Python's, and weak
        arrays = [a.astype(FLOAT32) if a.dtype == FLOAT64 and a.ndim == 0 else a for a in arrays]
    shape = broadcast_shape(arrays, names)
    for one in outs:
        check_out(one, shape, dtype)
    each = None if weight is None else weights_of(weight, shape)
    value = None
    if value_and_grad:
        options = {"pos_weight": pos_weight, "label_smoothing": smoothing, "base": base}
        value = loss(target, prediction, reduction=reduction, weight=weight, **options)
    divisor = divisor_of(reduction, each, shape)
    if divisor != 1:
        with np.errstate(all="ignore"):
            vector = vector.copy()
            vector[:2] = np.float64(vector[:2].sum()) / divisor, 0
    each = weight_beside(outs[0], weight_beside(outs[1], each))
    room = [_room(one, arrays, shape, dtype) for one in outs]
    views = tuple(np.broadcast_to(array, shape) for array in arrays)
    if measure.pairs(views, vector, room[0], room[1]):
        _core.report_invalid(measure.name)
    results = tuple(
        deliver(weigh(filled, each), one) for filled, one in zip(room, outs, strict=True)
    )
    return results if value is None else (value, *results)


def _check_outs(out: Outs | None) -> Outs:
    """Return where both results go, or raise a TypeError."""
    if out is None:
        return None, None
    if not isinstance(out, tuple) or len(out) != 2:
        raise TypeError("out must be a tuple of two ndarrays, for the gradient and the Hessian")
    if out[0] is not None and out[1] is not None and np.may_share_memory(*out):
        raise ValueError("the two arrays of out share memory")
    return out


def _room(
    out: Array | None, arrays: list[Array], shape: tuple[int, ...], dtype: np.dtype[Any]
) -> Array:
    """Return `out`, if results can be written there as they are made; else a new array."""
    if out is None or out.dtype != dtype or not out.flags.carray:
        return np.empty(shape, dtype)
    for array in arrays:
        same = array.shape == out.shape and array.dtype == dtype and array.flags.c_contiguous
        apart = not np.may_share_memory(out, array)
        if not apart and not (same and array.ctypes.data == out.ctypes.data):
            return np.empty(shape, dtype)
    return out.view(np.ndarray)

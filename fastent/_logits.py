"""Measures of logits: the sigmoid, and binary cross entropy with logits."""

from typing import Any

from fastent import _core
from fastent._arrays import Array
from fastent._elements import map_elements, map_weighted

SIGMOID = _core.measures["sigmoid"]
BINARY_CROSS_ENTROPY_WITH_LOGITS = _core.measures["binary_cross_entropy_with_logits"]
BINARY_CROSS_ENTROPY_WITH_LOGITS_SUM = _core.measures["binary_cross_entropy_with_logits_sum"]
WEIGHTED = _core.measures["binary_cross_entropy_with_logits_weighted"]


def sigmoid(logits: Any, *, where: Any = True, out: Array | None = None) -> Any:
    """Return the probabilities of logits, one an element.

    Parameters
    ----------
    logits : array_like, any shape
        Log-odds; infinite ones are certainty.
    where : array_like of bool, optional
        Elements to compute; the others of `out` stay as they are.
    out : ndarray, optional
        Takes the result.

    Returns
    -------
    ndarray or scalar
        Of the shape of `logits`, in [0, 1]; float32 for float32 and float16 input, else float64.

    Notes
    -----
    1 / (1 + exp(-logits)) [1]_, with all its digits in both tails: sigmoid(-700) is 1e-304, not 0.
    NaN gives NaN.

    References
    ----------
    .. [1] C. M. Bishop, "Pattern Recognition and Machine Learning", 2006, equation 4.59.

    Examples
    --------
    >>> import fastent as fe
    >>> print(fe.sigmoid([0, 2, float("inf")]))
    [0.5        0.88079708 1.        ]
    """
    return map_elements(
        SIGMOID, ("logits",), (logits,), None, None, where, out, "none", None, False, logits=True
    )


def binary_cross_entropy_with_logits(
    target: Any,
    logits: Any,
    *,
    base: float | None = None,
    pos_weight: Any = None,
    label_smoothing: float = 0.0,
    where: Any = True,
    out: Array | None = None,
    reduction: str = "none",
    weight: Any = None,
    check: bool = False,
    return_weight: bool = False,
) -> Any:
    """Return the binary cross entropy of predictions given as logits, one loss an element.

    Unlike ``torch.nn.BCEWithLogitsLoss`` the target comes first, and nothing is averaged unless
    asked for.

    Parameters
    ----------
    target : array_like
        What is true: labels 0 and 1 (of any integer or boolean dtype), or probabilities.
    logits : array_like
        Predicted log-odds of 1; broadcasts with `target`.
    base : float, optional
        Of the logarithm: nats by default, 2 for bits.
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
        Raise a ValueError that names the first target outside [0, 1].
    return_weight : bool
        Return the sum and what the mean would divide it by, a pair: it needs ``reduction="sum"``.
        Both, added up over chunks, make the mean of the whole.

    Returns
    -------
    ndarray or scalar, or tuple
        Of the common shape; float32 for float32 and float16 `logits`, else float64.
        With `return_weight` a tuple of the sum and a float64, its divisor.

    Notes
    -----
    -target log s - (1 - target) log(1 - s) with s = sigmoid(logits) [1]_, as
    w abs(logits) + log(1 + exp(-abs(logits))), w = 1 - target for positive logits, else target:
    nothing cancels, and no floor is needed. An infinite logit costs 0 where the target agrees, else
    infinity. A target outside [0, 1] gives NaN, with NumPy's "invalid value" warning; NaN gives
    NaN, silently.

    With a weight of class 1 and smoothing e it is -pos_weight z log s - y log(1 - s), where
    z = target (1 - e) + e/2 and y = (1 - target) (1 - e) + e/2 is 1 - z: the arithmetic of
    ``torch.nn.BCEWithLogitsLoss``.

    References
    ----------
    .. [1] C. M. Bishop, "Pattern Recognition and Machine Learning", 2006, equation 4.90.

    Examples
    --------
    >>> import fastent as fe
    >>> print(fe.binary_cross_entropy_with_logits([1, 0], [40.0, 40.0]))
    [4.24835426e-18 4.00000000e+01]
    >>> print(fe.binary_cross_entropy_with_logits([1, 0, 0.5], [0, 0, 0], base=2, reduction="mean"))
    1.0
    >>> print(fe.binary_cross_entropy_with_logits([1, 0], [0, 0], base=2, pos_weight=3))
    [3. 1.]
    """
    if pos_weight is not None or label_smoothing != 0:
        settings = (base, None, where, out, reduction, weight, check, return_weight)
        return map_weighted(
            WEIGHTED, "logits", (target, pos_weight, logits), label_smoothing, settings, logits=True
        )
    return map_elements(
        BINARY_CROSS_ENTROPY_WITH_LOGITS,
        ("target", "logits"),
        (target, logits),
        base,
        None,
        where,
        out,
        reduction,
        weight,
        check,
        return_weight,
        summed_by=BINARY_CROSS_ENTROPY_WITH_LOGITS_SUM,
        logits=True,
    )

"""Binary cross entropy of probabilities."""

from typing import Any

from fastent import _core
from fastent._arrays import Array
from fastent._elements import map_elements, map_weighted

BINARY_CROSS_ENTROPY = _core.measures["binary_cross_entropy"]
BINARY_CROSS_ENTROPY_SUM = _core.measures["binary_cross_entropy_sum"]
WEIGHTED = _core.measures["binary_cross_entropy_weighted"]


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
    return_weight: bool = False,
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
    return_weight : bool
        Return the sum and what the mean would divide it by, a pair: it needs ``reduction="sum"``.
        Both, added up over chunks, make the mean of the whole.

    Returns
    -------
    ndarray or scalar, or tuple
        Of the common shape; float32 for float32 and float16 `prob`, else float64.
        With `return_weight` a tuple of the sum and a float64, its divisor.

    Notes
    -----
    -target max(log prob, floor) - (1 - target) max(log(1 - prob), floor) [1]_. A target or prob
    outside [0, 1] gives NaN, with NumPy's "invalid value" warning; NaN gives NaN, silently.

    With a weight w of class 1 and smoothing e, -w z max(log prob, floor) - y max(log(1 - prob),
    floor), where z = target (1 - e) + e/2 and y = (1 - target) (1 - e) + e/2 is 1 - z: the
    arithmetic of ``torch.nn.BCEWithLogitsLoss``. A weight of 0 contributes 0.

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
    if pos_weight is not None or label_smoothing != 0:
        settings = (base, log_floor, where, out, reduction, weight, check, return_weight)
        return map_weighted(WEIGHTED, "prob", (target, pos_weight, prob), label_smoothing, settings)
    return map_elements(
        BINARY_CROSS_ENTROPY,
        ("target", "prob"),
        (target, prob),
        base,
        log_floor,
        where,
        out,
        reduction,
        weight,
        check,
        return_weight,
        summed_by=BINARY_CROSS_ENTROPY_SUM,
    )

"""Measures of one event: surprisal and binary entropy."""

from typing import Any

from fastent import _core
from fastent._arrays import Array
from fastent._elements import map_elements

SURPRISAL = _core.measures["surprisal"]
BINARY_ENTROPY = _core.measures["binary_entropy"]


def surprisal(
    p: Any,
    *,
    base: float | None = None,
    log_floor: float | None = None,
    where: Any = True,
    out: Array | None = None,
    reduction: str = "none",
    weight: Any = None,
    check: bool = False,
) -> Any:
    """Return the information content of events of probability p.

    Parameters
    ----------
    p : array_like, any shape
        Probabilities.
    base : float, optional
        Of the logarithm: nats by default, 2 for bits.
    log_floor : float, optional
        The logarithm is taken to be at least this, in nats whatever the base. By default there is
        no floor, and an impossible event is infinitely surprising.
    where : array_like of bool, optional
        Elements to compute; the others of `out` stay as they are.
    out : ndarray, optional
        Takes the result.
    reduction : {"none", "mean", "sum", "weighted_mean"}
        One number an element, or their mean, sum, or mean weighted by `weight`.
    weight : array_like, optional
        Multiplies the results, with whose shape it broadcasts. The mean divides by the number of
        elements, the weighted mean by the sum of the weights.
    check : bool
        Raise a ValueError that names the first element outside [0, 1].

    Returns
    -------
    ndarray or scalar
        Of the shape of `p`; float32 for float32 and float16 input, else float64.

    Notes
    -----
    -log p [1]_. Negative probabilities give NaN and NumPy's "invalid value" warning; NaN gives NaN.

    References
    ----------
    .. [1] C. E. Shannon, "A Mathematical Theory of Communication", 1948.

    Examples
    --------
    >>> import fastent as fe
    >>> print(fe.surprisal([1, 0.5, 1 / 8, 0], base=2))
    [ 0.  1.  3. inf]
    """
    return map_elements(
        SURPRISAL, ("p",), (p,), base, log_floor, where, out, reduction, weight, check
    )


def binary_entropy(
    p: Any,
    *,
    base: float | None = None,
    where: Any = True,
    out: Array | None = None,
    reduction: str = "none",
    weight: Any = None,
    check: bool = False,
) -> Any:
    """Return the entropy of yes-or-no events of probability p.

    Parameters
    ----------
    p : array_like, any shape
        Probabilities.
    base : float, optional
        Of the logarithm: nats by default, 2 for bits.
    where : array_like of bool, optional
        Elements to compute; the others of `out` stay as they are.
    out : ndarray, optional
        Takes the result.
    reduction : {"none", "mean", "sum", "weighted_mean"}
        One number an element, or their mean, sum, or mean weighted by `weight`.
    weight : array_like, optional
        Multiplies the results, with whose shape it broadcasts. The mean divides by the number of
        elements, the weighted mean by the sum of the weights.
    check : bool
        Raise a ValueError that names the first element outside [0, 1].

    Returns
    -------
    ndarray or scalar
        Of the shape of `p`; float32 for float32 and float16 input, else float64.

    Notes
    -----
    -p log p - (1 - p) log(1 - p) [1]_, with 0 log 0 = 0. Outside [0, 1] it is NaN, with NumPy's
    "invalid value" warning.

    References
    ----------
    .. [1] T. M. Cover and J. A. Thomas, "Elements of Information Theory", 2006, example 2.1.1.

    Examples
    --------
    >>> import fastent as fe
    >>> print(fe.binary_entropy([0, 0.5, 1], base=2))
    [0. 1. 0.]
    """
    return map_elements(
        BINARY_ENTROPY, ("p",), (p,), base, None, where, out, reduction, weight, check
    )

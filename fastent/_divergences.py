"""Divergences of two distributions, beside KL divergence."""

from typing import Any

from fastent import _core
from fastent._arrays import Array
from fastent._plan import Axis
from fastent._rows import reduce_rows

JEFFREYS_DIVERGENCE = _core.measures["jeffreys_divergence"]
JS_DIVERGENCE = _core.measures["js_divergence"]


def js_divergence(
    p: Any,
    q: Any,
    *,
    axis: Axis = -1,
    offsets: Any = None,
    base: float | None = None,
    normalize: bool = False,
    keepdims: bool = False,
    out: Array | None = None,
    reduction: str = "none",
    weight: Any = None,
    check: bool = False,
) -> Any:
    """Return the Jensen-Shannon divergence of each pair of distributions.

    Parameters
    ----------
    p, q : array_like
        Distributions along `axis`. Their other axes broadcast.
    axis : int, tuple of int or None
        Along which a distribution lies; several axes, or all (None), count as one.
    offsets : array_like of int, optional
        For ragged rows, laid out as in Arrow and CSR: the input has one axis, and row i holds its
        entries from offsets[i] up to offsets[i + 1].
    base : float, optional
        Of the logarithm: nats by default, 2 for bits.
    normalize : bool
        Divide rows by their sums: for weights and counts.
    keepdims : bool
        Leave the distribution's axes in the result, with length 1.
    out : ndarray, optional
        Takes the result.
    reduction : {"none", "mean", "sum", "weighted_mean"}
        One number a row, or their mean, sum, or mean weighted by `weight`.
    weight : array_like, optional
        Multiplies the results, with whose shape it broadcasts. The mean divides by the number of
        rows, the weighted mean by the sum of the weights.
    check : bool
        Raise a ValueError that names the first row that is no distribution.

    Returns
    -------
    ndarray or scalar
        One number a row, from 0 to log 2 for distributions: the shape of the input without `axis`;
        float32 for float32 and float16 input, else float64.

    Notes
    -----
    (KL(p || m) + KL(q || m)) / 2 with m = (p + q) / 2 [1]_: symmetric, and finite whatever is 0. A
    sum of terms that are never negative: it keeps its digits where p and q are close. A negative
    entry makes its row NaN, with NumPy's "invalid value" warning; so does NaN, silently.

    References
    ----------
    .. [1] J. Lin, "Divergence Measures Based on the Shannon Entropy", 1991.

    Examples
    --------
    >>> import fastent as fe
    >>> print(fe.js_divergence([[1, 0], [0.5, 0.5]], [[0, 1], [0.5, 0.5]], base=2))
    [1. 0.]
    """
    return reduce_rows(
        JS_DIVERGENCE,
        ("p", "q"),
        (p, q),
        axis,
        base,
        None,
        normalize,
        keepdims,
        out,
        reduction,
        weight,
        check,
        offsets=offsets,
    )


def jeffreys_divergence(
    p: Any,
    q: Any,
    *,
    axis: Axis = -1,
    offsets: Any = None,
    base: float | None = None,
    log_floor: float | None = -100.0,
    normalize: bool = False,
    keepdims: bool = False,
    out: Array | None = None,
    reduction: str = "none",
    weight: Any = None,
    check: bool = False,
) -> Any:
    """Return the KL divergence of each pair of distributions, both ways added.

    Parameters
    ----------
    p, q : array_like
        Distributions along `axis`. Their other axes broadcast.
    axis : int, tuple of int or None
        Along which a distribution lies; several axes, or all (None), count as one.
    offsets : array_like of int, optional
        For ragged rows, laid out as in Arrow and CSR: the input has one axis, and row i holds its
        entries from offsets[i] up to offsets[i + 1].
    base : float, optional
        Of the logarithm: nats by default, 2 for bits.
    log_floor : float or None
        The logarithms of what is judged are taken to be at least this, in nats whatever the base.
        None is exact: an event that is impossible under one alone makes it infinite.
    normalize : bool
        Divide rows by their sums: for weights and counts.
    keepdims : bool
        Leave the distribution's axes in the result, with length 1.
    out : ndarray, optional
        Takes the result.
    reduction : {"none", "mean", "sum", "weighted_mean"}
        One number a row, or their mean, sum, or mean weighted by `weight`.
    weight : array_like, optional
        Multiplies the results, with whose shape it broadcasts. The mean divides by the number of
        rows, the weighted mean by the sum of the weights.
    check : bool
        Raise a ValueError that names the first row that is no distribution.

    Returns
    -------
    ndarray or scalar
        One number a row, never negative: the shape of the input without `axis`;
        float32 for float32 and float16 input, else float64.

    Notes
    -----
    KL(p || q) + KL(q || p) = sum (p - q) log(p / q) [1]_: no half. The clamp of `kl_divergence`
    holds for what is judged, each way. A negative entry makes its row NaN, with NumPy's "invalid
    value" warning; so does NaN, silently.

    References
    ----------
    .. [1] H. Jeffreys, "An Invariant Form for the Prior Probability in Estimation Problems", 1946.

    Examples
    --------
    >>> import fastent as fe
    >>> print(fe.jeffreys_divergence([0.5, 0.5], [0.25, 0.75]).round(6))
    0.274653
    """
    return reduce_rows(
        JEFFREYS_DIVERGENCE,
        ("p", "q"),
        (p, q),
        axis,
        base,
        log_floor,
        normalize,
        keepdims,
        out,
        reduction,
        weight,
        check,
        offsets=offsets,
    )

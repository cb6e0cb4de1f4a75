"""Entropies and divergences of an order: Renyi's and Tsallis'."""

from numbers import Real
from typing import Any

from fastent import _core
from fastent._arrays import Array
from fastent._plan import Axis
from fastent._rows import reduce_rows

RENYI_DIVERGENCE = _core.measures["renyi_divergence"]
RENYI_ENTROPY = _core.measures["renyi_entropy"]
TSALLIS_ENTROPY = _core.measures["tsallis_entropy"]


def check_order(order: Any, name: str) -> float:
    """Return an order as a float, or raise what says which there are."""
    if not isinstance(order, Real):
        raise TypeError(f"{name} must be a number, not {order!r}")
    value = float(order)
    if not value >= 0:
        raise ValueError(f"{name} must be 0 or more (1 and inf are limits), not {order!r}")
    return value


def renyi_entropy(
    p: Any,
    alpha: float,
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
    """Return the Renyi entropy of each distribution, of an order.

    Parameters
    ----------
    p : array_like
        Distributions along `axis`.
    alpha : float
        The order, from 0 to inf.
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
        One number a row: the shape of the input without `axis`;
        float32 for float32 and float16 input, else float64.

    Notes
    -----
    log(sum p^alpha / sum p) / (1 - alpha) [1]_, with its limits: log of the number of positive
    entries at 0 (over sum p), the entropy at 1, -log of the largest entry at inf. Near order 1, and
    for rows that are all but certain, it keeps its digits. A row of zeros has 0. A negative entry
    makes its row NaN, with NumPy's "invalid value" warning; so does NaN, silently. Rows of a sum
    beyond 1e270 are out of range.

    References
    ----------
    .. [1] A. Renyi, "On Measures of Entropy and Information", 1961.

    Examples
    --------
    >>> import fastent as fe
    >>> print(fe.renyi_entropy([0.5, 0.25, 0.25], 2, base=2).round(6))
    1.415037
    >>> print(fe.renyi_entropy([0.5, 0.25, 0.25], 1, base=2).round(6))
    1.5
    """
    return reduce_rows(
        RENYI_ENTROPY,
        ("p",),
        (p,),
        axis,
        base,
        None,
        normalize,
        keepdims,
        out,
        reduction,
        weight,
        check,
        additive=False,
        order=check_order(alpha, "alpha"),
        offsets=offsets,
    )


def tsallis_entropy(
    p: Any,
    order: float,
    *,
    axis: Axis = -1,
    offsets: Any = None,
    normalize: bool = False,
    keepdims: bool = False,
    out: Array | None = None,
    reduction: str = "none",
    weight: Any = None,
    check: bool = False,
) -> Any:
    """Return the Tsallis entropy of each distribution, of an order.

    Parameters
    ----------
    p : array_like
        Distributions along `axis`.
    order : float
        The order, from 0 to inf.
    axis : int, tuple of int or None
        Along which a distribution lies; several axes, or all (None), count as one.
    offsets : array_like of int, optional
        For ragged rows, laid out as in Arrow and CSR: the input has one axis, and row i holds its
        entries from offsets[i] up to offsets[i + 1].
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
        One number a row: the shape of the input without `axis`;
        float32 for float32 and float16 input, else float64.

    Notes
    -----
    (sum p - sum p^order) / ((order - 1) sum p) [1]_, with its limits: the number of positive
    entries, less 1, at 0; the entropy in nats at 1; 0 at inf. Order 2 is the Gini-Simpson index. A
    row of zeros has 0. A negative entry makes its row NaN, with NumPy's "invalid value" warning; so
    does NaN, silently. Rows of a sum beyond 1e270 are out of range.

    References
    ----------
    .. [1] C. Tsallis, "Possible Generalization of Boltzmann-Gibbs Statistics", 1988.

    Examples
    --------
    >>> import fastent as fe
    >>> print(fe.tsallis_entropy([0.5, 0.25, 0.25], 2))
    0.625
    """
    return reduce_rows(
        TSALLIS_ENTROPY,
        ("p",),
        (p,),
        axis,
        None,
        None,
        normalize,
        keepdims,
        out,
        reduction,
        weight,
        check,
        additive=False,
        order=check_order(order, "order"),
        offsets=offsets,
    )


def renyi_divergence(
    p: Any,
    q: Any,
    alpha: float,
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
    """Return the Renyi divergence of each pair of distributions, of an order.

    Parameters
    ----------
    p, q : array_like
        Distributions along `axis`. Their other axes broadcast.
    alpha : float
        The order, from 0 to inf.
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
        One number a row: the shape of the input without `axis`;
        float32 for float32 and float16 input, else float64.

    Notes
    -----
    log(sum p^alpha q^(1 - alpha) / sum p) / (alpha - 1) [1]_, with its limits: -log of what q gives
    to the events that are possible under p at 0, sum p log(p / q) / sum p at 1, log of the largest
    p / q at inf [2]_. Where q is 0 and p is not it is infinite from order 1 on. Near order 1, and
    where p and q are close, it keeps its digits: an error is relative to the result and abs(sum p -
    sum q), below order 1/4 to the KL divergence. A row p of zeros has 0. A negative entry makes its
    row NaN, with NumPy's "invalid value" warning; so does NaN, silently. Rows of a sum beyond 1e270
    are out of range.

    References
    ----------
    .. [1] A. Renyi, "On Measures of Entropy and Information", 1961.
    .. [2] T. van Erven and P. Harremoes, "Renyi Divergence and Kullback-Leibler Divergence", 2014.

    Examples
    --------
    >>> import fastent as fe
    >>> print(fe.renyi_divergence([0.5, 0.5], [0.25, 0.75], 2).round(6))
    0.287682
    """
    return reduce_rows(
        RENYI_DIVERGENCE,
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
        additive=False,
        order=check_order(alpha, "alpha"),
        offsets=offsets,
    )

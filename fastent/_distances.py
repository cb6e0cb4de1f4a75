"""Distances of two distributions."""

from typing import Any

from fastent import _core
from fastent._arrays import Array
from fastent._plan import Axis
from fastent._rows import reduce_rows

HELLINGER_DISTANCE = _core.measures["hellinger_distance"]
JS_DISTANCE = _core.measures["js_distance"]
TOTAL_VARIATION_DISTANCE = _core.measures["total_variation_distance"]


def js_distance(
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
    """Return the Jensen-Shannon distance of each pair of distributions.

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
        One number a row: the shape of the input without `axis`;
        float32 for float32 and float16 input, else float64.

    Notes
    -----
    The square root of `js_divergence`, which is a metric [1]_; as
    ``scipy.spatial.distance.jensenshannon``, but rows are divided by their sums only if `normalize`
    says so. The base divides inside the root. A negative entry makes its row NaN, with NumPy's
    "invalid value" warning; so does NaN, silently.

    References
    ----------
    .. [1] D. M. Endres and J. E. Schindelin, "A New Metric for Probability Distributions", 2003.

    Examples
    --------
    >>> import fastent as fe
    >>> print(fe.js_distance([1, 0], [0, 1], base=2))
    1.0
    """
    return reduce_rows(
        JS_DISTANCE,
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
        offsets=offsets,
    )


def hellinger_distance(
    p: Any,
    q: Any,
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
    """Return the Hellinger distance of each pair of distributions.

    Parameters
    ----------
    p, q : array_like
        Distributions along `axis`. Their other axes broadcast.
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
        One number a row, from 0 to 1 for distributions: the shape of the input without `axis`;
        float32 for float32 and float16 input, else float64.

    Notes
    -----
    sqrt(sum (sqrt(p) - sqrt(q))^2 / 2) [1]_, from differences of roots, so that it keeps its digits
    where p and q are close: 1 - sum sqrt(p q) loses them. It has no unit. A negative entry makes
    its row NaN, with NumPy's "invalid value" warning; so does NaN, silently.

    References
    ----------
    .. [1] L. Le Cam, "Asymptotic Methods in Statistical Decision Theory", 1986.

    Examples
    --------
    >>> import fastent as fe
    >>> print(fe.hellinger_distance([1, 0], [[0, 1], [1, 0]]))
    [1. 0.]
    """
    return reduce_rows(
        HELLINGER_DISTANCE,
        ("p", "q"),
        (p, q),
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
        offsets=offsets,
    )


def total_variation_distance(
    p: Any,
    q: Any,
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
    """Return the total variation distance of each pair of distributions.

    Parameters
    ----------
    p, q : array_like
        Distributions along `axis`. Their other axes broadcast.
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
        One number a row, from 0 to 1 for distributions: the shape of the input without `axis`;
        float32 for float32 and float16 input, else float64.

    Notes
    -----
    sum |p - q| / 2 [1]_: the largest difference of probability that the two give to one event. It
    has no unit. A negative entry makes its row NaN, with NumPy's "invalid value" warning; so does
    NaN, silently.

    References
    ----------
    .. [1] D. A. Levin and Y. Peres, "Markov Chains and Mixing Times", 2017, proposition 4.2.

    Examples
    --------
    >>> import fastent as fe
    >>> print(fe.total_variation_distance([0.5, 0.5], [0.25, 0.75]))
    0.25
    """
    return reduce_rows(
        TOTAL_VARIATION_DISTANCE,
        ("p", "q"),
        (p, q),
        axis,
        None,
        None,
        normalize,
        keepdims,
        out,
        reduction,
        weight,
        check,
        offsets=offsets,
    )

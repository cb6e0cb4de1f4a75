"""Joint tables: mutual information, conditional and joint entropy over the last two axes."""

from functools import partial
from typing import Any

from fastent._arrays import Array
from fastent._by_blocks import ENTROPY
from fastent._names import check_name
from fastent._rows import reduce_rows
from fastent._tables import (
    AXES,
    call_on_tables,
    check_tables,
    conditional_entropy_of,
    mutual_information_of,
)

AVERAGES = ("arithmetic", "geometric", "min", "max")


def mutual_information(
    joint: Any,
    *,
    base: float | None = None,
    normalize: bool = False,
    normalized: str | None = None,
    keepdims: bool = False,
    out: Array | None = None,
    reduction: str = "none",
    weight: Any = None,
    check: bool = False,
) -> Any:
    """Return the mutual information of each joint table: what one variable says about the other.

    Parameters
    ----------
    joint : array_like
        Tables along the last two axes: of probabilities, or of counts with `normalize`.
    base : float, optional
        Of the logarithm: nats by default, 2 for bits.
    normalize : bool
        Divide tables by their sums: for weights and counts. A sum of 0, or one beyond the largest
        float64, makes its result NaN.
    normalized : {None, "arithmetic", "geometric", "min", "max"}
        Divide by this mean of the entropies of the two variables, or by the smaller or larger: from
        0 to 1, without a base.
    keepdims : bool
        Leave the last two axes in the result, with length 1.
    out : ndarray, optional
        Takes the result.
    reduction : {"none", "mean", "sum", "weighted_mean"}
        One number a table, or their mean, sum, or mean weighted by `weight`.
    weight : array_like, optional
        Multiplies the results, with whose shape it broadcasts. The mean divides by the number of
        tables, the weighted mean by the sum of the weights.
    check : bool
        Raise a ValueError that names the first table that is no distribution.

    Returns
    -------
    ndarray or scalar
        One number a table: the shape of the input without its last two axes; float32 for float32
        and float16 input, else float64.

    Notes
    -----
    sum p log(p/q) - p + q [1]_, where q is the product of the sums of row and column over that of
    the table: at least 0 term by term, so never negative. What the roundings of products leave is
    added, so of counts the result is right to a relative 1e-13 (1e-6 in float32), however close to
    independence they are, and 0 below some 1e-45 of the sum. Other sums of rows and columns are
    rounded, which adds up to 1e-31 of the table's sum.

    Only `normalize` makes the sum of a table 1; that of others multiplies the result. `normalized`
    is scikit-learn's ``normalized_mutual_info_score`` [2]_, 1 where both entropies are 0, and the
    same whatever the sum. A negative entry makes its table NaN, with NumPy's "invalid value"
    warning; so does NaN, silently.

    References
    ----------
    .. [1] T. M. Cover and J. A. Thomas, "Elements of Information Theory", 2006, equation 2.28.
    .. [2] N. X. Vinh, J. Epps and J. Bailey, "Information Theoretic Measures for Clusterings
       Comparison", 2010.

    Examples
    --------
    >>> import fastent as fe
    >>> print(fe.mutual_information([[0.5, 0.0], [0.0, 0.5]], base=2))
    1.0
    >>> print(fe.mutual_information([[3, 6], [1, 2]], normalize=True))
    0.0
    >>> print(fe.mutual_information([[8, 0], [0, 8]], normalize=True, normalized="arithmetic"))
    1.0
    """
    if normalized is not None:
        check_name("normalized", normalized, AVERAGES)
        base = None
    call = partial(mutual_information_of, base, normalize, normalized, check)
    return call_on_tables(call, joint, keepdims, out, reduction, weight)


def conditional_entropy(
    joint: Any,
    *,
    base: float | None = None,
    normalize: bool = False,
    keepdims: bool = False,
    out: Array | None = None,
    reduction: str = "none",
    weight: Any = None,
    check: bool = False,
) -> Any:
    """Return the entropy of the last axis of each joint table, given the one before.

    Parameters
    ----------
    joint : array_like
        Tables along the last two axes: of probabilities, or of counts with `normalize`. A row is
        what is known, a column what is not: for the converse, pass ``joint.swapaxes(-2, -1)``.
    base : float, optional
        Of the logarithm: nats by default, 2 for bits.
    normalize : bool
        Divide tables by their sums: for weights and counts. A sum of 0, or one beyond the largest
        float64, makes its result NaN.
    keepdims : bool
        Leave the last two axes in the result, with length 1.
    out : ndarray, optional
        Takes the result.
    reduction : {"none", "mean", "sum", "weighted_mean"}
        One number a table, or their mean, sum, or mean weighted by `weight`.
    weight : array_like, optional
        Multiplies the results, with whose shape it broadcasts. The mean divides by the number of
        tables, the weighted mean by the sum of the weights.
    check : bool
        Raise a ValueError that names the first table that is no distribution.

    Returns
    -------
    ndarray or scalar
        One number a table: the shape of the input without its last two axes; float32 for float32
        and float16 input, else float64.

    Notes
    -----
    H(Y|X) = -sum p log(p/r), r being the sum of the row [1]_: the sum over rows of r times the
    entropy of the row divided by r. 0 exactly where each row has one entry that is not 0, and right
    to a relative 1e-13 where they nearly do. A negative entry makes its table NaN, with NumPy's
    "invalid value" warning; so does NaN, silently.

    References
    ----------
    .. [1] T. M. Cover and J. A. Thomas, "Elements of Information Theory", 2006, equation 2.10.

    Examples
    --------
    >>> import fastent as fe
    >>> print(fe.conditional_entropy([[0.25, 0.25], [0.5, 0.0]], base=2))
    0.5
    """
    call = partial(conditional_entropy_of, base, normalize, check)
    return call_on_tables(call, joint, keepdims, out, reduction, weight)


def joint_entropy(
    joint: Any,
    *,
    base: float | None = None,
    normalize: bool = False,
    keepdims: bool = False,
    out: Array | None = None,
    reduction: str = "none",
    weight: Any = None,
    check: bool = False,
) -> Any:
    """Return the entropy of each joint table: of both variables together.

    Parameters
    ----------
    joint : array_like
        Tables along the last two axes: of probabilities, or of counts with `normalize`.
    base : float, optional
        Of the logarithm: nats by default, 2 for bits.
    normalize : bool
        Divide tables by their sums: for weights and counts. A sum of 0, or one beyond the largest
        float64, makes its result NaN.
    keepdims : bool
        Leave the last two axes in the result, with length 1.
    out : ndarray, optional
        Takes the result.
    reduction : {"none", "mean", "sum", "weighted_mean"}
        One number a table, or their mean, sum, or mean weighted by `weight`.
    weight : array_like, optional
        Multiplies the results, with whose shape it broadcasts. The mean divides by the number of
        tables, the weighted mean by the sum of the weights.
    check : bool
        Raise a ValueError that names the first table that is no distribution.

    Returns
    -------
    ndarray or scalar
        One number a table: the shape of the input without its last two axes; float32 for float32
        and float16 input, else float64.

    Notes
    -----
    H(X, Y) = -sum p log p [1]_: `entropy` with ``axis=(-2, -1)``. It is H(X) + H(Y|X).

    References
    ----------
    .. [1] T. M. Cover and J. A. Thomas, "Elements of Information Theory", 2006, equation 2.8.

    Examples
    --------
    >>> import fastent as fe
    >>> print(fe.joint_entropy([[0.25, 0.25], [0.5, 0.0]], base=2))
    1.5
    """
    return reduce_rows(
        ENTROPY,
        ("joint",),
        (check_tables(joint),),
        AXES,
        base,
        None,
        normalize,
        keepdims,
        out,
        reduction,
        weight,
        check,
    )

"""The population stability index: how far the shares of bins have drifted."""

import math
from numbers import Real
from typing import Any

from fastent import _core
from fastent._arrays import Array
from fastent._plan import Axis
from fastent._rows import reduce_rows

POPULATION_STABILITY_INDEX = _core.measures["population_stability_index"]


def population_stability_index(
    p: Any,
    q: Any,
    *,
    axis: Axis = -1,
    offsets: Any = None,
    pseudocount: float = 1e-4,
    base: float | None = None,
    keepdims: bool = False,
    out: Array | None = None,
    reduction: str = "none",
    weight: Any = None,
    check: bool = False,
) -> Any:
    """Return how far the shares of bins have drifted, the population stability index of each row.

    Parameters
    ----------
    p, q : array_like
        Counts or shares of bins along `axis`, before and after; divided by their sums. Their other
        axes broadcast.
    axis : int, tuple of int or None
        Along which a distribution lies; several axes, or all (None), count as one.
    offsets : array_like of int, optional
        For ragged rows, laid out as in Arrow and CSR: the input has one axis, and row i holds its
        entries from offsets[i] up to offsets[i + 1].
    pseudocount : float
        Added to every share, so that an empty bin does not make it infinite.
    base : float, optional
        Of the logarithm: nats by default, 2 for bits.
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
    sum (p - q) log(p / q) of shares to which the pseudocount has been added [1]_. Below 0.1 little
    has changed, above 0.25 much, by custom. A negative entry makes its row NaN, with NumPy's
    "invalid value" warning; so does NaN, silently. So does a row of zeros.

    References
    ----------
    .. [1] N. Siddiqi, "Credit Risk Scorecards", 2006.

    Examples
    --------
    >>> import fastent as fe
    >>> print(fe.population_stability_index([30, 50, 20], [[30, 50, 20], [10, 50, 40]]).round(4))
    [0.     0.3582]
    """
    if not isinstance(pseudocount, Real):
        raise TypeError(f"pseudocount must be a number, not {pseudocount!r}")
    if not 0 <= pseudocount < math.inf:
        raise ValueError(f"pseudocount must be a finite number from 0 on, not {pseudocount!r}")
    return reduce_rows(
        POPULATION_STABILITY_INDEX,
        ("p", "q"),
        (p, q),
        axis,
        base,
        None,
        True,
        keepdims,
        out,
        reduction,
        weight,
        check,
        order=float(pseudocount),
        offsets=offsets,
    )

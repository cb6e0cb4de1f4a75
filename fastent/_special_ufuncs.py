"""SciPy's information measures of elements, as NumPy ufuncs over the kernels."""

import inspect
from contextlib import suppress

import numpy as np

from fastent import _core


def _ufunc(name: str, doc: str) -> np.ufunc:
    """Return the ufunc of a measure; pickles name the public module where NumPy lets them."""
    made = _core.special_ufunc(name, inspect.cleandoc(doc))
    with suppress(AttributeError):
        made.__module__ = "fastent.special"
    return made


entr = _ufunc(
    "entr",
    """
    Return -x log(x), the part of an entropy that one probability has, elementwise.

    Parameters
    ----------
    x : array_like
        Probabilities, or any numbers.

    Returns
    -------
    ndarray or scalar
        float32 for float32 and float16 input, else float64. 0 at 0, -inf below it; NaN gives NaN.

    Notes
    -----
    ``scipy.special.entr`` [1]_, within 2 units of the last digit (float32: 1).

    References
    ----------
    .. [1] S. Boyd and L. Vandenberghe, "Convex Optimization", 2004.

    Examples
    --------
    >>> from fastent.special import entr
    >>> print(entr([0.0, 0.5, 1.0, -1.0]))
    [ 0.          0.34657359 -0.                -inf]
    """,
)

rel_entr = _ufunc(
    "rel_entr",
    """
    Return x log(x/y), the part of a plain KL divergence that one pair has, elementwise.

    Parameters
    ----------
    x, y : array_like
        Probabilities, or any numbers; they broadcast.

    Returns
    -------
    ndarray or scalar
        float32 for float32 and float16 input, else float64. 0 where x = 0 and y >= 0; +inf where
        y = 0 < x, and where either is negative; NaN gives NaN.

    Notes
    -----
    ``scipy.special.rel_entr`` [1]_, within 2 units of the last digit also where x/y is near 1, or
    overflows.

    References
    ----------
    .. [1] S. Boyd and L. Vandenberghe, "Convex Optimization", 2004.

    Examples
    --------
    >>> from fastent.special import rel_entr
    >>> print(rel_entr([0.5, 0.0, 1.0], [0.25, 0.25, 0.0]))
    [0.34657359 0.                inf]
    """,
)

kl_div = _ufunc(
    "kl_div",
    """
    Return x log(x/y) - x + y, the part of a KL divergence that one pair has, elementwise.

    Parameters
    ----------
    x, y : array_like
        Probabilities, or any numbers; they broadcast.

    Returns
    -------
    ndarray or scalar
        float32 for float32 and float16 input, else float64; never negative. y where x = 0 and
        y >= 0; +inf where y = 0 < x, and where either is negative; NaN gives NaN.

    Notes
    -----
    ``scipy.special.kl_div`` [1]_, with a relative error of 1e-14 (float32: 1e-6) however close x
    and y are. Where x/y overflows SciPy's is infinite, or -inf where it underflows; this is not.

    References
    ----------
    .. [1] S. Boyd and L. Vandenberghe, "Convex Optimization", 2004.

    Examples
    --------
    >>> from fastent.special import kl_div
    >>> print(kl_div([0.5, 0.0, 1.0], [0.25, 0.25, 1.0 + 1e-9]))
    [9.65735903e-02 2.50000000e-01 5.00000082e-19]
    """,
)

xlogy = _ufunc(
    "xlogy",
    """
    Return x log(y), and 0 where x = 0, elementwise.

    Parameters
    ----------
    x, y : array_like
        Numbers; they broadcast. Complex ones are left to SciPy.

    Returns
    -------
    ndarray or scalar
        float32 if both are float32, else float64. 0 where x = 0, whatever y but NaN; -inf times x
        at y = 0, and NaN below it.

    Notes
    -----
    ``scipy.special.xlogy`` [1]_, within 2 units of the last digit.

    References
    ----------
    .. [1] C. E. Shannon, "A Mathematical Theory of Communication", 1948.

    Examples
    --------
    >>> from fastent.special import xlogy
    >>> print(xlogy([2.0, 0.0], [0.5, 0.0]))
    [-1.38629436  0.        ]
    """,
)

xlog1py = _ufunc(
    "xlog1py",
    """
    Return x log(1 + y), and 0 where x = 0, elementwise.

    Parameters
    ----------
    x, y : array_like
        Numbers; they broadcast. Complex ones are left to SciPy.

    Returns
    -------
    ndarray or scalar
        float32 if both are float32, else float64. 0 where x = 0, whatever y but NaN; -inf times x
        at y = -1, and NaN below it.

    Notes
    -----
    ``scipy.special.xlog1py`` [1]_, within 2 units of the last digit, however small y is.

    References
    ----------
    .. [1] C. E. Shannon, "A Mathematical Theory of Communication", 1948.

    Examples
    --------
    >>> from fastent.special import xlog1py
    >>> print(xlog1py([2.0, 0.0], [1e-20, -1.0]))
    [2.e-20 0.e+00]
    """,
)

expit = _ufunc(
    "expit",
    """
    Return 1 / (1 + exp(-x)), the logistic sigmoid, elementwise.

    Parameters
    ----------
    x : array_like
        Log-odds. long double is left to SciPy.

    Returns
    -------
    ndarray or scalar
        In [0, 1]; float32 for float32 input, else float64. NaN gives NaN.

    Notes
    -----
    ``scipy.special.expit`` [1]_, within 2 units of the last digit (float32: 1) in both tails:
    expit(-700) is 1e-304.

    References
    ----------
    .. [1] C. M. Bishop, "Pattern Recognition and Machine Learning", 2006, equation 4.59.

    Examples
    --------
    >>> from fastent.special import expit
    >>> print(expit([-float("inf"), 0.0, 2.0]))
    [0.         0.5        0.88079708]
    """,
)

log_expit = _ufunc(
    "log_expit",
    """
    Return log(1 / (1 + exp(-x))), the logarithm of the sigmoid, elementwise.

    Parameters
    ----------
    x : array_like
        Log-odds. long double is left to SciPy.

    Returns
    -------
    ndarray or scalar
        At most 0; float32 for float32 input, else float64. NaN gives NaN.

    Notes
    -----
    ``scipy.special.log_expit`` [1]_, within 2 units of the last digit (float32: 1) in both tails:
    log_expit(40) is -4e-18.

    References
    ----------
    .. [1] C. M. Bishop, "Pattern Recognition and Machine Learning", 2006, equation 4.59.

    Examples
    --------
    >>> from fastent.special import log_expit
    >>> print(log_expit([-1000.0, 0.0, 40.0]))
    [-1.00000000e+03 -6.93147181e-01 -4.24835426e-18]
    """,
)

# doctest looks into functions and classes alone.
__test__ = {
    made.__name__: made.__doc__
    for made in (entr, rel_entr, kl_div, xlogy, xlog1py, expit, log_expit)
}

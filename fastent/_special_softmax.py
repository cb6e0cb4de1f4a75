"""softmax, log_softmax and logsumexp with the arguments, dtypes and edges of SciPy's."""

from collections.abc import Callable
from typing import Any

import numpy as np

from fastent import _core
from fastent._arrays import FLOAT32, FLOAT64, Array, as_array
from fastent._plan import Axis, Rows, parameters
from fastent._spread import LOG_SOFTMAX, SOFTMAX, spread_array

LOGSUMEXP = _core.measures["logsumexp"]
WEIGHTED = _core.measures["logsumexp_weighted"]
FLAGS = 4  # where parameters have them


def softmax(x: Any, axis: Axis = None) -> Any:
    """Return exp(x) / sum(exp(x)) along some axes, by default of all elements.

    Parameters
    ----------
    x : array_like
        Logits. Complex ones and long double are left to SciPy.
    axis : int, tuple of int or None
        Along which a row lies; several axes, or all (None), count as one.

    Returns
    -------
    ndarray or scalar
        Of the shape of `x` and the dtype of ``exp(x)``.

    Raises
    ------
    ValueError
        For rows without entries.

    Notes
    -----
    ``scipy.special.softmax`` [1]_, every entry within 2.5 units of its last digit. A row with +inf,
    of -inf alone, or with NaN is NaN throughout.

    References
    ----------
    .. [1] P. Blanchard, D. J. Higham and N. J. Higham, "Accurately computing the log-sum-exp and
       softmax functions", 2021.

    Examples
    --------
    >>> from fastent.special import softmax
    >>> print(softmax([[0.0, 0.0], [700.0, 0.0]], axis=1))
    [[5.00000000e-001 5.00000000e-001]
     [1.00000000e+000 9.85967654e-305]]
    """
    array = np.asarray(x)
    if _beyond(array.dtype):
        return _of_scipy("softmax", array.dtype)(array, axis=axis)
    return _spread(SOFTMAX, array, axis)


def log_softmax(x: Any, axis: Axis = None) -> Any:
    """Return log(exp(x) / sum(exp(x))) along some axes, by default of all elements.

    Parameters
    ----------
    x : array_like
        Logits. Complex ones and long double are left to SciPy.
    axis : int, tuple of int or None
        Along which a row lies; several axes, or all (None), count as one.

    Returns
    -------
    ndarray or scalar
        Of the shape of `x` and the dtype of ``exp(x)``.

    Raises
    ------
    ValueError
        For rows without entries.

    Notes
    -----
    ``scipy.special.log_softmax`` [1]_, every entry within 2.5 units of its last digit: the
    log-probability of 1 - 1e-20 is -1e-20, not 0. A row of -inf alone, or with NaN, is NaN
    throughout; one with +inf is NaN there and -inf elsewhere.

    References
    ----------
    .. [1] P. Blanchard, D. J. Higham and N. J. Higham, "Accurately computing the log-sum-exp and
       softmax functions", 2021.

    Examples
    --------
    >>> from fastent.special import log_softmax
    >>> print(log_softmax([50.0, 0.0]))
    [-1.92874985e-22 -5.00000000e+01]
    """
    array = np.asarray(x)
    if _beyond(array.dtype):
        return _of_scipy("log_softmax", array.dtype)(array, axis=axis)
    return _spread(LOG_SOFTMAX, array, axis)


def logsumexp(
    a: Any, axis: Axis = None, b: Any = None, keepdims: bool = False, return_sign: bool = False
) -> Any:
    """Return log(sum(b * exp(a))) along some axes, by default of all elements.

    Parameters
    ----------
    a : array_like
        Exponents. Complex ones, long double and subclasses of ndarray are left to SciPy.
    axis : int, tuple of int or None
        Along which is summed; several axes, or all (None), count as one.
    b : array_like, optional
        Weights of either sign; broadcast with `a`. Where one is 0, `a` does not count, even if it
        is infinite or NaN.
    keepdims : bool
        Leave the axes in the result, with length 1.
    return_sign : bool
        Return log(abs(sum)) and the sign of the sum, a pair; else a negative sum gives NaN.

    Returns
    -------
    ndarray or scalar, or tuple
        Of the common dtype of `a` and `b`, float64 for integers. The sign is -1, 0 or 1.

    Notes
    -----
    ``scipy.special.logsumexp`` [1]_. Sums are kept in twice the digits, relative to the largest
    exponent whose weight is not 0: what cancels there keeps its digits.

    References
    ----------
    .. [1] P. Blanchard, D. J. Higham and N. J. Higham, "Accurately computing the log-sum-exp and
       softmax functions", 2021.

    Examples
    --------
    >>> from fastent.special import logsumexp
    >>> print(logsumexp([1000.0, 1000.0]))
    1000.6931471805599
    >>> value, sign = logsumexp([0.0, 1e-10], b=[1.0, -1.0], return_sign=True)
    >>> print(value, sign)
    -23.025850929890456 -1.0
    """
    given = [value if np.ndim(value) == 0 else np.asanyarray(value) for value in (a, b)]
    if b is None:
        del given[1]
    dtype = np.result_type(*given, 1.0)
    if _beyond(dtype) or any(_is_subclass(value) for value in given):
        options = {"axis": axis, "b": b, "keepdims": keepdims, "return_sign": return_sign}
        return _of_scipy("logsumexp", dtype)(a, **options)
    names = ("a", "b")[: len(given)]
    arrays = [np.atleast_1d(as_array(v, n)) for v, n in zip(given, names, strict=True)]
    try:
        arrays = list(np.broadcast_arrays(*arrays))
    except ValueError:
        shapes = " and b ".join(str(array.shape) for array in arrays)
        raise ValueError(f"a has shape {shapes}: they do not broadcast") from None
    rows = Rows(arrays, names, axis)
    value, sign = _summed(rows, FLOAT64 if dtype == FLOAT64 else FLOAT32)
    if arrays[0].size == 0:
        sign = np.full_like(value, -1)  # SciPy's
    elif not return_sign and b is not None:
        value[sign < 0] = np.nan
    shape = rows.kept_shape() if keepdims else rows.outer
    results = tuple(part.astype(dtype, copy=False).reshape(shape)[()] for part in (value, sign))
    return results if return_sign else results[0]


def _summed(rows: Rows, dtype: np.dtype[Any]) -> tuple[Array, Array]:
    """Return the logarithm of the size of each row's sum, and its sign."""
    value = np.empty(rows.outer, dtype)
    if len(rows.views) == 1:
        LOGSUMEXP.rows(rows.views, len(rows.core), parameters(LOGSUMEXP, None), value)
        sign = np.where(np.isnan(value), value, value > -np.inf)
    else:
        sign = np.empty(rows.outer, dtype)
        settings = (parameters(WEIGHTED, None), (value, sign), dtype)
        WEIGHTED.fields(rows.views[::-1], len(rows.core), *settings)
    return value, sign


def _spread(measure: _core.Measure, array: Array, axis: Axis) -> Any:
    """Return a number for every entry of the rows, in the dtype of an exponential."""
    vector = VECTORS[measure]
    if array.dtype in (FLOAT32, FLOAT64) and array.flags.carray and array.size and array.ndim:
        rows = array
        if axis is None:
            rows = array.reshape(1, -1)
        elif axis not in (-1, array.ndim - 1):
            return spread_array(measure, array, axis, vector, None)
        result = np.empty(rows.shape, rows.dtype)
        measure.rows((rows,), 1, vector, result)
        return result.reshape(array.shape)
    if array.dtype == bool:
        raise TypeError(f"{measure.name} of booleans: pass .astype(float)")
    as_array(array, "x")
    if array.ndim == 0 and axis in (0, -1):  # as NumPy's reductions
        axis = None
    if Rows([array], ["x"], axis).length == 0:
        raise ValueError(f"{measure.name} of rows without entries: x has shape {array.shape}")
    result = spread_array(measure, array, axis, vector, None)
    return result.astype(np.result_type(array.dtype, np.float16), copy=False)


def _indefinite(measure: _core.Measure) -> Array:
    """Return parameters for which a logit of +inf is no certainty."""
    vector = parameters(measure, None).copy()
    vector[FLAGS] = _core.INDEFINITE
    return vector


VECTORS = {measure: _indefinite(measure) for measure in (SOFTMAX, LOG_SOFTMAX)}


def _beyond(dtype: np.dtype[Any]) -> bool:
    """Whether numbers of this dtype have more digits or parts than those of float64."""
    return dtype.kind == "c" or (dtype.kind == "f" and dtype.itemsize > 8)


def _is_subclass(value: Any) -> bool:
    return isinstance(value, np.ndarray) and type(value) is not np.ndarray


def _of_scipy(name: str, dtype: np.dtype[Any]) -> Callable[..., Any]:
    """Return SciPy's own function: by its private name, since the public one may be ours by now."""
    try:
        from scipy.special import _logsumexp
    except ImportError:
        raise TypeError(
            f"{name} of {dtype} is left to SciPy, which is not installed: install scipy, or pass "
            "float64 or float32"
        ) from None
    own: Callable[..., Any] = getattr(_logsumexp, name)
    if own is globals()[name]:
        raise TypeError(f"{name} of {dtype} is left to SciPy, whose own function was replaced")
    return own

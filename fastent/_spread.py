"""The softmax of logits, and its logarithm: a number for every entry of a row."""

from functools import partial
from typing import Any

import numpy as np

from fastent import _core
from fastent._arrays import Array, as_array, kernel_dtype
from fastent._core import Measure, plain_rows
from fastent._lazy import call_on_blocks, is_lazy
from fastent._plan import Axis, Rows, axes_of, check_out, deliver, is_plain, parameters, room_beside

SOFTMAX = _core.measures["softmax"]
LOG_SOFTMAX = _core.measures["log_softmax"]


def softmax(
    logits: Any, *, axis: Axis = -1, temperature: float = 1.0, out: Array | None = None
) -> Any:
    """Return the softmax of each row of logits: its probabilities.

    Parameters
    ----------
    logits : array_like
        Rows along `axis`; -inf is a class of probability 0.
    axis : int, tuple of int or None
        Along which a row lies; several axes, or all (None), count as one.
    temperature : float
        Logits are divided by it.
    out : ndarray, optional
        Takes the result; may be `logits` itself.

    Returns
    -------
    ndarray or scalar
        Of the shape of `logits`, in [0, 1]; float32 for float32 and float16 input, else float64.

    Notes
    -----
    exp(logits / temperature) / sum exp(logits / temperature) [1]_, without overflow, every entry
    within 2.5 units of its last digit. One +inf is certainty; a row of -inf alone, with several
    +inf, or with NaN is NaN throughout.

    References
    ----------
    .. [1] P. Blanchard, D. J. Higham and N. J. Higham, "Accurately computing the log-sum-exp and
       softmax functions", 2021.

    Examples
    --------
    >>> import fastent as fe
    >>> print(fe.softmax([[0.0, 0.0], [700.0, 0.0]]))
    [[5.00000000e-001 5.00000000e-001]
     [1.00000000e+000 9.85967654e-305]]
    """
    return _spread_rows(SOFTMAX, logits, axis, temperature, out)


def log_softmax(
    logits: Any, *, axis: Axis = -1, temperature: float = 1.0, out: Array | None = None
) -> Any:
    """Return the logarithm of the softmax of each row of logits: its log-probabilities.

    Parameters
    ----------
    logits : array_like
        Rows along `axis`; -inf is a class of probability 0.
    axis : int, tuple of int or None
        Along which a row lies; several axes, or all (None), count as one.
    temperature : float
        Logits are divided by it.
    out : ndarray, optional
        Takes the result; may be `logits` itself.

    Returns
    -------
    ndarray or scalar
        Of the shape of `logits`, in nats, at most 0; float32 for float32 and float16 input, else
        float64.

    Notes
    -----
    logits / temperature - log sum exp(logits / temperature) [1]_, as (x - m) - log(sum exp(x - m))
    with m the largest logit: a probability of 1 - 1e-20 has a logarithm of -1e-20, not 0. A row
    of -inf alone, with several +inf, or with NaN is NaN throughout.

    References
    ----------
    .. [1] P. Blanchard, D. J. Higham and N. J. Higham, "Accurately computing the log-sum-exp and
       softmax functions", 2021.

    Examples
    --------
    >>> import fastent as fe
    >>> print(fe.log_softmax([50.0, 0.0]))
    [-1.92874985e-22 -5.00000000e+01]
    """
    return _spread_rows(LOG_SOFTMAX, logits, axis, temperature, out)


def _spread_rows(
    measure: Measure, logits: Any, axis: Axis, temperature: float, out: Array | None
) -> Any:
    """Return a number for every entry of the rows."""
    vector = parameters(measure, None, temperature=temperature)
    if is_lazy(logits):
        block = partial(_spread_block, measure.name, axis, temperature)
        return call_on_blocks(block, logits, "logits", axes_of(axis, logits.ndim), out)
    return spread_array(measure, as_array(logits, "logits"), axis, vector, out)


def spread_array(
    measure: Measure, array: Array, axis: Axis, vector: Array, out: Array | None
) -> Any:
    """Return a number for every entry of the rows of an array."""
    if is_plain(axis, "none", out) and plain_rows(array):
        result = np.empty_like(array)
        measure.rows((array,), 1, vector, result)
        return result
    dtype = kernel_dtype([array])
    rows = Rows([array], ["logits"], axis)
    check_out(out, array.shape, dtype)
    order = [i for i in range(array.ndim) if i not in rows.axes] + list(rows.axes)
    if out is None and len(rows.core) != 1:  # rows of the result are contiguous
        flat = np.empty((*rows.outer, rows.length), dtype)
        result = flat.reshape(rows.outer + rows.core).transpose(np.argsort(order))
        measure.rows(rows.views, len(rows.core), vector, flat)
        return deliver(result, None)
    result = room_beside(out, (array,), dtype)
    turned = result.reshape(1) if rows.single else result.transpose(order)
    flat = turned.reshape(*rows.outer, rows.length)  # a copy if rows of several axes are scattered
    measure.rows(rows.views, len(rows.core), vector, flat)
    if not np.may_share_memory(flat, result):
        turned[...] = flat.reshape(turned.shape)
    return deliver(result, out)


def _spread_block(measure: str, axis: Axis, temperature: float, block: Array) -> Any:
    """Return what _spread_rows makes of a block of a Dask array."""
    return _spread_rows(_core.measures[measure], block, axis, temperature, None)

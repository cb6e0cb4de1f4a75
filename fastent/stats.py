"""SciPy's ``scipy.stats.entropy``: its name, signature and rules, by fastent's kernels.

SciPy is not needed. What has no kernel (complex and extended numbers, objects) is handed to SciPy's
own function where it is installed, under its private name: putting ours in the public one's place
cannot make the two call each other.
"""

import math
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from fastent import _core
from fastent._arrays import FLOAT32, FLOAT64, Array
from fastent._by_blocks import PLAIN, SUM
from fastent._distributions import ENTROPY, KL_DIVERGENCE
from fastent._plan import Axis, Rows, blocks, parameters

__all__ = ["entropy"]

POLICIES = ("propagate", "omit", "raise")
SHORT = 4096  # entries of a row that costs less than to plan a call
BLOCK = 1 << 16  # entries of rows that are looked at again at a time
DOWN = 2.0**-64  # takes a sum of finite numbers back from infinity; no row has 2^64 entries


def entropy(
    pk: Any,
    qk: Any = None,
    base: float | None = None,
    axis: Axis = 0,
    *,
    nan_policy: str = "propagate",
    keepdims: bool = False,
) -> Any:
    """Return the entropy of distributions, or their divergence from others, as SciPy does.

    Parameters
    ----------
    pk : array_like
        Distributions, or weights and counts, along `axis`: they are divided by their sums.
    qk : array_like, optional
        Others, likewise. Then the result is the Kullback-Leibler divergence of `pk` from these;
        both broadcast, along `axis` too.
    base : float, optional
        Of the logarithm: nats by default, 2 for bits.
    axis : int, tuple of int or None
        Along which a distribution lies, the **first** by default; several axes, or all (None, which
        flattens both operands first), count as one.
    nan_policy : {"propagate", "omit", "raise"}
        A NaN makes its row NaN; is left out with its partner; or is a ValueError.
    keepdims : bool
        Leave the distribution's axes in the result, with length 1.

    Returns
    -------
    ndarray or scalar
        One number a row: float32 where `pk` and `qk` together have dtype float32 or float16, else
        float64.

    Raises
    ------
    ValueError
        If the base is not positive, shapes do not broadcast, or `nan_policy` says so.
    TypeError
        For dtypes that no kernel takes: SciPy's own error, or one that says that it is missing.

    Notes
    -----
    -sum p log p, or sum p log(p/q) [1]_, of p = pk / sum(pk) and q = qk / sum(qk).

    The edges are SciPy's. A share below 0 makes its row -inf, with `qk` inf, so a row of negative
    numbers alone is a distribution. A row that sums to 0 is NaN if it holds a 0, else as one with
    negative shares. A row of no entries, or with none left, is 0. Infinite entries make NaN.
    Masked entries are left out with their partners.

    Different on purpose: the sum of a row does not overflow, where SciPy's entropy falls to 0 and
    its divergence to 0 or inf; divergences of rows that are close keep their digits, and none is
    negative; a 0 is +0.0; float16 gives float32 where there are NaN or no rows, too.

    References
    ----------
    .. [1] T. M. Cover and J. A. Thomas, "Elements of Information Theory", 2006, chapter 2.

    Examples
    --------
    >>> from fastent.stats import entropy
    >>> print(entropy([1, 1, 2], base=2))
    1.5
    >>> print(entropy([[1, 3], [1, 1]], base=2, axis=1))
    [0.81127812 1.        ]
    >>> print(entropy([0.5, 0.5], [0.25, 0.75], base=2))
    0.2075187496394219
    >>> print(entropy([1.0, float("nan"), 1.0], base=2, nan_policy="omit"))
    1.0
    """
    values = (pk,) if qk is None else (pk, qk)
    arrays = [value if type(value) is np.ndarray else np.asarray(value) for value in values]
    if not all(_has_kernel(array.dtype) for array in arrays):
        return _scipys_own(arrays, pk, qk, base, axis, nan_policy=nan_policy, keepdims=keepdims)
    if nan_policy not in POLICIES:
        raise ValueError(f"nan_policy must be one of {{{', '.join(map(repr, POLICIES))}}}.")
    dtype = _result_dtype(values, arrays)
    logarithm = _Logarithm(base, arrays)
    masks = _masks(values, arrays)
    if not (masks or keepdims) and _is_one_row(arrays, axis) and logarithm.divisor is None:
        single = np.empty((), dtype)
        logarithm.measure.rows(tuple(arrays), 1, logarithm.vector, single)
        if not math.isnan(single):
            return single[()]
    rows, shape = _rows(arrays + masks, axis)
    views, hidden = rows.views[: len(arrays)], rows.views[len(arrays) :]
    if rows.length == 0:
        result = np.zeros(rows.outer, dtype)
    else:
        result = np.empty(rows.outer, dtype)
        if not masks:
            logarithm.measure.rows(views, len(rows.core), logarithm.vector, result)
        if masks or _holds_nan(result):
            if nan_policy == "raise" and not masks:
                _refuse_nan(views)
            _look_again(logarithm, rows, views, hidden, nan_policy, result)
    if logarithm.divisor is not None:
        result = np.asarray(result[()] / logarithm.divisor, dtype)
    return result.reshape(shape) if keepdims else result[()]


class _Logarithm:
    """What a base makes of the measures: parameters for the kernels, or a divisor afterwards."""

    def __init__(self, base: Any, arrays: list[Array]) -> None:
        divergence = len(arrays) > 1
        self.measure = KL_DIVERGENCE if divergence else ENTROPY
        self.divisor: float | None = None  # for bases whose logarithm is 0, infinite or NaN
        worst = math.inf if divergence else -math.inf
        if base is not None:
            if base <= 0:
                raise ValueError("`base` must be a positive number or `None`.")
            natural = math.log(base)
            if natural == 0 or not natural <= math.log(np.finfo(np.float64).max):
                base, self.divisor = None, natural
            else:
                base, worst = float(base), math.copysign(1, natural) * worst
        self.worst = worst  # the result of a row with negative shares
        self.vector = parameters(self.measure, base, None, True)


# ---- what is passed --------------------------------------------------------------------------


def _has_kernel(dtype: np.dtype[Any]) -> bool:
    """Whether entries of this dtype are computed with here."""
    return dtype.kind in "biu" or (dtype.kind == "f" and dtype.itemsize <= 8) or _is_brief(dtype)


def _is_brief(dtype: np.dtype[Any]) -> bool:
    """Whether this is bfloat16, which NumPy does not know."""
    return dtype.kind == "V" and dtype.name == "bfloat16"


def _result_dtype(values: tuple[Any, ...], arrays: list[Array]) -> np.dtype[Any]:
    """Return the dtype of what is divided; Python's numbers have none of their own."""
    if len(arrays) == 1:
        joint = arrays[0].dtype
    else:
        pairs = zip(values, arrays, strict=True)
        joint = np.result_type(*(v if type(v) in (bool, int, float) else a for v, a in pairs))
    return FLOAT32 if (joint.kind == "f" and joint.itemsize < 8) or _is_brief(joint) else FLOAT64


def _masks(values: tuple[Any, ...], arrays: list[Array]) -> list[Array]:
    """Return where each operand is masked, or nothing if none is."""
    masked = [isinstance(value, np.ma.MaskedArray) and bool(np.any(value.mask)) for value in values]
    if not any(masked):
        return []
    return [
        np.ma.getmaskarray(value) if own else np.broadcast_to(np.False_, array.shape)
        for value, array, own in zip(values, arrays, masked, strict=True)
    ]


def _is_one_row(arrays: list[Array], axis: Any) -> bool:
    """Whether these are entries of one short row as they are: nothing is to be planned."""
    first = arrays[0]
    if first.ndim != 1 or not 0 < first.size <= SHORT or type(axis) is not int:
        return False
    if axis not in (0, -1):
        return False
    return len(arrays) == 1 or arrays[1].shape == first.shape


def _rows(arrays: list[Array], axis: Any) -> tuple[Rows, tuple[int, ...]]:
    """Return rows, and the shape of their results that keeps all axes."""
    arrays = [array if array.ndim else array.reshape(1) for array in arrays]
    dimensions = max(array.ndim for array in arrays)
    flat = axis is None
    if flat and any(array.shape != arrays[0].shape for array in arrays):
        arrays = [array.reshape(-1) for array in arrays]
    if any(array.shape != arrays[0].shape for array in arrays):
        try:
            arrays = list(np.broadcast_arrays(*arrays))
        except ValueError:
            raise ValueError("Array shapes are incompatible for broadcasting.") from None
    if not flat:
        # As SciPy has it, errors are those of moveaxis, and no axes at all are every axis.
        axes: Any = (axis,) if np.isscalar(axis) else axis
        axis = normalize_axis_tuple(axes, arrays[0].ndim, "source") or None
    rows = Rows(arrays, ("pk", "qk"), axis)
    if axis is None:
        return rows, (1,) * dimensions if flat else ()
    return rows, rows.kept_shape()


def _scipys_own(arrays: list[Array], pk: Any, qk: Any, base: Any, axis: Any, **options: Any) -> Any:
    """Return what SciPy makes of dtypes that are not computed with here: an error, mostly."""
    try:
        from scipy.stats._entropy import entropy as scipys_entropy
    except ImportError:
        dtypes = " and ".join(str(array.dtype) for array in arrays)
        raise TypeError(
            f"entropy of {dtypes} is left to SciPy, which is not installed: "
            "pass real numbers, float64 or smaller"
        ) from None
    return scipys_entropy(pk, qk, base, axis, **options)


def _holds_nan(array: Array) -> bool:
    """Whether there is a NaN: the largest entry is one then."""
    return array.size > 0 and array.dtype.kind not in "biu" and bool(np.isnan(array.max()))


def _refuse_nan(operands: tuple[Array, ...] | list[Array]) -> None:
    """Raise if there is a NaN."""
    if any(map(_holds_nan, operands)):
        raise ValueError("The input contains nan values")


# ---- rows that are no distributions -----------------------------------------------------------


def _look_again(
    logarithm: _Logarithm,
    rows: Rows,
    views: tuple[Array, ...],
    masks: tuple[Array, ...],
    nan_policy: str,
    result: Array,
) -> None:
    """Mend the results that are NaN, or write all of them where there are masks."""
    for index in blocks(rows.outer, max(1, BLOCK // rows.length)):
        values = np.array(result[index])
        chosen = np.ones(values.shape, np.bool_) if masks else np.isnan(values)
        if not chosen.any():
            continue
        shape = (-1, rows.length)
        operands = [v[index][chosen].reshape(shape).astype(result.dtype) for v in views]
        hidden = [mask[index][chosen].reshape(shape) for mask in masks]
        values[chosen] = _of_block(logarithm, operands, hidden, nan_policy)
        result[index] = values


def _of_block(
    logarithm: _Logarithm, operands: list[Array], masks: list[Array], nan_policy: str
) -> Array:
    """Return the results of rows; the operands are changed."""
    for operand, mask in zip(operands, masks, strict=bool(masks)):
        operand[mask] = 0
    if nan_policy == "raise":
        _refuse_nan(operands)
    if not masks and nan_policy != "omit":
        return _of_signed(logarithm, operands, None)
    undefined = np.any([np.isnan(operand) for operand in operands], axis=0)
    gone = np.any(masks, axis=0) if masks else np.zeros_like(undefined)
    if nan_policy == "omit":
        gone, undefined = gone | undefined, np.zeros_like(undefined)
    for operand in operands:
        operand[gone] = 0
    result = _kernel(logarithm.measure, operands, logarithm.vector)
    result[gone.all(-1)] = 0
    again = np.isnan(result)
    if again.any():
        result[again] = _of_signed(logarithm, [operand[again] for operand in operands], gone[again])
    result[undefined.any(-1)] = np.nan
    return result


def _of_signed(logarithm: _Logarithm, operands: list[Array], gone: Array | None) -> Array:
    """Return the results of rows that the kernel makes NaN; entries that are gone are 0.

    A negative sum turns all signs around: what is all negative is a distribution then, and what is
    not has a negative share.
    """
    result = np.full(len(operands[0]), np.nan, operands[0].dtype)
    pairs = [_totals(operand) for operand in operands]
    totals = np.array([total for total, _ in pairs])
    finite = np.isfinite(totals).all(0)
    zero = finite & (totals == 0).any(0)
    result[finite & ~zero] = logarithm.worst
    changed = np.any([down | (total < 0) for total, down in pairs], axis=0) & finite & ~zero
    if changed.any():
        rows = [
            x[changed] * np.sign(total[changed, None]).astype(x.dtype)
            for x, total in zip(operands, totals, strict=True)
        ]
        values = _kernel(logarithm.measure, rows, logarithm.vector)
        values[np.isnan(values)] = logarithm.worst
        result[changed] = values
    if zero.any():
        rows, sums = [x[zero] for x in operands], [total[zero, None] for total in totals]
        result[zero] = _of_shares(logarithm, rows, sums, None if gone is None else gone[zero])
    return result


def _totals(rows: Array) -> tuple[Array, Array]:
    """Return the sums of rows, and which rows had to be made smaller for theirs to be finite."""
    totals = _kernel(SUM, [rows], PLAIN, FLOAT64)
    down = np.isinf(totals)
    if down.any():
        down &= np.isfinite(rows).all(-1)
        rows[down] *= DOWN
        totals[down] = _kernel(SUM, [rows[down]], PLAIN, FLOAT64)
    return totals, down


def _of_shares(
    logarithm: _Logarithm, operands: list[Array], totals: list[Array], gone: Array | None
) -> Array:
    """Return the results of rows of which one sums to 0: its shares are infinite, or NaN.

    Infinite ones have both signs.
    """
    with np.errstate(invalid="ignore"):  # to divide by 0 has NumPy's warning, as in SciPy
        shares = [x / total.astype(x.dtype) for x, total in zip(operands, totals, strict=True)]
    if gone is not None:
        for share in shares:
            share[gone] = 0
    undefined = np.any([np.isnan(share) for share in shares], axis=0)
    if len(shares) == 2:  # x log(x/inf) = -inf, and infinity is among the other terms
        undefined |= (shares[0] > 0) & (shares[1] == np.inf)
    return np.where(undefined.any(-1), np.nan, logarithm.worst)


def _kernel(
    measure: _core.Measure, rows: list[Array], vector: Array, dtype: np.dtype[Any] | None = None
) -> Array:
    """Return what a measure makes of rows."""
    result = np.empty(len(rows[0]), dtype or rows[0].dtype)
    measure.rows(tuple(rows), 1, vector, result)
    return result

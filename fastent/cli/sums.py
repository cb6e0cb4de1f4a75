"""Sums without rounding: the same whichever way the numbers come in parts."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ROW = 512
"""So many numbers are added at a time: 9 bits more than their own."""
_PIECE = 32 * _ROW
_MOST_PARTS = 2048
_HUGE = 2.0**900
"""From here on a sum of `_ROW` numbers might overflow."""
_NARROW = 2.0**-20
"""24 bits of a float32 in 20 binades, `_ROW` times: 53 bits, which a double holds."""
_REACH = {np.dtype(np.float32): 2.0**-62, np.dtype(np.float64): 2.0**-33}
"""How far below the largest the others may lie, so that the remainders' sums are exact too."""


class ExactSum:
    """A sum that is rounded once, when it is asked for.

    It is kept as floats whose sum, done without rounding, is that of all numbers. Infinities and
    NaN are kept apart.
    """

    def __init__(self) -> None:
        self._parts: list[float] = []
        self._others = 0.0

    def add(self, values: NDArray[Any]) -> None:
        """Take in numbers: floats, integers below 2**53 or booleans."""
        if values.size == 0:
            return
        if values.dtype.kind == "b":
            self._extend([float(np.count_nonzero(values))])
            return
        if values.dtype not in _REACH:
            values = values.astype(np.float64)
        values = values.reshape(-1)
        low, high = float(values.min()), float(values.max())
        if not math.isfinite(high - low):
            finite = np.isfinite(values)
            with np.errstate(invalid="ignore"):
                self._others += float(values[~finite].sum(dtype=np.float64))
            values = values[finite]
            if values.size == 0:
                return
            low, high = float(values.min()), float(values.max())
        self._extend(_exact_parts(values, low, high))

    def merge(self, other: ExactSum) -> None:
        """Take in all that another sum has."""
        self._others += other._others
        self._extend(other._parts)

    @property
    def finite(self) -> bool:
        """Whether all numbers were."""
        return self._others == 0

    def mean(self, count: int) -> float:
        """Return the sum divided by `count`, the double that is nearest."""
        return float(self.exact() / count) if self.finite else self._others / count

    def exact(self) -> Fraction:
        """Return the sum of the finite numbers."""
        self._parts = _shortened(self._parts)
        return sum(map(Fraction, self._parts), Fraction())

    def _extend(self, parts: list[float]) -> None:
        self._parts += parts
        if len(self._parts) > _MOST_PARTS:
            self._parts = _shortened(self._parts)

    def __getstate__(self) -> dict[str, Any]:
        """Return few numbers, for the way to another process."""
        return {"_parts": _shortened(self._parts), "_others": self._others}


def _shortened(parts: list[float]) -> list[float]:
    """Return a few floats with the same exact sum: the rounded one, what that lacks, and so on."""
    found: list[float] = []
    try:
        while rest := math.fsum(parts + [-part for part in found]):
            found.append(rest)
    except OverflowError:
        return parts
    return found


def _exact_parts(values: NDArray[Any], low: float, high: float) -> list[float]:
    """Return a few floats with the exact sum of finite `values` between `low` and `high`."""
    top = max(-low, high)
    if top == 0:
        return []
    if top >= _HUGE:
        return [float(value) for value in values.tolist()]
    least = max(low, -high)  # of the sizes, where all numbers have one sign
    if values.dtype == np.float32 and least >= top * _NARROW:
        return _row_sums(values)
    parts: list[float] = []
    reach = top * _REACH[values.dtype]
    if least < reach:
        # Zeros are no trouble; what is tiny beside the others is added by itself.
        sizes = np.abs(values)
        tiny = (sizes < reach) & (sizes > 0)
        if tiny.any():
            rest = values[tiny]
            parts += _exact_parts(rest, float(rest.min()), float(rest.max()))
            values = np.where(tiny, values.dtype.type(0), values)
    return parts + _split_sums(values, top)


def _row_sums(values: NDArray[Any]) -> list[float]:
    """Return the sums of up to `_ROW` numbers each, made in float64."""
    whole = values.size - values.size % _ROW
    sums: list[float] = values[:whole].reshape(-1, _ROW).sum(axis=1, dtype=np.float64).tolist()
    if whole < values.size:
        sums.append(float(values[whole:].sum(dtype=np.float64)))
    return sums


def _split_sums(values: NDArray[Any], top: float) -> list[float]:
    """Return sums of the leading bits of numbers up to `top`, and of their remainders.

    Adding and subtracting a power of two, 2**10 or more times `top`, leaves the bits of a number
    above that power's last one, so that the sum of `_ROW` of them fits into a double [1]_.

    References
    ----------
    .. [1] S. M. Rump, T. Ogita, S. Oishi, "Accurate Floating-Point Summation I", 2008.
    """
    power = math.ldexp(1.0, math.frexp(top)[1] + 10)
    sums: list[float] = []
    leading = np.empty(min(_PIECE, values.size))
    rest = np.empty_like(leading)
    for start in range(0, values.size, _PIECE):
        piece = values[start : start + _PIECE]
        first, last = leading[: piece.size], rest[: piece.size]
        np.add(piece, power, out=first, dtype=np.float64)
        np.subtract(first, power, out=first)
        np.subtract(piece, first, out=last, dtype=np.float64)
        sums += _row_sums(first)
        sums += _row_sums(last)
    return sums


def squares(values: NDArray[Any]) -> list[NDArray[Any]]:
    """Return arrays whose exact sum is that of the squares of `values`.

    A float32 has an exact square in float64. A float64 is split into halves of 26 bits, whose
    products are exact, but for those so small that they lie beyond the range [1]_.

    References
    ----------
    .. [1] T. J. Dekker, "A Floating-Point Technique for Extending the Available Precision", 1971.
    """
    if values.dtype.kind == "b":
        return [values]
    wide = values.astype(np.float64)
    if values.dtype == np.float32:
        return [wide * wide]
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        spread = wide * (2.0**27 + 1)
        first = spread - (spread - wide)
        last = wide - first
        return [first * first, 2 * first * last, last * last]

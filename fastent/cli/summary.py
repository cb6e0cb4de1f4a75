"""Running statistics over results that come block by block, in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

KEPT_VALUES = 1 << 21
"""Up to this many results the quartiles are exact."""

_PIECE = 1 << 16
_DROPPED_BITS = 12
_SIGN = np.uint32(1 << 31)


class Mean:
    """The mean of the numbers added so far, NaN when there are none."""

    def __init__(self) -> None:
        self.count = 0
        self._sum = 0.0
        self._compensation = 0.0

    def add(self, values: NDArray[Any]) -> None:
        """Take in numbers, with Neumaier's compensation, so that many blocks lose nothing."""
        self.count += values.size
        term = float(values.sum(dtype=np.float64))
        total = self._sum + term
        if abs(self._sum) >= abs(term):
            self._compensation += (self._sum - total) + term
        else:
            self._compensation += (term - total) + self._sum
        self._sum = total

    @property
    def value(self) -> float:
        """The mean."""
        if self.count == 0:
            return math.nan
        # An infinite sum leaves a compensation that is NaN and means nothing.
        correction = self._compensation if math.isfinite(self._compensation) else 0.0
        return (self._sum + correction) / self.count


class Spread:
    """The mean of the numbers added so far, and how far it may be off."""

    def __init__(self) -> None:
        self.count = 0
        self.mean = 0.0
        self._squares = 0.0  # of distances to the mean

    def add(self, values: NDArray[Any]) -> None:
        """Take in numbers, as Chan, Golub and LeVeque join means and squares (1979)."""
        if values.size == 0:
            return
        numbers = values.astype(np.float64)
        mean = float(numbers.mean())
        total = self.count + numbers.size
        with np.errstate(invalid="ignore"):
            squares = float(np.square(numbers - mean).sum())
        gap = mean - self.mean
        self._squares += squares + gap * gap * self.count * (numbers.size / total)
        self.mean += gap * (numbers.size / total)
        self.count = total

    @property
    def standard_error(self) -> float:
        """The standard error of the mean, NaN where there are not two numbers."""
        if self.count < 2:
            return math.nan
        return math.sqrt(self._squares / (self.count - 1) / self.count)


class Summary(Protocol):
    """What is told of the results of an input."""

    rows: int
    nan_rows: int

    def add(self, results: Any) -> None:
        """Take in one block of results."""

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers under the names the summary shows them by."""


class Statistics:
    """Count, mean, extremes and quartiles of the results added so far.

    NaN results are counted, and left out of everything else.
    """

    def __init__(self) -> None:
        self.rows = 0
        self.nan_rows = 0
        self.infinite_rows = 0
        self.minimum = math.inf
        self.maximum = -math.inf
        self._mean = Mean()
        self._held = 0
        self._kept: list[NDArray[Any]] = []
        self._histogram: Histogram | None = None

    def add(self, results: NDArray[Any]) -> None:
        """Take in one block of results. The block is kept, not copied: leave it unchanged."""
        values = results.reshape(-1)
        self.rows += values.size
        missing = np.isnan(values)
        if missing.any():
            self.nan_rows += int(np.count_nonzero(missing))
            values = values[~missing]
        if values.size == 0:
            return
        self.infinite_rows += int(np.count_nonzero(np.isinf(values)))
        self.minimum = min(self.minimum, float(values.min()))
        self.maximum = max(self.maximum, float(values.max()))
        self._mean.add(values)
        self._kept.append(values)
        self._held += values.size
        if self._held > KEPT_VALUES:
            self._move_to_histogram()

    @property
    def exact(self) -> bool:
        """Whether the quartiles are exact."""
        return self._histogram is None

    @property
    def mean(self) -> float:
        """The mean of the results that are numbers, NaN when there are none."""
        return self._mean.value

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers under the names the summary shows them by."""
        first, median, third = self.quantiles((1, 2, 3), 4)
        empty = self.rows == self.nan_rows
        return {
            "rows": self.rows,
            "nan_rows": self.nan_rows,
            "infinite_rows": self.infinite_rows,
            "mean": self.mean,
            "min": math.nan if empty else self.minimum,
            "quartile_1": first,
            "median": median,
            "quartile_3": third,
            "max": math.nan if empty else self.maximum,
            "quartiles": "exact" if self.exact else "approximate",
        }

    def quantiles(self, numerators: Sequence[int], denominator: int) -> list[float]:
        """Return points below which such shares lie, between two results by interpolation."""
        count = self.rows - self.nan_rows
        if count == 0:
            return [math.nan] * len(numerators)
        if self._histogram is None:
            ordered = np.sort(np.concatenate(self._kept))
            self._kept = [ordered]
            source: NDArray[Any] | Histogram = ordered
        else:
            self._move_to_histogram()
            source = self._histogram
        return [self._quantile(source, k * (count - 1), denominator) for k in numerators]

    def _quantile(
        self, source: NDArray[Any] | Histogram, numerator: int, denominator: int
    ) -> float:
        """Return the value at the rank `numerator` / `denominator`, counted from 0."""
        rank, remainder = divmod(numerator, denominator)
        low = self._value_at(source, rank)
        if remainder == 0:
            return low
        high = self._value_at(source, rank + 1)
        # Two equal infinities have no difference.
        return low if low == high else low + (high - low) * (remainder / denominator)

    def _value_at(self, source: NDArray[Any] | Histogram, rank: int) -> float:
        """Return the result that has `rank` smaller ones before it."""
        if isinstance(source, Histogram):
            return min(max(source.value_at(rank), self.minimum), self.maximum)
        return float(source[rank])

    def _move_to_histogram(self) -> None:
        """Give up the values themselves for their counts."""
        if self._histogram is None:
            self._histogram = Histogram()
        for values in self._kept:
            self._histogram.add(values)
        self._kept = []
        self._held = 0


class Histogram:
    """Counts of values that agree in sign, exponent and the first 11 bits of the fraction.

    8 MiB whatever is added, and the same counts whatever the order and the blocks. A value comes
    back rounded towards zero by less than 0.05 %; zeros, powers of two and infinities as they are.
    """

    def __init__(self) -> None:
        self._counts = np.zeros(1 << (32 - _DROPPED_BITS), dtype=np.int64)
        self._ends: NDArray[np.int64] | None = None

    def add(self, values: NDArray[Any]) -> None:
        """Count `values`, which hold no NaN."""
        self._ends = None
        for start in range(0, values.size, _PIECE):
            np.add.at(self._counts, _buckets(values[start : start + _PIECE]), 1)

    def value_at(self, rank: int) -> float:
        """Return about the value that has `rank` smaller ones before it."""
        if self._ends is None:
            self._ends = np.cumsum(self._counts)
        return _bucket_value(int(np.searchsorted(self._ends, rank, side="right")))


def _buckets(values: NDArray[Any]) -> NDArray[np.intp]:
    """Return for each value the leading bits of its float32, mapped to keep the order."""
    with np.errstate(over="ignore", under="ignore"):
        bits = values.astype(np.float32).view(np.uint32)
    # Negative floats order the wrong way round: flip all their bits, and only the others' sign.
    ordered = np.where(bits & _SIGN, ~bits, bits | _SIGN)
    return (ordered >> _DROPPED_BITS).astype(np.intp)


def _bucket_value(bucket: int) -> float:
    """Return the value of a bucket that is nearest zero."""
    ordered = bucket << _DROPPED_BITS
    if ordered & int(_SIGN):
        bits = ordered ^ int(_SIGN)
    else:
        bits = ~(ordered | ((1 << _DROPPED_BITS) - 1)) & 0xFFFFFFFF
    return float(np.uint32(bits).view(np.float32))

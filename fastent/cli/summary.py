"""Running statistics over results that come block by block, in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from fastent.cli.sums import ExactSum, squares

KEPT_VALUES = 1 << 21
"""Up to this many results the quartiles are exact."""

_PIECE = 1 << 16
_DROPPED_BITS = 12
_BUCKETS = 1 << (32 - _DROPPED_BITS)


class Mean:
    """The mean of the numbers added so far, NaN when there are none."""

    def __init__(self) -> None:
        self.count = 0
        self._sum = ExactSum()

    def add(self, values: NDArray[Any]) -> None:
        """Take in numbers."""
        self.count += values.size
        self._sum.add(values)

    def merge(self, other: Mean) -> None:
        """Take in all that another mean has."""
        self.count += other.count
        self._sum.merge(other._sum)

    @property
    def value(self) -> float:
        """The mean, rounded once."""
        return self._sum.mean(self.count) if self.count else math.nan


class Spread:
    """The mean of the numbers added so far, and how far it may be off."""

    def __init__(self) -> None:
        self.count = 0
        self._sum = ExactSum()
        self._squares = ExactSum()

    def add(self, values: NDArray[Any]) -> None:
        """Take in numbers."""
        self.count += values.size
        self._sum.add(values)
        for part in squares(values):
            self._squares.add(part)

    def merge(self, other: Spread) -> None:
        """Take in all that another one has."""
        self.count += other.count
        self._sum.merge(other._sum)
        self._squares.merge(other._squares)

    @property
    def mean(self) -> float:
        """The mean, NaN when there are no numbers."""
        return self._sum.mean(self.count) if self.count else math.nan

    @property
    def standard_error(self) -> float:
        """The standard error of the mean, NaN where there are not two numbers."""
        if self.count < 2 or not (self._sum.finite and self._squares.finite):
            return math.nan
        # Without rounding, nothing is lost in the difference of two large numbers; squares below
        # the range of doubles are 0.
        distances = self._squares.exact() - self._sum.exact() ** 2 / self.count
        return math.sqrt(max(distances, Fraction()) / (self.count - 1) / self.count)


class Block(NamedTuple):
    """Results that go into a summary."""

    results: Any
    null_rows: int = 0
    """How many rows had none."""


class Summary(Protocol):
    """What is told of the results of an input."""

    @property
    def rows(self) -> int:
        """How many results there were, with those that are null."""

    @property
    def null_rows(self) -> int:
        """How many of them are null."""

    @property
    def nan_rows(self) -> int:
        """How many of them are NaN."""

    def add(self, results: Any, null_rows: int = 0) -> None:
        """Take in one block of results, and how many rows had none."""

    def merge(self, other: Self) -> None:
        """Take in all that another summary has, of other results; that one stays as it is.

        The numbers are those of one summary of all results: sums are exact, so they depend
        neither on the blocks nor on the order.
        """

    def condense(self) -> None:
        """Give up what only exact quantiles need, and be small."""

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers under the names the summary shows them by."""


class Statistics:
    """Count, mean, extremes and quartiles of the results added so far.

    Null and NaN results are counted, and left out of everything else.
    """

    def __init__(self) -> None:
        self.rows = 0
        self.null_rows = 0
        self.nan_rows = 0
        self.infinite_rows = 0
        self.minimum = math.inf
        self.maximum = -math.inf
        self._mean = Mean()
        self._held = 0
        self._kept: list[NDArray[Any]] = []
        self._histogram: Histogram | None = None

    def add(self, results: NDArray[Any], null_rows: int = 0) -> None:
        """Take in one block of results. The block is kept, not copied: leave it unchanged."""
        values = results.reshape(-1)
        self.rows += values.size + null_rows
        self.null_rows += null_rows
        if values.size == 0:
            return
        low = float(values.min())
        if math.isnan(low):
            missing = np.isnan(values)
            self.nan_rows += int(np.count_nonzero(missing))
            values = values[~missing]
            if values.size == 0:
                return
            low = float(values.min())
        high = float(values.max())
        if math.isinf(low) or math.isinf(high):
            self.infinite_rows += int(np.count_nonzero(np.isinf(values)))
        # Of zeros the positive one, whichever comes first.
        self.minimum, self.maximum = min(self.minimum, low) + 0.0, max(self.maximum, high) + 0.0
        self._mean.add(values)
        self._keep([values])

    def merge(self, other: Statistics) -> None:
        """Take in all that other statistics have; these stay as they are."""
        self.rows += other.rows
        self.null_rows += other.null_rows
        self.nan_rows += other.nan_rows
        self.infinite_rows += other.infinite_rows
        self.minimum = min(self.minimum, other.minimum)
        self.maximum = max(self.maximum, other.maximum)
        self._mean.merge(other._mean)
        if other._histogram is not None:
            self._histogram = self._histogram or Histogram()
            self._histogram.merge(other._histogram)
        self._keep(other._kept)

    def _keep(self, blocks: list[NDArray[Any]]) -> None:
        self._kept += blocks
        self._held += sum(block.size for block in blocks)
        if self._held > KEPT_VALUES:
            self.condense()

    def condense(self) -> None:
        """Give up the values themselves for their counts."""
        if self._histogram is None:
            self._histogram = Histogram()
        for values in self._kept:
            self._histogram.add(values)
        self._kept, self._held = [], 0

    def __getstate__(self) -> dict[str, Any]:
        """Return values in one array, not all of the blocks that they are parts of."""
        if len(self._kept) > 1:
            self._kept = [np.concatenate(self._kept)]
        return self.__dict__

    @property
    def exact(self) -> bool:
        """Whether the quartiles are exact."""
        return self._histogram is None

    @property
    def _count(self) -> int:
        """How many results are numbers."""
        return self.rows - self.null_rows - self.nan_rows

    @property
    def mean(self) -> float:
        """The mean of the results that are numbers, NaN when there are none."""
        return self._mean.value

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers under the names the summary shows them by."""
        first, median, third = self.quantiles((1, 2, 3), 4)
        empty = self._count == 0
        return {
            "rows": self.rows,
            "null_rows": self.null_rows,
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
        count = self._count
        if count == 0:
            return [math.nan] * len(numerators)
        places = [divmod(k * (count - 1), denominator) for k in numerators]
        # Of the last rank there is no next one, and no remainder either.
        ranks = sorted({min(rank + step, count - 1) for rank, _ in places for step in (0, 1)})
        values = dict(zip(ranks, self._values_at(ranks), strict=True))
        found = []
        for rank, remainder in places:
            low, high = values[rank], values[min(rank + 1, count - 1)]
            # Two equal infinities have no difference, and minus infinity plus any is no number.
            between = remainder != 0 and low != high and low > -math.inf
            found.append(low + (high - low) * (remainder / denominator) if between else low + 0.0)
        return found

    def _values_at(self, ranks: Sequence[int]) -> list[float]:
        """Return the results that have so many smaller ones before them."""
        if self._histogram is None:
            whole = np.concatenate(self._kept)
            self._kept = [whole]
            return _select(whole, ranks)
        self.condense()
        values = map(self._histogram.value_at, ranks)
        return [min(max(value, self.minimum), self.maximum) for value in values]


def _select(values: NDArray[Any], ranks: Sequence[int]) -> list[float]:
    """Return the numbers at ascending ranks, and put `values` partly in order.

    A partition by one rank after the other takes a tenth of the time of one by all.
    """
    if not ranks:
        return []
    middle = len(ranks) // 2
    rank = ranks[middle]
    values.partition(rank)
    below = _select(values[:rank], ranks[:middle])
    above = _select(values[rank + 1 :], [each - rank - 1 for each in ranks[middle + 1 :]])
    return [*below, float(values[rank]), *above]


class Histogram:
    """Counts of values that agree in sign, exponent and the first 11 bits of the fraction.

    8 MiB whatever is added, and the same counts whatever the order and the blocks. A value comes
    back rounded towards zero by less than 0.05 %; zeros, powers of two and infinities as they are.
    """

    def __init__(self) -> None:
        self._counts = np.zeros(_BUCKETS, dtype=np.int64)
        self._ends: NDArray[np.int64] | None = None

    def add(self, values: NDArray[Any]) -> None:
        """Count `values`, which hold no NaN."""
        self._ends = None
        for start in range(0, values.size, _PIECE):
            np.add.at(self._counts, _buckets(values[start : start + _PIECE]), 1)

    def merge(self, other: Histogram) -> None:
        """Add the counts of another histogram."""
        self._ends = None
        some = np.flatnonzero(other._counts)  # memory of zeros is never touched, so not there
        self._counts[some] += other._counts[some]

    def value_at(self, rank: int) -> float:
        """Return about the value that has `rank` smaller ones before it."""
        if self._ends is None:
            # The sign is the first bit: negative values come last, those nearest zero first.
            some = np.flatnonzero(self._counts)
            positive = int(np.searchsorted(some, _BUCKETS // 2))
            self._ordered = np.concatenate([some[positive:][::-1], some[:positive]])
            self._ends = np.cumsum(self._counts[self._ordered])
        bucket = self._ordered[np.searchsorted(self._ends, rank, side="right")]
        return float(np.uint32(bucket << _DROPPED_BITS).view(np.float32))

    def __getstate__(self) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """Return the counts that are not 0: of results within a few octaves, some thousands."""
        some = np.flatnonzero(self._counts)
        return some.astype(np.uint32), self._counts[some]

    def __setstate__(self, state: tuple[NDArray[np.uint32], NDArray[np.int64]]) -> None:
        """Take them back."""
        self.__init__()  # type: ignore[misc]
        some, counts = state
        self._counts[some] = counts


def _buckets(values: NDArray[Any]) -> NDArray[np.intp]:
    """Return for each value the leading bits of its float32."""
    with np.errstate(over="ignore", under="ignore"):
        bits = values.astype(np.float32, copy=False).view(np.uint32)
    return np.right_shift(bits, _DROPPED_BITS, dtype=np.intp)

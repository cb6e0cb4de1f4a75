"""The two factors of a matrix product that gives all pairs, and bounds on what it is off by.

    CE(p, q) = -sum p log q
    KL(p, q) = (sum p log p - p) + sum q - sum p log q
             = KL(p, m) + KL(m, q) - sum (p - m) log(q/m)      for any row m

The last sum of each is the product; the rest is one number a row. The first form of KL serves rows
of any kind. The second, with the mean of the judged rows as m, keeps its digits where these are all
near each other: all of its parts are as small as the divergences.

Bounds are sums of products of a number for each true row and one for each judged row. They hold for
every order in which BLAS may sum.
"""

import math
from collections.abc import Iterator

import numpy as np

from fastent import _core
from fastent._arrays import Array
from fastent._plan import parameters

ENTROPY = _core.measures["entropy"]
KL_DIVERGENCE = _core.measures["kl_divergence"]
LOG1P = _core.measures["log1p"]
SURPRISAL = _core.measures["surprisal"]
TOTAL = _core.measures["total"]

UNIT = 2.0**-53  # of rounding
CHUNK = 512  # columns that are multiplied at a time
SCAN = 1 << 16  # entries that are looked at at a time
SMALLEST, LARGEST = 1e-200, 1e100  # largest entry of a row that is multiplied
UNDERFLOW = 1e-320  # more than a product loses below the smallest number, an entry
NEAR = 4.0  # largest logarithm of a quotient of judged entry and mean, for the second form
PLAIN = parameters(ENTROPY, None, None)  # nats, no floor

# Errors in units of rounding, beside those of the product
LOG = 1.7  # of a logarithm, of its size: 0.85 ulp
LOG_QUOTIENT = 4.2  # of log(q/m): of the quotient, and of its logarithm
SUM = 1.02  # of a sum: 0.51 ulp
ENTROPY_SUM = 5.0  # of an entropy: 2.5 ulp
NEAR_SUM = 40.0  # of a divergence from the mean, of which the tests have not seen a tenth
DIVISION = 2.0  # of an entry that is divided by its row's sum


class Side:
    """Rows of one operand: what they are divided by, and which of them are no ordinary ones."""

    def __init__(self, array: Array, normalize: bool) -> None:
        rows, self.length = array.shape
        self.array = array
        self.divided = normalize
        self.totals = np.ones(rows)
        self.sums = np.zeros(rows)  # of what is read
        self.largest = np.zeros(rows)
        self.nonzero = np.zeros(rows)
        self.bad = np.zeros(rows, bool)  # NaN
        self.odd = np.zeros(rows, bool)  # too large or small to be multiplied
        self.negative = False
        for part in self.parts():
            self._look(part)
        self.void = self.odd | self.bad

    def _look(self, part: slice) -> None:
        """Take down what there is to know of some rows."""
        x = np.asarray(self.array[part], np.float64)
        below = (x < 0).any(1)
        self.negative |= bool(below.any())
        bad = below | np.isnan(x).any(1)
        largest = x.max(1)
        fits = (largest == 0) | ((largest >= SMALLEST) & (largest <= LARGEST))
        if self.divided:
            totals = self.totals[part]
            TOTAL.rows((self.array[part],), 1, PLAIN, totals)
            bad |= ~((totals > 0) & (totals < math.inf))
            with np.errstate(all="ignore"):
                x = x / totals[:, None]
        x = np.where((bad | ~fits)[:, None], 0.0, x)
        self.bad[part], self.odd[part] = bad, ~bad & ~fits
        self.largest[part] = x.max(1)
        self.nonzero[part] = np.count_nonzero(x, 1)
        TOTAL.rows((x,), 1, PLAIN, self.sums[part])

    def parts(self) -> Iterator[slice]:
        """Yield slices of rows that are looked at at a time."""
        step = max(1, SCAN // self.length)
        for i in range(0, len(self.array), step):
            yield slice(i, min(i + step, len(self.array)))

    def read(self, part: slice, columns: slice = slice(None)) -> Array:
        """Return rows as they are multiplied: those that are not ordinary as zeros."""
        x = np.asarray(self.array[part, columns], np.float64)
        void = self.void[part]
        if self.divided:
            with np.errstate(all="ignore"):
                x = x / self.totals[part, None]
        return np.where(void[:, None], 0.0, x) if void.any() else x


class Factors:
    """X and L of the product X L^T of all pairs, and what is added to it.

    X is the true rows, less `mean` if there is one; it is read, and split if need be, a block at a
    time. L is kept in `logs`: as it is, or split, with the rest and the large part of each CHUNK of
    columns side by side.
    """

    def __init__(self, truth: Side, judged: Side, is_split: bool, size: int) -> None:
        length, rows, columns = truth.length, len(truth.array), len(judged.array)
        self.truth, self.judged, self.split = truth, judged, is_split
        self.mean: Array | None = None
        self.logs = np.zeros((size, length * (1 + is_split)))
        self.largest_log, self.positive_log = np.zeros(columns), np.zeros(columns)
        self.infinite = np.zeros(columns, bool)  # rows where 0 stands for a logarithm of -inf
        self.reach = truth.largest  # largest entry of each row of X
        self.true_terms, self.judged_terms = np.zeros(rows), np.zeros(columns)
        self.errors: list[tuple[Array | float, Array | float]] = []
        # bits of an entry of L and of X: a sum of products of so many is exact
        bits = 53 - (length - 1).bit_length()
        self.log_bits = max(1, (2 * bits - 53) // 2)
        self.entry_bits = bits - self.log_bits
        # units of rounding by which BLAS is off, in sums of products that are not exact
        self.chain = min(length, CHUNK) * (1.0 + is_split) + math.ceil(length / CHUNK)
        self.units = 0.0 if is_split else self.chain
        self.own_units = 0.0  # by which a result is off, of its own size

    def keep(self, part: slice, logs: Array) -> None:
        """Keep rows of L."""
        self.largest_log[part] = np.abs(logs).max(1)
        self.positive_log[part] = np.maximum(logs.max(1), 0)
        if not self.split:
            self.logs[part] = logs
            return
        rest = split(logs, grid(self.largest_log[part], self.log_bits))
        for columns in self.chunks():
            both = self.logs[part, 2 * columns.start : 2 * columns.stop]
            both[...] = np.hstack([rest[:, columns], logs[:, columns]])

    def chunks(self) -> Iterator[slice]:
        """Yield slices of columns that are multiplied at a time."""
        for first in range(0, self.truth.length, CHUNK):
            yield slice(first, min(first + CHUNK, self.truth.length))

    def read(self, part: slice, columns: slice) -> Array:
        """Return rows of X, some of their columns."""
        x = self.truth.read(part, columns)
        return x if self.mean is None else x - self.mean[columns]

    def bound_rest(self, sizes: Array) -> None:
        """Bound the error of the small parts; `sizes` are at least the sums of the rows of |X|."""
        self.errors.append((1.0, UNDERFLOW * self.truth.length))
        if self.split:
            unit = self.chain * UNIT
            entries = self.truth.nonzero if self.mean is None else self.truth.length
            self.errors.append((sizes, unit * grid(self.largest_log, self.log_bits)))
            self.errors.append(
                (entries * grid(self.reach, self.entry_bits), unit * self.largest_log)
            )


def cross_entropy_factors(
    truth: Side, judged: Side, is_split: bool, size: int, vector: Array
) -> Factors:
    """Return what the cross entropies of all pairs are made of."""
    factors = Factors(truth, judged, is_split, size)
    _keep_logs(factors, vector)
    if is_split:
        factors.bound_rest(truth.sums)
    return factors


def kl_factors(truth: Side, judged: Side, is_split: bool, size: int, vector: Array) -> Factors:
    """Return what the KL divergences of all pairs are made of, in nats."""
    factors = Factors(truth, judged, is_split, size)
    low = float(vector[3])  # the clamp, as a probability
    mean = _mean(judged, low)
    if mean is None:
        _prepare(factors, low, vector)
    else:
        _prepare_centred(factors, mean)
    return factors


def _keep_logs(factors: Factors, vector: Array) -> None:
    """Keep the clamped logarithms of judged rows, 0 for -inf."""
    judged = factors.judged
    for part in judged.parts():
        q = judged.read(part)
        logs = np.empty_like(q)
        SURPRISAL.elements((q,), vector, logs)
        np.negative(logs, out=logs)
        none = np.isinf(logs)
        factors.infinite[part] = none.any(1) & ~judged.void[part]
        logs[none] = 0
        factors.keep(part, logs)


def _prepare(factors: Factors, low: float, vector: Array) -> None:
    """Make the first form: X = p, L = log q."""
    truth, judged = factors.truth, factors.judged
    _keep_logs(factors, vector)
    entropies, clamped = np.empty(len(truth.array)), np.empty(len(judged.array))
    for part in truth.parts():
        ENTROPY.rows((truth.read(part),), 1, PLAIN, entropies[part])
    for part in judged.parts():
        clamped[part] = np.count_nonzero(judged.read(part) < low, axis=1)
    factors.true_terms[:] = -entropies - truth.sums
    factors.judged_terms[:] = judged.sums
    # The sum of p |log q| is p log q's, less twice that of what is above 1: and this is
    # the true terms plus the judged ones, less the divergence (which has it for a factor).
    units = LOG + 1 + factors.units
    divided = 4 * DIVISION if truth.divided else 0.0
    sizes = np.abs(entropies) + 2 * truth.sums * np.log(np.maximum(truth.largest, 1))
    true = (ENTROPY_SUM + 1) * sizes + (3 + divided) * truth.sums - units * factors.true_terms
    judged_units = (3 + divided - units) * judged.sums
    factors.errors += [
        (UNIT * true, 1.0),
        (1.0, UNIT * judged_units + 1.5 * low * clamped),
        (truth.sums, 2 * units * UNIT * factors.positive_log),
    ]
    factors.own_units = units + 3 + divided
    factors.bound_rest(truth.sums)


def _mean(judged: Side, low: float) -> Array | None:
    """Return the mean of the judged rows if all of them are near to it, and above the clamp."""
    if judged.void.any():
        return None
    length = judged.length
    least, most, total = np.full(length, np.inf), np.zeros(length), np.zeros(length)
    for part in judged.parts():
        q = judged.read(part)
        least, most = np.minimum(least, q.min(0)), np.maximum(most, q.max(0))
        total += q.sum(0)
    mean: Array = total / len(judged.array)
    near = math.exp(NEAR)
    if np.all((least >= max(low, SMALLEST)) & (most <= near * mean) & (mean <= near * least)):
        return mean
    return None


def _prepare_centred(factors: Factors, mean: Array) -> None:
    """Make the second form: X = p - m, L = log(q/m)."""
    truth, judged = factors.truth, factors.judged
    factors.mean, factors.reach = mean, np.zeros(len(truth.array))
    true_sizes, judged_sizes = np.empty(len(truth.array)), np.empty(len(judged.array))
    moved = np.zeros(len(judged.array))
    whole = slice(0, truth.length)
    for part in judged.parts():
        q = judged.read(part)
        rows = np.broadcast_to(mean, q.shape)
        KL_DIVERGENCE.rows((rows, q), 1, PLAIN, factors.judged_terms[part])
        difference = q - mean
        quotient = difference / mean
        far = np.abs(quotient) > 0.5
        logs, far_logs = np.empty_like(q), np.empty(np.count_nonzero(far))
        LOG1P.elements((quotient,), PLAIN, logs)
        SURPRISAL.elements(((q / mean)[far],), PLAIN, far_logs)
        logs[far] = -far_logs
        judged_sizes[part] = np.sqrt((logs * logs) @ mean)
        moved[part] = np.abs(difference).sum(1)
        factors.keep(part, logs)
    for part in truth.parts():
        x = truth.read(part)
        KL_DIVERGENCE.rows((x, np.broadcast_to(mean, x.shape)), 1, PLAIN, factors.true_terms[part])
        x = factors.read(part, whole)
        factors.reach[part] = np.abs(x).max(1)
        true_sizes[part] = np.sqrt((x * x) @ (1 / mean))
    # By Cauchy and Schwarz, sum |p - m| |log(q/m)| <= sqrt(sum (p - m)^2/m  sum m log(q/m)^2).
    divided = 4 * DIVISION if truth.divided else 0.0
    sums = true_sizes * math.sqrt(mean.sum())
    factors.errors += [
        (UNIT * ((NEAR_SUM + 3) * factors.true_terms + divided * sums), 1.0),
        (1.0, UNIT * ((NEAR_SUM + 3) * factors.judged_terms + divided * moved)),
        (true_sizes, UNIT * (LOG_QUOTIENT + 2 + factors.units) * 1.01 * judged_sizes),
    ]
    factors.own_units = 3 + divided
    factors.bound_rest(sums)


def grid(largest: Array, bits: int) -> Array:
    """Return the powers of two of which the large parts of rows are multiples."""
    steps: Array = np.ldexp(1.0, np.frexp(largest)[1] - bits)
    return steps


def split(x: Array, steps: Array) -> Array:
    """Round rows to multiples of their steps, in place, and return what that leaves."""
    sigma = (1.5 * 2.0**52 * steps)[:, None]
    high = (x + sigma) - sigma
    rest: Array = x - high
    x[...] = high
    return rest

"""Cross entropies and KL divergences of all pairs of rows: blocks of a matrix product.

A product of doubles by BLAS is off by up to K units of rounding, too much for KL of float64. So
both factors are split, row by row, in a multiple of a power of two and a small rest,
X = Xh + Xl and L = Lh + Ll, so few bits long that Xh Lh is exact, whatever BLAS does (Ozaki's
scheme [1] with one slice). Xl Lh + X Ll is small, and so is its error. float32 rows do without:
their product is made in double. What is smaller than the bound on its error allows is computed by
the kernels of rows, pair by pair.

[1] K. Ozaki et al., "Error-free transformations of matrix multiplication by using fast routines of
matrix multiplication and its applications", Numerical Algorithms 59, 2012.
"""

from collections.abc import Iterator

import numpy as np

from fastent import _core
from fastent._arrays import FLOAT32, Array
from fastent._core import Measure
from fastent._factors import UNIT, Side, cross_entropy_factors, grid, kl_factors, split
from fastent._pairs import COLUMNS, STRIP, Operands
from fastent._plan import parameters

SURPRISAL = _core.measures["surprisal"]
CROSS_ENTROPY = _core.measures["cross_entropy"]
KL_DIVERGENCE = _core.measures["kl_divergence"]
KL_DIVERGENCE_PLAIN = _core.measures["kl_divergence_plain"]

ROWS = 1024  # of a block: 16 MiB of doubles, so that BLAS's threads seldom wait for each other
STEP = 64  # sizes that BLAS is given are multiples of this, so that it sums all pairs alike
SHARE = 0.9  # of the bound on a divergence: the rest is for the base, and a float32's rounding
PRODUCT_SHARE = 0.3  # units that 2.5 ulp of a cross entropy leave beside logarithms and rounding
GATHERED = 1 << 19  # entries of rows that are copied for pairs computed one by one

NOWHERE = np.empty(0, np.intp)


class Products:
    """What makes blocks of the matrix; `measure` is what computes a pair alone."""

    def __init__(
        self, measure: Measure, operands: Operands, base: float | None, log_floor: float | None
    ) -> None:
        self.measure, self.operands = measure, operands
        self.vector = parameters(measure, base, log_floor, operands.normalize)
        truth = Side(operands.p, operands.normalize)
        judged = truth if operands.same else Side(operands.q, operands.normalize)
        self.has_bad = bool(truth.bad.any() or judged.bad.any())
        self.negative = truth.negative or judged.negative
        rows, columns = operands.shape
        double = operands.dtype != FLOAT32
        entropies = measure is CROSS_ENTROPY
        clamp = parameters(SURPRISAL, 2 if entropies and base == 2 else None, log_floor)
        make = cross_entropy_factors if entropies else kl_factors
        self.factors = make(truth, judged, double, _padded(columns), clamp)
        allowed = PRODUCT_SHARE * UNIT
        if not entropies:
            allowed = SHARE * measure.bounds[double] - self.factors.own_units * UNIT
        self.limits = [
            (np.broadcast_to(true / allowed, rows), np.broadcast_to(other, columns))
            for true, other in self.factors.errors
        ]
        # no limit is below that of a pair that is left to the kernels
        self.limits.append((np.where(truth.odd, np.nan, 0), np.ones(columns)))
        self.limits.append((np.ones(rows), np.where(judged.odd, np.nan, 0)))
        self.shape = (_padded(min(rows, ROWS)), _padded(min(columns, COLUMNS)))
        self.room: dict[str, Array] = {}

    def strips(self, i: int, j: int, a: int, b: int) -> Iterator[tuple[slice, Array]]:
        """Yield the results of rows i to j with rows a to b, some rows at a time."""
        columns = slice(a, b)
        with np.errstate(all="ignore"):
            products, small = self._multiply(slice(i, j), columns)
        for start in range(i, j, STRIP):  # in cache
            rows = slice(start, min(start + STRIP, j))
            strip = slice(rows.start - i, rows.stop - i)
            with np.errstate(all="ignore"):
                if small is not None:
                    products[strip] += small[strip]
                self._finish(products[strip], rows, columns)
            yield rows, products[strip]

    def _finish(self, result: Array, rows: slice, columns: slice) -> None:
        """Make products results, in place."""
        factors = self.factors
        if self.measure is CROSS_ENTROPY:
            np.subtract(0.0, result, out=result)
        else:
            np.subtract(factors.true_terms[rows, None], result, out=result)
            result += factors.judged_terms[columns]
        self._set_infinite(result, rows, columns)
        doubtful = self._doubtful(result, rows, columns)
        if self.measure is KL_DIVERGENCE_PLAIN:
            result += factors.truth.sums[rows, None]
            result -= factors.judged.sums[columns]
        if self.vector[0] != 1:
            result *= self.vector[0]
        self._compute(result, *doubtful, rows.start, columns.start)
        if self.has_bad:
            result[factors.truth.bad[rows]] = np.nan
            result[:, factors.judged.bad[columns]] = np.nan

    def _multiply(self, rows: slice, columns: slice) -> tuple[Array, Array | None]:
        """Return a block of X L^T, in two parts that are to be added if both are split."""
        factors = self.factors
        count, width = rows.stop - rows.start, columns.stop - columns.start
        shape = (_padded(count), _padded(width))
        judged = slice(columns.start, columns.start + shape[1])
        for chunk in factors.chunks():
            size, first = chunk.stop - chunk.start, chunk.start == 0
            if not factors.split:
                x = np.zeros((shape[0], size))
                x[:count] = factors.read(rows, chunk)
                large = self._add_product("large", x, factors.logs[judged, chunk], first)
                continue
            x = np.zeros((shape[0], 2 * size))  # X, and what splitting it leaves
            x[:count, :size] = factors.read(rows, chunk)
            high = x[:, :size].copy()
            steps = grid(factors.reach[rows], factors.entry_bits)
            x[:count, size:] = split(high[:count], steps)
            logs = factors.logs[judged, 2 * chunk.start : 2 * chunk.stop]
            small = self._add_product("small", x, logs, first)
            large = self._add_product("large", high, logs[:, size:], first)
        return large[:count, :width], small[:count, :width] if factors.split else None

    def _add_product(self, name: str, x: Array, logs: Array, begins: bool) -> Array:
        """Add a product to the sum of this name, or begin it."""
        total = self._room(name, (len(x), len(logs)))
        if begins:
            return np.matmul(x, logs.T, out=total)
        total += np.matmul(x, logs.T, out=self._room("product", total.shape))
        return total

    def _room(self, name: str, shape: tuple[int, int]) -> Array:
        """Return memory that is used again for each block."""
        if name not in self.room:
            self.room[name] = np.empty(self.shape)
        return self.room[name][: shape[0], : shape[1]]

    def _set_infinite(self, result: Array, rows: slice, columns: slice) -> None:
        """Let pairs be infinite that have q = 0 < p, where no floor says otherwise."""
        factors = self.factors
        where = np.nonzero(factors.infinite[columns])[0]
        if not where.size:
            return
        met = np.zeros((rows.stop - rows.start, where.size), np.float32)
        for chunk in factors.chunks():
            some = (factors.truth.read(rows, chunk) > 0).astype(np.float32)
            none = factors.judged.read(columns, chunk)[where] == 0
            met += some @ none.astype(np.float32).T
        result[:, where] = np.where(met > 0, np.inf, result[:, where])

    def _doubtful(self, result: Array, rows: slice, columns: slice) -> tuple[Array, Array]:
        """Return where in the block the error may be too large for the result."""
        limits = [(true[rows], other[columns]) for true, other in self.limits]
        # first with the largest limit of each row: most blocks are through with that
        most = sum(true * other.max() for true, other in limits)
        sure = result >= np.asarray(most)[:, None]
        if sure.all():
            return NOWHERE, NOWHERE
        i, a = np.nonzero(~sure)
        limit = sum(true[i] * other[a] for true, other in limits)
        bad = self.factors.truth.bad[rows][i] | self.factors.judged.bad[columns][a]
        doubtful = ~((result[i, a] >= limit) | bad)
        return i[doubtful], a[doubtful]

    def _compute(self, result: Array, i: Array, a: Array, first: int, other: int) -> None:
        """Let the kernel of rows compute these pairs of the block."""
        p, q = self.operands.p, self.operands.q
        step = max(1, GATHERED // self.factors.truth.length)
        for start in range(0, len(i), step):
            some, others = i[start : start + step], a[start : start + step]
            values = np.empty(len(some), self.operands.dtype)
            self.measure.rows((p[some + first], q[others + other]), 1, self.vector, values)
            result[some, others] = values


def _padded(count: int) -> int:
    """Return the next multiple of STEP."""
    return -(-count // STEP) * STEP

"""Entropy of what counts were drawn from: bias corrections and pseudocounts.

Each estimate is the entropy of the shares plus what the correction adds, so that rows of nearly one
count keep their digits: log N - sum ... / N would be a difference of two that are close.
"""

import math
from collections.abc import Callable
from functools import lru_cache, partial
from numbers import Real
from typing import Any

import numpy as np

from fastent import _core
from fastent._arrays import Array, as_array
from fastent._by_blocks import (
    BLOCK,
    ENTROPY,
    PLAIN,
    SUM,
    TOTAL,
    any_lazy,
    as_float64,
    call_on_rows_lazily,
    joined,
    joined_entropies,
    of_rows,
    pieces,
    reduce_by_blocks,
    shares_in,
)
from fastent._check import place_of
from fastent._names import check_name
from fastent._plan import Axis, blocks, parameters
from fastent._rows import reduce_rows

LOG, LOG1P, EXPM1 = (_core.measures[name] for name in ("log", "log1p", "expm1"))
EULER_GAMMA = 0.5772156649015329
LOG_2 = 0.6931471805599453

# Of B_2j/(2j) (2^2j - 2): G(n) - log n of even n, in powers of 1/n^2.
SERIES = (1 / 6, -7 / 60, 31 / 126, -127 / 120, 511 / 66, -691 * 4094 / 32760)
TABLE = 64  # from here on the series has all digits

# How sums of terms of whole counts are corrected: of rows, their sums, and the base's vectors.
Correction = Callable[[Array, int, Array, tuple[Array, Array]], Array]


def entropy_of_counts(
    counts: Any,
    axis: Axis,
    base: float | None,
    normalize: bool,
    keepdims: bool,
    out: Array | None,
    reduction: str,
    weight: Any,
    check: bool,
    bias_correction: str | None,
    pseudocount: float,
) -> Any:
    """Return the estimate of each row: see `entropy`."""
    _check_options(normalize, bias_correction, pseudocount)
    if bias_correction is None and pseudocount == 0:
        settings = (axis, base, None, normalize, keepdims, out, reduction, weight, check)
        return reduce_rows(ENTROPY, ("p",), (counts,), *settings)
    call = partial(_estimates, base, check, bias_correction, float(pseudocount))
    if any_lazy(counts, weight):
        return call_on_rows_lazily(call, counts, "p", axis, keepdims, out, reduction, weight)
    return call(counts, axis, keepdims, out, reduction, weight)


def _check_options(normalize: bool, bias_correction: str | None, pseudocount: float) -> None:
    """Raise unless these go together."""
    if bias_correction is not None:
        check_name("bias_correction", bias_correction, tuple(CORRECTIONS))
    if not isinstance(pseudocount, Real):
        raise TypeError(f"pseudocount must be a number, not {pseudocount!r}")
    if not 0 <= pseudocount < math.inf:
        raise ValueError(f"pseudocount must be 0 or a positive number, not {pseudocount!r}")
    for name, given in (("bias_correction", bias_correction), ("pseudocount", pseudocount)):
        if given and not normalize:
            raise ValueError(f"{name} is for counts: it needs normalize=True")
    if bias_correction is not None and pseudocount:
        raise ValueError(
            "bias_correction and pseudocount are two remedies for the same bias: pass one of them"
        )


def _estimates(
    base: float | None,
    check: bool,
    bias_correction: str | None,
    pseudocount: float,
    counts: Any,
    axis: Axis,
    keepdims: bool,
    out: Array | None,
    reduction: str,
    weight: Any,
) -> Any:
    """Return the estimate of each row of an array."""
    array = as_array(counts, "p")
    vectors = shares_in(base), parameters(SUM, base)
    compute: Any
    if bias_correction is None:
        compute = partial(_with_pseudocount, pseudocount, vectors[0])
    else:
        _check_whole(array, "p", bias_correction)
        compute = partial(_corrected, CORRECTIONS[bias_correction], vectors)
    settings = (True, keepdims, out, reduction, weight, check, pseudocount)
    return reduce_by_blocks("entropy", "p", array, axis, compute, math.prod, *settings)


def _check_whole(array: Array, name: str, bias_correction: str) -> None:
    """Raise a ValueError that names the first count that is not whole."""
    if array.dtype.kind in "biu":
        return
    for index in blocks(array.shape, BLOCK):
        block = np.asarray(array[index])
        good = ~((block >= 0) & (block < np.inf)) | (np.floor(block) == block)
        if good.all():
            continue
        first = np.unravel_index(int(np.argmin(good)), good.shape)
        where = f"{name}: element {place_of(index, first, array.shape)}" if array.shape else name
        raise ValueError(
            f"{where} is {block[first]}: bias_correction={bias_correction!r} needs whole counts"
        )


def _with_pseudocount(
    pseudocount: float, vector: Array, rows: Array, cores: int
) -> tuple[Array, int]:
    """Return the entropy of rows with the pseudocount added to each entry."""
    sums, entropies, status = [], [], 0
    for piece, axes in pieces(rows, cores):
        counts = as_float64(piece, axes)
        np.add(counts, pseudocount, out=counts, where=~(counts < 0))
        total, _ = of_rows(TOTAL, (counts,), axes)
        inside, bits = of_rows(ENTROPY, (counts,), axes, vector)
        sums.append(total)
        entropies.append(inside)
        status |= bits
    return joined_entropies(sums, entropies, vector), status


def _corrected(
    correction: Correction, vectors: tuple[Array, Array], rows: Array, cores: int
) -> tuple[Array, int]:
    """Return a bias-corrected entropy of rows of whole counts; NaN where one is negative."""
    total, status = of_rows(TOTAL, (rows,), cores)
    estimate = correction(rows, cores, total, vectors)
    return np.where((total > 0) & (total < np.inf), estimate, np.nan) + 0.0, status


def _sum_of(
    terms: Callable[[Array], Array], rows: Array, cores: int, vector: Array = PLAIN
) -> Array:
    """Return the sums over rows of what `terms` makes of their entries."""
    parts = []
    for piece, axes in pieces(rows, cores):
        parts.append(of_rows(SUM, (terms(as_float64(piece, axes)),), axes, vector)[0])
    return joined(parts)


# ---- corrections -------------------------------------------------------------------------------


def _miller_madow(rows: Array, cores: int, total: Array, vectors: tuple[Array, Array]) -> Array:
    """H + (m - 1)/(2N), m being the number of counts that are not 0."""
    seen = _sum_of(lambda counts: (counts > 0).astype(np.float64), rows, cores)
    plain = of_rows(ENTROPY, (rows,), cores, vectors[0])[0]
    more: Array = (seen - 1) / (2 * total) * vectors[1][0]
    return plain + more


def _grassberger(rows: Array, cores: int, total: Array, vectors: tuple[Array, Array]) -> Array:
    """Log N - sum n G(n)/N, as H + sum n (log n - G(n))/N."""
    plain = of_rows(ENTROPY, (rows,), cores, vectors[0])[0]
    return plain + _sum_of(lambda n: n * log_less_g(n), rows, cores, vectors[1]) / total


def _chao_shen(rows: Array, cores: int, total: Array, vectors: tuple[Array, Array]) -> Array:
    """-sum p log p / (1 - (1 - p)^N), p being C n/N, and C the share of what has been seen."""
    single = _sum_of(lambda counts: (counts == 1).astype(np.float64), rows, cores)
    single = np.where(single == total, single - 1, single)
    log_coverage = _log_share(total - single, total)

    def terms(n: Array) -> Array:
        own = (..., *(None,) * (n.ndim - total.ndim))
        count = total[own]
        p = ((total - single) / total)[own] * (n / count)
        log_p = _log_share(n, count) + log_coverage[own]
        seen = -_map(EXPM1, count * _map(LOG1P, -p))  # the chance that such a p is seen at all
        return np.where(n > 0, -p * log_p / seen, 0.0)

    return _sum_of(terms, rows, cores, vectors[1])


CORRECTIONS: dict[str, Correction] = {
    "miller-madow": _miller_madow,
    "grassberger": _grassberger,
    "chao-shen": _chao_shen,
}


def _log_share(part: Array, whole: Array) -> Array:
    """Return log(part/whole) of whole numbers, with all its digits near 0 too."""
    share, rest = part / whole, (whole - part) / whole
    near = share > 0.5
    return np.where(near, _map(LOG1P, -np.where(near, rest, 0)), _map(LOG, share))


def _map(measure: _core.Measure, x: Any) -> Array:
    """Return an elementary function of each number."""
    x = np.asarray(x)
    out = np.empty(x.shape)
    measure.elements((x,), PLAIN, out)
    return out


# ---- Grassberger's G ---------------------------------------------------------------------------


def log_less_g(n: Array) -> Array:
    """Return log n - G(n) of whole numbers, to all digits; 0 at 0, and about 1/n where n is odd.

    G(n) = psi(n) + (-1)^n/2 [psi((n+1)/2) - psi(n/2)] has G(1) = -gamma - log 2, G(2) = G(1) + 2,
    G(2k+1) = G(2k), G(2k+2) = G(2k) + 2/(2k+1): so G(2k) = 2 H(2k) - H(k) - gamma - log 2 in
    harmonic numbers, whose series is that of `SERIES`.
    """
    small = n < TABLE
    place = np.where(small & (n >= 0), n, 0).astype(np.intp)
    if small.all():
        return np.asarray(_table()[place])
    odd = np.floor(n * 0.5) * 2 != n
    even = np.where(small, TABLE, n - odd)
    square = 1 / (even * even)
    above = np.zeros_like(square)
    for factor in reversed(SERIES):
        above = (above + factor) * square
    x = 1 / (2 * even + 1)  # log(n/(n-1)) = 2 atanh(1/(2n-1)), n - 1 being even
    step = 2 * x * (1 + x * x * (1 / 3 + x * x * (1 / 5 + x * x / 7)))
    return np.where(small, _table()[place], np.where(odd, step, 0) - above)


@lru_cache(maxsize=1)
def _table() -> Array:
    """Return log n - G(n) of small numbers, by recurrence from the series on down.

    e(n) = G(n) - log n of even n is e(n+2) + 2 [atanh x - x], x = 1/(n+1): no term is negative.
    """
    excess = math.fsum(factor / TABLE ** (2 * j) for j, factor in enumerate(SERIES, 1))
    table = np.zeros(TABLE)
    for n in range(TABLE - 2, 0, -2):
        x = 1 / (n + 1)
        table[n + 1] = 2 * math.atanh(1 / (2 * n + 1))  # log((n+1)/n)
        excess += math.fsum(2 * x ** (2 * k + 1) / (2 * k + 1) for k in range(1, 40))
        table[n] = -excess
        table[n + 1] -= excess
    table[1] = EULER_GAMMA + LOG_2
    return table

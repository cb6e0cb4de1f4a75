"""What every measure means, written twice: as plain NumPy and as exact numbers.

* The NumPy twins (``entropy``, ``kl_divergence``, ...) read like the definition, work on the last
  axis in float64 and show the behaviour at the edges: zeros, NaN, clamps, empty rows.
* The exact twins (``exact_entropy``, ...) give the true value for the given floats, in nats. They
  are written once for two kinds of ``number``: ``MP`` (arrays of mpmath's ``mpf``, 60 digits,
  slow) and ``DD`` (pairs of float64 arrays, 30 digits, fast). ``exact(twin, ...)`` picks.

A new measure needs one function in each of the two halves.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from mpmath import mp, mpf

mp.dps = 120  # neighbouring rows: phi of 1e-37 from terms of 1
FLOOR = -100.0  # the default clamp of the logarithm of a judged probability

# --- behaviour: NumPy twins ---------------------------------------------------------------------


def _log(x: np.ndarray, log_floor: float | None = None) -> Any:
    """Clamped logarithm; NaN stays NaN."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(x) if log_floor is None else np.maximum(np.log(x), log_floor)


def _times(p: np.ndarray, log: np.ndarray) -> np.ndarray:
    """Multiply, where 0 times anything but NaN is 0."""
    with np.errstate(invalid="ignore"):
        return np.where((p == 0) & ~np.isnan(log), 0.0, p * log)


def _float(x: Any, normalize: bool = False) -> Any:
    """Make it float64, negative entries NaN, rows divided by their sums if asked."""
    x = np.asarray(x, dtype=np.float64)
    x = np.where(x < 0, np.nan, x)
    with np.errstate(invalid="ignore"):
        return x / x.sum(-1, keepdims=True) if normalize else x


def _in_base(nats: Any, base: float | None) -> Any:
    """Convert nats to the base asked for; zeros are +0.0."""
    return (nats if base is None else nats / np.log(base)) + 0.0


def _row_sum(terms: np.ndarray, normalize: bool) -> Any:
    """Add up each row; an empty one has no sum to be divided by."""
    return np.full(terms.shape[:-1], np.nan) if normalize and not terms.shape[-1] else terms.sum(-1)


def surprisal(p: Any, base: float | None = None, log_floor: float | None = None) -> Any:
    """-log p."""
    return _in_base(-_log(_float(p), log_floor), base)


def binary_entropy(p: Any, base: float | None = None) -> Any:
    """-p log p - (1-p) log(1-p)."""
    p, rest = _float(p), _float(1 - np.asarray(p, dtype=np.float64))
    return _in_base(-_times(p, _log(p)) - _times(rest, _log(rest)), base)


def entropy(p: Any, base: float | None = None, normalize: bool = False) -> Any:
    """-sum p log p."""
    p = _float(p, normalize)
    return _in_base(_row_sum(-_times(p, _log(p)), normalize), base)


def perplexity(p: Any, normalize: bool = False) -> Any:
    """Return exp of the entropy."""
    return np.exp(entropy(p, normalize=normalize))


def cross_entropy(
    p: Any,
    q: Any,
    base: float | None = None,
    normalize: bool = False,
    log_floor: float | None = FLOOR,
) -> Any:
    """-sum p max(log q, floor)."""
    p, q = _float(p, normalize), _float(q, normalize)
    return _in_base(_row_sum(-_times(p, _log(q, log_floor)), normalize), base)


def kl_divergence(
    p: Any,
    q: Any,
    base: float | None = None,
    normalize: bool = False,
    log_floor: float | None = FLOOR,
    generalized: bool = True,
) -> Any:
    """Sum p log(p/q~) - p + q~, where q~ is q, lifted to min(p, e^floor) where log q < floor."""
    p, q = _float(p, normalize), _float(q, normalize)
    low = 0.0 if log_floor is None else np.exp(log_floor)
    lifted = np.where(q < low, np.maximum(q, np.minimum(p, low)), q)
    phi = _times(p, _log(p)) - _times(p, _log(lifted))
    return _in_base(_row_sum(phi - (p - lifted) if generalized else phi, normalize), base)


def total_variation_distance(p: Any, q: Any, normalize: bool = False) -> Any:
    """Sum |p - q| / 2."""
    return _row_sum(abs(_float(p, normalize) - _float(q, normalize)) / 2, normalize)


def _smoothed(t: np.ndarray, smoothing: float) -> np.ndarray:
    """Return the share of a class, of which `smoothing` is shared by both."""
    return t * (1 - smoothing) + smoothing / 2


def binary_cross_entropy(
    target: Any,
    prob: Any,
    base: float | None = None,
    log_floor: float | None = FLOOR,
    pos_weight: Any = 1.0,
    label_smoothing: float = 0.0,
) -> Any:
    """-w t max(log x, floor) - (1-t) max(log(1-x), floor), t smoothed."""
    t, x, weight = _float(target), _float(prob), _float(pos_weight)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_rest = np.log1p(-x) if log_floor is None else np.maximum(np.log1p(-x), log_floor)
    loss = -_times(weight * _smoothed(t, label_smoothing), _log(x, log_floor))
    loss = loss - _times(_smoothed(1 - t, label_smoothing), log_rest)
    return _in_base(np.where((t > 1) | (x > 1), np.nan, loss), base)


def log_loss(
    labels: Any,
    prob: Any,
    base: float | None = None,
    log_floor: float | None = FLOOR,
    class_weight: Any = None,
    label_smoothing: float = 0.0,
    ignore_index: int | None = None,
) -> Any:
    """Sum w t (-max(log prob, floor)), t smoothed one-hot; one-dimensional prob is of class 1."""
    labels, prob = np.asarray(labels), np.asarray(prob)
    kept = np.ones(labels.shape, bool) if ignore_index is None else labels != ignore_index
    labels = np.where(kept, labels, 0)
    if prob.ndim == 1:
        one = binary_cross_entropy(1, prob, base, log_floor)
        surprisals = np.stack([binary_cross_entropy(0, prob, base, log_floor), one], -1)
    else:
        surprisals = surprisal(prob, base, log_floor)
    classes = surprisals.shape[-1]
    target = (labels[..., None] == np.arange(classes)) * (
        1 - label_smoothing
    ) + label_smoothing / classes
    weighted = target if class_weight is None else target * np.asarray(class_weight)
    return np.where(kept, _times(weighted, surprisals).sum(-1), 0)


def sigmoid(logits: Any) -> Any:
    """1 / (1 + exp(-x))."""
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-np.asarray(logits, np.float64)))


def binary_cross_entropy_with_logits(
    target: Any,
    logits: Any,
    base: float | None = None,
    pos_weight: Any = 1.0,
    label_smoothing: float = 0.0,
) -> Any:
    """-w t log sigmoid(x) - (1-t) log sigmoid(-x), t smoothed."""
    t, x, weight = _float(target), np.asarray(logits, np.float64), _float(pos_weight)
    loss = _times(weight * _smoothed(t, label_smoothing), np.logaddexp(0, -x))
    loss = loss + _times(_smoothed(1 - t, label_smoothing), np.logaddexp(0, x))
    return _in_base(np.where(t > 1, np.nan, loss), base)


def logsumexp(x: Any) -> Any:
    """Log sum exp(x), shifted by the largest entry."""
    x = np.asarray(x, dtype=np.float64)
    m = x.max(-1)
    return m + np.log(np.exp(x - m[..., None]).sum(-1))


def softmax_entropy(x: Any) -> Any:
    """-sum p log p of p = softmax(x)."""
    log_p = np.asarray(x, dtype=np.float64) - logsumexp(x)[..., None]
    return -_times(np.exp(log_p), log_p).sum(-1)


def softmax_cross_entropy(labels: Any, x: Any) -> Any:
    """-log softmax(x)[label]."""
    x = np.asarray(x, dtype=np.float64)
    return logsumexp(x) - np.take_along_axis(x, np.asarray(labels)[..., None], -1)[..., 0]


# --- accuracy: exact numbers ---------------------------------------------------------------------

MP: Callable[..., Any] = np.frompyfunc(mpf, 1, 1)
_mp_log: Callable[..., Any] = np.frompyfunc(mp.log, 1, 1)
_mp_log1p: Callable[..., Any] = np.frompyfunc(mp.log1p, 1, 1)
_mp_exp: Callable[..., Any] = np.frompyfunc(mp.exp, 1, 1)


def _two_sum(a: Any, b: Any) -> tuple[Any, Any]:
    """Return a + b rounded, and what the rounding left."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def _two_product(a: Any, b: Any) -> tuple[Any, Any]:
    """Return a * b rounded, and what the rounding left (Dekker: each factor in two halves)."""
    product, a1, b1 = a * b, (2.0**27 + 1) * a, (2.0**27 + 1) * b
    a1, b1 = a1 - (a1 - a), b1 - (b1 - b)
    a2, b2 = a - a1, b - b1
    return product, ((a1 * b1 - product) + a1 * b2 + a2 * b1) + a2 * b2


class DD:
    """An array of unevaluated sums hi + lo of two float64: about 31 digits."""

    def __init__(self, hi: Any, lo: Any = None) -> None:
        if lo is None and isinstance(hi, mpf):
            lo = float(hi - float(hi))
        self.hi = np.asarray(hi, dtype=np.float64)
        self.lo = np.zeros_like(self.hi) if lo is None else np.asarray(lo, dtype=np.float64)

    def __neg__(self) -> DD:
        return DD(-self.hi, -self.lo)

    def __add__(self, other: DD) -> DD:
        s, e = _two_sum(self.hi, other.hi)
        return DD(*_two_sum(s, e + (self.lo + other.lo)))

    def __sub__(self, other: DD) -> DD:
        return self + -other

    def __mul__(self, other: DD) -> DD:
        s, e = _two_product(self.hi, other.hi)
        return DD(*_two_sum(s, e + (self.hi * other.lo + self.lo * other.hi)))

    def __truediv__(self, other: DD) -> DD:
        first = DD(self.hi / other.hi)
        return first + DD((self - first * other).hi / other.hi)

    def __getitem__(self, index: Any) -> DD:
        return DD(self.hi[index], self.lo[index])


_LN2, _THIRD, _FIFTH = DD(mp.log(2)), DD(mpf(1) / 3), DD(mpf(1) / 5)
_LOGS = [-mp.log(mpf(max(i, 1)) / 256) for i in range(400)]
_TABLE = DD([float(x) for x in _LOGS], [float(x - float(x)) for x in _LOGS])


def _dd_log1p(r: DD) -> DD:
    """Return 2 atanh(r / (2 + r)) for |r| < 1/128, to 1e-30 of its size."""
    s = r / (DD(2.0) + r)
    z = s * s
    tail = DD(z.hi * (1 / 7 + z.hi * (1 / 9 + z.hi * (1 / 11 + z.hi / 13))))
    return (s + s) * (DD(1.0) + z * (_THIRD + z * (_FIFTH + tail)))


def log(x: Any) -> Any:
    """Take the logarithm, -inf at 0: x = m 2^e, and m c = 1 + r with c = i/256."""
    if not isinstance(x, DD):
        return _mp_log(x)
    m, e = np.frexp(np.where(x.hi == 0, 1.0, x.hi))
    m, e = np.where(m < 0.71, 2 * m, m), e - (m < 0.71)
    i = np.rint(256 / m).astype(int)
    r = DD(i / 256) * DD(m, np.ldexp(x.lo, -e)) - DD(1.0)
    return where(x.hi == 0, DD(-np.inf), DD(e) * _LN2 + _TABLE[i] + _dd_log1p(r))


def log_rest(x: Any) -> Any:
    """Return log(1 - x), with all its digits where x is tiny."""
    return log(DD(1.0) - x) if isinstance(x, DD) else _mp_log1p(-x)


def log_quotient(x: Any, y: Any) -> Any:
    """Return log(x / y), with all its digits where x is near y."""
    if not isinstance(x, DD):
        return _mp_log(x / y)
    near = np.abs(x.hi - y.hi) < 2.0**-8 * y.hi
    x1, y1 = where(near, x, DD(1.0)), where(near, y, DD(1.0))
    return where(near, _dd_log1p((x1 - y1) / y1), log(x) - log(y))


def where(condition: Any, x: Any, y: Any) -> Any:
    """Choose x where the condition holds, else y."""
    if not isinstance(x, DD):
        return np.where(condition, x, y)
    return DD(np.where(condition, x.hi, y.hi), np.where(condition, x.lo, y.lo))


def as_mpf(x: Any) -> Any:
    """Convert exact numbers to an object array of mpf."""
    return np.asarray(MP(x.hi) + MP(x.lo) if isinstance(x, DD) else x, dtype=object)


def total(x: Any) -> Any:
    """Add up along the last axis (DD: pairwise)."""
    if not isinstance(x, DD):
        return x.sum(-1)
    while (n := x.hi.shape[-1]) > 1:
        half, odd = x[..., : n // 2] + x[..., n // 2 : n // 2 * 2], x[..., n // 2 * 2 :]
        x = DD(*(np.concatenate(c, -1) for c in ((half.hi, odd.hi), (half.lo, odd.lo))))
    return DD(x.hi.sum(-1), x.lo.sum(-1))


def _weighted(number: Callable[..., Any], p: Any, logs: Any) -> Any:
    """Return p * logs, 0 where p is 0."""
    return number(p) * where(np.asarray(p != 0, bool), logs, number(0.0))


def _clamped_log(number: Callable[..., Any], q: Any, log_floor: float | None) -> Any:
    """Return max(log q, floor)."""
    low = np.asarray(q < (0.0 if log_floor is None else math.exp(log_floor)), bool)
    return where(low, number(log_floor or 0.0), log(number(q)))


def exact_surprisal(number: Callable[..., Any], p: Any, log_floor: float | None = None) -> Any:
    """-max(log p, floor)."""
    return -_clamped_log(number, p, log_floor)


def exact_binary_cross_entropy(
    number: Callable[..., Any], target: Any, prob: Any, log_floor: float | None = FLOOR
) -> Any:
    """-t max(log x, floor) - (1-t) max(log(1-x), floor)."""
    rest = number(1.0) - number(target)
    certain = np.asarray((prob == 1) & (log_floor is not None) | (target == 1), bool)
    other = where(certain, number(log_floor or 0.0), log_rest(number(prob)))
    return -(_weighted(number, target, _clamped_log(number, prob, log_floor)) + rest * other)


def exact_binary_entropy(number: Callable[..., Any], p: Any) -> Any:
    """-p log p - (1-p) log(1-p)."""
    return exact_binary_cross_entropy(number, p, p, None)


def exact_entropy(number: Callable[..., Any], p: Any) -> Any:
    """-sum p log p."""
    return -total(_weighted(number, p, log(number(p))))


def exact_cross_entropy(
    number: Callable[..., Any], p: Any, q: Any, log_floor: float | None = FLOOR
) -> Any:
    """-sum p max(log q, floor)."""
    return -total(_weighted(number, p, _clamped_log(number, q, log_floor)))


def exact_kl_divergence(
    number: Callable[..., Any],
    p: Any,
    q: Any,
    log_floor: float | None = FLOOR,
    generalized: bool = True,
) -> Any:
    """Sum p log(p/q~) - p + q~, where q~ is q, lifted to min(p, e^floor) where log q < floor."""
    low = mpf(0) if log_floor is None else mp.exp(log_floor)
    lifted = where(np.asarray(p < float(low), bool), number(np.maximum(p, q)), number(low))
    lifted = where(np.asarray(q < float(low), bool), lifted, number(q))
    kept = np.asarray(p != 0, bool)
    pair = (where(kept, x, number(1.0)) for x in (number(p), lifted))
    terms = _weighted(number, p, log_quotient(*pair))
    return total(terms - (number(p) - lifted) if generalized else terms)


def exact_total_variation_distance(number: Callable[..., Any], p: Any, q: Any) -> Any:
    """Sum |p - q| / 2."""
    larger = np.asarray(p >= q, bool)
    return total(where(larger, number(p) - number(q), number(q) - number(p))) * number(0.5)


def exact_sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)), over MP."""
    return 1 / (1 + _mp_exp(-MP(x)))


def exact_binary_cross_entropy_with_logits(t: Any, x: Any) -> Any:
    """T log(1 + exp(-x)) + (1-t) log(1 + exp(x)), over MP."""
    return MP(t) * _mp_log1p(_mp_exp(-MP(x))) + (1 - MP(t)) * _mp_log1p(_mp_exp(MP(x)))


def _exact_weights(t: Any, w: Any, smoothing: float) -> tuple[Any, Any]:
    """W t and 1-t of smoothed targets, over MP."""
    kept, half = 1 - mpf(smoothing), mpf(smoothing) / 2
    return MP(w) * (MP(t) * kept + half), (1 - MP(t)) * kept + half


def exact_binary_cross_entropy_weighted(
    t: Any, w: Any, x: Any, smoothing: float = 0.0, log_floor: float = FLOOR
) -> Any:
    """-w t max(log x, floor) - (1-t) max(log(1-x), floor), t smoothed, over MP."""
    of_one, of_zero = _exact_weights(t, w, smoothing)
    inside = np.asarray((x > 0) & (x < 1), bool)
    middle = MP(np.where(inside, x, 0.5))
    floor = np.where(inside, -math.inf, log_floor)
    log_x = np.maximum(np.where(x == 0, floor, np.where(x == 1, 0, _mp_log(middle))), log_floor)
    rest = np.where(x == 1, floor, np.where(x == 0, 0, _mp_log1p(-middle)))
    return -(of_one * log_x + of_zero * np.maximum(rest, log_floor))


def exact_binary_cross_entropy_with_logits_weighted(
    t: Any, w: Any, x: Any, smoothing: float = 0.0
) -> Any:
    """W t log(1 + exp(-x)) + (1-t) log(1 + exp(x)), t smoothed, over MP."""
    of_one, of_zero = _exact_weights(t, w, smoothing)
    return of_one * _mp_log1p(_mp_exp(-MP(x))) + of_zero * _mp_log1p(_mp_exp(MP(x)))


def exact(twin: Callable[..., Any], *arrays: Any, **keywords: Any) -> Any:
    """Return the twin's values as mpf: by DD, and again by MP where its range ends."""
    with np.errstate(all="ignore"):
        values = as_mpf(twin(DD, *arrays, **keywords))
    for at in np.ndindex(values.shape):
        small = any(((a[at] > 0) & (a[at] < 1e-250)).any() for a in arrays)
        if small and not abs(values[at]) > 1e-280:
            values[at] = mpf(0) + twin(MP, *(np.asarray(a[at]) for a in arrays), **keywords)
    return values


def shares(p: Any) -> Any:
    """Divide rows by their sums, exactly (for twins over MP)."""
    return MP(p) / MP(p).sum(-1, keepdims=True)


def _ulp_error(got: float, true: Any, info: Any) -> float:
    """Measure one error in ulps; what rounds to infinity may be infinity."""
    got, near = float(got), float(true)
    if near == 0 or not (math.isfinite(near) and math.isfinite(got)):
        if math.isnan(near) or math.isnan(got):
            return 0.0 if math.isnan(near) and math.isnan(got) else math.inf
        rounded = math.copysign(math.inf, near) if abs(near) > float(info.max) else near
        return 0.0 if got == rounded else math.inf
    ulp = max(true.exp + true.bc - info.nmant - 1, info.minexp - info.nmant)
    return float(mp.ldexp(abs(true - got), -ulp))


def ulp_error(got: Any, true: Any, dtype: Any) -> np.ndarray:
    """Measure errors in units of the last place of the true value; a wrong 0, inf, NaN is inf."""
    info = np.finfo(dtype)
    error = np.frompyfunc(lambda g, t: _ulp_error(g, t, info), 2, 1)
    with np.errstate(all="ignore"):
        return np.asarray(error(got, true), dtype=np.float64)

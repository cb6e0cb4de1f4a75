"""What the divergences and entropies beside the main four mean: as NumPy, and as exact numbers.

The two halves are as those of ``reference``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from mpmath import mp, mpf
from reference import (
    FLOOR,
    MP,
    _float,
    _in_base,
    _row_sum,
    _weighted,
    exact_kl_divergence,
    kl_divergence,
    log,
    log_quotient,
    shares,
    total,
    where,
)

_mp_exp: Callable[..., Any] = np.frompyfunc(mp.exp, 1, 1)
_mp_sqrt: Callable[..., Any] = np.frompyfunc(mp.sqrt, 1, 1)

# --- behaviour: NumPy twins ---------------------------------------------------------------------


def js_divergence(p: Any, q: Any, base: float | None = None, normalize: bool = False) -> Any:
    """(KL(p || m) + KL(q || m)) / 2."""
    middle = (_float(p, normalize) + _float(q, normalize)) / 2
    halves = [kl_divergence(_float(x, normalize), middle, base, log_floor=None) for x in (p, q)]
    return np.full_like(halves[0], np.nan) if normalize and not middle.size else sum(halves) / 2


def js_distance(p: Any, q: Any, base: float | None = None, normalize: bool = False) -> Any:
    """Return the root of the JS divergence."""
    return np.sqrt(js_divergence(p, q, base, normalize))


def jeffreys_divergence(
    p: Any, q: Any, base: float | None = None, normalize: bool = False, log_floor: Any = FLOOR
) -> Any:
    """KL(p || q) + KL(q || p)."""
    one = kl_divergence(p, q, base, normalize, log_floor)
    return one + kl_divergence(q, p, base, normalize, log_floor)


def hellinger_distance(p: Any, q: Any, normalize: bool = False) -> Any:
    """Sqrt(sum (sqrt p - sqrt q)^2 / 2)."""
    apart = np.sqrt(_float(p, normalize)) - np.sqrt(_float(q, normalize))
    return np.sqrt(_row_sum(apart**2 / 2, normalize))


def population_stability_index(
    p: Any, q: Any, base: float | None = None, pseudocount: float = 1e-4
) -> Any:
    """Sum (p - q) log(p / q) of shares and a bit."""
    a, b = _float(p, True) + pseudocount, _float(q, True) + pseudocount
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(a == b, 0, (a - b) * (np.log(a) - np.log(b)))
    return _in_base(_row_sum(np.where(np.isnan(a + b), np.nan, terms), True), base)


def brier_score(target: Any, prob: Any) -> Any:
    """Sum (prob - target)^2."""
    return ((_float(prob) - _float(target)) ** 2).sum(-1)


# --- accuracy: exact numbers ---------------------------------------------------------------------


def exact_js_divergence(number: Callable[..., Any], p: Any, q: Any) -> Any:
    """Half the sum of phi(p, m) and phi(q, m)."""
    x, y = number(p), number(q)
    middle = (x + y) * number(0.5)
    kept = [np.asarray(one != 0, bool) for one in (p, q)]
    terms = [
        _weighted(
            number, one, log_quotient(where(k, a, number(1.0)), where(k, middle, number(1.0)))
        )
        - (a - middle)
        for one, a, k in zip((p, q), (x, y), kept, strict=True)
    ]
    return total(terms[0] + terms[1]) * number(0.5)


def exact_jeffreys_divergence(
    number: Callable[..., Any], p: Any, q: Any, log_floor: float | None = FLOOR
) -> Any:
    """KL(p || q) + KL(q || p)."""
    one = exact_kl_divergence(number, p, q, log_floor)
    return one + exact_kl_divergence(number, q, p, log_floor)


def exact_brier_score(number: Callable[..., Any], target: Any, prob: Any) -> Any:
    """Sum (prob - target)^2."""
    difference = number(prob) - number(target)
    return total(difference * difference)


def exact_hellinger_distance(p: Any, q: Any) -> Any:
    """Sqrt(sum (sqrt p - sqrt q)^2 / 2), over MP."""
    return _mp_sqrt(((_mp_sqrt(MP(p)) - _mp_sqrt(MP(q))) ** 2).sum(-1) / 2)


def exact_population_stability_index(p: Any, q: Any, pseudocount: float = 1e-4) -> Any:
    """Sum (p - q) log(p / q) of shares and a bit, over MP."""
    a, b = shares(p) + mpf(pseudocount), shares(q) + mpf(pseudocount)
    return ((a - b) * log(a / b)).sum(-1)


def exact_renyi_entropy(p: Any, alpha: float, tsallis: bool = False) -> Any:
    """Renyi's or Tsallis' entropy of an order, over MP; 0 of a row of zeros."""
    x, e = MP(p), mpf(alpha) - 1
    kept, one = np.asarray(x > 0, bool), mpf(1)
    total = np.where(kept.any(-1), x.sum(-1), one)
    inside = np.where(kept, x, one)
    if alpha == math.inf:
        largest = np.where(kept.any(-1), x.max(-1), one)
        return 0 * total if tsallis else -log(largest)
    if e == 0:
        return -(x * log(inside)).sum(-1) / total
    powers = np.where(kept, inside ** mpf(alpha), mpf(0)).sum(-1) / total
    ratio = np.where(kept.any(-1), powers, one)
    return (1 - ratio) / e if tsallis else -log(ratio) / e


def exact_renyi_divergence(p: Any, q: Any, alpha: float) -> Any:
    """Renyi's divergence of an order, over MP; where q is 0 < p, infinite from order 1 on."""
    x, y, e = MP(p), MP(q), mpf(alpha) - 1
    kept, judged = np.asarray(x > 0, bool), np.asarray(y > 0, bool)
    both, one = kept & judged, mpf(1)
    logs = log(np.where(both, x, one) / np.where(both, y, one))
    total = np.where(kept.any(-1), x.sum(-1), one)
    lost = (kept & ~judged).any(-1) if e >= 0 else kept.any(-1) & ~both.any(-1)
    if alpha == math.inf:
        result = np.where(both, logs, -mp.inf).max(-1)
    elif e == 0:
        result = (x * logs).sum(-1) / total
    else:
        terms = np.where(both, x * _mp_exp(e * logs), mpf(0)).sum(-1) / total
        result = log(np.where(both.any(-1), terms, one)) / e
    result = np.where(kept.any(-1), result, mpf(0))
    return np.where(lost, mp.inf, result)

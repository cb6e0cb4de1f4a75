"""What fastent.special's ufuncs are held against: edge values, draws, exact results."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from mpmath import mp, mpf
from reference import ulp_error

from fastent import _core, special

inf, nan = np.inf, np.nan
UFUNCS = {
    name: getattr(special, name)
    for name in ("entr", "rel_entr", "kl_div", "xlogy", "xlog1py", "expit", "log_expit")
}
_SIZES = [0.0, 5e-324, 1e-310, 2.3e-308, 1e-200, 1e-45, 1e-38, 1e-20, 0.3, 0.5, 2.0, 40.0, 87.5]
_SIZES += [104.0, 710.0, 745.0, 1e10, 1e38, 1e200, 1.7e308, inf]


def edges(dtype: Any) -> np.ndarray:
    """Return numbers of every kind, and their negatives; those around 1 are the dtype's."""
    eps = float(np.finfo(dtype).eps)
    sizes = [*_SIZES, 1 - eps / 2, 1.0, 1 + eps, float(np.finfo(dtype).tiny)]
    with np.errstate(over="ignore", under="ignore"):
        return np.array([*sizes, *(-size for size in sizes), nan]).astype(dtype)


def cross(values: np.ndarray, count: int) -> tuple[np.ndarray, ...]:
    """Return arrays of all combinations of so many of the values."""
    return tuple(np.array(list(itertools.product(values, repeat=count))).T.copy())


# ---- exact results -----------------------------------------------------------------------------


def _kl_div(x: Any, y: Any) -> Any:
    return x * mp.log(x / y) - x + y


EXACT: dict[str, Callable[..., Any]] = {
    "entr": lambda x: -x * mp.log(x),
    "rel_entr": lambda x, y: x * mp.log(x / y),
    "kl_div": _kl_div,
    "xlogy": lambda x, y: x * mp.log(y),
    "xlog1py": lambda x, y: x * mp.log1p(y),
    "expit": lambda x: 1 / (1 + mp.exp(-x)),
    "log_expit": lambda x: -mp.log1p(mp.exp(-x)),
}


def exact(name: str, *arrays: np.ndarray) -> np.ndarray:
    """Return the exact results of finite numbers in the domain."""
    columns = [[mpf(float(x)) for x in array] for array in arrays]
    true = [EXACT[name](*values) for values in zip(*columns, strict=True)]
    return np.array(true, dtype=object)


def errors(name: str, got: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Return errors over what is promised: at most 1 holds.

    Below the normals it is one unit there, or a relative error that is more.
    """
    bound, info = _core.bounds()[name][got.dtype == np.float64], np.finfo(got.dtype)
    found = ulp_error(got, true, got.dtype)
    subnormal = abs(true) < float(info.tiny)
    if bound >= 0.5:
        return found / np.where(subnormal, 1.0, bound)
    size = np.where(subnormal, np.abs(true), 0).astype(float)
    units = bound * (size / float(info.smallest_subnormal))
    return found / np.where(subnormal, np.maximum(1.0, units), bound / float(info.eps))


# ---- draws -------------------------------------------------------------------------------------

Draw = Callable[[np.random.Generator, int, Any], tuple[np.ndarray, ...]]


def uniform(rng: np.random.Generator, n: int, dtype: Any) -> np.ndarray:
    """Draw from (0, 1)."""
    return 1 - rng.random(n)


def any_size(rng: np.random.Generator, n: int, dtype: Any) -> Any:
    """Draw positive numbers, of all exponents alike, subnormal ones too."""
    info = np.finfo(dtype)
    exponents = rng.integers(info.minexp - info.nmant, info.maxexp, n)
    return np.ldexp(1 + rng.random(n) * (exponents >= info.minexp), exponents)


def near(rng: np.random.Generator, x: np.ndarray, dtype: Any) -> Any:
    """Draw numbers beside others, as close as neighbours and as far as half of them."""
    far = np.ldexp(rng.random(x.size), -rng.integers(1, np.finfo(dtype).nmant + 3, x.size))
    return x * (1 + rng.choice([-1, 1], x.size) * far)


def logits(rng: np.random.Generator, n: int, dtype: Any) -> Any:
    """Draw numbers whose exponential is a number, and a few beyond."""
    end = -np.log(float(np.finfo(dtype).smallest_subnormal))
    return rng.choice([end * 1.01, 40.0, 1.0], n) * rng.uniform(-1, 1, n)


def _pairs(rng: np.random.Generator, n: int, dtype: Any) -> tuple[np.ndarray, np.ndarray]:
    x = uniform(rng, n, dtype)
    return x, near(rng, x, dtype)


def _signed(x: np.ndarray, rng: np.random.Generator) -> Any:
    return x * rng.choice([-1.0, 1.0], x.size)


_ONE: dict[str, Draw] = {
    "uniform": lambda *a: (uniform(*a),),
    "any size": lambda *a: (any_size(*a),),
    "near 1": lambda rng, n, dtype: (near(rng, np.ones(n), dtype),),
}
_LOGITS: dict[str, Draw] = {
    "logits": lambda *a: (logits(*a),),
    "any size": lambda rng, n, dtype: (_signed(any_size(rng, n, dtype), rng),),
}
_TWO: dict[str, Draw] = {
    "uniform": lambda *a: (uniform(*a), uniform(*a)),
    "any size": lambda *a: (any_size(*a), any_size(*a)),
    "beside each other": _pairs,
    "beside each other, any size": lambda rng, n, dtype: (
        x := any_size(rng, n, dtype).astype(dtype).astype(float),
        near(rng, x, dtype),
    ),
}
_TIMES_LOG: dict[str, Draw] = {
    "uniform": lambda rng, n, dtype: (rng.uniform(-1, 1, n), uniform(rng, n, dtype)),
    "any size": lambda rng, n, dtype: (
        _signed(any_size(rng, n, dtype), rng),
        any_size(rng, n, dtype),
    ),
    "near 1": lambda rng, n, dtype: (rng.uniform(-9, 9, n), near(rng, np.ones(n), dtype)),
}
_TIMES_LOG1P: dict[str, Draw] = {
    "uniform": lambda rng, n, dtype: (rng.uniform(-1, 1, n), rng.uniform(-0.9999, 1, n)),
    "any size": lambda rng, n, dtype: (
        _signed(any_size(rng, n, dtype), rng),
        any_size(rng, n, dtype),
    ),
    "near 0": lambda rng, n, dtype: (
        rng.uniform(-9, 9, n),
        _signed(np.ldexp(rng.random(n), -rng.integers(1, 60, n)), rng),
    ),
    "near -1": lambda rng, n, dtype: (rng.uniform(-9, 9, n), -near(rng, np.ones(n), dtype)),
}
DRAWS = {
    "entr": _ONE,
    "rel_entr": _TWO,
    "kl_div": _TWO,
    "xlogy": _TIMES_LOG,
    "xlog1py": _TIMES_LOG1P,
    "expit": _LOGITS,
    "log_expit": _LOGITS,
}


def draw(
    name: str, family: str, rng: np.random.Generator, n: int, dtype: Any
) -> tuple[np.ndarray, ...]:
    """Return arguments of the dtype in a ufunc's domain: about as many as asked for."""
    with np.errstate(over="ignore", under="ignore"):
        arrays = tuple(a.astype(dtype) for a in DRAWS[name][family](rng, n, dtype))
    inside = np.logical_and.reduce([np.isfinite(a) for a in arrays])
    if name in ("entr", "rel_entr", "kl_div"):
        inside &= np.logical_and.reduce([a > 0 for a in arrays])
    elif name in ("xlogy", "xlog1py"):
        inside &= arrays[1] > (0 if name == "xlogy" else -1)
    return tuple(a[inside] for a in arrays)

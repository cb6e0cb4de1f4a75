"""Rows to test with: families drawn by a seeded Generator, and Hypothesis strategies.

``ROWS[name](rng, rows, columns, dtype)`` is an array of distributions (or nearly: a family may sum
to less than 1); ``PAIRS[name]`` gives two arrays, the truth and the judged; ``PROBS[name](rng, n,
dtype)`` gives single probabilities; ``LOGITS[name](rng, rows, columns)`` gives rows of logits. A
new family is one function here, and every test uses it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

Array = np.ndarray
Rows = Callable[[np.random.Generator, int, int, Any], Array]
Pairs = Callable[[np.random.Generator, int, int, Any], tuple[Array, Array]]

ROWS: dict[str, Rows] = {}
PAIRS: dict[str, Pairs] = {}


def _shares(weights: Array, dtype: Any) -> Any:
    """Rows divided by their sums, in dtype."""
    return (weights / weights.sum(-1, keepdims=True)).astype(dtype)


def rows_family(function: Rows) -> Rows:
    """Register a family of rows under its name."""
    ROWS[function.__name__] = function
    return function


@rows_family
def softmax(rng: np.random.Generator, rows: int, columns: int, dtype: Any) -> Any:
    """Draw what a classifier gives."""
    return _shares(np.exp(3 * rng.standard_normal((rows, columns))), dtype)


@rows_family
def exponential(rng: np.random.Generator, rows: int, columns: int, dtype: Any) -> Any:
    """Uniform on the simplex."""
    return _shares(rng.standard_exponential((rows, columns)) + 1e-9, dtype)


@rows_family
def sparse(rng: np.random.Generator, rows: int, columns: int, dtype: Any) -> Any:
    """Seven entries of ten are exact zeros."""
    weights = rng.random((rows, columns)) * (rng.random((rows, columns)) < 0.3)
    weights[np.arange(rows), rng.integers(columns, size=rows)] += 0.5
    return _shares(weights, dtype)


@rows_family
def one_hot(rng: np.random.Generator, rows: int, columns: int, dtype: Any) -> Any:
    """Put a single 1."""
    return np.eye(columns, dtype=dtype)[rng.integers(columns, size=rows)]


@rows_family
def uniform(rng: np.random.Generator, rows: int, columns: int, dtype: Any) -> Any:
    """1/n everywhere."""
    return np.full((rows, columns), 1 / columns, dtype=dtype)


@rows_family
def dominant(rng: np.random.Generator, rows: int, columns: int, dtype: Any) -> Any:
    """One entry near 1, the others share 1e-1 to 1e-12."""
    rest = 10.0 ** rng.uniform(-12, -1, (rows, 1))
    weights = rest * _shares(rng.standard_exponential((rows, columns)), np.float64)
    weights[np.arange(rows), rng.integers(columns, size=rows)] = 1 - rest[:, 0]
    return weights.astype(dtype)


@rows_family
def two_values(rng: np.random.Generator, rows: int, columns: int, dtype: Any) -> Any:
    """Entries of two sizes, far apart or near."""
    small = 10.0 ** rng.uniform(-8, 0, (rows, 1))
    return _shares(np.where(rng.random((rows, columns)) < rng.random((rows, 1)), 1.0, small), dtype)


@rows_family
def geometric(rng: np.random.Generator, rows: int, columns: int, dtype: Any) -> Any:
    """1, r, r^2, ... down to 1e-30."""
    powers = np.log(rng.uniform(0.05, 0.999, (rows, 1))) * np.arange(columns)
    return _shares(np.exp(np.maximum(powers, np.log(1e-30))), dtype)


@rows_family
def log_uniform(rng: np.random.Generator, rows: int, columns: int, dtype: Any) -> Any:
    """Thirty decades in one row."""
    return _shares(10.0 ** rng.uniform(-30, 0, (rows, columns)), dtype)


@rows_family
def heavy_tail(rng: np.random.Generator, rows: int, columns: int, dtype: Any) -> Any:
    """Pareto weights: a few entries carry the row."""
    return _shares(rng.pareto(0.7, (rows, columns)) + 1e-6, dtype)


@rows_family
def ascending(rng: np.random.Generator, rows: int, columns: int, dtype: Any) -> Any:
    """Sorted, smallest first: the worst order for a running sum."""
    return np.sort(log_uniform(rng, rows, columns, dtype), axis=-1)


@rows_family
def scaled(rng: np.random.Generator, rows: int, columns: int, dtype: Any) -> Any:
    """Rows whose sums are well below 1."""
    return (exponential(rng, rows, columns, np.float64) * rng.uniform(1e-3, 0.9, (rows, 1))).astype(
        dtype
    )


@rows_family
def near_half(rng: np.random.Generator, rows: int, columns: int, dtype: Any) -> Any:
    """Entries in [0.3, 1]: sums far above 1, where the logarithm is near 0 or -1."""
    return rng.uniform(0.3, 1, (rows, columns)).astype(dtype)


@rows_family
def subnormal(rng: np.random.Generator, rows: int, columns: int, dtype: Any) -> Any:
    """Nothing but subnormal numbers."""
    return (rng.integers(1, 2**20, (rows, columns)) * np.finfo(dtype).smallest_subnormal).astype(
        dtype
    )


@rows_family
def subnormal_mixed(rng: np.random.Generator, rows: int, columns: int, dtype: Any) -> Any:
    """Every third entry is subnormal."""
    rare = rng.random((rows, columns)) < 1 / 3
    return np.where(rare, subnormal(rng, rows, columns, dtype), softmax(rng, rows, columns, dtype))


@rows_family
def near_floor(rng: np.random.Generator, rows: int, columns: int, dtype: Any) -> Any:
    """Every third entry is within 5% of e^-100, where the default clamp begins."""
    rare = rng.random((rows, columns)) < 1 / 3
    low = np.exp(rng.uniform(-100.05, -99.95, (rows, columns)))
    return np.where(rare, low, softmax(rng, rows, columns, np.float64)).astype(dtype)


def counts(rng: np.random.Generator, rows: int, columns: int, dtype: Any) -> Any:
    """Whole numbers, some zero, at least one above: what normalize=True is for."""
    weights = rng.integers(0, 1000, (rows, columns)) * (rng.random((rows, columns)) < 0.8)
    weights[:, 0] += 1
    return weights.astype(dtype)


def nearly_one_hot(rng: np.random.Generator, rows: int, columns: int, dtype: Any) -> Any:
    """Put a count of 1e3 to 1e6 beside a few of 1e-20 to 1: the entropy is tiny."""
    weights = 10.0 ** rng.uniform(-20, 0, (rows, columns))
    weights[:, -1] = 10.0 ** rng.uniform(3, 6, rows)
    return weights.astype(dtype)


def huge(rng: np.random.Generator, rows: int, columns: int, dtype: Any) -> Any:
    """Draw weights as large as a double's sum of them can be (a float's may be beyond a float)."""
    largest = np.finfo(np.float64).max / columns if dtype == np.float64 else np.finfo(dtype).max
    return rng.uniform(0.1, 1, (rows, columns)).astype(dtype) * dtype(largest)


WEIGHTS: dict[str, Rows] = {
    **{
        name: ROWS[name]
        for name in ("softmax", "sparse", "one_hot", "uniform", "log_uniform", "subnormal")
    },
    "counts": counts,
    "nearly_one_hot": nearly_one_hot,
    "huge": huge,
}


def near_pair(
    closeness: float,
    rng: np.random.Generator,
    rows: int,
    columns: int,
    dtype: Any,
) -> Any:
    """Draw a row and the same row with every entry moved by about closeness."""
    p = _shares(np.exp(rng.standard_normal((rows, columns))), np.float64)
    q = p * (1 + closeness * rng.uniform(-1, 1, (rows, columns)))
    return p.astype(dtype), _shares(q, dtype)


def neighbour_pair(rng: np.random.Generator, rows: int, columns: int, dtype: Any) -> Any:
    """Entries that differ by at most one unit in the last place."""
    p = softmax(rng, rows, columns, dtype)
    return p, np.nextafter(p, rng.integers(0, 2, p.shape).astype(dtype))


def _with_softmax(family: Rows, judged: bool) -> Pairs:
    """Put a family on one side, softmax on the other."""

    def pair(rng: np.random.Generator, rows: int, columns: int, dtype: Any) -> Any:
        one, other = family(rng, rows, columns, dtype), softmax(rng, rows, columns, dtype)
        return (other, one) if judged else (one, other)

    return pair


def sparse_both(rng: np.random.Generator, rows: int, columns: int, dtype: Any) -> Any:
    """Zeros on both sides, some of them together, some clamped."""
    return sparse(rng, rows, columns, dtype), sparse(rng, rows, columns, dtype)


CLOSENESS = [10.0**-k for k in range(1, 8)]
PAIRS |= {f"{name}|softmax": _with_softmax(ROWS[name], judged=False) for name in ROWS}
PAIRS |= {
    f"softmax|{name}": _with_softmax(ROWS[name], judged=True)
    for name in ("one_hot", "sparse", "dominant", "log_uniform", "near_floor", "subnormal_mixed")
}
PAIRS |= {f"near {c:.0e}": functools.partial(near_pair, c) for c in [*CLOSENESS, 1e-10, 1e-14]}
PAIRS |= {"neighbours": neighbour_pair, "sparse|sparse": sparse_both}


def _dyadic(rng: np.random.Generator, n: int, dtype: Any) -> Any:
    """Multiples of 2^-10, with both ends."""
    return (rng.integers(0, 1025, n) / 1024).astype(dtype)


PROBS: dict[str, Callable[[np.random.Generator, int, Any], Array]] = {
    "uniform": lambda rng, n, dtype: rng.uniform(1e-9, 1, n).astype(dtype),
    "near 1": lambda rng, n, dtype: (1 - 10.0 ** rng.uniform(-16, -1, n)).astype(dtype),
    "near 1/2": lambda rng, n, dtype: rng.uniform(0.45, 0.55, n).astype(dtype),
    "tiny": lambda rng, n, dtype: np.maximum(
        10.0 ** rng.uniform(np.log10(float(np.finfo(dtype).tiny)), 0, n), np.finfo(dtype).tiny
    ).astype(dtype),
    "subnormal": lambda rng, n, dtype: subnormal(rng, 1, n, dtype)[0],
    "near the floor": lambda rng, n, dtype: np.exp(rng.uniform(-100.05, -99.95, n)).astype(dtype),
    "dyadic": _dyadic,
    "hard": lambda rng, n, dtype: rng.integers(0, 2, n).astype(dtype),
}


def _ahead(rng: np.random.Generator, rows: int, n: int, most: float = 90) -> Any:
    """Rows of 0 with one entry 0 to `most` larger."""
    x = np.zeros((rows, n))
    x[np.arange(rows), rng.integers(0, n, rows)] = most * rng.random(rows)
    return x


LOGITS: dict[str, Callable[[np.random.Generator, int, int], Any]] = {
    "ordinary": lambda rng, rows, n: 3 * rng.standard_normal((rows, n)),
    "wide": lambda rng, rows, n: 40 * rng.standard_normal((rows, n)),
    "equal": lambda rng, rows, n: np.repeat(rng.standard_normal((rows, 1)), n, axis=1),
    "one ahead": lambda rng, rows, n: _ahead(rng, rows, n) + 1e-3 * rng.random((rows, n)),
    "one ahead of equals": lambda rng, rows, n: _ahead(rng, rows, n),
    "two ahead": lambda rng, rows, n: np.maximum(_ahead(rng, rows, n), _ahead(rng, rows, n)),
    "peaked": lambda rng, rows, n: _ahead(rng, rows, n, 200) + rng.standard_normal((rows, n)),
    "ascending": lambda rng, rows, n: np.sort(5 * rng.standard_normal((rows, n)), axis=1),
    "offset": lambda rng, rows, n: rng.standard_normal((rows, n)) + rng.choice([-1e4, 1e4]),
    "huge": lambda rng, rows, n: 1e9 * rng.standard_normal((rows, n)),
    "masked": lambda rng, rows, n: np.where(
        rng.random((rows, n)) < 0.5, -np.inf, 4 * rng.standard_normal((rows, n))
    ),
}

# --- Hypothesis ----------------------------------------------------------------------------------

DTYPES = [np.float32, np.float64]
dtypes = st.sampled_from(DTYPES)
seeds = st.integers(0, 2**32 - 1)
columns = st.one_of(st.integers(1, 40), st.integers(41, 300))


@st.composite
def distributions(draw: Any, families: tuple[str, ...] = tuple(ROWS)) -> Any:
    """Draw one array of a few rows of any family."""
    family, rng = ROWS[draw(st.sampled_from(families))], np.random.default_rng(draw(seeds))
    return family(rng, draw(st.integers(1, 4)), draw(columns), draw(dtypes))


@st.composite
def pairs(draw: Any, families: tuple[str, ...] = tuple(PAIRS)) -> Any:
    """Draw two arrays of a few rows of any family of pairs."""
    family, rng = PAIRS[draw(st.sampled_from(families))], np.random.default_rng(draw(seeds))
    return family(rng, draw(st.integers(1, 4)), draw(columns), draw(dtypes))


@st.composite
def probabilities(draw: Any) -> Any:
    """Draw a vector of probabilities of any family."""
    family, rng = PROBS[draw(st.sampled_from(tuple(PROBS)))], np.random.default_rng(draw(seeds))
    return family(rng, draw(columns), draw(dtypes))


@st.composite
def logits(draw: Any, families: tuple[str, ...] = tuple(LOGITS)) -> Any:
    """Draw one array of a few rows of logits of any family."""
    family, rng = LOGITS[draw(st.sampled_from(families))], np.random.default_rng(draw(seeds))
    return family(rng, draw(st.integers(1, 4)), draw(columns)).astype(draw(dtypes))

"""Divergences, distances and orders: edges against the NumPy twins, laws, limits, errors, Dask."""

from __future__ import annotations

import functools
import inspect
import itertools
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import reference_family as reference
from family import FAMILY
from hypothesis import assume, given
from hypothesis import strategies as st
from reference import MP, exact_total_variation_distance, shares
from strategies import distributions, pairs

import fastent as fe

pytestmark = pytest.mark.usefixtures("isa")

inf, nan, log2 = math.inf, math.nan, math.log(2)
ORDERS = (0, 0.3, 1, 1.01, 2, 40, inf)
SPECIAL = [0.0, -0.0, 5e-324, 1e-310, 1e-50, 1e-44, 1e-9, 0.3, 1.0, 2.5, nan, -1e-9, -1.0]
OF_PAIRS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "js_divergence": (fe.js_divergence, reference.js_divergence),
    "js_distance": (fe.js_distance, reference.js_distance),
    "jeffreys_divergence": (fe.jeffreys_divergence, reference.jeffreys_divergence),
    "hellinger_distance": (fe.hellinger_distance, reference.hellinger_distance),
    "brier_score": (fe.brier_score, reference.brier_score),
}


@pytest.mark.parametrize("name", OF_PAIRS)
@pytest.mark.parametrize("width", [1, 2, 17])
def test_every_pair_of_special_values(name: str, width: int) -> None:
    """Beside entries that are alike: the twins' values, or both NaN, or both infinite."""
    function, twin = OF_PAIRS[name]
    both = np.array(list(itertools.product(SPECIAL, SPECIAL)))
    p, q = (np.full((len(both), width), 0.25) for _ in range(2))
    p[:, width // 2], q[:, width // 2] = both.T
    with np.errstate(all="ignore"):
        got, want = function(p, q), twin(p, q)
    np.testing.assert_allclose(got, want, rtol=1e-13, atol=1e-15)
    assert not np.signbit(got[got == 0]).any()
    assert (np.isnan(got) == (np.isnan(p + q) | (p < 0) | (q < 0)).any(-1)).all()
    assert (np.nan_to_num(got) >= 0).all()
    assert (got[(p == q).all(-1) & ~np.isnan(got)] == 0).all()


@pytest.mark.parametrize("order", [*ORDERS, 1 + 1e-9])
@pytest.mark.parametrize("width", [1, 2, 17])
def test_orders_of_special_values(order: float, width: int) -> None:
    """The same of measures of an order, against exact numbers."""
    both = np.array(list(itertools.product(SPECIAL, SPECIAL)))
    p, q = (np.full((len(both), width), 0.25) for _ in range(2))
    p[:, width // 2], q[:, width // 2] = both.T
    cases: tuple[tuple[Any, tuple[np.ndarray, ...], Any], ...] = (
        (fe.renyi_entropy, (p,), reference.exact_renyi_entropy),
        (fe.tsallis_entropy, (p,), functools.partial(reference.exact_renyi_entropy, tsallis=True)),
        (fe.renyi_divergence, (p, q), reference.exact_renyi_divergence),
    )
    for function, arrays, twin in cases:
        with np.errstate(all="ignore"):
            got = function(*arrays, order)
        good = np.all([(x >= 0).all(-1) for x in arrays], axis=0)
        assert (np.isnan(got) == ~good).all()
        assert not np.signbit(got[got == 0]).any()
        want = np.asarray(twin(*(x[good] for x in arrays), order), dtype=np.float64)
        far = np.isinf(want)
        apart = 0.0
        if len(arrays) == 2:
            apart = abs(MP(p[good]).sum(-1) - MP(q[good]).sum(-1)).astype(float)
        np.testing.assert_array_equal(got[good][far], want[far])
        with np.errstate(all="ignore"):
            relative = np.nan_to_num(apart / p.sum(-1)[good])
        scale = np.abs(want) + relative
        with np.errstate(invalid="ignore"):
            error = np.abs(got[good] - want)[~far]
        # exact numbers have 120 digits, the entries' exponents reach further apart
        assert (error <= 1e-13 * scale[~far] + 1e-60).all(), function.__name__


@pytest.mark.parametrize("name", FAMILY)
def test_rows_of_nothing(name: str) -> None:
    """0 of empty rows, NaN of normalised ones; an empty result of no rows."""
    function = FAMILY[name]
    normalized = name.endswith("normalize") or name == "population_stability_index"
    empty = np.zeros((3, 0))
    np.testing.assert_array_equal(function(empty, empty), np.full(3, nan if normalized else 0.0))
    assert function(np.zeros((0, 3)), np.zeros((0, 3))).shape == (0,)


@pytest.mark.parametrize("name", FAMILY)
def test_invalid_once(name: str) -> None:
    """A negative entry is one warning under the function's name; NaN is none."""
    p = np.array([[0.5, -0.5], [0.25, 0.75], [nan, 0.5]])
    public = name.split()[0]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        got = FAMILY[name](p, np.full(2, 0.5))
    assert [str(w.message) for w in caught] == [f"invalid value encountered in {public}"]
    assert np.isnan(got).tolist() == [True, False, True]


CASES: list[tuple[Any, Any]] = [
    (lambda: fe.js_divergence([1.0, 0], [0.0, 1]), log2),
    (lambda: fe.js_divergence([3, 0], [0, 5], normalize=True, base=2), 1),
    (lambda: fe.js_divergence([0.0, 0], [0.0, 0]), 0),
    (lambda: fe.js_distance([1.0, 0], [0.0, 1], base=4), math.sqrt(0.5)),
    (lambda: fe.jeffreys_divergence([1.0, 0], [0.0, 1]), 200 + 2 * math.exp(-100)),
    (lambda: fe.jeffreys_divergence([1.0, 0], [0.0, 1], log_floor=None), inf),
    (lambda: fe.jeffreys_divergence([2, 2], [1, 3], normalize=True), 0.25 * math.log(3)),
    (lambda: fe.hellinger_distance([1.0, 0], [0.0, 1]), 1),
    (lambda: fe.hellinger_distance([4, 0], [4, 0], normalize=True), 0),
    (lambda: fe.population_stability_index([1, 0], [0, 1]), 2 * math.log(10001)),
    (lambda: fe.population_stability_index([1, 0], [0, 1], pseudocount=0), inf),
    (lambda: fe.population_stability_index([1, 1], [0, 0]), nan),
    (
        lambda: fe.population_stability_index([5, 5], [0.25, 0.75], pseudocount=0),
        log2 * 0 + 0.25 * math.log(3),
    ),
    (lambda: fe.renyi_entropy([0.5, 0.5, 0], 0, base=2), 1),
    (lambda: fe.renyi_entropy([1.0, 0], inf), 0),
    (lambda: fe.renyi_entropy([0.5, 0.25, 0.25], inf, base=2), 1),
    (lambda: fe.renyi_entropy([0.0, 0], 2), 0),
    (lambda: fe.renyi_entropy([0, 0], 2, normalize=True), nan),
    (lambda: fe.renyi_entropy([2, 2], 2, normalize=True), log2),
    (lambda: fe.renyi_entropy([1e-300, 1.0], 0), math.log(2)),
    (lambda: fe.renyi_entropy([0.25] * 4, 1e300, base=2), 2),
    (lambda: fe.tsallis_entropy([0.5, 0.5], 2), 0.5),
    (lambda: fe.tsallis_entropy([0.25] * 4, 0), 3),
    (lambda: fe.tsallis_entropy([0.25] * 4, inf), 0),
    (lambda: fe.renyi_divergence([0.5, 0.5], [0.5, 0.5], 7), 0),
    (lambda: fe.renyi_divergence([1.0, 0], [0.0, 1], 0.5), inf),
    (lambda: fe.renyi_divergence([0.5, 0.5], [1.0, 0], 0.5), log2),
    (lambda: fe.renyi_divergence([0.5, 0.5], [1.0, 0], 1), inf),
    (lambda: fe.renyi_divergence([1.0, 0], [0.25, 0.75], inf, base=2), 2),
    (lambda: fe.renyi_divergence([1.0, 0], [0.25, 0.75], 0, base=2), 2),
    (lambda: fe.renyi_divergence([2, 0], [1, 3], 5, normalize=True, base=2), 2),
]


@pytest.mark.parametrize("number", range(len(CASES)))
def test_edges(number: int) -> None:
    """Values that the definitions give."""
    call, want = CASES[number]
    np.testing.assert_allclose(call(), want, rtol=1e-14, atol=0)


# --- laws -----------------------------------------------------------------------------------------


@given(pairs())
def test_symmetric(pq: tuple[np.ndarray, np.ndarray]) -> None:
    """The same bits whichever comes first."""
    for name in ("js_divergence", "js_distance", "jeffreys_divergence", "hellinger_distance"):
        function = FAMILY[name]
        np.testing.assert_array_equal(function(*pq), function(*pq[::-1]))


@given(pairs(), st.booleans())
def test_ranges(pq: tuple[np.ndarray, np.ndarray], normalize: bool) -> None:
    """JS within log 2 and Hellinger within 1, Pinsker's and Le Cam's inequalities."""
    p, q = (x.astype(np.float64) for x in pq)
    assume((p.sum(-1) > 0).all() and (q.sum(-1) > 0).all())
    if not normalize:
        p, q = (x / x.sum(-1, keepdims=True) for x in (p, q))
    js = fe.js_divergence(p, q, normalize=normalize)
    hellinger = fe.hellinger_distance(p, q, normalize=normalize)
    distance = fe.total_variation_distance(p, q, normalize=normalize)
    assert ((js >= 0) & (js <= log2)).all()
    assert ((hellinger >= 0) & (hellinger <= 1)).all()
    assert (hellinger**2 <= distance * (1 + 1e-14)).all()
    assert (distance <= math.sqrt(2) * hellinger * (1 + 1e-14)).all()
    assert (js <= distance * log2 * (1 + 1e-13)).all()


@given(distributions(("softmax", "exponential", "dominant", "sparse", "one_hot")))
def test_orders_descend(p: np.ndarray) -> None:
    """Renyi's entropy falls as the order grows, from log of the support to -log of the largest."""
    p = p.astype(np.float64) / p.astype(np.float64).sum(-1, keepdims=True)
    values = [fe.renyi_entropy(p, a) for a in (0, 0.2, 0.9, 1, 1.1, 2, 5, 100, inf)]
    for more, less in itertools.pairwise(values):
        assert (less <= more * (1 + 1e-12) + 1e-15).all()
    np.testing.assert_allclose(values[0], np.log((p > 0).sum(-1)), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(values[3], fe.entropy(p), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(values[-1], -np.log(p.max(-1)), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("order", [1 - 1e-6, 1 - 1e-9, 1 - 1e-15, 1 + 1e-15, 1 + 1e-9, 1 + 1e-6])
def test_near_order_1(order: float, dtype: Any, rng: np.random.Generator) -> None:
    """Continuous: the entropy and the plain KL, but for the derivative's part."""
    p, q = rng.dirichlet(np.ones(100), (2, 50)).astype(dtype).astype(np.float64)
    tolerance = 20 * abs(order - 1) + 1e-13
    sums = p.sum(-1)
    np.testing.assert_allclose(fe.renyi_entropy(p, order), fe.entropy(p) / sums, rtol=tolerance)
    np.testing.assert_allclose(fe.tsallis_entropy(p, order), fe.entropy(p) / sums, rtol=tolerance)
    plain = fe.kl_divergence(p, q, generalized=False) / sums
    np.testing.assert_allclose(fe.renyi_divergence(p, q, order), plain, rtol=tolerance)


def test_half_order_is_hellinger(rng: np.random.Generator) -> None:
    """D_1/2 = -2 log(1 - H^2), however close."""
    p = rng.dirichlet(np.ones(30), 20)
    for distance in (1, 1e-3, 1e-6):
        q = p * (1 + distance * rng.uniform(-0.5, 0.5, p.shape))
        h = fe.hellinger_distance(p, q, normalize=True)
        d = fe.renyi_divergence(p, q, 0.5, normalize=True)
        np.testing.assert_allclose(d, -2 * np.log1p(-(h**2)), rtol=1e-11)


def test_index_of_the_whole_library(rng: np.random.Generator) -> None:
    """The stability index is Jeffreys' divergence of shares with a bit more."""
    p, q = rng.integers(0, 50, (2, 40, 12)) + np.eye(12, dtype=int)[0]
    a, b = (x / x.sum(-1, keepdims=True) + 1e-4 for x in (p, q))
    got = fe.population_stability_index(p, q)
    np.testing.assert_allclose(got, fe.jeffreys_divergence(a, b), rtol=1e-11)


# --- long rows, errors, Dask ---------------------------------------------------------------------


@pytest.mark.parametrize("name", FAMILY)
def test_long_rows(name: str, dtype: Any, rng: np.random.Generator) -> None:
    """Many leaves and segments: as float64 of the same numbers."""
    p, q = rng.dirichlet(np.ones(100_003) / 2, (2, 2)).astype(dtype) + dtype(1e-30)
    got, want = FAMILY[name](p, q), FAMILY[name](*(x.astype(np.float64) for x in (p, q)))
    assert got.dtype == dtype
    np.testing.assert_allclose(got, want, rtol=1e-6 if dtype == np.float32 else 0)


@pytest.mark.parametrize("function", [fe.renyi_entropy, fe.tsallis_entropy])
def test_orders_that_are_none(function: Any) -> None:
    """What and where."""
    name = list(inspect.signature(function).parameters)[1]
    for order in (-0.5, nan):
        with pytest.raises(ValueError, match=rf"{name} must be 0 or more \(1 and inf are limits\)"):
            function([0.5, 0.5], order)
    for other in ("2", None, [1, 2]):
        with pytest.raises(TypeError, match=f"{name} must be a number"):
            function([0.5, 0.5], other)


def test_pseudocounts_that_are_none() -> None:
    """What is added is a number from 0 on."""
    for value in (-1, nan, inf):
        with pytest.raises(ValueError, match="pseudocount must be a finite number from 0 on"):
            fe.population_stability_index([1, 2], [2, 1], pseudocount=value)
    with pytest.raises(TypeError, match="pseudocount must be a number"):
        fe.population_stability_index([1, 2], [2, 1], pseudocount="1")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", FAMILY)
def test_keywords_and_dask(name: str, rng: np.random.Generator) -> None:
    """Axes, results in place, means; Dask arrays stay lazy."""
    da = pytest.importorskip("dask.array")
    p, q = rng.dirichlet(np.ones(6), (2, 8, 5))
    function = FAMILY[name]
    want = function(p, q)
    out = np.empty(want.shape)
    assert function(p, q, out=out) is out
    np.testing.assert_array_equal(out, want)
    np.testing.assert_array_equal(function(p, q, keepdims=True)[..., 0], want)
    turned = function(np.moveaxis(p, -1, 0), np.moveaxis(q, -1, 0), axis=0)
    np.testing.assert_array_equal(turned, want)
    assert function(p, q, reduction="mean") == pytest.approx(want.mean(), rel=1e-14)
    lazy = function(*(da.from_array(x, chunks=(3, 2, -1)) for x in (p, q)))
    assert isinstance(lazy, da.Array)
    np.testing.assert_array_equal(lazy.compute(), want)
    with pytest.raises(ValueError, match=r"sums to|holds -"):
        function(p - 1, q, check=True)


@pytest.mark.parametrize("normalize", [False, True])
def test_hellinger_of_entries_that_err_most(
    normalize: bool, dtype: Any, rng: np.random.Generator
) -> None:
    """Two entries, one of them alone in the sum: roundings that do not average out."""
    n = 200_000 if dtype == np.float32 else 2000  # of these mpmath is slow
    one, other = rng.random((2, n, 1))
    p = np.hstack([1 - 0.05 * one, 0.05 * one]).astype(dtype)
    q = np.hstack([1 - other, other]).astype(dtype)
    if normalize:
        p, q = (x * rng.random((n, 1)).astype(dtype) for x in (p, q))
    if dtype == np.float32:
        a, b = (x.astype(float) for x in (p, q))
        if normalize:
            a, b = (x / x.sum(-1, keepdims=True) for x in (a, b))
        true = np.sqrt(((a - b) ** 2 / (a + b + 2 * np.sqrt(a * b))).sum(-1) / 2)
    else:
        true = reference.exact_hellinger_distance(*(shares(x) if normalize else x for x in (p, q)))
    got = fe.hellinger_distance(p, q, normalize=normalize)
    error = np.abs(got - true) / np.spacing(np.asarray(true, dtype))
    assert error.max() <= fe._core.bounds()["hellinger_distance"][dtype == np.float64]


@pytest.mark.parametrize("name", ["hellinger_distance", "total_variation_distance", "js_distance"])
@pytest.mark.parametrize("width", [1, 40])
def test_rows_of_the_smallest_numbers(name: str, width: int, dtype: Any) -> None:
    """Rows that hold nothing but tiny or subnormal entries keep their distance."""
    info = np.finfo(dtype)
    least = info.minexp - info.nmant if dtype == np.float32 else info.minexp + 2
    for exponent in range(least, 0, 7 if dtype == np.float32 else 60):
        p = np.full((6, width), np.ldexp(dtype(1), exponent))
        q = p * np.array([[0.0], [1 / 3], [0.5], [0.75], [1.5], [3]], dtype)
        if name == "total_variation_distance":
            true = exact_total_variation_distance(MP, p, q)
        elif name == "hellinger_distance":
            true = reference.exact_hellinger_distance(p, q)
        else:
            true = reference.exact_js_divergence(MP, p, q) ** MP(0.5)
        unit = true if name == "js_distance" else np.spacing(np.asarray(true, dtype))
        bound = fe._core.bounds()[name][dtype == np.float64]
        error = abs(getattr(fe, name)(p, q) - true)
        assert (error <= bound * unit).all(), exponent

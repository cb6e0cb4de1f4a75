"""Entropy from counts: corrections against published formulas and the truth; pseudocounts."""

from __future__ import annotations

import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from mpmath import mp, mpf
from zoo import ZOO

import fastent as fe
from fastent._counts import log_less_g

nan, inf = np.nan, np.inf


@pytest.fixture(autouse=True)
def many_digits() -> Iterator[None]:
    """Compute exact numbers to 60 digits."""
    with mp.workdps(60):
        yield


# --- the published formulas, as they are written --------------------------------------------------


def plain(counts: Any) -> Any:
    """-sum n/N log n/N."""
    total = mp.fsum(counts)
    return -mp.fsum(n / total * mp.log(n / total) for n in counts if n)


def miller_madow(counts: Any) -> Any:
    """Miller 1955: H + (m - 1)/(2N)."""
    return plain(counts) + mpf(sum(n > 0 for n in counts) - 1) / (2 * mp.fsum(counts))


def g(n: int) -> Any:
    """Grassberger 2003, by the digamma function."""
    half = mp.digamma(mpf(n + 1) / 2) - mp.digamma(mpf(n) / 2)
    return mp.digamma(n) + mpf(-1) ** n / 2 * half


def grassberger(counts: Any) -> Any:
    """Log N - sum n G(n)/N."""
    total = mp.fsum(counts)
    return mp.log(total) - mp.fsum(n * g(int(n)) for n in counts if n) / total


def chao_shen(counts: Any) -> Any:
    """Chao and Shen 2003; f = N counts as f = N - 1."""
    total, single = mp.fsum(counts), sum(n == 1 for n in counts)
    coverage = 1 - mpf(single - 1 if single == total else single) / total
    shares = [coverage * n / total for n in counts if n]
    return -mp.fsum(p * mp.log(p) / (1 - (1 - p) ** total) for p in shares)


PUBLISHED: dict[str, Callable[[Any], Any]] = {
    "miller-madow": miller_madow,
    "grassberger": grassberger,
    "chao-shen": chao_shen,
}
every_correction = pytest.mark.parametrize("name", PUBLISHED)
KEYWORDS: list[dict[str, Any]] = [{"bias_correction": name} for name in PUBLISHED]
KEYWORDS += [{"pseudocount": 0.5}]
every_keyword = pytest.mark.parametrize("keyword", KEYWORDS, ids=str)


def estimate(counts: Any, **keywords: Any) -> Any:
    """Return the entropy of counts."""
    return fe.entropy(counts, normalize=True, **keywords)


def near(got: Any, want: Any, bound: float = 1e-13) -> None:
    """Compare with an exact number, relatively."""
    assert abs(mpf(float(got)) - want) <= bound * abs(want), (got, want)


ROWS: list[list[int]] = [
    [4, 2, 3, 0, 2, 4, 0, 0, 2, 1, 1],
    [1],
    [2],
    [62],
    [63, 0],
    [1, 1],
    [1, 1, 1, 1],
    [2, 1, 1],
    [3, 0, 1],
    [64, 65, 66, 63, 1],
    [1000, 1001, 999, 2],
    [10**15, 1],  # nearly one-hot
    [10**15, 1, 2, 0, 3],
    [10**15 + 1, 10**15],
]


@every_correction
@pytest.mark.usefixtures("isa")
def test_published_formulas(name: str, rng: np.random.Generator) -> None:
    """To a relative 1e-13, nearly one-hot rows too."""
    rows = [*ROWS]
    for size in (5, 40, 3000):
        rows += rng.multinomial(size, rng.dirichlet(np.full(30, 0.3)), 5).tolist()
    for counts in rows:
        want = PUBLISHED[name]([mpf(n) for n in counts])
        near(estimate(counts, bias_correction=name), want)
        near(estimate(counts, bias_correction=name, base=2), want / mp.log(2))
        near(estimate(np.array(counts, np.float64), bias_correction=name), want)
        if max(counts) < 2**24:
            near(estimate(np.array(counts, np.float32), bias_correction=name), want, 1e-7)


def test_values_by_hand() -> None:
    """Rows whose estimates can be written down."""
    log2, gamma = np.log(2), np.euler_gamma
    by_hand: list[tuple[Any, list[int], float]] = [
        ("miller-madow", [1, 1, 2], 1.5 * log2 + 2 / 8),
        ("miller-madow", [7, 0, 0], 0),
        ("grassberger", [1], gamma + log2),  # G(1) = -gamma - log 2
        ("grassberger", [2], 2 * log2 + gamma - 2),  # G(2) = 2 + G(1)
        ("grassberger", [3], np.log(6) + gamma - 2),  # G(3) = G(2)
        ("grassberger", [4], 3 * log2 + gamma - 8 / 3),  # G(4) = G(2) + 2/3
        ("grassberger", [1, 1], 2 * log2 + gamma),
        ("chao-shen", [5, 0], 0),
        ("chao-shen", [1], 0),
        ("chao-shen", [2, 2], log2 / (1 - 1 / 16)),
        ("chao-shen", [1, 1], 0.5 * np.log(4) / (1 - 9 / 16)),  # f = N: C = 1/2
        ("chao-shen", [2, 1, 1], 0.25 * log2 * (2 / (1 - 0.75**4) + 3 / (1 - (7 / 8) ** 4))),
    ]
    for name, counts, want in by_hand:
        got = estimate(counts, bias_correction=name)
        assert got == pytest.approx(want, rel=1e-14, abs=1e-15), (name, counts)
        assert not np.signbit(got) or got < 0
    assert estimate([3, 0], pseudocount=1) == pytest.approx(-0.8 * np.log(0.8) - 0.2 * np.log(0.2))


def test_grassberger_g() -> None:
    """Log n - G(n) to 1e-15 of itself: table, series and where they meet; the recurrence."""
    numbers = [*range(1, 200), 1000, 1001, 10**6, 10**6 + 1, 10**12 + 1, 2**53 - 1, 2**53]
    got = log_less_g(np.array(numbers, np.float64))
    for n, value in zip(numbers, got, strict=True):
        near(value, mp.log(n) - g(n), 1e-15)
    few = np.arange(1.0, 60)
    np.testing.assert_array_equal(log_less_g(few), got[:59])  # without the series
    values = np.log(few) - log_less_g(few)
    np.testing.assert_allclose(values[2::2], values[1:-1:2], rtol=1e-14)
    np.testing.assert_allclose(
        np.diff(values[1::2]), 2 / few[2::2][: len(few) // 2 - 1], rtol=1e-12
    )
    assert log_less_g(np.zeros(1)) == 0


# --- against the truth ----------------------------------------------------------------------------

TRUTHS: dict[str, Any] = {
    "uniform": np.full(100, 0.01),
    "Zipf": (1 / np.arange(1, 201)) / (1 / np.arange(1, 201)).sum(),
    "Dirichlet": np.random.default_rng(7).dirichlet(np.full(150, 0.5)),
}


@every_correction
@pytest.mark.parametrize("truth", TRUTHS)
@pytest.mark.parametrize("size", [50, 200, 1000])
def test_less_bias(name: str, truth: str, size: int) -> None:
    """Corrected estimates are nearer to the entropy of what the samples were drawn from."""
    samples = np.random.default_rng(size).multinomial(size, TRUTHS[truth], 1000)
    entropy = fe.entropy(TRUTHS[truth])
    bias, corrected = (
        estimate(samples, reduction="mean", bias_correction=correction) - entropy
        for correction in (None, name)
    )
    assert bias < 0
    assert abs(corrected) < abs(bias), (entropy, bias, corrected)


# --- pseudocounts ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("isa")
def test_pseudocounts(rng: np.random.Generator) -> None:
    """The entropy of counts with that much more in every entry."""
    rows = [*ROWS, *rng.multinomial(50, rng.dirichlet(np.full(30, 0.3)), 5).tolist()]
    for pseudocount in (1e-6, 0.5, 1, 3.25):
        for counts in rows:
            want = plain([mpf(n) + mpf(pseudocount) for n in counts])
            near(estimate(counts, pseudocount=pseudocount), want)
            near(estimate(counts, pseudocount=pseudocount, base=2), want / mp.log(2))
    assert estimate([0, 0, 0], pseudocount=1) == np.log(3)
    assert estimate([0, 0, 0], pseudocount=1, check=True) == np.log(3)
    weights = rng.random((20, 7))  # no whole numbers are needed
    got = estimate(weights, pseudocount=0.1)
    np.testing.assert_allclose(got, estimate(weights + 0.1), rtol=1e-14)
    np.testing.assert_array_equal(estimate(weights, pseudocount=0), estimate(weights))
    np.testing.assert_array_equal(estimate(weights, pseudocount=0.0), estimate(weights))


# --- edges ----------------------------------------------------------------------------------------


@every_keyword
def test_edges(keyword: dict[str, Any]) -> None:
    """NaN in silence where there is nothing to divide by, or a NaN; results of the right type."""
    zeros = nan if "bias_correction" in keyword else np.log(2)
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        np.testing.assert_array_equal(estimate([0, 0], **keyword), zeros)
        for bad in ([], [nan, 1.0], [inf, 1.0], [1e308, 1e308]):
            assert np.isnan(estimate(bad, **keyword))
        assert estimate(np.zeros((0, 3)), **keyword).shape == (0,)
        assert np.isnan(estimate(np.zeros((3, 0)), **keyword)).all()
        assert estimate(np.zeros((0, 3)), reduction="sum", **keyword) == 0
        assert np.isnan(estimate(np.zeros((0, 3)), reduction="mean", **keyword))
        one = estimate([-0.0, 3.0], **keyword)
    np.testing.assert_array_equal(one, estimate([0.0, 3.0], **keyword))
    if keyword in (KEYWORDS[0], KEYWORDS[2]):
        for base in (None, 0.5):
            zero = estimate([4.0, 0], base=base, **keyword)
            assert zero == 0
            assert not np.signbit(zero)
    counts = np.array([3, 0, 1])
    assert type(estimate(counts, **keyword)) is np.float64
    assert type(estimate(counts.tolist(), **keyword)) is np.float64
    for small in (np.float32, np.float16):
        got = estimate(counts.astype(small), **keyword)
        assert type(got) is np.float32
        assert got == np.float32(estimate(counts, **keyword))
    for kind in (np.uint8, ">i4", np.int64, np.float64):
        same(estimate(counts.astype(kind), **keyword), estimate(counts, **keyword))
    same(estimate(np.array([True, False]), **keyword), estimate([1, 0], **keyword))


@every_keyword
def test_invalid(keyword: dict[str, Any]) -> None:
    """A negative count is NaN in its row alone, and one warning."""
    counts = np.full((3000, 4), 2.0)
    counts[[7, 2900], 2] = [-1, -0.25]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        got = estimate(counts, **keyword)
    assert np.nonzero(np.isnan(got))[0].tolist() == [7, 2900]
    assert [str(w.message) for w in caught] == ["invalid value encountered in entropy"]
    with np.errstate(invalid="raise"), pytest.raises(FloatingPointError, match="entropy"):
        estimate(counts[7], **keyword)


# --- layouts, blocks, the usual keywords ----------------------------------------------------------


def same(got: Any, want: Any) -> None:
    """Compare dtype, shape and bits."""
    np.testing.assert_array_equal(got, want, strict=True)


@every_keyword
@pytest.mark.parametrize("beast", ZOO)
def test_layouts(keyword: dict[str, Any], beast: str, dtype: Any, rng: np.random.Generator) -> None:
    """However counts lie in memory, and wherever their axes: the same bits."""
    for shape in ((6, 5), (300, 10), (3, 4, 7), (2, 9000)):
        counts = rng.integers(0, 90, shape).astype(dtype)
        want = estimate(counts, **keyword)
        same(estimate(ZOO[beast](counts), **keyword), want)
        turned = ZOO[beast](np.moveaxis(counts, -1, 0))
        same(estimate(turned, axis=0, **keyword), want)
        same(estimate(turned, axis=0, keepdims=True, **keyword), want[None])
        both = estimate(ZOO[beast](counts), axis=(0, -1), **keyword)
        moved = np.moveaxis(counts, 0, -2)
        flat = estimate(moved.reshape(*moved.shape[:-2], -1), **keyword)
        np.testing.assert_allclose(both, flat, rtol=1e-6 if dtype == np.float32 else 1e-14)
        whole = estimate(ZOO[beast](counts), axis=None, **keyword)
        np.testing.assert_allclose(
            whole, estimate(counts.ravel(), **keyword), rtol=1e-6 if dtype == np.float32 else 1e-14
        )


@every_keyword
def test_same_bits_alone(keyword: dict[str, Any], rng: np.random.Generator) -> None:
    """A row has the same result alone as in a batch."""
    for shape in ((900, 3), (90, 300), (4, 20_000)):
        counts = rng.poisson(rng.gamma(0.2, 30, shape))
        got = estimate(counts, **keyword)
        for i in rng.integers(0, shape[0], 10):
            same(estimate(counts[i], **keyword), got[i])


@every_correction
def test_long_rows(name: str, rng: np.random.Generator) -> None:
    """Rows of more entries than a block, the same as their few counts above 0."""
    few = rng.integers(1, 100, 50)
    counts = np.zeros((3, 30_000), int)
    for row in counts:
        row[rng.choice(30_000, 50, replace=False)] = few
    want = estimate(few, bias_correction=name)
    np.testing.assert_allclose(estimate(counts, bias_correction=name), want, rtol=1e-14)
    counts[1] = rng.integers(0, 3, 30_000)
    by_pieces = estimate(counts, pseudocount=0.25)
    np.testing.assert_allclose(by_pieces, estimate(counts + 0.25), rtol=1e-14)
    tall = np.zeros(30_000)
    tall[9000] = 1e15
    want = estimate(tall + 1e-6)
    np.testing.assert_allclose(estimate(tall, pseudocount=1e-6), want, rtol=1e-13)


@every_keyword
def test_reductions(keyword: dict[str, Any], rng: np.random.Generator) -> None:
    """Mean, sum, weights, out."""
    counts, weight = rng.integers(0, 9, (50, 60, 4)), rng.random((50, 60))
    counts[..., 0] += 1
    each = estimate(counts, **keyword)
    products = each * weight
    cases: list[tuple[Any, Any]] = [
        ({"reduction": "mean"}, each.mean()),
        ({"reduction": "sum"}, each.sum()),
        ({"weight": weight}, products),
        ({"weight": weight, "reduction": "mean"}, products.mean()),
        ({"weight": weight, "reduction": "weighted_mean"}, products.sum() / weight.sum()),
    ]
    for given, want in cases:
        np.testing.assert_allclose(estimate(counts, **given, **keyword), want, rtol=1e-13)
    out = np.empty((50, 60), np.float32)
    assert estimate(counts, out=out, **keyword) is out
    np.testing.assert_array_equal(out, each.astype(np.float32))


@every_keyword
def test_memory(keyword: dict[str, Any], rng: np.random.Generator) -> None:
    """No copy of the size of the counts."""
    for shape in ((40_000, 50), (3, 700_000), (500_000, 4)):
        counts = rng.integers(0, 200, shape).astype(np.float32)
        counts[..., 0] += 1
        estimate(counts[:1, :5], reduction="sum", **keyword)
        tracemalloc.start()
        estimate(counts, reduction="sum", **keyword)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2**20, (shape, peak)


@every_keyword
def test_dask(keyword: dict[str, Any], rng: np.random.Generator) -> None:
    """Lazy in, lazy out; counts that are not whole are an error when asked for."""
    da = pytest.importorskip("dask.array")
    counts, weight = rng.integers(0, 9, (40, 3, 6)) + np.eye(6, dtype=int)[0], rng.random((40, 3))
    lazy = da.from_array(counts, chunks=(7, 2, -1))
    cases: list[Any] = [{}, {"base": 2}, {"keepdims": True}, {"weight": weight}]
    for given in cases:
        got = estimate(lazy, **given, **keyword)
        assert isinstance(got, da.Array)
        same(got.compute(), estimate(counts, **given, **keyword))
    first = lazy.rechunk((-1, 2, 2))
    same(estimate(first, axis=0, **keyword).compute(), estimate(counts, axis=0, **keyword))
    got = estimate(lazy, reduction="mean", **keyword).compute()
    assert got == pytest.approx(estimate(counts, reduction="mean", **keyword), rel=1e-14)
    if "bias_correction" in keyword:
        halves = estimate(lazy + 0.5, **keyword)
        with pytest.raises(ValueError, match="needs whole counts"):
            halves.compute()


# --- errors ---------------------------------------------------------------------------------------


def test_options_that_do_not_go_together() -> None:
    """Corrections are for counts, and one remedy is enough."""
    with pytest.raises(ValueError, match="bias_correction is for counts: it needs normalize=True"):
        fe.entropy([0.5, 0.5], bias_correction="grassberger")
    with pytest.raises(ValueError, match="pseudocount is for counts: it needs normalize=True"):
        fe.entropy([0.5, 0.5], pseudocount=1)
    with pytest.raises(ValueError, match="two remedies for the same bias: pass one of them"):
        estimate([1, 2], pseudocount=1, bias_correction="grassberger")
    assert fe.entropy([0.5, 0.5], pseudocount=0) == np.log(2)


def test_bad_options() -> None:
    """Errors name what is known, and what is nearest."""
    with pytest.raises(ValueError, match="'chao-shen' or None, not 'miller': did you mean 'mill"):
        estimate([1, 2], bias_correction="miller")
    with pytest.raises(ValueError, match=r"bias_correction must be one of .* not 'xyz'$"):
        estimate([1, 2], bias_correction="xyz")
    with pytest.raises(ValueError, match=r"bias_correction must be one of .* not True$"):
        estimate([1, 2], bias_correction=True)
    for bad in (-1, -1e-300, nan, inf):
        with pytest.raises(ValueError, match="pseudocount must be 0 or a positive number"):
            estimate([1, 2], pseudocount=bad)
    for wrong in ("1", [1, 2], None):
        with pytest.raises(TypeError, match="pseudocount must be a number"):
            estimate([1, 2], pseudocount=wrong)


def test_counts_that_are_not_whole() -> None:
    """The first one is named; whole numbers of any dtype are welcome."""
    counts = np.ones((3, 5000))
    counts[[1, 2], [4000, 7]] = 0.5, 1.5
    for name in PUBLISHED:
        with pytest.raises(
            ValueError, match=rf"p: element \(1, 4000\) is 0.5: .*'{name}' needs wh"
        ):
            estimate(counts, bias_correction=name)
    with pytest.raises(ValueError, match=r"p: element 1 is 0\.25"):
        estimate(np.array([3, 0.25], np.float16), bias_correction="grassberger")
    with pytest.raises(ValueError, match="p: row 1 sums to 0"):
        estimate([[1, 2], [0, 0]], bias_correction="grassberger", check=True)
    with pytest.raises(ValueError, match=r"p: row 0 holds -1.0 at 1"):
        estimate([[1, -1.0]], pseudocount=2, check=True)

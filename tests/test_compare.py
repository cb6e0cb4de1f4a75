"""softmax_kl_divergence and compare_logits: accuracy, edges, bits, laws, out, errors, Dask."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import reference_logits
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mpf
from reference_logits import ExactRow, exact_divergence
from strategies import LOGITS, logits
from zoo import ZOO

import fastent as fe
from fastent import _core

pytestmark = pytest.mark.usefixtures("isa")

inf, nan = np.inf, np.nan
LENGTHS = (1, 2, 3, 10, 17, 256, 257, 1030)
CHANCES = (0.03, 0.2, 0.2, 0.2, 0.2, 0.05, 0.07, 0.05)
FIELDS = fe.LogitComparison._fields


def noise(size: float) -> Callable[[np.random.Generator, Any], Any]:
    """Return what moves logits by about `size`."""
    return lambda rng, x: x + size * rng.standard_normal(x.shape)


OTHERS: dict[str, Callable[[np.random.Generator, Any], Any]] = {
    **{f"moved by {size:g}": noise(size) for size in (1.0, 1e-2, 1e-4, 1e-7)},
    "moved and shifted": lambda rng, x: x + 1e-3 * rng.standard_normal(x.shape) - 2e4,
    "one moved": lambda rng, x: x + (np.arange(x.shape[1]) == x.shape[1] // 2) * 0.01,
    "others": lambda rng, x: 3 * rng.standard_normal(x.shape),
    "far": lambda rng, x: 500 * rng.standard_normal(x.shape),
}


def bound(dtype: Any) -> float:
    """Return the relative error that measures.def promises."""
    return float(_core.bounds()["softmax_kl_divergence"][np.dtype(dtype) == np.float64])


def same(got: Any, want: Any) -> None:
    """Compare dtype, shape and bits of every field."""
    for name, one, other in zip(FIELDS, got, want, strict=True):
        if one is None or other is None:
            assert one is other, name
        else:
            np.testing.assert_array_equal(one, other, strict=True, err_msg=name)


@pytest.mark.parametrize("n", [2, 10, 256, 257, 1030, 4096, 4112, 9001])
def test_floats_as_doubles(n: int, rng: np.random.Generator) -> None:
    """Whatever float arithmetic can do, and what is left to doubles: one answer, in any company."""
    x = rng.standard_normal((48, n)).astype(np.float32)
    y = x + np.float32(0.2) * rng.standard_normal((48, n), dtype=np.float32)
    for row, width in enumerate((1e-6, 0.3, 5, 39, 39.9, 40, 40.1, 87, 300)):
        y[row, rng.integers(n)] += np.float32(width)
        y[row + 10, rng.integers(n)] -= np.float32(width)
    for row, depth in enumerate((60, 80, 100, 127, 128, 129, 1e3)):
        x[row + 20, rng.integers(n)] -= np.float32(depth)
    y[30:33] += np.array([[1e4], [-3e4], [1e6]], np.float32)
    x[33], y[33] = y[30], x[30]
    x[34:36] *= np.array([[1e5], [1e6]], np.float32)
    y[36] = x[36]
    x[37, 0], x[38, 0], y[39, 0] = -np.inf, np.inf, -np.inf
    x[40, n - 1], y[41, n - 1] = np.nan, np.nan
    for temperature in (1.0, 0.7, 30.0):
        got = fe.softmax_kl_divergence(x, y, temperature=temperature)
        want = fe.softmax_kl_divergence(
            x.astype(np.float64), y.astype(np.float64), temperature=temperature
        )
        np.testing.assert_allclose(got, want, rtol=bound(np.float32), atol=1e-45)
        assert got[36] == 0
        alone = [
            fe.softmax_kl_divergence(a, b, temperature=temperature)
            for a, b in zip(x, y, strict=True)
        ]
        np.testing.assert_array_equal(got, np.array(alone, np.float32))


@pytest.mark.parametrize("family", LOGITS)
def test_accurate(family: str, dtype: Any, rng: np.random.Generator) -> None:
    """Every kind of pair of rows; divergences down to 1e-100, or the smallest normal number."""
    least = max(float(np.finfo(dtype).tiny), 1e-100)
    for kind, other in OTHERS.items():
        for n in rng.choice(LENGTHS, 3, p=CHANCES):
            temperature = rng.choice([1.0, 0.7])
            x = LOGITS[family](rng, 1, n).astype(dtype)
            y = other(rng, x).astype(dtype)
            got = fe.softmax_kl_divergence(x, y, temperature=temperature)[0]
            if np.isneginf(x).all():
                assert np.isnan(got)
                continue
            true = exact_divergence(x[0], y[0], temperature)
            if true is None:
                assert got == inf
                continue
            assert got >= 0
            error = abs(mpf(float(got)) - true)
            assert error <= bound(dtype) * true + least, (kind, n, temperature, got, float(true))


@pytest.mark.parametrize("place", [0, 1023, 1024, 1029, 1500, 2999])
@pytest.mark.parametrize("ahead", [30.0, 70.0, 120.0])
def test_one_entry_far_ahead(place: int, ahead: float, rng: np.random.Generator) -> None:
    """In whichever leaf it is: the others' divergence, as small as it may be, has its digits."""
    x = rng.standard_normal((1, 3000))
    x[0, place] = ahead
    y = x + 1e-4 * rng.standard_normal(x.shape)
    for temperature in (1.0, 0.7):
        true = exact_divergence(x[0], y[0], temperature)
        got = fe.softmax_kl_divergence(x, y, temperature=temperature)[0]
        assert true is not None
        assert abs(mpf(float(got)) - true) <= bound(np.float64) * true


def test_long_rows(dtype: Any, rng: np.random.Generator) -> None:
    """Many leaves and segments, the centre of the differences far from that of the first leaf."""
    x = rng.standard_normal((1, 70001))
    for shape in (1, np.linspace(-3, 3, 70001), np.linspace(0, 900, 70001) // 300):
        y = x + 1e-3 * rng.standard_normal(x.shape) + shape
        a, b = x.astype(dtype), y.astype(dtype)
        wide = [row[0].astype(np.longdouble) for row in (a, b)]
        wide = [row - row.max() for row in wide]
        p, q = (np.exp(row) / np.exp(row).sum() for row in wide)
        ratio = (wide[1] - wide[0]) - np.log(np.exp(wide[1]).sum() / np.exp(wide[0]).sum())
        true = float((p * (np.expm1(ratio) - ratio)).sum())  # all positive; q sums to 1
        assert abs(q.sum() - 1) < 1e-15
        np.testing.assert_allclose(
            fe.softmax_kl_divergence(a, b)[0], true, rtol=max(bound(dtype), 1e-14)
        )


EDGES: list[tuple[list[float], list[float], float]] = [
    ([0, 1], [0, 1], 0),
    ([0, 1], [5, 6], 0),
    ([0, -inf], [0, 1], math.log1p(math.e)),
    ([0, 1], [0, -inf], inf),
    ([0, -inf], [0, -inf], 0),
    ([5, -inf, 2], [3, -inf, 0], 0),
    ([inf, 0], [0, 0], float(np.log(2))),
    ([inf, 0], [-inf, 0], inf),
    ([inf, 0], [inf, 0], 0),
    ([inf, 0], [0, inf], inf),
    ([inf, 0, 3], [1, -inf, 2], math.log1p(math.e)),
    ([0, 0], [inf, 0], inf),
    ([0, -inf], [inf, 0], 0),
    ([inf, inf], [0, 0], nan),
    ([0, 0], [inf, inf], nan),
    ([-inf, -inf], [0, 0], nan),
    ([0, 0], [-inf, -inf], nan),
    ([nan, 0], [0, 0], nan),
    ([0, 0], [0, nan], nan),
    ([0, nan], [inf, 0], nan),
    ([0, -1e4], [-1e4, 0], 1e4),
    ([0, -1e30], [-1e30, 0], 1e30),
    ([0, -200], [0, -200.5], float(np.exp(-200) * (0.5 + np.expm1(-0.5)))),
]


@pytest.mark.parametrize(("a", "b", "want"), EDGES)
@pytest.mark.parametrize("padding", [0, 300, 40000])
def test_edges(a: list[float], b: list[float], want: float, padding: int, dtype: Any) -> None:
    """Short and long rows; the entries first, last, and in leaves of their own."""
    x = np.full((3, len(a) + padding), -inf, dtype)
    y = x.copy()
    step = padding // len(a) + 1
    for row, value in ((x, a), (y, b)):
        row[0, : len(a)] = value
        row[1, -len(a) :] = value
        row[2, ::step][: len(a)] = value
    got = fe.softmax_kl_divergence(x, y)
    tiny = float(np.finfo(dtype).tiny)
    np.testing.assert_allclose(got, np.full(3, want), rtol=bound(dtype), atol=tiny)
    compared = fe.compare_logits(x, y)
    np.testing.assert_array_equal(compared.kl_divergence, got)


def test_empty() -> None:
    """Rows of no classes have no divergence; no rows give no results."""
    np.testing.assert_array_equal(
        fe.softmax_kl_divergence(np.ones((2, 0)), np.ones((2, 0))), [0, 0]
    )
    assert fe.softmax_kl_divergence(np.ones((0, 3)), np.ones((0, 3))).shape == (0,)
    assert fe.compare_logits(np.ones((0, 3)), np.ones((0, 3))).entropy_p.shape == (0,)


@pytest.mark.parametrize("n", [2, 17, 300, 3000, 70000])
@pytest.mark.parametrize(("base", "temperature"), [(None, 1.0), (2, 0.7)])
def test_fields(
    n: int, base: float | None, temperature: float, dtype: Any, rng: np.random.Generator
) -> None:
    """Bit for bit what the functions of one thing say."""
    x = (3 * rng.standard_normal((7, n))).astype(dtype)
    y = (x + 0.3 * rng.standard_normal((7, n))).astype(dtype)
    labels = rng.integers(0, n, 7)
    keywords: Any = {"base": base, "temperature": temperature}
    compared = fe.compare_logits(x, y, labels, **keywords)
    assert [f.dtype for f in compared] == [dtype] * 3 + [np.bool_] + [dtype]
    want = fe.softmax_kl_divergence(x, y, **keywords)
    np.testing.assert_array_equal(compared.kl_divergence, want)
    np.testing.assert_array_equal(compared.entropy_p, fe.softmax_entropy(x, **keywords))
    np.testing.assert_array_equal(compared.entropy_q, fe.softmax_entropy(y, **keywords))
    np.testing.assert_array_equal(compared.same_prediction, x.argmax(1) == y.argmax(1))
    without = fe.compare_logits(x, y, **keywords)
    assert without.target_log_prob_change is None
    for name in FIELDS[:4]:
        np.testing.assert_array_equal(getattr(compared, name), getattr(without, name))


@pytest.mark.parametrize("size", [1.0, 1e-6])
@pytest.mark.parametrize("n", [2, 30, 300])
def test_change(size: float, n: int, dtype: Any, rng: np.random.Generator) -> None:
    """The change of log-probabilities, to the size of the differences, not of the logarithms."""
    x = (3 * rng.standard_normal((4, n))).astype(dtype)
    y = (x + size * rng.standard_normal((4, n))).astype(dtype)
    labels = rng.integers(0, n, 4)
    compared = fe.compare_logits(x, y, labels, temperature=0.7)
    for r in range(4):
        exact = [ExactRow(row, 0.7).surprisal(labels[r]) for row in (x[r], y[r])]
        widest = float(np.abs(y[r].astype(float) - x[r]).max() / 0.7)
        got = mpf(float(compared.target_log_prob_change[r]))
        assert abs(got - (exact[0] - exact[1])) <= bound(dtype) * widest


def test_changes_at_the_edges() -> None:
    """Where a class is lost or certain the change is that of the logarithms."""
    x = np.array([[0, -inf, 1], [0, 1, 2], [0, 1, 2], [inf, 0, 0], [nan, 0, 1], [0, -inf, 1]])
    y = np.array([[0, 3, 1], [0, -inf, 2], [0, -inf, 2], [0, 0, 0], [0, 0, 1.0], [0, -inf, 2]])
    labels = np.array([1, 1, 2, 0, 1, 1])
    change = fe.compare_logits(x, y, labels).target_log_prob_change
    kept = np.log1p(np.exp(-2.0) + np.exp(-1)) - np.log1p(np.exp(-2.0))
    np.testing.assert_allclose(change, [inf, -inf, kept, -np.log(3), nan, nan], rtol=1e-14)


def test_same_bits(dtype: Any, rng: np.random.Generator) -> None:
    """One row alone, in a batch, along any axis, on any number of threads."""
    for n in (3, 40, 300, 40000):
        x = (30 * rng.standard_normal((33, n))).astype(dtype)
        y = (x + rng.standard_normal((33, n)) * rng.choice([1e-3, 1, 400], (33, 1))).astype(dtype)
        x[3, 0] = y[5, 1] = -inf
        x[7, 1] = inf
        labels = rng.integers(0, n, 33)
        want = fe.compare_logits(x, y, labels)
        np.testing.assert_array_equal(fe.softmax_kl_divergence(x, y), want.kl_divergence)
        same(fe.compare_logits(x.T, y.T, labels, axis=0), want)
        alone = [fe.compare_logits(x[r], y[r], labels[r]) for r in range(33)]
        same([np.array(field) for field in zip(*alone, strict=True)], want)
        for threads in (1, 2, 3):
            with fe.num_threads(threads):
                same(fe.compare_logits(x, y, labels), want)


@pytest.mark.parametrize("layout", ZOO)
def test_layouts(layout: str, rng: np.random.Generator) -> None:
    """Strides, orders, byte orders, read-only."""
    x, y = rng.standard_normal((2, 6, 50)).astype(np.float32)
    a, b = ZOO[layout](x), ZOO[layout](y)
    same(fe.compare_logits(a, b), fe.compare_logits(x, y))
    np.testing.assert_array_equal(fe.softmax_kl_divergence(a, y), fe.softmax_kl_divergence(x, y))


@given(logits(), st.floats(-100, 100))
def test_laws(x: Any, shift: float) -> None:
    """Never negative, 0 of a row and itself shifted, cross entropy less entropy."""
    y = x[::-1].copy()
    got = fe.softmax_kl_divergence(x, y)
    assert not (got < 0).any()
    np.testing.assert_array_equal(np.nan_to_num(fe.softmax_kl_divergence(x, x)), np.zeros(len(x)))
    finite = np.isfinite(x).all() and np.isfinite(y).all()
    if finite and np.abs(x).max() < 1e3:
        p = reference_logits.softmax(x)
        cross = fe.softmax_cross_entropy(p, y) - fe.softmax_entropy(x)
        np.testing.assert_allclose(got, cross, rtol=1e-6, atol=1e-4)
        moved = fe.softmax_kl_divergence(x.astype(float) + shift, y.astype(float))
        np.testing.assert_allclose(moved, got, rtol=1e-5, atol=1e-9)


def test_reductions(rng: np.random.Generator) -> None:
    """Means and sums, weighted too, over several axes, with out."""
    x, y = rng.standard_normal((2, 3, 4, 20))
    each = fe.softmax_kl_divergence(x, y)
    np.testing.assert_allclose(each, reference_logits.softmax_kl_divergence(x, y), rtol=1e-11)
    weight = rng.random((3, 4))
    mean = fe.softmax_kl_divergence(x, y, reduction="mean")
    np.testing.assert_allclose(mean, each.mean(), rtol=1e-14)
    weighted = fe.softmax_kl_divergence(x, y, reduction="weighted_mean", weight=weight)
    np.testing.assert_allclose(weighted, np.average(each, weights=weight), rtol=1e-14)
    both = fe.softmax_kl_divergence(x, y, axis=(1, 2), keepdims=True)
    want = fe.softmax_kl_divergence(x.reshape(3, -1), y.reshape(3, -1))
    np.testing.assert_array_equal(both.ravel(), want)
    out = np.empty((3, 4))
    assert fe.softmax_kl_divergence(x, y[:1], out=out) is out
    np.testing.assert_array_equal(out, fe.softmax_kl_divergence(x, np.broadcast_to(y[:1], x.shape)))


def test_out(rng: np.random.Generator) -> None:
    """A tuple of arrays in the order of the fields; the wrong one says so."""
    x, y = rng.standard_normal((2, 5, 9)).astype(np.float32)
    labels = rng.integers(0, 9, 5)
    want = fe.compare_logits(x, y, labels, keepdims=True)
    out = tuple(np.empty_like(field) for field in want)
    got = fe.compare_logits(x, y, labels, keepdims=True, out=out)
    assert all(one is other for one, other in zip(got, out, strict=True))
    same(got, want)
    with pytest.raises(TypeError, match="tuple of 5"):
        fe.compare_logits(x, y, out=(np.empty(5),))
    with pytest.raises(ValueError, match="no target"):
        fe.compare_logits(x, y, out=(None, None, None, None, np.empty(5, np.float32)))


def test_errors() -> None:
    """Shapes and labels that do not fit name themselves."""
    x = np.zeros((2, 3))
    with pytest.raises(ValueError, match=r"logits_p has shape \(2, 3\), but logits_q \(2, 4\)"):
        fe.compare_logits(x, np.zeros((2, 4)))
    with pytest.raises(ValueError, match="element 1 is 3"):
        fe.compare_logits(x, x, [0, 3])
    with pytest.raises(TypeError, match="class indices are integers"):
        fe.compare_logits(x, x, [0.0, 1.0])
    with pytest.raises(ValueError, match="no classes"):
        fe.compare_logits(x[:, :0], x[:, :0])
    with pytest.raises(ValueError, match="logits_q"):
        fe.softmax_kl_divergence(x, np.zeros((2, 4)))
    with pytest.raises(ValueError, match="target is 3, but there are 3 classes"):
        fe.compare_logits(x[0], x[0], 3)
    ignored = fe.compare_logits(x + np.arange(3), x, [-1, 2], ignore_index=-1)
    assert ignored.target_log_prob_change[0] == 0


def test_halves(rng: np.random.Generator) -> None:
    """float16 and bfloat16 are read as they are."""
    ml_dtypes = pytest.importorskip("ml_dtypes")
    for half in (np.float16, ml_dtypes.bfloat16):
        x, y = (rng.standard_normal((4, 700)).astype(half) for _ in range(2))
        same(fe.compare_logits(x, y), fe.compare_logits(x.astype("f4"), y.astype("f4")))


def test_lazy(rng: np.random.Generator) -> None:
    """Dask arrays: the same bits, block by block."""
    da = pytest.importorskip("dask.array")
    x, y = rng.standard_normal((2, 30, 12))
    labels = rng.integers(0, 12, 30)
    a, b, t = (da.from_array(v, chunks=(7, *v.shape[1:])) for v in (x, y, labels))
    lazy = fe.compare_logits(a, b, t)
    assert all(hasattr(field, "compute") for field in lazy)
    same([field.compute() for field in lazy], fe.compare_logits(x, y, labels))
    assert fe.compare_logits(a, b).target_log_prob_change is None
    with pytest.raises(ValueError, match=r"logits_p has shape \(30, 12\), but logits_q \(30, 11\)"):
        fe.compare_logits(a, b[:, 1:])
    mean = fe.softmax_kl_divergence(a, b, reduction="mean").compute()
    np.testing.assert_allclose(mean, fe.softmax_kl_divergence(x, y, reduction="mean"), rtol=1e-15)


def test_torch_agrees(rng: np.random.Generator) -> None:
    """PyTorch's kl_div of log-softmaxes, where it has digits."""
    torch = pytest.importorskip("torch")
    x, y = rng.standard_normal((2, 50, 30))
    log_p, log_q = (torch.log_softmax(torch.from_numpy(v), -1) for v in (x, y))
    want = torch.nn.functional.kl_div(log_q, log_p, reduction="none", log_target=True).sum(-1)
    np.testing.assert_allclose(fe.softmax_kl_divergence(x, y), want.numpy(), rtol=1e-12)

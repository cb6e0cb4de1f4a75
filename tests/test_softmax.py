"""Measures of rows of logits: accuracy, edges, laws, layouts, threads, PyTorch, errors."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mp, mpf
from reference_logits import ExactRow
from strategies import LOGITS
from zoo import ZOO

import fastent as fe
from fastent import _core

pytestmark = pytest.mark.usefixtures("isa")

inf, nan = np.inf, np.nan
LENGTHS = (1, 2, 3, 10, 17, 100, 256, 257, 1000, 1025, 1500)


def _bound(name: str, dtype: Any) -> float:
    """Return what measures.def promises."""
    return float(_core.bounds()[name][np.dtype(dtype) == np.float64])


@pytest.mark.parametrize("family", LOGITS)
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_accurate(family: str, temperature: float, dtype: Any, rng: np.random.Generator) -> None:
    """Against exact numbers, rows of all lengths."""
    tiny = float(np.finfo(dtype).smallest_subnormal)
    relative = _bound("softmax_entropy", dtype)
    for n in LENGTHS:
        x = LOGITS[family](rng, max(2, 30 // n), n).astype(dtype)
        labels = rng.integers(0, n, len(x))
        sums = fe.logsumexp(x, temperature=temperature)
        entropies = fe.softmax_entropy(x, temperature=temperature)
        losses = fe.softmax_cross_entropy(labels, x, temperature=temperature)
        assert sums.dtype == entropies.dtype == losses.dtype == dtype
        for r, row in enumerate(x):
            exact = ExactRow(row, temperature)
            if exact.is_empty:
                assert sums[r] == -inf
                assert np.isnan([entropies[r], losses[r]]).all()
                continue
            true, entropy = exact.largest + exact.log_sum, exact.entropy
            ulp = np.spacing(dtype(max(abs(exact.largest), abs(true), np.finfo(dtype).tiny)))
            assert abs(mpf(float(sums[r])) - true) <= _bound("logsumexp", dtype) * mpf(float(ulp))
            assert abs(mpf(float(entropies[r])) - entropy) <= relative * entropy + tiny, (n, r)
            loss = exact.surprisal(labels[r])
            if loss is None:
                assert losses[r] == inf
                continue
            assert abs(mpf(float(losses[r])) - loss) <= relative * loss + tiny, (n, r)


@pytest.mark.parametrize("family", LOGITS)
def test_targets_are_accurate(family: str, dtype: Any, rng: np.random.Generator) -> None:
    """Cross entropy of distributions; masked classes with a target of 0 contribute nothing."""
    for n in (1, 3, 17, 100, 300, 1500):
        x = LOGITS[family](rng, 3, n).astype(dtype)
        t = rng.exponential(size=x.shape) ** 3
        t = np.where(np.isneginf(x), 0, t)
        t = (t / np.maximum(t.sum(-1, keepdims=True), 1e-300)).astype(dtype)
        got = fe.softmax_cross_entropy(t, x)
        for r, row in enumerate(x):
            exact = ExactRow(row)
            if exact.is_empty:
                assert np.isnan(got[r])
                continue
            true = mp.fsum(
                mpf(float(p)) * loss
                for p, loss in zip(t[r], map(exact.surprisal, range(n)), strict=True)
                if loss is not None
            )
            relative = _bound("softmax_cross_entropy_of_targets", dtype)
            tiny = float(np.finfo(dtype).smallest_subnormal)
            assert abs(mpf(float(got[r])) - true) <= relative * true + tiny, (n, r)


EDGES: list[tuple[list[float], float, float, float]] = [
    # logits, log-sum-exp, entropy, cross entropy of label 0
    ([0.0], 0.0, 0.0, 0.0),
    ([-inf], -inf, nan, nan),
    ([-inf, -inf, -inf], -inf, nan, nan),
    ([inf], inf, 0.0, 0.0),
    ([inf, 0.0], inf, 0.0, 0.0),
    ([0.0, inf, -inf], inf, 0.0, inf),
    ([inf, inf], inf, nan, nan),
    ([-inf, 5.0], 5.0, 0.0, inf),
    ([5.0, -inf], 5.0, 0.0, 0.0),
    ([nan, 0.0], nan, nan, nan),
    ([0.0, nan], nan, nan, nan),
    ([nan, -inf], nan, nan, nan),
    ([3e38, -3e38], 3e38, 0.0, 0.0),
    ([-3e38, 3e38], 3e38, 0.0, inf),
]


@pytest.mark.parametrize(("logits", "log_sum", "entropy", "loss"), EDGES)
@pytest.mark.parametrize("n", [0, 300, 1100])
def test_edges(
    logits: list[float], log_sum: float, entropy: float, loss: float, n: int, dtype: Any
) -> None:
    """The same among any number of masked classes, before and behind."""
    x = np.full(len(logits) + n, -inf, dtype)
    x[: len(logits)] = logits
    if loss == inf and dtype == np.float64 and logits[1] == 3e38:
        loss = 6e38
    with np.errstate(all="raise"):
        for row, label in ((x, 0), (x[::-1], -1)):
            assert fe.logsumexp(row) == dtype(log_sum) or np.isnan(log_sum)
            for got, want in (
                (fe.softmax_entropy(row), entropy),
                (fe.softmax_cross_entropy(label % len(row), row), loss),
            ):
                np.testing.assert_array_equal(got, dtype(want))
                assert not np.signbit(got)
            np.testing.assert_array_equal(np.isnan(fe.logsumexp(row)), np.isnan(log_sum))
            if np.isnan(entropy):
                every = [
                    fe.softmax_cross_entropy(i, row) for i in (0, len(row) // 2, -1 % len(row))
                ]
                assert np.isnan(every).all()


def test_targets_at_the_edges(dtype: Any) -> None:
    """Masked classes, negative targets, NaN, empty rows."""
    t = np.array([[1, 0], [0, 1], [-0.5, 1.5], [nan, 1], [0, 0]], dtype)
    x = np.array([[0, -inf], [0, -inf], [0, 0], [0, 0], [0, -inf]], dtype)
    with pytest.warns(RuntimeWarning, match="softmax_cross_entropy"):
        got = fe.softmax_cross_entropy(t, x)
    np.testing.assert_array_equal(got, [0, inf, nan, nan, 0])
    empty = np.empty((3, 0), dtype)
    np.testing.assert_array_equal(fe.softmax_cross_entropy(empty, empty), np.zeros(3))
    np.testing.assert_array_equal(fe.softmax_entropy(empty), np.zeros(3))
    np.testing.assert_array_equal(fe.logsumexp(empty), np.full(3, -inf))
    assert fe.softmax_cross_entropy(np.empty(0, int), np.empty((0, 4), dtype)).shape == (0,)


@pytest.mark.parametrize("layout", ZOO)
def test_layouts(layout: str, dtype: Any, rng: np.random.Generator) -> None:
    """The same bits whatever the strides, the byte order, the alignment."""
    for shape in ((40, 10), (7, 300), (5, 1500)):
        x = (3 * rng.standard_normal(shape)).astype(dtype)
        labels = rng.integers(0, shape[1], shape[0])
        t = rng.random(shape).astype(dtype)
        view, other = ZOO[layout](x), ZOO[layout](t)
        np.testing.assert_array_equal(fe.logsumexp(view), fe.logsumexp(x))
        np.testing.assert_array_equal(fe.softmax_entropy(view), fe.softmax_entropy(x))
        for target, given_target in ((labels, labels), (other, t)):
            np.testing.assert_array_equal(
                fe.softmax_cross_entropy(target, view), fe.softmax_cross_entropy(given_target, x)
            )


def test_axes(dtype: Any, rng: np.random.Generator) -> None:
    """(batch, classes, height, width), and rows over several axes."""
    x = rng.standard_normal((3, 5, 4, 6)).astype(dtype)
    labels = rng.integers(0, 5, (3, 4, 6)).astype(np.int8)
    moved = np.ascontiguousarray(np.moveaxis(x, 1, -1))
    want = fe.softmax_cross_entropy(labels, moved)
    np.testing.assert_array_equal(fe.softmax_cross_entropy(labels, x, axis=1), want)
    kept = fe.softmax_cross_entropy(labels, x, axis=1, keepdims=True)
    np.testing.assert_array_equal(kept, want[:, None])
    out = np.empty((3, 4, 6), dtype)
    assert fe.softmax_cross_entropy(labels, x, axis=1, out=out) is out
    np.testing.assert_array_equal(out, want)
    np.testing.assert_array_equal(
        fe.softmax_entropy(x, axis=(1, 3)),
        fe.softmax_entropy(np.ascontiguousarray(np.moveaxis(x, 2, 1)).reshape(3, 4, -1)),
    )
    assert fe.logsumexp(x, axis=None).shape == ()


@pytest.mark.parametrize("n", [7, 300, 3000, 300_000])
def test_same_bits(n: int, dtype: Any, rng: np.random.Generator) -> None:
    """A row alone, in a batch, by one thread or three."""
    x = (3 * rng.standard_normal((2_000_000 // n, n))).astype(dtype)
    labels = rng.integers(0, n, len(x))
    with fe.num_threads(1):
        one = [f(x) for f in (fe.logsumexp, fe.softmax_entropy)]
        one.append(fe.softmax_cross_entropy(labels, x))
        mean = fe.softmax_cross_entropy(labels, x, reduction="mean")
    with fe.num_threads(3):
        three = [f(x) for f in (fe.logsumexp, fe.softmax_entropy)]
        three.append(fe.softmax_cross_entropy(labels, x))
        assert fe.softmax_cross_entropy(labels, x, reduction="mean") == mean
    for a, b in zip(one, three, strict=True):
        np.testing.assert_array_equal(a, b)
    for r in range(min(len(x), 20)):
        assert fe.logsumexp(x[r]) == one[0][r]
        assert fe.softmax_entropy(x[r]) == one[1][r]
        assert fe.softmax_cross_entropy(labels[r], x[r]) == one[2][r]


def test_memory(rng: np.random.Generator) -> None:
    """No softmax is stored."""
    x = rng.standard_normal((64, 128_000), np.float32)
    labels = rng.integers(0, 128_000, 64)
    _core.scratch_peak()
    fe.softmax_cross_entropy(labels, x, reduction="mean")
    fe.softmax_cross_entropy(x * 0 + 1, x, reduction="mean")
    assert _core.scratch_peak() < 2 << 20


rows = st.lists(st.floats(-50, 50), min_size=1, max_size=40)


@given(rows, st.floats(-1e3, 1e3), st.floats(0.01, 100))
def test_laws(logits: list[float], shift: float, temperature: float) -> None:
    """Bounds, shifts, and the same by way of the probabilities."""
    x = np.array(logits)
    h = fe.softmax_entropy(x, temperature=temperature)
    assert 0 <= h <= np.log(len(x)) * (1 + 1e-13)
    np.testing.assert_allclose(
        fe.logsumexp(x + shift) - shift, fe.logsumexp(x), rtol=1e-12, atol=1e-12
    )
    losses = [
        fe.softmax_cross_entropy(label, x, temperature=temperature) for label in range(len(x))
    ]
    assert min(losses) >= 0
    np.testing.assert_allclose(np.exp(-np.array(losses)).sum(), 1, rtol=1e-12)
    uniform = np.full(len(x), 1 / len(x))
    np.testing.assert_allclose(
        fe.softmax_cross_entropy(uniform, x, temperature=temperature), np.mean(losses), rtol=1e-12
    )
    np.testing.assert_allclose(h, np.exp(-np.array(losses)) @ losses, rtol=1e-9, atol=1e-300)


def test_dtypes(rng: np.random.Generator) -> None:
    """float16 and bfloat16 are computed as float32; integer logits and labels of any kind."""
    x = rng.standard_normal((9, 50))
    ml_dtypes = pytest.importorskip("ml_dtypes")
    for dtype in (np.float16, ml_dtypes.bfloat16):
        small = x.astype(dtype)
        got = fe.softmax_entropy(small)
        assert got.dtype == np.float32
        np.testing.assert_array_equal(got, fe.softmax_entropy(small.astype(np.float32)))
    whole = np.arange(12).reshape(3, 4)
    np.testing.assert_array_equal(fe.logsumexp(whole), fe.logsumexp(whole.astype(float)))
    for kind in (np.bool_, np.int8, np.uint8, np.int64, np.uint64):
        labels = np.array([0, 1, 1]).astype(kind)
        want = fe.softmax_cross_entropy(np.array([0, 1, 1]), x[:3])
        np.testing.assert_array_equal(fe.softmax_cross_entropy(labels, x[:3]), want)


def test_lazy(rng: np.random.Generator) -> None:
    """Dask arrays come back lazy, and equal."""
    da = pytest.importorskip("dask.array")
    x, labels = rng.standard_normal((40, 9)), rng.integers(0, 9, 40)
    lazy = da.from_array(x, chunks=(7, 9))
    for got, want in (
        (fe.softmax_entropy(lazy, temperature=2), fe.softmax_entropy(x, temperature=2)),
        (fe.softmax_cross_entropy(labels, lazy), fe.softmax_cross_entropy(labels, x)),
        (
            fe.softmax_cross_entropy(labels, lazy, reduction="mean"),
            fe.softmax_cross_entropy(labels, x, reduction="mean"),
        ),
    ):
        assert isinstance(got, da.Array)
        np.testing.assert_allclose(got.compute(), want, rtol=1e-14)


ERRORS: list[tuple[Callable[[Any], Any], type[Exception], str]] = [
    (lambda x: fe.softmax_cross_entropy([0, 4], x), ValueError, "element 1 is 4, .* 4 classes"),
    (lambda x: fe.softmax_cross_entropy([0, -1], x), ValueError, "element 1 is -1"),
    (lambda x: fe.softmax_cross_entropy([0, 1, 2], x), ValueError, r"shape \(3,\).*\(2, 4\)"),
    (lambda x: fe.softmax_cross_entropy([0.0, 1.0], x), TypeError, "class indices are integers"),
    (lambda x: fe.softmax_cross_entropy(x[:, :3], x), ValueError, r"\(2, 3\).*\(2, 4\)"),
    (lambda x: fe.softmax_cross_entropy([0, 1], x, class_weight=[1]), ValueError, "4 classes"),
    (lambda x: fe.softmax_cross_entropy(x, x, class_weight=[1]), ValueError, "4 classes"),
    (lambda x: fe.softmax_cross_entropy(x, x, ignore_index=0), TypeError, "class indices"),
    (lambda x: fe.softmax_cross_entropy([0, 1], x, label_smoothing=2), ValueError, "between 0"),
    (lambda x: fe.softmax_cross_entropy([0, 4], x, label_smoothing=0.1), ValueError, "is 4"),
    (lambda x: fe.logsumexp(x, temperature=0), ValueError, "temperature must be a positive"),
    (lambda x: fe.logsumexp(x, temperature=x[0]), TypeError, "temperature must be a number"),
    (lambda x: fe.softmax_entropy(x, reduction="median"), ValueError, "reduction must be one of"),
    (lambda x: fe.softmax_entropy(x.astype(complex)), TypeError, "real array"),
]


@pytest.mark.parametrize(("call", "error", "words"), ERRORS)
def test_errors(call: Callable[[Any], Any], error: type[Exception], words: str) -> None:
    """What, where and what to do."""
    with pytest.raises(error, match=words):
        call(np.zeros((2, 4)))


def test_twin(dtype: Any, rng: np.random.Generator) -> None:
    """The plain NumPy forms of reference.py."""
    x = (3 * rng.standard_normal((20, 30))).astype(dtype)
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(fe.logsumexp(x), reference.logsumexp(x), rtol=tolerance)
    np.testing.assert_allclose(fe.softmax_entropy(x), reference.softmax_entropy(x), rtol=tolerance)
    labels = rng.integers(0, 30, 20)
    want = reference.softmax_cross_entropy(labels, x)
    np.testing.assert_allclose(fe.softmax_cross_entropy(labels, x), want, rtol=tolerance)


@pytest.mark.parametrize("n", [257, 512, 1000, 1025, 2048, 2050, 4100])
@pytest.mark.parametrize("apart", [None, 1, 15, 17, 250, 256, 1024, 2048])
def test_the_largest_wherever_it_is(n: int, apart: int | None, dtype: Any) -> None:
    """One entry of that size is left out of the sums, in whatever group, run and leaf it stands.

    Of rows of zeros with t entries of 40: R = (t - 1) + (n - t) e^-40.
    """
    ends = [at for at in range(0, n, 256) for at in (at, min(at + 255, n - 1))]
    places = sorted({*ends, n // 2, n - 1, n - 2, n // 16 * 16 - 1})
    x = np.zeros((len(places), n), dtype)
    for row, at in zip(x, places, strict=True):
        row[at] = row[(at + (apart or 0)) % n] = 40
    times = 1 if apart is None or apart % n == 0 else 2
    small = (n - times) * math.exp(-40)
    rest = times - 1 + small
    loss, relative = math.log1p(rest), _bound("softmax_entropy", dtype)
    entropy = loss + 40 * small / (1 + rest)
    first = x.argmax(-1)
    scores = fe.score_logits(first, x)
    targets = (x == 40) / dtype(times)
    np.testing.assert_allclose(fe.softmax_cross_entropy(first, x), loss, relative, 0)
    np.testing.assert_allclose(fe.softmax_cross_entropy(targets, x), loss, relative, 0)
    np.testing.assert_allclose(fe.softmax_entropy(x), entropy, relative, 0)
    np.testing.assert_allclose(fe.softmax(x).max(-1), 1 / (1 + rest), relative, 0)
    np.testing.assert_array_equal(scores.prediction, first)
    np.testing.assert_array_equal(scores.rank, 0)
    assert ((scores.margin == 0) == (times == 2)).all()

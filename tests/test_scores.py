"""score_logits: accuracy, ties, edges, bits, laws, out, errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import reference_logits
from hypothesis import given
from mpmath import mpf
from reference_logits import ExactRow
from strategies import LOGITS, logits
from zoo import ZOO

import fastent as fe
from fastent import _core

pytestmark = pytest.mark.usefixtures("isa")

inf, nan = np.inf, np.nan
LENGTHS = (1, 2, 3, 10, 17, 256, 257, 1000, 4097)
FIELDS = fe.LogitScores._fields
NUMBERS = FIELDS[:4]


def bound(dtype: Any) -> float:
    """Return the relative error that measures.def promises."""
    return float(_core.bounds()["score_logits"][np.dtype(dtype) == np.float64])


def same(got: Any, want: Any) -> None:
    """Compare dtype, shape and bits of every field."""
    for name, one, other in zip(FIELDS, got, want, strict=True):
        if one is None or other is None:
            assert one is other, name
        else:
            np.testing.assert_array_equal(one, other, strict=True, err_msg=name)


def near(got: Any, true: Any) -> bool:
    """Whether a number is within the bound of the true one."""
    tiny = mpf(float(np.finfo(got.dtype).smallest_subnormal))
    return bool(abs(mpf(float(got)) - true) <= bound(got.dtype) * true + tiny)


@pytest.mark.parametrize("family", LOGITS)
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_accurate(family: str, temperature: float, dtype: Any, rng: np.random.Generator) -> None:
    """Every field of rows of all lengths."""
    for n in LENGTHS:
        x = LOGITS[family](rng, max(1, min(6, 60 // n)), n).astype(dtype)
        labels = rng.integers(0, n, len(x))
        scores = fe.score_logits(labels, x, temperature=temperature)
        assert [f.dtype for f in scores] == [dtype] * 4 + [np.int64] * 2
        for r, row in enumerate(x):
            exact = ExactRow(row, temperature)
            if exact.is_empty:
                assert np.isnan([getattr(scores, name)[r] for name in NUMBERS]).all()
                assert scores.prediction[r] == scores.rank[r] == -1
                continue
            loss = exact.surprisal(labels[r])
            if loss is None:
                assert scores.cross_entropy[r] == inf
            else:
                assert near(scores.cross_entropy[r], loss), (n, r)
            assert near(scores.entropy[r], exact.entropy), (n, r)
            assert near(scores.confidence[r], exact.confidence), (n, r)
            assert near(scores.margin[r], exact.margin), (n, r)
            assert scores.prediction[r] == np.argmax(row)
            assert scores.rank[r] == np.count_nonzero(row > row[labels[r]])


@pytest.mark.parametrize("n", [2, 17, 300, 3000])
@pytest.mark.parametrize("base", [None, 2, 3])
def test_margins_near_zero(
    n: int, base: float | None, dtype: Any, rng: np.random.Generator
) -> None:
    """Two leading logits that are neighbours: the margin keeps its digits; no base changes it."""
    x = rng.standard_normal((8, n)).astype(dtype)
    lead = rng.permuted(np.tile(np.arange(n), (8, 1)), axis=1)[:, :2]
    top = rng.uniform(5, 6, 8).astype(dtype)
    rows = np.arange(8)
    x[rows, lead[:, 0]], x[rows, lead[:, 1]] = top, np.nextafter(top, dtype(0))
    scores = fe.score_logits(None, x, base=base)
    np.testing.assert_array_equal(scores.prediction, lead[:, 0])
    for r in rows:
        assert 0 < scores.margin[r] < 1e-6
        assert near(scores.margin[r], ExactRow(x[r]).margin)


@pytest.mark.parametrize("n", [3, 10, 100, 257, 1000, 3000, 200_000])
def test_ties(n: int, dtype: Any, rng: np.random.Generator) -> None:
    """The lowest index is predicted, equal logits have equal ranks, and the margin is 0."""
    x = rng.integers(0, 3, (6, n)).astype(dtype)
    x[0] = 5
    x[1, [n // 2, n - 1]] = 7
    x[2, n - 1] = 7
    x[3, [0, n - 1]] = 7
    labels = rng.integers(0, n, 6)
    for label in (labels, np.full(6, n - 1), np.zeros(6, int)):
        scores = fe.score_logits(label, x)
        np.testing.assert_array_equal(scores.prediction, x.argmax(-1))
        own = np.take_along_axis(x, label[:, None], -1)
        np.testing.assert_array_equal(scores.rank, (x > own).sum(-1))
        tied = (x == x.max(-1, keepdims=True)).sum(-1) > 1
        np.testing.assert_array_equal(scores.margin == 0, tied)
        assert not np.signbit(scores.margin).any()
    assert fe.score_logits(n - 1, x[0]).rank == 0


EDGES: list[tuple[list[float], list[float]]] = [
    # logits; cross entropy of label 0, entropy, confidence, margin, prediction, rank
    ([0.0], [0, 0, 1, 1, 0, 0]),
    ([-inf], [nan, nan, nan, nan, -1, -1]),
    ([-inf, -inf], [nan, nan, nan, nan, -1, -1]),
    ([inf], [0, 0, 1, 1, 0, 0]),
    ([inf, 0.0], [0, 0, 1, 1, 0, 0]),
    ([0.0, inf, -inf], [inf, 0, 1, 1, 1, 1]),
    ([inf, inf], [nan, nan, nan, nan, -1, -1]),
    ([-inf, 5.0], [inf, 0, 1, 1, 1, 1]),
    ([-inf, 5.0, 5.0], [inf, np.log(2), 0.5, 0, 1, 2]),
    ([5.0, -inf, 5.0], [np.log(2), np.log(2), 0.5, 0, 0, 0]),
    ([nan, 0.0], [nan, nan, nan, nan, -1, -1]),
    ([0.0, nan], [nan, nan, nan, nan, -1, -1]),
    ([nan, -inf], [nan, nan, nan, nan, -1, -1]),
    ([inf, nan], [nan, nan, nan, nan, -1, -1]),
]


@pytest.mark.parametrize(("x", "want"), EDGES)
@pytest.mark.parametrize("masked", [0, 300, 1100, 40_000])
@pytest.mark.parametrize("batch", [1, 20])
def test_edges(x: list[float], want: list[float], masked: int, batch: int, dtype: Any) -> None:
    """In silence, among any number of masked classes behind, and of ordinary rows."""
    rows = np.zeros((batch, len(x) + masked), dtype)
    rows[batch // 2] = -inf
    rows[batch // 2, : len(x)] = x
    with np.errstate(all="raise"):
        scores = fe.score_logits(np.zeros(batch, int), rows)
    got = [field[batch // 2] for field in scores]
    np.testing.assert_allclose(got, want, rtol=1e-7 if dtype == np.float32 else 1e-15)
    assert not np.signbit(got[:4])[np.array(got[:4]) == 0].any()
    without = fe.score_logits(None, rows)
    same(without, (None, *scores[1:5], None))


def test_masked_classes_in_front(dtype: Any) -> None:
    """The place of the largest counts from the first class, wherever blocks begin."""
    for masked in (1, 300, 1024, 5000, 70_000, 300_000):
        row = np.full(masked + 2, -inf, dtype)
        row[masked:] = 1, 2
        for threads in (1, 3):
            with fe.num_threads(threads):
                scores = fe.score_logits(masked, row)
        assert (scores.prediction, scores.rank) == (masked + 1, 1)
        assert fe.score_logits(0, row).rank == 2
        assert fe.score_logits(0, row).cross_entropy == inf


def test_ignored_labels(dtype: Any, rng: np.random.Generator) -> None:
    """Cross entropy 0 and rank -1, also of rows that are NaN; the other fields stay."""
    for n in (5, 500):
        x = rng.standard_normal((40, n)).astype(dtype)
        x[7] = nan
        labels = rng.integers(0, n, 40)
        ignored = labels == labels[7]
        want = fe.score_logits(labels, x)
        for value in (-100, n + 3):
            marked = np.where(ignored, value, labels)
            got = fe.score_logits(marked, x, ignore_index=value)
            same((None, *got[1:5], None), (None, *want[1:5], None))
            assert (got.cross_entropy[ignored] == 0).all()
            assert (got.rank[ignored] == -1).all()
            np.testing.assert_array_equal(got.rank[~ignored], want.rank[~ignored])
            np.testing.assert_array_equal(got[0][~ignored], want[0][~ignored])
            with pytest.raises(ValueError, match=f"is {value}, but there are {n} classes"):
                fe.score_logits(marked, x)


@pytest.mark.parametrize("base", [None, 2, 10, 0.5])
@pytest.mark.parametrize("temperature", [1, 0.3, 20.0])
def test_base_and_temperature(
    base: float | None, temperature: float, dtype: Any, rng: np.random.Generator
) -> None:
    """The parts have the bits of the measures of their own, or are within the bound of both."""
    keywords: Any = {"base": base, "temperature": temperature}
    for n in (4, 100, 1000, 5000):
        x = (3 * rng.standard_normal((20, n))).astype(dtype)
        labels = rng.integers(0, n, 20)
        scores = fe.score_logits(labels, x, **keywords)
        tolerance: Any = {"rtol": 2 * bound(dtype)}
        losses = fe.softmax_cross_entropy(labels, x, **keywords)
        np.testing.assert_allclose(scores.cross_entropy, losses, **tolerance)
        entropies = fe.softmax_entropy(x, **keywords)
        np.testing.assert_array_equal(scores.entropy, entropies)
        p = fe.softmax(x, temperature=temperature)
        np.testing.assert_allclose(scores.confidence, p.max(-1), **tolerance)
        first, second = np.sort(p, axis=-1)[:, :-3:-1].T
        slack = 4 * np.finfo(dtype).eps
        np.testing.assert_allclose(scores.margin, first - second, rtol=0, atol=slack)


@given(logits())
def test_agrees_with_others(x: Any) -> None:
    """Of any rows: each field by the measure of its own."""
    n = x.shape[-1]
    for label in {0, n // 2, n - 1}:
        labels = np.full(len(x), label)
        scores = fe.score_logits(labels, x)
        tolerance: Any = {"rtol": 2 * bound(x.dtype)}
        losses = fe.softmax_cross_entropy(labels, x)
        np.testing.assert_allclose(scores.cross_entropy, losses, **tolerance)
        np.testing.assert_array_equal(scores.entropy, fe.softmax_entropy(x))
        np.testing.assert_allclose(scores.confidence, fe.softmax(x).max(-1), **tolerance)
        good = ~np.isnan(scores.entropy)
        np.testing.assert_array_equal(scores.prediction, np.where(good, x.argmax(-1), -1))
        right = scores.prediction == label
        assert (scores.rank[right] == 0).all()
        assert ((scores.margin >= 0) & (scores.margin <= scores.confidence))[good].all()


def test_twin(dtype: Any, rng: np.random.Generator) -> None:
    """The plain NumPy form of reference_logits.py."""
    x, labels = (3 * rng.standard_normal((20, 30))).astype(dtype), rng.integers(0, 30, 20)
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    scores = fe.score_logits(labels, x)
    for name, want in reference_logits.score_logits(labels, x).items():
        np.testing.assert_allclose(getattr(scores, name), want, rtol=tolerance)


@pytest.mark.parametrize("layout", ZOO)
def test_layouts(layout: str, dtype: Any, rng: np.random.Generator) -> None:
    """The same bits whatever the strides, the byte order, the alignment; of labels too."""
    for shape in ((40, 10), (7, 300), (3, 5000)):
        x = (3 * rng.standard_normal(shape)).astype(dtype)
        labels = rng.integers(0, shape[1], shape[0])
        want = fe.score_logits(labels, x)
        for kind in (np.int16, np.uint64):
            same(fe.score_logits(ZOO[layout](labels.astype(kind)), ZOO[layout](x)), want)
        columns = rng.integers(0, shape[0], shape[1])
        want = fe.score_logits(columns, np.ascontiguousarray(x.T))
        same(fe.score_logits(columns, ZOO[layout](x), axis=0), want)


@pytest.mark.parametrize("n", [1, 7, 100, 300, 3000, 300_000])
def test_same_bits(n: int, dtype: Any, rng: np.random.Generator) -> None:
    """A row alone, in a batch, in columns, by one thread or three."""
    rows = max(1, 600_000 // n)
    x = (3 * rng.standard_normal((rows, n))).astype(dtype)
    labels = rng.integers(0, n, rows)
    with fe.num_threads(1):
        want = fe.score_logits(labels, x)
    with fe.num_threads(3):
        same(fe.score_logits(labels, x), want)
        same(fe.score_logits(labels, np.asfortranarray(x)), want)
    for r in range(0, rows, rows // 5 + 1):
        part = slice(r, r + 17)
        same(fe.score_logits(labels[r], x[r]), [field[r] for field in want])
        same(fe.score_logits(labels[part], x[part]), [field[part] for field in want])
        columns = np.ascontiguousarray(x[part].T)
        same(fe.score_logits(labels[part], columns, axis=0), [field[part] for field in want])


def test_same_bits_with_fma(dtype: Any, rng: np.random.Generator) -> None:
    """Instruction sets with fused multiply-add agree."""
    rows = [LOGITS[f](rng, 5, n).astype(dtype) for f in LOGITS for n in (3, 40, 300, 5000)]
    found = []
    for isa in _core.available_isas():
        if isa != "portable":
            with _core.using_isa(isa):
                found.append([fe.score_logits(np.full(5, x.shape[1] - 1), x) for x in rows])
    for other in found[1:]:
        for got, want in zip(other, found[0], strict=True):
            same(got, want)


def test_axes_and_shapes(dtype: Any, rng: np.random.Generator) -> None:
    """(batch, classes, height, width), one row, no rows."""
    x = rng.standard_normal((3, 5, 4, 6)).astype(dtype)
    labels = rng.integers(0, 5, (3, 4, 6)).astype(np.int8)
    want = fe.score_logits(labels, np.ascontiguousarray(np.moveaxis(x, 1, -1)))
    for axis in (1, -3):
        same(fe.score_logits(labels, x, axis=axis), want)
        kept = fe.score_logits(labels, x, axis=axis, keepdims=True)
        same(kept, [field[:, None] for field in want])
    one = fe.score_logits(2, x[0, 0, 0])
    assert [type(field) for field in one] == [dtype] * 4 + [np.int64] * 2
    assert fe.score_logits(2, x[0, 0, 0], keepdims=True).rank.shape == (1,)
    none = fe.score_logits(np.empty(0, int), np.empty((0, 4), dtype))
    assert [(field.shape, field.dtype) for field in none] == [((0,), f.dtype) for f in one]


def test_dtypes(rng: np.random.Generator) -> None:
    """float16 and bfloat16 are computed as float32, integers as float64; labels of any kind."""
    ml_dtypes = pytest.importorskip("ml_dtypes")
    for shape in ((9, 50), (5, 700)):
        x, labels = 3 * rng.standard_normal(shape), rng.integers(0, 2, shape[0])
        for kind in (np.float16, ml_dtypes.bfloat16):
            small = x.astype(kind)
            same(fe.score_logits(labels, small), fe.score_logits(labels, small.astype(np.float32)))
        for kind in (np.int8, np.uint64, np.bool_):
            whole = abs(x).astype(kind)
            same(fe.score_logits(labels, whole), fe.score_logits(labels, whole.astype(float)))
            same(fe.score_logits(labels.astype(kind), x), fe.score_logits(labels, x))
        same(fe.score_logits(labels.tolist(), x.tolist()), fe.score_logits(labels, x))


def test_out(dtype: Any, rng: np.random.Generator) -> None:
    """Filled as they are, strided, over the input, over each other, of other dtypes."""
    x, labels = rng.standard_normal((200, 6)).astype(dtype), rng.integers(0, 6, 200)
    want = fe.score_logits(labels, x)
    outs = tuple(np.empty_like(field) for field in want)
    got = fe.score_logits(labels, x, out=outs)
    assert all(a is b for a, b in zip(got, outs, strict=True))
    same(got, want)
    table = np.empty((200, 4), dtype)
    got = fe.score_logits(labels, x, out=(*table.T, None, None))
    same(got, want)
    np.testing.assert_array_equal(table, np.stack(want[:4], axis=-1))
    kept = np.empty((200, 1), dtype)
    fe.score_logits(labels, x, out=(None, kept, None, None, None, None), keepdims=True)
    np.testing.assert_array_equal(kept[:, 0], want.entropy)
    for axis in (-1, 0):
        y = x.copy() if axis else np.ascontiguousarray(x.T)
        over = y[:, 3] if axis else y[3]
        got = fe.score_logits(labels, y, axis=axis, out=(None, over, None, None, None, None))
        same(got, want)
    own = labels.copy()
    same(fe.score_logits(own, x, out=(None, None, None, None, None, own)), want)
    np.testing.assert_array_equal(own, want.rank)
    room = np.empty(201, dtype)
    fe.score_logits(labels, x, out=(room[:-1], room[1:], None, None, None, None))
    np.testing.assert_array_equal(room, [want[0][0], *want.entropy])
    small = np.empty(200, np.int8)
    got = fe.score_logits(labels, x, out=(None, None, None, None, small, None))
    assert got.prediction is small
    np.testing.assert_array_equal(small, want.prediction)
    wide = np.empty(200, np.float64)
    assert fe.score_logits(labels, x, out=(wide, *[None] * 5)).cross_entropy is wide
    np.testing.assert_array_equal(wide, want.cross_entropy)
    got = fe.score_logits(None, x, out=(None, wide, None, None, small, None))
    assert got.cross_entropy is got.rank is None
    np.testing.assert_array_equal(wide, want.entropy)


NONE = (None,) * 5
ANY: Any = fe.score_logits  # takes what types forbid
ERRORS: list[tuple[Callable[[Any], Any], type[Exception], str]] = [
    (lambda x: fe.score_logits([0, 4], x), ValueError, "target: element 1 is 4, .* 4 classes"),
    (lambda x: fe.score_logits([0, -1], x), ValueError, "element 1 is -1"),
    (lambda x: fe.score_logits([0, 1, 2], x), ValueError, r"shape \(3,\).*\(2, 4\)"),
    (lambda x: fe.score_logits(x, x), TypeError, "class indices are integers"),
    (lambda x: fe.score_logits(x.astype(int), x), ValueError, "one a row"),
    (lambda x: fe.score_logits(None, 3.0), ValueError, "single number"),
    (lambda x: fe.score_logits(None, x[:, :0]), ValueError, "there are no classes"),
    (lambda x: fe.score_logits(None, x, axis=2), ValueError, "out of bounds"),
    (lambda x: ANY(None, x, axis=(0, 1)), TypeError, r"must be an int, not \(0, 1\)"),
    (lambda x: ANY(None, x, axis=None), TypeError, "must be an int, not None"),
    (lambda x: fe.score_logits(None, x, base=1), ValueError, "base must be"),
    (lambda x: fe.score_logits(None, x, temperature=-1), ValueError, "temperature must be"),
    (lambda x: fe.score_logits(None, x.astype("O")), TypeError, "convert it to numbers"),
    (lambda x: ANY([0, 1], x, out=np.empty((6, 2))), TypeError, "tuple of 6 arrays"),
    (lambda x: fe.score_logits([0, 1], x, out=()), TypeError, "tuple of 6 arrays"),
    (lambda x: fe.score_logits([0, 1], x, out=NONE), TypeError, "tuple of 6 arrays"),
    (lambda x: ANY([0, 1], x, out=([0, 0], *NONE)), TypeError, "not list"),
    (lambda x: fe.score_logits([0, 1], x, out=(np.empty(3), *NONE)), ValueError, r"\(3,\)"),
    (
        lambda x: fe.score_logits([0, 1], x, out=(np.empty(2), *NONE), keepdims=True),
        ValueError,
        r"out has shape \(2,\), the result \(2, 1\)",
    ),
    (lambda x: fe.score_logits([0, 1], x, out=(np.empty(2, int), *NONE)), TypeError, "int64"),
    (lambda x: fe.score_logits(None, x, out=(np.empty(2), *NONE)), ValueError, "no target"),
    (lambda x: fe.score_logits(None, x, out=(*NONE, np.empty(2))), ValueError, "no target"),
]


@pytest.mark.parametrize(("call", "error", "words"), ERRORS)
def test_errors(call: Callable[[Any], Any], error: type[Exception], words: str) -> None:
    """What, where and what to do."""
    with pytest.raises(error, match=words):
        call(np.zeros((2, 4)))


@pytest.mark.parametrize("threads", [1, 3])
def test_the_lowest_bad_label_is_named(threads: int) -> None:
    """Whatever the threads."""
    x, labels = np.zeros((30_000, 10)), np.zeros(30_000, int)
    labels[[20_001, 11_000]] = 10, -3
    with fe.num_threads(threads), pytest.raises(ValueError, match="element 11000 is -3"):
        fe.score_logits(labels, x)

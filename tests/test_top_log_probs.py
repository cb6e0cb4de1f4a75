"""top_log_probs: the largest and the chosen; accuracy, ties, edges, bits, laws, errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hypothesis
import numpy as np
import pytest
import reference_logits
from mpmath import mpf
from reference_logits import ExactRow
from strategies import LOGITS, logits
from zoo import ZOO

import fastent as fe
from fastent import _core

pytestmark = pytest.mark.usefixtures("isa")

inf, nan = np.inf, np.nan
LENGTHS = (1, 2, 3, 10, 17, 256, 257, 1000, 4097)
LOOKED_AT = 60  # classes of a row that are held against exact numbers


def bound(dtype: Any) -> float:
    """Return the relative error that measures.def promises."""
    return float(_core.bounds()["top_log_probs"][np.dtype(dtype) == np.float64])


def same(got: Any, want: Any) -> None:
    """Compare dtype, shape and bits of every field."""
    for name, one, other in zip(fe.TopLogProbs._fields, got, want, strict=True):
        np.testing.assert_array_equal(one, other, strict=True, err_msg=name)


def order_of(x: Any) -> Any:
    """Return the classes of each row, the largest first, and of equal ones the earlier."""
    return np.argsort(-np.asarray(x, np.float64), axis=-1, kind="stable")


@pytest.mark.parametrize("family", LOGITS)
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_accurate(family: str, temperature: float, dtype: Any, rng: np.random.Generator) -> None:
    """Rows of all lengths, all classes of them."""
    tiny = mpf(float(np.finfo(dtype).smallest_subnormal))
    for n in LENGTHS:
        x = LOGITS[family](rng, max(1, min(6, 60 // n)), n).astype(dtype)
        top = fe.top_log_probs(x, n, temperature=temperature)
        assert [field.dtype for field in top] == [np.int64, dtype, dtype]
        again = fe.top_log_probs(x, top.indices.clip(0), temperature=temperature)
        same(again, (again.indices, *top[1:]))
        for r, row in enumerate(x):
            exact = ExactRow(row, temperature)
            if exact.is_empty:
                assert np.isnan([*top.log_probs[r], top.entropy[r]]).all()
                assert (top.indices[r] == -1).all()
                continue
            np.testing.assert_array_equal(top.indices[r], order_of(row))
            for j in rng.permutation(n)[:LOOKED_AT]:
                surprisal = exact.surprisal(top.indices[r, j])
                got = top.log_probs[r, j]
                if surprisal is None:
                    assert got == -inf
                    continue
                gap = abs(mpf(float(got)) + surprisal)
                assert gap <= bound(dtype) * surprisal + tiny, (n, r, j)


@pytest.mark.parametrize("n", [1, 2, 10, 100, 257, 1000, 20_000])
def test_the_largest(n: int, dtype: Any, rng: np.random.Generator) -> None:
    """Any number of them: those of a sort, ties by index."""
    for x in (rng.standard_normal((9, n)), rng.integers(0, 4, (9, n)), np.zeros((9, n))):
        rows = x.astype(dtype)
        whole = fe.top_log_probs(rows, n)
        np.testing.assert_array_equal(whole.indices, order_of(rows))
        for k in {0, 1, 2, 5, 17, n // 2, n} & set(range(n + 1)):
            top = fe.top_log_probs(rows, k)
            same(top, (whole.indices[:, :k], whole.log_probs[:, :k], whole.entropy))
            for number in (np.int8(k), np.array(k)) if k < 128 else ():
                same(fe.top_log_probs(rows, number), top)


@hypothesis.given(logits())
def test_all_of_them_are_log_softmax(x: Any) -> None:
    """Sorted, to the bounds of both; the entropy is softmax_entropy."""
    n = x.shape[-1]
    top, every = fe.top_log_probs(x, n), fe.top_log_probs(x, np.arange(n))
    good = ~np.isnan(top.entropy)
    log_p = fe.log_softmax(x)
    relative = bound(x.dtype) + 3 * np.finfo(x.dtype).eps
    np.testing.assert_allclose(every.log_probs, log_p, rtol=relative)
    np.testing.assert_allclose(
        top.log_probs[good],
        np.take_along_axis(log_p[good], top.indices[good], -1),
        rtol=relative,
    )
    np.testing.assert_array_equal(top.entropy, fe.softmax_entropy(x))
    np.testing.assert_array_equal(every.entropy, top.entropy)
    assert (top.log_probs[good][:, :-1] >= top.log_probs[good][:, 1:]).all()
    one = fe.top_log_probs(x, 1)
    scores = fe.score_logits(one.indices[:, 0].clip(0), x)
    np.testing.assert_array_equal(one.indices[:, 0], scores.prediction)
    tolerance: Any = {"rtol": 2 * bound(x.dtype)}
    np.testing.assert_allclose(-one.log_probs[:, 0], scores.cross_entropy, **tolerance)


EDGES: list[tuple[list[float], list[int], list[float], float]] = [
    # logits, all indices, their log-probabilities, entropy
    ([0.0], [0], [0], 0),
    ([-inf], [-1], [nan], nan),
    ([-inf, -inf], [-1, -1], [nan, nan], nan),
    ([inf], [0], [0], 0),
    ([0.0, inf, -inf], [1, 0, 2], [0, -inf, -inf], 0),
    ([inf, inf], [-1, -1], [nan, nan], nan),
    ([-inf, 5.0], [1, 0], [0, -inf], 0),
    ([-inf, 5.0, 5.0], [1, 2, 0], [np.log(0.5), np.log(0.5), -inf], np.log(2)),
    ([nan, 0.0], [-1, -1], [nan, nan], nan),
    ([0.0, nan], [-1, -1], [nan, nan], nan),
    ([inf, nan], [-1, -1], [nan, nan], nan),
]


@pytest.mark.parametrize(("x", "indices", "log_probs", "entropy"), EDGES)
@pytest.mark.parametrize("base", [None, 2, 0.5])
@pytest.mark.parametrize("masked", [0, 300, 40_000])
def test_edges(
    x: list[float],
    indices: list[int],
    log_probs: list[float],
    entropy: float,
    base: float | None,
    masked: int,
    dtype: Any,
) -> None:
    """In silence, in any base, before any number of masked classes; zeros are positive."""
    n = len(x)
    row = np.full(n + masked, -inf, dtype)
    row[:n] = x
    scale = 1 if base is None else 1 / np.log(base)
    tolerance = 1e-6 if dtype == np.float32 else 1e-14
    with np.errstate(all="raise"):
        top, chosen = (
            fe.top_log_probs(row, n, base=base),
            fe.top_log_probs(row, range(n), base=base),
        )
    np.testing.assert_array_equal(top.indices, indices)
    np.testing.assert_allclose(top.log_probs, np.array(log_probs) * scale, rtol=tolerance)
    np.testing.assert_allclose(top.entropy, entropy * scale, rtol=tolerance)
    np.testing.assert_array_equal(chosen.indices, np.arange(n))
    if indices[0] >= 0:
        np.testing.assert_array_equal(chosen.log_probs[indices], top.log_probs)
    else:
        assert np.isnan(chosen.log_probs).all()
    assert not np.signbit(top.log_probs[top.log_probs == 0]).any()


def test_chosen_classes_broadcast(dtype: Any, rng: np.random.Generator) -> None:
    """One list for all rows, a list for each, and whatever broadcasts; along any axis."""
    x = rng.standard_normal((2, 5, 3, 4)).astype(dtype)
    for axis in range(4):
        n = x.shape[axis]
        want = fe.top_log_probs(np.ascontiguousarray(np.moveaxis(x, axis, -1)), np.arange(n))
        log_p = np.moveaxis(want.log_probs, -1, axis)
        shape = [*x.shape[:axis], 6, *x.shape[axis + 1 :]]
        given = [rng.integers(0, n, shape)]
        given += [rng.integers(0, n, [6 if i == axis else 1 for i in range(4)])]
        given += [rng.integers(0, n, [m if i in (0, axis) else 1 for i, m in enumerate(shape)])]
        given += [given[1].reshape(given[1].shape[axis:]), rng.integers(0, n, (3, *shape))]
        for places in given:
            if 1 < places.ndim < 4 - axis:
                continue
            for position in (axis, axis - 4):
                top = fe.top_log_probs(x, places.astype(np.uint8), axis=position)
                full = np.broadcast_to(places, (*places.shape[:-4], *shape))
                np.testing.assert_array_equal(top.indices, full)
                whole = np.broadcast_to(log_p, (*full.shape[:-4], *x.shape))
                chosen = np.take_along_axis(whole, full, axis - 4)
                np.testing.assert_array_equal(top.log_probs, chosen, strict=True)
                entropies = np.broadcast_to(want.entropy, top.entropy.shape)
                np.testing.assert_array_equal(top.entropy, entropies)
        few = fe.top_log_probs(x, [1, 0, 1], axis=axis)
        np.testing.assert_array_equal(few.log_probs, log_p.take([1, 0, 1], axis))
        largest = fe.top_log_probs(x, 2, axis=axis)
        moved = fe.top_log_probs(np.ascontiguousarray(np.moveaxis(x, axis, -1)), 2)
        same(largest, (*(np.moveaxis(field, -1, axis) for field in moved[:2]), moved.entropy))


def test_shapes(dtype: Any) -> None:
    """One row, no rows, no classes asked for."""
    one = fe.top_log_probs(np.zeros(3, dtype), 2)
    assert [field.shape for field in one] == [(2,), (2,), ()]
    assert type(one.entropy) is dtype
    for k in (0, 2, np.empty((0, 2), int), np.empty(0, int), [1]):
        none = fe.top_log_probs(np.empty((0, 3), dtype), k)
        width = k if isinstance(k, int) else np.shape(k)[-1]
        assert [(field.shape, field.dtype) for field in none] == [
            ((0, width), np.int64),
            ((0, width), dtype),
            ((0,), dtype),
        ]
    for n in (3, 300):
        for k in (0, np.empty(0, int), np.empty((2, 0), int), np.empty((1, 0), np.int8)):
            top = fe.top_log_probs(np.zeros((2, n), dtype), k)
            assert top.indices.shape == top.log_probs.shape == (2, 0)
            np.testing.assert_array_equal(top.entropy, fe.softmax_entropy(np.zeros((2, n), dtype)))


def test_results_are_new(rng: np.random.Generator) -> None:
    """What is returned can be written to, and is not the array of indices that was given."""
    x, places = rng.standard_normal((4, 9)), rng.integers(0, 9, (4, 2))
    for given in (places, places[:1], [1, 2], 3):
        top = fe.top_log_probs(x, given)
        for field in top:
            assert field.flags.writeable
            assert not np.shares_memory(field, places)
            assert not np.shares_memory(field, x)


@pytest.mark.parametrize("layout", ZOO)
def test_layouts(layout: str, dtype: Any, rng: np.random.Generator) -> None:
    """The same bits whatever the strides, the byte order, the alignment; of indices too."""
    for shape in ((40, 10), (7, 300), (3, 5000)):
        x = (3 * rng.standard_normal(shape)).astype(dtype)
        places = rng.integers(0, shape[1], (shape[0], 3))
        view = ZOO[layout](x)
        same(fe.top_log_probs(view, 4), fe.top_log_probs(x, 4))
        for kind in (np.int16, np.uint64):
            given = ZOO[layout](places.astype(kind))
            same(fe.top_log_probs(view, given), fe.top_log_probs(x, places))
        columns = fe.top_log_probs(np.ascontiguousarray(x.T), 2)
        got = fe.top_log_probs(view, 2, axis=0)
        same(got, (columns.indices.T, columns.log_probs.T, columns.entropy))


@pytest.mark.parametrize("n", [1, 7, 100, 300, 3000, 300_000])
def test_same_bits(n: int, dtype: Any, rng: np.random.Generator) -> None:
    """A row alone, in a batch, in columns, by one thread or three."""
    rows, k = max(1, 600_000 // n), min(n, 5)
    x = (3 * rng.standard_normal((rows, n))).astype(dtype)
    places = rng.integers(0, n, (rows, 2))
    for given in (k, places):
        with fe.num_threads(1):
            want = fe.top_log_probs(x, given)
        with fe.num_threads(3):
            same(fe.top_log_probs(x, given), want)
            same(fe.top_log_probs(np.asfortranarray(x), given), want)
        for r in range(0, rows, rows // 5 + 1):
            part = slice(r, r + 17)
            own = given if given is k else places[part]
            same(fe.top_log_probs(x[part], own), [field[part] for field in want])
            one = given if given is k else places[r]
            same(fe.top_log_probs(x[r], one), [field[r] for field in want])


def test_same_bits_with_fma(dtype: Any, rng: np.random.Generator) -> None:
    """Instruction sets with fused multiply-add agree."""
    rows = [LOGITS[f](rng, 5, n).astype(dtype) for f in LOGITS for n in (3, 40, 300, 5000)]
    found = []
    for isa in _core.available_isas():
        if isa != "portable":
            with _core.using_isa(isa):
                found.append([fe.top_log_probs(x, 3, base=2) for x in rows])
    for other in found[1:]:
        for got, want in zip(other, found[0], strict=True):
            same(got, want)


def test_dtypes(rng: np.random.Generator) -> None:
    """float16 and bfloat16 are computed as float32, integers as float64."""
    ml_dtypes = pytest.importorskip("ml_dtypes")
    for shape in ((9, 50), (5, 700)):
        x = 3 * rng.standard_normal(shape)
        for given in (4, [3, 1]):
            for kind in (np.float16, ml_dtypes.bfloat16):
                small = x.astype(kind)
                want = fe.top_log_probs(small.astype(np.float32), given)
                same(fe.top_log_probs(small, given), want)
            for kind in (np.int8, np.uint64, np.bool_):
                whole = abs(x).astype(kind)
                want = fe.top_log_probs(whole.astype(np.float64), given)
                same(fe.top_log_probs(whole, given), want)


@pytest.mark.parametrize("base", [2, 10, 3])
def test_base_and_temperature(base: float, dtype: Any, rng: np.random.Generator) -> None:
    """Entropy has the bits of softmax_entropy; the rest is divided by log(base)."""
    x = (3 * rng.standard_normal((20, 400))).astype(dtype)
    for temperature in (1, 0.3):
        top = fe.top_log_probs(x, 5, base=base, temperature=temperature)
        nats = fe.top_log_probs(x, 5, temperature=temperature)
        np.testing.assert_array_equal(top.indices, nats.indices)
        tolerance: Any = {"rtol": 2 * bound(dtype)}
        np.testing.assert_allclose(top.log_probs, nats.log_probs / np.log(base), **tolerance)
        want = fe.softmax_entropy(x, base=base, temperature=temperature)
        np.testing.assert_array_equal(top.entropy, want)


def test_twin(dtype: Any, rng: np.random.Generator) -> None:
    """The plain NumPy form of reference_logits.py."""
    x = (3 * rng.standard_normal((20, 30))).astype(dtype)
    indices, log_probs = reference_logits.top_log_probs(x, 7)
    top = fe.top_log_probs(x, 7)
    np.testing.assert_array_equal(top.indices, indices)
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    # The twin's differences of logits up to 12 are off by their rounding, 2^-49.
    np.testing.assert_allclose(top.log_probs, log_probs, rtol=tolerance, atol=2.0**-49)


ERRORS: list[tuple[Callable[[Any], Any], type[Exception], str]] = [
    (lambda x: fe.top_log_probs(x, 5), ValueError, "indices_or_k is 5, but there are 4 classes"),
    (lambda x: fe.top_log_probs(x, -1), ValueError, "indices_or_k is -1, but there are 4"),
    (lambda x: fe.top_log_probs(x, 1.0), TypeError, "an integer or an array of them, not 1.0"),
    (lambda x: fe.top_log_probs(x, None), TypeError, "not None"),
    (lambda x: fe.top_log_probs(x, [1.0]), TypeError, "class indices are integers"),
    (lambda x: fe.top_log_probs(x, [True]), TypeError, "class indices are integers"),
    (lambda x: fe.top_log_probs(x, [3, 4]), ValueError, "indices_or_k: element 1 is 4"),
    (lambda x: fe.top_log_probs(x, [[3, 0], [2, -1]]), ValueError, r"element \(1, 1\) is -1"),
    (lambda x: fe.top_log_probs(x, np.zeros((3, 1), int)), ValueError, r"\(3, 1\), .* \(2,\)"),
    (
        lambda x: fe.top_log_probs(x[None], np.zeros((1, 1), int), axis=0),
        ValueError,
        r"\(1, 1\), and no axis -3",
    ),
    (lambda x: fe.top_log_probs(3.0, 1), ValueError, "single number"),
    (lambda x: fe.top_log_probs(x[:, :0], 0), ValueError, "there are no classes"),
    (lambda x: fe.top_log_probs(x, 1, axis=2), ValueError, "out of bounds"),
    (lambda x: fe.top_log_probs(x, 1, base=0), ValueError, "base must be"),
    (lambda x: fe.top_log_probs(x, 1, temperature=nan), ValueError, "temperature must be"),
    (lambda x: fe.top_log_probs(np.ma.array(x), 1), TypeError, "masked array"),
]


@pytest.mark.parametrize(("call", "error", "words"), ERRORS)
def test_errors(call: Callable[[Any], Any], error: type[Exception], words: str) -> None:
    """What, where and what to do."""
    with pytest.raises(error, match=words):
        call(np.zeros((2, 4)))

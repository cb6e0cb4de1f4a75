"""softmax and log_softmax: accuracy, edges, laws, layouts, bits, out, errors."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import reference_logits
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mpf
from reference import ulp_error
from reference_logits import ExactRow
from strategies import LOGITS, logits
from zoo import ZOO

import fastent as fe
from fastent import _core

pytestmark = pytest.mark.usefixtures("isa")

inf, nan = np.inf, np.nan
LENGTHS = (1, 2, 3, 10, 17, 256, 257, 1000, 4097)
LOOKED_AT = 60  # entries of a row that are held against exact numbers
BOTH = {"softmax": fe.softmax, "log_softmax": fe.log_softmax}
every_function = pytest.mark.parametrize("name", BOTH)


def bound(name: str, dtype: Any) -> float:
    """Return what measures.def promises."""
    return float(_core.bounds()[name][np.dtype(dtype) == np.float64])


def same(got: Any, want: Any) -> None:
    """Compare dtype, shape and bits."""
    np.testing.assert_array_equal(got, want, strict=True)


def check_accuracy(x: Any, temperature: float, rng: np.random.Generator) -> None:
    """Hold some entries of each row against exact numbers."""
    tiny = float(np.finfo(x.dtype).tiny)
    p, log_p = (f(x, temperature=temperature) for f in BOTH.values())
    assert p.dtype == log_p.dtype == x.dtype
    for r, row in enumerate(x):
        exact = ExactRow(row, temperature)
        if exact.is_empty:
            assert np.isnan([p[r], log_p[r]]).all()
            continue
        for j in rng.permutation(len(row))[:LOOKED_AT]:
            true, surprisal = exact.probability(j), exact.surprisal(j)
            allowed = bound("softmax", x.dtype) if true >= tiny else 1
            assert ulp_error(p[r, j], true, x.dtype) <= allowed, (len(row), r, j)
            if surprisal is None:
                assert log_p[r, j] == -inf
                continue
            allowed = bound("log_softmax", x.dtype) if surprisal >= tiny else 1
            assert ulp_error(log_p[r, j], -surprisal, x.dtype) <= allowed, (len(row), r, j)


@pytest.mark.parametrize("family", LOGITS)
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_accurate(family: str, temperature: float, dtype: Any, rng: np.random.Generator) -> None:
    """Rows of all lengths; results below the normal numbers are off by one unit at most."""
    for n in LENGTHS:
        rows = max(1, min(6, 60 // n))
        check_accuracy(LOGITS[family](rng, rows, n).astype(dtype), temperature, rng)


@pytest.mark.parametrize("n", [1, 20, 300])
def test_where_probabilities_end(n: int, dtype: Any, rng: np.random.Generator) -> None:
    """Rows with entries whose probability is about the smallest number."""
    end = np.log(float(np.finfo(dtype).smallest_subnormal))
    x = np.append(end * rng.uniform(0.8, 1.02, (4, n)), np.zeros((4, 1)), axis=1).astype(dtype)
    for temperature in (1.0, 3.0):
        check_accuracy((x * temperature).astype(dtype), temperature, rng)


@pytest.mark.parametrize("n", [31_990, 32_000, 32_001, 64_001])
def test_kept_and_made_again(n: int, dtype: Any, rng: np.random.Generator) -> None:
    """Rows whose largest entry rises, now slowly, now far; about where exponentials are kept."""
    rise = np.repeat(rng.choice([0.0, 0.5, 30.0, 100.0], n // 1024 + 1).cumsum(), 1024)[:n]
    x = (rise + rng.standard_normal((2, n))).astype(dtype)
    wide = x.astype(np.longdouble)
    exact = np.exp(wide - wide.max(-1, keepdims=True))
    exact /= exact.sum(-1, keepdims=True)
    kept = exact > np.finfo(dtype).tiny
    got = fe.softmax(x)
    assert kept.sum() > 100
    limit = 2.6 * np.finfo(dtype).eps  # 0.1 for the reference
    assert (np.abs(got - exact)[kept] <= limit * exact[kept]).all()
    assert (got[~kept] <= 2 * np.finfo(dtype).tiny).all()
    same(fe.softmax(x[1]), got[1])


@pytest.mark.usefixtures("threads_early")
def test_past_the_caches(dtype: Any) -> None:
    """Results too large for any cache are written otherwise: the same bits, to the last entry."""
    for columns in (50, 700):
        x = np.tile(np.sin(np.arange(1 << 16)), 129 + 130 * (dtype == np.float32)).astype(dtype)
        x = x[: x.size // columns * columns].reshape(-1, columns)
        room = np.full(x.size + 3, 7, dtype)
        for start in (0, 1, 3):  # at several distances from a line of the cache
            out = room[start : start + x.size].reshape(x.shape)
            fe.softmax(x, out=out)
            assert (room[:start] == 7).all()
            assert (room[start + x.size :] == 7).all()
            for part in (slice(0, 99), slice(-99, None)):
                same(out[part], fe.softmax(x[part]))
            room[:] = 7
        gradient = fe.softmax_cross_entropy_grad(np.zeros(len(x), int), x)
        np.testing.assert_array_equal(
            gradient[-99:], fe.softmax_cross_entropy_grad([0] * 99, x[-99:])
        )
        fe.softmax(x, out=x)
        np.testing.assert_allclose(x[::999].sum(-1), 1, rtol=1e-5)


EDGES: list[tuple[list[float], list[float], list[float]]] = [
    # logits, softmax, log_softmax
    ([0.0], [1], [0]),
    ([-7.0], [1], [0]),
    ([1.0, 1.0, 1.0, 1.0], [0.25] * 4, [np.log(0.25)] * 4),
    ([-inf], [nan], [nan]),
    ([-inf, -inf], [nan] * 2, [nan] * 2),
    ([inf], [1], [0]),
    ([inf, 0.0, -inf], [1, 0, 0], [0, -inf, -inf]),
    ([inf, inf, 0.0], [nan] * 3, [nan] * 3),
    ([-inf, 5.0], [0, 1], [-inf, 0]),
    ([nan, 0.0], [nan] * 2, [nan] * 2),
    ([0.0, nan, -inf], [nan] * 3, [nan] * 3),
    ([nan, inf], [nan] * 2, [nan] * 2),
    ([3e38, -3e38], [1, 0], [0, -inf]),
    ([-3e38, -3e38], [0.5, 0.5], [np.log(0.5)] * 2),
]


@pytest.mark.parametrize(("x", "p", "log_p"), EDGES)
@pytest.mark.parametrize("masked", [0, 300, 1100])
def test_edges(x: list[float], p: list[float], log_p: list[float], masked: int, dtype: Any) -> None:
    """In silence, zeros positive, and among any number of masked classes."""
    row = np.full(len(x) + masked, -inf, dtype)
    row[: len(x)] = x
    rest = nan if np.isnan(p[0]) else 0
    if dtype == np.float64 and x == [3e38, -3e38]:
        log_p = [0, -6e38]
    with np.errstate(all="raise"):
        for step in (1, -1):
            got, log_got = fe.softmax(row[::step])[::step], fe.log_softmax(row[::step])[::step]
            np.testing.assert_array_equal(got, [*p, *[rest] * masked])
            want = [*log_p, *[nan if np.isnan(rest) else -inf] * masked]
            np.testing.assert_allclose(log_got, want, rtol=1e-7 if dtype == np.float32 else 1e-15)
            assert not np.signbit(got).any()
            assert not np.signbit(log_got[log_got == 0]).any()


@every_function
def test_shapes(name: str, dtype: Any) -> None:
    """No rows, no entries, one entry, a single number."""
    function = BOTH[name]
    for shape in ((0,), (3, 0), (0, 4), (2, 0, 3)):
        for axis in (-1, None, tuple(range(len(shape)))):
            same(function(np.empty(shape, dtype), axis=axis), np.empty(shape, dtype))
    one = dtype(name == "softmax")
    for axis in (None, ()):
        got = function(dtype(3), axis=axis)
        assert type(got) is dtype
        assert got == one
        room = np.empty((), dtype)
        assert function(dtype(3), axis=axis, out=room) is room
        assert room == one
    same(function(np.array([[3], [4]], dtype)), np.full((2, 1), one))
    same(function(np.array([[3, 4]], dtype), axis=()), np.full((1, 2), one))


@every_function
@pytest.mark.parametrize("layout", ZOO)
def test_layouts(name: str, layout: str, dtype: Any, rng: np.random.Generator) -> None:
    """The same bits whatever the strides, the byte order, the alignment."""
    for shape in ((40, 10), (7, 300), (3, 5000)):
        x = (3 * rng.standard_normal(shape)).astype(dtype)
        view = ZOO[layout](x)
        same(BOTH[name](view), BOTH[name](x))
        same(BOTH[name](view, axis=0), BOTH[name](np.ascontiguousarray(x.T)).T)
        same(BOTH[name](view, axis=None), BOTH[name](x.ravel()).reshape(shape))


@every_function
def test_axes(name: str, dtype: Any, rng: np.random.Generator) -> None:
    """Every choice of axes, as SciPy's: rows are those of the moved copy."""
    special = pytest.importorskip("scipy.special")
    function = BOTH[name]
    x = rng.standard_normal((3, 5, 4, 6)).astype(dtype)
    layouts = (x, np.asfortranarray(x), x[:, ::-1, ::2])
    for count in range(5):
        for axes, array in itertools.product(itertools.combinations(range(4), count), layouts):
            outer = [i for i in range(4) if i not in axes]
            moved = array.transpose(*outer, *axes)
            flat = np.ascontiguousarray(moved).reshape(*moved.shape[: len(outer)], -1)
            want = function(flat).reshape(moved.shape).transpose(np.argsort([*outer, *axes]))
            for axis in (axes, tuple(i - 4 for i in axes[::-1])):
                got = function(array, axis=axis)
                same(got, want)
                out = np.empty_like(array)
                assert function(array, axis=axis, out=out) is out
                same(out, want)
            tolerance = 1e-5 if dtype == np.float32 else 1e-13
            if axes:
                theirs = getattr(special, name)(array, axis=axes)
                np.testing.assert_allclose(got, theirs, rtol=tolerance, atol=tolerance)
    same(function(x, axis=None), function(x, axis=(0, 1, 2, 3)))


@every_function
@pytest.mark.parametrize("n", [1, 7, 100, 300, 3000, 300_000])
def test_same_bits(name: str, n: int, dtype: Any, rng: np.random.Generator) -> None:
    """A row alone, in a batch, in columns, by one thread or three."""
    function, rows = BOTH[name], max(1, 600_000 // n)
    x = (3 * rng.standard_normal((rows, n))).astype(dtype)
    with fe.num_threads(1):
        want = function(x)
    with fe.num_threads(3):
        same(function(x), want)
        same(function(np.asfortranarray(x)), want)
    for r in range(0, rows, rows // 5 + 1):
        same(function(x[r]), want[r])
        same(function(x[r : r + 17]), want[r : r + 17])
        same(function(np.ascontiguousarray(x[r : r + 17].T), axis=0).T, want[r : r + 17])


@every_function
def test_same_bits_with_fma(name: str, dtype: Any, rng: np.random.Generator) -> None:
    """Instruction sets with fused multiply-add agree."""
    found = []
    for isa in _core.available_isas():
        if isa != "portable":
            with _core.using_isa(isa):
                found.append([BOTH[name](3 * x) for x in _some_rows(dtype, 5)])
    for other in found[1:]:
        for got, want in zip(other, found[0], strict=True):
            same(got, want)


def _some_rows(dtype: Any, seed: int) -> list[Any]:
    rng = np.random.default_rng(seed)
    return [LOGITS[f](rng, 5, n).astype(dtype) for f in LOGITS for n in (3, 40, 300, 5000)]


@every_function
@pytest.mark.parametrize("axis", [-1, 0, (0, 1), (0, 2), None], ids=str)
def test_out(name: str, axis: Any, dtype: Any, rng: np.random.Generator) -> None:
    """Results in what is given: itself, beside it, over it, of other types and strides."""
    function = BOTH[name]
    for shape in ((7, 10, 3), (3, 400, 5), (2, 3, 3000)):
        x = (3 * rng.standard_normal(shape)).astype(dtype)
        want = function(x, axis=axis)
        for array in (x.copy(), np.asfortranarray(x)):
            assert function(array, axis=axis, out=array) is array
            same(array, want)
        for step in (-1, 2):
            room = np.zeros([2 * n for n in shape], dtype)[::step, ::step, ::step][
                tuple(slice(0, n) for n in shape)
            ]
            function(x, axis=axis, out=room)
            same(room, want)
        array = x.copy()
        function(array, axis=axis, out=array[::-1])
        same(array[::-1], want)
        room = np.zeros(x.size + 1, dtype)
        array, beside = (room[i : i + x.size].reshape(shape) for i in (1, 0))
        array[...] = x
        function(array, axis=axis, out=beside)
        same(beside, want)
        other = np.float64 if dtype == np.float32 else np.float32
        for kind in (other, np.dtype(dtype).newbyteorder()):
            converted = np.empty(shape, kind)
            function(x, axis=axis, out=converted)
            np.testing.assert_array_equal(converted, want.astype(kind))


def test_broadcast_input(rng: np.random.Generator) -> None:
    """Rows that are one row."""
    row = rng.standard_normal(1000)
    for function in BOTH.values():
        same(function(np.broadcast_to(row, (30, 1000))), np.tile(function(row), (30, 1)))


def test_dtypes(rng: np.random.Generator) -> None:
    """float16 and bfloat16 are computed as float32, integers as float64."""
    ml_dtypes = pytest.importorskip("ml_dtypes")
    for shape in ((9, 50), (5, 700)):
        x = 3 * rng.standard_normal(shape)
        for function in BOTH.values():
            for kind in (np.float16, ml_dtypes.bfloat16):
                small = x.astype(kind)
                same(function(small), function(small.astype(np.float32)))
                same(function(small, axis=0), function(small.astype(np.float32), axis=0))
            for kind in (np.int8, np.int64, np.uint16, np.bool_):
                whole = abs(x).astype(kind)
                same(function(whole), function(whole.astype(np.float64)))
            same(function(x.tolist()), function(x))
            assert function([[1, 2]]).dtype == np.float64


def test_twin(dtype: Any, rng: np.random.Generator) -> None:
    """The plain NumPy forms of reference_logits.py."""
    x = (3 * rng.standard_normal((20, 30))).astype(dtype)
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    for name, function in BOTH.items():
        np.testing.assert_allclose(function(x), getattr(reference_logits, name)(x), rtol=tolerance)


@given(logits())
def test_rows_sum_to_one(x: Any) -> None:
    """As far as the entries' own errors allow; none is outside [0, 1], and the order is kept."""
    p, log_p = fe.softmax(x), fe.log_softmax(x)
    rows = ~np.isnan(p).all(-1)
    slack = 2.5 * np.finfo(x.dtype).eps
    sums = [
        math.fsum(row) for row in p[rows].reshape(-1, p.shape[-1]).tolist()
    ]  # without a rounding
    np.testing.assert_allclose(sums, 1, rtol=0, atol=slack)
    assert ((p >= 0) & (p <= 1) & (log_p <= 0))[rows].all()
    order = np.argsort(x, axis=-1)
    for values in (p[rows], log_p[rows]):
        ordered = np.take_along_axis(values, order[rows], -1)
        assert (ordered[:, :-1] <= ordered[:, 1:]).all()
    tolerance = 1e-4 if x.dtype == np.float32 else 1e-12
    least = float(np.finfo(x.dtype).smallest_subnormal)  # of those a part in 1e4 is none
    np.testing.assert_allclose(np.exp(log_p), p, rtol=tolerance, atol=2 * least)


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=40), st.floats(-1e3, 1e3))
def test_shifts(row: list[float], shift: float) -> None:
    """A constant changes nothing; nor do temperature and logits by the same factor."""
    x = np.array(row)
    shifted = x + shift
    lost = abs((shifted - shift) - x).max()
    np.testing.assert_allclose(fe.softmax(shifted), fe.softmax(x), rtol=1e-14 + 2 * lost)
    for factor in (0.25, 8.0):
        same(fe.softmax(x * factor, temperature=factor), fe.softmax(x))
        same(fe.log_softmax(x * factor, temperature=factor), fe.log_softmax(x))


@given(logits())
def test_others_of_the_family(x: Any) -> None:
    """-log p is softmax_cross_entropy, to its bound."""
    for j in {0, x.shape[-1] // 2, x.shape[-1] - 1}:
        losses = fe.softmax_cross_entropy(np.full(len(x), j), x)
        relative = bound("softmax_cross_entropy", x.dtype) + 2 * np.finfo(x.dtype).eps
        np.testing.assert_allclose(-fe.log_softmax(x)[:, j], losses, rtol=relative)


def test_a_probability_next_to_one() -> None:
    """Its logarithm keeps its digits."""
    assert fe.softmax([0.0, -800.0])[0] == 1
    got = float(fe.log_softmax([0.0, -700.0])[0])
    assert abs(mpf(got) + ExactRow([0.0, -700.0]).log_sum) < 1e-318


ERRORS: list[tuple[Callable[[Any, Any], Any], type[Exception], str]] = [
    (lambda f, x: f(x, axis=2), ValueError, "axis 2 is out of bounds"),
    (lambda f, x: f(x, axis=(0, -2)), ValueError, "repeated axis"),
    (lambda f, x: f(x, axis=0.5), TypeError, "axis must be an int, a tuple of ints or None"),
    (lambda f, x: f(3.0), ValueError, "axis -1 is out of bounds"),
    (lambda f, x: f(x, temperature=0), ValueError, "temperature must be a positive"),
    (lambda f, x: f(x, temperature="1"), TypeError, "temperature must be a number"),
    (lambda f, x: f(x, out=np.empty(8)), ValueError, r"out has shape \(8,\), the result \(2, 4\)"),
    (lambda f, x: f(x, out=np.empty((2, 4), int)), TypeError, "out has dtype int64"),
    (lambda f, x: f(x, out=[0.0] * 8), TypeError, "out must be an ndarray, not list"),
    (lambda f, x: f(x, out=np.broadcast_to(0.0, (2, 4))), ValueError, "read-only"),
    (lambda f, x: f(x.astype(complex)), TypeError, "real array"),
    (lambda f, x: f(np.ma.array(x)), TypeError, "masked array"),
    (lambda f, x: f([[1.0], [1.0, 2.0]]), ValueError, "logits cannot be read as an array"),
]


@every_function
@pytest.mark.parametrize(("call", "error", "words"), ERRORS)
def test_errors(
    call: Callable[[Any, Any], Any], error: type[Exception], words: str, name: str
) -> None:
    """What, where and what to do."""
    with pytest.raises(error, match=words):
        call(BOTH[name], np.zeros((2, 4)))

"""softmax, log_softmax and logsumexp of fastent.special: SciPy's arguments, dtypes and edges."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from mpmath import mp, mpf
from reference import ulp_error
from strategies import LOGITS

import fastent as fe
from fastent import _core, special

inf, nan = np.inf, np.nan
SPREAD = {"softmax": special.softmax, "log_softmax": special.log_softmax}
ALL: dict[str, Callable[..., Any]] = {**SPREAD, "logsumexp": special.logsumexp}
every_function = pytest.mark.parametrize("name", ALL)
both = pytest.mark.parametrize("name", SPREAD)


def scipys(name: str) -> Any:
    """Return SciPy's function."""
    return getattr(pytest.importorskip("scipy.special"), name)


def close(got: Any, want: Any, rtol: float | None = None) -> None:
    """Compare type, dtype, shape, and values to a few units."""
    assert type(got) is type(want)
    assert got.dtype == want.dtype
    assert got.shape == want.shape
    tolerance = rtol if rtol is not None else 40 * float(np.finfo(want.dtype).eps)
    np.testing.assert_allclose(
        got.astype(float), want.astype(float), rtol=tolerance, atol=tolerance
    )


def result_of(function: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    """Return what comes of a call, or the type of its exception."""
    with np.errstate(all="ignore"):
        try:
            return function(*arguments, **keywords)
        except Exception as error:
            return type(error)


# ---- edges -------------------------------------------------------------------------------------

VALUES = [0.0, -1.0, 3.0, 1e4, -1e300, inf, -inf, nan]
ROWS = [row for n in (1, 2, 3) for row in itertools.product(VALUES, repeat=n)]


@pytest.mark.usefixtures("isa")
@both
def test_edges_are_scipys(name: str, dtype: Any) -> None:
    """Rows of up to three values of every kind, alone, in a batch and in a long row."""
    for row in ROWS:
        with np.errstate(over="ignore"):
            x = np.array(row).astype(dtype)
        with np.errstate(all="ignore"):
            want = scipys(name)(x)
        close(SPREAD[name](x), want)
        close(SPREAD[name](np.stack([x, x]), axis=1), np.stack([want, want]))
        long = np.append(x, np.full(400, -inf, dtype))
        with np.errstate(all="ignore"):
            close(SPREAD[name](long), scipys(name)(long))


@pytest.mark.usefixtures("isa")
def test_logsumexp_edges_are_scipys(dtype: Any) -> None:
    """Likewise; with the sign."""
    for row in ROWS:
        with np.errstate(over="ignore"):
            x = np.array(row).astype(dtype)
        want = result_of(scipys("logsumexp"), x, return_sign=True)
        for got, part in zip(special.logsumexp(x, return_sign=True), want, strict=True):
            close(got, part)
        close(special.logsumexp(x), want[0])


WEIGHTS = [0.0, -0.0, 1.0, -1.0, 2.5, inf, nan]


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("n", [1, 2])
def test_weighted_edges_are_scipys(n: int, dtype: Any) -> None:
    """Every pair of a weight and an exponent, and every two; short rows and long ones.

    An exponent of weight 0 counts for nothing, as in SciPy; which forgets that where nothing else
    is left, and gives NaN.
    """
    pairs = list(itertools.product(WEIGHTS, [0.0, -1.0, 50.0, inf, -inf, nan]))
    rows = list(itertools.product(pairs, repeat=n))
    b, a = (np.array([[pair[k] for pair in row] for row in rows]).astype(dtype) for k in (0, 1))
    counted = np.where(b == 0, -inf, a).astype(dtype)
    with np.errstate(all="ignore"):
        want, want_sign = scipys("logsumexp")(counted, axis=1, b=b, return_sign=True)
        plain = scipys("logsumexp")(counted, axis=1, b=b)
    pad = np.zeros((len(a), 300), dtype)
    for exponents, weights in ((a, b), (np.hstack([a, pad - inf]), np.hstack([b, pad]))):
        got, sign = special.logsumexp(exponents, axis=1, b=weights, return_sign=True)
        close(got, want)
        np.testing.assert_array_equal(sign, want_sign, strict=True)
        close(special.logsumexp(exponents, axis=1, b=weights), plain)


def test_sums_that_cancel_where_scipys_overflow() -> None:
    """e^1000 - e^1000 is 0: -inf, of sign 0."""
    value, sign = special.logsumexp([1000.0, 1000.0], b=[1, -1], return_sign=True)
    assert (value, sign) == (-inf, 0)


# ---- accuracy ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("family", LOGITS)
def test_accurate(family: str, dtype: Any, rng: np.random.Generator) -> None:
    """Weights of one sign: 2 units of the larger of the largest exponent and the result."""
    for n in (1, 2, 5, 32, 33, 300):
        a = LOGITS[family](rng, 3, n).astype(dtype)
        b = rng.uniform(0.1, 3, a.shape).astype(dtype)
        got, sign = special.logsumexp(a, axis=1, b=b, return_sign=True)
        for r in range(3):
            usual = np.isfinite(a[r])
            if not usual.any() or np.isnan(a[r]).any() or (a[r] == inf).any():
                continue
            terms = [mpf(float(w)) * mp.exp(mpf(float(x))) for w, x in zip(b[r], a[r], strict=True)]
            true = mp.log(mp.fsum(terms))
            size = max(abs(true), abs(mpf(float(a[r][usual].max()))))
            allowed = 2 * float(size) * float(np.finfo(dtype).eps) + 1e-45
            assert abs(float(mpf(float(got[r])) - true)) <= allowed
            assert sign[r] == 1


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("n", [2, 3, 31, 100, 40_000])
def test_accurate_where_terms_cancel(n: int, rng: np.random.Generator) -> None:
    """Sums of both signs that are far smaller than their terms: the error is of the terms' digits.

    Terms beside the largest cancel with all their digits.
    """
    for spread in (1.0, 1e-3, 1e-9, 1e-14):
        a = 5 + spread * rng.standard_normal(n)
        b = rng.choice([-1.0, 1.0], n)
        if n % 2 == 0:
            b[: n // 2], b[n // 2 :] = 1, -1
        got, sign = special.logsumexp(a, b=b, return_sign=True)
        size = mp.fsum(mpf(float(w)) * mp.exp(mpf(float(x))) for w, x in zip(b, a, strict=True))
        assert sign == np.sign(float(size))
        if size == 0:
            assert got == -inf
            continue
        # of e^d - 1, d the distance from the largest
        reach = mp.fsum(abs(mp.expm1(mpf(float(x)) - mpf(float(a.max())))) for x in a)
        relative = 4e-16 * float(reach * mp.exp(mpf(float(a.max()))) / abs(size))
        assert abs(float(mpf(float(got)) - mp.log(abs(size)))) <= 4e-15 + relative


@both
def test_same_bits_as_the_public_functions(name: str, dtype: Any, rng: np.random.Generator) -> None:
    """Of finite rows: the same kernels."""
    public = getattr(fe, name)
    for shape in ((5, 7), (3, 400), (2, 3, 50)):
        x = (4 * rng.standard_normal(shape)).astype(dtype)
        for axis in (0, -1, (0, 1), None):
            np.testing.assert_array_equal(
                SPREAD[name](x, axis=axis), public(x, axis=axis), strict=True
            )


# ---- arguments ---------------------------------------------------------------------------------

SHAPES = [(), (1,), (5,), (2, 3), (3, 4, 2), (0,), (0, 3), (3, 0), (0, 0)]
AXES: list[Any] = [None, 0, 1, -1, (0, 1), (1, 0), (0, 0), (), (-1, 0), 7, 1.5, "x"]


@every_function
@pytest.mark.parametrize("axis", AXES, ids=str)
def test_axes_and_shapes(name: str, axis: Any, dtype: Any) -> None:
    """Results of every shape along every axis, or errors of the same type."""
    for shape in SHAPES:
        x = np.random.default_rng(2).standard_normal(shape).astype(dtype)
        want = result_of(scipys(name), x, axis=axis)
        got = result_of(ALL[name], x, axis=axis)
        if name == "logsumexp" and x.size == 0 and axis not in (0, 1, -1):
            continue  # SciPy's is confused about axes where there are no elements
        if isinstance(want, type):
            assert isinstance(got, type)
            assert issubclass(got, want) or issubclass(want, got)
        else:
            close(got, want)


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("sign", [False, True])
@pytest.mark.parametrize("axis", AXES[:9], ids=str)
def test_logsumexp_options(axis: Any, sign: bool, keepdims: bool, dtype: Any) -> None:
    """keepdims, return_sign and b of every broadcast shape, positionally too."""
    ours, theirs = special.logsumexp, scipys("logsumexp")
    rng = np.random.default_rng(5)
    for shape in SHAPES:
        a = rng.standard_normal(shape).astype(dtype)
        weights: list[Any] = [None, 2, -1.5, np.float32(0.5), rng.standard_normal(shape)]
        weights += [rng.integers(-2, 3, shape), rng.standard_normal((2, *shape)).astype("f")]
        if len(shape) == 2:
            weights.append(rng.standard_normal((shape[0], 1)))
        for b in weights:
            want = result_of(theirs, a, axis, b, keepdims, sign)
            got = result_of(ours, a, axis, b, keepdims, sign)
            if a.size == 0 and axis not in (0, 1, -1):
                continue  # SciPy's is confused about axes where there are no elements
            if isinstance(want, type):
                assert isinstance(got, type)
            else:
                for one, other in zip(*(r if sign else (r,) for r in (got, want)), strict=True):
                    close(one, other, 1e-4 if dtype == np.float32 else 1e-10)


KINDS = ["b", "h", "i", "l", "H", "I", "Q", "e", "f", "d", ">f4", ">f8"]


@every_function
@pytest.mark.parametrize("kind", KINDS)
def test_dtypes(name: str, kind: str) -> None:
    """Results have SciPy's dtypes; those of float16 have more digits."""
    x = np.array([[3, 1, 4], [1, 5, 9]]).astype(kind)
    x[1] -= x[1].min() if np.dtype(kind).kind == "u" else 0
    if np.dtype(kind).kind == "u" and name != "logsumexp":  # whose differences wrap around
        want = scipys(name)(x.astype(float), axis=1).astype(np.exp(x).dtype)
    else:
        want = scipys(name)(x, axis=1)
    close(ALL[name](x, axis=1), want, 2e-3 if want.dtype == "e" else 1e-6)
    close(ALL[name](x.tolist(), axis=1), scipys(name)(x.tolist(), axis=1))


@pytest.mark.parametrize("b", [2, 2.0, True, np.float32(2), np.float64(2), [1, 2], "f", "l", "?"])
@pytest.mark.parametrize("kind", ["f", "d", "e", "l"])
def test_logsumexp_dtypes(b: Any, kind: str) -> None:
    """Numbers are weak beside arrays, arrays are not."""
    weights = np.array([1, 2]).astype(b) if isinstance(b, str) else b
    a = np.array([1, 2]).astype(kind)
    want = scipys("logsumexp")(a, b=weights)
    close(special.logsumexp(a, b=weights), want, 2e-3 if want.dtype == "e" else 1e-6)


def test_errors() -> None:
    """They say what is wrong."""
    with pytest.raises(ValueError, match=r"a has shape \(2,\) and b \(3,\): they do not broadcast"):
        special.logsumexp([1.0, 2.0], b=[1, 2, 3])
    with pytest.raises(ValueError, match=r"rows without entries: x has shape \(3, 0\)"):
        special.softmax(np.zeros((3, 0)), axis=1)
    with pytest.raises(TypeError, match="log_softmax of booleans"):
        special.log_softmax([True, False])
    for function in ALL.values():
        with pytest.raises(TypeError):
            function(["a", "b"])
        with pytest.raises(TypeError):
            function(np.array([1, None]))


# ---- layouts and threads -----------------------------------------------------------------------


@pytest.mark.usefixtures("isa", "threads_early")
@pytest.mark.parametrize("n", [2, 9, 32, 33, 257, 3000, 200_001])
def test_weighted_rows_have_the_same_bits(n: int, dtype: Any, rng: np.random.Generator) -> None:
    """A row alone, in a batch, in columns, reversed memory, by one thread or three."""
    rows = max(2, 60_000 // n)
    a, b = rng.standard_normal((2, rows, n)).astype(dtype)
    a[0], b[1] = -inf, 0

    def call(a: Any, b: Any, axis: Any = -1) -> Any:
        return np.stack(special.logsumexp(a, axis, b, return_sign=True))

    with fe.num_threads(1):
        want = call(a, b)
    with fe.num_threads(3):
        np.testing.assert_array_equal(call(a, b), want)
        np.testing.assert_array_equal(call(np.asfortranarray(a), b), want)
        np.testing.assert_array_equal(call(a.T.copy(), b.T.copy(), 0), want)
        np.testing.assert_array_equal(call(a[::-1], b[::-1])[:, ::-1], want)
    for r in range(0, rows, rows // 2):
        np.testing.assert_array_equal(call(a[r], b[r]), want[:, r])
        np.testing.assert_array_equal(call(a[r : r + 17], b[r : r + 17]), want[:, r : r + 17])


# ---- what is left to SciPy ---------------------------------------------------------------------


@every_function
@pytest.mark.parametrize("letter", ["g", "F", "D"])
def test_lent_dtypes_are_scipys(name: str, letter: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Complex numbers and long double, also when SciPy's public names are ours."""
    theirs = scipys(name)
    monkeypatch.setattr(f"scipy.special.{name}", ALL[name])
    x = np.random.default_rng(3).standard_normal((3, 4)).astype(letter)
    if letter != "g":
        x = x + 1j * x[::-1]
    for axis in (None, 0, (0, 1)):
        got = ALL[name](x, axis=axis)
        assert got.dtype == np.dtype(letter)
        np.testing.assert_array_equal(got, theirs(x, axis=axis))
    if name == "logsumexp":
        keywords: dict[str, Any] = {"b": -2, "return_sign": True, "keepdims": True}
        np.testing.assert_array_equal(ALL[name](x, **keywords), theirs(x, **keywords))


@every_function
@pytest.mark.parametrize("letter", ["g", "D"])
def test_lent_dtypes_without_scipy(name: str, letter: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A TypeError that says so."""
    monkeypatch.setitem(sys.modules, "scipy.special", None)
    with pytest.raises(TypeError, match=f"{name} of .* install scipy, or pass float64 or float32"):
        ALL[name](np.ones(3, letter))
    assert np.isfinite(ALL[name](np.ones(3))).all()


@every_function
def test_no_recursion(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even SciPy's private name may be ours: an error, not a recursion."""
    pytest.importorskip("scipy.special")
    monkeypatch.setattr(f"scipy.special._logsumexp.{name}", ALL[name])
    with pytest.raises(TypeError, match="whose own function was replaced"):
        ALL[name](np.ones(3, complex))


def test_bounds_are_there() -> None:
    """The new measure has one result and one sign a row."""
    assert _core.bounds()["logsumexp_weighted"] == (2.0, 2.0)
    assert ulp_error(special.logsumexp([0.0, 0.0]), mp.log(2), np.float64) <= 1

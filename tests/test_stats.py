"""fastent.stats.entropy is scipy.stats.entropy: values, types, errors and warnings, or better."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from children import run
from mpmath import mp, mpf

from fastent.stats import entropy

scipy_stats = pytest.importorskip("scipy.stats")
theirs = scipy_stats.entropy

EDGES = [0.0, -0.0, 1.0, -1.0, 0.3, -2.0, 1e-3, 7.0, np.inf, -np.inf, np.nan]
FEWER = [0.0, 1.0, -1.0, 0.3, -2.0, np.inf, np.nan]
POLICIES = ["propagate", "omit", "raise"]
DTYPES = ["f2", "f4", "f8", "?", "i1", "u1", "i4", "i8", "u8"]
# Sums of a float32 are off by this in SciPy, which divides and adds in float32.
TOLERANCE = {np.dtype(np.float32): 2e-6, np.dtype(np.float64): 1e-12}


def outcome(function: Callable[..., Any], *args: Any, **keywords: Any) -> tuple[Any, set[str]]:
    """Return a call's result, or its error as type and message, and its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = function(*args, **keywords)
        except Exception as error:
            return (type(error), str(error)), set()
    assert all(one.category is RuntimeWarning for one in caught)
    return result, {str(one.message) for one in caught}


def same(*args: Any, **keywords: Any) -> Any:
    """Check that SciPy gives the same on these arguments, with the same warnings; return it."""
    ours, our_warnings = outcome(entropy, *args, **keywords)
    expected, their_warnings = outcome(theirs, *args, **keywords)
    assert our_warnings == their_warnings
    if isinstance(expected, tuple):
        assert ours == expected
        return ours
    assert type(ours) is type(expected)
    assert ours.dtype == expected.dtype
    assert ours.shape == expected.shape
    tolerance = TOLERANCE[ours.dtype]
    np.testing.assert_allclose(ours, expected, rtol=tolerance, atol=tolerance)
    return ours


# ---- the edges -----------------------------------------------------------------------------------


def quiet(function: Callable[..., Any], *args: Any, **keywords: Any) -> Any:
    """Return what a function says, whatever it warns of."""
    with np.errstate(all="ignore"):
        return function(*args, **keywords)


@pytest.mark.parametrize("policy", ["propagate", "omit"])
@pytest.mark.parametrize("columns", [1, 2, 3, 4])
@pytest.mark.parametrize("base", [None, 0.5])
def test_every_row_of_edge_values(columns: int, policy: str, dtype: Any, base: float) -> None:
    """Entropies of all rows of a few values: signs, zeros, infinities, NaN."""
    rows = np.array(list(itertools.product(EDGES if columns < 4 else FEWER, repeat=columns)), dtype)
    keywords = {"axis": 1, "nan_policy": policy, "base": base}
    expected = quiet(theirs, rows.astype(np.float64), **keywords)
    ours = quiet(entropy, rows, **keywords)
    np.testing.assert_allclose(ours, expected, rtol=TOLERANCE[ours.dtype], atol=1e-12)
    one_by_one = [quiet(entropy, row, base=base, nan_policy=policy) for row in rows[:300]]
    np.testing.assert_array_equal(one_by_one, ours[:300])


@pytest.mark.parametrize("policy", ["propagate", "omit"])
@pytest.mark.parametrize("base", [None, 0.5])
def test_every_pair_of_rows_of_edge_values(policy: str, dtype: Any, base: float) -> None:
    """The same of divergences."""
    rows = np.array(list(itertools.product(FEWER, repeat=4)), dtype)
    p, q = rows[:, :2], rows[:, 2:]
    keywords = {"axis": 1, "nan_policy": policy, "base": base}
    expected = quiet(theirs, p.astype(np.float64), q.astype(np.float64), **keywords)
    ours = quiet(entropy, p, q, **keywords)
    np.testing.assert_allclose(ours, expected, rtol=TOLERANCE[ours.dtype], atol=1e-7)
    one_by_one = [
        quiet(entropy, *pair, base=base, nan_policy=policy) for pair in zip(p, q, strict=True)
    ]
    np.testing.assert_array_equal(one_by_one, ours)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("pair", [False, True])
def test_rows_of_all_kinds_in_many_blocks(pair: bool, policy: str, rng: Any) -> None:
    """Rows that need a second look, among many that do not."""
    p, q = rng.random((2, 9000, 9))
    for rows in (p, q):
        rows[rng.random(rows.shape) < 0.02] = np.nan if policy != "raise" else 0
        rows[rng.random(9000) < 0.1] = 0
        rows[rng.random(9000) < 0.1] *= -1
        rows[rng.random(rows.shape) < 0.01] *= -1
    args = (p, q) if pair else (p,)
    same(*args, axis=1, nan_policy=policy)
    same(*(x.T for x in args), nan_policy=policy, keepdims=True)


def test_a_row_longer_than_a_block(rng: Any) -> None:
    """NaN and negative entries in a row that is looked at whole."""
    p, q = rng.random((2, 1, 200_000))
    p[0, 5] = np.nan
    for args in ((p,), (p, q), (q, p)):
        same(*args, axis=1, nan_policy="omit")
        same(*args, axis=1)
    q[0, 7] = -1
    same(q, axis=1)
    same(-q, axis=1)


# ---- shapes, dtypes, bases -----------------------------------------------------------------------

AXES = [0, 1, 2, -1, -3, (0, 1), (2, 0), (-1, 0), (0, 1, 2), [0, 2], (), None]
SHAPES = [
    ((4, 2, 3), None),
    ((4, 2, 3), (4, 2, 3)),
    ((4, 2, 3), (3,)),
    ((2, 1), (4, 1, 3)),
    ((1, 1, 1), (4, 2, 3)),
    ((4, 2, 3), ()),
    ((0, 2, 3), None),
    ((4, 0, 3), (4, 1, 3)),
    ((4, 2, 0), (4, 2, 0)),
    ((3,), None),
    ((3,), (1,)),
    ((), None),
    ((), (5,)),
    ((0,), None),
    ((0,), (1,)),
    ((2, 3), (6,)),
    ((2, 3), (3,)),
    ((3,), (4,)),
    ((2, 3), (2, 4)),
    ((0,), (3,)),
]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("axis", AXES, ids=str)
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_shapes_and_axes(shapes: Any, axis: Any, policy: str, rng: Any) -> None:
    """Broadcasting, several axes, none, all; results that keep them; what does not fit."""
    args = [rng.random(shape) if shape is not None else None for shape in shapes]
    for keepdims in (False, True):
        if keepdims and isinstance(axis, list):
            continue  # theirs is an error, for no reason
        same(*args, axis=axis, keepdims=keepdims, nan_policy=policy)


@pytest.mark.parametrize("second", [None, *DTYPES])
@pytest.mark.parametrize("first", DTYPES)
def test_dtypes(first: str, second: str | None) -> None:
    """Every pair of dtypes gives the dtype that SciPy gives; float16 has our digits."""
    p = np.array([[1, 0, 3], [1, 1, 1]]).astype(first)
    q = None if second is None else np.array([[1, 5, 2], [2, 3, 1]]).astype(second)
    kinds = [x.dtype for x in (p, q) if x is not None]
    if np.dtype(np.float16) in kinds:
        ours, expected = entropy(p, q, axis=1), theirs(p, q, axis=1)
        assert ours.dtype == expected.dtype
        np.testing.assert_allclose(ours, expected, atol=2e-3)
    else:
        same(p, q, axis=1)
        same(p[0], None if q is None else q[0])


def test_scalars_and_lists() -> None:
    """Python's numbers do not raise a dtype, lists do; NumPy's numbers are arrays."""
    p = np.array([1, 2, 5], np.float32)
    for q in (2.0, 2, True, [1.0, 2.0, 3.0], np.float64(3), np.float32(3), (1, 1, 3), np.array(2)):
        same(p, q)
        same(q, p)
        same(q)
    same(pk=[1, 2], qk=[3, 4])
    same([1, 2], [1, 3], 2, 0)
    same(np.float32(3))
    same(5.0, keepdims=True)
    same([[1, 2], [3, 4]], keepdims=1)
    same(range(1, 4))


BASES = [2, 2.0, 10, math.e, 3, 0.5, 1e-300, 1, 1.0, True, np.inf, np.nan, 10**400, np.float32(2)]
BASES += [np.array(2), Decimal(3), 0, -1, -0.5, "2", 1j, np.array([2.0]), np.array([2.0, 3.0])]


@pytest.mark.parametrize("base", BASES, ids=repr)
def test_bases(base: Any) -> None:
    """Bases that are none, too, and those whose logarithm is 0, infinite or NaN."""
    rows = np.array([[1.0, 2.0, 3.0], [0.0, 1.0, 0.0], [1.0, -2.0, 0.5]])
    for args in ((rows,), (rows, rows[::-1]), (rows.astype(np.float32),)):
        same(*args, base, axis=1)
        same(*(x[0] for x in args), base=base)


@pytest.mark.parametrize("order", ["C", "F", "strided", "swapped", "reversed", "unaligned"])
def test_layouts_have_the_same_bits(order: str, dtype: Any, rng: Any) -> None:
    """However the entries lie."""
    p, q = rng.random((2, 40, 30)).astype(dtype)
    p[3], p[5, 2] = 0, -1

    def laid_out(x: np.ndarray) -> Any:
        if order == "strided":
            wide = np.zeros((40, 60), dtype)
            wide[:, ::2] = x
            return wide[:, ::2]
        if order == "unaligned":
            room = np.zeros(x.nbytes + 1, np.uint8)[1:].view(dtype).reshape(x.shape)
            room[...] = x
            return room
        if order == "swapped":
            return x.astype(x.dtype.newbyteorder())
        return x[::-1][::-1] if order == "reversed" else np.asarray(x, order=order)  # type: ignore[call-overload]

    for axis in (0, 1, (0, 1), None):
        for args in ((p,), (p, q), (q, p)):
            plain = quiet(entropy, *args, axis=axis)
            np.testing.assert_array_equal(quiet(entropy, *map(laid_out, args), axis=axis), plain)


# ---- masked arrays -------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("kind", ["f4", "f8", "i4"])
@pytest.mark.parametrize("axis", [0, 1, (0, 1), None])
def test_masked_arrays(axis: Any, kind: str, policy: str, rng: Any) -> None:
    """Masked entries are left out with their partners, and NaN under a mask is nothing."""
    p, q = rng.integers(1, 9, (2, 7, 6)).astype(kind)
    if kind != "i4":
        p[1, 2], q[1, 3], p[2, 0] = np.nan, np.nan, -1
    hide_p, hide_q = rng.random((2, 7, 6)) < 0.4
    hide_p[1, 2] = hide_p[4] = True  # a NaN, and a row
    masked_p, masked_q = np.ma.array(p, mask=hide_p), np.ma.array(q, mask=hide_q)
    bare = np.ma.array(q)
    for args in ((masked_p,), (masked_p, masked_q), (p, masked_q), (masked_p, bare), (bare,)):
        same(*args, axis=axis, nan_policy=policy)
        same(*args, axis=axis, nan_policy=policy, keepdims=True)
    if axis is not None:  # flattened, they do not fit, which SciPy says in other words
        same(masked_p, q[0], axis=axis, nan_policy=policy)


# ---- errors and warnings -------------------------------------------------------------------------

ERRORS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    (([1, 2],), {"axis": 1}),
    (([1, 2],), {"axis": -2}),
    (([[1, 2]],), {"axis": (0, 0)}),
    (([[1, 2]],), {"axis": (0, -2)}),
    (([[1, 2]],), {"axis": (0, 5)}),
    (([1, 2],), {"axis": 1.0}),
    (([1, 2],), {"axis": "a"}),
    (([1, 2],), {"axis": (0.5,)}),
    (([1, 2], [1, 2, 3]), {}),
    ((np.ones((2, 3)), np.ones((2, 4))), {"axis": 1}),
    (([[1, 2], [1]],), {}),
    (([1, np.nan],), {"nan_policy": "raise"}),
    (([[1, 2], [1, np.nan]],), {"nan_policy": "raise"}),
    (([1, 2], [1, np.nan]), {"nan_policy": "raise"}),
    (([0, 2], [np.nan, 0.0]), {"nan_policy": "raise"}),
    (([1, 2],), {"base": 0}),
    (((), None, -1), {}),
    (([1, 2], [1j, 2]), {}),
    ((np.array([1, 2], np.longdouble),), {}),
    ((np.array([1, 2], object),), {}),
    ((["a", "b"],), {}),
    (("ab",), {}),
    ((np.array(["2000-01-01"], "M8[s]"),), {}),
    ((None,), {}),
    (({1, 2},), {}),
    (([1, 2], None, None, 0, "omit"), {}),
    (([1, 2],), {"pk": [1, 2]}),
    (([1, 2],), {"keep": True}),
    ((), {"qk": [1, 2]}),
]


@pytest.mark.parametrize(("args", "keywords"), ERRORS, ids=str)
def test_errors(args: tuple[Any, ...], keywords: dict[str, Any]) -> None:
    """The same error, word by word."""
    result = same(*args, **keywords)
    assert isinstance(result, tuple)
    assert issubclass(result[0], Exception)


@pytest.mark.parametrize("policy", ["leave", None, 1, ["omit"]])
def test_unknown_policy(policy: Any) -> None:
    """Likewise, but that SciPy lists the policies in another order in each process."""
    for call in (entropy, theirs):
        with pytest.raises((ValueError, TypeError), match=r"nan_policy must be one of|unhashable"):
            call([1.0, 2.0], nan_policy=policy)


def test_warnings() -> None:
    """A sum of 0 divides by 0, as a logarithm of 0 does; nothing else has a warning."""
    for rows in ([1, -1], [1.0, -1.0, 0.0], [[1.0, -1.0], [1.0, 1.0]]):
        messages = outcome(entropy, rows, axis=-1)[1]
        assert messages == {"divide by zero encountered in divide"}
        same(rows, axis=-1)
        same(rows, np.ones(np.shape(rows)), axis=-1)
    for rows in ([np.nan, 1], [-1, 2], [0, 0], [np.inf, -np.inf], []):
        assert outcome(entropy, rows)[1] == set()
        same(rows)


# ---- better on purpose ---------------------------------------------------------------------------


def exact(p: Any, q: Any = None) -> Any:
    """Return the true value for these floats."""
    with mp.workdps(60):
        rows = [list(map(mpf, row)) for row in (p, q or p)]
        first, second = ([x / sum(row) for x in row] for row in rows)
        if q is None:
            return -sum(a * mp.log(a) for a in first if a)
        return sum(a * mp.log(a / b) for a, b in zip(first, second, strict=True) if a)


@pytest.mark.parametrize(
    ("p", "q", "kind"),
    [
        ([1e308, 1e308, 1e307], None, "f8"),
        ([3e38, 3e38, 1e38], None, "f4"),
        ([60000, 60000, 30000], None, "f2"),
        ([2**62, 2**62, 2**61], None, "i8"),
        ([1e308, 1e308], [1.0, 2.0], "f8"),
        ([1.0, 2.0], [1e308, 1e308], "f8"),
    ],
)
def test_sums_do_not_overflow(p: Any, q: Any, kind: str) -> None:
    """Where SciPy has 0 or infinity, the value is the true one."""
    arrays = [np.array(x, kind) for x in (p, q) if x is not None]
    true = exact(*(x.tolist() for x in arrays))
    result, messages = outcome(entropy, *arrays)
    assert not messages
    assert abs(result - true) <= 1e-6 * abs(true)
    assert not abs(outcome(theirs, *arrays)[0] - true) <= 1e-3 * abs(true)


@pytest.mark.parametrize("columns", [2, 3, 17, 33, 300])
def test_accuracy(columns: int, dtype: Any, rng: Any) -> None:
    """Counts that are nearly one-hot, and rows that are nearly equal, keep their digits."""
    bound = 1e-6 if dtype == np.float32 else 1e-13
    for _ in range(5):
        p = rng.integers(1, 20, columns).astype(dtype)
        p[0] = 1e6
        q = p * (1 + rng.standard_normal(columns) * 1e-4).astype(dtype)
        for args in ((p,), (p, q)):
            true = exact(*(x.tolist() for x in args))
            for sign in (1, -1):
                assert abs(entropy(*(sign * x for x in args)) - true) <= bound * abs(true)
    assert 0 <= entropy(p, 3 * p) < 1e-20
    assert math.copysign(1, entropy([5.0])) == 1


# ---- with and without SciPy ----------------------------------------------------------------------

BLOCKED = """
import sys
sys.modules["scipy"] = None  # so that importing it fails
import numpy as np
import fastent
assert "fastent.stats" not in sys.modules
from fastent.stats import entropy
rows = np.array([[1, 2, np.nan], [1, -1, 3], [0, 0, 0]])
print(entropy(rows, axis=1, nan_policy="omit", keepdims=True).ravel())
print(entropy([1, 1, 2], [1, 1, 1], base=2), entropy(np.ma.array([1, 1, 9], mask=[0, 0, 1])))
try:
    entropy([1j, 2])
except TypeError as error:
    print(error)
"""


def test_without_scipy() -> None:
    """Nothing of SciPy is needed; what is left to it says so."""
    done = run(BLOCKED)
    assert done.returncode == 0, done.stderr
    first, second, third = done.stdout.splitlines()
    assert first == "[0.63651417       -inf        nan]"
    assert [float(x) for x in second.split()] == pytest.approx([0.0849625007, math.log(2)])
    assert third == (
        "entropy of complex128 is left to SciPy, which is not installed: "
        "pass real numbers, float64 or smaller"
    )


def test_scipy_is_not_imported() -> None:
    """Even where it is installed."""
    code = "import sys, fastent.stats as s; s.entropy([1, -1.5]); sys.exit('scipy' in sys.modules)"
    assert run(code).returncode == 0


def test_in_the_place_of_scipys(monkeypatch: pytest.MonkeyPatch) -> None:
    """What ours leaves to SciPy does not come back when SciPy's name is ours."""
    monkeypatch.setattr(scipy_stats, "entropy", entropy)
    with pytest.raises(TypeError, match="ufunc 'entr' not supported"):
        scipy_stats.entropy([1j, 2])
    empty = scipy_stats.entropy(np.ones((3, 0), np.longdouble))
    assert (empty.dtype, empty.shape) == (np.longdouble, (0,))


def test_bfloat16() -> None:
    """A dtype that NumPy lacks counts as float16 does."""
    ml_dtypes = pytest.importorskip("ml_dtypes")
    p = np.array([1, 2, 5], ml_dtypes.bfloat16)
    assert entropy(p) == entropy(p.astype(np.float32))
    assert entropy(p).dtype == np.float32

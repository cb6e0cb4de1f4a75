"""Joint tables: exact values, laws, scikit-learn's numbers, edges, layouts, reductions, errors."""

from __future__ import annotations

import math
import tracemalloc
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sklearn.metrics
from mpmath import mp, mpf
from zoo import ZOO

import fastent as fe
from fastent import _by_blocks

nan, inf, ln2 = np.nan, np.inf, np.log(2)
AVERAGES = ("arithmetic", "geometric", "min", "max")
FUNCTIONS = (fe.mutual_information, fe.conditional_entropy, fe.joint_entropy)
every_function = pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
DIGITS = 700  # 1 + 1e-300 is not 1


# --- exact values ---------------------------------------------------------------------------------


def exact(function: Callable[..., Any], table: Any, normalize: bool) -> Any:
    """Return the true value for the given floats, by the textbook formula."""
    with mp.workdps(DIGITS):
        rows = [[mpf(float(x)) for x in row] for row in np.asarray(table)]
        total = mp.fsum(mp.fsum(row) for row in rows)
        if normalize:
            rows = [[x / total for x in row] for row in rows]
            total = mpf(1)
        of_row = [mp.fsum(row) for row in rows]
        of_column = [mp.fsum(column) for column in zip(*rows, strict=True)]
        divisor: Callable[[int, int], Any] = {
            "mutual_information": lambda i, j: of_row[i] * of_column[j] / total,
            "conditional_entropy": lambda i, j: of_row[i],
            "joint_entropy": lambda i, j: mpf(1),
        }[function.__name__]
        result = mp.fsum(
            x * mp.log(x / divisor(i, j))
            for i, row in enumerate(rows)
            for j, x in enumerate(row)
            if x > 0
        )
        return result if function is fe.mutual_information else -result


def check(
    function: Callable[..., Any], table: Any, normalize: bool, bound: float, floor: float = 0.0
) -> None:
    """Hold one result against the true value."""
    got, want = function(table, normalize=normalize), exact(function, table, normalize)
    with mp.workdps(DIGITS):
        allowed = bound * abs(want) + floor + mpf(10) ** -600
        assert abs(mpf(float(got)) - want) <= allowed, (table, got, want)


COUNTS: list[Any] = [
    [[1, 1], [1, 0]],
    [[10**15, 1], [1, 0]],  # nearly one-hot and nearly independent: 1e-30
    [[10**15, 1], [0, 3]],
    [[10**15, 0], [0, 1]],
    [[10**8 + 1, 10**8], [10**8, 10**8]],  # 3e-18
    [[3, 5], [6, 10]],
    [[3, 5], [6, 11]],
    [[0, 0, 7], [0, 0, 0], [0, 2, 1]],
    [[1, 2, 3]],
    [[4], [5]],
]
WEIGHTS: list[Any] = [
    [[1.0, 0.0], [0.0, 1e-200]],  # a product that underflows
    [[1.0, 0.0], [0.0, 1e-310]],
    [[1e10, 0.0], [0.0, 1e-300]],
    [[1e300, 1.0], [2.0, 1e290]],
    [[5e307, 1.0], [2e307, 1e306]],
    [[1e-310, 1e-320], [3e-309, 5e-309]],
    [[1e-200, 1e-210], [3e-205, 4e-190]],
]


@every_function
@pytest.mark.usefixtures("isa")
def test_exact_counts(function: Callable[..., Any], rng: np.random.Generator) -> None:
    """Counts keep a relative 1e-13, nearly one-hot or nearly independent ones too."""
    for table in COUNTS:
        check(function, np.array(table, np.int64), True, 1e-13)
        check(function, np.array(table, np.float64), True, 1e-13)
        check(function, np.array(table, np.float64), False, 1e-13, 1e-15 * np.sum(table))
    for table in WEIGHTS:
        check(function, np.array(table), True, 1e-13, 1e-307)
    outer = np.outer(rng.dirichlet(np.ones(5)), rng.dirichlet(np.ones(7)))
    for size in (30, 10**6, 10**14):
        check(function, rng.multinomial(size, outer.ravel()).reshape(5, 7), True, 1e-13)


@every_function
@pytest.mark.usefixtures("isa")
def test_exact_probabilities(
    function: Callable[..., Any], dtype: Any, rng: np.random.Generator
) -> None:
    """Tables from independent to deterministic."""
    bound = 1e-13 if dtype == np.float64 else 1e-6
    for shape in ((2, 2), (3, 8), (20, 4), (1, 5)):
        outer = np.outer(rng.dirichlet(np.ones(shape[0])), rng.dirichlet(np.ones(shape[1])))
        for noise in (0.0, 1e-12, 1e-7, 1e-3, 1.0):
            table = outer * (1 + noise * rng.random(shape))
            check(function, (table / table.sum()).astype(dtype), False, bound, 1e-31)
            check(function, table.astype(dtype), True, bound, 1e-31)
        sparse = rng.random(shape) * (rng.random(shape) < 0.3)
        sparse[0, 0] += 0.1
        check(function, sparse.astype(dtype), True, bound, 1e-31)


def test_exact_in_bits() -> None:
    """Nearly one-hot counts in base 2 keep their digits too."""
    for table in COUNTS[:7]:
        for function in (fe.mutual_information, fe.conditional_entropy):
            got, want = (
                function(table, normalize=True, base=base) * scale
                for base, scale in ((2, np.log(2)), (None, 1))
            )
            assert got == pytest.approx(want, rel=1e-14)


def test_large_tables_are_cut(rng: np.random.Generator) -> None:
    """Of more entries than a block: wide, long, square; the same as their textbook sums."""
    for shape in ((3, 9000), (9000, 3), (150, 130), (1, 40_000), (2, 9000, 2)):
        table = rng.random(shape) ** 8
        table[..., 0, 0] = 30
        p = table / table.sum((-2, -1), keepdims=True)
        row, column = p.sum(-1, keepdims=True), p.sum(-2, keepdims=True)
        information = (p * np.log(p / (row * column))).sum((-2, -1))
        conditional = -(p * np.log(p / row)).sum((-2, -1))
        keywords: dict[str, Any] = {"rtol": 1e-11, "atol": 1e-15}
        got = fe.mutual_information(table, normalize=True)
        np.testing.assert_allclose(got, information, **keywords)
        got = fe.conditional_entropy(table, normalize=True)
        np.testing.assert_allclose(got, conditional, **keywords)
        got = fe.mutual_information(table, normalize=True, normalized="max")
        either = fe.entropy(row[..., 0]), fe.entropy(column[..., 0, :])
        np.testing.assert_allclose(got, information / np.maximum(*either), **keywords)


# --- laws -----------------------------------------------------------------------------------------


def test_laws(rng: np.random.Generator) -> None:
    """0 <= I <= min(H(X), H(Y)), H(X, Y) = H(X) + H(Y|X) = H(X) + H(Y) - I, I is symmetric."""
    for shape in ((2, 2), (3, 7), (12, 5), (60, 60)):
        tables = rng.dirichlet(np.full(math.prod(shape), 0.2), 50).reshape(50, *shape)
        x, y = fe.entropy(tables.sum(-1)), fe.entropy(tables.sum(-2))
        information = fe.mutual_information(tables)
        joint, open_ = fe.joint_entropy(tables), fe.conditional_entropy(tables)
        assert (information >= 0).all()
        assert (information <= np.minimum(x, y) * (1 + 1e-12) + 1e-15).all()
        np.testing.assert_allclose(joint, x + open_, rtol=1e-13, atol=1e-15)
        np.testing.assert_allclose(information, y - open_, rtol=0, atol=1e-13)
        turned = tables.swapaxes(-2, -1)
        np.testing.assert_allclose(
            fe.mutual_information(turned), information, rtol=1e-13, atol=1e-15
        )
        np.testing.assert_allclose(fe.joint_entropy(turned), joint, rtol=1e-14)
        np.testing.assert_allclose(
            joint, y + fe.conditional_entropy(turned), rtol=1e-13, atol=1e-15
        )
        for average in AVERAGES:
            quotient = fe.mutual_information(tables, normalized=average)
            assert ((quotient >= 0) & (quotient <= 1)).all()


def test_independent_tables(dtype: Any, rng: np.random.Generator) -> None:
    """Products of marginals: 0 but for the square of a rounding, and never negative."""
    for shape in ((2, 2), (5, 40), (100, 90)):
        pair = [rng.dirichlet(np.ones(n), 20) for n in shape]
        outer = pair[0][:, :, None] * pair[1][:, None, :]
        got = fe.mutual_information(outer)
        assert ((got >= 0) & (got < 1e-30)).all()
        rounded = fe.mutual_information(outer.astype(dtype))
        assert ((rounded >= 0) & (rounded < (1e-30 if dtype == np.float64 else 1e-13))).all()
    counts = rng.integers(0, 1000, (20, 6, 1)) * rng.integers(0, 1000, (20, 1, 9))
    got = fe.mutual_information(counts, normalize=True)
    np.testing.assert_array_equal(got[counts.any((-2, -1))], 0)


def test_deterministic_tables(rng: np.random.Generator) -> None:
    """One entry a row: nothing is left open, exactly; and all is known."""
    column = rng.integers(0, 5, 30)
    table = np.where(np.arange(5) == column[:, None], rng.random((30, 1)), 0)
    assert fe.conditional_entropy(table) == 0
    assert fe.conditional_entropy(table, normalize=True) == 0
    want = fe.entropy(table.sum(0), normalize=True)
    assert fe.mutual_information(table, normalize=True) == pytest.approx(want, rel=1e-14)
    alone = np.zeros((3, 4))
    alone[1] = rng.random(4)  # one row, then one column: nothing is to be known
    for one in (alone, alone.T):
        assert fe.mutual_information(one, normalize=True) == 0


def test_units() -> None:
    """Bits, powers of two among them; normalized= has no base."""
    square = np.full((4, 4), 1 / 16)
    assert fe.joint_entropy(square, base=2) == 4
    assert fe.conditional_entropy(square, base=2) == 2
    assert fe.mutual_information(np.eye(4) / 4, base=2) == pytest.approx(2, rel=1e-15)
    assert fe.mutual_information([[9, 1], [1, 9]], normalize=True, base=10) == pytest.approx(
        fe.mutual_information([[9, 1], [1, 9]], normalize=True) / np.log(10), rel=1e-14
    )
    one, other = (
        fe.mutual_information([[9, 1], [1, 9]], normalize=True, normalized="min", base=base)
        for base in (None, 2)
    )
    assert one == other
    table = np.array([[0.5, 1.0], [2.0, 0.25]])  # sums as they are: the sum multiplies
    want = fe.mutual_information(table, normalize=True) * table.sum()
    assert fe.mutual_information(table) == pytest.approx(want, rel=1e-14)
    quotients = [
        fe.mutual_information(table, normalize=n, normalized="geometric") for n in (True, False)
    ]
    assert quotients[0] == quotients[1]


# --- scikit-learn ---------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [(1, 1), (1, 4), (2, 3), (6, 6), (40, 3)])
def test_scikit_learn(classes: tuple[int, int], rng: np.random.Generator) -> None:
    """The same scores from a table as from labels."""
    labels = [rng.integers(0, n, 300) for n in classes]
    labels[1][:150] = labels[0][:150] % classes[1]
    table = np.zeros(classes, int)
    np.add.at(table, tuple(labels), 1)
    want = sklearn.metrics.mutual_info_score(*labels)
    assert fe.mutual_information(table, normalize=True) == pytest.approx(want, rel=1e-12, abs=1e-15)
    for average in AVERAGES:
        want = sklearn.metrics.normalized_mutual_info_score(*labels, average_method=average)
        got = fe.mutual_information(table, normalize=True, normalized=average)
        assert got == pytest.approx(want, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("average", AVERAGES)
def test_normalized_edges(average: str) -> None:
    """1 where both variables are constant, 0 where one is, NaN where there is nothing to divide."""
    score = sklearn.metrics.normalized_mutual_info_score
    one_cell, one_row = [[0, 3], [0, 0]], [[1, 2], [0, 0]]
    both: dict[str, Any] = {"normalize": True, "normalized": average}
    assert score([0, 0, 0], [1, 1, 1], average_method=average) == 1
    assert fe.mutual_information(one_cell, **both) == 1
    assert score([0, 0, 0], [0, 1, 1], average_method=average) == 0
    assert fe.mutual_information(one_row, **both) == 0
    assert fe.mutual_information(np.transpose(one_row), **both) == 0
    assert score([], [], average_method=average) == 1
    for empty in (np.zeros((0, 0)), np.zeros((2, 0)), np.zeros((2, 2))):
        assert fe.mutual_information(empty, normalized=average) == 1
        assert np.isnan(fe.mutual_information(empty, **both))
    assert fe.mutual_information(np.eye(3), **both) == pytest.approx(1, rel=1e-15)


# --- edges ----------------------------------------------------------------------------------------

EDGES: list[Any] = [  # table, keywords, I(X; Y), H(Y|X), H(X, Y)
    ([[0.5, 0], [0, 0.5]], {}, ln2, 0, ln2),
    ([[0.25, 0.25], [0.25, 0.25]], {}, 0, ln2, 2 * ln2),
    ([[1.0, 0], [0, 0]], {}, 0, 0, 0),
    ([[-0.0, 1.0], [0, 0]], {}, 0, 0, 0),
    ([[0.0, 0], [0, 0]], {}, 0, 0, 0),
    ([[0.0, 0], [0, 0]], {"normalize": True}, nan, nan, nan),
    (np.zeros((0, 3)), {}, 0, 0, 0),
    (np.zeros((3, 0)), {}, 0, 0, 0),
    (np.zeros((0, 3)), {"normalize": True}, nan, nan, nan),
    (np.zeros((3, 0)), {"normalize": True}, nan, nan, nan),
    (np.zeros((2, 3, 0)), {}, [0, 0], [0, 0], [0, 0]),
    ([[nan, 1.0], [1, 1]], {}, nan, nan, nan),
    ([[nan, 0.0], [0, 0]], {}, nan, nan, nan),
    ([[nan, 1.0], [1, 1]], {"normalize": True}, nan, nan, nan),
    ([[1e308, 1e308], [1, 1]], {"normalize": True}, nan, nan, nan),
    ([[2, 2], [2, 2]], {"normalize": True}, 0, ln2, 2 * ln2),
    ([[True, False], [False, True]], {"normalize": True}, ln2, 0, ln2),
    ([[1, 0], [0, 1]], {}, 2 * ln2, 0, 0),
    ([[0.5, 0], [0, 0.5]], {"base": 0.5}, -1, 0, -1),
]


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize(("table", "keywords", "information", "conditional", "joint"), EDGES)
def test_edges(table: Any, keywords: Any, information: Any, conditional: Any, joint: Any) -> None:
    """The contract's table, in silence; zeros are +0.0."""
    for function, want in zip(FUNCTIONS, (information, conditional, joint), strict=True):
        with warnings.catch_warnings(), np.errstate(invalid="raise", divide="raise"):
            warnings.simplefilter("error")
            got = function(table, **keywords)
        np.testing.assert_allclose(got, want, rtol=1e-14, atol=0)
        assert not np.signbit(got)[np.asarray(got) == 0].any()


@every_function
def test_invalid(function: Callable[..., Any]) -> None:
    """A negative entry is NaN in that table alone, and one warning for all, under np.errstate."""
    tables = np.full((6000, 2, 2), 0.25)
    tables[[3, 4000], 0, 1] = -5e-324
    tables[5, 1, 1] = -inf
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        got = function(tables)
    assert np.nonzero(np.isnan(got))[0].tolist() == [3, 5, 4000]
    assert len(caught) == 1
    name = "entropy" if function is fe.joint_entropy else function.__name__
    assert str(caught[0].message) == f"invalid value encountered in {name}"
    with np.errstate(invalid="raise"), pytest.raises(FloatingPointError, match=name):
        function(tables[3], normalize=True)
    with np.errstate(invalid="ignore"):
        assert np.isnan(function(tables, reduction="mean"))
        assert np.isnan(function(tables[3], normalize=True))


# --- layouts, dtypes, blocks ----------------------------------------------------------------------


def same(got: Any, want: Any) -> None:
    """Compare dtype, shape and bits."""
    np.testing.assert_array_equal(got, want, strict=True)


@every_function
@pytest.mark.parametrize("beast", ZOO)
def test_layouts(
    function: Callable[..., Any], beast: str, dtype: Any, rng: np.random.Generator
) -> None:
    """However tables lie in memory: the bits of the contiguous native copy."""
    for shape in ((3, 4), (30, 2, 2), (5, 2, 7, 3), (2, 20, 30), (2, 200, 60)):
        tables = (rng.random(shape) * (rng.random(shape) < 0.8)).astype(dtype)
        tables[..., 0, 0] += 1
        for keywords in ({}, {"normalize": True}, {"reduction": "mean"}):
            same(function(ZOO[beast](tables), **keywords), function(tables, **keywords))
        wide = np.broadcast_to(tables[..., :1, :], shape)
        same(function(wide), function(wide.copy()))


@every_function
def test_same_bits_alone(function: Callable[..., Any], rng: np.random.Generator) -> None:
    """A table has the same result alone as in a batch, whatever else is in it."""
    for shape in ((700, 2, 3), (700, 3, 2), (90, 17, 20), (5, 100, 100)):
        tables = rng.random(shape)
        tables[::7] = 1e-9 * rng.random(shape[1:]) + 1 / tables[0].size
        tables[1::7] *= 1e-310
        tables[2::7, 0] = 0
        tables[3, 1, 1] = nan
        got = function(tables, normalize=True)
        assert np.nonzero(np.isnan(got))[0].tolist() == [3]
        for i in rng.integers(0, shape[0], 10):
            same(function(tables[i], normalize=True), got[i])
        same(function(tables[::-1], normalize=True), got[::-1])
        same(function(tables.reshape(-1, 1, *shape[1:]), normalize=True), got[:, None])


@every_function
def test_dtypes(function: Callable[..., Any], rng: np.random.Generator) -> None:
    """float64 of float64, lists and integers; float32 of the smaller ones, as if converted."""
    table = np.array([[0.5, 0.25], [0.0, 0.25]])
    assert type(function(table)) is np.float64
    assert type(function(table.tolist())) is np.float64
    assert type(function(np.eye(2, dtype=np.uint8))) is np.float64
    for small in (np.float32, np.float16):
        got = function(table.astype(small))
        assert type(got) is np.float32
        assert got == pytest.approx(function(table), rel=1e-7)
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    same(function(table.astype(bfloat16)), np.float32(function(table)))
    counts = rng.integers(0, 200, (4, 3, 3))
    for kind in (np.uint8, np.int64, np.int32, ">u4"):
        want = function(counts.astype(np.float64), normalize=True)
        same(function(counts.astype(kind), normalize=True), want)


@every_function
def test_memory(function: Callable[..., Any], rng: np.random.Generator) -> None:
    """A large table, or a batch of many: no copy of its size, whatever its shape."""
    for shape in ((1500, 1400), (2, 1_000_000), (1_000_000, 2), (1, 2_000_000), (500_000, 2, 2)):
        table = rng.random(shape)
        keywords: Any = {"normalize": True, "reduction": "sum"}
        function(table[:1], **keywords)
        tracemalloc.start()
        function(table, **keywords)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2**20, (shape, peak)


# --- the usual keywords ---------------------------------------------------------------------------


@every_function
def test_reductions(function: Callable[..., Any], rng: np.random.Generator) -> None:
    """Mean, sum, weights, as NumPy would have them of the results."""
    for shape in ((5000, 4, 3), (3, 700, 2, 2), (4, 5)):
        tables, weight = rng.random(shape), rng.random(shape[:-2])
        each = function(tables, normalize=True)
        keywords: list[tuple[Any, Any]] = [
            ({"reduction": "mean"}, each.mean()),
            ({"reduction": "sum"}, each.sum()),
            ({"weight": weight}, each * weight),
            ({"weight": weight, "reduction": "sum"}, (each * weight).sum()),
            ({"weight": weight, "reduction": "mean"}, (each * weight).mean()),
            (
                {"weight": weight, "reduction": "weighted_mean"},
                (each * weight).sum() / weight.sum(),
            ),
            ({"weight": 2, "reduction": "weighted_mean"}, each.mean()),
        ]
        for given, want in keywords:
            got = function(tables, normalize=True, **given)
            assert got.dtype == np.float64
            np.testing.assert_allclose(got, want, rtol=1e-13)
    none = np.zeros((0, 2, 2), np.float32)
    same(function(none), np.zeros(0, np.float32))
    same(function(none, reduction="sum"), np.float32(0))
    assert np.isnan(function(none, reduction="mean"))


def test_sums_of_many_blocks(monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    """However many blocks there are, their sums are joined without a loss."""
    tables, weight = rng.random((9000, 2, 2)), rng.random(9000)
    keywords: Any = {"normalize": True, "reduction": "mean"}
    want = [fe.mutual_information(tables, **keywords, weight=w) for w in (None, weight)]
    monkeypatch.setattr(_by_blocks, "PARTS", 3)
    got = [fe.mutual_information(tables, **keywords, weight=w) for w in (None, weight)]
    np.testing.assert_allclose(got, want, rtol=1e-15)


@every_function
def test_keepdims_and_out(function: Callable[..., Any], rng: np.random.Generator) -> None:
    """Results go where they are wanted, over the input too."""
    tables = rng.random((4, 3, 5, 2))
    want = function(tables, normalize=True)
    same(function(tables, normalize=True, keepdims=True), want[..., None, None])
    for out in (np.empty((4, 3)), np.empty((3, 4)).T, np.empty((4, 3), ">f8"), tables[..., 0, 0]):
        assert function(tables.copy(), normalize=True, out=out) is out
        np.testing.assert_array_equal(out, want)
    tables = rng.random((4, 3, 5, 2))
    want = function(tables, normalize=True)
    function(tables, normalize=True, out=tables[..., 0, 0])
    np.testing.assert_array_equal(tables[..., 0, 0], want)
    scalar = np.empty(())
    assert function(tables[0, 0], normalize=True, out=scalar) is scalar
    with pytest.raises(ValueError, match=r"out has shape \(3,\)"):
        function(tables, out=np.empty(3))


@every_function
def test_errors(function: Callable[..., Any]) -> None:
    """They name the argument and the remedy."""
    with pytest.raises(ValueError, match=r"joint has shape \(3,\): a table lies along two axes"):
        function([1.0, 0, 0])
    with pytest.raises(ValueError, match=r"joint holds integers above 1, .* pass normalize=True"):
        function([[3, 1], [1, 1]])
    with pytest.raises(ValueError, match="joint: row 1 sums to 2"):
        function([[[0.5, 0.5]], [[1.0, 1.0]]], check=True)
    with pytest.raises(ValueError, match=r"joint: row 1 holds -0.5 at"):
        function([[[0.5, 0.5]], [[1.5, -0.5]]], check=True)
    with pytest.raises(ValueError, match="joint: row 0 sums to 0"):
        function(np.zeros((1, 2, 2)), check=True, normalize=True)
    function([[0.5, 0.25], [0.25, 0.0]], check=True)
    with pytest.raises(TypeError, match="joint is a masked array"):
        function(np.ma.ones((2, 2)))
    with pytest.raises(TypeError, match="joint has dtype complex128"):
        function(np.ones((2, 2), complex))
    with pytest.raises(ValueError, match="reduction must be one of"):
        function(np.eye(2), reduction="max")
    with pytest.raises(ValueError, match="base must be a positive number"):
        function(np.eye(2), base=1)
    with pytest.raises(ValueError, match="weight has shape"):
        function(np.ones((2, 2, 2)), weight=[1, 2, 3])


def test_unknown_average() -> None:
    """The known ones are listed, and the nearest is named."""
    with pytest.raises(ValueError, match="'max' or None, not 'arithmetical': did you mean 'arith"):
        fe.mutual_information(np.eye(2), normalized="arithmetical")
    with pytest.raises(ValueError, match=r"normalized must be one of .* not True"):
        fe.mutual_information(np.eye(2), normalized=True)  # type: ignore[arg-type]


@every_function
def test_dask(function: Callable[..., Any], rng: np.random.Generator) -> None:
    """Lazy in, lazy out; a table lies in one chunk."""
    da = pytest.importorskip("dask.array")
    tables, weight = rng.random((40, 3, 4, 5)), rng.random((40, 3))
    lazy = da.from_array(tables, chunks=(7, 2, -1, -1))
    cases: list[Any] = [{}, {"base": 2}, {"keepdims": True}, {"weight": weight}]
    if function is fe.mutual_information:
        cases.append({"normalized": "max"})
    for keywords in cases:
        got = function(lazy, normalize=True, **keywords)
        assert isinstance(got, da.Array)
        same(got.compute(), function(tables, normalize=True, **keywords))
    for reduction in ("mean", "sum", "weighted_mean"):
        got = function(lazy, normalize=True, reduction=reduction, weight=da.from_array(weight))
        want = function(tables, normalize=True, reduction=reduction, weight=weight)
        assert got.compute() == pytest.approx(want, rel=1e-14)
    with pytest.raises(ValueError, match="chunks along axis -1"):
        function(da.from_array(tables, chunks=(40, 3, 4, 2)))
    with pytest.raises(ValueError, match="a table lies along two axes"):
        function(lazy[0, 0, 0])

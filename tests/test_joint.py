"""Joint tables: exact values, laws, scikit-learn's numbers, edges, layouts, reductions, errors."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sklearn.metrics
from mpmath import mp, mpf

import fastent as fe

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
    [[5e-324, 1e-323], [1.5e-323, 2e-323]],
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

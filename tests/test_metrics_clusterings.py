"""Mutual information of labelings, normalised and adjusted: scikit-learn's, and exact values."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import sklearn.metrics
from metrics_peer import assert_same, matrix, outcome
from mpmath import mp, mpf
from zoo import ZOO

import fastent.metrics as fm
from fastent.metrics._expected import expected_information
from fastent.metrics._labels import coded

NAMES = ("mutual_info_score", "normalized_mutual_info_score", "adjusted_mutual_info_score")
AVERAGES = ("arithmetic", "geometric", "min", "max")
NOISE = 2e-14  # of scikit-learn's adjusted score, where 0 is over 0 but for roundings
nan, inf = np.nan, np.inf

SAMPLES = [0, 0, 1, 1, 2]
every_name = pytest.mark.parametrize("name", NAMES)

LABELINGS: list[Any] = [
    *(SAMPLES, [1, 0, 1, 0, 0], ["a", "b", "a", "c", "c"], [0.0, 1, 1, 0, 2], [0.5, 1, 2, 1, 0]),
    *([True, False, True, True, True], [0] * 5, list(range(5)), [], [0], [0, 1], [0, 1, 2]),
    *(np.array(SAMPLES, dtype) for dtype in ("i1", "u8", ">i2", "f2", "f4", "g")),
    *(np.array(SAMPLES, "u8") + np.uint64(2**63), np.array([-(2**63), 2**63 - 1, 0, 0, 0])),
    *([[0], [1], [2], [3], [4]], [[0, 1], [1, 0]], [[0.5, 1], [1, 0]], [[1, 2], [1], [2]]),
    *([nan, 0, 1, 1, 1], [inf, 0, 1, 1, 1], [None] * 5, [b"a"] * 5, ["a", 1, "b", 2, 2]),
    *(np.array(["a", 1, 2, 3, 4], "O"), np.array(["a", "b", "a", "a", "b"], "O")),
    *(np.array([3, 1, 3, 3, 1], "O"), np.array([3, 1.5, True, 3, 1], "O"), [1j] * 5, range(5)),
    *(5, None, "abcde", {1, 2, 3, 4, 5}, np.zeros((2, 2, 2)), np.zeros(()), [10**30, 1, 2, 3, 4]),
    *(np.array(["2020", "2021", "1999", "1999", "2020"], "M8[Y]"), scipy.sparse.eye_array(5)),
    *(np.ma.array(SAMPLES), matrix([SAMPLES]), np.array([1e300, 0, 1, 1, 0])),
    *(np.array([0.0, -0.0, 1, 1, 0]), np.array(["x", "yy", "x", "yy", "z"], ">U9")),
    np.array([(1, 2), (1, 3), (1, 2), (0, 0), (0, 0)], [("a", int), ("b", int)]),
]  # fmt: skip
COUNTS = np.array([[3, 1, 0], [0, 2, 5]])
REPEATED = scipy.sparse.coo_array(([1, 2, 3, -3, 4], ([0, 0, 1, 1, 1], [0, 0, 1, 1, 0])))
TABLES: list[Any] = [
    *(COUNTS, COUNTS.tolist(), COUNTS * 0.7, COUNTS > 0, COUNTS.astype(object), COUNTS * 1j),
    *(COUNTS.astype(dtype) for dtype in ("f8", "i4", "u1", ">i8")),
    *(kind(COUNTS) for kind in (scipy.sparse.csr_array, scipy.sparse.csc_array)),
    *(kind(COUNTS) for kind in (scipy.sparse.coo_array, scipy.sparse.csr_matrix)),
    *(kind(COUNTS) for kind in (scipy.sparse.lil_array, scipy.sparse.dok_array)),
    *(kind(COUNTS) for kind in (scipy.sparse.dia_array, scipy.sparse.bsr_array)),
    *(scipy.sparse.csr_array(COUNTS * factor) for factor in (0.7, 1j, np.int32(1))),
    *(REPEATED, REPEATED.tocsr(), scipy.sparse.csr_array((2, 2)), scipy.sparse.csr_array((0, 2))),
    *(scipy.sparse.coo_array(np.array([1, 2])), np.zeros((2, 2), int), np.zeros((0, 2), int)),
    *(np.zeros((2, 0), int), [[1, 2]], [[1], [2]], [1, 2], np.array(3), [[1, 2], [3]]),
    *(np.array([[nan, 1], [1, 1]]), np.array([[inf, 1], [1, 1]]), np.zeros((2, 2, 2), int)),
    *(np.array([["a", "b"]] * 2), np.array([["1", "2"], ["3", "4"]]), matrix(COUNTS)),
    *(np.array([[10**9, 1], [1, 10**9]]), np.array([[0, 0, 0], [0, 5, 0], [0, 0, 3]])),
    *(np.array([[1, 2], [3, 4]], np.uint64), np.array([[5, 5], [5, 5]]), COUNTS - 2),
]  # fmt: skip


@every_name
@pytest.mark.parametrize("true", LABELINGS, ids=lambda x: repr(x)[:40])
def test_whatever_is_passed(name: str, true: Any) -> None:
    """Labelings of all kinds beside each other."""
    for pred in LABELINGS:
        assert_same(name, true, pred, noise=NOISE)


@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("name", NAMES[1:])
def test_averages(name: str, average: str) -> None:
    """Each mean of the entropies, of labelings with few classes and many."""
    for true in LABELINGS[:12]:
        for pred in LABELINGS[:12]:
            assert_same(name, true, pred, average_method=average, noise=NOISE)


@pytest.mark.parametrize("table", TABLES, ids=lambda x: repr(x)[:60])
def test_tables(table: Any) -> None:
    """Tables of all kinds; the labels beside them are not looked at."""
    assert_same("mutual_info_score", None, None, contingency=table)
    assert_same("mutual_info_score", [0], [[1j]], contingency=table)
    assert_same("mutual_info_score", 3, None, contingency=table)


def test_negative_counts() -> None:
    """No information, and a warning; where they cancel an error: as scikit-learn."""
    got = outcome(fm.mutual_info_score, None, None, contingency=[[-3, 5], [1, 1]])
    assert np.isnan(got.result)
    assert got.warnings == {(RuntimeWarning, "invalid value encountered in log")}
    got = outcome(fm.mutual_info_score, None, None, contingency=[[-3, 1], [1, 1]])
    assert got.error == (ValueError, "math domain error")


def pair(rng: np.random.Generator, samples: int, classes: tuple[int, int], share: float) -> Any:
    """Return two labelings, of which the second follows the first for a share of the samples."""
    weights = [rng.dirichlet(np.full(k, 2.0)) for k in classes]
    true, other = (rng.choice(len(w), samples, p=w) for w in weights)
    return true, np.where(rng.random(samples) < share, true % classes[1], other)


@every_name
def test_random(name: str, rng: np.random.Generator) -> None:
    """Many sizes; integers with gaps, floats and strings."""
    for samples, classes, share in (
        (10, (2, 3), 0.5),
        (300, (10, 10), 0.1),
        (5000, (3, 200), 0.0),
        (5000, (50, 60), 0.9),
        (50_000, (400, 30), 0.3),
    ):
        true, pred = pair(rng, samples, classes, share)
        names = np.array([f"{i:x} {i}" for i in range(max(classes))])
        assert_same(name, true, pred, noise=1e-12)
        for moved in (
            true * 10**6 - 7,
            true * 1.0,
            true + 0.5,
            names[true],
            names.astype("O")[true],
        ):
            for other in (pred, names[pred]):
                assert_same(name, moved, other, noise=1e-12)


@every_name
def test_a_million(name: str, rng: np.random.Generator) -> None:
    """A million samples of a few classes, as integers and strings."""
    true, pred = pair(rng, 1_000_000, (5, 4), 0.2)
    names = np.array(["setosa", "versicolor", "virginica", "setosa 2", "x"])
    assert_same(name, true, pred.astype(np.int8), noise=1e-10)
    assert_same(name, names[true], pred, noise=1e-10)


@every_name
@pytest.mark.parametrize("layout", ZOO)
def test_layouts(name: str, layout: str, rng: np.random.Generator) -> None:
    """The same bits, wherever the labels lie."""
    true, pred = pair(rng, 3000, (6, 9), 0.5)
    function = getattr(fm, name)
    want = function(true, pred)
    for labels in (true, true * 1.0, true.astype(np.int16), true.astype("U3")):
        assert function(ZOO[layout](labels), ZOO[layout](pred)) == pytest.approx(want, rel=1e-15)


# --- codes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", ["i1", "u1", "i8", "u8", ">i4", "f8", "f2", "U", "O", "?", "M8[D]"]
)
@pytest.mark.parametrize("samples", [0, 1, 7, 5000])
def test_codes(kind: str, samples: int, rng: np.random.Generator) -> None:
    """Codes stand for the values, in their order, and are counted."""
    for spread in (1, 7, 120, 10**6):
        labels = rng.integers(0, spread, samples)
        if kind in ("i1", "u1", "f2"):
            labels = labels % 120
        labels = labels.astype(str).astype(kind) if kind in "UO" else labels.astype(kind)
        codes = coded(labels)
        values, counts = np.unique(labels, return_counts=True)
        np.testing.assert_array_equal(codes.classes, values)
        np.testing.assert_array_equal(codes.sizes, counts)
        np.testing.assert_array_equal(codes.values[codes.code], labels)
        assert codes.classes.dtype == labels.dtype


def test_codes_of_text(rng: np.random.Generator) -> None:
    """Strings of any characters and lengths, few and many of them, sort as NumPy has them."""
    alphabet = np.array(list("ab\u00e9\u4e2d\U0001f600\x01 ~"))
    for width, samples in ((1, 2000), (3, 2000), (9, 2000), (2, 100_000), (40, 2000)):
        text = alphabet[rng.integers(len(alphabet), size=(samples, width))]
        lengths = rng.integers(0, width + 1, samples)
        labels = np.array(["".join(t[:n]) for t, n in zip(text, lengths, strict=True)])
        for some in (
            labels,
            labels[: samples // 2 * 2 : 2],
            labels.astype(labels.dtype.newbyteorder()),
        ):
            codes = coded(some)
            np.testing.assert_array_equal(codes.classes, np.unique(some))
            np.testing.assert_array_equal(codes.values[codes.code], some)
    assert coded(np.full(5000, "")).sizes.tolist() == [5000]


# --- exact values --------------------------------------------------------------------------------


def entropy(counts: Any) -> Any:
    """Return the entropy of counts, exactly."""
    total = int(counts.sum())
    return -mp.fsum(mpf(int(x)) / total * mp.log(mpf(int(x)) / total) for x in counts if x)


def information(table: Any) -> Any:
    """Return the mutual information of counts by the textbook formula."""
    rows, columns = ([int(x) for x in table.sum(axis)] for axis in (1, 0))
    total = sum(rows)
    return mp.fsum(
        mpf(int(table[i, j]))
        / total
        * mp.log(mpf(total) * int(table[i, j]) / (rows[i] * columns[j]))
        for i, j in zip(*np.nonzero(table), strict=True)
    )


def expectation(a: Any, b: Any) -> Any:
    """Return the expected mutual information of labelings of these sizes, term by term."""
    total, result = int(a.sum()), mpf(0)
    for one, times in Counter(map(int, a)).items():
        for other, more in Counter(map(int, b)).items():
            k = max(0, one + other - total)
            chance = (
                mp.binomial(other, k)
                * mp.binomial(total - other, one - k)
                / mp.binomial(total, one)
            )
            terms = []
            while k <= min(one, other):
                if k:
                    terms.append(chance * k * mp.log(mpf(total) * k / (one * other)))
                chance *= mpf((one - k) * (other - k)) / ((k + 1) * (total - one - other + k + 1))
                k += 1
            result += times * more * mp.fsum(terms)
    return result / total


def table_of(true: Any, pred: Any) -> Any:
    """Return the dense table of two labelings."""
    a, b = (np.unique(x, return_inverse=True)[1] for x in (true, pred))
    table = np.zeros((a.max() + 1, b.max() + 1), np.int64)
    np.add.at(table, (a, b), 1)
    return table


@pytest.mark.usefixtures("isa")
def test_exact(rng: np.random.Generator) -> None:
    """Scores to a few units of their last digit, the adjusted one but for its own cancellation."""
    for samples, classes, share in (
        (6, (2, 3), 0.5),
        (60, (4, 4), 0.0),
        (60, (20, 30), 0.5),
        (1500, (3, 5), 0.0),
        (1500, (10, 8), 0.99),
        (20_000, (2, 3), 0.001),
    ):
        true, pred = pair(rng, samples, classes, share)
        true[:2], pred[:2] = [0, 1], [1, 1]  # two classes, and no matching
        pred[2:4] = [0, 1]
        table = table_of(true, pred)
        with mp.workdps(50):
            mutual = information(table)
            expected = expectation(table.sum(1), table.sum(0))
            either = [entropy(table.sum(axis)) for axis in (1, 0)]
            mean = (either[0] + either[1]) / 2
            normal, adjusted = float(mutual / mean), float((mutual - expected) / (mean - expected))
            cancelling = float((mutual + expected) / abs(mean - expected))
        assert fm.mutual_info_score(true, pred) == pytest.approx(float(mutual), rel=2e-15)
        assert fm.normalized_mutual_info_score(true, pred) == pytest.approx(normal, rel=3e-15)
        got = expected_information(table.sum(1), table.sum(0))
        assert got == pytest.approx(float(expected), rel=1e-14)
        got = fm.adjusted_mutual_info_score(true, pred)
        assert got == pytest.approx(adjusted, rel=1e-14, abs=4e-15 * cancelling)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([1, 1], [1, 1]),
        ([5, 1], [3, 3]),
        ([999, 1], [999, 1]),
        ([999, 1], [500, 500]),
        ([1] * 50 + [950], [1] * 30 + [970]),
        ([4000, 6000], [9990, 10]),
        ([1] * 100, [1] * 99 + [1]),
        (list(range(1, 30)), list(range(29, 0, -1))),
        ([100_000, 3], [99_000, 1003]),
    ],
)
def test_expected_information(a: list[int], b: list[int]) -> None:
    """Few classes and many, even and lopsided: a relative 1e-14."""
    sizes = np.array(a), np.array(b)
    with mp.workdps(40):
        want = float(expectation(*sizes))
    assert expected_information(*sizes) == pytest.approx(want, rel=1e-14)
    assert expected_information(*sizes[::-1]) == pytest.approx(want, rel=1e-14)


TABLES_OF_ALL_SIZES = [
    [[10**15, 1], [1, 0]],
    [[10**8 + 1, 10**8], [10**8, 10**8]],  # 3e-18
    [[3 * 10**9, 2], [1, 10**9]],  # beyond 2^63: products of counts
    [[10**17, 3], [4, 10**17]],
    [[3, 5], [6, 11]],
    [[30_001, 30_000], [30_000, 30_000]],
    [[1, 0, 0], [0, 2 * 10**9, 0], [0, 0, 3]],
]


@pytest.mark.parametrize("table", TABLES_OF_ALL_SIZES, ids=str)
def test_exact_tables(table: Any) -> None:
    """All digits up to 9e7 samples; beyond, an error of the last digits of 1."""
    counts = np.array(table)
    with mp.workdps(60):
        want = float(information(counts))
    small = counts.sum() < 9e7
    for form in (counts, scipy.sparse.csr_array(counts)):
        got = fm.mutual_info_score(None, None, contingency=form)
        assert got == pytest.approx(want, rel=1e-14 if small else 1e-12, abs=0 if small else 1e-15)
        assert got >= 0


def test_independent_labelings(rng: np.random.Generator) -> None:
    """Exactly 0, of every product of counts."""
    for _ in range(50):
        a, b = rng.integers(1, 40, 5), rng.integers(1, 40, 7)
        table = np.outer(a, b)
        assert fm.mutual_info_score(None, None, contingency=table) == 0.0
        true, pred = np.repeat(np.argwhere(table), table.ravel(), axis=0).T
        assert fm.mutual_info_score(true, pred) == 0.0
        assert fm.normalized_mutual_info_score(true, pred) == 0.0


@pytest.mark.parametrize("average", AVERAGES)
def test_matching_labelings(average: str, rng: np.random.Generator) -> None:
    """Exactly 1 for the same classes under other names, each sample its own class too."""
    for samples, classes in ((2, 2), (3, 3), (10, 3), (1000, 100), (1000, 1000)):
        true = np.r_[np.arange(classes), rng.integers(classes, size=samples - classes)]
        pred = rng.permutation(classes)[true].astype(str)
        for name in NAMES[1:]:
            assert getattr(fm, name)(true, pred, average_method=average) == 1.0


@pytest.mark.parametrize("average", AVERAGES)
def test_a_class_for_each_sample(average: str, rng: np.random.Generator) -> None:
    """Nothing but chance: 0, or 0 over 0, which is 1."""
    for samples in (4, 30, 1000):
        single, some = np.arange(samples), np.r_[0, 1, 1, rng.integers(2, size=samples - 3)]
        for pair_ in ((single, some), (some, single)):
            got = fm.adjusted_mutual_info_score(*pair_, average_method=average)
            assert got == 1.0 if average == "min" else abs(got) < 1e-14


def test_laws(rng: np.random.Generator) -> None:
    """Symmetric; between 0 and the smaller entropy; at most 1; blind to the names of labels."""
    for samples, classes, share in ((40, (3, 5), 0.3), (3000, (40, 30), 0.8), (3000, (2, 2), 0.0)):
        true, pred = pair(rng, samples, classes, share)
        swapped = rng.permutation(classes[0])[true]
        for name in NAMES:
            function = getattr(fm, name)
            got = function(true, pred)
            assert function(pred, true) == pytest.approx(got, rel=1e-13, abs=1e-15)
            assert function(swapped, pred) == pytest.approx(got, rel=1e-13, abs=1e-15)
            assert got <= 1 or name == "mutual_info_score"
        for average in AVERAGES:
            assert 0 <= fm.normalized_mutual_info_score(true, pred, average_method=average) <= 1


# --- memory --------------------------------------------------------------------------------------


@every_name
def test_many_classes(name: str, rng: np.random.Generator) -> None:
    """1e5 classes in both of 1e6 samples, whose table has 1e10 cells: less than 100 MB."""
    true, pred = rng.integers(100_000, size=(2, 1_000_000))
    function = getattr(fm, name)
    tracemalloc.start()
    got = function(true, pred)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6
    if name != "adjusted_mutual_info_score":  # that would take scikit-learn hours
        assert got == pytest.approx(getattr(sklearn.metrics, name)(true, pred), rel=1e-12)
    else:
        assert abs(got) < 1e-3


def test_many_sizes() -> None:
    """As many sizes of classes as there can be: memory does not grow with their pairs."""
    true = np.repeat(np.arange(700), np.arange(1, 701))
    pred = np.random.default_rng(0).permutation(true)
    tracemalloc.start()
    got = fm.adjusted_mutual_info_score(true, pred)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert abs(got) < 1e-2
    assert peak < 50e6


def test_frames() -> None:
    """Series of pandas, its dtypes with gaps and its strings; frames as tables."""
    pd = pytest.importorskip("pandas")
    labelings = [
        pd.Series(SAMPLES, index=[5, 6, 7, 8, 9]),
        *(pd.Series(SAMPLES, dtype=dtype) for dtype in ("Int64", "Float64", "category", "int8")),
        *(pd.Series(list("abbca"), dtype=dtype) for dtype in (None, object, "string", "category")),
        *(pd.Series([0, None, 1, 1, 0], dtype="Int64"), pd.Series(["a", None, "b", "b", "a"])),
        *(pd.Series([True, False, True, True, False], dtype="boolean"), pd.Index(SAMPLES)),
        *(pd.DataFrame({"x": SAMPLES}), pd.Categorical(list("abbca"))),
        pd.Series(pd.to_datetime(["2020-01-01", "2021-01-01"] * 2 + ["2020-01-01"])),
    ]
    for name in NAMES:
        for true in labelings:
            for pred in labelings:
                assert_same(name, true, pred, noise=NOISE)
    for table in (pd.DataFrame(COUNTS), pd.DataFrame(COUNTS, dtype="Int64"), pd.Series([1, 2])):
        assert_same("mutual_info_score", None, None, contingency=table)

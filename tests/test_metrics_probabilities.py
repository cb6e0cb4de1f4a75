"""`log_loss` and `brier_score_loss` of `fastent.metrics` beside scikit-learn's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse
from metrics_peer import NEAR, assert_same, matrix
from mpmath import mp, mpf
from zoo import ZOO

import fastent.metrics as fm

NAMES = ("log_loss", "brier_score_loss")
TWO = [[0.3, 0.7], [0.6, 0.4], [0.2, 0.8], [0.9, 0.1]]
THREE = [[0.2, 0.5, 0.3], [0.6, 0.3, 0.1], [0.1, 0.1, 0.8], [0.25, 0.25, 0.5]]
POSITIVE = [0.3, 0.6, 0.2, 0.9]
nan, inf = np.nan, np.inf


class Fitted:
    """Has a length, and is no array."""

    def fit(self) -> None:
        """Do nothing."""

    def __len__(self) -> int:
        """Return as many as there are labels."""
        return 4


class ByArray:
    """Has __array__ and nothing else."""

    def __init__(self, array: Any) -> None:
        self.array = np.asarray(array)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        """Return the data."""
        return self.array.astype(dtype or self.array.dtype)


TRUE: list[Any] = [
    *([0, 1, 1, 0], [0, 1, 2, 1], [0, 0, 0, 0], [1, -1, 1, 1], [1, 2, 2, 1], [True, False] * 2),
    *(["a", "b", "b", "a"], ["a", "b", "c", "a"], [0.0, 1, 1, 0], [0.5, 1, 2, 1], [0, 1, 1], []),
    *(range(4), (0, 1, 1, 0), [True, 2, 2, True], [10**30, 1, 1, 0], [np.int8(1), np.int8(0)] * 2),
    *([[0], [1], [1], [0]], np.array([[0], [1], [1], [0]]), np.array([["a"], ["b"]] * 2)),
    *([[1, 0], [0, 1]] * 2, np.eye(4, 3, dtype=int), np.eye(4, 3), np.array([[True, False]] * 4)),
    *(np.array([[0, 5], [5, 0]] * 2), np.array([[-1, 1], [1, -1]] * 2), [["a", "b"]] * 4),
    *([[1, 2], [2, 3]] * 2, [[0.5, 2], [2, 3]] * 2, [[1, 2], [1], [2], [3]]),
    *([b"a", b"b"] * 2, np.array([b"a", b"b"] * 2), ["a", 1, "b", 2], np.array(["a", 1] * 2, "O")),
    *(np.array(["a", "b"] * 2, "O"), np.array([0, 1] * 2, "O"), [None] * 4, ["a", None, "b", "a"]),
    *([nan, 0, 1, 1], [inf, 0, 1, 1], np.array([1e300, 0, 1, 1]), [[], [], [], []], [[[1]]] * 4),
    *(np.array([0, 1, 1, 0], dtype) for dtype in ("i1", "u1", ">i4", "f4", "f2", "g", "M8[D]")),
    *(np.array([250, 1, 250, 1], np.uint8), np.array([5, 0, 0, 5], np.uint64) + np.uint64(2**63)),
    *(np.array([-(2**63), 2**63 - 1, 0, 0]), np.array(["x", "yy"] * 2)),
    np.array(["x", "yy"] * 2, ">U9"),
    *(np.array([1 + 1j, 0, 1, 0]), [1j, 0, 1, 0], np.zeros((4, 2, 2)), np.array(3), {0, 1, 2, 3}),
    *({"a": 1, "b": 2, "c": 3, "d": 4}, Fitted(), ByArray([0, 1, 1, 0]), ByArray(["a", "b"] * 2)),
    *(matrix([[0, 1, 1, 0]]), np.ma.array([0, 1, 1, 0]), scipy.sparse.csr_array(np.eye(4))),
]  # fmt: skip
PROB: list[Any] = [
    *(TWO, THREE, POSITIVE, [[p] for p in POSITIVE], np.array(TWO), np.array(THREE)[:, ::-1]),
    *(np.array(TWO) * 1.1, [1.5, 0, 0, 0], [-0.5, 0, 0, 0], [nan, 0, 0, 0], [inf, 0, 0, 0]),
    *([-inf, 0, 0, 0], [0, 1, 1, 0], [1, 0, 0, 1], [[1, 0], [0, 1]] * 2, [True, False] * 2),
    *(np.ones((4, 2, 2)), np.ones((4, 0)), np.ones((0, 2)), [], [[]], np.array(0.5), POSITIVE[:3]),
    *(np.array(["a"] * 4), np.array(["0.5"] * 4), ["0.5"] * 4, [1j] * 4, np.ones(4) * 1j, {1: 2}),
    *(np.array(POSITIVE, "g"), np.array(TWO, "O"), [None] * 4, scipy.sparse.csr_array(TWO)),
    *(matrix(TWO), np.ma.array(POSITIVE), ByArray(TWO), [[0.3, 0.7], [0.2]], Fitted()),
    *([1e-20, 1 - 1e-16, 0.5, 1.0], np.array(TWO, ">f8"), np.full((4, 2), nan)),
    [[0.5, 0.5, 0], [1, 0, 0], [0, 1, 0], [0.25, 0.25, 0.5]],
]  # fmt: skip
WEIGHTS: list[Any] = [
    *([1, 2, 3, 4], [1.0, 0, 0, 2], [0, 0, 0, 0], [1, -1, 1, -1], [1, 2, 3], [[1], [2], [3], [4]]),
    *([nan, 1, 1, 1], [inf, 1, 1, 1], ["a", "b", "c", "d"], np.array([1, 2, 3, 4], "O"), []),
    *(np.array(3.0), [1j, 1, 1, 1], [True, False, True, True], np.array([1, 2, 3, 4], "g")),
]
LABELS: list[Any] = [
    *([0, 1], [1, 0], [0, 1, 2], [0, 1, 1], [1], [], [0.5, 1], [0, 1, 300], [True, False], [-1, 1]),
    *(["a", "b"], ["b", "a"], ["a", "b", "c"], ["a", 1], [b"a", b"b"], (0, 1), [[0], [1]]),
    *(np.array([0, 1]), np.array([0.0, 1]), np.array(["a", "b"], "O"), np.array([0, 1], "O")),
    [[0, 1], [1, 0]],
]
SINGLE: list[Any] = [np.array(x, t) for t in ("f4", ">f4") for x in (TWO, THREE, POSITIVE)]
SINGLE += [ByArray(np.array(TWO, np.float32)), np.array([1e-9, 1, 0.5, 0], np.float32)]
HALF: list[Any] = [np.array(x, np.float16) for x in (TWO, THREE, POSITIVE, [0, 1, 1, 0])]
every_name = pytest.mark.parametrize("name", NAMES)


@every_name
@pytest.mark.parametrize("true", TRUE, ids=lambda x: repr(x)[:40])
def test_whatever_is_passed(name: str, true: Any) -> None:
    """Labels of all kinds beside probabilities of all kinds."""
    for prob in PROB:
        assert_same(name, true, prob)
    for dtype, probs in {"float32": SINGLE, "float16": HALF}.items():
        for prob in probs:
            assert_same(name, true, prob, dtype=dtype)


@every_name
@pytest.mark.parametrize("weight", WEIGHTS, ids=lambda x: repr(x)[:40])
def test_weights(name: str, weight: Any) -> None:
    """Weights of all kinds; the dtype of the result is the wider of both."""
    options: list[dict[str, Any]] = [{}, {"normalize": False}]
    for more in options[: 2 if name == "log_loss" else 1]:
        for true, prob in (([0, 1, 1, 0], TWO), ("abab", POSITIVE), ([0, 1, 2, 1], THREE)):
            assert_same(name, list(true), prob, sample_weight=weight, **more)
            for dtype in ("float32", "float16"):
                some = np.array(prob, dtype)
                assert_same(name, list(true), some, sample_weight=weight, dtype=dtype, **more)
                each = np.array([1, 2, 3, 4], dtype)
                assert_same(name, list(true), some, sample_weight=each, dtype=dtype, **more)


@every_name
@pytest.mark.parametrize("labels", LABELS, ids=repr)
def test_labels(name: str, labels: Any) -> None:
    """All labels that there may be, in any order."""
    for true in TRUE:
        for prob in (TWO, THREE, POSITIVE, np.array(TWO) * 0.9):
            assert_same(name, true, prob, labels=labels)


@pytest.mark.parametrize(
    "pos_label", [None, 0, 1, -1, 2, "a", "z", True, 1.5, np.int64(1), nan], ids=repr
)
def test_pos_label(pos_label: Any) -> None:
    """The label that is positive, given or inferred."""
    for true in TRUE:
        assert_same("brier_score_loss", true, POSITIVE, pos_label=pos_label)


def test_halves() -> None:
    """Two classes are halved unless told, more are not."""
    for half in (True, False, "auto", np.bool_(True)):
        for true, prob in (([0, 1, 1, 0], TWO), ([0, 1, 1, 0], POSITIVE), ([0, 1, 2, 1], THREE)):
            assert_same("brier_score_loss", true, prob, scale_by_half=half)


def test_strings_of_any_length() -> None:
    """NumPy's newer strings too, which scikit-learn takes for no dtype."""
    strings = np.array(["b", "a", "bb", "a"], "T")
    for labels in (None, ["a", "b", "bb"]):
        got = fm.log_loss(strings, THREE, labels=labels)
        assert got == fm.log_loss(strings.tolist(), THREE, labels=labels)
    assert fm.brier_score_loss(strings == "a", POSITIVE) == fm.brier_score_loss(
        np.where(strings == "a", strings, "b"), POSITIVE, pos_label="a"
    )
    with pytest.raises(ValueError, match="pos_label is not specified"):
        fm.brier_score_loss(np.where(strings == "a", strings, "b"), POSITIVE)


def random_case(rng: np.random.Generator, rows: int, classes: int, dtype: Any) -> tuple[Any, Any]:
    """Return labels, all of which occur, and probabilities of which some are 0 and 1."""
    true = np.r_[np.arange(classes), rng.integers(classes, size=rows - classes)]
    prob = rng.dirichlet(np.full(classes, 0.3), rows)
    prob[:: max(1, rows // 5)] = np.eye(classes)[0]
    return rng.permutation(true), prob.astype(dtype)


@every_name
@pytest.mark.parametrize("dtype", NEAR)
def test_random(name: str, dtype: str, rng: np.random.Generator) -> None:
    """Sizes around those of blocks; integers, floats and strings; contiguous or not."""
    for rows, classes in ((2, 2), (1000, 2), (65_000, 2), (40_000, 3), (9000, 17), (500, 400)):
        true, prob = random_case(rng, rows, classes, dtype)
        text = np.array([f"label {i:03}" for i in range(classes)])[true]
        weight = rng.random(rows)
        for labels in (true, true.astype(np.uint16), true * 10.0 - 7, text, text.astype("O")):
            assert_same(name, labels, prob, dtype=dtype)
            assert_same(name, labels, prob, dtype=dtype, sample_weight=weight)
        assert_same(name, true, np.asfortranarray(prob), dtype=dtype)
        if classes == 2:
            assert_same(name, true, prob[:, 1], dtype=dtype, sample_weight=weight)
            assert_same(name, true, prob[:, 1:], dtype=dtype)
        else:
            assert_same(name, np.eye(classes, dtype=int)[true], prob, dtype=dtype)


@every_name
def test_a_million(name: str, rng: np.random.Generator) -> None:
    """A million samples, as rows and as probabilities of one class."""
    true, prob = random_case(rng, 1_000_000, 2, np.float64)
    assert_same(name, true, prob)
    assert_same(name, true, prob[:, 1])
    assert_same(name, true, prob.astype(np.float32), dtype="float32")


@every_name
@pytest.mark.parametrize("layout", ZOO)
def test_layouts(name: str, layout: str, dtype: Any, rng: np.random.Generator) -> None:
    """The same bits, wherever labels, probabilities and weights lie."""
    if "byte-swapped" in layout:
        dtype = np.float64  # scikit-learn makes it of what is not in the machine's order
    true, prob = random_case(rng, 3000, 4, dtype)
    weight = rng.random(3000)
    move = ZOO[layout]
    function = getattr(fm, name)
    want = function(true, prob, sample_weight=weight)
    got = function(move(true), move(prob), sample_weight=move(weight))
    assert got == pytest.approx(want, rel=1e-15 if dtype == np.float64 else 1e-7)
    assert function(true, move(prob)) == function(true, prob)


def test_what_is_next_to_certain(dtype: Any) -> None:
    """Certain predictions cost eps and -log eps, of the dtype; what is nearly so its digits."""
    eps = float(np.finfo(dtype).eps)
    for prob, want in ((1.0, eps), (0.0, -np.log(eps)), (eps / 4, -np.log(eps))):
        both = np.array([[1 - prob, prob], [1, 0]], dtype)
        got = fm.log_loss([1, 0], both, sample_weight=[1, 0])
        assert got == pytest.approx(want, rel=1e-15 if dtype == np.float64 else 1e-7)
        assert_same("log_loss", [1, 0], both, dtype=np.dtype(dtype).name)
    assert_same("log_loss", [0, 1], np.array([0, 1], dtype), dtype=np.dtype(dtype).name)


def test_exact(rng: np.random.Generator) -> None:
    """The mean of a few thousand losses, and scores, against 40 digits."""
    true, prob = random_case(rng, 4000, 5, np.float64)
    eps = float(np.finfo(float).eps)
    with mp.workdps(40):
        picked = [mpf(float(np.clip(p[y], eps, 1 - eps))) for y, p in zip(true, prob, strict=True)]
        loss = float(-mp.fsum(map(mp.log, picked)) / len(true))
        errors = (prob - np.eye(5)[true]).ravel()
        score = float(mp.fsum(mpf(float(x)) ** 2 for x in errors) / len(true))
    assert fm.log_loss(true, prob) == pytest.approx(loss, rel=4e-16)
    assert fm.brier_score_loss(true, prob) == pytest.approx(score, rel=4e-16)


def test_warnings_name_the_caller() -> None:
    """The line that a warning names is the user's."""
    for keywords, prob in (({"labels": [1, 0]}, TWO), ({}, np.array(TWO) * 0.9)):
        for name in NAMES:
            with pytest.warns(UserWarning, match="y_prob") as caught:
                getattr(fm, name)([0, 1, 1, 0], prob, **keywords)
            assert caught[0].filename == __file__
    with pytest.warns(FutureWarning, match="y_proba") as caught:
        fm.log_loss([0, 1, 1, 0], y_pred=TWO)
    assert caught[0].filename == __file__


def test_memory() -> None:
    """No array as large as the probabilities is made: a tenth, beside what is a number a row."""
    import tracemalloc

    rng = np.random.default_rng(0)
    true, prob = random_case(rng, 200_000, 20, np.float64)
    for function in (fm.log_loss, fm.brier_score_loss):
        function(true, prob)
        tracemalloc.start()
        function(true, prob)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < prob.nbytes / 10 + 8 * len(true)


def test_frames() -> None:
    """Frames and series of pandas, its dtypes with gaps and its strings."""
    pd = pytest.importorskip("pandas")
    true = [
        pd.Series([0, 1, 1, 0], index=[5, 6, 7, 8]),
        pd.Series(["a", "b", "b", "a"]),
        pd.Series(["a", "b", "b", "a"], dtype=object),
        *(pd.Series(["a", "b", "b", "a"], dtype=dtype) for dtype in ("string", "category")),
        *(
            pd.Series([0, 1, 1, 0], dtype=dtype)
            for dtype in ("Int64", "boolean", "Float64", "int8")
        ),
        pd.Series([0, 1, None, 0], dtype="Int64"),
        pd.Series(["a", "b", None, "a"]),
        pd.DataFrame({"x": [0, 1, 1, 0]}),
        pd.DataFrame({"x": [0, 1, 1, 0], "y": [1, 0, 0, 1]}),
        *(pd.Index([0, 1, 1, 0]), pd.array([0, 1, 1, 0]), pd.Categorical(["a", "b"] * 2)),
    ]
    prob = [
        *(pd.DataFrame(TWO), pd.DataFrame(TWO, dtype="Float64"), pd.DataFrame(TWO, dtype=object)),
        pd.DataFrame({"x": POSITIVE, "y": pd.Series([0.7, 0.4, 0.8, 0.1], dtype="Float64")}),
        pd.DataFrame({"x": [1, 0, 1, 0], "y": [False, True] * 2}),
        pd.DataFrame({"x": ["a", "b"] * 2}),
        *(pd.Series(POSITIVE), pd.Series(POSITIVE, dtype="Float64")),
        pd.Series([0.3, None, 0.2, 0.9], dtype="Float64"),
    ]
    weight = pd.Series([1, 2, 3, 4], dtype="Int64")
    for name in NAMES:
        for labels in true:
            for p in prob:
                assert_same(name, labels, p)
            single = pd.DataFrame(TWO, dtype="float32")
            got = assert_same(name, labels, single, dtype="float32")
            assert got.error or np.float32(got.result) == got.result
            assert_same(name, labels, prob[0], sample_weight=weight)
            assert_same(name, labels, prob[0], labels=pd.Series([0, 1]))

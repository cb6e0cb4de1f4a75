"""What is refused, and that the message says what to do."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastent
from fastent import (
    binary_cross_entropy,
    binary_entropy,
    cross_entropy,
    entropy,
    kl_divergence,
    log_loss,
    perplexity,
    surprisal,
)

P = np.array([[0.5, 0.5], [0.25, 0.75]])
HALF = P[0]
LABELS = np.array([0, 1])
RULE = r"negative|>= ?0|0 or more|less than 0|\[0, 1\]|between 0 and 1|above 1|> ?1"
CALLS: dict[str, Callable[..., Any]] = {  # every function, with its first distribution left open
    "surprisal": surprisal,
    "binary_entropy": binary_entropy,
    "entropy": entropy,
    "perplexity": perplexity,
    "cross_entropy p": lambda x, **kw: cross_entropy(x, HALF, **kw),
    "cross_entropy q": lambda x, **kw: cross_entropy(HALF, x, **kw),
    "kl_divergence p": lambda x, **kw: kl_divergence(x, HALF, **kw),
    "kl_divergence q": lambda x, **kw: kl_divergence(HALF, x, **kw),
    "binary_cross_entropy target": lambda x, **kw: binary_cross_entropy(x, HALF, **kw),
    "binary_cross_entropy prob": lambda x, **kw: binary_cross_entropy(HALF, x, **kw),
    "log_loss prob": lambda x, **kw: log_loss(LABELS, x, **kw),
}
ROWS = [
    n for n in CALLS if n.split()[0] in ("entropy", "perplexity", "cross_entropy", "kl_divergence")
]
WITH_BASE = [n for n in CALLS if n != "perplexity"]
each = pytest.mark.parametrize("name", CALLS)

REFUSED = [
    (P.astype(complex), "complex"),
    (P.astype(np.longdouble), "longdouble|float128|float64"),
    (P.astype(object), "object"),
    (np.array([["0.5", "0.5"], ["0.25", "0.75"]]), "str|<U"),
    (P.astype("S4"), "bytes|S4"),
    (np.array([["2020-01-01", "2020-01-02"]] * 2, dtype="datetime64[D]"), "datetime"),
    (np.ones((2, 2), "timedelta64[s]"), "timedelta"),
    (np.ma.masked_array(P, mask=P > 0.5), "mask"),
    ([[0.5, None], [0.25, 0.75]], "object"),
    (np.zeros((2, 2), [("a", float)]), "dtype|structured|void"),
]


@each
@pytest.mark.parametrize(("bad", "named"), REFUSED, ids=[n for _, n in REFUSED])
def test_types_are_refused_with_a_way_out(name: str, bad: Any, named: Any) -> None:
    """TypeError names what came and what to call instead."""
    with pytest.raises(TypeError, match=named) as error:
        CALLS[name](bad)
    advice = r"astype|convert|filled|float64|float32|asarray|real|take one|no probabilities"
    assert re.search(advice, str(error.value)), error.value


@each
def test_sparse_is_refused(name: str) -> None:
    """SciPy's sparse arrays and matrices."""
    sparse = pytest.importorskip("scipy.sparse")
    for kind in (sparse.csr_array, sparse.csc_matrix, sparse.coo_array):
        with pytest.raises(TypeError, match=r"sparse.*(toarray|todense)|(toarray|todense).*sparse"):
            CALLS[name](kind(P))


@pytest.mark.parametrize("function", [cross_entropy, kl_divergence, binary_cross_entropy])
def test_shapes_that_do_not_broadcast(function: Callable[..., Any]) -> None:
    """ValueError names both shapes."""
    with pytest.raises(ValueError, match=r"\(2, 3\).*\(2, 4\)"):
        function(np.full((2, 3), 0.5), np.full((2, 4), 0.5))


@pytest.mark.parametrize("reduction", ["none", "mean"])
def test_column_beside_a_vector(reduction: str) -> None:
    """Labels (n,) and predictions (n, 1) are n pairs to who has them, and n x n to NumPy."""
    labels, prob = np.array([0.0, 1.0, 1.0]), np.array([[0.25], [0.5], [0.75]])
    for function in (binary_cross_entropy, fastent.binary_cross_entropy_with_logits_grad):
        for pair in ((labels, prob), (prob, labels)):
            with pytest.raises(ValueError, match=r"\(3,.*\(3,.*makes 9 pairs: reshape"):
                function(*pair, reduction=reduction)
    assert binary_cross_entropy(labels[:, None], prob.T).shape == (3, 3)
    assert binary_cross_entropy(labels, np.tile(labels, (2, 1))).shape == (2, 3)


def test_labels_that_do_not_fit() -> None:
    """ValueError names both shapes."""
    with pytest.raises(ValueError, match=r"\(3,\).*\(2, 4\)"):
        log_loss(np.zeros(3, int), np.full((2, 4), 0.25))
    with pytest.raises(ValueError, match=r"\(3,\).*\(2,\)"):
        log_loss(np.zeros(3, int), np.full(2, 0.25))


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("axis", [2, -3, (0, 2), (-3,)])
def test_axis_out_of_bounds(name: str, axis: Any) -> None:
    """NumPy's AxisError."""
    with pytest.raises(np.exceptions.AxisError):
        CALLS[name](P, axis=axis)


@pytest.mark.parametrize("name", ROWS)
def test_axis_of_a_wrong_kind(name: str) -> None:
    """Repeated axes are a ValueError, a float or a word a TypeError."""
    with pytest.raises(ValueError, match=r"axis|repeated"):
        CALLS[name](P, axis=(0, -2))
    for axis in (0.5, -1.0, "rows"):
        with pytest.raises(TypeError, match="axis"):
            CALLS[name](P, axis=axis)


@pytest.mark.parametrize("name", WITH_BASE)
@pytest.mark.parametrize("base", [0, 1, 1.0, -2, np.nan, -np.inf, "2", "e", [2, 10]])
def test_bad_base(name: str, base: Any) -> None:
    """Zero, one, negative, NaN, words, lists: the message speaks of the base."""
    wrong = ValueError if isinstance(base, int | float) else (TypeError, ValueError)
    with pytest.raises(wrong, match="base"):
        CALLS[name](P, base=base)


def test_perplexity_has_no_base() -> None:
    """Nor has it a floor."""
    with pytest.raises(TypeError, match="base"):
        CALLS["perplexity"](P, base=2)


@each
@pytest.mark.parametrize("reduction", ["avg", "Mean", "", None, 1])
def test_bad_reduction(name: str, reduction: Any) -> None:
    """The message lists the names there are."""
    wrong = ValueError if isinstance(reduction, str) else (TypeError, ValueError)
    with pytest.raises(wrong) as error:
        CALLS[name](P, reduction=reduction)
    assert all(word in str(error.value) for word in ("none", "mean", "sum"))


@each
def test_unknown_keyword(name: str) -> None:
    """A typo is a TypeError naming it, and nothing but the arrays is positional."""
    with pytest.raises(TypeError, match="axes"):
        CALLS[name](P, axes=0)
    functions: list[tuple[Callable[..., Any], int]] = [
        (surprisal, 1),
        (entropy, 1),
        (kl_divergence, 2),
        (log_loss, 2),
    ]
    for function, arrays in functions:
        with pytest.raises(TypeError, match="positional"):
            function(*[P] * arrays, 0)


@each
def test_out_of_the_wrong_kind(name: str) -> None:
    """A wrong shape is a ValueError naming both, a dtype that cannot hold the result refused."""
    shape = np.shape(CALLS[name](P))
    for wrong in ((*shape, 5), (7,)):
        with pytest.raises(ValueError, match="shape") as error:
            CALLS[name](P, out=np.empty(wrong))
        assert {str(n) for n in (*shape, *wrong)} <= set(re.findall(r"\d+", str(error.value)))
    with pytest.raises(ValueError, match="shape"):
        CALLS[name](P, out=np.empty(shape), reduction="mean")
    for kind in (np.int64, bool):
        with pytest.raises((TypeError, ValueError)):
            CALLS[name](P, out=np.empty(shape, kind))
    with pytest.raises(TypeError):
        CALLS[name](P, out=[0.0, 0.0])
    locked = np.empty(shape)
    locked.flags.writeable = False
    with pytest.raises(ValueError, match=r"read-only|writeable|writable"):
        CALLS[name](P, out=locked)


@pytest.mark.parametrize("floor", ["low", [1, 2], np.nan])
def test_bad_log_floor(floor: Any) -> None:
    """A floor is a number or None."""
    for function in (cross_entropy, kl_divergence, binary_cross_entropy):
        with pytest.raises((TypeError, ValueError), match="log_floor"):
            function(P, P, log_floor=floor)


# --- labels ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "index", "label"),
    [([0, 3, -1], 1, 3), ([0, 1, -1], 2, -1), ([7, 9, 1], 0, 7), ([0, 0, 2**40], 2, 2**40)],
)
def test_label_out_of_range(labels: Any, index: int, label: Any) -> None:
    """The lowest bad index, its label and the number of classes."""
    for prob in (np.full((3, 3), 0.25), np.full((3, 3), 0.25, np.float32)):
        with pytest.raises(ValueError, match="class") as error:
            log_loss(labels, prob)
        numbers = re.findall(r"-?\d+", str(error.value))
        assert {str(index), str(label), "3"} <= set(numbers), error.value


def test_label_out_of_range_in_a_big_batch() -> None:
    """The lowest index whatever the chunks and threads; none is out of range: no error."""
    labels, prob = np.zeros(300_000, np.int32), np.full((300_000, 2), 0.5, np.float32)
    labels[[1234, 250_000, 299_999]] = [2, -5, 77]
    with pytest.raises(ValueError, match=r"\b1234\b") as error:
        log_loss(labels, prob)
    assert {"2", "1234"} <= set(re.findall(r"-?\d+", str(error.value)))
    labels[labels != 0] = 1
    assert log_loss(labels, prob, reduction="mean") == np.float32(np.log(2))


def test_label_of_two_classes_out_of_range() -> None:
    """With one column of probabilities there are two classes."""
    with pytest.raises(ValueError, match="class") as error:
        log_loss([0, 1, 2], [0.5, 0.5, 0.5])
    assert set(re.findall(r"-?\d+", str(error.value))) >= {"2"}


@pytest.mark.parametrize(
    "labels", [[0.0, 1.0], np.array([0, 1], np.float16), ["0", "1"], np.array([0, 1], complex)]
)
def test_labels_that_are_not_integers(labels: Any) -> None:
    """TypeError: class indices are integers."""
    with pytest.raises(TypeError, match="label"):
        log_loss(labels, P)


# --- check=True -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ROWS)
def test_check_names_the_negative_entry(name: str) -> None:
    """First bad row, value, rule."""
    bad = np.array([[0.5, 0.5], [1.25, -0.25], [1.5, -0.5]])
    with pytest.raises(ValueError, match=r"row.*\b1\b") as error:
        CALLS[name](bad, check=True)
    assert "-0.25" in str(error.value)
    assert re.search(RULE, str(error.value))


@pytest.mark.parametrize("name", ROWS)
def test_check_names_the_sum(name: str) -> None:
    """First bad row and its sum; nothing to complain of once normalised."""
    bad = np.array([[0.5, 0.5], [0.5, 0.5], [0.5, 0.25], [1.0, 1.0]])
    with pytest.raises(ValueError, match=r"row.*\b2\b") as error:
        CALLS[name](bad, check=True)
    assert "0.75" in str(error.value)
    assert "sum" in str(error.value)
    assert np.isfinite(CALLS[name](bad, check=True, normalize=True)).all()


@pytest.mark.parametrize(
    ("call", "index", "value"),
    [
        (lambda: surprisal([0.5, 1.0, -0.125], check=True), 2, "-0.125"),
        (lambda: binary_entropy([0.5, 1.125, -0.125], check=True), 1, "1.125"),
        (lambda: binary_cross_entropy([0.0, 1.0], [0.5, 1.125], check=True), 1, "1.125"),
        (lambda: binary_cross_entropy([0.0, 1.125], [0.5, 0.5], check=True), 1, "1.125"),
        (lambda: binary_cross_entropy([-0.125, 1.0], [0.5, 0.5], check=True), 0, "-0.125"),
        (lambda: log_loss([0, 1], [[0.5, 0.5], [1.125, -0.125]], check=True), 1, "-0.125"),
    ],
    ids=["surprisal", "binary_entropy", "prob", "target high", "target low", "log_loss"],
)
def test_check_names_the_element(call: Callable[..., Any], index: int, value: str) -> None:
    """First bad element, its value, the rule."""
    with pytest.raises(ValueError, match=rf"\b{index}\b") as error:
        call()
    assert value in str(error.value)
    assert re.search(RULE, str(error.value))


@pytest.mark.parametrize(
    "function",
    [
        entropy,
        perplexity,
        functools.partial(cross_entropy, np.zeros((2, 0))),
        functools.partial(kl_divergence, np.zeros((2, 0))),
    ],
)
def test_check_of_empty_rows(function: Callable[..., Any]) -> None:
    """Their sum is 0, and that is what the message says."""
    with pytest.raises(ValueError, match=r"row.*\b0\b.*sum"):
        function(np.zeros((2, 0)), check=True)


def test_check_passes_good_rows(rng: np.random.Generator, dtype: Any) -> None:
    """Sums off by rounding pass; results are those without the check."""
    for n in (1, 2, 10, 1000):
        p = rng.dirichlet(np.ones(n), 50).astype(dtype)
        np.testing.assert_array_equal(entropy(p, check=True), entropy(p))
        np.testing.assert_array_equal(
            kl_divergence(p, p[::-1], check=True), kl_divergence(p, p[::-1])
        )
        tolerance = 1e-6 * np.sqrt(n) + 4 * n * float(np.finfo(dtype).eps)
        assert entropy(p[:1] * dtype(1 + 0.5 * tolerance), check=True).size == 1
        with pytest.raises(ValueError, match="sum"):
            entropy(p[:1] * dtype(1 + 2 * tolerance), check=True)
    labels = rng.integers(0, 1000, 50)
    np.testing.assert_array_equal(log_loss(labels, p, check=True), log_loss(labels, p))


def test_numbers_beyond_a_float() -> None:
    """Say which."""
    with pytest.raises(ValueError, match="base is beyond the largest float64"):
        entropy([0.5, 0.5], base=10**400)
    with pytest.raises(ValueError, match="log_floor is beyond the largest float64"):
        cross_entropy([0.5, 0.5], [0.5, 0.5], log_floor=-(10**400))
    entropy([0.5, 0.5], base=2)
    with pytest.raises(TypeError, match="base must be a number"):
        entropy([0.5, 0.5], base=2 + 0j)  # type: ignore[arg-type]

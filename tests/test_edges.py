"""The table of edges: zeros, clamps, NaN, invalid entries, empty rows, integers, result types."""

from __future__ import annotations

import functools
import itertools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import reference

from fastent import (
    binary_cross_entropy,
    binary_entropy,
    cross_entropy,
    entropy,
    kl_divergence,
    log_loss,
    log_softmax,
    perplexity,
    score_logits,
    softmax,
    surprisal,
    total_variation_distance,
)

pytestmark = pytest.mark.usefixtures("isa")
nan, inf, ln2 = np.nan, np.inf, np.log(2)
FLOOR_Q = np.exp(-100.0)


def case(function: Callable[..., Any], *args: Any, want: Any, **keywords: Any) -> Any:
    """One line of the table."""
    name = f"{function.__name__}-{args}-{keywords}".replace(" ", "")
    return pytest.param(function, args, keywords, want, id=name)


EDGES = [
    # p = 0 contributes exactly 0, also where q = 0 (KL's phi: contributes q)
    case(entropy, [0.5, 0, 0.5], want=ln2),
    case(entropy, [1.0, 0, 0], want=0),
    case(entropy, [0.0, 0], want=0),
    case(perplexity, [0.0, 1, 0], want=1),
    case(perplexity, [0.0, 0], want=1),
    case(cross_entropy, [0.0, 1], [0.0, 1], want=0),
    case(cross_entropy, [0.0, 1], [0.0, 1], want=0, log_floor=None),
    case(cross_entropy, [0.0, 1], [0.5, 0.5], want=ln2),
    case(total_variation_distance, [0.0, 1], [0.0, 1], want=0),
    case(total_variation_distance, [0.0, 1], [1.0, 0], want=1),
    case(total_variation_distance, [5e-324, 1], [1.5e-323, 1], want=5e-324),
    case(total_variation_distance, [3, 1], [1, 3], want=0.5, normalize=True),
    case(total_variation_distance, [2.0], [0.5], want=0.75),
    case(total_variation_distance, [nan, 1.0], [0.5, 0.5], want=nan),
    case(total_variation_distance, [0.5, 0.5], [0.5, nan], want=nan),
    case(total_variation_distance, [], [], want=0),
    case(kl_divergence, [0.0, 1], [0.0, 1], want=0),
    case(kl_divergence, [0.0, 1], [0.0, 1], want=0, log_floor=None),
    case(kl_divergence, [0.0, 0], [0.0, 0], want=0),
    case(kl_divergence, [0.0, 1], [0.25, 1], want=0.25),
    case(kl_divergence, [0.0, 1], [0.25, 1], want=0, generalized=False),
    case(kl_divergence, [0.0], [1e-50], want=1e-50),
    case(binary_entropy, 0.0, want=0),
    case(binary_entropy, 1.0, want=0),
    case(binary_entropy, -0.0, want=0),
    case(entropy, [-0.0, 1.0], want=0),
    # p > 0, q = 0: clamped, or infinite without a floor
    case(cross_entropy, [0.25, 0.75], [0.0, 1], want=25),
    case(cross_entropy, [0.25, 0.75], [0.0, 1], want=25 / ln2, base=2),
    case(cross_entropy, [0.25, 0.75], [0.0, 1], want=2.5, log_floor=-10),
    case(cross_entropy, [0.25, 0.75], [0.0, 1], want=inf, log_floor=None),
    case(cross_entropy, [1.0], [1e-50], want=100),
    case(kl_divergence, [1.0, 0], [0.0, 1], want=100 + FLOOR_Q),
    case(kl_divergence, [0.5, 0.5], [0.0, 1], want=50 + 0.5 * np.log(0.5) * 2 + FLOOR_Q),
    case(kl_divergence, [1.0, 0], [0.0, 1], want=10 + np.exp(-10), log_floor=-10),
    case(kl_divergence, [1.0, 0], [0.0, 1], want=100, generalized=False),
    case(kl_divergence, [1.0, 0], [0.0, 1], want=inf, log_floor=None),
    case(kl_divergence, [1.0, 0], [0.0, 1], want=inf, log_floor=None, generalized=False),
    case(kl_divergence, [1e-50, 1], [0.0, 1], want=0),
    case(kl_divergence, [0.1], [0.1], want=0, log_floor=-1),
    case(kl_divergence, [0.2], [0.1], want=0, log_floor=-1),
    case(kl_divergence, [0.1], [0.2], want=0.1 * np.log(0.5) + 0.1, log_floor=-1),
    case(kl_divergence, [0.9], [0.1], want=0.9 * np.log(0.9) + np.exp(-1), log_floor=-1),
    case(binary_cross_entropy, 1.0, 0.0, want=100),
    case(binary_cross_entropy, 0.0, 1.0, want=100),
    case(binary_cross_entropy, 0.25, 0.0, want=25),
    case(binary_cross_entropy, 1, 0.0, want=100 / ln2, base=2),
    case(binary_cross_entropy, 1.0, 0.0, want=inf, log_floor=None),
    case(binary_cross_entropy, 0.0, 1.0, want=inf, log_floor=None),
    case(binary_cross_entropy, 0.5, 1.0, want=inf, log_floor=None),
    case(binary_cross_entropy, 1.0, 1.0, want=0, log_floor=None),
    case(binary_cross_entropy, 1.0, 1.0, want=0),
    case(binary_cross_entropy, 0.0, 0.0, want=0),
    case(binary_cross_entropy, True, 0.5, want=ln2),
    case(log_loss, [0, 1], [[1.0, 0], [1, 0]], want=[0, 100]),
    case(log_loss, [0, 1], [[1.0, 0], [1, 0]], want=[0, inf], log_floor=None),
    case(log_loss, [0, 1], [[1.0, 0], [1, 0]], want=[0, 5 / ln2], log_floor=-5, base=2),
    case(log_loss, [0, 1, 1, 0], [0.0, 0.0, 1.0, 0.5], want=[0, 100, 0, ln2]),
    case(log_loss, [True, False], [0.25, 0.25], want=[np.log(4), np.log(4 / 3)]),
    # surprisal is exact unless asked
    case(surprisal, 0.0, want=inf),
    case(surprisal, -0.0, want=inf),
    case(surprisal, 0.0, want=100, log_floor=-100),
    case(surprisal, 0.0, want=100 / ln2, log_floor=-100, base=2),
    case(surprisal, 1.0, want=0),
    case(surprisal, inf, want=-inf),
    case(surprisal, 0.0, want=-inf, base=0.5),
    # p > 1 is used as it is
    case(surprisal, 8.0, want=-3, base=2),
    case(entropy, [2.0, 0.5], want=-2 * ln2 + 0.5 * ln2),
    case(perplexity, [2.0], want=0.25),
    case(cross_entropy, [2.0], [4.0], want=-4 * ln2),
    case(kl_divergence, [2.0], [4.0], want=-2 * ln2 + 2),
    # rows that do not sum to 1: as they are, or divided
    case(entropy, [1.0, 1], want=0),
    case(entropy, [1.0, 1], want=ln2, normalize=True),
    case(perplexity, [3, 3, 3, 3], want=4, normalize=True),
    case(cross_entropy, [1, 1], [3, 3], want=ln2, normalize=True),
    case(kl_divergence, [1, 2, 3], [2, 4, 6], want=0, normalize=True),
    case(kl_divergence, [1, 0], [1, 1], want=ln2, normalize=True),
    case(entropy, [0.0, 0], want=nan, normalize=True),
    case(perplexity, [0.0, 0], want=nan, normalize=True),
    case(cross_entropy, [0.0, 0], [1.0, 1], want=nan, normalize=True),
    case(cross_entropy, [1.0, 1], [0.0, 0], want=nan, normalize=True),
    case(kl_divergence, [0.0, 0], [1.0, 1], want=nan, normalize=True),
    case(kl_divergence, [1.0, 1], [0.0, 0], want=nan, normalize=True),
    # NaN: silent, also where p = 0
    case(surprisal, nan, want=nan),
    case(surprisal, nan, want=nan, log_floor=-100),
    case(binary_entropy, nan, want=nan),
    case(entropy, [nan, 1.0], want=nan),
    case(perplexity, [nan, 1.0], want=nan),
    case(cross_entropy, [nan, 1.0], [0.5, 0.5], want=nan),
    case(cross_entropy, [0.0, 1.0], [nan, 0.5], want=nan),
    case(kl_divergence, [nan, 1.0], [0.5, 0.5], want=nan),
    case(kl_divergence, [0.0, 1.0], [nan, 0.5], want=nan),
    case(kl_divergence, [0.0, 1.0], [nan, 0.5], want=nan, generalized=False),
    case(binary_cross_entropy, nan, 0.5, want=nan),
    case(binary_cross_entropy, 0.0, nan, want=nan),
    case(binary_cross_entropy, 1.0, nan, want=nan),
    case(log_loss, [1], [[0.5, nan]], want=[nan]),
    # empty rows
    case(entropy, [], want=0),
    case(entropy, [], want=nan, normalize=True),
    case(perplexity, [], want=1),
    case(perplexity, [], want=nan, normalize=True),
    case(cross_entropy, [], [], want=0),
    case(cross_entropy, [], [], want=nan, normalize=True),
    case(kl_divergence, [], [], want=0),
    case(kl_divergence, [], [], want=nan, normalize=True),
    case(entropy, np.zeros((3, 0)), want=[0, 0, 0]),
    case(perplexity, np.zeros((3, 0)), want=[1, 1, 1]),
    case(surprisal, [], want=[]),
    # logits: a masked class has probability 0, one +inf is certainty
    case(softmax, [-inf, 0.0], want=[0, 1]),
    case(softmax, [0.0, inf], want=[0, 1]),
    case(softmax, [-inf, -inf], want=[nan, nan]),
    case(softmax, [[0.0, nan], [1.0, 1.0]], want=[[nan, nan], [0.5, 0.5]]),
    case(softmax, [], want=[]),
    case(log_softmax, [-inf, 0.0], want=[-inf, 0]),
    case(log_softmax, [0.0, inf], want=[-inf, 0]),
    case(log_softmax, [inf, inf], want=[nan, nan]),
    case(log_softmax, [], want=[]),
    case(
        score_logits,
        [0, 1],
        [[-inf, 0.0]] * 2,
        want=[[inf, 0], [0] * 2, [1] * 2, [1] * 2, [1] * 2, [1, 0]],
    ),
    case(score_logits, [1], [[0.0, nan]], want=[[nan]] * 4 + [[-1]] * 2),
    # the sign of log(base) makes no negative zeros
    case(entropy, [1.0, 0], want=0, base=0.5),
    case(surprisal, 1.0, want=0, base=0.5),
    case(kl_divergence, [0.5, 0.5], [0.5, 0.5], want=0, base=0.5),
    case(binary_cross_entropy, 1, 1.0, want=0, base=0.5),
    case(score_logits, 0, [1.0], want=[0, 0, 1, 1, 0, 0], base=0.5),
]


@pytest.mark.parametrize(("function", "args", "keywords", "want"), EDGES)
def test_table(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    keywords: dict[str, Any],
    want: Any,
) -> None:
    """Each line holds in silence, and its zeros are +0.0."""
    nan_by_division = bool(keywords.get("normalize")) and np.isnan(want).any()
    with (
        warnings.catch_warnings(),
        np.errstate(invalid="ignore" if nan_by_division else "raise", divide="raise"),
    ):
        warnings.simplefilter("error")
        got = function(*args, **keywords)
    np.testing.assert_allclose(got, want, rtol=1e-14, atol=0)
    assert not np.signbit(got)[np.asarray(got) == 0].any()


@pytest.mark.parametrize("function", [entropy, perplexity, surprisal, binary_entropy])
def test_zero_is_positive_in_float32_reductions_too(
    function: Callable[..., Any],
    dtype: Any,
) -> None:
    """Sums and means of zeros are +0.0 (perplexity: of ones, not less)."""
    rows = np.eye(4, dtype=dtype) if function in (entropy, perplexity) else np.ones(4, dtype)
    for reduction in ("mean", "sum"):
        got = function(rows, reduction=reduction)
        want = 0 if function is not perplexity else {"mean": 1, "sum": 4}[reduction]
        assert got == want
        assert not np.signbit(got)


# --- invalid entries ------------------------------------------------------------------------------

INVALID = [
    case(surprisal, [0.5, -0.5], want=[ln2, nan]),
    case(surprisal, [0.5, -inf], want=[ln2, nan]),
    case(surprisal, [0.5, -5e-324], want=[ln2, nan], log_floor=-100),
    case(binary_entropy, [0.5, -0.5, 1.5], want=[ln2, nan, nan]),
    case(entropy, [[0.5, -0.5], [0.5, 0.5]], want=[nan, ln2]),
    case(entropy, [[0.5, -5e-324], [0.5, 0.5]], want=[nan, ln2]),
    case(entropy, [[1.5, -0.5], [0.5, 0.5]], want=[nan, ln2], normalize=True),
    case(perplexity, [[0.5, -0.5], [0.5, 0.5]], want=[nan, 2]),
    case(cross_entropy, [[0.5, -0.5], [0.5, 0.5]], [0.5, 0.5], want=[nan, ln2]),
    case(cross_entropy, [0.0, 1], [[-0.5, 0.5], [0.5, 0.5]], want=[nan, ln2]),
    case(cross_entropy, [0.5, 0.5], [[-0.5, 0.5], [0.5, 0.5]], want=[nan, ln2], log_floor=None),
    case(kl_divergence, [[0.5, -0.5], [1, 0]], [0.5, 0.5], want=[nan, ln2]),
    case(total_variation_distance, [[0.5, -0.5], [1, 0]], [0.5, 0.5], want=[nan, 0.5]),
    case(kl_divergence, [1.0, 0], [[-0.5, 0.5], [0.5, 0.5]], want=[nan, ln2]),
    case(kl_divergence, [1.0, 0], [[0.5, -0.5], [0.5, 0.5]], want=[nan, ln2]),
    case(kl_divergence, [[-0.5, 0.5], [1, 0]], [[-0.5, 0.5], [0.5, 0.5]], want=[nan, ln2]),
    case(binary_cross_entropy, [1.0, 1, 1], [-0.5, 1.5, 0.5], want=[nan, nan, ln2]),
    case(binary_cross_entropy, [0.0, 0, 0], [-0.5, 1.5, 0.5], want=[nan, nan, ln2]),
    case(binary_cross_entropy, [-0.5, 1.5, 1.0], 0.5, want=[nan, nan, ln2]),
    case(binary_cross_entropy, [-1, 2, 1], 0.5, want=[nan, nan, ln2]),
    case(log_loss, [0, 1], [[-0.5, 1.5], [0.5, 0.5]], want=[nan, ln2]),
    case(log_loss, [0, 1, 1], [-0.5, 1.5, 0.5], want=[nan, nan, ln2]),
]


@pytest.mark.parametrize(("function", "args", "keywords", "want"), INVALID)
def test_invalid(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    keywords: dict[str, Any],
    want: Any,
) -> None:
    """NaN in that row alone, and NumPy's invalid flag once, under the caller's errstate."""
    text = f"invalid value encountered in {function.__name__}"
    with warnings.catch_warnings(record=True) as caught, np.errstate(invalid="warn"):
        warnings.simplefilter("always")
        got = function(*args, **keywords)
    np.testing.assert_allclose(got, want, rtol=1e-14)
    assert [(w.category, str(w.message)) for w in caught] == [(RuntimeWarning, text)]
    with np.errstate(invalid="raise"), pytest.raises(FloatingPointError, match=text):
        function(*args, **keywords)
    with warnings.catch_warnings(), np.errstate(invalid="ignore"):
        warnings.simplefilter("error")
        np.testing.assert_array_equal(function(*args, **keywords), got)
    calls: list[Any] = []
    with np.errstate(invalid="call", call=lambda *a: calls.append(a)):
        function(*args, **keywords)
    assert len(calls) == 1


def test_invalid_once_for_many_rows(rng: np.random.Generator) -> None:
    """A thousand bad rows in a big batch are one warning, and only they are NaN."""
    p = rng.dirichlet(np.ones(10), 20_000)
    clean = entropy(p)
    bad = rng.choice(len(p), 1000, replace=False)
    p[bad, rng.integers(0, 10, 1000)] *= -1
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        got = entropy(p)
    assert len(caught) == 1
    assert np.isnan(got[bad]).all()
    np.testing.assert_array_equal(np.delete(got, bad), np.delete(clean, bad))


def test_where_hides_invalid_elements() -> None:
    """What `where` leaves out is neither computed nor warned about, nor written."""
    out = np.full(3, 7.0)
    with np.errstate(invalid="raise"):
        got = surprisal([0.5, -1.0, 1.0], where=[True, False, True], out=out)
        assert got is out
        np.testing.assert_array_equal(out, [np.log(2), 7, 0])
        binary_entropy([0.5, -1.0, 1.0], where=np.array([False, False, True]), out=out)
        binary_cross_entropy(1, [-1.0, -1.0, 1.0], where=[False, False, True], out=out)
    np.testing.assert_array_equal(out, [np.log(2), 7, 0])


# --- every pair of special values, against the NumPy twins ----------------------------------------

SPECIAL = [0.0, -0.0, 5e-324, 1e-310, 1e-50, 3.7e-44, 3.8e-44, 1e-9, 0.3, 1.0, nan, -1e-9, -1.0]
GRID = np.array(list(itertools.product([*SPECIAL, 3.0], repeat=2))).T
BINARY = np.array(list(itertools.product(SPECIAL, repeat=2))).T


FLOORS = pytest.mark.parametrize("log_floor", [-100.0, -10.0, None])
PAIRED: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "entropy": (
        lambda p, q, log_floor, **kw: entropy(p, **kw),
        lambda p, q, log_floor, **kw: reference.entropy(p, **kw),
    ),
    "cross_entropy": (cross_entropy, reference.cross_entropy),
    "kl_divergence": (kl_divergence, reference.kl_divergence),
    "kl_divergence, plain": (
        functools.partial(kl_divergence, generalized=False),
        functools.partial(reference.kl_divergence, generalized=False),
    ),
}


@FLOORS
@pytest.mark.parametrize("name", PAIRED)
@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("fill", [0, 1, 20])
def test_special_values_in_rows(
    name: str,
    log_floor: float | None,
    normalize: bool,
    fill: int,
) -> None:
    """Each pair as the first entry of a row whose other entries are equal."""
    rest = np.full((GRID.shape[1], fill), 0.05)
    p, q = (np.column_stack([side, rest]) for side in GRID)
    function, twin = PAIRED[name]
    with np.errstate(invalid="ignore"):
        got = function(p, q, log_floor=log_floor, normalize=normalize)
        want = twin(p, q, log_floor=log_floor, normalize=normalize)
    digits_lost = normalize or name.startswith("kl")  # by the twin, which subtracts plainly
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-15 if digits_lost else 1e-323)


@FLOORS
def test_special_values_in_elements(log_floor: float | None) -> None:
    """Each pair as target and probability, each value as a probability."""
    with np.errstate(invalid="ignore"):
        got = binary_cross_entropy(BINARY[0], BINARY[1], log_floor=log_floor)
        one = surprisal(GRID[0], log_floor=log_floor)
    want = reference.binary_cross_entropy(BINARY[0], BINARY[1], log_floor=log_floor)
    np.testing.assert_allclose(got, want, rtol=1e-13, atol=1e-323)
    np.testing.assert_allclose(one, reference.surprisal(GRID[0], log_floor=log_floor), rtol=1e-13)

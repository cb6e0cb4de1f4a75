"""reduction="mean" and "sum": against exact sums of true terms, their divisors, their dtypes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import reference
import strategies
from mpmath import mp, mpf
from reference import exact, ulp_error

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

pytestmark = pytest.mark.usefixtures("isa")

ULPS = 2.5  # of the exact sum of the magnitudes of the true terms
Case = tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]


def vectors(family: str, hard: bool = False) -> Callable[..., Any]:
    """Draws of n targets and n probabilities."""

    def draw(rng: np.random.Generator, n: int, dtype: Any) -> Any:
        target = strategies.PROBS["hard" if hard else "uniform"](rng, n, dtype)
        return target, strategies.PROBS[family](rng, n, dtype)

    return draw


def rows(family: str, columns: int = 10) -> Callable[..., Any]:
    """Draws of n rows, or of n pairs of rows."""

    def draw(rng: np.random.Generator, n: int, dtype: Any) -> Any:
        if family in strategies.PAIRS:
            return strategies.PAIRS[family](rng, n, columns, dtype)
        return (strategies.ROWS[family](rng, n, columns, dtype),)

    return draw


def labelled(rng: np.random.Generator, n: int, dtype: Any) -> Any:
    """Labels and rows of ten classes."""
    return rng.integers(0, 10, n), strategies.ROWS["softmax"](rng, n, 10, dtype)


def picked(labels: np.ndarray, prob: np.ndarray) -> Any:
    """Return the exact log loss."""
    return exact(reference.exact_surprisal, prob[np.arange(len(labels)), labels])


CASES: dict[str, Case] = {
    "surprisal": (
        lambda t, x, **kw: surprisal(x, **kw),
        vectors("uniform"),
        lambda t, x: exact(reference.exact_surprisal, x),
    ),
    "surprisal near 1": (
        lambda t, x, **kw: surprisal(x, **kw),
        vectors("near 1"),
        lambda t, x: exact(reference.exact_surprisal, x),
    ),
    "binary_entropy": (
        lambda t, x, **kw: binary_entropy(x, **kw),
        vectors("uniform"),
        lambda t, x: exact(reference.exact_binary_entropy, x),
    ),
    "log_loss": (log_loss, labelled, picked),
    "entropy": (entropy, rows("softmax"), lambda p: exact(reference.exact_entropy, p)),
    "entropy, long rows": (
        entropy,
        rows("heavy_tail", 1000),
        lambda p: exact(reference.exact_entropy, p),
    ),
    "cross_entropy": (
        cross_entropy,
        rows("softmax|log_uniform"),
        lambda p, q: exact(reference.exact_cross_entropy, p, q),
    ),
} | {
    f"binary_cross_entropy {kind} {family}": (
        binary_cross_entropy,
        vectors(family, kind == "hard"),
        lambda t, x: exact(reference.exact_binary_cross_entropy, t, x),
    )
    for kind in ("hard", "soft")
    for family in strategies.PROBS
}


@pytest.mark.parametrize("name", CASES)
def test_mean_and_sum(name: str, dtype: Any, rng: np.random.Generator) -> None:
    """Within 2.5 ulp of the exact sum (all terms here have one sign), in bases e and 2."""
    call, draw, terms = CASES[name]
    for n in (1, 2, 3, 10, 100, 1000):
        if "long" in name and n > 100:
            break
        arrays = draw(rng, n, dtype)
        true = sum(terms(*arrays).ravel(), mpf(0))
        for base, scale in ((None, mpf(1)), (2, mp.log(2))):
            for reduction, divisor in (("sum", 1), ("mean", n)):
                got = call(*arrays, base=base, reduction=reduction)
                assert type(got) is dtype
                error = ulp_error(got, true / scale / divisor, dtype)
                assert error <= ULPS, (n, base, reduction, float(error), got)


@pytest.mark.parametrize(
    ("target", "prob"),
    [
        (0.26982207224853405, 0.11492503959137917),
        (0.9797058301787216, 0.9999999507691948),
        (0.3588693568893604, 0.986328125),
        (0.5253839000137931, 0.11012979451751528),
    ],
)
def test_worst_soft_targets(target: float, prob: float) -> None:
    """The worst of 240000 soft targets, 2.4 to 2.7 ulp while k log 2 was rounded."""
    arrays = np.array([target]), np.array([prob])
    true = sum(exact(reference.exact_binary_cross_entropy, *arrays).ravel(), mpf(0)) / mp.log(2)
    got = binary_cross_entropy(*arrays, base=2, reduction="sum")
    assert ulp_error(got, true, np.float64) <= 2.3


@pytest.mark.parametrize("family", ["softmax|softmax", "near 1e-03", "near 1e-06"])
def test_mean_and_sum_of_kl(family: str, dtype: Any, rng: np.random.Generator) -> None:
    """A sum of KLs keeps KL's relative bound: its terms are never negative."""
    from accuracy_cases import bound

    for n in (1, 7, 100):
        p, q = strategies.PAIRS[family](rng, n, 30, dtype)
        true = sum(exact(reference.exact_kl_divergence, p, q), mpf(0))
        tolerance = bound("kl_divergence", dtype)
        assert abs(float(kl_divergence(p, q, reduction="sum")) - true) <= tolerance * true
        assert abs(float(kl_divergence(p, q, reduction="mean")) - true / n) <= tolerance * true / n


def test_signs_do_not_cancel_digits(dtype: Any, rng: np.random.Generator) -> None:
    """Surprisal of values on both sides of 1: ulps of the sum of the magnitudes."""
    x = np.exp(rng.standard_normal(1000)).astype(dtype)
    terms = exact(reference.exact_surprisal, x)
    scale = float(sum(abs(terms), mpf(0)))
    ulp = float(np.spacing(dtype(scale)))
    assert abs(float(surprisal(x, reduction="sum")) - sum(terms, mpf(0))) <= ULPS * ulp


def test_many_elements(dtype: Any, rng: np.random.Generator) -> None:
    """A hundred thousand terms: the sum does not drift (0.5, 0.93 and mixtures)."""
    n = 100_000
    for value in (0.5, 0.93):
        x = np.full(n, value, dtype)
        term = exact(reference.exact_surprisal, x[:1])[0]
        for got, true in (
            (surprisal(x, reduction="sum"), n * term),
            (surprisal(x, reduction="mean"), term),
            (binary_cross_entropy(np.ones(n, bool), x, reduction="mean"), term),
            (log_loss(np.ones(n, int), x, reduction="sum"), n * term),
        ):
            assert ulp_error(got, true, dtype) <= ULPS
    x = rng.uniform(1e-6, 1, n).astype(dtype)
    true = reference.as_mpf(reference.total(reference.exact_surprisal(reference.DD, x)))[()]
    assert ulp_error(surprisal(x, reduction="sum"), true, dtype) <= ULPS
    assert ulp_error(surprisal(x, reduction="mean"), true / n, dtype) <= ULPS


def test_what_mean_divides_by() -> None:
    """Binary losses: elements. Everything else: rows."""
    p = np.full((4, 5, 8), 1 / 8)
    log8 = np.log(8)
    assert entropy(p, reduction="sum") == pytest.approx(20 * log8, rel=1e-15)
    assert entropy(p, reduction="mean") == pytest.approx(log8, rel=1e-15)
    assert entropy(p, axis=(1, 2), reduction="sum") == pytest.approx(20 * log8, rel=1e-15)
    assert entropy(p, axis=(1, 2), reduction="mean") == pytest.approx(5 * log8, rel=1e-15)
    assert entropy(p, axis=None, reduction="mean") == pytest.approx(20 * log8, rel=1e-15)
    assert perplexity(p, reduction="mean") == pytest.approx(8, rel=1e-15)
    assert perplexity(p, reduction="sum") == pytest.approx(160, rel=1e-15)
    assert cross_entropy(p, p, reduction="mean") == pytest.approx(log8, rel=1e-15)
    assert surprisal(p, reduction="mean") == pytest.approx(log8, rel=1e-15)
    assert surprisal(p, reduction="sum") == pytest.approx(160 * log8, rel=1e-15)
    target = np.ones((4, 5), int)
    half = np.full((4, 5), 0.5)
    assert binary_cross_entropy(target, half, reduction="mean") == np.log(2)
    assert binary_cross_entropy(target, half, reduction="sum") == pytest.approx(20 * np.log(2))
    assert binary_cross_entropy(1, half, reduction="mean") == np.log(2)
    assert binary_cross_entropy(target, 0.5, reduction="mean") == np.log(2)
    assert log_loss(target, p, reduction="mean") == pytest.approx(log8, rel=1e-15)
    assert log_loss(target, p, reduction="sum") == pytest.approx(20 * log8, rel=1e-15)
    q = np.array([[0.5, 0.5], [1.0, 0.0]])
    assert kl_divergence(q, [0.5, 0.5], reduction="mean") == pytest.approx(np.log(2) / 2)
    assert kl_divergence(q, [0.5, 0.5], reduction="sum", base=2) == pytest.approx(1)


@pytest.mark.parametrize("name", CASES)
def test_mean_is_the_mean_of_none(name: str, dtype: Any, rng: np.random.Generator) -> None:
    """One number of the result's dtype, near the mean of the separate results."""
    call, draw, _ = CASES[name]
    arrays = draw(rng, 500, dtype)
    each = call(*arrays)
    for reduction, reduce in (("mean", np.mean), ("sum", np.sum)):
        want = float(reduce(each, dtype=float))
        got = call(*arrays, reduction=reduction)
        assert type(got) is dtype
        assert float(got) == pytest.approx(want, rel=6 * float(np.finfo(dtype).eps))


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_bad_rows_in_a_reduction(reduction: Any, rng: np.random.Generator) -> None:
    """NaN stays silent; an invalid entry makes the result NaN and is flagged once."""
    p = rng.dirichlet(np.ones(5), 1000)
    p[3, 1] = np.nan
    with np.errstate(invalid="raise"):
        assert np.isnan(entropy(p, reduction=reduction))
        assert np.isnan(surprisal(p, reduction=reduction))
        assert np.isnan(binary_cross_entropy(1, p, reduction=reduction))
    p[3, 1], p[900, 2] = 0.1, -1
    calls: list[Callable[[], Any]] = [
        lambda: entropy(p, reduction=reduction),
        lambda: surprisal(p, reduction=reduction),
        lambda: kl_divergence(p, p[0], reduction=reduction),
        lambda: binary_cross_entropy(np.zeros(5, bool), p, reduction=reduction),
    ]
    for call in calls:
        with pytest.warns(RuntimeWarning, match="invalid value encountered in ") as caught:
            assert np.isnan(call())
        assert len(caught) == 1
    infinite = surprisal([0.0, 0.5], reduction=reduction)
    assert infinite == np.inf


TARGETS = [False, True, 0, 1, 0.0, 1.0, 0.5, -0.5, 1.5, -3]
PROBS = [0.5, -np.inf, -100.0, -3.0, -1.0, -0.5, -1e-9, 1.000001, 1.5, 2.0, 2.5, 3.0, 1e30, np.inf]


@pytest.mark.parametrize(
    ("target", "prob"),
    [(t, x) for t in TARGETS for x in PROBS if not (0 <= t <= 1 and 0 <= x <= 1)],
)
def test_one_bad_element_spoils_a_loss(target: Any, prob: float, dtype: Any) -> None:
    """Any prob or target outside [0, 1] makes the sum NaN and is flagged once, at any length."""
    for n in (1, 2, 8, 33, 1000, 5000):
        x, t = np.full(n, 0.5, dtype), np.zeros(n, np.asarray(target).dtype)
        x[n // 2], t[n // 2] = prob, target
        for reduction in ("none", "sum", "mean"):
            with pytest.warns(RuntimeWarning, match="in binary_cross_entropy") as caught:
                got = binary_cross_entropy(t, x, reduction=reduction)
            assert np.isnan(got).sum() == 1, (n, reduction, got)
            assert len(caught) == 1


EDGES = (0.0, -0.0, 1e-323, 1e-310, 1e-45, 1e-30, 0.0625, 0.0645, 0.25, 0.49, 0.5, 0.75, 1.0)


def exact_loss(target: float, prob: float, log_floor: float | None) -> Any:
    """Return the exact binary cross entropy of one element."""
    total = mpf(0)
    log_prob = mp.log(prob) if prob else -mp.inf
    log_rest = mp.log1p(-mpf(prob)) if prob != 1 else -mp.inf
    for weight, logarithm in ((mpf(target), log_prob), (1 - mpf(target), log_rest)):
        judged = logarithm if log_floor is None else max(logarithm, mpf(log_floor))
        total -= weight * judged if weight else 0
    return total


@pytest.mark.parametrize("log_floor", [-100, -20, -3, -0.5, None])
@pytest.mark.parametrize("prob", [*EDGES, 1 - 2**-53, 1 - 2**-24])
def test_constant_losses(prob: float, log_floor: float | None, dtype: Any) -> None:
    """One probability many times, with any target: what is lost once is lost every time."""
    for target in EDGES:
        t, x = np.full(5000, target, dtype), np.full(5000, prob, dtype)
        got = binary_cross_entropy(t, x, reduction="sum", log_floor=log_floor)
        one = exact_loss(float(t[0]), float(x[0]), log_floor)
        if one in (0, mp.inf):
            assert got == one, target
        else:
            assert ulp_error(got, 5000 * one, dtype) <= ULPS, target

"""Laws of information theory that hold for every row, within the stated bounds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import strategies
from accuracy_cases import bound
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import distributions, pairs, probabilities

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

PROPER = tuple(n for n in strategies.ROWS if n not in ("subnormal", "near_half"))
BASES = st.sampled_from([2, 10, 3, math.e, 0.5, 1e9])


def ulps(name: str, value: np.ndarray) -> np.ndarray:
    """Return the bound of a function at these values, as float64."""
    value = np.asarray(value)
    return np.asarray(bound(name, value.dtype) * np.spacing(np.abs(value)), dtype=np.float64)


def sums(p: np.ndarray) -> np.ndarray:
    """Add up rows, correctly rounded."""
    return np.array([math.fsum(row) for row in p.tolist()])


@given(distributions(PROPER))
def test_entropy_is_between_zero_and_log_n(p: np.ndarray) -> None:
    """0 <= H <= s log(n/s) for a row of sum s: log n for a distribution."""
    h, s, n = entropy(p), sums(p), p.shape[-1]
    assert (h >= 0).all()
    most = s * (np.log(n) - np.log(s))
    assert (h <= most * (1 + 1e-15) + ulps("entropy", h) + 1e-15 * n**0.5).all()


@given(pairs(), st.sampled_from([-100.0, -5.0, None]), st.booleans())
def test_kl_is_never_negative(
    pq: tuple[np.ndarray, np.ndarray],
    log_floor: float | None,
    normalize: bool,
) -> None:
    """However close the rows are, and whatever the floor."""
    with np.errstate(invalid="ignore"):
        kl = kl_divergence(*pq, log_floor=log_floor, normalize=normalize)
    assert (kl >= 0).all()
    assert not np.signbit(kl).any()


@given(distributions(), st.sampled_from([-100.0, -1.0, None]), st.booleans(), BASES)
def test_kl_of_a_row_and_itself_is_zero(
    p: np.ndarray,
    log_floor: float | None,
    normalize: bool,
    base: Any,
) -> None:
    """Exactly, and +0.0."""
    for generalized in (True, False):
        kl = kl_divergence(
            p,
            p.copy(),
            log_floor=log_floor,
            normalize=normalize,
            base=base,
            generalized=generalized,
        )
        assert (kl == 0).all()
        assert not np.signbit(kl).any()


@given(pairs(("softmax|softmax", "near 1e-01", "near 1e-03", "neighbours", "uniform|softmax")))
def test_kl_of_rows_that_differ_is_positive(pq: tuple[np.ndarray, np.ndarray]) -> None:
    """Zero only for equal rows."""
    p, q = pq
    assert ((kl_divergence(p, q) > 0) == (p != q).any(-1)).all()


@given(
    pairs(
        (
            "softmax|softmax",
            "geometric|softmax",
            "sparse|softmax",
            "near 1e-02",
            "softmax|log_uniform",
            "scaled|softmax",
            "dominant|softmax",
        )
    )
)
def test_cross_entropy_is_entropy_plus_divergence(pq: tuple[np.ndarray, np.ndarray]) -> None:
    """CE = H + KL - (sum q - sum p), to the bounds of the three."""
    p, q = pq
    assume((q > 1e-40).all())
    ce, h, kl = cross_entropy(p, q), entropy(p), kl_divergence(p, q)
    terms = [np.asarray(x, np.float64) for x in (ce, -h, -kl)]
    gap = np.array(
        [
            math.fsum([*t, *row])
            for *t, row in zip(*terms, np.concatenate([q, -p], -1).tolist(), strict=True)
        ]
    )
    allowed = (
        ulps("cross_entropy", ce)
        + ulps("entropy", h)
        + bound("kl_divergence", kl.dtype) * kl.astype(float)
    )
    assert (np.abs(gap) <= allowed * (1 + 1e-9)).all()


@given(probabilities(), strategies.seeds)
def test_binary_cross_entropy_is_symmetric(x: np.ndarray, seed: int) -> None:
    """BCE(t, x) = BCE(1-t, 1-x) where 1-x is exact."""
    t = np.random.default_rng(seed).integers(0, 65, x.shape).astype(x.dtype) / 64
    exact = x.dtype.type(1) - (x.dtype.type(1) - x) == x
    a, b = binary_cross_entropy(t, x)[exact], binary_cross_entropy(1 - t, 1 - x)[exact]
    assert (np.abs(a.astype(float) - b) <= 2 * ulps("binary_cross_entropy", np.maximum(a, b))).all()


@given(probabilities())
def test_binary_losses_are_one_loss(x: np.ndarray) -> None:
    """Hard targets, class indices with one column, and with two: the same number."""
    rest = x.dtype.type(1) - x
    exact = x.dtype.type(1) - rest == x
    x, rest = x[exact], rest[exact]
    label = np.arange(len(x)) % 2
    one = log_loss(label, x)
    two = log_loss(label, np.stack([rest, x], -1))
    bce = binary_cross_entropy(label, x)
    assert (np.abs(one.astype(float) - two) <= 2 * ulps("log_loss", one)).all()
    np.testing.assert_allclose(bce, one, rtol=4 * np.finfo(x.dtype).eps, atol=0)


@given(probabilities())
def test_binary_entropy_is_the_entropy_of_two(p: np.ndarray) -> None:
    """binary_entropy(p) = entropy([p, 1-p]) where 1-p is exact; symmetric; at most log 2."""
    rest = p.dtype.type(1) - p
    keep = p.dtype.type(1) - rest == p
    p, rest = p[keep], rest[keep]
    one, two = binary_entropy(p), entropy(np.stack([p, rest], -1))
    allowed = ulps("binary_entropy", one) + ulps("entropy", two)
    assert (np.abs(one.astype(float) - two) <= allowed).all()
    mirrored = np.abs(one.astype(float) - binary_entropy(rest))
    assert (mirrored <= 2 * ulps("binary_entropy", one)).all()
    assert (one >= 0).all()
    assert (one <= math.log(2) + ulps("binary_entropy", one)).all()


@given(distributions(), strategies.seeds)
def test_order_of_columns_does_not_matter(p: np.ndarray, seed: int) -> None:
    """A permutation moves the result by no more than the bound allows, twice."""
    order = np.random.default_rng(seed).permutation(p.shape[-1])
    a, b = entropy(p), entropy(p[:, order])
    assert (np.abs(a.astype(float) - b) <= 2 * ulps("entropy", np.maximum(a, b))).all()


@given(pairs(("softmax|softmax", "near 1e-04", "sparse|softmax")), strategies.seeds)
def test_order_of_columns_does_not_matter_to_kl(
    pq: tuple[np.ndarray, np.ndarray],
    seed: int,
) -> None:
    """Nor for two rows moved together."""
    order = np.random.default_rng(seed).permutation(pq[0].shape[-1])
    a, b = kl_divergence(*pq), kl_divergence(*(x[:, order] for x in pq))
    tolerance = 2 * bound("kl_divergence", a.dtype)
    np.testing.assert_allclose(a.astype(float), b.astype(float), rtol=tolerance, atol=0)


@given(pairs(("softmax|softmax", "geometric|softmax", "near 1e-03")), BASES)
def test_a_base_is_a_division(pq: tuple[np.ndarray, np.ndarray], base: Any) -> None:
    """f(base=b) log b = f, to the two bounds and the units a base may add."""
    p, q = pq
    for name, nats, based in (
        ("entropy", entropy(p), entropy(p, base=base)),
        ("cross_entropy", cross_entropy(p, q), cross_entropy(p, q, base=base)),
        ("surprisal", surprisal(p), surprisal(p, base=base)),
    ):
        units = 2 * bound(name, p.dtype) + 1.5
        rounding = units * float(np.finfo(p.dtype).eps) + 4e-16
        np.testing.assert_allclose(
            based.astype(float) * math.log(base),
            nats,
            rtol=rounding,
            atol=float(np.finfo(p.dtype).tiny),
        )
    a, b = kl_divergence(p, q), kl_divergence(p, q, base=base)
    rounding = 2 * bound("kl_divergence", p.dtype) + 4e-16
    np.testing.assert_allclose(b.astype(float) * math.log(base), a, rtol=rounding, atol=0)


@given(distributions(PROPER))
def test_perplexity_is_exp_of_entropy(p: np.ndarray) -> None:
    """To H's bound, twice, plus 2 ulp, plus the rounding of this very check."""
    h = entropy(p).astype(float)
    rounding = (2 * bound("entropy", p.dtype) * h + 3) * float(np.finfo(p.dtype).eps)
    assert (np.abs(perplexity(p) - np.exp(h)) <= rounding * np.exp(h)).all()
    assert (perplexity(p) >= 1 - 1e-6).all() or (sums(p) < 1).any()


@given(strategies.seeds, strategies.columns, strategies.dtypes, st.integers(-60, 60))
def test_counts_and_their_doubles_have_the_same_entropy(
    seed: int,
    columns: int,
    dtype: Any,
    power: int,
) -> None:
    """normalize=True: scaling by a power of two changes no bit (of two operands: little)."""
    rng = np.random.default_rng(seed)
    p, q = (strategies.counts(rng, 3, columns, dtype) for _ in range(2))
    scale = dtype(2.0**power)
    for f in (entropy, perplexity):
        np.testing.assert_array_equal(f(p * scale, normalize=True), f(p, normalize=True))
    for name, g in (("cross_entropy", cross_entropy), ("kl_divergence", kl_divergence)):
        want, rtol = g(p, q, normalize=True), 2 * bound(f"{name}, normalize", dtype)
        np.testing.assert_allclose(g(p * scale, q, normalize=True), want, rtol=rtol, atol=0)
        np.testing.assert_allclose(g(p, q * scale, normalize=True), want, rtol=rtol, atol=0)


@given(strategies.seeds, strategies.columns, strategies.dtypes)
def test_a_distribution_needs_no_normalizing(seed: int, columns: int, dtype: Any) -> None:
    """Rows of k/2^m whose sum is exactly 1 give the same with normalize=True, to the bounds."""
    rng = np.random.default_rng(seed)
    p = (rng.multinomial(2**14, np.full(columns, 1 / columns), 3) / 2**14).astype(dtype)
    relative = bound("entropy, normalize", dtype) + bound("entropy", dtype) * np.finfo(dtype).eps
    np.testing.assert_allclose(entropy(p, normalize=True), entropy(p), rtol=relative, atol=0)

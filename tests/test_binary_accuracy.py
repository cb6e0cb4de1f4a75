"""Weights of class 1 and smoothed targets of binary losses: every digit, against exact numbers."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from math import inf
from typing import Any

import numpy as np
import pytest
import reference
from binary_cases import LOSSES, MEASURES, draw, every_loss
from mpmath import mp, mpf
from reference import ulp_error
from strategies import PROBS
from test_logits import LOGITS, TARGETS

from fastent import _core, binary_cross_entropy_with_logits

WEIGHTS: dict[str, Callable[[np.random.Generator, int, Any], Any]] = {
    "ordinary": lambda rng, n, dtype: rng.uniform(0, 20, n).astype(dtype),
    "any size": lambda rng, n, dtype: (10.0 ** rng.uniform(-37, 38, n)).astype(dtype),
    "0 or 1": lambda rng, n, dtype: rng.integers(0, 2, n).astype(dtype),
    "tiny": lambda rng, n, dtype: (
        rng.integers(0, 2**20, n) * float(np.finfo(dtype).smallest_subnormal)
    ).astype(dtype),
}


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("weights", WEIGHTS)
@every_loss
def test_every_element_is_accurate(
    judged: str, weights: str, dtype: Any, rng: np.random.Generator
) -> None:
    """Against exact numbers, in nats and bits, within the bounds of measures.def."""
    n, worst = 150, 0.0
    families: Any = LOGITS if judged == "logits" else PROBS
    bound = _core.bounds()[MEASURES[judged]][dtype == np.float64]
    twin = getattr(reference, f"exact_{MEASURES[judged]}")
    for family, kind, smoothing in product(families, TARGETS, (0.0, 0.1, 1e-9, 1.0)):
        x, t = families[family](rng, n, dtype), TARGETS[kind](rng, n, dtype)
        w = WEIGHTS[weights](rng, n, dtype)
        true = twin(t, w, x, smoothing)
        for base, unit in ((None, mpf(1)), (2, 1 / mp.log(2))):
            got = LOSSES[judged](t, x, pos_weight=w, label_smoothing=smoothing, base=base)
            assert got.dtype == dtype
            error = ulp_error(got, true * unit, dtype)
            tiny = (true * unit).astype(float) < np.finfo(dtype).tiny
            assert (error <= np.where(tiny, 1, bound)).all(), (family, kind, smoothing)
            worst = max(worst, error[~tiny].max(initial=0))
    print(f"{judged}, weights {weights}, {np.dtype(dtype)}: {worst:.2f} of {bound} ulp")


@every_loss
def test_sums_are_accurate(judged: str, dtype: Any, rng: np.random.Generator) -> None:
    """Within 2.5 ulp of the exact sum of all losses, of any number."""
    twin = getattr(reference, f"exact_{MEASURES[judged]}")
    t, x = draw(judged, rng, 3000, dtype)
    w = WEIGHTS["ordinary"](rng, 3000, dtype)
    true = twin(t, w, x, 0.1)
    options: Any = {"label_smoothing": 0.1}
    for n in (1, 16, 17, 1025, 3000):
        for reduction, divisor in (("sum", 1), ("mean", n)):
            got = LOSSES[judged](t[:n], x[:n], pos_weight=w[:n], reduction=reduction, **options)
            error = ulp_error(np.array([got]), np.array([sum(true[:n]) / divisor]), dtype)
            assert error[0] <= 2.5


def test_tiny_and_huge_parts() -> None:
    """No product of tiny numbers is lost, and nothing overflows but results."""
    got = binary_cross_entropy_with_logits(1e-290, -1e20, pos_weight=1e-30)
    np.testing.assert_allclose(got, 1e-300, rtol=1e-15)
    for logit in (1e200, 1e300):
        got = binary_cross_entropy_with_logits(0.25, -logit, pos_weight=2.0)
        np.testing.assert_allclose(got, logit / 2, rtol=1e-15)
        assert binary_cross_entropy_with_logits(0.25, -1e300, pos_weight=1e30) == inf
    for x, w in ((-750.0, 1e30), (750.0, 1e30), (-800.0, 1e38), (-830.0, 1e38), (-860.0, 1e38)):
        t = float(x > 0)
        true = reference.exact_binary_cross_entropy_with_logits_weighted([t], [w], [x])
        got = binary_cross_entropy_with_logits([t], [x], pos_weight=[w])
        tiny = float(true[0]) < np.finfo(float).tiny
        assert ulp_error(got, true, float)[0] <= (1 if tiny else 2.5)

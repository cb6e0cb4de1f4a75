"""score_logits: predictions, ranks and runners-up, wherever they are in a row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastent as fe

pytestmark = pytest.mark.usefixtures("isa")

inf = np.inf

RANKED_ROWS: dict[str, Callable[[np.random.Generator, int], Any]] = {
    "spread": lambda rng, n: 3 * rng.standard_normal(n),
    "few values": lambda rng, n: rng.integers(-40, 4, n) / 2,
    "rising": lambda rng, n: np.sort(rng.standard_normal(n)),
    "falling": lambda rng, n: -np.sort(rng.standard_normal(n)),
    "masked": lambda rng, n: np.where(rng.random(n) < 0.4, -inf, rng.standard_normal(n)),
    "zeros of both signs": lambda rng, n: rng.choice([-0.0, 0.0, -1.0], n),
    "far": lambda rng, n: 1e8 + rng.integers(-20, 20, n),
    "wide": lambda rng, n: 300 * rng.standard_normal(n),
    "one far below": lambda rng, n: np.where(np.arange(n) == 1, -3000, rng.standard_normal(n)),
}


@pytest.mark.parametrize("kind", RANKED_ROWS)
def test_places(kind: str, dtype: Any, rng: np.random.Generator) -> None:
    """Prediction, rank and runner-up of rows that end anywhere in a run or leaf, for any label."""
    for n in (2, 255, 257, 271, 512, 513, 1000, 1024, 1025, 2040, 2049, 4097):
        x = np.stack([RANKED_ROWS[kind](rng, n) for _ in range(4)]).astype(dtype)
        x[:, 0] = np.maximum(x[:, 0], -1)  # an entry above -inf
        below = np.sort(x.astype(float), axis=-1)[:, -2] - x.max(-1)
        largest = x.argmax(-1)
        for labels in (x.argmin(-1), largest, rng.integers(0, n, 4), np.full(4, n - 1), None):
            scores = fe.score_logits(labels, x)
            np.testing.assert_array_equal(scores.prediction, largest)
            if labels is not None:
                own = np.take_along_axis(x, labels[:, None], -1)
                np.testing.assert_array_equal(scores.rank, (x > own).sum(-1), str(n))
            margin = -np.expm1(below) * scores.confidence
            np.testing.assert_allclose(scores.margin, margin, rtol=2e-6, err_msg=str(n))


@pytest.mark.parametrize("n", [257, 300, 1000])
def test_every_pair_of_places(n: int, dtype: Any) -> None:
    """The largest and the runner-up anywhere, of rows that end with a part of a group."""
    places = [*range(0, n, 37), *range(n - 50, n)]
    pairs = np.array([(i, j) for i in places for j in places if i != j])
    x = np.zeros((len(pairs), n), dtype)
    np.put_along_axis(x, pairs[:, :1], 3, axis=-1)
    np.put_along_axis(x, pairs[:, 1:], 2, axis=-1)
    scores = fe.score_logits(None, x)
    np.testing.assert_array_equal(scores.prediction, pairs[:, 0])
    np.testing.assert_allclose(scores.margin, -np.expm1(-1) * scores.confidence, rtol=1e-6)

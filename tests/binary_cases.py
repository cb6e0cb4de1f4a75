"""Binary losses with weights and smoothed targets, and what to call them with."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastent import binary_cross_entropy, binary_cross_entropy_with_logits

LOSSES: dict[str, Any] = {"prob": binary_cross_entropy, "logits": binary_cross_entropy_with_logits}
MEASURES = {
    "prob": "binary_cross_entropy_weighted",
    "logits": "binary_cross_entropy_with_logits_weighted",
}
every_loss = pytest.mark.parametrize("judged", LOSSES)


def draw(judged: str, rng: np.random.Generator, shape: Any, dtype: Any = np.float64) -> Any:
    """Return targets, half of them hard, and what is judged."""
    target = np.where(rng.random(shape) < 0.5, rng.random(shape), rng.integers(0, 2, shape))
    x = 3 * rng.standard_normal(shape)
    return target.astype(dtype), (x if judged == "logits" else 1 / (1 + np.exp(-x))).astype(dtype)

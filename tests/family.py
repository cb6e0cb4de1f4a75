"""The divergences and entropies beside the main four, as functions of (p, q): for every table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import fastent as fe


def _brier_score(p: Any, q: Any, **keywords: Any) -> Any:
    """Take one axis as classes too, not as elements."""
    if np.ndim(p) == 1 and np.ndim(q) == 1:
        return fe.brier_score(np.asarray(p)[None], np.asarray(q)[None], **keywords)[0]
    return fe.brier_score(p, q, **keywords)


FAMILY: dict[str, Callable[..., Any]] = {
    "total_variation_distance": fe.total_variation_distance,
    "js_divergence": fe.js_divergence,
    "js_divergence normalize": lambda p, q, **kw: fe.js_divergence(p, q, normalize=True, **kw),
    "js_distance": fe.js_distance,
    "jeffreys_divergence": fe.jeffreys_divergence,
    "jeffreys_divergence normalize": lambda p, q, **kw: fe.jeffreys_divergence(
        p, q, normalize=True, **kw
    ),
    "hellinger_distance": fe.hellinger_distance,
    "hellinger_distance normalize": lambda p, q, **kw: fe.hellinger_distance(
        p, q, normalize=True, **kw
    ),
    "population_stability_index": fe.population_stability_index,
    "brier_score": _brier_score,
    "renyi_entropy": lambda p, q, **kw: fe.renyi_entropy(p, 2, **kw),
    "renyi_entropy normalize": lambda p, q, **kw: fe.renyi_entropy(p, 0.5, normalize=True, **kw),
    "tsallis_entropy": lambda p, q, **kw: fe.tsallis_entropy(p, 1.5, **kw),
    "renyi_divergence": lambda p, q, **kw: fe.renyi_divergence(p, q, 0.5, **kw),
    "renyi_divergence normalize": lambda p, q, **kw: fe.renyi_divergence(
        p, q, 3, normalize=True, **kw
    ),
}
"""Each takes p, q and the keywords of row measures."""

SAMPLE = (
    "total_variation_distance",
    "js_divergence",
    "brier_score",
    "hellinger_distance normalize",
    "renyi_divergence",
)
"""One of each way in which they are made, for tables that are long without them."""

WITHOUT_BASE = (
    "total_variation_distance",
    "hellinger_distance",
    "brier_score",
    "tsallis_entropy",
    "perplexity",
)
"""How the names begin of those that have no unit."""

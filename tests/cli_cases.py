"""What runs of the command leave, and the arrays they are given: shared by its tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Outcome(NamedTuple):
    """What a run of the command left."""

    code: int
    out: str
    err: str


Run = Callable[..., Outcome]


def check_failure(outcome: Outcome, code: int, *words: str) -> None:
    """Assert that a run failed with one line on stderr that holds `words`."""
    assert outcome.err.startswith("fastent: "), outcome
    assert outcome.err.count("\n") == 1, outcome
    for word in words:
        assert word in outcome.err
    assert outcome.code == code
    assert outcome.out == ""


def distributions(*shape: int, dtype: Any = np.float32, seed: int = 0) -> NDArray[Any]:
    """Return random positive numbers that sum to 1 along the last axis."""
    values = np.random.default_rng(seed).random(shape) + 1e-3
    result: NDArray[Any] = (values / values.sum(axis=-1, keepdims=True)).astype(dtype)
    return result


def save(name: str, array: Any) -> Path:
    """Write an array to the current folder."""
    np.save(name, array)
    return Path(name)


def check_same(path: str | Path, expected: NDArray[Any]) -> None:
    """Assert that a file holds exactly what the function returned."""
    found = np.load(path)
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    assert found.tobytes() == np.ascontiguousarray(expected).tobytes()

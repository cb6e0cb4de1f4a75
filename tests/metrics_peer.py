"""One call of `fastent.metrics` and of scikit-learn: results, warnings and errors side by side."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
import sklearn.metrics

import fastent.metrics

NEAR = {"float64": 1e-9, "float32": 3e-6, "float16": 1e-2}  # of scikit-learn's own rounding
NOISE = 1e-15  # of mutual information that is 0


class Outcome(NamedTuple):
    """What a call returned or raised, and its warnings."""

    result: Any
    error: tuple[type, str] | None
    warnings: set[tuple[type, str]]


def outcome(function: Any, *arguments: Any, **keywords: Any) -> Outcome:
    """Call a function and keep all that it does."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result, error = None, None
        try:
            result = function(*arguments, **keywords)
        except Exception as raised:
            error = type(raised), str(raised)
    return Outcome(result, error, {(w.category, str(w.message)) for w in caught})


def assert_same(
    name: str, *arguments: Any, dtype: str = "float64", noise: float = NOISE, **keywords: Any
) -> Outcome:
    """Hold ours against scikit-learn's: the same type and value, error and warnings."""
    theirs = outcome(getattr(sklearn.metrics, name), *arguments, **keywords)
    ours = outcome(getattr(fastent.metrics, name), *arguments, **keywords)
    assert ours.error == theirs.error
    assert ours.warnings == theirs.warnings
    assert type(ours.result) is type(theirs.result)
    if theirs.error is None:
        np.testing.assert_allclose(ours.result, theirs.result, rtol=NEAR[dtype], atol=noise)
    return ours


def matrix(entries: Any) -> Any:
    """Return an np.matrix without the warning that making one gives."""
    return np.array(entries).view(np.matrix)

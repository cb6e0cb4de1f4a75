"""reliability_curve, expected_calibration_error and fit_temperature: references, edges, errors."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import fastent as fe


def curve_by_hand(confidence: Any, right: Any, edges: Any) -> list[tuple[float, float, int]]:
    """Return mean confidence, accuracy and number of each bin, one prediction after the other."""
    found = []
    for low, high in pairwise(edges):
        own = [
            (float(c), float(r))
            for c, r in zip(confidence, right, strict=True)
            if (low < c <= high) or (c == low == edges[0])
        ]
        total = len(own)
        found.append(
            (
                sum(c for c, _ in own) / total if total else np.nan,
                sum(r for _, r in own) / total if total else np.nan,
                total,
            )
        )
    return found


@pytest.mark.parametrize("bins", [1, 2, 15])
@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
def test_curve(bins: int, strategy: str, dtype: Any, rng: np.random.Generator) -> None:
    """Bin by bin as counted by hand; of probabilities, of logits, along any axis."""
    logits = rng.standard_normal((300, 5)).astype(dtype) * 2
    prob, labels = fe.softmax(logits), rng.integers(0, 5, 300)
    confidence, right = prob.max(-1), prob.argmax(-1) == labels
    edges = np.linspace(0, 1, bins + 1)
    if strategy == "quantile":
        edges = np.quantile(confidence.astype(np.float64), edges)
        edges[0], edges[-1] = 0, 1
    want = np.array(curve_by_hand(confidence, right, edges))
    got = fe.reliability_curve(labels, prob, bins=bins, strategy=strategy)
    np.testing.assert_allclose(np.stack(got, -1), want, rtol=1e-12)
    some = want[:, 2] > 0
    error = (abs(want[:, 0] - want[:, 1]) * want[:, 2])[some].sum() / 300
    options: dict[str, Any] = {"bins": bins, "strategy": strategy}
    found = fe.expected_calibration_error(labels, prob, **options)
    np.testing.assert_allclose(found, error, rtol=1e-12)
    found = fe.expected_calibration_error(
        labels.reshape(20, 15), prob.T.reshape(5, 20, 15), axis=0, **options
    )
    np.testing.assert_allclose(found, error, rtol=1e-12)
    found = fe.expected_calibration_error(labels, logits, from_logits=True, **options)
    np.testing.assert_allclose(found, error, rtol=1e-5 if dtype == np.float32 else 1e-12)


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
def test_scikit_learn_agrees(strategy: Any, rng: np.random.Generator) -> None:
    """Of labels 0 and 1 the bins that hold something are those of calibration_curve."""
    calibration = pytest.importorskip("sklearn.calibration")
    prob = np.round(rng.random(2000), 2)  # on the edges too
    labels = (rng.random(2000) < prob**1.5).astype(int)
    right, mean = calibration.calibration_curve(labels, prob, n_bins=10, strategy=strategy)
    got = fe.reliability_curve(labels, prob, bins=10, strategy=strategy)
    some = got.count > 0
    np.testing.assert_allclose(got.accuracy[some], right, rtol=1e-12)
    np.testing.assert_allclose(got.confidence[some], mean, rtol=1e-12)
    assert got.count.sum() == 2000
    logits = np.log(prob[prob > 0] / (1 - prob[prob > 0] + 1e-300))
    assert fe.reliability_curve(labels[prob > 0], logits, from_logits=True).count.sum() > 0


@pytest.mark.parametrize("true", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("classes", [2, 10, 300])
def test_temperature(true: float, classes: int, dtype: Any, rng: np.random.Generator) -> None:
    """The minimum of the cross entropy, to a relative 1e-6."""
    optimize = pytest.importorskip("scipy.optimize")
    x = (2 * rng.standard_normal((800, classes))).astype(dtype)
    p = fe.softmax(x.astype(np.float64), temperature=true).cumsum(-1)
    labels = (p < rng.random((800, 1)) * p[:, -1:]).sum(-1)

    def loss(t: float, kept: Any = slice(None)) -> float:
        return float(
            fe.softmax_cross_entropy(
                labels[kept], x[kept].astype(np.float64), temperature=np.exp(t), reduction="mean"
            )
        )

    exactly: dict[str, Any] = {
        "bounds": (-3, 4),
        "method": "bounded",
        "options": {"xatol": 1e-10},
    }
    best = np.exp(optimize.minimize_scalar(loss, **exactly).x)
    got = fe.fit_temperature(labels, x)
    assert type(got) is float
    np.testing.assert_allclose(got, best, rtol=2e-6 if dtype == np.float32 else 1e-6)
    np.testing.assert_allclose(fe.fit_temperature(labels, x.T, axis=0), got, rtol=1e-7)
    some = labels.copy()
    some[::3] = -1
    kept = some >= 0
    best = np.exp(optimize.minimize_scalar(lambda t: loss(t, kept), **exactly).x)
    got = fe.fit_temperature(some, x, ignore_index=-1)
    np.testing.assert_allclose(got, best, rtol=2e-6 if dtype == np.float32 else 1e-6)


def test_binary_temperature(dtype: Any, rng: np.random.Generator) -> None:
    """Of log-odds: that of two classes, the first of which has 0."""
    x = (3 * rng.standard_normal(3000)).astype(dtype)
    labels = (rng.random(3000) < fe.sigmoid(x / 2.5)).astype(int)
    two = fe.fit_temperature(labels, np.stack([np.zeros_like(x), x], -1))
    np.testing.assert_allclose(fe.fit_temperature(labels, x), two, rtol=2e-6)
    some = np.append(labels, -1)
    got = fe.fit_temperature(some, np.append(x, 1), ignore_index=-1)
    np.testing.assert_allclose(got, two, rtol=2e-6)


def test_edges() -> None:
    """Nothing to bin, no difference, no best temperature."""
    assert np.isnan(fe.expected_calibration_error(np.empty(0, int), np.empty((0, 3))))
    assert fe.reliability_curve([], np.empty(0), bins=3).count.tolist() == [0, 0, 0]
    assert fe.fit_temperature([0, 1], np.zeros((2, 3))) == 1
    assert fe.fit_temperature(np.empty(0, int), np.empty((0, 3))) == 1
    with pytest.raises(ValueError, match="every label has the largest logit"):
        fe.fit_temperature([0, 1], [[2.0, 0.0], [0.0, 3.0]])
    with pytest.raises(ValueError, match="no likelier than other classes"):
        fe.fit_temperature([1, 0], [[2.0, 0.0], [0.0, 3.0]])
    with pytest.raises(ValueError, match="logits: row 1 has an infinite or no cross entropy"):
        fe.fit_temperature([0, 1], [[2.0, 0.0], [0.0, -np.inf]])


def test_errors() -> None:
    """What is wrong, where, and what to do."""
    prob = np.full((2, 4), 0.25)
    with pytest.raises(ValueError, match="labels: element 1 is 4, but there are 4 classes"):
        fe.reliability_curve([0, 4], prob)
    with pytest.raises(ValueError, match="labels: element 0 is 3, not 0 or 1"):
        fe.reliability_curve([3, 0], [0.5, 0.5])
    with pytest.raises(ValueError, match="one a row"):
        fe.reliability_curve([0, 1, 1], prob)
    with pytest.raises(ValueError, match=r"prob: prediction 1 has confidence nan"):
        fe.reliability_curve([0, 1], [[0.5, 0.5], [np.nan, 0.5]])
    with pytest.raises(ValueError, match="not within"):
        fe.reliability_curve([0, 1], [[3.0, 1.0], [0.5, 0.5]])
    with pytest.raises(ValueError, match="bins must be at least 1"):
        fe.reliability_curve([0, 1], prob, bins=0)
    with pytest.raises(TypeError, match="bins must be an int"):
        fe.reliability_curve([0, 1], prob, bins=2.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="strategy must be one of"):
        fe.reliability_curve([0, 1], prob, strategy="equal")
    with pytest.raises(ValueError, match="labels: element 1 is 5, but there are 4 classes"):
        fe.fit_temperature([0, 5], prob)
    with pytest.raises(ValueError, match=r"labels has shape \(3,\), but logits of shape \(2, 4\)"):
        fe.fit_temperature([0, 1, 2], prob)
    with pytest.raises(TypeError, match="class indices are integers"):
        fe.fit_temperature([0.0, 1.0], prob)
    da = pytest.importorskip("dask.array")
    with pytest.raises(TypeError, match="arrays in memory"):
        fe.fit_temperature([0, 1], da.ones((2, 3)))

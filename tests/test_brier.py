"""brier_score: labels, distributions, classes of two; scikit-learn's values; errors, Dask."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from reference import DD, as_mpf, ulp_error
from reference_family import exact_brier_score

import fastent as fe
from fastent import _core

pytestmark = pytest.mark.usefixtures("isa")


def one_hot(labels: Any, classes: int, dtype: Any) -> Any:
    """Return a row for each label, 1 there."""
    return (np.asarray(labels)[..., None] == np.arange(classes)).astype(dtype)


@pytest.mark.parametrize("classes", [2, 3, 10, 17, 256, 257, 1000, 70_001])
def test_labels(classes: int, dtype: Any, rng: np.random.Generator) -> None:
    """The same bits as of the distributions that they stand for; within the bound."""
    rows = max(2, min(700, 20_000 // classes))
    p = rng.dirichlet(np.ones(classes) / 3, rows).astype(dtype)
    labels = rng.integers(classes, size=rows)
    p[0] = one_hot(labels[0], classes, dtype) * (1 - 1e-6)  # confident
    want = fe.brier_score(one_hot(labels, classes, dtype), p)
    assert want.dtype == dtype
    for kind in (np.int64, np.uint32, ">i4"):
        np.testing.assert_array_equal(fe.brier_score(labels.astype(kind), p), want)
    if classes <= 257:
        true = exact_brier_score(DD, one_hot(labels, classes, dtype), p)
        bound = _core.bounds()["brier_score"][dtype == np.float64]
        assert ulp_error(want, as_mpf(true), dtype).max() <= bound


@pytest.mark.usefixtures("threads_early")
def test_one_long_row_and_many_threads(dtype: Any, rng: np.random.Generator) -> None:
    """Segments of one row are shared, and so are rows."""
    p = rng.random((3, 300_000)).astype(dtype)
    labels = np.array([0, 299_999, 32_768])
    want = fe.brier_score(labels, p)
    for threads in (1, 3):
        with fe.num_threads(threads):
            np.testing.assert_array_equal(fe.brier_score(labels, p), want)
            np.testing.assert_array_equal(fe.brier_score(labels[1], p[1]), want[1])
    np.testing.assert_array_equal(fe.brier_score(labels, np.asfortranarray(p)), want)
    np.testing.assert_array_equal(fe.brier_score(labels, p.T.copy(), axis=0), want)


def test_scikit_learn(rng: np.random.Generator) -> None:
    """Its means, of two classes and of more."""
    metrics = pytest.importorskip("sklearn.metrics")
    labels, p = rng.integers(2, size=200), rng.random(200)
    got = fe.brier_score(labels, p, reduction="mean")
    assert got == pytest.approx(metrics.brier_score_loss(labels, p), rel=1e-14)
    p, labels = rng.dirichlet(np.ones(5), 300), rng.integers(5, size=300)
    weight = rng.random(300)
    keywords: dict[str, Any] = {"labels": range(5), "sample_weight": weight}
    want = metrics.brier_score_loss(labels, p, **keywords)
    got = fe.brier_score(labels, p, reduction="weighted_mean", weight=weight)
    assert got == pytest.approx(want, rel=1e-14)


def test_two_classes(dtype: Any) -> None:
    """Probabilities of class 1, one a score; both columns cost twice as much."""
    p = np.array([0.25, 1, 0.5], dtype)
    got = fe.brier_score([0, 1, 1], p)
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, [0.0625, 0, 0.25])
    both = np.stack([1 - p, p], -1)
    np.testing.assert_array_equal(fe.brier_score([0, 1, 1], both), 2 * got)
    np.testing.assert_array_equal(fe.brier_score(np.array([0.5, 1, 1], dtype), p)[0], 0.0625)
    assert fe.brier_score(1, 0.5) == 0.25
    assert fe.brier_score([True, False], [0.5, 0.5], reduction="sum") == 0.5


def test_layouts_and_reductions(dtype: Any, rng: np.random.Generator) -> None:
    """Classes along any axis, out, keepdims, weights."""
    p = rng.dirichlet(np.ones(4), (6, 5)).astype(dtype)
    labels, weight = rng.integers(4, size=(6, 5)), rng.random((6, 5))
    want = fe.brier_score(labels, p)
    turned = np.moveaxis(p, -1, 1)
    np.testing.assert_array_equal(fe.brier_score(labels, turned, axis=1), want)
    kept = fe.brier_score(labels, turned, axis=1, keepdims=True)
    np.testing.assert_array_equal(kept[:, 0], want)
    out = np.empty((6, 5), dtype)
    assert fe.brier_score(labels, p, out=out) is out
    np.testing.assert_array_equal(out, want)
    np.testing.assert_allclose(fe.brier_score(labels, p, weight=weight), want * weight, rtol=1e-6)
    mean = fe.brier_score(labels, p, reduction="mean")
    assert mean == pytest.approx(want.mean(dtype=float), rel=1e-6)
    weighted = fe.brier_score(labels, p, reduction="weighted_mean", weight=weight)
    assert weighted == pytest.approx((want * weight).sum() / weight.sum(), rel=1e-6)


def test_dask(rng: np.random.Generator) -> None:
    """Lazy, and the same."""
    da = pytest.importorskip("dask.array")
    p, labels = rng.dirichlet(np.ones(4), 30), rng.integers(4, size=30)
    lazy = fe.brier_score(da.from_array(labels, chunks=7), da.from_array(p, chunks=(7, -1)))
    assert isinstance(lazy, da.Array)
    np.testing.assert_array_equal(lazy.compute(), fe.brier_score(labels, p))
    mean = fe.brier_score(labels, da.from_array(p, chunks=(7, -1)), reduction="mean")
    assert mean.compute() == pytest.approx(fe.brier_score(labels, p, reduction="mean"), rel=1e-15)


def test_errors() -> None:
    """What, where, and what to do."""
    p = np.full((3, 4), 0.25)
    with pytest.raises(ValueError, match="target: element 1 is 4, but there are 4 classes"):
        fe.brier_score([0, 4, 5], p)
    with pytest.raises(ValueError, match=r"target has shape \(2,\), but prob of shape \(3, 4\)"):
        fe.brier_score([0, 1], p)
    with pytest.raises(TypeError, match=r"target has dtype float64: class indices are integers"):
        fe.brier_score([0.0, 1.0, 1.0], p)
    with pytest.raises(ValueError, match="row 1 sums to 2"):
        fe.brier_score([0, 0, 0], p * np.array([[1], [2], [1]]), check=True)
    with pytest.raises(ValueError, match=r"prob: element 1 is 1\.5: it must lie in \[0, 1\]"):
        fe.brier_score([0, 1], [0.5, 1.5], check=True)
    with pytest.raises(ValueError, match="target holds integers above 1, such as 2: probab"):
        fe.brier_score([0, 2], [0.5, 0.5])
    with pytest.raises(ValueError, match="prob holds integers above 1, such as 3: probabilities"):
        fe.brier_score([1, 0], np.array([[3, 0], [0, 1]]))
    for axis in (None, (0, 1)):
        with pytest.raises(TypeError, match="axis must be an int beside class indices, not"):
            fe.brier_score([1, 0], [[0.5, 0.5], [0.5, 0.5]], axis=axis)
    with pytest.raises(np.exceptions.AxisError):
        fe.brier_score([0.5, 0.5], [0.2, 0.8], axis=5)
    with pytest.warns(RuntimeWarning, match="brier_score"):
        assert np.isnan(fe.brier_score([1, 0], [[0.5, 0.5], [-0.5, 1.5]])).tolist() == [False, True]

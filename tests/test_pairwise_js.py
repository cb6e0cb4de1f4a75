"""Jensen-Shannon divergence of all pairs: the bits of the row function, each pair once."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import strategies

import fastent as fe


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut small matrices into several blocks too."""
    monkeypatch.setattr("fastent._pairwise.HEIGHT", 16)
    monkeypatch.setattr("fastent._pairs.COLUMNS", 24)
    monkeypatch.setattr("fastent._pairwise.CACHED", 1 << 10)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("family", ["softmax|softmax", "sparse|sparse", "near 1e-04", "neighbours"])
@pytest.mark.parametrize("keywords", [{}, {"base": 2}, {"normalize": True}], ids=str)
def test_same_bits_as_rows(
    family: str, keywords: Any, dtype: Any, rng: np.random.Generator
) -> None:
    """Every pair is what the row function gives."""
    p, q = strategies.PAIRS[family](rng, 70, 30, dtype)
    q = q[:50]
    true = fe.js_divergence(p[:, None], q, **keywords)
    assert fe.pairwise_js_divergence(p, q, **keywords).tobytes() == true.tobytes()
    within = fe.pairwise_js_divergence(p, **keywords)
    true = fe.js_divergence(p[:, None], p, **keywords)
    assert within.tobytes() == true.tobytes()
    if "normalize" not in keywords:
        assert (within == within.T).all()
    assert (np.diagonal(within) == 0).all()
    assert (within >= 0).all()
    for other in (q, None):
        matrix = fe.pairwise_js_divergence(p, other, **keywords)
        if other is None:
            np.fill_diagonal(matrix, np.inf)
        order = np.argsort(matrix, axis=1, kind="stable")[:, :7]
        nearest = fe.pairwise_js_divergence(p, other, k_nearest=7, **keywords)
        np.testing.assert_array_equal(nearest.indices, order)
        np.testing.assert_array_equal(nearest.distances, np.take_along_axis(matrix, order, 1))


@pytest.mark.usefixtures("small_blocks")
def test_edges(dtype: Any, rng: np.random.Generator, tmp_path: Path) -> None:
    """NaN rows, one warning for negative ones, a file, progress, no rows, errors, memory."""
    p = strategies.ROWS["softmax"](rng, 40, 9, dtype)
    calls: list[tuple[int, int]] = []
    out = np.memmap(tmp_path / "matrix", dtype, "w+", shape=(40, 40))
    true = fe.pairwise_js_divergence(p)
    assert fe.pairwise_js_divergence(p, out=out, progress=lambda *c: calls.append(c)) is out
    assert out.tobytes() == true.tobytes()
    assert calls == [(16, 40), (32, 40), (40, 40)]
    p[3, 1], p[20, 2] = np.nan, -0.1
    with pytest.warns(RuntimeWarning, match="js_divergence") as caught:
        got = fe.pairwise_js_divergence(p)
    assert len(caught) == 1
    bad = np.zeros((40, 40), bool)
    bad[[3, 20]] = bad[:, [3, 20]] = True
    assert (np.isnan(got) == bad).all()
    for shape in ((0, 4, 3), (4, 0, 3), (2, 3, 0)):
        empty = fe.pairwise_js_divergence(np.ones(shape[::2]), np.ones(shape[1:]))
        assert empty.shape == shape[:2]
        assert (empty == 0).all()
    with pytest.raises(ValueError, match="base must be"):
        fe.pairwise_js_divergence(p[:0], base=1)
    with pytest.raises(ValueError, match=r"P has shape \(40, 9\) and Q has shape \(2, 8\)"):
        fe.pairwise_js_divergence(p, np.ones((2, 8)))


def test_nearest_never_makes_the_matrix(rng: np.random.Generator) -> None:
    """A block beside the results."""
    p = strategies.ROWS["softmax"](rng, 2000, 4, np.float64)
    fe.pairwise_js_divergence(p[:20])
    tracemalloc.start()
    fe.pairwise_js_divergence(p, k_nearest=5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * 2**20 < 2000 * 2000 * 8

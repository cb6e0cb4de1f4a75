"""The recipes for Dask, as docs/engines.md has them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import fastent as fe

pytest.importorskip("dask.array")
pytest.importorskip("distributed")
pytest.importorskip("pyarrow")

import pyarrow.parquet as pq
from engine_cases import LABELS, PROB, THERE, make_predictions, recipes, run


def test_recipes(tmp_path: Path) -> None:
    """Lazy arrays, and row groups on a cluster of two processes: the bits of the direct call."""
    make_predictions(tmp_path)
    arrays, groups = recipes("Dask")
    few = arrays.replace("100_000", "500")
    assert few != arrays
    assert float(run(few, tmp_path)) == fe.entropy(PROB, base=2, reduction="mean")
    stack = [np.load(part) for part in sorted((tmp_path / "entropies").glob("*.npy"))]
    assert len(stack) == 3
    assert np.concatenate(stack).tobytes() == fe.entropy(PROB, base=2).tobytes()
    told = run(groups, tmp_path)
    assert told.split()[0] == str((~THERE).sum())
    found = pq.read_table(tmp_path / "scored.parquet")["log_loss"].combine_chunks()
    assert (np.asarray(found.is_valid()) == THERE).all()
    expected = fe.log_loss(LABELS, PROB, base=2)[THERE]
    assert found.drop_null().to_numpy().tobytes() == expected.tobytes()

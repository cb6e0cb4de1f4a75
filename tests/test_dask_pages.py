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


def test_arrays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Blocks have the bits of the whole, and so has their mean."""
    make_predictions(tmp_path)
    monkeypatch.chdir(tmp_path)
    recipe, _ = recipes("Dask")
    few = recipe.replace("100_000", "500")
    assert few != recipe
    exec(few, {})
    assert float(capsys.readouterr().out) == fe.entropy(PROB, base=2, reduction="mean")
    stack = [np.load(part) for part in sorted((tmp_path / "entropies").glob("*.npy"))]
    assert len(stack) == 3
    assert np.concatenate(stack).tobytes() == fe.entropy(PROB, base=2).tobytes()


def test_row_groups(tmp_path: Path) -> None:
    """A cluster of two processes: the bits of the direct call."""
    make_predictions(tmp_path)
    _, recipe = recipes("Dask")
    told = run(recipe, tmp_path)
    assert told.split()[0] == str((~THERE).sum())
    found = pq.read_table(tmp_path / "scored.parquet")["log_loss"].combine_chunks()
    assert (np.asarray(found.is_valid()) == THERE).all()
    expected = fe.log_loss(LABELS, PROB, base=2)[THERE]
    assert found.drop_null().to_numpy().tobytes() == expected.tobytes()

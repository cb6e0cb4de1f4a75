"""What the recipes of docs/engines.md run over: predictions in Parquet, and the direct calls."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import fastent as fe

PAGE = Path(__file__).resolve().parents[1] / "docs" / "engines.md"
FILES, ROWS, CLASSES = 3, 400, 6
RNG = np.random.default_rng(11)
PROB = RNG.dirichlet(np.ones(CLASSES), FILES * ROWS).astype(np.float32)
LABELS = RNG.integers(0, CLASSES, FILES * ROWS)
THERE = RNG.random(FILES * ROWS) > 0.1
"""Which rows are not null."""


def make_predictions(folder: Path) -> None:
    """Write `predictions`, in several files of several row groups, and `prob.npy`."""
    lists = pa.FixedSizeListArray.from_arrays(
        pa.array(PROB.reshape(-1)), CLASSES, mask=pa.array(~THERE)
    )
    columns = {f"p_{i}": PROB[:, i].astype(np.float64) for i in range(CLASSES)}
    table = pa.table({"id": np.arange(len(PROB)), "prob": lists, "label": LABELS, **columns})
    (folder / "predictions").mkdir()
    for place in range(FILES):
        part = table.slice(place * ROWS, ROWS)
        pq.write_table(part, folder / f"predictions/part-{place}.parquet", row_group_size=150)
    np.save(folder / "prob.npy", PROB)


def recipes(heading: str) -> list[str]:
    """Return the code of a section of the page."""
    section = PAGE.read_text("utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    found = re.findall(r"^```python\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert found
    return found


def run(code: str, folder: Path, seconds: float = 600) -> str:
    """Run code as a user's script in a folder; return what it prints."""
    script = folder / "recipe.py"
    script.write_text(code, "utf-8")
    done = subprocess.run(
        [sys.executable, script.name], cwd=folder, capture_output=True, text=True, timeout=seconds
    )
    assert done.returncode == 0, done.stderr[-6000:]
    return done.stdout


def same(table: Any, name: str, expected: Any, there: Any = THERE) -> None:
    """Assert that a column has the bits of what a function returned, and is null elsewhere."""
    column = table.sort_by("id")[name].combine_chunks()
    assert (np.asarray(column.is_valid()) == there).all()
    found = column.drop_null().to_numpy()
    assert found.dtype == expected.dtype
    assert found.tobytes() == np.ascontiguousarray(expected[there]).tobytes()


def check_scored(folder: Path) -> None:
    """Assert what the recipe and the calls after it wrote: losses, scores, entropies of columns."""
    loss = pq.read_table(folder / "scored")
    assert loss.column_names[:3] == ["id", "prob", "label"]
    same(loss, "log_loss", fe.log_loss(LABELS, PROB, base=2))
    scores = pq.read_table(folder / "scores")
    for name, column in fe.score_logits(LABELS, PROB)._asdict().items():
        same(scores, name, column)
    entropies = pq.read_table(folder / "entropies")
    same(entropies, "entropy", fe.entropy(PROB.astype(float), base=2), THERE | True)

"""The commands of the pages run, in a folder with the files that they name, and say what is so."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastent as fe

pytest.importorskip("click")
pytest.importorskip("pyarrow")

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parents[1]
P, Q = np.random.default_rng(0).dirichlet(np.ones(4), (2, 60)).astype(np.float32)
LABELS = np.arange(60) % 4
PARTS = (slice(0, 30), slice(30, 60))


def lists(rows: Any) -> Any:
    """Return rows as fixed-size lists."""
    return pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), rows.shape[1])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder with the files that the pages name, and `fastent` on the path."""
    monkeypatch.chdir(tmp_path)
    predictions = pa.table({"prob": lists(P), "label": LABELS})
    wide = pa.table({**{f"p_{i}": P[:, i] for i in range(4)}, "label": LABELS})
    pq.write_table(predictions, "predictions.parquet")
    pq.write_table(pa.table({"p": lists(P), "q": lists(Q)}), "two.parquet")
    pa_csv.write_csv(wide, "predictions.csv")
    Path("predictions.csv.gz").write_bytes(gzip.compress(Path("predictions.csv").read_bytes()))
    Path("in").mkdir()
    for part, month in zip(PARTS, ("january", "june"), strict=True):
        rows = predictions.slice(part.start, 30)
        pq.write_table(rows, f"in/part-{part.start}.parquet", row_group_size=7)
        pq.write_table(wide.slice(part.start, 30), f"{month}.parquet")
    Path("examples").mkdir()
    for file in (ROOT / "examples").glob("*.npy"):
        shutil.copy(file, "examples")
    program = tmp_path / "bin" / "fastent"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m fastent.cli "$@"\n', "utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def run_page(name: str, **instead: str) -> None:
    """Run the commands of a page, one after the other, as a shell does; with other addresses."""
    text = (ROOT / "docs" / name).read_text("utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert blocks
    for line in "".join(blocks).splitlines():
        for option, value in instead.items():
            line = re.sub(rf"(--{option}) \S+", rf"\1 {value}", line)
        done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"{line}\n{done.stderr}"


def same(column: Any, expected: Any) -> None:
    """Assert that a column has the bits of an array."""
    found = column.combine_chunks().to_numpy()
    assert found.dtype == expected.dtype
    assert found.tobytes() == expected.tobytes()


def test_commands_of_files(folder: Path) -> None:
    """Each writes what the functions return."""
    run_page("files.md")
    loss, entropy = fe.log_loss(LABELS, P), fe.entropy(P)
    same(pq.read_table("entropy.parquet")["entropy"], entropy)
    assert np.load("divergence.npy").tobytes() == fe.kl_divergence(P, Q).tobytes()
    appended = pa_csv.read_csv("losses.csv")
    assert appended.column_names == ["p_0", "p_1", "p_2", "p_3", "label", "log_loss"]
    # CSV is read as float64
    assert appended["log_loss"].to_numpy() == pytest.approx(loss, rel=1e-6)
    assert pa_csv.read_csv("entropy.csv")["entropy"].to_numpy() == pytest.approx(entropy, rel=1e-6)
    for part in PARTS:
        table = pq.read_table(f"out/part-{part.start}.parquet")
        same(table["entropy"], entropy[part])
        same(table["log_loss"], loss[part])
        same(table["perplexity"], fe.perplexity(P[part]))


def test_commands_of_reports(folder: Path) -> None:
    """Each writes its page."""
    pytest.importorskip("matplotlib")
    run_page("report.md")
    for name in ("report.html", "drift.html"):
        assert Path(name).read_text("utf-8").rstrip().endswith("</html>")


@pytest.mark.filterwarnings("ignore")
def test_commands_of_clusters(folder: Path) -> None:
    """Each writes what the functions return; the scheduler is one of this machine."""
    distributed = pytest.importorskip("distributed")
    settings = {"n_workers": 1, "host": "127.0.0.1", "dashboard_address": None}
    with distributed.LocalCluster(**settings) as cluster:
        run_page("cluster.md", scheduler=cluster.scheduler_address)
    for part in PARTS:
        same(pq.read_table(f"out/part-{part.start}.parquet")["entropy"], fe.entropy(P[part]))

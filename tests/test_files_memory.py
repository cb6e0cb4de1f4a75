"""``fastent score --memory``: held, and told where it is not enough, before any work."""

from __future__ import annotations

import contextlib
import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("click")
pytest.importorskip("rich")
pytest.importorskip("pyarrow")

import pyarrow as pa
import pyarrow.parquet as pq
from cli_cases import Run, check_failure


def test_what_cannot_fit_is_told_before_any_work(score: Run) -> None:
    """Rows, record batches, pages of Parquet and lines of CSV."""
    long_rows = pa.table({"p": [[0.0] * 200_000] * 2, "q": [[0.0] * 200_000] * 2})
    pq.write_table(long_rows, "rows.parquet")
    entries = np.random.default_rng(0).random(1_000_000)
    flat = pa.table({"p": pa.array(entries)})
    large: dict[str, Any] = {"data_page_size": 1 << 30, "write_batch_size": 1 << 20}
    if "max_rows_per_page" in inspect.signature(pq.ParquetWriter).parameters:
        large["max_rows_per_page"] = 1 << 20
    pq.write_table(flat, "page.parquet", use_dictionary=False, **large)
    with pa.ipc.new_file("batch.arrow", flat.schema) as writer:
        writer.write_table(flat)
    with pa.ipc.new_stream("batch.arrows", flat.schema) as writer:
        writer.write_table(flat)
    Path("line.csv").write_text("p,x\n0.5,1\n0.5," + "x" * 500_000 + "\n")
    for name, told in (
        ("rows.parquet --columns p", "a row takes"),
        ("page.parquet", "row group 0 needs"),
        ("batch.arrow", "a record batch needs"),
        ("batch.arrows", "a record batch needs"),
        ("line.csv --columns p", "has a line of more than"),
    ):
        outcome = score("surprisal", *name.split(), "--memory", "8MiB", "-o", "out.csv")
        check_failure(outcome, outcome.code, name.split()[0], told, "--memory")
        assert outcome.code in (1, 2)
        assert score("surprisal", *name.split(), "--quiet").code == 0
    assert not Path("out.csv").exists()


PEAK = """
import sys, numpy, rich.table, rich.progress, pyarrow.parquet, pyarrow.csv, fastent.arrow
from fastent.cli import main
import fastent.cli.scoring, fastent.cli.tables, fastent.cli.report

def resident(name):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(name))

before = resident("VmRSS")
try:
    main(sys.argv[1:])
except SystemExit as end:
    assert end.code == 0, end.code
print(resident("VmHWM") - before)
"""


def peak_of(folder: Path, *words: object) -> float:
    """Return the MiB that a run took, beside what its imports take."""
    command = [sys.executable, "-c", PEAK, "score", *map(str, words), "--quiet"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout) / 1024


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    "suffix", ["parquet", "wide.parquet", "arrow", "arrows", "csv", "npz", "npy"]
)
def test_memory_is_held(tmp_path: Path, suffix: str) -> None:
    """A file of 160 MB, in one row group where there are any, in the memory that was asked for."""
    rows, width = 400_000, 100
    name = f"t.{suffix}"
    block = np.random.default_rng(0).random((rows // 20, width), np.float32)
    with contextlib.chdir(tmp_path):
        if suffix == "npz":
            np.savez(name, p=np.tile(block, (20, 1)))
        elif suffix == "npy":
            np.save(name, np.tile(block, (20, 1)))
        elif suffix == "csv":
            with open(name, "w") as file:
                file.write(",".join(f"p_{i}" for i in range(width)) + "\n")
                lines = "\n".join(",".join(f"{x:.3g}" for x in row) for row in block[:2000]) + "\n"
                for _ in range(60):
                    file.write(lines)
        else:
            flat = pa.array(np.tile(block, (20, 1)).reshape(-1))
            whole = pa.table({"p": pa.FixedSizeListArray.from_arrays(flat, width)})
            if suffix == "wide.parquet":
                narrow = np.tile(block, (20, 1))
                whole = pa.table({f"p_{i}": narrow[:, i] for i in range(width)})
            if suffix.endswith("parquet"):
                pq.write_table(whole, name, row_group_size=rows)
            else:
                kind = pa.ipc.new_file if suffix == "arrow" else pa.ipc.new_stream
                with kind(name, whole.schema) as writer:
                    writer.write_table(whole, max_chunksize=20_000)
    # A hundred columns of Parquet have a hundred buffers, pages and dictionaries.
    memory = 128 if suffix == "wide.parquet" else 64
    words = ["--normalize", "--memory", f"{memory}MiB", "-o", "out.parquet"]
    peak = peak_of(tmp_path, "entropy", name, *words)
    print(f"{suffix}: {peak:.0f} MiB")
    assert peak < memory

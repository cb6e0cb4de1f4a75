"""Tables in files of every format, and what runs of the command leave: shared by test_files*.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.feather as feather
import pyarrow.parquet as pq
from numpy.typing import NDArray

ROWS, WIDTH = 1000, 5
RNG = np.random.default_rng(0)
P, Q = RNG.dirichlet(np.ones(WIDTH), (2, ROWS)).astype(np.float32)
LABELS = RNG.integers(0, WIDTH, ROWS)
NAMES = [f"r{i}" for i in range(ROWS)]
Array = NDArray[Any]


def lists(values: Array) -> Any:
    """Return rows as fixed-size lists."""
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])


def table(*, rows: int = ROWS, start: int = 0) -> Any:
    """Return two distributions a row, labels and names."""
    part = slice(start, start + rows)
    return pa.table(
        {"id": NAMES[part], "p": lists(P[part]), "q": lists(Q[part]), "y": LABELS[part]}
    )


def wide(*, rows: int = ROWS, start: int = 0) -> Any:
    """Return the same with a column for each entry, as CSV needs it."""
    part = slice(start, start + rows)
    columns = {f"p_{i}": P[part, i] for i in range(WIDTH)}
    columns |= {f"q_{i}": Q[part, i] for i in range(WIDTH)}
    return pa.table({"id": NAMES[part], "y": LABELS[part], **columns})


def write(name: str | Path, data: Any) -> Path:
    """Write a table in the format of its name, in several row groups or batches."""
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(data, path, row_group_size=300)
    elif path.suffix == ".arrow":
        with pa.ipc.new_file(path, data.schema) as writer:
            writer.write_table(data, max_chunksize=130)
    elif path.suffix == ".arrows":
        with pa.ipc.new_stream(path, data.schema) as writer:
            writer.write_table(data, max_chunksize=130)
    elif path.suffix == ".feather":
        feather.write_feather(data, path)
    elif path.suffix == ".csv":
        pa_csv.write_csv(data, path)
    else:
        arrays: dict[str, Any] = {n: column(data, n) for n in data.column_names if n != "id"}
        np.savez(path, **arrays)
    return path


def read(path: str | Path) -> Any:
    """Read a table in the format of its name."""
    path = Path(path)
    if path.suffix == ".parquet":
        return pq.read_table(path)
    if path.suffix == ".arrow":
        return pa.ipc.open_file(path.read_bytes()).read_all()
    if path.suffix == ".arrows":
        return pa.ipc.open_stream(path.read_bytes()).read_all()
    if path.suffix == ".csv":
        options = pa_csv.ConvertOptions(null_values=[""])
        return pa_csv.read_csv(path, convert_options=options)
    if path.suffix == ".npy":
        return pa.table({"": np.load(path)})
    with np.load(path) as found:
        return pa.table({name: found[name] for name in found.files})


def column(data: Any, name: str | int) -> Array:
    """Return a column as an array."""
    values = data.column(name).combine_chunks()
    if pa.types.is_fixed_size_list(values.type):
        flat = values.flatten().to_numpy(zero_copy_only=False)
        return np.asarray(flat.reshape(-1, values.type.list_size))
    return np.asarray(values.to_numpy(zero_copy_only=False))


def check_same(found: Array, want: Array) -> None:
    """Assert that two arrays have the same bytes."""
    assert (found.dtype, found.shape) == (want.dtype, want.shape)
    assert found.tobytes() == want.tobytes()


def files_below(folder: str) -> dict[str, bytes]:
    """Return the bytes of all files in a folder."""
    paths = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def start(*words: object, cwd: Path, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run the command as a process of its own."""
    command = [sys.executable, "-m", "fastent.cli", "score", *map(str, words)]
    return subprocess.run(command, cwd=cwd, input=data, capture_output=True, check=False)

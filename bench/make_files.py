"""A folder of Parquet files of real predictions: `python -m bench.make_files FOLDER`.

The rows are those of `examples/digits_probabilities.npy`, over and over, each time with seeded
noise on their logarithms, so that no two are alike; the labels are those of the digits.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

SEED = 20_240_229
FILE_MEBIBYTES = 128
EXAMPLES = Path(__file__).parent.parent / "examples"


def noisy_rows(rows: int, seed: int) -> tuple[Any, Any]:
    """Return probabilities (rows, 10) float32 and labels."""
    prob = np.load(EXAMPLES / "digits_probabilities.npy")
    labels = np.load(EXAMPLES / "digits_labels.npy")
    rng = np.random.default_rng([SEED, seed])
    picked = rng.integers(0, len(prob), rows)
    noise = rng.standard_normal((rows, prob.shape[1]), np.float32)
    values = prob[picked] * np.exp(0.25 * noise)
    values /= values.sum(axis=1, keepdims=True)
    return values, labels[picked]


def make_folder(folder: Path, mebibytes: int, kind: str = "lists") -> int:
    """Write files of about `FILE_MEBIBYTES` each; return the number of rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    files = max(1, mebibytes // FILE_MEBIBYTES)
    rows = (mebibytes << 20) // files // 48
    for place in range(files):
        prob, labels = noisy_rows(rows, place)
        if kind == "lists":
            lists = pa.FixedSizeListArray.from_arrays(pa.array(prob.reshape(-1)), prob.shape[1])
            columns = {"prob": lists}
        else:
            columns = {f"p_{i}": prob[:, i] for i in range(prob.shape[1])}
        table = pa.table({**columns, "label": labels.astype(np.int64)})
        pq.write_table(table, folder / f"part-{place:03}.parquet", row_group_size=1 << 18)
    return files * rows


def main() -> None:
    """Make a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--mebibytes", type=int, default=2048)
    parser.add_argument("--kind", choices=["lists", "columns"], default="lists")
    given = parser.parse_args()
    rows = make_folder(given.folder, given.mebibytes, given.kind)
    print(f"{given.folder}: {rows:,} rows")


if __name__ == "__main__":
    main()

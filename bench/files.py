"""`fastent score` over files, beside reading them alone: `python -m bench.files`.

Each line is a process of its own; the time is that of the work, without starting Python. Files are
read once before, so all come from the page cache. Peak: resident memory beside that of the imports.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.make_files import make_folder, noisy_rows

Figures = tuple[float, float, float]

COMMON = """
import glob, json, sys, time
import numpy, pyarrow.parquet as pq, pyarrow.csv, rich.table, rich.progress
import fastent, fastent.arrow, fastent.cli.command, fastent.cli.scoring, fastent.cli.tables
import fastent.cli.report
def resident(name):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(name))
before, begin, busy = resident("VmRSS"), time.perf_counter(), time.process_time()
WORK
seconds = time.perf_counter() - begin
busy = time.process_time() - busy
print(json.dumps([seconds, (resident("VmHWM") - before) / 1024, busy]))
"""

READ = """
for name in sorted(glob.glob("IN/*.parquet")):
    file = pq.ParquetFile(name, pre_buffer=False, buffer_size=1 << 20)
    for batch in file.iter_batches(100_000, use_threads=False, columns=COLUMNS):
        pass
"""
READ_WHOLE = """
for name in sorted(glob.glob("IN/*.parquet")):
    pq.read_table(name, columns=COLUMNS)
"""
SCORE = """
from fastent.cli.command import command
try:
    command(WORDS + ["--quiet"], prog_name="fastent")
except SystemExit as end:
    assert end.code == 0, end.code
"""
FLOOR = """
import mmap
from bench import floor
array = numpy.load("IN", mmap_mode="r")
floor.read(array, threads=fastent.get_num_threads())
"""


def measure(work: str, rounds: int) -> Figures:
    """Return the seconds of the median round, the peak in MiB of the worst, and cores' seconds."""
    found = []
    for _ in range(rounds):
        done = subprocess.run(
            [sys.executable, "-X", "faulthandler", "-c", COMMON.replace("WORK", work)],
            capture_output=True,
            text=True,
            check=True,
        )
        found.append(json.loads(done.stdout.splitlines()[-1]))
    seconds, peaks, busy = zip(*found, strict=True)
    return statistics.median(seconds), max(peaks), statistics.median(busy)


def reading(text: str, folder: Path, columns: list[str]) -> str:
    """Return code that reads columns of a folder."""
    return text.replace("IN", str(folder)).replace("COLUMNS", repr(columns))


def scoring(*words: object) -> str:
    """Return code that runs the command."""
    return SCORE.replace("WORDS", repr(["score", *map(str, words)]))


def show(name: str, rows: int, found: Figures, base: float | None = None) -> None:
    """Print a line."""
    seconds, peak, busy = found
    ratio = "" if base is None else f"{seconds / base:8.2f}"
    print(
        f"{name:46}{seconds:9.2f}{busy:9.2f}{rows / seconds:14,.0f}{peak:9.0f}{ratio}", flush=True
    )


def of_tables(place: Path, mebibytes: int, rounds: int) -> None:
    """Time folders of Parquet files."""
    for kind, column in (("lists", "prob"), ("columns", "p_*")):
        folder, out = place / kind, place / "out"
        rows = make_folder(folder, mebibytes, kind)
        columns = ["prob"] if kind == "lists" else [f"p_{i}" for i in range(10)]
        words = [folder, "--columns", column, "-o", out]
        measure(reading(READ, folder, columns), 1)
        print(f"\n{mebibytes} MiB of Parquet, {kind}, {rows:,} rows")
        base = measure(reading(READ, folder, columns), rounds)
        show("read only, batch by batch", rows, base, base[0])
        whole = measure(reading(READ_WHOLE, folder, columns), rounds)
        show("read only, pyarrow.parquet.read_table", rows, whole, base[0])
        show("score entropy", rows, measure(scoring("entropy", *words), rounds), base[0])
        three = "entropy,log_loss,perplexity"
        show(
            "score entropy,log_loss,perplexity --labels",
            rows,
            measure(scoring(three, *words, "--labels", "label"), rounds),
            base[0],
        )
        alone = [
            measure(scoring(name, *words, *more), rounds)
            for name, more in (
                ("entropy", ()),
                ("log_loss", ("--labels", "label")),
                ("perplexity", ()),
            )
        ]
        total = sum(f[0] for f in alone), max(f[1] for f in alone), sum(f[2] for f in alone)
        show("the three, one after the other", rows, total, base[0])


def of_arrays(place: Path, mebibytes: int, rounds: int) -> None:
    """Time a .npy file."""
    import numpy as np

    rows = (mebibytes << 20) // 40
    block, _ = noisy_rows(1 << 20, 0)
    path = place / "prob.npy"
    shape = (rows, 10)
    target = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    for start in range(0, rows, len(block)):
        target[start : start + len(block)] = block[: rows - start]
    del target
    print(f"\n{mebibytes} MiB of .npy, {rows:,} rows")
    floor = FLOOR.replace("IN", str(path))
    measure(floor, 1)
    base = measure(floor, rounds)
    show("floor: each byte mapped and read once", rows, base, base[0])
    words = [path, "-o", place / "out.npy"]
    show("score entropy", rows, measure(scoring("entropy", *words), rounds), base[0])
    show(
        "score entropy,perplexity",
        rows,
        measure(scoring("entropy,perplexity", *words), rounds),
        base[0],
    )


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mebibytes", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", help="where the files are made; default a temporary one")
    given: Any = parser.parse_args()
    print(f"{'':46}{'seconds':>9}{'cpu':>9}{'rows/s':>14}{'MiB':>9}{'ratio':>8}")
    with tempfile.TemporaryDirectory(dir=given.folder) as place:
        of_tables(Path(place), given.mebibytes, given.rounds)
        of_arrays(Path(place), given.mebibytes, given.rounds)


if __name__ == "__main__":
    main()

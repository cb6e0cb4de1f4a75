"""What a row and a task cost on this machine: kernels, formats, row groups, the scheduler.

One thread each. Figures of a row are processor time, not elapsed, so that a busy machine adds
little; each is the lower quartile of its rounds.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import fastent as fe
from bench import floor
from bench.files import measure, scoring
from bench.make_files import noisy_rows
from bench.scale import Costs
from bench.timing import no_collection
from fastent.arrow import Scorer

ROUNDS = 7
ROWS = 1 << 22
GROUP_ROWS = [1 << bits for bits in (10, 12, 14, 16, 18, 20)]
GROUPS_A_FILE = 64
NOOPS = 2000
MEASURE = "entropy"


def low(call: Callable[[], Any], rounds: int = ROUNDS) -> float:
    """Return the lower quartile of a call's processor seconds; the first call only warms up."""
    call()
    found = []
    with no_collection():
        for _ in range(rounds):
            start = time.process_time()
            call()
            found.append(time.process_time() - start)
    return float(np.quantile(found, 0.25))


# ---- kernels, from memory ---------------------------------------------------------------------


def show_kernels() -> None:
    """Print what a core does with arrays in memory, beside reading them alone."""
    print(f"\n{'from memory, one core':40}{'ns a row':>10}{'rows/s':>13}{'GB/s':>7}{'floor':>7}")
    values, labels = noisy_rows(ROWS, 0)
    others, _ = noisy_rows(ROWS, 1)
    for width in (10, 1000):
        rows = ROWS * 10 // width
        p, q = (
            each.reshape(-1)[: rows * width].reshape(rows, width) * np.float32(10 / width)
            for each in (values, others)
        )
        operands = {"entropy": (p,), "kl_divergence": (p, q), "score_logits": (labels[:rows], p)}
        for name, arrays in operands.items():
            big = [each for each in arrays if each.ndim == 2]
            seconds = low(partial(getattr(fe, name), *arrays))
            nbytes, least = sum(each.nbytes for each in big), low(partial(floor.read, *big))
            print(
                f"{f'{name}, {width} float32':40}{1e9 * seconds / rows:10.1f}"
                f"{rows / seconds:13,.0f}{nbytes / seconds / 1e9:7.1f}{seconds / least:7.2f}"
            )


# ---- files, from the page cache ---------------------------------------------------------------


class Made(NamedTuple):
    """A file, the columns of its rows, and the bytes that a row takes of it."""

    path: Path
    columns: list[str]
    row_bytes: float


def lists(prob: Any) -> pa.Table:
    """Return rows as a table with one column of fixed-size lists."""
    flat = pa.array(prob.reshape(-1))
    return pa.table({"prob": pa.FixedSizeListArray.from_arrays(flat, prob.shape[1])})


def make_formats(folder: Path) -> dict[str, Made]:
    """Write the same rows in each format."""
    prob, _ = noisy_rows(ROWS, 0)
    table = lists(prob)
    wide = pa.table({f"p_{i}": prob[:, i] for i in range(prob.shape[1])})
    made: dict[str, tuple[Path, list[str]]] = {}
    for name, data in {"Parquet, lists": table, "Parquet, flat columns": wide}.items():
        path = folder / f"{name}.parquet"
        pq.write_table(data, path, row_group_size=1 << 17)
        made[name] = path, data.column_names
    path = folder / "plain.parquet"
    pq.write_table(table, path, row_group_size=1 << 17, compression="none", use_dictionary=False)
    made["Parquet, lists, plain"] = path, table.column_names
    path = folder / "prob.arrow"
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=1 << 17)
    made["Arrow, lists"] = path, table.column_names
    np.save(folder / "prob.npy", prob)
    made[".npy"] = folder / "prob.npy", []
    return {
        name: Made(path, columns, path.stat().st_size / ROWS)
        for name, (path, columns) in made.items()
    }


def batches(made: Made) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a table, as the command reads them."""
    if made.path.suffix == ".arrow":
        with pa.memory_map(str(made.path)) as source:
            file = pa.ipc.open_file(source)
            for i in range(file.num_record_batches):
                yield file.get_batch(i)
        return
    with pq.ParquetFile(made.path, pre_buffer=False, buffer_size=1 << 20) as file:
        yield from file.iter_batches(1 << 15, use_threads=False)


def read(made: Made) -> None:
    """Read a file and do no more: of what is mapped, each byte."""
    if made.path.suffix == ".npy":
        floor.read(np.load(made.path, mmap_mode="r"))
        return
    for batch in batches(made):
        if made.path.suffix == ".arrow":
            floor.read(np.asarray(batch["prob"].flatten()))


def score(made: Made) -> None:
    """Read a file and score it."""
    if made.path.suffix == ".npy":
        fe.entropy(np.load(made.path, mmap_mode="r"))
        return
    scorer = None
    for batch in batches(made):
        scorer = scorer or Scorer(batch.schema, MEASURE, made.columns)
        scorer.score(batch)


def show_formats(folder: Path, rounds: int) -> None:
    """Print what the rows of a file cost, by its format."""
    print(
        f"\n{'from the page cache, ns a row of 10':40}{'bytes':>8}{'read':>8}{'+ score':>9}"
        f"{'command':>9}{'elapsed':>9}"
    )
    for name, made in make_formats(folder).items():
        columns = ["--columns", ",".join(made.columns)] if made.columns else []
        words = [made.path, *columns, "--threads", "1", "-o", folder / f"out{made.path.suffix}"]
        elapsed, _, busy = measure(scoring(MEASURE, *words), rounds)
        figures = (low(partial(read, made)), low(partial(score, made)), busy, elapsed)
        told = "".join(
            f"{1e9 * each / ROWS:{w}.1f}" for each, w in zip(figures, (8, 9, 9, 9), strict=True)
        )
        print(f"{name:40}{made.row_bytes:8.1f}{told}", flush=True)


# ---- tasks ------------------------------------------------------------------------------------


def make_groups(folder: Path, rows: int, groups: int, files: int = 1) -> list[Path]:
    """Write files of so many row groups of so many rows each."""
    folder.mkdir(parents=True)
    paths = []
    for place in range(files):
        paths.append(folder / f"part-{place:03}.parquet")
        prob, _ = noisy_rows(rows * groups, place)
        pq.write_table(lists(prob), paths[-1], row_group_size=rows)
    return paths


def score_group(path: Path, group: int, output: Path) -> int:
    """Score a row group of a file into a file of its own, as a task does; return its rows."""
    with pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
        table = file.read_row_group(group, columns=["prob"], use_threads=False)
    scorer = Scorer(table.schema, MEASURE, "prob")
    found = pa.Table.from_batches(map(scorer.score, table.to_batches()), scorer.schema)
    temporary = output.with_name(f".{output.name}.tmp")
    pq.write_table(found, temporary, compression="none", use_dictionary=False)
    temporary.rename(output)
    return int(table.num_rows)


def fit(rows: list[int], seconds: list[float]) -> tuple[float, float]:
    """Return what a task and a row take, so that relative errors are least."""
    design = np.array([[1 / s, n / s] for n, s in zip(rows, seconds, strict=True)])
    found, *_ = np.linalg.lstsq(design, np.ones(len(rows)), rcond=None)
    return float(max(found[0], 0.0)), float(found[1])


def task_costs(folder: Path, rounds: int) -> tuple[float, float]:
    """Return the seconds of a task and of a row of it, from tasks of several sizes."""
    print(f"\n{'a task: open, read a row group, score, write':48}{'ms':>9}{'ns a row':>10}")
    found = []
    for rows in GROUP_ROWS:
        groups = min(GROUPS_A_FILE, max(1, ROWS // rows))
        [path] = make_groups(folder / str(rows), rows, groups)
        turns = [i % groups for i in range(min(8, groups))]

        def tasks(path: Path = path, turns: list[int] = turns) -> None:
            for group in turns:
                score_group(path, group, folder / "out.parquet")

        found.append(low(tasks, rounds) / len(turns))
        row = f"{rows:,} rows"
        print(f"{row:48}{1e3 * found[-1]:9.2f}{1e9 * found[-1] / rows:10.1f}", flush=True)
    return fit(GROUP_ROWS, found)


@contextmanager
def cluster(workers: int) -> Iterator[Any]:
    """Yield a client of worker processes on this machine, with a thread each."""
    distributed: Any = import_module("distributed")
    with (
        distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=None,
        ) as made,
        distributed.Client(made) as client,
    ):
        client.run(fe.set_num_threads, 1)
        yield client


def nothing(_: int) -> None:
    """Be a task."""


class Handling(NamedTuple):
    """What a task costs that does nothing: elapsed, and processor seconds of either side."""

    tasks_a_second: float
    scheduler_seconds: float
    """Of the client too, which shares its process here."""
    worker_seconds: float


def handling(client: Any, tasks: int = NOOPS, rounds: int = 3) -> Handling:
    """Measure tasks that do nothing; return the best round."""
    found = []
    client.gather(client.map(nothing, range(100), pure=False))
    for _ in range(rounds):
        start, here = time.perf_counter(), time.process_time()
        there = sum(client.run(time.process_time).values())
        client.gather(client.map(nothing, range(tasks), pure=False))
        there = sum(client.run(time.process_time).values()) - there
        here = time.process_time() - here
        found.append(Handling(tasks / (time.perf_counter() - start), here / tasks, there / tasks))
    return max(found)


def measure_costs(folder: Path, rounds: int) -> Costs:
    """Print what a task and a row cost, and a task of nothing; return it."""
    with fe.num_threads(1):
        task, row = task_costs(folder / "groups", rounds)
    print(f"fitted: {1e3 * task:.2f} ms a task and {1e9 * row:.1f} ns a row")
    for workers in (1, 2):
        with cluster(workers) as client:
            each = handling(client)
        print(
            f"tasks of nothing, {workers} worker(s): {each.tasks_a_second:,.0f} a second; "
            f"processor µs: {1e6 * each.scheduler_seconds:.0f} scheduler and client, "
            f"{1e6 * each.worker_seconds:.0f} worker",
            flush=True,
        )
    return Costs(row, task + each.worker_seconds, each.scheduler_seconds)


def show_costs(folder: Path, rounds: int) -> Costs:
    """Print everything; return what the model needs."""
    with fe.num_threads(1):
        show_kernels()
        show_formats(folder, rounds)
    return measure_costs(folder, rounds)

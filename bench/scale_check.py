"""The model held against runs: one and two workers, and a store that is slowed down.

A task waits for its bytes as the reader of a slow store does, then reads them from the page cache.
A store of one rate for all readers is a lock, held for as long as the bytes take. What the model
is told was measured before, task by task in one process: two numbers for all cases. Each
prediction is printed before its run.
"""

import fcntl
import time
from functools import partial
from math import inf
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq

from bench.scale import Cluster, Costs, Job, Store, binding, limits
from bench.scale_costs import GROUPS_A_FILE, cluster, make_groups, score_group


class Case(NamedTuple):
    """A store, and how many tasks of how many rows there are."""

    name: str
    rows: int
    tasks: int
    wait: float
    """A task's wait for its bytes, over the time that it takes of a core."""
    shared: bool = False
    """Whether all readers share one rate."""


CASES = (
    Case("page cache", 1 << 18, 64, 0.0),
    Case("a slow link a worker", 1 << 18, 32, 3.0),
    Case("one slow store", 1 << 18, 32, 3.0, True),
    Case("one store, half a task", 1 << 18, 32, 0.5, True),
    Case("small row groups", 1 << 10, 2048, 0.0),
)


def slow_task(
    place: tuple[Path, int, Path], nbytes: float, rate: float, lock: Path | None
) -> float:
    """Score a row group that lies in a slow store; return the processor seconds."""
    if lock is not None:
        with open(lock, "a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            time.sleep(nbytes / rate)
    else:
        time.sleep(nbytes / rate)
    start = time.thread_time()
    score_group(*place)
    return time.thread_time() - start


def places(case: Case, folder: Path) -> list[tuple[Path, int, Path]]:
    """Make the files of a case; return its tasks."""
    groups = min(GROUPS_A_FILE, case.tasks // 4)
    paths = make_groups(folder, case.rows, groups, 4)
    turns = [(path, group) for group in range(groups) for path in paths]
    return [(*turns[i % len(turns)], folder / f"out-{i}.parquet") for i in range(case.tasks)]


def seconds_of(client: Any, work: Any, tasks: list[Any]) -> tuple[float, float]:
    """Return the time of a run, and the processor seconds of its tasks."""
    start = time.perf_counter()
    found = client.gather(client.map(work, tasks, pure=False))
    return time.perf_counter() - start, sum(found)


def check_case(case: Case, folder: Path, costs: Costs, rounds: int) -> None:
    """Print what the model says of a case, and what it takes."""
    tasks = places(case, folder)
    group = pq.read_metadata(tasks[0][0]).row_group(0)
    nbytes = float(group.column(0).total_compressed_size)
    core = costs.task_seconds + case.rows * costs.row_seconds
    rate = nbytes / (case.wait * core) if case.wait else inf
    lock = folder / "lock" if case.shared else None
    store = Store(case.name, rate if case.shared else inf, rate, rate, 0.0)
    job = Job(float(case.rows * case.tasks), nbytes / case.rows, case.rows)
    work = partial(slow_task, nbytes=nbytes, rate=rate, lock=lock)
    for workers in (1, 2):
        # one store, however many ask it: the link of a worker is the store's rate there too
        name, predicted = binding(limits(job, Cluster(workers, 1, 1), store, costs))
        print(f"{case.name:24}{workers:8}{predicted:11.2f}  {name:11}", end="", flush=True)
        found = []
        with cluster(workers) as client:
            seconds_of(client, work, tasks[: 2 * workers])
            for _ in range(rounds):
                found.append(seconds_of(client, work, tasks))
        elapsed, busy = (np.quantile(each, 0.25) for each in zip(*found, strict=True))
        asked = case.tasks * core
        ratios = sorted(predicted / seconds for seconds, _ in found)
        print(
            f"{elapsed:9.2f}{predicted / elapsed:8.2f}"
            f"   {ratios[0]:.2f} to {ratios[-1]:.2f}{asked / busy:8.2f}",
            flush=True,
        )


def show_check(folder: Path, costs: Costs, rounds: int) -> None:
    """Print every case."""
    print(
        f"\ntold: {1e3 * costs.task_seconds:.2f} ms a task, {1e9 * costs.row_seconds:.1f} ns a "
        f"row, {costs.tasks_a_second:,.0f} tasks a second"
    )
    print(
        f"{'store':24}{'workers':>8}{'predicted':>11}  {'binds':11}{'measured':>9}{'ratio':>8}"
        f"   {'of rounds':12}{'cores':>8}"
    )
    for i, case in enumerate(CASES):
        check_case(case, folder / f"case-{i}", costs, rounds)

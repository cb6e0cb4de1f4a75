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

from bench.machine import processors
from bench.scale import Cluster, Costs, Job, Store, binding, limits
from bench.scale_costs import GROUPS_A_FILE, cluster, make_groups, score_group
from bench.waiting import waited_seconds

WAITED = 0.05
"""A run whose processes waited longer for a core, as a share of its time, was disturbed."""
TRIES = 2
"""Runs made at most for each that is asked for."""


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
    Case("small row groups", 1 << 10, 512, 0.0),
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


class Round(NamedTuple):
    """A run: its time, its tasks' processor seconds, and how long a worker waited for a core."""

    seconds: float
    busy: float
    waited: float

    @property
    def share(self) -> float:
        """What waiting was of the time."""
        return self.waited / self.seconds


def run(client: Any, work: Any, tasks: list[Any]) -> Round:
    """Return what a run took."""
    before = client.run(waited_seconds)
    start = time.perf_counter()
    busy = sum(client.gather(client.map(work, tasks, pure=False)))
    seconds = time.perf_counter() - start
    after = client.run(waited_seconds)
    return Round(seconds, busy, sum(after[each] - before[each] for each in after) / len(after))


def runs(client: Any, work: Any, tasks: list[Any], rounds: int) -> list[Round]:
    """Return the rounds that waited least for a core, of up to three times as many."""
    run(client, work, tasks[:8])
    found: list[Round] = []
    while sum(r.share <= WAITED for r in found) < rounds and len(found) < TRIES * rounds:
        found.append(run(client, work, tasks))
    return sorted(found, key=lambda each: each.share)[:rounds]


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
        found = limits(job, Cluster(workers, 1, 1), store, costs)
        # the scheduler has no node of its own here
        found["machine"] = case.tasks * (core + costs.scheduler_seconds) / processors()
        name, predicted = binding(found)
        print(f"{case.name:24}{workers:8}{predicted:11.2f}  {name:11}", end="", flush=True)
        with cluster(workers) as client:
            kept = runs(client, work, tasks, rounds)
        seconds, busy, waited = (np.quantile(each, 0.25) for each in zip(*kept, strict=True))
        ratios = sorted(predicted / each.seconds for each in kept)
        without = np.quantile([predicted / (each.seconds - each.waited) for each in kept], 0.75)
        print(
            f"{seconds:9.2f}{predicted / seconds:8.2f}   {ratios[0]:.2f} to {ratios[-1]:.2f}"
            f"{waited / seconds:9.2f}{without:9.2f}{case.tasks * core / busy:9.2f}",
            flush=True,
        )


def show_check(folder: Path, costs: Costs, rounds: int) -> None:
    """Print every case."""
    print(
        f"\ntold: {1e3 * costs.task_seconds:.2f} ms a task, {1e9 * costs.row_seconds:.1f} ns a "
        f"row, {1e3 * costs.scheduler_seconds:.2f} ms of the scheduler a task"
    )
    print(
        f"{'store':24}{'workers':>8}{'predicted':>11}  {'binds':11}{'measured':>9}{'ratio':>8}"
        f"   {'of rounds':12}{'waited':>9}{'without':>9}{'cores':>9}"
    )
    for i, case in enumerate(CASES):
        check_case(case, folder / f"case-{i}", costs, rounds)

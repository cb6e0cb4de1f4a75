"""How long a folder takes on many nodes, and what binds: `python -m bench.scale`.

Three parts, `--only` picks one: `costs` measures what a row and a task cost on this machine,
`model` says from these what binds at 1, 10 and 1000 nodes, `check` holds the model against runs of
one and two workers with a store that is slowed down. docs/scale.md has the figures.

The model is that of a closed queueing network by its bounds. Of T tasks each asks every station
(the store, a node's link, a core, the scheduler) for some seconds of its time, and is on its way
itself for their sum; no station works for more than all of the time, and no more tasks are on
their way than there are slots. So the time is at least the largest of these, and little more
where there are many tasks.
"""

import argparse
import tempfile
from dataclasses import dataclass, replace
from math import ceil, inf
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Store:
    """Where the files lie. Rates are bytes a second."""

    name: str
    total: float
    """Of the store as a whole; infinite where every node has its own."""
    node: float
    """Of one node: its disk, or its link to the network."""
    stream: float
    """Of one reader."""
    latency: float
    """Seconds until the first byte."""


@dataclass(frozen=True)
class Costs:
    """Processor seconds of a row, of a task, and of the scheduler for it: what `costs` measures."""

    row_seconds: float = 100e-9
    task_seconds: float = 3.1e-3
    scheduler_seconds: float = 1.1e-3
    """That of the client too."""


@dataclass(frozen=True)
class Job:
    """Rows of a size in files, and how many a task takes."""

    rows: float
    row_bytes: float
    """Read from the store, and written to it."""
    task_rows: float


@dataclass(frozen=True)
class Cluster:
    """Nodes, and the tasks that a node has on their way at once."""

    nodes: int
    cores: int = 16
    slots: int = 16


STORES = (
    Store("local NVMe", inf, 3e9, 3e9, 1e-4),
    Store("NFS, 10 Gbit/s", 1.2e9, 1.2e9, 6e8, 1e-3),
    Store("object store, 100 GB/s", 1e11, 3e9, 9e7, 0.1),
)
TASK_ROWS = [float(1 << bits) for bits in range(12, 29, 2)]
NEAR = 1.1  # times the least time: near enough to be called as good


def limits(job: Job, cluster: Cluster, store: Store, costs: Costs) -> dict[str, float]:
    """Return the seconds that each station needs for the job at least; the time is the largest."""
    tasks = ceil(job.rows / job.task_rows)
    task_bytes = job.task_rows * job.row_bytes
    core = costs.task_seconds + job.task_rows * costs.row_seconds
    task = store.latency + task_bytes / store.stream + core
    return {
        "store": tasks * task_bytes / store.total,
        "link": tasks * task_bytes / (cluster.nodes * store.node),
        "cores": tasks * core / (cluster.nodes * cluster.cores),
        "scheduler": tasks * costs.scheduler_seconds,
        "slots": ceil(tasks / (cluster.nodes * cluster.slots)) * task,
    }


def binding(found: dict[str, float]) -> tuple[str, float]:
    """Return the limit that binds, and its seconds."""
    name = max(found, key=found.__getitem__)
    return name, found[name]


def good_rows(job: Job, cluster: Cluster, store: Store, costs: Costs) -> tuple[float, float]:
    """Return the least and the most rows of a task with which the job takes hardly longer."""
    times = {
        rows: binding(limits(replace(job, task_rows=rows), cluster, store, costs))[1]
        for rows in TASK_ROWS
    }
    good = [rows for rows, seconds in times.items() if seconds <= NEAR * min(times.values())]
    return good[0], good[-1]


def show_model(costs: Costs, job: Job, cluster: Cluster) -> None:
    """Print the time and what binds, for every store, number of nodes, and size of tasks."""
    shown = [rows for rows in (1 << 16, 1 << 20, 1 << 24) if rows <= job.rows]
    terabytes = job.rows * job.row_bytes / 1e12
    print(
        f"\n{job.rows:,.0f} rows of {job.row_bytes:.0f} bytes, {terabytes:.1f} TB; nodes of "
        f"{cluster.cores} cores, {cluster.slots} tasks at once; seconds, and what binds"
    )
    heads = "".join(f"{f'{rows:,} rows a task':>24}" for rows in shown)
    print(f"{'':24}{'nodes':>6}{heads}{'good tasks, rows':>28}")
    for store in STORES:
        for nodes in (1, 10, 1000):
            here = replace(cluster, nodes=nodes)
            cells = ""
            for rows in shown:
                name, seconds = binding(limits(replace(job, task_rows=rows), here, store, costs))
                cells += f"{seconds:13,.0f} {name:10}"
            least, most = good_rows(job, here, store, costs)
            print(f"{store.name:24}{nodes:6}{cells}{f'{least:,.0f} to {most:,.0f}':>28}")


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", choices=["costs", "model", "check"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=float, default=1e11, help="of the model's job")
    parser.add_argument("--row-bytes", type=float, default=48.0, help="read and written")
    parser.add_argument("--cores", type=int, default=16, help="of a node")
    parser.add_argument("--slots", type=int, default=16, help="tasks at once on a node")
    parser.add_argument("--row-ns", type=float, help="of a core; default: as measured, of 40 bytes")
    parser.add_argument("--scheduler-ms", type=float, help="of a task; default: as measured")
    parser.add_argument("--folder", help="where the files are made; default a temporary one")
    given: Any = parser.parse_args()
    costs = Costs()
    with tempfile.TemporaryDirectory(dir=given.folder) as place:
        if given.only != "model":
            from bench.scale_check import show_check
            from bench.scale_costs import measure_costs, show_costs

            if given.only == "check":
                costs = measure_costs(Path(place), given.rounds)
            else:
                costs = show_costs(Path(place), given.rounds)
        if given.only in (None, "model"):
            there = costs
            if given.row_ns is not None:
                there = replace(there, row_seconds=given.row_ns / 1e9)
            if given.scheduler_ms is not None:
                there = replace(there, scheduler_seconds=given.scheduler_ms / 1e3)
            job = Job(given.rows, given.row_bytes, 1.0)
            show_model(there, job, Cluster(1, given.cores, given.slots))
        if given.only in (None, "check"):
            show_check(Path(place), costs, given.rounds)


if __name__ == "__main__":
    main()

"""The model of bench/scale.py, where its answer is plain."""

from dataclasses import replace
from math import inf

import pytest

from bench.scale import Cluster, Costs, Job, Store, binding, good_rows, limits

COSTS = Costs(row_seconds=1e-8, task_seconds=1e-3, scheduler_seconds=1e-3)
JOB = Job(rows=1e9, row_bytes=40.0, task_rows=1e6)
FREE = Store("as fast as memory", inf, inf, inf, 0.0)
MANY = Cluster(nodes=1000)


@pytest.mark.parametrize(
    ("station", "job", "cluster", "store", "seconds"),
    [
        ("cores", JOB, Cluster(2, 4, 64), FREE, 1000 * 11e-3 / 8),
        ("scheduler", replace(JOB, task_rows=1e3), MANY, FREE, 1000.0),
        ("store", JOB, MANY, replace(FREE, total=1e9), 40.0),
        ("link", JOB, Cluster(4), replace(FREE, node=1e8), 100.0),
        ("slots", JOB, Cluster(1, 16, 10), replace(FREE, stream=4e7, latency=0.1), 111.1),
        ("slots", replace(JOB, task_rows=1e9), MANY, FREE, 10.001),
    ],
)
def test_the_slowest_station_binds(
    station: str, job: Job, cluster: Cluster, store: Store, seconds: float
) -> None:
    """And the time is what it needs."""
    name, found = binding(limits(job, cluster, store, COSTS))
    assert name == station
    assert found == pytest.approx(seconds)


def test_good_tasks_are_neither_too_many_nor_too_few() -> None:
    """More rows than the scheduler wants at least, and fewer than leave cores idle."""
    least, most = good_rows(replace(JOB, rows=1e11), Cluster(10), FREE, COSTS)
    assert 1e5 < least < most < 1e11 / 160

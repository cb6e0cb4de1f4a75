"""``fastent score --workers N | --scheduler ADDRESS``: files are scored by a Dask cluster.

An input is scored in parts (`fastent.cli.parts`), a task each; the results of a part go to a file
beside the output, and a last task makes the output of them, by the same writer and in the same
batches as a run without a cluster: the same bytes. Dask is imported when a cluster is wanted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fastent.cli.errors import UseError
from fastent.cli.inputs import STREAM

if TYPE_CHECKING:
    from fastent.cli.score import Execute, Job, Request


@contextmanager
def on_cluster(
    request: Request,
    jobs: Sequence[Job],
    scheduler: str | None,
    workers: int | None,
    threads: int | None,
) -> Iterator[Execute]:
    """Start or join a cluster; yield what `fastent.cli.score.run` scores inputs by."""
    if STREAM in request.inputs or request.output == STREAM:
        raise UseError("a cluster reads and writes files, not standard input or output: name them")
    try:
        from fastent.cli.cluster.client import connected
        from fastent.cli.cluster.schedule import Schedule
    except ImportError as error:
        raise UseError(
            f'a cluster needs Dask: pip install "fastent-numpy[cluster]" ({error})'
        ) from error
    schedule = None
    try:
        with connected(scheduler, workers) as client:
            schedule = Schedule(client, threads or 1)
            yield schedule.execute
    finally:
        # Workers of a cluster of this run are gone now, perhaps in the middle of a task.
        if schedule is not None:
            schedule.sweep()

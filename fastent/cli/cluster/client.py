"""A cluster: started here for one run, or joined."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from distributed import Client, LocalCluster

from fastent.cli.errors import DataError

start_cluster: Any = LocalCluster  # whose methods have no types
connect: Any = Client
PATIENCE = 10
"""Seconds that a scheduler has to answer, and to have a worker."""


@contextmanager
def connected(scheduler: str | None, workers: int | None) -> Iterator[Any]:
    """Yield the client of a cluster that has workers."""
    with ExitStack() as stack:
        stack.enter_context(_silence())
        place: Any = scheduler
        if scheduler is None:
            place = start_cluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
                silence_logs=logging.CRITICAL,
            )
            stack.callback(_closed, place)
        try:
            client = connect(place, timeout=PATIENCE, set_as_default=False)
        except (OSError, ValueError) as error:
            raise DataError(
                f"no scheduler answers at {scheduler} within {PATIENCE} seconds "
                f"({_first_line(error)}): is it running, and is this its address?"
            ) from error
        stack.callback(_closed, client)
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError as error:
            raise DataError(
                f"the scheduler at {scheduler} has no workers: start some (dask worker {scheduler})"
            ) from error
        yield client


@contextmanager
def _silence() -> Iterator[None]:
    """Keep Dask's log and warnings off the terminal: what matters is told in one line."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _closed(opened: Any) -> None:
    """Close a client or a cluster, whatever has become of it."""
    with suppress(Exception):
        opened.close(timeout=2)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__

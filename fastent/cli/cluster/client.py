"""A cluster: started here for one run, or joined."""

from __future__ import annotations

import asyncio
import logging
import signal
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing import resource_tracker
from typing import Any

from distributed import Client, LocalCluster

from fastent.cli.errors import DataError

start_cluster: Any = LocalCluster  # whose methods have no types
connect: Any = Client
PATIENCE = 15
"""Seconds that a scheduler has to answer, and to have a worker; once lost, to come back."""


@contextmanager
def connected(scheduler: str | None, workers: int | None) -> Iterator[Any]:
    """Yield the client of a cluster that has workers."""
    with ExitStack() as stack:
        stack.enter_context(_silence())
        place: Any = scheduler
        if scheduler is None:
            place = stack.enter_context(_started(workers))
        # What a constructor that fails leaves behind is closed too: at the end of the process its
        # finalizer would wait for a loop that is gone.
        client = connect.__new__(connect)
        stack.callback(_closed, client)
        try:
            client.__init__(place, timeout=PATIENCE, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:  # of a tls:// without certificates too
            raise DataError(
                f"no scheduler answers at {scheduler} within {PATIENCE} seconds "
                f"({_first_line(error)}): is it running, and is this its address?"
            ) from error
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError as error:
            raise DataError(
                f"the scheduler at {scheduler} has no workers: start some (dask worker {scheduler})"
            ) from error
        yield client


@contextmanager
def _started(workers: int | None) -> Iterator[Any]:
    """Yield a cluster of processes here, which are gone afterwards, at once after a failure."""
    try:
        with _without_interrupts():
            cluster = start_cluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
                silence_logs=logging.CRITICAL,
            )
    except (OSError, RuntimeError) as error:
        raise DataError(f"cannot start {workers} workers here: {_first_line(error)}") from error
    try:
        yield cluster
    except BaseException:
        with suppress(Exception):
            cluster.sync(_kill_workers, cluster)
        raise
    finally:
        _closed(cluster)


async def _kill_workers(cluster: Any) -> None:
    """End the processes, whatever they are at."""
    await asyncio.gather(*(nanny.close(timeout=0.1) for nanny in cluster.workers.values()))


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


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Keep Ctrl-C, which a terminal sends to all processes, from those that are started meanwhile.

    The threads that start them now, or in place of one that died, have it blocked, and so have
    they. This process gets it at the end.
    """
    # Python's own helper of such processes: who first needs it has its signals unblocked by it.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _closed(opened: Any) -> None:
    """Close a client or a cluster, whatever has become of it."""
    with suppress(Exception):
        opened.close(timeout=2)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__

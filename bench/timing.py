"""How a case is timed: rounds of floor, fastent and peers, one after the other."""

import gc
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from bench import floor
from bench.cases import MEASURES, Case, Job
from bench.peers import COMPILED, set_threads
from bench.results import Run

DISTURBED = 1.5  # a round whose floor took this many times its best is dropped
PEER_ROUNDS = 3  # peers take up to a hundred times as long, and vary less
PEER_SECONDS = 0.5  # a peer that has taken so long sits out the other rounds
OURS, INTO = "fastent", "fastent into a preallocated array"

Thunk = Callable[[], Any]
Times = dict[str, float]


@contextmanager
def no_collection() -> Iterator[None]:
    """Keep the garbage collector out of what is timed."""
    was_on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def seconds(call: Thunk, repeats: int = 1) -> float:
    """Return the time of `repeats` calls in a row."""
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return time.perf_counter() - start


def measure(
    case: Case, nbytes: int, rounds: int, threads: Sequence[int], peers: tuple[str, ...]
) -> tuple[Job, list[Run]]:
    """Check a case's results, then time it on each number of threads, over the same data."""
    job = case.job(nbytes, peers)
    set_threads(threads[0])
    job.check(OURS, job.ours())
    if not case.is_huge:
        for name, call in job.peers.items():
            if name != COMPILED:
                job.check(name, call())
    return job, [_run(job, count, rounds) for count in threads]


def _run(job: Job, threads: int, rounds: int) -> Run:
    """Time a case on one number of threads."""
    set_threads(threads)
    _compile(job)
    floors: list[float] = []
    clocks: list[float] = []
    times: list[Times] = []
    spent = dict.fromkeys(job.peers, 0.0)
    peer_rounds = 0
    job.floor()
    with no_collection():
        for _ in range(rounds):
            clocks.append(floor.clock_ghz())
            floors.append(seconds(job.floor))
            times.append({OURS: seconds(job.ours)})
            if job.ours_into is not None:
                times[-1][INTO] = seconds(job.ours_into)
            limit = 1 if job.case.is_huge else PEER_ROUNDS
            if peer_rounds < limit and floors[-1] <= DISTURBED * min(floors):
                peer_rounds += 1
                _time_peers(job, spent, times[-1])
    best = min(floors)
    kept = [
        (base, {name: taken / base for name, taken in one.items()})
        for base, one in zip(floors, times, strict=True)
        if base <= DISTURBED * best
    ]

    def ratios(name: str) -> list[float]:
        return [one[name] for _, one in kept if name in one]

    return Run(
        threads=threads,
        rounds=len(kept),
        floor_seconds=_low([base for base, _ in kept]),
        clock_ghz=statistics.median(clocks),
        ratio_low=_low(ratios(OURS)),
        ratio=statistics.median(ratios(OURS)),
        ratio_into=_low(ratios(INTO)) if ratios(INTO) else None,
        peers={name: statistics.median(ratios(name)) for name in job.peers if ratios(name)},
    )


def _low(values: list[float]) -> float:
    return float(np.quantile(values, 0.25))


def _time_peers(job: Job, spent: Times, into: Times) -> None:
    """Time each peer once, but for those that took long enough; a huge case is checked here."""
    for name, call in job.peers.items():
        if spent[name] > PEER_SECONDS:
            continue
        start = time.perf_counter()
        found = call()
        into[name] = time.perf_counter() - start
        spent[name] += into[name]
        if job.case.is_huge:
            job.check(name, found)


def _compile(job: Job) -> None:
    """Let PyTorch compile for this many threads; a case that it cannot take loses the column."""
    call = job.peers.get(COMPILED)
    if call is None:
        return
    try:
        found = call()
    except Exception as error:  # whatever the compiler raises
        reason = (str(error).splitlines() or [""])[0]
        what = f"{job.case.name}: torch.compile failed, its figure is left out"
        print(f"{what} ({type(error).__name__}: {reason})", file=sys.stderr)
        del job.peers[COMPILED]
        return
    job.check(COMPILED, found)


def writes(job: Job) -> int:
    """Return the bytes that a call writes into a preallocated output."""
    return job.arrays[-1].nbytes if MEASURES[job.case.measure].writes else 0

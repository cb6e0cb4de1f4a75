"""How a case is timed: rounds of floor, fastent and peers, one after the other."""

import gc
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from bench import floor
from bench.cases import MEASURES, Case, Job
from bench.peers import COMPILED, set_threads
from bench.results import Run
from bench.waiting import waited_seconds

DISTURBED = 1.5  # a round whose floor took this many times its best is dropped
PEER_ROUNDS = 3  # peers take up to a hundred times as long, and vary less
PEER_SECONDS = 0.5  # a peer that has taken so long sits out the other rounds
OURS, INTO = "fastent", "fastent into a preallocated array"

FLOORS_FIRST = 5  # before the rounds, to know its best
TRIES = 3  # rounds made at most, for each that is asked for
LEAST_ROUNDS = 3  # undisturbed ones; fewer, and those that waited for a core are used too
WAITED = 0.05  # a round whose threads waited for a core this share of their time is dropped
PAUSE = 0.02  # seconds after the peers, whose threads spin for some time before they sleep

Thunk = Callable[[], Any]
Times = dict[str, float]


class Round(NamedTuple):
    """One round's times, and the share of fastent's time that its threads waited for a core."""

    floor: float
    waited: float
    times: Times

    def undisturbed(self, best: float) -> bool:
        """Whether neither memory nor cores were taken by others, as far as can be seen."""
        return self.floor <= DISTURBED * best and self.waited <= WAITED


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
    """Time a case on one number of threads, until enough rounds were undisturbed."""
    set_threads(threads)
    _compile(job)
    spent = dict.fromkeys(job.peers, 0.0)
    clocks: list[float] = []
    all_rounds: list[Round] = []
    peer_rounds = 0
    with no_collection():
        best = min(seconds(job.floor) for _ in range(FLOORS_FIRST))
        while _undisturbed(all_rounds, best) < rounds and len(all_rounds) < TRIES * rounds:
            clocks.append(floor.clock_ghz())
            base = seconds(job.floor)
            best = min(best, base)
            before = waited_seconds()
            times = {OURS: seconds(job.ours)}
            waited = max(0.0, waited_seconds() - before) / (times[OURS] * threads)
            if job.ours_into is not None:
                times[INTO] = seconds(job.ours_into)
            all_rounds.append(Round(base, waited, times))
            waits_long = peer_rounds == 0 and len(all_rounds) >= rounds
            wanted = peer_rounds < (1 if job.case.is_huge else PEER_ROUNDS)
            if wanted and (waits_long or all_rounds[-1].undisturbed(best)):
                peer_rounds += 1
                _time_peers(job, spent, times)
    quiet = _undisturbed(all_rounds, best) >= min(rounds, LEAST_ROUNDS)
    kept = [one for one in all_rounds if one.undisturbed(best)] if quiet else all_rounds
    kept = [one for one in kept if one.floor <= DISTURBED * best] or all_rounds

    def ratios(name: str) -> list[float]:
        return [one.times[name] / one.floor for one in kept if name in one.times]

    peers = {}
    for name in job.peers:
        found = ratios(name) or [
            one.times[name] / one.floor for one in all_rounds if name in one.times
        ]
        if found:
            peers[name] = statistics.median(found)
    return Run(
        threads=threads,
        rounds=len(kept),
        quiet=quiet,
        waited=statistics.median(one.waited for one in kept),
        floor_seconds=_low([one.floor for one in kept]),
        clock_ghz=statistics.median(clocks),
        ratio_low=_low(ratios(OURS)),
        ratio=statistics.median(ratios(OURS)),
        ratio_into=_low(ratios(INTO)) if ratios(INTO) else None,
        peers=peers,
    )


def _undisturbed(rounds: list[Round], best: float) -> int:
    return sum(one.undisturbed(best) for one in rounds)


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
    if job.peers:
        time.sleep(PAUSE)


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

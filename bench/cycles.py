"""Core cycles an element with the data in the first cache: arithmetic alone, without memory."""

from functools import cache
from typing import NamedTuple

import numpy as np

from bench import floor
from bench.cases import MEASURES, Case, Job
from bench.peers import set_threads
from bench.results import Cycles
from bench.timing import no_collection, seconds, writes

QUIET = 1.08  # a sample is quiet if the work loop around it took at most this times its best
L1_BYTES = (2 << 10, 28 << 10, 36 << 10)  # of all operands: small, large, largest that still fits
SAMPLES = 600  # at most
SAMPLE_SECONDS = 150e-6
LEAST_QUIET, ENOUGH_QUIET = 3, 24


class Sample(NamedTuple):
    """Giga-cycles of a batch on each of two sizes, and how disturbed the core was around it."""

    disturbance: float
    small: float
    large: float


@cache
def _best_work() -> float:
    """Return the work loop's time on an undisturbed core, as well as it can be seen."""
    return min(floor.work_seconds() for _ in range(2000))


def l1_cycles(case: Case) -> Cycles | None:
    """Return the slope between two small arrays: the cost of the call itself is not in it."""
    streams = len(MEASURES[case.measure].operands.split()) + MEASURES[case.measure].writes
    row = case.columns * np.dtype(case.dtype).itemsize
    if case.axis == 0 or 2 * row * streams > L1_BYTES[2]:
        return None
    sizes = L1_BYTES[0] // streams, max(L1_BYTES[1] // streams, 2 * row)
    small, large = (case.job(size) for size in sizes)
    entries = large.entries - small.entries
    if entries < 64 or _held(large) > L1_BYTES[2]:
        return None
    set_threads(1)
    repeats = max(1, round(SAMPLE_SECONDS / min(seconds(large.ours) for _ in range(20))))
    samples: list[Sample] = []
    with no_collection():
        while len(samples) < SAMPLES and _quiet(samples, ENOUGH_QUIET) is None:
            before, clock = floor.work_seconds(), floor.clock_ghz()
            low, high = seconds(small.ours, repeats), seconds(large.ours, repeats)
            disturbance = max(before, floor.work_seconds()) / _best_work()
            samples.append(Sample(disturbance, clock * low, clock * high))
    quiet = _quiet(samples, LEAST_QUIET)
    used = quiet or samples
    giga_cycles = min(one.large for one in used) - min(one.small for one in used)
    return Cycles(giga_cycles * 1e9 / repeats / entries, quiet is not None)


def _held(job: Job) -> int:
    return sum(array.nbytes for array in job.arrays) + writes(job)


def _quiet(samples: list[Sample], least: int) -> list[Sample] | None:
    """Return the samples that no stranger disturbed, or None if there are fewer than `least`."""
    quiet = [sample for sample in samples if sample.disturbance <= QUIET]
    return quiet if len(quiet) >= least else None

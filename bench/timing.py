"""How a case is timed: paired rounds against the floor, cycles from L1, and single short calls."""

import gc
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from bench import floor
from bench.cases import MEASURES, Case, Job
from bench.peers import PEERS, as_peer, available

DISTURBED = 1.5  # a round whose floor took this many times its best is dropped
QUIET = 1.08  # a sample is quiet if the work loop around it took at most this times its best
PEER_ROUNDS = 3  # peers take up to a hundred times as long, and vary less
L1_BYTES = (2 << 10, 28 << 10, 36 << 10)  # of all operands: small, large, largest that still fits
L1_SAMPLES = 600  # at most
SAMPLE_SECONDS = 150e-6
LEAST_QUIET, ENOUGH_QUIET = 3, 24
SHORT_MEASURES = (
    "entropy",
    "kl_divergence",
    "cross_entropy",
    "bce_out",
    "surprisal_out",
    "bce_mean_hard",
)

Thunk = Callable[[], Any]


@dataclass(frozen=True)
class Cycles:
    """Cycles an element from L1, and whether enough samples were quiet."""

    value: float
    quiet: bool


@dataclass(frozen=True)
class Result:
    """What one case measured; ratios are times over the floor's in the same round."""

    case: Case
    megabytes: float  # that the floor reads, and writes where it writes
    floor_seconds: float
    rounds: int  # kept
    ratio_low: float  # lower quartile
    ratio: float  # median
    cycles: Cycles | None
    peers: dict[str, float]

    def record(self) -> dict[str, Any]:
        """Return everything as plain numbers and text."""
        return {**asdict(self), "goal": self.case.goal, "gate": self.case.gate}


@contextmanager
def _no_collection() -> Iterator[None]:
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


def measure(case: Case, nbytes: int, rounds: int, peers: bool) -> Result:
    """Check a case's results, then time it: floor, ours and peers one after the other."""
    job = case.job(nbytes, peers)
    job.check()
    floors: list[float] = []
    times: list[dict[str, float]] = []
    peer_rounds = 0
    job.floor()
    with _no_collection():
        for _ in range(rounds):
            floors.append(seconds(job.floor))
            times.append({"fastent": seconds(job.ours)})
            if peer_rounds < PEER_ROUNDS and floors[-1] <= DISTURBED * min(floors):
                peer_rounds += 1
                times[-1].update({name: seconds(call) for name, call in job.peers.items()})
    best = min(floors)
    kept = [
        {name: taken / base for name, taken in one.items()}
        for base, one in zip(floors, times, strict=True)
        if base <= DISTURBED * best
    ]
    ours = [ratios["fastent"] for ratios in kept]
    peer_ratios = {name: [one[name] for one in kept if name in one] for name in job.peers}
    moved = sum(array.nbytes for array in job.arrays) + writes(job)
    return Result(
        case,
        moved / 1e6,
        best,
        len(ours),
        float(np.quantile(ours, 0.25)),
        statistics.median(ours),
        l1_cycles(case),
        {name: statistics.median(values) for name, values in peer_ratios.items() if values},
    )


def writes(job: Job) -> int:
    """Return the bytes that a call writes into a preallocated output."""
    return job.arrays[-1].nbytes if MEASURES[job.case.measure].writes else 0


# ---- cycles an element ------------------------------------------------------------------------


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
    small, large = _l1_jobs(case)
    entries = large.entries - small.entries
    held = sum(array.nbytes for array in large.arrays) + writes(large)
    if case.axis == 0 or entries < 64 or held > L1_BYTES[2]:
        return None
    repeats = max(1, round(SAMPLE_SECONDS / min(seconds(large.ours) for _ in range(20))))
    samples: list[Sample] = []
    with _no_collection():
        while len(samples) < L1_SAMPLES and _quiet(samples, ENOUGH_QUIET) is None:
            before, clock = floor.work_seconds(), floor.clock_ghz()
            low, high = seconds(small.ours, repeats), seconds(large.ours, repeats)
            disturbance = max(before, floor.work_seconds()) / _best_work()
            samples.append(Sample(disturbance, clock * low, clock * high))
    quiet = _quiet(samples, LEAST_QUIET)
    used = quiet or samples
    giga_cycles = min(one.large for one in used) - min(one.small for one in used)
    return Cycles(giga_cycles * 1e9 / repeats / entries, quiet is not None)


def _quiet(samples: list[Sample], least: int) -> list[Sample] | None:
    """Return the samples that no stranger disturbed, or None if there are fewer than `least`."""
    quiet = [sample for sample in samples if sample.disturbance <= QUIET]
    return quiet if len(quiet) >= least else None


def _l1_jobs(case: Case) -> tuple[Job, Job]:
    """Return two jobs of different sizes, of two rows at least, that share the L1 cache."""
    streams = len(MEASURES[case.measure].operands.split()) + MEASURES[case.measure].writes
    row = case.columns * np.dtype(case.dtype).itemsize
    sizes = L1_BYTES[0] // streams, max(L1_BYTES[1] // streams, 2 * row)
    small, large = (case.job(size, peers=False) for size in sizes)
    return small, large


# ---- one short call ---------------------------------------------------------------------------


def short_calls(entries: int = 8, peers: bool = True) -> list[dict[str, Any]]:
    """Return microseconds a call on `entries` elements, as an array and as a list."""
    rows: list[dict[str, Any]] = []
    for name in SHORT_MEASURES:
        shown = name.removesuffix("_out")
        for dtype in ("float32", "float64"):
            layout = "-" if "prob" in MEASURES[name].operands else str(entries)
            case = Case(name, dtype, layout)
            arrays = tuple(
                array.reshape(-1) for array in case.data(entries * np.dtype(dtype).itemsize)
            )
            rows.append({"measure": shown, "dtype": dtype, "given": "array"})
            rows[-1].update(_short(name, arrays, peers))
        lists = tuple(array.tolist() for array in arrays)
        rows.append({"measure": shown, "dtype": "float64", "given": "list"})
        rows[-1].update(_short(name, lists, peers))
    return rows


def _short(name: str, inputs: tuple[Any, ...], peers: bool) -> dict[str, float]:
    """Time ours and each peer on inputs of one kind; peers convert lists within the call."""
    measure = MEASURES[name]
    given_lists = isinstance(inputs[0], list)
    calls: dict[str, Thunk] = {"fastent": lambda: measure.ours(inputs, -1, None)}
    for library, call in PEERS[measure.peers].items() if peers else ():
        if library in available():
            calls[library] = _peer_call(library, call, inputs, given_lists)
    return {library: _microseconds(call) for library, call in calls.items()}


def _peer_call(library: str, call: Any, inputs: tuple[Any, ...], convert: bool) -> Thunk:
    if convert:
        return lambda: call(tuple(as_peer(library, item) for item in inputs), -1, None)
    converted = tuple(as_peer(library, item) for item in inputs)
    return lambda: call(converted, -1, None)


def _microseconds(call: Thunk) -> float:
    """Return the least time of a call, over batches of about two milliseconds."""
    once = min(seconds(call) for _ in range(50))
    repeats = max(1, round(2e-3 / once))
    with _no_collection():
        return min(seconds(call, repeats) for _ in range(15)) / repeats * 1e6

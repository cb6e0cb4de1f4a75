"""The one list of what is measured: measure x dtype x columns, with data, calls, floor and goal."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import fastent
from bench import floor
from bench.peers import PEERS, Call, as_peer, available

Array = floor.Array
Arrays = tuple[Array, ...]

BLOCK_BYTES = 4 << 20  # of different values; larger arrays repeat them
TOLERANCE = {"float32": 2e-6, "float64": 1e-11}  # relative, ours against the reference
PEER_TOLERANCE = {"float32": 1e-3, "float64": 1e-6}
DTYPES = ("float32", "float64")
LAYOUTS = ("2", "3", "10", "32", "100", "1000", "50257", "10@0", "1000@0")

# (measure, columns) -> ratio to the floor on two threads (float32, float64), then cycles an
# element from L1 (float32, float64): the contract. No entry: the contract is silent.
SHORT_ENTROPY = (2.0, 2.8, 1.6, 4.7)
GOALS: dict[tuple[str, str], tuple[float, float, float, float]] = {
    **{("entropy", columns): SHORT_ENTROPY for columns in ("2", "3", "10", "32", "100")},
    ("entropy", "1000"): (1.5, 2.2, 1.25, 3.3),
    ("cross_entropy", "10"): (1.35, 1.8, 1.65, 4.8),
    ("cross_entropy", "1000"): (1.1, 1.35, 1.6, 3.4),
    ("kl_divergence", "10"): (1.4, 1.65, 2.0, 5.5),
    ("kl_divergence", "1000"): (1.2, 1.6, 1.6, 4.8),
    ("bce_mean_hard", "-"): (1.3, 1.12, 1.75, 1.9),
    ("bce_mean_soft", "-"): (1.7, 1.8, 2.2, 4.6),
}
AXIS_0_FACTOR = 1.5  # what another axis may cost, times the contiguous goal

# ---- data -------------------------------------------------------------------------------------


def _fill(rows: int, dtype: str, make: Callable[[int], Array], row_bytes: int) -> Array:
    """Return `rows` rows in memory of their own: a block of random ones, repeated."""
    some = max(1, min(rows, BLOCK_BYTES // row_bytes))
    block = make(some).astype(dtype)
    array = np.empty((rows, *block.shape[1:]), dtype)
    for start in range(0, rows, some):
        array[start : start + some] = block[: rows - start]
    return array


def distributions(seed: int, nbytes: int, columns: int, dtype: str) -> Array:
    """Rows like those of a softmax: logits from a normal distribution of width 2."""
    rng = np.random.default_rng(seed)

    def make(rows: int) -> Array:
        weights = np.exp(2 * rng.standard_normal((rows, columns), np.float32)).astype(np.float64)
        return np.asarray(weights / weights.sum(axis=1, keepdims=True))

    row_bytes = columns * np.dtype(dtype).itemsize
    return _fill(max(1, nbytes // row_bytes), dtype, make, row_bytes)


def probabilities(seed: int, nbytes: int, dtype: str) -> Array:
    """Predictions of a two-class model: a sigmoid of logits of width 3, none of them 0 or 1."""
    rng = np.random.default_rng(seed)

    def make(count: int) -> Array:
        return np.asarray(1 / (1 + np.exp(-3 * rng.standard_normal(count).clip(-4, 4))))

    itemsize = np.dtype(dtype).itemsize
    return _fill(nbytes // itemsize, dtype, make, itemsize)


def hard_targets(seed: int, prob: Array) -> Array:
    """Targets 0 and 1 that the predictions get right as often as they say."""
    rng = np.random.default_rng(seed)
    some = prob[: BLOCK_BYTES // prob.itemsize]
    block = (rng.random(some.size) < some).astype(prob.dtype)
    targets = np.empty_like(prob)
    for start in range(0, prob.size, block.size):
        targets[start : start + block.size] = block[: prob.size - start]
    return targets


# ---- references in float64 ----------------------------------------------------------------------


def _phi(p: Array, q: Array) -> Array:
    return np.asarray(p * np.log(p / q) - p + q)


def _bce(target: Array, prob: Array) -> Array:
    return np.asarray(-(target * np.log(prob) + (1 - target) * np.log1p(-prob)))


def _picked(labels: Array, table: Array, axis: int) -> Array:
    indices = np.expand_dims(labels.astype(np.int64), axis)
    return np.asarray(-np.log(np.take_along_axis(table, indices, axis).squeeze(axis)))


# ---- measures -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measure:
    """How one measure is made, called, checked and compared."""

    operands: str  # "p", "p q", "labels p": rows; "prob", "hard prob", "soft prob": elements
    ours: Call
    reference: Callable[[Arrays, int], Any]
    peers: str  # a key of PEERS
    writes: bool = False  # one result an element, into a preallocated array


MEASURES: dict[str, Measure] = {
    "entropy": Measure(
        "p",
        lambda a, axis, out: fastent.entropy(*a, axis=axis),
        lambda a, axis: -(a[0] * np.log(a[0])).sum(axis),
        "entropy",
    ),
    "cross_entropy": Measure(
        "p q",
        lambda a, axis, out: fastent.cross_entropy(*a, axis=axis),
        lambda a, axis: -(a[0] * np.log(a[1])).sum(axis),
        "cross_entropy",
    ),
    "kl_divergence": Measure(
        "p q",
        lambda a, axis, out: fastent.kl_divergence(*a, axis=axis),
        lambda a, axis: _phi(*a).sum(axis),
        "kl_divergence",
    ),
    "perplexity": Measure(
        "p",
        lambda a, axis, out: fastent.perplexity(*a, axis=axis),
        lambda a, axis: np.exp(-(a[0] * np.log(a[0])).sum(axis)),
        "perplexity",
    ),
    "log_loss": Measure(
        "labels p",
        lambda a, axis, out: fastent.log_loss(*a, axis=axis),
        lambda a, axis: _picked(a[0], a[1], axis),
        "log_loss",
    ),
    "bce_mean_hard": Measure(
        "hard prob",
        lambda a, axis, out: fastent.binary_cross_entropy(*a, reduction="mean"),
        lambda a, axis: _bce(*a).mean(),
        "binary_cross_entropy_mean",
    ),
    "bce_mean_soft": Measure(
        "soft prob",
        lambda a, axis, out: fastent.binary_cross_entropy(*a, reduction="mean"),
        lambda a, axis: _bce(*a).mean(),
        "binary_cross_entropy_mean",
    ),
    "bce_out": Measure(
        "hard prob",
        lambda a, axis, out: fastent.binary_cross_entropy(*a, out=out),
        lambda a, axis: _bce(*a),
        "binary_cross_entropy",
        writes=True,
    ),
    "surprisal_out": Measure(
        "prob",
        lambda a, axis, out: fastent.surprisal(*a, out=out),
        lambda a, axis: -np.log(a[0]),
        "surprisal",
        writes=True,
    ),
}

# ---- cases --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Job:
    """A case with its data in place: calls without arguments, ready to be timed."""

    case: "Case"
    arrays: Arrays
    ours: Callable[[], Any]
    floor: Callable[[], None]
    peers: dict[str, Callable[[], Any]]
    entries: int  # of one operand; rows for log_loss, which reads one entry of each

    def check(self) -> None:
        """Raise an AssertionError unless ours and the peers agree with float64 NumPy."""
        measure, dtype = MEASURES[self.case.measure], self.case.dtype
        wide = tuple(array.astype(np.float64) for array in self.arrays)
        expected = measure.reference(wide, self.case.axis)
        for name, call in {"fastent": self.ours, **self.peers}.items():
            tolerance = (TOLERANCE if name == "fastent" else PEER_TOLERANCE)[dtype]
            message = f"{name}: {self.case.label} {dtype}"
            found = np.asarray(call())
            np.testing.assert_allclose(
                found, expected, rtol=tolerance, atol=tolerance * 1e-3, err_msg=message
            )


@dataclass(frozen=True)
class Case:
    """One line of the table."""

    measure: str
    dtype: str
    layout: str  # columns; "10@0": ten along axis 0; "-": no rows

    @property
    def axis(self) -> int:
        """Along which a distribution lies."""
        return 0 if self.layout.endswith("@0") else -1

    @property
    def columns(self) -> int:
        """Length of a distribution; 1 where there are none."""
        return 1 if self.layout == "-" else int(self.layout.removesuffix("@0"))

    @property
    def label(self) -> str:
        """Measure and layout, as the table shows them."""
        return f"{self.measure} {self.layout}"

    @property
    def goal(self) -> float | None:
        """Largest ratio to the floor, on two threads, that the contract allows."""
        found = GOALS.get((self.measure, str(self.columns) if self.columns > 1 else "-"))
        factor = AXIS_0_FACTOR if self.axis == 0 else 1.0
        return None if found is None else found[DTYPES.index(self.dtype)] * factor

    @property
    def gate(self) -> float | None:
        """Most cycles an element from L1 that the contract allows."""
        found = GOALS.get((self.measure, self.layout))
        return None if found is None else found[2 + DTYPES.index(self.dtype)]

    def data(self, nbytes: int) -> Arrays:
        """Return the operands, `nbytes` each (labels: one for each row)."""
        operands = MEASURES[self.measure].operands
        if "prob" in operands:
            prob = probabilities(1, nbytes, self.dtype)
            if operands == "hard prob":
                return hard_targets(2, prob), prob
            return (probabilities(2, nbytes, self.dtype), prob) if "soft" in operands else (prob,)
        seeds = (1, 2) if operands == "p q" else (1,)
        arrays = tuple(distributions(seed, nbytes, self.columns, self.dtype) for seed in seeds)
        if self.axis == 0:
            arrays = tuple(np.ascontiguousarray(array.T) for array in arrays)
        if operands != "labels p":
            return arrays
        rows = arrays[0].size // self.columns
        return np.random.default_rng(3).integers(0, self.columns, rows), *arrays

    def job(self, nbytes: int, peers: bool = True) -> Job:
        """Make the data and bind every call to it."""
        measure, arrays = MEASURES[self.measure], self.data(nbytes)
        out = np.zeros_like(arrays[-1]) if measure.writes else None
        reads: Callable[[], None] = partial(floor.read, *arrays, threads=fastent.get_num_threads())
        if out is not None:
            reads = partial(floor.copy, out, *arrays, threads=fastent.get_num_threads())
        elif measure.operands == "labels p":
            reads = partial(floor.pick, arrays[0], arrays[1], self.axis)
        calls: dict[str, Callable[[], Any]] = {}
        for name, call in PEERS[measure.peers].items() if peers else ():
            if name in available():
                inputs = tuple(as_peer(name, array) for array in arrays)
                target = None if out is None else as_peer(name, out)
                calls[name] = partial(call, inputs, self.axis, target)
        entries = arrays[0].size
        ours = partial(measure.ours, arrays, self.axis, out)
        return Job(self, arrays, ours, reads, calls, entries)


def _layouts(measure: str) -> tuple[str, ...]:
    """Return the layouts that say something about a measure."""
    if "prob" in MEASURES[measure].operands:
        return ("-",)
    if measure == "log_loss":  # too few rows to time at 50257
        return tuple(layout for layout in LAYOUTS if layout != "50257")
    return LAYOUTS


CASES = [
    Case(measure, dtype, layout)
    for measure in MEASURES
    for layout in _layouts(measure)
    for dtype in DTYPES
]

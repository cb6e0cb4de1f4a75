"""The one list of what is measured: measure x dtype x columns, with data, calls, floor and goal."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

import fastent
from bench import floor
from bench.data import Array, distributions, hard_targets, has_bfloat16, logits, probabilities
from bench.peers import TOP, Call, as_peer, peer_calls

Arrays = tuple[Array, ...]

HALF = "bfloat16"  # read as it is, computed as float32; of NumPy through ml_dtypes
HALF_MEASURES, HALF_LAYOUTS = ("softmax_cross_entropy", "softmax_entropy"), ("1000", "50257")
PIECE = 1 << 20  # entries of a long row that the reference takes at a time
TOLERANCE = {"float32": 2e-6, "float64": 1e-11, HALF: 2e-6}  # relative, ours against the reference
PEER_TOLERANCE = {"float32": 1e-3, "float64": 1e-6, HALF: 1e-3}
DTYPES = ("float32", "float64")
LAYOUTS = ("2", "3", "10", "32", "100", "1000", "50257", "1e8", "10@0", "1000@0")
LOGITS_LAYOUTS = ("10", "1000", "50257", "128000", "10@0")
SHORT_ROW = 10  # columns, up to which writing the results is worth measuring on its own

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
    ("bce_logits_mean", "-"): (1.2, 1.4, 1.45, 4.0),
    ("softmax_cross_entropy", "1000"): (1.6, 2.2, 1.45, 3.0),
    ("softmax_cross_entropy", "50257"): (1.5, 2.2, 1.35, 2.8),
    ("softmax_entropy", "1000"): (1.65, 2.4, 1.5, 3.2),
    ("softmax_entropy", "50257"): (1.65, 2.4, 1.5, 3.2),
}
AXIS_0_FACTOR = 1.5  # what another axis may cost, times the contiguous goal

# ---- references in float64 ----------------------------------------------------------------------


def _phi(p: Array, q: Array) -> Array:
    return np.asarray(p * np.log(p / q) - p + q)


def _bce(target: Array, prob: Array) -> Array:
    return np.asarray(-(target * np.log(prob) + (1 - target) * np.log1p(-prob)))


def _picked(labels: Array, table: Array, axis: int) -> Array:
    indices = np.expand_dims(labels.astype(np.int64), axis)
    return np.asarray(-np.log(np.take_along_axis(table, indices, axis).squeeze(axis)))


def _log_softmax(logits: Array, axis: int) -> Array:
    shifted = logits - logits.max(axis, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis, keepdims=True)))


def _one_hot(labels: Array, like: Array, axis: int) -> Array:
    """Ones at the labels, which have become floats."""
    places = np.arange(like.shape[axis])
    return np.asarray(np.expand_dims(labels, axis) == (places if axis else places[:, None]))


def _softmax_entropy(logits: Array, axis: int) -> Array:
    log_p = _log_softmax(logits, axis)
    return np.asarray(-(np.exp(log_p) * log_p).sum(axis))


def _softmax_kl_divergence(p: Array, q: Array, axis: int) -> Array:
    log_p, log_q = _log_softmax(p, axis), _log_softmax(q, axis)
    return np.asarray((np.exp(log_p) * (log_p - log_q)).sum(axis))


def _scores(labels: Array, logits: Array, axis: int) -> Array:
    """Stack what score_logits says, in its order."""
    indices = np.expand_dims(labels.astype(np.int64), axis)
    log_p = _log_softmax(logits, axis)
    own = np.take_along_axis(logits, indices, axis)
    largest = np.sort(np.exp(log_p), axis).take([-1, -2], axis)
    first, second = largest.take(0, axis), largest.take(1, axis)
    loss = -np.take_along_axis(log_p, indices, axis).squeeze(axis)
    place, rank = logits.argmax(axis), (logits > own).sum(axis)
    return np.stack([loss, _softmax_entropy(logits, axis), first, first - second, place, rank])


def _top(logits: Array, axis: int) -> Array:
    log_p = np.sort(_log_softmax(logits, axis), axis)
    return np.asarray(log_p.take(range(-1, -1 - TOP, -1), axis))


# ---- measures -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measure:
    """How one measure is made, called, checked and compared."""

    operands: str  # "p", "p q", "labels logits": rows; "prob", "hard prob", ...: elements
    ours: Call
    reference: Callable[[Arrays, int], Any]
    peers: str  # a key of EXPRESSIONS
    join: Callable[..., Any] = np.sum  # how references of the pieces of a row make the whole
    writes: bool = False  # one result an element, into a preallocated array
    results: int = 1  # of a row


MEASURES: dict[str, Measure] = {
    "entropy": Measure(
        "p",
        lambda a, axis, out: fastent.entropy(*a, axis=axis, out=out),
        lambda a, axis: -(a[0] * np.log(a[0])).sum(axis),
        "entropy",
    ),
    "cross_entropy": Measure(
        "p q",
        lambda a, axis, out: fastent.cross_entropy(*a, axis=axis, out=out),
        lambda a, axis: -(a[0] * np.log(a[1])).sum(axis),
        "cross_entropy",
    ),
    "kl_divergence": Measure(
        "p q",
        lambda a, axis, out: fastent.kl_divergence(*a, axis=axis, out=out),
        lambda a, axis: _phi(*a).sum(axis),
        "kl_divergence",
    ),
    "perplexity": Measure(
        "p",
        lambda a, axis, out: fastent.perplexity(*a, axis=axis, out=out),
        lambda a, axis: np.exp(-(a[0] * np.log(a[0])).sum(axis)),
        "perplexity",
        join=np.prod,
    ),
    "log_loss": Measure(
        "labels p",
        lambda a, axis, out: fastent.log_loss(*a, axis=axis, out=out),
        lambda a, axis: _picked(a[0], a[1], axis),
        "log_loss",
    ),
    "softmax_cross_entropy": Measure(
        "labels logits",
        lambda a, axis, out: fastent.softmax_cross_entropy(*a, axis=axis, out=out),
        lambda a, axis: _picked(a[0], np.exp(_log_softmax(a[1], axis)), axis),
        "softmax_cross_entropy",
    ),
    "softmax_cross_entropy_grad": Measure(
        "labels logits",
        lambda a, axis, out: fastent.softmax_cross_entropy_grad(*a, axis=axis, out=out),
        lambda a, axis: np.exp(_log_softmax(a[1], axis)) - _one_hot(a[0], a[1], axis),
        "softmax_cross_entropy_grad",
        writes=True,
    ),
    "softmax_entropy": Measure(
        "logits",
        lambda a, axis, out: fastent.softmax_entropy(*a, axis=axis, out=out),
        lambda a, axis: _softmax_entropy(a[0], axis),
        "softmax_entropy",
    ),
    "softmax_kl_divergence": Measure(
        "logits logits",
        lambda a, axis, out: fastent.softmax_kl_divergence(*a, axis=axis, out=out),
        lambda a, axis: _softmax_kl_divergence(a[0], a[1], axis),
        "softmax_kl_divergence",
    ),
    "softmax": Measure(
        "logits",
        lambda a, axis, out: fastent.softmax(*a, axis=axis, out=out),
        lambda a, axis: np.exp(_log_softmax(a[0], axis)),
        "softmax",
        writes=True,
    ),
    "log_softmax": Measure(
        "logits",
        lambda a, axis, out: fastent.log_softmax(*a, axis=axis, out=out),
        lambda a, axis: _log_softmax(a[0], axis),
        "log_softmax",
        writes=True,
    ),
    "score_logits": Measure(
        "labels logits",
        lambda a, axis, out: fastent.score_logits(*a, axis=axis),
        lambda a, axis: _scores(a[0], a[1], axis),
        "score_logits",
        results=6,
    ),
    "top_log_probs": Measure(
        "logits",
        lambda a, axis, out: fastent.top_log_probs(a[0], TOP, axis=axis).log_probs,
        lambda a, axis: _top(a[0], axis),
        "top_log_probs",
        results=TOP,
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
    "bce_logits_mean": Measure(
        "hard prob-logits",
        lambda a, axis, out: fastent.binary_cross_entropy_with_logits(*a, reduction="mean"),
        lambda a, axis: (np.logaddexp(0, a[1]) - a[0] * a[1]).mean(),
        "binary_cross_entropy_with_logits_mean",
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
    ours_into: Callable[[], Any] | None  # the same into a preallocated array, where rows are short
    floor: Callable[[], None]
    peers: dict[str, Callable[[], Any]]
    entries: int  # of one operand; rows for log_loss, which reads one entry of each

    @cached_property
    def expected(self) -> Array:
        """The result in float64 NumPy; a long row goes by pieces, lest it fill the memory."""
        measure, axis = MEASURES[self.case.measure], self.case.axis

        def reference(arrays: Arrays) -> Array:
            wide = tuple(array.astype(np.float64) for array in arrays)
            return np.asarray(measure.reference(wide, axis))

        if not self.case.is_huge:
            return reference(self.arrays)
        starts = range(0, self.case.columns, PIECE)
        pieces = [reference(tuple(a[:, at : at + PIECE] for a in self.arrays)) for at in starts]
        return np.asarray(measure.join(pieces, axis=0))

    def check(self, name: str, found: Any) -> None:
        """Raise an AssertionError unless a result agrees with float64 NumPy."""
        dtype = self.case.dtype
        tolerance = (TOLERANCE if name == "fastent" else PEER_TOLERANCE)[dtype]
        several = isinstance(found, tuple)
        np.testing.assert_allclose(
            np.stack([np.asarray(part) for part in found]) if several else np.asarray(found),
            self.expected,
            rtol=tolerance,
            atol=tolerance * 1e-3,
            err_msg=f"{name}: {self.case.label} {dtype}",
        )


@dataclass(frozen=True)
class Case:
    """One line of the table."""

    measure: str
    dtype: str
    layout: str  # columns; "1e8": one row; "10@0": ten along axis 0; "-": no rows

    @property
    def axis(self) -> int:
        """Along which a distribution lies."""
        return 0 if self.layout.endswith("@0") else -1

    @property
    def columns(self) -> int:
        """Length of a distribution; 1 where there are none."""
        return 1 if self.layout == "-" else int(float(self.layout.removesuffix("@0")))

    @property
    def is_huge(self) -> bool:
        """Whether it is one row, so long that peers are timed once."""
        return self.columns > 10**7

    @property
    def label(self) -> str:
        """Measure and layout, as the table shows them."""
        return f"{self.measure} {self.layout}"

    @property
    def name(self) -> str:
        """Measure, layout and dtype."""
        return f"{self.label} {self.dtype}"

    @property
    def goal(self) -> float | None:
        """Largest ratio to the floor, on two threads, that the contract allows."""
        found = GOALS.get((self.measure, str(self.columns) if self.columns > 1 else "-"))
        factor = AXIS_0_FACTOR if self.axis == 0 else 1.0
        if found is None or self.dtype not in DTYPES:
            return None
        return found[DTYPES.index(self.dtype)] * factor

    @property
    def gate(self) -> float | None:
        """Most cycles an element from L1 that the contract allows."""
        found = GOALS.get((self.measure, self.layout))
        if found is None or self.dtype not in DTYPES:
            return None
        return found[2 + DTYPES.index(self.dtype)]

    def data(self, nbytes: int) -> Arrays:
        """Return the operands, `nbytes` or one row each (labels: one for each row)."""
        operands = MEASURES[self.measure].operands
        if "prob" in operands:
            prob = probabilities(1, nbytes, self.dtype)
            if "hard" in operands:
                judged = np.log(prob / (1 - prob)) if "logits" in operands else prob
                return hard_targets(2, prob), judged
            return (probabilities(2, nbytes, self.dtype), prob) if "soft" in operands else (prob,)
        seeds = (1, 2) if operands in ("p q", "logits logits") else (1,)
        make = logits if "logits" in operands else distributions
        arrays = tuple(make(seed, nbytes, self.columns, self.dtype) for seed in seeds)
        if self.axis == 0:
            arrays = tuple(np.ascontiguousarray(array.T) for array in arrays)
        if "labels" not in operands:
            return arrays
        rows = arrays[0].size // self.columns
        return np.random.default_rng(3).integers(0, self.columns, rows), *arrays

    def job(self, nbytes: int, peers: tuple[str, ...] = ()) -> Job:
        """Make the data and bind every call to it."""
        measure, arrays = MEASURES[self.measure], self.data(nbytes)
        out = np.zeros_like(arrays[-1]) if measure.writes else None
        ours = partial(measure.ours, arrays, self.axis, out)
        into = None
        if 1 < self.columns <= SHORT_ROW and measure.results == 1 and not measure.writes:
            rows = arrays[-1].size // self.columns
            into = partial(measure.ours, arrays, self.axis, np.zeros(rows, self.dtype))
        calls: dict[str, Callable[[], Any]] = {}
        for name, call in peer_calls(measure.peers, peers).items():
            inputs = tuple(as_peer(name, array) for array in arrays)
            target = None if out is None else as_peer(name, out)
            calls[name] = partial(call, inputs, self.axis, target)
        least = partial(self._read, arrays, out)
        entries = arrays[0 if measure.operands == "labels p" else -1].size
        return Job(self, arrays, ours, into, least, calls, entries)

    def _read(self, arrays: Arrays, out: Array | None) -> None:
        """Do the least that any program must, on as many threads as fastent uses."""
        threads = fastent.get_num_threads()
        if out is not None:
            floor.copy(out, *(a for a in arrays if a.dtype == out.dtype), threads=threads)
        elif MEASURES[self.measure].operands == "labels p":
            floor.pick(arrays[0], arrays[1], self.axis, threads=threads)
        else:
            floor.read(*(a for a in arrays if a.dtype == self.dtype), threads=threads)


def _layouts(measure: str) -> tuple[str, ...]:
    """Return the layouts that say something about a measure."""
    if "prob" in MEASURES[measure].operands:
        return ("-",)
    if "logits" in MEASURES[measure].operands:
        return LOGITS_LAYOUTS
    if measure == "log_loss":  # too few rows to time at 50257 and more
        return tuple(layout for layout in LAYOUTS if layout not in ("50257", "1e8"))
    return LAYOUTS


def _dtypes(measure: str, layout: str) -> tuple[str, ...]:
    """Return the dtypes of a measure's cases; bfloat16 where there is one."""
    half = measure in HALF_MEASURES and layout in HALF_LAYOUTS and has_bfloat16()
    return (*DTYPES, HALF) if half else DTYPES


CASES = [
    Case(measure, dtype, layout)
    for measure in MEASURES
    for layout in _layouts(measure)
    for dtype in _dtypes(measure, layout)
]

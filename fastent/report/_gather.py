"""What is told of the rows of a file, gathered block by block in bounded memory."""

import math
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import fastent
from fastent._arrays import Array
from fastent.cli.summary import Mean, Statistics
from fastent.report._sources import NO_LABEL, Feed, Source

BARS = 40
RELIABILITY_BINS = 15
SURPRISING = 15  # rows
OFF = 1e-3  # from 1, beyond which a row's sum is told of
ILL = 0.5  # share of a file's first rows beyond which they are taken for something else


@dataclass
class Bars:
    """A histogram of bars of one width; what lies above the last is counted in it."""

    low: float
    high: float
    counts: Array = field(default_factory=lambda: np.zeros(BARS, np.int64))
    above: int = 0

    def add(self, values: Array) -> None:
        """Count values that are no NaN."""
        self.above += int(np.count_nonzero(values > self.high))
        inside = (np.clip(values, self.low, self.high) - self.low) / (self.high - self.low)
        places = np.minimum((inside * BARS).astype(np.intp), BARS - 1)
        self.counts += np.bincount(places, minlength=BARS)

    @property
    def edges(self) -> Array:
        """The edges of the bars."""
        return np.linspace(self.low, self.high, BARS + 1)

    @property
    def shares(self) -> Array:
        """The share of the rows in each bar."""
        return np.asarray(self.counts / max(1, self.counts.sum()))


@dataclass
class Distribution:
    """A measure's results: bars, quantiles and mean."""

    name: str
    bars: Bars
    statistics: Statistics = field(default_factory=Statistics)

    def add(self, values: Array) -> None:
        """Take in a block of results."""
        self.statistics.add(values)
        self.bars.add(values[~np.isnan(values)])


@dataclass
class Reliability:
    """How often predictions are right, bin by bin of how sure they are; and the Brier score."""

    logits: bool
    sums: Array = field(default_factory=lambda: np.zeros((3, RELIABILITY_BINS)))
    brier: Array = field(default_factory=lambda: np.zeros(2))
    right: Mean = field(default_factory=Mean)

    def add(self, labels: Array, prob: Array, right: Array) -> None:
        """Take in rows that are distributions, or probabilities of class 1, with their labels."""
        curve = fastent.reliability_curve(labels, prob, bins=RELIABILITY_BINS)
        count = curve.count.astype(np.float64)
        some = count > 0
        self.sums[0] += count
        self.sums[1, some] += (curve.confidence * count)[some]
        self.sums[2, some] += (curve.accuracy * count)[some]
        self.brier += fastent.brier_score(labels, prob, reduction="sum", return_weight=True)
        self.right.add(right)

    @property
    def curve(self) -> tuple[Array, Array, Array]:
        """Mean confidence, share that is right, and count of each bin."""
        with np.errstate(invalid="ignore"):
            return self.sums[1] / self.sums[0], self.sums[2] / self.sums[0], self.sums[0]

    @property
    def error(self) -> float:
        """The expected calibration error."""
        total = self.sums[0].sum()
        return float(np.abs(self.sums[1] - self.sums[2]).sum() / total) if total else math.nan

    @property
    def brier_score(self) -> float:
        """The mean Brier score."""
        return float(self.brier[0] / self.brier[1]) if self.brier[1] else math.nan


@dataclass
class Findings:
    """Everything that is told of one file."""

    name: str
    classes: int
    single: bool
    """Whether a row is one number: the probability of class 1."""
    dtype: str
    unit: str
    distributions: list[Distribution]
    rows: int = 0
    nan_rows: int = 0
    off_rows: int = 0
    unlabelled: int = 0
    reliability: Reliability | None = None
    surprising: list[dict[str, Any]] = field(default_factory=list)
    """The rows of the largest surprise or entropy, the largest first."""


@dataclass(frozen=True)
class Reading:
    """How rows are to be read."""

    base: float | None = None
    logits: bool = False
    normalize: bool = False
    temperature: float = 1.0
    ignore_index: int | None = None
    """The label of rows that have none."""

    @property
    def unit(self) -> str:
        """What entropies are counted in."""
        names = {None: "nats", 2.0: "bits", 10.0: "hartleys"}
        return names.get(self.base, f"base {self.base:g}" if self.base else "nats")


def gather(source: Source, labels: Source | None, reading: Reading) -> Findings:
    """Return what is told of a file."""
    found: Findings | None = None
    feed = None if labels is None else Feed(labels.labels())
    for block in source.rows():
        rows, single = _as_rows(block)
        if found is None or found.rows == 0:
            found = _begin(source, rows, single, labels is not None, reading, str(block.dtype))
        given = None
        if feed is not None:
            given = feed.take(len(rows))
            if len(given) < len(rows):
                raise ValueError(
                    f"{source.path}: has more rows than there are labels, "
                    f"{found.rows + len(given)} in {labels.path if labels else ''}"
                )
            if reading.ignore_index is not None:
                given = np.where(given == reading.ignore_index, NO_LABEL, given)
            _check_labels(given, found, source)
        _take_in(found, rows, given, reading, source)
    if found is None or found.rows == 0:
        raise ValueError(f"{source.path}: there are no rows in it")
    if feed is not None and labels is not None and len(feed.take(1)):
        raise ValueError(f"{labels.path}: has more labels than the {found.rows} rows there are")
    return found


def _as_rows(block: Array) -> tuple[Array, bool]:
    """Return rows of at least two classes: one number is the probability of class 1."""
    if block.dtype.kind != "f":
        block = block.astype(np.float64)
    single = block.ndim == 1 or block.shape[1] == 1
    return (block.reshape(len(block)), True) if single else (block, False)


def _begin(
    source: Source, rows: Array, single: bool, labelled: bool, reading: Reading, dtype: str
) -> Findings:
    """Return findings of no rows yet; the bars lie between the limits of their measures."""
    classes = 2 if single else rows.shape[1]
    unit = 1.0 if reading.base is None else math.log(reading.base)
    most = math.log(classes) / unit if classes > 1 else 1.0
    distributions = [
        Distribution("entropy", Bars(0, most)),
        Distribution("confidence", Bars(0, 1)),
        Distribution("margin", Bars(0, 1)),
    ]
    if labelled:
        distributions.append(Distribution("log loss", Bars(0, 2 * most)))
    found = Findings(source.path.name, classes, single, dtype, reading.unit, distributions)
    if labelled:
        found.reliability = Reliability(reading.logits)
    return found


def _check_labels(labels: Array, found: Findings, source: Source) -> None:
    bad = (labels != NO_LABEL) & ((labels < 0) | (labels >= found.classes))
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(
            f"{source.path}: the label of row {found.rows + row} is {labels[row]}, but there are "
            f"{found.classes} classes, 0 to {found.classes - 1}: --ignore-index {labels[row]} if "
            f"it marks rows that have no label"
        )


def _take_in(
    found: Findings, rows: Array, labels: Array | None, reading: Reading, source: Source
) -> None:
    """Add a block of rows to the findings."""
    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        # rows that are no distributions are counted by their NaN
        warnings.simplefilter("ignore", RuntimeWarning)
        whole, probabilities = _distributions(rows, found, reading)
        sums = probabilities.sum(axis=1, dtype=np.float64)
        off = np.abs(sums - 1) > OFF
        if found.rows == 0:
            _refuse(source, rows, found.single, probabilities, off, reading)
        measures = _measures(whole, probabilities, labels, reading)
    ill = np.isnan(measures["entropy"])
    found.nan_rows += int(np.count_nonzero(ill))
    found.off_rows += int(np.count_nonzero(off & ~ill))
    for distribution in found.distributions:
        distribution.add(measures[distribution.name])
    if labels is not None and found.reliability is not None:
        found.unlabelled += int(np.count_nonzero(labels < 0))
        kept = (labels >= 0) & ~ill & (measures["confidence"] <= 1)
        prob = probabilities[:, 1] if found.single else probabilities
        right = (measures["prediction"] == labels)[kept]
        found.reliability.add(labels[kept], prob[kept], right)
    _keep_surprising(found, measures, labels)
    found.rows += len(rows)


def _distributions(rows: Array, found: Findings, reading: Reading) -> tuple[Array, Array]:
    """Return the logits, if there are, and the probabilities of every class."""
    if reading.logits:
        # log-odds of class 1 are the logits 0 and x
        logits = np.stack([np.zeros_like(rows), rows], axis=1) if found.single else rows
        return logits, fastent.softmax(logits / reading.temperature)
    if found.single:
        wide = rows.astype(np.float64)
        wide = np.where((wide >= 0) & (wide <= 1), wide, np.nan)
        rows = np.stack([1 - wide, wide], axis=1)
    elif reading.normalize:
        rows = rows / rows.sum(axis=1, keepdims=True)
    return rows, rows


def _refuse(
    source: Source, rows: Array, single: bool, probabilities: Array, off: Array, reading: Reading
) -> None:
    """Raise if most of the first rows are no distributions: nothing said of them would be true."""
    if single and not reading.logits:  # of what is outside, the probabilities are NaN by now
        probabilities, off = rows[:, None], rows > 1
    negative = np.asarray((probabilities < 0).any(axis=1))
    ill = negative | off
    if ill.mean() <= ILL:
        return
    row = int(np.argmax(ill))
    if single or negative[row]:
        what = f"holds {probabilities[row].min():g}"
        advice = "logits (--logits)"
    else:
        what = f"sums to {probabilities[row].sum(dtype=np.float64):g}"
        advice = "counts (--normalize), logits (--logits)"
    raise ValueError(
        f"{source.path}: row {row} {what}, so these are no probabilities: say if they are "
        f"{advice}, or no distributions at all (--drift-only, with --with FILE)"
    )


def _measures(
    rows: Array, probabilities: Array, labels: Array | None, reading: Reading
) -> dict[str, Array]:
    """Return the measures of each row; NaN where a row is no distribution."""
    base = reading.base
    if reading.logits:
        target = None if labels is None else np.maximum(labels, 0)
        score = fastent.score_logits(target, rows, base=base, temperature=reading.temperature)
        found = {name: getattr(score, name) for name in ("entropy", "confidence", "margin")}
        found["prediction"] = score.prediction
        loss = score.cross_entropy
    else:
        found = {"entropy": fastent.entropy(probabilities, base=base)}
        ill = np.isnan(found["entropy"])
        found["confidence"] = np.where(ill, np.nan, probabilities.max(axis=1))
        second = np.partition(probabilities, -2, axis=1)[:, -2]
        found["margin"] = found["confidence"] - second
        found["prediction"] = probabilities.argmax(axis=1)
        loss = None
        if labels is not None:
            loss = fastent.log_loss(np.maximum(labels, 0), probabilities, base=base)
            loss = np.where(ill, np.nan, loss)
    if labels is not None:
        found["log loss"] = np.where(labels < 0, np.nan, loss)
        places: Array = np.maximum(labels, 0)
        found["of label"] = np.take_along_axis(probabilities, places[:, None], 1)[:, 0]
    return found


def _keep_surprising(found: Findings, measures: dict[str, Array], labels: Array | None) -> None:
    """Keep the rows of the largest log loss, or entropy where there are no labels."""
    score = measures["entropy" if labels is None else "log loss"].astype(np.float64)
    ranked = np.where(np.isnan(score), -np.inf, score)
    least = -np.inf
    if len(ranked) > SURPRISING:
        least = np.partition(ranked, -SURPRISING)[-SURPRISING]
    near = np.flatnonzero(ranked >= least)  # those that tie with the last too: the first rows stay
    first = near[np.argsort(-ranked[near], kind="stable")[:SURPRISING]]
    for i in first[ranked[first] > -np.inf].tolist():
        entry: dict[str, Any] = {"row": found.rows + i, "score": float(score[i])}
        entry |= {name: float(measures[name][i]) for name in ("entropy", "confidence", "margin")}
        entry["prediction"] = int(measures["prediction"][i])
        if labels is not None:
            entry["label"], entry["of label"] = int(labels[i]), float(measures["of label"][i])
        found.surprising.append(entry)
    found.surprising.sort(key=lambda entry: (-entry["score"], entry["row"]))
    del found.surprising[SURPRISING:]

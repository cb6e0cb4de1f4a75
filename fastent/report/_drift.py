"""Drift between two files: how the shares of each column's bins have changed, the worst first."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

import fastent
from fastent._arrays import Array
from fastent.report._sources import Source

PARTS = 10
MISSING = PARTS + 1  # the bin after one below the least, and one of each tenth
SAMPLE = 1 << 21  # numbers that the edges of the bins are taken from
LEAST_SAMPLE = 1000  # rows


@dataclass(frozen=True)
class Column:
    """How a column has drifted."""

    name: str
    index: float
    """The population stability index."""
    divergence: float
    """The Jensen-Shannon divergence, in bits."""
    chance: float
    """What the index is on average if nothing has changed."""
    edges: Array
    """The least value, where a tenth of the first file has it, else -inf; its deciles."""
    before: Array
    after: Array
    """Shares of the bins, one more than edges, and in the last place of what is missing."""


@dataclass(frozen=True)
class Drift:
    """The columns, those that drifted most first, and what could not be held side by side."""

    columns: list[Column]
    rows: tuple[int, int]
    left_out: list[str]


def find_drift(before: Source, after: Source) -> Drift:
    """Return how each column of numbers that both files have differs.

    The bins hold about a tenth of the first file each: the deciles are those of a sample of rows,
    evenly spread over it, so two reads of the first file and one of the second will do. Where a
    tenth and more has the least value there is, or the largest, what lies beyond has its own bin.
    """
    known = set(after.names())
    names = [name for name in before.names() if name in known]
    if not names:
        raise ValueError(f"{before.path} and {after.path} have no column of numbers in common")
    if before.path.suffix == after.path.suffix == ".npy" and before.names() != after.names():
        raise ValueError(
            f"{before.path} has {len(before.names())} columns, {after.path} {len(known)}"
        )
    left_out = [name for name in (*before.names(), *sorted(known)) if name not in set(names)]
    sample, least_of_all = _sample(before, names)
    edges = [_edges(column, least) for column, least in zip(sample.T, least_of_all, strict=True)]
    first, one = _count(before, names, edges)
    second, two = _count(after, names, edges)
    if not one or not two:
        raise ValueError(f"{(after if one else before).path}: there are no rows in it")
    return Drift(_columns(names, edges, first, second), (one, two), left_out)


def _sample(source: Source, names: Sequence[str]) -> tuple[Array, Array]:
    """Return rows at even distances, and the least number of each column in all rows.

    When the sample grows too large, every other row is let go.
    """
    most = max(LEAST_SAMPLE, SAMPLE // len(names))
    kept: list[Array] = []
    held, step, done = 0, 1, 0
    least = np.full(len(names), np.nan)
    for block in source.numbers(names):
        part = block[-done % step :: step]
        kept.append(part.copy() if step > 1 else part)
        held += len(part)
        done += len(block)
        least = np.fmin(least, np.fmin.reduce(block, axis=0, initial=np.nan))
        while held > most:
            joined = np.concatenate(kept)[::2]
            kept, held, step = [joined], len(joined), 2 * step
    return np.concatenate(kept) if kept else np.empty((0, len(names))), least


def _edges(values: Array, least: float) -> Array:
    """Return the least number of a column, if it is a decile too, else -inf; its deciles."""
    values = values[~np.isnan(values)]
    if values.size == 0 and np.isnan(least):
        return np.empty(0)  # nothing is there: what is in the other file is above it
    if values.size == 0:
        values = np.array([least])
    shares = np.arange(1, PARTS) / PARTS
    deciles = np.unique(np.quantile(values, shares, method="inverted_cdf"))
    return np.array([least if deciles[0] == least else -np.inf, *deciles])


def _count(source: Source, names: Sequence[str], edges: Sequence[Array]) -> tuple[Array, int]:
    """Return the counts of each column's bins, the last for what is missing; and of the rows."""
    counts = np.zeros((len(names), MISSING + 1), np.int64)
    rows = 0
    for block in source.numbers(names):
        rows += len(block)
        for count, column, inner in zip(counts, block.T, edges, strict=True):
            # a bin reaches up to its upper edge, so that a value often found has one of its own
            places = np.searchsorted(inner[1:], column, side="left")
            places += ~(column < inner[:1]) if inner.size else 0
            places[np.isnan(column)] = MISSING
            count += np.bincount(places, minlength=MISSING + 1)
    return counts, rows


def _columns(
    names: Sequence[str], edges: Sequence[Array], first: Array, second: Array
) -> list[Column]:
    """Return the columns, the largest index first."""
    index = fastent.population_stability_index(first, second)
    divergence = fastent.js_divergence(first, second, base=2, normalize=True)
    total, other = first[0].sum(), second[0].sum()
    # of an index times 1 / (1/n + 1/m), chance alone makes a chi-squared of bins - 1
    used = ((first + second) > 0).sum(axis=1)
    chance = (used - 1) * (1 / total + 1 / other)
    found = [
        Column(
            name,
            float(index[i]),
            float(divergence[i]),
            float(chance[i]),
            edges[i],
            first[i] / total,
            second[i] / other,
        )
        for i, name in enumerate(names)
    ]
    return sorted(found, key=lambda column: -column.index)

"""Time all pairs of rows against what one would write with NumPy, SciPy and scikit-learn.

python -m bench.pairs [--rows 2000] [--columns 256] [--nearest 20000] [--rounds 7]

All run once a round, one after the other. The quartile and median of their times are printed, and
of their ratios to fastent's in the same round; then the largest error of each, of the result's
size, against the row function in float64. A star: a tenth of the rows of P were timed, times ten.
"""

import argparse
import importlib
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import fastent

Array = np.ndarray[Any, Any]
SHARE = 10  # slow peers take a tenth of the rows of P
NEAREST = 10
STRIP = 500  # rows of P whose divergences are held at a time, where only the nearest are wanted
CHECKED = 40  # rows of P whose results are compared


def matrix_form(p: Array, q: Array) -> Array:
    """Return KL as one writes it in NumPy."""
    return np.asarray((p * np.log(p)).sum(1)[:, None] - p @ np.log(q).T)


def cross_entropies(p: Array, q: Array) -> Array:
    """Return cross entropies as one writes them in NumPy."""
    return np.asarray(-(p @ np.log(q).T))


def rel_entr(p: Array, q: Array) -> Array:
    """Return KL by SciPy, row by row of p."""
    special = importlib.import_module("scipy.special")
    return np.stack([special.rel_entr(row, q).sum(1) for row in p])


def cdist(p: Array, q: Array) -> Array:
    """Return the divergence whose root SciPy's distance is."""
    distance = importlib.import_module("scipy.spatial.distance")
    return np.asarray(distance.cdist(p, q, "jensenshannon")) ** 2


def scikit_learn(p: Array, q: Array) -> Array:
    """Return KL by scikit-learn, which calls a function for each pair."""
    special = importlib.import_module("scipy.special")
    metrics = importlib.import_module("sklearn.metrics")
    return np.asarray(
        metrics.pairwise_distances(p, q, metric=lambda x, y: special.rel_entr(x, y).sum())
    )


def nearest_by_strips(p: Array, q: Array) -> Array:
    """Return the places of the nearest by NumPy, from a strip of the matrix at a time."""
    logs, places = np.log(q).T, []
    for start in range(0, len(p), STRIP):
        some = p[start : start + STRIP]
        strip = (some * np.log(some)).sum(1)[:, None] - some @ logs
        first = np.argpartition(strip, NEAREST, axis=1)[:, :NEAREST]
        order = np.argsort(np.take_along_axis(strip, first, 1), axis=1)
        places.append(np.take_along_axis(first, order, 1))
    return np.concatenate(places)


# name: fastent, its function of rows, peers, and the peers that take a share of the rows
CASES: dict[str, tuple[Callable[..., Any], Callable[..., Any], dict[str, Any], dict[str, Any]]] = {
    "KL": (
        fastent.pairwise_kl_divergence,
        fastent.kl_divergence,
        {"NumPy": matrix_form},
        {"rel_entr": rel_entr, "scikit-learn": scikit_learn},
    ),
    "cross entropy": (
        fastent.pairwise_cross_entropy,
        fastent.cross_entropy,
        {"NumPy": cross_entropies},
        {},
    ),
    "Jensen-Shannon": (
        fastent.pairwise_js_divergence,
        fastent.js_divergence,
        {},
        {"cdist": cdist},
    ),
}


def rounds_of(calls: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Return the times of all calls, made in turns; the first round does not count."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for i in range(rounds + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if i:
                times[name].append(time.perf_counter() - start)
    return times


def print_times(title: str, times: dict[str, list[float]], notes: dict[str, str]) -> None:
    """Print a line a call; the first one is fastent's."""
    print(title)
    ours = times["fastent"]
    for name, spent in times.items():
        star = "*" if name in notes and notes[name].startswith("*") else ""
        factor = SHARE if star else 1
        low, middle = np.quantile(spent, (0.25, 0.5)) * factor
        ratios = np.array(spent) * factor / np.array(ours)
        first, second = np.quantile(ratios, (0.25, 0.5))
        print(
            f"  {name + star:14} {low:9.4f} {middle:9.4f} s   x {first:7.2f} {second:7.2f}   "
            f"{notes.get(name, '').lstrip('*')}",
            flush=True,
        )


def largest_error(found: Any, p: Array, q: Array, rows: Callable[..., Any]) -> str:
    """Return the largest error of the first rows' results, of their size."""
    some = p[:CHECKED, None].astype(np.float64)
    true = rows(some, q.astype(np.float64))
    return f"error {np.max(np.abs(found[:CHECKED] - true) / true):.1e}"


def softmax_rows(seed: int, rows: int, columns: int, dtype: str, width: float) -> Array:
    """Rows of a softmax of logits of this width about a slope, no two of them alike."""
    rng = np.random.default_rng(seed)
    logits = width * rng.standard_normal((rows, columns)) + np.linspace(0, 2, columns)
    weights = np.exp(logits)
    return np.asarray((weights / weights.sum(1, keepdims=True)).astype(dtype))


def print_pairs(rows: int, columns: int, dtype: str, rounds: int) -> None:
    """Print the measures of all pairs of different rows, and of rows that are near."""
    few = max(CHECKED, rows // SHARE)
    for kind, width in {"": 2.0, ", near rows": 0.01}.items():
        left, right = (softmax_rows(seed, rows, columns, dtype, width) for seed in (1, 2))
        for name, (ours, by_rows, peers, slow) in CASES.items():
            calls: dict[str, Callable[[], Any]] = {"fastent": partial(ours, left, right)}
            calls |= {peer: partial(call, left, right) for peer, call in peers.items()}
            if not kind:
                calls["row function"] = partial(by_rows, left[:few, None], right)
                calls |= {peer: partial(call, left[:few], right) for peer, call in slow.items()}
            stars = {"row function", *slow}
            if "scikit-learn" in calls:  # microseconds a pair: the time of a few of them
                calls["scikit-learn"] = partial(scikit_learn, left[:CHECKED], right[:few])
            notes = {}
            for peer, call in calls.items():
                if peer == "scikit-learn":
                    notes[peer] = f"{CHECKED} x {few} pairs, times {rows * rows // CHECKED // few}"
                    continue
                star = "*" if peer in stars else ""
                notes[peer] = star + largest_error(call(), left, right, by_rows)
            times = rounds_of(calls, rounds)
            if "scikit-learn" in times:
                factor = rows * rows / CHECKED / few
                times["scikit-learn"] = [spent * factor for spent in times["scikit-learn"]]
            print_times(f"{name}{kind}, {rows} x {rows} x {columns}, {dtype}", times, notes)


def print_nearest(rows: int, columns: int, dtype: str, rounds: int) -> None:
    """Print the search for the nearest rows."""
    p, q = (softmax_rows(seed, rows, columns, dtype, 2.0) for seed in (1, 2))
    calls: dict[str, Callable[[], Any]] = {
        "fastent": partial(fastent.pairwise_kl_divergence, p, q, k_nearest=NEAREST),
        "NumPy": partial(nearest_by_strips, p, q),
    }
    title = f"KL, {NEAREST} nearest, {rows} x {rows} x {columns}, {dtype}"
    print_times(title, rounds_of(calls, rounds), {})


def main(options: argparse.Namespace) -> None:
    """Print every case."""
    print("lower quartile and median; x: over fastent in the same round")
    for dtype in ("float32", "float64"):
        print_pairs(options.rows, options.columns, dtype, options.rounds)
    for dtype in ("float32", "float64"):
        if options.nearest:
            print_nearest(options.nearest, options.columns, dtype, min(3, options.rounds))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--columns", type=int, default=256)
    parser.add_argument("--nearest", type=int, default=20000, help="rows; 0: leave that out")
    parser.add_argument("--rounds", type=int, default=7)
    main(parser.parse_args())

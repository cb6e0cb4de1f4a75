"""Time the divergences and entropies beside the main four: ``python -m bench.family``.

Each over reading its operands once, beside what one writes with SciPy or NumPy today, in the
same rounds: lower quartile (and median) of the ratios. Results are checked first.
"""

import argparse
import statistics
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.spatial.distance import jensenshannon
from scipy.special import rel_entr

import fastent as fe
from bench import floor
from bench.timing import no_collection, seconds

Array = Any
PEER_MEBIBYTES = 4  # of each operand, for peers: they are slower by far
TOLERANCE = {"float32": 2e-4, "float64": 1e-9}


class Case(NamedTuple):
    """Ours and a peer's, as functions of two arrays of distributions and labels."""

    operands: int  # arrays that are read
    ours: Callable[[Array, Array, Array], Any]
    peer: Callable[[Array, Array, Array], Any]
    name: str


def _shares(x: Array) -> Array:
    return x / x.sum(-1, keepdims=True) + 1e-4


def _index(p: Array, q: Array, _: Array) -> Any:
    a, b = _shares(p), _shares(q)
    return ((a - b) * np.log(a / b)).sum(-1)


def _brier(p: Array, _: Array, labels: Array) -> Any:
    return ((p - np.eye(p.shape[-1], dtype=p.dtype)[labels]) ** 2).sum(-1)


CASES: dict[str, Case] = {
    "js_divergence": Case(
        2,
        lambda p, q, _: fe.js_divergence(p, q),
        lambda p, q, _: jensenshannon(p, q, axis=-1) ** 2,
        "scipy",
    ),
    "jeffreys_divergence": Case(
        2,
        lambda p, q, _: fe.jeffreys_divergence(p, q),
        lambda p, q, _: (rel_entr(p, q) + rel_entr(q, p)).sum(-1),
        "scipy",
    ),
    "hellinger_distance": Case(
        2,
        lambda p, q, _: fe.hellinger_distance(p, q),
        lambda p, q, _: np.sqrt(((np.sqrt(p) - np.sqrt(q)) ** 2).sum(-1) / 2),
        "numpy",
    ),
    "total_variation_distance": Case(
        2,
        lambda p, q, _: fe.total_variation_distance(p, q),
        lambda p, q, _: np.abs(p - q).sum(-1) / 2,
        "numpy",
    ),
    "population_stability_index": Case(
        2, lambda p, q, _: fe.population_stability_index(p, q), _index, "numpy"
    ),
    "renyi_entropy": Case(
        1,
        lambda p, q, _: fe.renyi_entropy(p, 1.5),
        lambda p, q, _: np.log((p**1.5).sum(-1)) / -0.5,
        "numpy",
    ),
    "tsallis_entropy": Case(
        1,
        lambda p, q, _: fe.tsallis_entropy(p, 1.5),
        lambda p, q, _: (1 - (p**1.5).sum(-1)) / 0.5,
        "numpy",
    ),
    "renyi_divergence": Case(
        2,
        lambda p, q, _: fe.renyi_divergence(p, q, 1.5),
        lambda p, q, _: np.log((p**1.5 * q**-0.5).sum(-1)) / 0.5,
        "numpy",
    ),
    "brier_score": Case(1, lambda p, q, labels: fe.brier_score(labels, p), _brier, "numpy"),
}


def draw(dtype: str, columns: int, mebibytes: float) -> tuple[Array, Array, Array]:
    """Return two arrays of distributions of so many bytes each, and labels."""
    generator = np.random.default_rng(0)
    rows = max(1, int(mebibytes * 2**20) // (np.dtype(dtype).itemsize * columns))
    block = min(rows, max(1, 2**20 // columns))
    weights = np.exp(2 * generator.standard_normal((2, block, columns)))
    p, q = (weights / weights.sum(-1, keepdims=True)).astype(dtype)
    repeats = -(-rows // block)
    labels = generator.integers(columns, size=rows)
    return np.tile(p, (repeats, 1))[:rows], np.tile(q, (repeats, 1))[:rows], labels


def ratios(case: Case, dtype: str, columns: int, options: argparse.Namespace) -> str:
    """Return a line's figures: ours over the floor, the peer over the floor of its own array."""
    large = draw(dtype, columns, options.mebibytes)
    small = tuple(x[: max(1, len(x) * PEER_MEBIBYTES // int(options.mebibytes))] for x in large)
    got, want = (np.asarray(f(*small), float) for f in (case.ours, case.peer))
    np.testing.assert_allclose(got, want, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype] / 100)
    ours, peers = [], []
    scale = len(large[0]) / len(small[0])
    with no_collection():
        for number in range(options.rounds + 1):
            read = seconds(lambda: floor.read(*large[: case.operands], threads=options.threads))
            mine = seconds(lambda: case.ours(*large))
            if number == 0:
                continue
            ours.append(mine / read)
            if number <= 3:
                peers.append(seconds(lambda: case.peer(*small)) * scale / read)
    low = statistics.quantiles(ours, n=4)[0]
    return f"{low:7.2f} {statistics.median(ours):7.2f} {min(peers):9.1f}  {case.name}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.family", description=__doc__)
    parser.add_argument("--measures", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--columns", nargs="+", type=int, default=[10, 1000])
    parser.add_argument("--dtype", nargs="+", choices=TOLERANCE, default=list(TOLERANCE))
    parser.add_argument("--mebibytes", type=float, default=64)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    fe.set_num_threads(options.threads)
    print(f"time over reading the operands once, {options.threads} threads; peers have one")
    print(f"{'measure':28}{'dtype':9}{'columns':>8}     low  median      peer")
    for name in options.measures:
        for dtype in options.dtype:
            for columns in options.columns:
                figures = ratios(CASES[name], dtype, columns, options)
                print(f"{name:28}{dtype:9}{columns:8} {figures}", flush=True)


if __name__ == "__main__":
    main()

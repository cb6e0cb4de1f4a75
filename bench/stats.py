"""Time fastent.stats.entropy beside scipy.stats.entropy: ``python -m bench.stats``.

Both see the same array in the same rounds; ours and theirs are the lower quartiles of their times,
and the ratio is that of each round: lower quartile and median. Results are checked first.
``--markdown`` prints the table of docs/drop_in.md.
"""

import argparse
import statistics
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import entropy as scipys

import fastent as fe
from bench.timing import no_collection, seconds
from fastent.stats import entropy

Array = Any
TOLERANCE = {"float32": 1e-4, "float64": 1e-9}
SHORTEST = 0.002  # seconds of a round: quick calls are repeated until it is that long
PEER_SECONDS = 20  # a peer that has taken so long sits out the other rounds


class Shape(NamedTuple):
    """An array, and along which of its axes the distributions lie."""

    rows: int
    columns: int
    axis: int

    def __str__(self) -> str:
        """Return how the table calls it."""
        if self.rows == 1:
            return f"one row of {self.columns:.0e}".replace("e+0", "e")
        where = ", along axis 0" if self.axis == 0 else ""
        return f"{self.rows:.0e} rows of {self.columns}{where}".replace("e+0", "e")


SHAPES = (
    Shape(1, 10, 0),
    Shape(1, 1000, 0),
    Shape(1, 10**6, 0),
    Shape(1, 10**8, 0),
    Shape(10**6, 2, 1),
    Shape(10**6, 10, 1),
    Shape(10**4, 1000, 1),
    Shape(10**6, 10, 0),
)


class Times(NamedTuple):
    """Seconds of a call of ours and of theirs, and theirs over ours, round by round."""

    ours: float
    theirs: float
    low: float
    median: float


def draw(shape: Shape, dtype: str) -> tuple[Array, Array]:
    """Return two arrays of weights."""
    generator = np.random.default_rng(0)
    size = (shape.rows, shape.columns) if shape.axis else (shape.columns, shape.rows)
    block = generator.random((2, min(shape.rows * shape.columns, 1 << 20))).astype(dtype)
    first, second = (np.resize(one, size) for one in block)
    return (first.ravel(), second.ravel()) if shape.rows == 1 else (first, second)


def repeats_of(call: Callable[[], Any]) -> int:
    """Return how often a call is made in a round, and make it once or twice before."""
    call()
    return max(1, int(SHORTEST / max(1e-9, seconds(call))))


def measure(first: Array, second: Array | None, axis: int, rounds: int) -> Times:
    """Check ours against theirs, and time both."""

    def ours() -> Any:
        return entropy(first, second, axis=axis)

    def theirs() -> Any:
        return scipys(first, second, axis=axis)

    tolerance = TOLERANCE[first.dtype.name]
    np.testing.assert_allclose(ours(), theirs(), rtol=tolerance, atol=tolerance)
    mine, other = [], []
    with no_collection():
        counts = repeats_of(ours), repeats_of(theirs)
        for _ in range(rounds):
            mine.append(seconds(ours, counts[0]) / counts[0])
            other.append(seconds(theirs, counts[1]) / counts[1])
            if sum(other) > PEER_SECONDS and len(other) >= 2:
                break
    ratios = [b / a for a, b in zip(mine, other, strict=True)]
    low = [float(np.quantile(values, 0.25)) for values in (mine, other, ratios)]
    return Times(low[0], low[1], low[2], statistics.median(ratios))


def shown(duration: float) -> str:
    """Return a time with its unit."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if duration >= size:
            return f"{duration / size:.3g} {unit}"
    return f"{duration * 1e6:.3g} µs"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.stats", description=__doc__)
    parser.add_argument("--dtype", nargs="+", choices=TOLERANCE, default=list(TOLERANCE))
    parser.add_argument("--most", type=float, default=1e8, help="leave out larger arrays")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--markdown", action="store_true", help="a table for the documentation")
    options = parser.parse_args(arguments)
    fe.set_num_threads(options.threads)
    heads = ("call", "array", "dtype", "fastent", "SciPy", "times as fast", "median")
    if options.markdown:
        print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    else:
        print(f"{options.threads} threads; SciPy has one")
    for shape in SHAPES:
        if shape.rows * shape.columns > options.most:
            continue
        for dtype in options.dtype:
            first, second = draw(shape, dtype)
            for call, other in (("entropy(p)", None), ("entropy(p, q)", second)):
                found = measure(first, other, shape.axis, options.rounds)
                cells = [call, str(shape), dtype, shown(found.ours), shown(found.theirs)]
                cells += [f"{found.low:.1f}", f"{found.median:.1f}"]
                if options.markdown:
                    print(f"| {' | '.join(cells)} |", flush=True)
                else:
                    print(f"{cells[0]:14}{cells[1]:30}" + "".join(f"{c:>11}" for c in cells[2:]))


if __name__ == "__main__":
    main()

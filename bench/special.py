"""Time fastent.special beside SciPy's originals: ``python -m bench.special``.

A call into a preallocated array, if the function takes one, ours and theirs in turns in the same
rounds; nanoseconds an element, lower quartile and median, and SciPy's time over ours. Results are
checked first. SciPy has one thread.
"""

import argparse
import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.special as theirs

import fastent as fe
import fastent.special as ours
from bench.timing import no_collection, seconds

Array = Any
ROW = 1000  # entries of a row of softmax, log_softmax and logsumexp, where there are as many
TOLERANCE = {"float32": 1e-5, "float64": 1e-12}
BATCH = 1e-3  # seconds that a timing of short calls takes
SIZES = (10, 1000, 100_000, 10_000_000)
HUGE = 100_000_000


class Case(NamedTuple):
    """One function of both libraries, its arguments, and its keywords."""

    name: str
    draw: Callable[[np.random.Generator, int], tuple[Array, ...]]
    keywords: dict[str, Any]
    weighted: bool = False  # the second argument is b of logsumexp


def _probabilities(rng: np.random.Generator, n: int) -> tuple[Array, ...]:
    return (rng.random(n) + 1e-9,)


def _pairs(rng: np.random.Generator, n: int) -> tuple[Array, ...]:
    return (rng.random(n) + 1e-9, rng.random(n) + 1e-9)


def _logits(rng: np.random.Generator, n: int) -> tuple[Array, ...]:
    return (5 * rng.standard_normal(n),)


def _rows(rng: np.random.Generator, n: int) -> tuple[Array, ...]:
    return (5 * rng.standard_normal((max(1, n // ROW), min(n, ROW))),)


def _weighted_rows(rng: np.random.Generator, n: int) -> tuple[Array, ...]:
    (rows,) = _rows(rng, n)
    return rows, rng.uniform(-0.5, 1, rows.shape)


CASES = {
    "entr": Case("entr", _probabilities, {}),
    "rel_entr": Case("rel_entr", _pairs, {}),
    "kl_div": Case("kl_div", _pairs, {}),
    "xlogy": Case("xlogy", _pairs, {}),
    "xlog1py": Case("xlog1py", _pairs, {}),
    "expit": Case("expit", _logits, {}),
    "log_expit": Case("log_expit", _logits, {}),
    "softmax": Case("softmax", _rows, {"axis": 1}),
    "log_softmax": Case("log_softmax", _rows, {"axis": 1}),
    "logsumexp": Case("logsumexp", _rows, {"axis": 1}),
    "logsumexp, b": Case("logsumexp", _weighted_rows, {"axis": 1, "return_sign": True}, True),
}


class Figures(NamedTuple):
    """Nanoseconds an element: lower quartile and median of ours, of theirs; the ratio paired."""

    ours: tuple[float, float]
    theirs: tuple[float, float]
    times_faster: float


def call_of(case: Case, library: Any, arrays: tuple[Array, ...]) -> Callable[[], Any]:
    """Return the call that is timed."""
    function = getattr(library, case.name)
    if isinstance(function, np.ufunc):
        out = np.empty_like(arrays[0])
        return lambda: function(*arrays, out=out)
    if case.weighted:
        return lambda: function(arrays[0], b=arrays[1], **case.keywords)
    return lambda: function(*arrays, **case.keywords)


def draw(case: Case, dtype: str, size: int) -> tuple[Array, ...]:
    """Return the arguments: a block of at most 1e6 elements, repeated."""
    block = min(size, 1_000_000)
    arrays = case.draw(np.random.default_rng(0), block)
    repeats = -(-size // block)
    return tuple(
        np.tile(a.astype(dtype), (repeats,) + (1,) * (a.ndim - 1))
        if repeats > 1
        else a.astype(dtype)
        for a in arrays
    )


def _parts(result: Any) -> tuple[Any, ...]:
    """Return several results, or the one there is."""
    return result if isinstance(result, tuple) else (result,)


def measure(case: Case, dtype: str, size: int, rounds: int) -> Figures:
    """Check the results, then time both in turns."""
    arrays = draw(case, dtype, size)
    mine, other = call_of(case, ours, arrays), call_of(case, theirs, arrays)
    tolerance = TOLERANCE[dtype]
    for got, want in zip(_parts(mine()), _parts(other()), strict=True):
        np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)
    with no_collection():
        repeats = max(1, int(BATCH / max(seconds(mine), 1e-9)))
        times = [(seconds(mine, repeats), seconds(other, repeats)) for _ in range(rounds + 1)][1:]
    scale = 1e9 / repeats / arrays[0].size

    def figures(of: int) -> tuple[float, float]:
        values = [pair[of] * scale for pair in times]
        return statistics.quantiles(values, n=4)[0], statistics.median(values)

    return Figures(figures(0), figures(1), statistics.median(b / a for a, b in times))


def cases(options: argparse.Namespace) -> Iterator[tuple[str, str, list[tuple[str, Figures]]]]:
    """Yield the figures of a function and dtype, for each size and number of threads."""
    for name in options.functions:
        for dtype in options.dtype:
            found = []
            for size, threads in columns(options):
                fe.set_num_threads(threads)
                rounds = options.rounds if size < HUGE else 3
                figures = measure(CASES[name], dtype, size, rounds)
                found.append((called(size, threads), figures))
            yield name, dtype, found


def columns(options: argparse.Namespace) -> list[tuple[int, int]]:
    """Return the sizes, with each number of threads."""
    sizes = [*options.sizes, *([HUGE] if options.huge else [])]
    return [(size, threads) for size in sizes for threads in options.threads]


def called(size: int, threads: int) -> str:
    """Return what a size and a number of threads are called."""
    return f"{size:.0e}".replace("e+0", "e") + (f", {threads} threads" if threads > 1 else "")


def print_markdown(options: argparse.Namespace) -> None:
    """Print SciPy's time over ours, a line for a function and dtype."""
    titles = ["function", "dtype", *(called(*each) for each in columns(options))]
    print("|", " | ".join(titles), "|")
    print("|", " | ".join(["---"] * len(titles)), "|")
    for name, dtype, found in cases(options):
        cells = [f"{figures.times_faster:.1f}" for _, figures in found]
        print("|", " | ".join([f"`{name}`", dtype, *cells]), "|", flush=True)


def print_lines(options: argparse.Namespace) -> None:
    """Print nanoseconds an element, a line for each size too."""
    print("nanoseconds an element, lower quartile and median; SciPy has one thread\n")
    headings = ("function", "dtype", "elements", "fastent", "SciPy", "times faster")
    widths = (14, 8, 16, 13, 13, 12)
    print(" ".join(title.ljust(w) for title, w in zip(headings, widths, strict=True)))
    for name, dtype, found in cases(options):
        for elements, figures in found:
            mine, other = ("{:.2f} {:.2f}".format(*each) for each in figures[:2])
            cells = (name, dtype, elements, mine, other, f"{figures.times_faster:.1f}")
            line = " ".join(cell.ljust(w) for cell, w in zip(cells, widths, strict=True))
            print(line, flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.special", description=__doc__)
    parser.add_argument("--functions", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--dtype", nargs="+", choices=TOLERANCE, default=["float32", "float64"])
    parser.add_argument("--sizes", nargs="+", type=int, default=list(SIZES))
    parser.add_argument(
        "--huge", action="store_true", help="1e8 elements too: up to 5 GB of memory"
    )
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--markdown", action="store_true", help="as a table of the documentation")
    options = parser.parse_args(arguments)
    if options.markdown:
        print_markdown(options)
    else:
        print_lines(options)


if __name__ == "__main__":
    main()

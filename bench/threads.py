"""Print what threads gain: the time of one over that of several, by size.

python -m bench.threads [--threads 2]
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import fastent
from bench.data import distributions

SIZES = (100, 1_000, 10_000, 100_000, 300_000, 1_000_000, 10_000_000, 100_000_000)
OUT: np.ndarray[Any, Any] = np.zeros(SIZES[-1], np.float32)
CALLS: dict[str, Callable[..., Any]] = {
    "entropy": fastent.entropy,
    "entropy mean": lambda p: fastent.entropy(p, reduction="mean"),
    "surprisal": lambda p: fastent.surprisal(p, out=OUT[: p.size].reshape(p.shape)),
}


def seconds(call: Callable[[], Any], repeats: int) -> float:
    """Return the time of one of `repeats` calls in a row."""
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats


def main(threads: int) -> None:
    """Print a line a size and row length."""
    print(f"{'entries':>10} {'columns':>7}  one thread, us; lower quartile and median of its time")
    print(f"{'':>18}  over that of {threads}: {', '.join(CALLS)}")
    for columns in (10, 1000):
        for size in SIZES:
            p = distributions(1, 4 * max(size, columns), columns, "float32")
            cells = []
            for call in CALLS.values():
                repeats = max(1, 300_000 // size)
                ones, ratios = [], []
                work = partial(call, p)
                for _ in range(15):
                    fastent.set_num_threads(1)
                    ones.append(seconds(work, repeats))
                    fastent.set_num_threads(threads)
                    ratios.append(ones[-1] / seconds(work, repeats))
                low, middle = np.quantile(ratios, (0.25, 0.5))
                cells.append(f"{np.median(ones) * 1e6:10.1f} {low:4.2f} {middle:4.2f}")
            print(f"{p.size:10} {columns:7}  {'  '.join(cells)}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    main(parser.parse_args().threads)

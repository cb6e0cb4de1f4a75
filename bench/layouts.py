"""Print what other layouts and dtypes cost: over reading their bytes, and over the plain array.

python -m bench.layouts [--mebibytes 64] [--threads 1]
"""

import argparse
import importlib.util
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import fastent
from bench import floor
from bench.data import distributions, probabilities

Array = floor.Array
ROUNDS = 7


def unaligned(array: Array) -> Array:
    """Return a copy one byte off."""
    raw: Array = np.empty(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
    raw[...] = array
    return raw


LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "plain": lambda a: a,
    "fortran": np.asfortranarray,
    "byte-swapped": lambda a: a.astype(a.dtype.newbyteorder()),
    "unaligned": unaligned,
    "reversed": lambda a: a[::-1, ::-1],
    "every second": lambda a: np.repeat(a, 2, axis=1)[:, ::2],
    "float16": lambda a: a.astype(np.float16),
}
HALVES = ["float16"]
if importlib.util.find_spec("ml_dtypes"):
    import ml_dtypes

    LAYOUTS["bfloat16"] = lambda a: a.astype(ml_dtypes.bfloat16)
    HALVES.append("bfloat16")
CALLS: dict[str, Callable[..., Any]] = {
    "entropy": lambda p, q: fastent.entropy(p),
    "kl_divergence": fastent.kl_divergence,
    "entropy mean": lambda p, q: fastent.entropy(p, reduction="mean"),
}
TARGETS = ("bool", "uint8", "int8", "int32", "int64", "float32", "float64")


def lower_quartile(ours: Callable[[], Any], base: Callable[[], Any]) -> float:
    """Return the lower quartile of the ratios of two times, round by round."""
    ratios = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        base()
        middle = time.perf_counter()
        ours()
        ratios.append((time.perf_counter() - middle) / (middle - start))
    return float(np.quantile(ratios, 0.25))


def reading(*arrays: Array) -> Callable[[], None]:
    """Return a call that reads as many bytes as the entries of these arrays take."""
    same = [np.ones(array.nbytes // 4, np.float32) for array in arrays]

    def read() -> None:
        for array in same:
            floor.read(array, threads=fastent.get_num_threads())

    return read


def print_layouts(nbytes: int) -> None:
    """Print a line a layout, column count and dtype."""
    print(f"{'layout':13} {'columns':>7} {'dtype':8}  over reading / plain: {', '.join(CALLS)}")
    for columns in (10, 1000):
        for dtype in ("float32", "float64"):
            plain = [distributions(seed, nbytes, columns, dtype) for seed in (1, 2)]
            for name, make in LAYOUTS.items():
                if name in HALVES and dtype == "float64":
                    continue
                arrays = [make(array) for array in plain]
                cells = []
                for call, function in CALLS.items():
                    ours = partial(function, *arrays)
                    read = reading(*arrays[: 2 if call == "kl_divergence" else 1])
                    ratio = lower_quartile(ours, read)
                    over = lower_quartile(ours, partial(function, *plain))
                    cells.append(f"{ratio:5.2f} / {over:4.2f}")
                print(f"{name:13} {columns:7} {dtype:8}  {'   '.join(cells)}", flush=True)


def print_targets(nbytes: int) -> None:
    """Print a line a dtype of targets of the binary cross entropy's mean."""
    print(f"\n{'targets':13} {'prob':8}  mean of binary_cross_entropy over reading both")
    for dtype in ("float32", "float64"):
        prob = probabilities(1, nbytes, dtype)
        hard = np.random.default_rng(2).random(prob.size) < prob
        for kind in TARGETS:
            target = hard.astype(kind)
            ours = partial(fastent.binary_cross_entropy, target, prob, reduction="mean")
            print(f"{kind:13} {dtype:8}  {lower_quartile(ours, reading(target, prob)):5.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mebibytes", type=float, default=64)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    fastent.set_num_threads(options.threads)
    print_layouts(int(options.mebibytes * 2**20))
    print_targets(int(options.mebibytes * 2**20))

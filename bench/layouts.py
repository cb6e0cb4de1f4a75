"""Print what other layouts and dtypes cost: over reading their bytes, and over the plain array.

python -m bench.layouts [--mebibytes 64] [--threads 1]
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import fastent
from bench import floor
from bench.cases import distributions, probabilities

try:
    import ml_dtypes
except ImportError:  # then without bfloat16
    ml_dtypes = None

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
    "bfloat16": lambda a: a.astype(ml_dtypes.bfloat16),
}
HALVES = ("float16", "bfloat16")
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
    bytes_of = [np.empty(array.nbytes // 4 * 4, np.uint8).view(np.float32) for array in arrays]
    for array in bytes_of:
        array.fill(1)
    return lambda: [floor.read(a, threads=fastent.get_num_threads()) for a in bytes_of] and None


def print_layouts(nbytes: int) -> None:
    """Print a line a layout, column count and dtype."""
    print(
        f"{'layout':13} {'columns':>7} {'dtype':8}  over reading / over plain: {', '.join(CALLS)}"
    )
    for columns in (10, 1000):
        for dtype in ("float32", "float64"):
            p, q = (distributions(seed, nbytes, columns, dtype) for seed in (1, 2))
            for name, make in LAYOUTS.items():
                if name in HALVES and (dtype == "float64" or ml_dtypes is None):
                    continue
                a, b = make(p), make(q)
                cells = []
                for call, ours in CALLS.items():
                    operands = (a, b) if call == "kl_divergence" else (a,)
                    read = lower_quartile(lambda f=ours: f(a, b), reading(*operands))
                    plain = lower_quartile(lambda f=ours: f(a, b), lambda f=ours: f(p, q))
                    cells.append(f"{read:5.2f} / {plain:4.2f}")
                print(f"{name:13} {columns:7} {dtype:8}  {'   '.join(cells)}", flush=True)


def print_targets(nbytes: int) -> None:
    """Print a line a dtype of targets of the binary cross entropy's mean."""
    print(f"\n{'targets':13} {'prob':8}  mean of binary_cross_entropy over reading both")
    for dtype in ("float32", "float64"):
        prob = probabilities(1, nbytes, dtype)
        hard = np.random.default_rng(2).random(prob.size) < prob
        for kind in TARGETS:
            target = hard.astype(kind)
            ratio = lower_quartile(
                lambda t=target: fastent.binary_cross_entropy(t, prob, reduction="mean"),
                reading(target, prob),
            )
            print(f"{kind:13} {dtype:8}  {ratio:5.2f}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mebibytes", type=float, default=64)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    fastent.set_num_threads(options.threads)
    print_layouts(int(options.mebibytes * 2**20))
    print_targets(int(options.mebibytes * 2**20))

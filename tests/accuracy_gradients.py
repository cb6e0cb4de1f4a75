"""A command that prints how far the derivatives of the losses are from exact ones.

``python tests/accuracy_gradients.py`` draws fresh rows and prints, for each family of logits, dtype
and ISA, the largest relative error in units of 2^-24 or 2^-53, at most one unit of the last place:
of labels relative to the derivative itself, of target distributions to its larger term.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import Any

import numpy as np
from mpmath import mpf
from reference_gradients import exact_binary, exact_entry, exact_for_label
from reference_logits import ExactRow
from strategies import DTYPES, LOGITS

import fastent as fe
from fastent import _core

Array = Any
LENGTHS = (2, 3, 10, 100, 300, 1030)
LOOKED_AT = 30  # entries of a row that are held against exact numbers
ROWS = 6
PAIRS = 2000


def error(got: Any, true: Any, size: Any, dtype: Any) -> float:
    """Return the error in units, 0 where the true value is subnormal."""
    if abs(true) <= float(np.finfo(dtype).tiny):
        return 0.0
    return float(abs(mpf(float(got)) - true) / abs(size) / (mpf(float(np.finfo(dtype).eps)) / 2))


def softmax_errors(draw: Callable[..., Any], dtype: Any, rng: np.random.Generator) -> list[float]:
    """Return the largest errors of the gradient of labels and of target distributions."""
    worst = [0.0, 0.0]
    for n in LENGTHS:
        x = draw(rng, ROWS, n).astype(dtype)
        labels = rng.integers(0, n, ROWS)
        targets = rng.dirichlet(np.ones(n), ROWS).astype(dtype)
        found = fe.softmax_cross_entropy_grad(labels, x), fe.softmax_cross_entropy_grad(targets, x)
        for r, row in enumerate(x):
            exact = ExactRow(row)
            if exact.is_empty:
                continue
            for j in {*rng.permutation(n)[:LOOKED_AT].tolist(), int(labels[r])}:
                true = exact_for_label(exact, labels[r], j, 1.0)
                worst[0] = max(worst[0], error(found[0][r, j], true, true, dtype))
                true, size = exact_entry(exact, targets[r], j, 1.0)
                worst[1] = max(worst[1], error(found[1][r, j], true, size, dtype))
    return worst


def binary_errors(logits: bool, dtype: Any, rng: np.random.Generator) -> list[float]:
    """Return the largest errors of both derivatives of labels 0 and 1."""
    target = rng.integers(0, 2, PAIRS).astype(dtype)
    if logits:
        spread = rng.choice([3.0, 80.0], PAIRS)
        judged = (spread * rng.uniform(-1, 1, PAIRS)).astype(dtype)
        found = fe.binary_cross_entropy_with_logits_grad(target, judged)
    else:
        judged = (10.0 ** -rng.choice([0, 9], PAIRS) * rng.random(PAIRS)).astype(dtype)
        found = fe.binary_cross_entropy_grad(target, judged)
    worst = [0.0, 0.0]
    for i in range(PAIRS):
        first, second, _ = exact_binary(float(target[i]), float(judged[i]), logits)
        for k, true in enumerate((first, second)):
            worst[k] = max(worst[k], error(found[k][i], true, true, dtype))
    return worst


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "little"))
    seed = parser.parse_args().seed
    print(f"fastent {fe.__version__}, largest relative error in units, seed {seed}")
    isas = _core.available_isas()
    print(f"{'derivative':44}{'rows':22}{'dtype':9}" + "".join(f"{isa:>16}" for isa in isas))

    def line(name: str, family: str, dtype: Any, measure: Callable[..., list[float]]) -> None:
        cells = []
        for isa in isas:
            with _core.using_isa(isa):
                found = measure(dtype, np.random.default_rng(seed))
            cells.append(" / ".join(f"{value:.2f}" for value in found).rjust(16))
        print(f"{name:44}{family:22}{np.dtype(dtype).name:9}" + "".join(cells), flush=True)

    for dtype in DTYPES:
        for family, draw in LOGITS.items():
            line(
                "softmax_cross_entropy_grad labels / targets",
                family,
                dtype,
                lambda dtype, rng, draw=draw: softmax_errors(draw, dtype, rng),
            )
        for logits in (True, False):
            name = f"binary_cross_entropy{'_with_logits' * logits}_grad"
            line(
                name,
                "first / second",
                dtype,
                lambda dtype, rng, logits=logits: binary_errors(logits, dtype, rng),
            )


if __name__ == "__main__":
    main()

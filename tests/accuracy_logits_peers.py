"""Print the errors of measures of logits, fastent's beside SciPy's and PyTorch's.

Largest relative errors against exact arithmetic, where formulas lose digits: peaked rows (the
largest logit 0 to 200 ahead), rows far from 0, masked classes, two rows that are close. Run it:
``python tests/accuracy_logits_peers.py [--seed N]``.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import scipy.special
from mpmath import mpf
from reference_logits import ExactRow, exact_divergence

import fastent as fe

ROWS, COLUMNS = 20, 100
Calls = dict[str, Callable[..., Any]]


def scipy_calls() -> Calls:
    """Return the measures as one writes them with SciPy."""

    def kl(x: Any, y: Any) -> Any:
        return scipy.special.rel_entr(
            scipy.special.softmax(x, axis=-1), scipy.special.softmax(y, axis=-1)
        ).sum(-1)

    return {
        "cross entropy": lambda t, x: (
            -np.take_along_axis(scipy.special.log_softmax(x, axis=-1), t[:, None], -1)[:, 0]
        ),
        "entropy": lambda t, x: scipy.special.entr(scipy.special.softmax(x, axis=-1)).sum(-1),
        "largest probability": lambda t, x: scipy.special.softmax(x, axis=-1).max(-1),
        "KL": kl,
    }


def torch_calls() -> Calls:
    """Return the measures as one writes them with PyTorch."""
    import torch

    functional = torch.nn.functional

    def log_softmax(x: Any) -> Any:
        return torch.log_softmax(torch.from_numpy(x), -1)

    def entropy(t: Any, x: Any) -> Any:
        log_p = log_softmax(x)
        return torch.special.entr(log_p.exp()).sum(-1).numpy()

    return {
        "cross entropy": lambda t, x: functional.cross_entropy(
            torch.from_numpy(x), torch.from_numpy(t), reduction="none"
        ).numpy(),
        "entropy": entropy,
        "largest probability": lambda t, x: log_softmax(x).exp().amax(-1).numpy(),
        "KL": lambda x, y: (
            functional.kl_div(log_softmax(y), log_softmax(x), reduction="none", log_target=True)
            .sum(-1)
            .numpy()
        ),
    }


def libraries() -> dict[str, Calls]:
    """Return the measures of each library there is."""
    found: dict[str, Calls] = {
        "fastent": {
            "cross entropy": fe.softmax_cross_entropy,
            "entropy": lambda t, x: fe.softmax_entropy(x),
            "largest probability": lambda t, x: fe.softmax(x).max(-1),
            "KL": fe.softmax_kl_divergence,
        }
    }
    for name, calls in (("SciPy", scipy_calls), ("PyTorch", torch_calls)):
        try:
            found[name] = calls()
        except ImportError:
            continue
    return found


def ahead(gap: float, rng: np.random.Generator) -> tuple[Any, Any]:
    """Draw rows whose largest logit is that much ahead, and its place."""
    x = rng.standard_normal((ROWS, COLUMNS))
    places = rng.integers(0, COLUMNS, ROWS)
    x[np.arange(ROWS), places] = x.max(-1) + gap
    return places, x


def offset(rng: np.random.Generator) -> tuple[Any, Any]:
    """Draw rows 1e4 above or below 0."""
    x = 3 * rng.standard_normal((ROWS, COLUMNS)) + rng.choice([-1e4, 1e4], (ROWS, 1))
    return x.argmax(-1), x


def masked(rng: np.random.Generator) -> tuple[Any, Any]:
    """Draw rows of which half the classes are at -inf."""
    x = 3 * rng.standard_normal((ROWS, COLUMNS))
    x[rng.random(x.shape) < 0.5] = -np.inf
    return x.argmax(-1), x


FAMILIES: dict[str, Callable[[np.random.Generator], tuple[Any, Any]]] = {
    f"largest {gap} ahead": lambda rng, gap=gap: ahead(gap, rng)  # type: ignore[misc]
    for gap in (0, 1, 10, 20, 50, 100, 200)
}
FAMILIES |= {"offset 1e4": offset, "masked": masked}


def worst(got: Any, true: list[Any]) -> float:
    """Return the largest relative error of results that are no subnormal numbers."""
    least = float(np.finfo(got.dtype).tiny)
    errors = [
        float(abs(mpf(float(a)) - b) / b) for a, b in zip(got, true, strict=True) if b > least
    ]
    return max(errors, default=0.0)


def lines(rng: np.random.Generator) -> Iterator[str]:
    """Yield the table line by line."""
    peers = libraries()
    yield f"{'measure':22}{'rows':20}{'dtype':9}" + "".join(f"{name:>10}" for name in peers)
    for family, draw in FAMILIES.items():
        labels, wide = draw(rng)
        for dtype in (np.float32, np.float64):
            x = wide.astype(dtype)
            exact = [ExactRow(row) for row in x]
            trues = {
                "cross entropy": [row.surprisal(t) for row, t in zip(exact, labels, strict=True)],
                "entropy": [row.entropy for row in exact],
                "largest probability": [row.confidence for row in exact],
            }
            for measure, true in trues.items():
                errors = [worst(calls[measure](labels, x), true) for calls in peers.values()]
                yield f"{measure:22}{family:20}{np.dtype(dtype).name:9}" + "".join(
                    f"{error:10.1e}" for error in errors
                )
    for size in (1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7):
        wide = 3 * rng.standard_normal((ROWS, COLUMNS))
        other = wide + size * rng.standard_normal(wide.shape)
        for dtype in (np.float32, np.float64):
            x, y = wide.astype(dtype), other.astype(dtype)
            true = [exact_divergence(a, b) for a, b in zip(x, y, strict=True)]
            errors = [worst(calls["KL"](x, y), true) for calls in peers.values()]
            yield f"{'KL':22}{f'apart by {size:g}':20}{np.dtype(dtype).name:9}" + "".join(
                f"{error:10.1e}" for error in errors
            )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "little"))
    seed = parser.parse_args().seed
    print(f"fastent {fe.__version__}, largest relative error, seed {seed}")
    with np.errstate(all="ignore"):
        for line in lines(np.random.default_rng(seed)):
            print(line, flush=True)


if __name__ == "__main__":
    main()

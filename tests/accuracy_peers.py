"""A command that prints errors beside those of SciPy and PyTorch, where they are installed.

``python tests/accuracy_peers.py`` draws fresh rows: near-equal, peaked, sparse, uniform, short and
of a million entries. Errors of sums are in units of the last place of the exact value, those of KL
are relative: the largest of all rows drawn. A dash: that library has no such function. The plain
sums of p log(p/q) are held against the generalised divergence too: where rows are rounded, or do
not sum to 1 (the peaked ones), the two differ by the difference of the rows' sums.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import reference
import strategies
from accuracy_cases import relative_error
from reference import exact, ulp_error

import fastent

Arrays = tuple[np.ndarray, ...]
Call = Callable[..., Any]
SHORT, LONG, ROWS = 100, 1_000_000, 200


def scipy_calls() -> Mapping[str, Call]:
    """Return SciPy's way to each measure."""
    from scipy import special

    return {
        "entropy": lambda p: special.entr(p).sum(-1),
        "cross_entropy": lambda p, q: -special.xlogy(p, q).sum(-1),
        "kl_divergence": lambda p, q: special.rel_entr(p, q).sum(-1),
        "kl_divergence, generalised": lambda p, q: special.kl_div(p, q).sum(-1),
        "binary_cross_entropy": lambda t, x: (
            -(special.xlogy(t, x) + special.xlog1py(1 - t, -x)).sum(-1)
        ),
    }


def torch_calls() -> Mapping[str, Call]:
    """Return PyTorch's way to each measure."""
    import torch

    def call(function: Call) -> Call:
        return lambda *arrays: function(*map(torch.from_numpy, arrays)).numpy()

    loss, divergence = torch.nn.functional.binary_cross_entropy, torch.nn.functional.kl_div
    return {
        "entropy": call(lambda p: torch.special.entr(p).sum(-1)),
        "cross_entropy": call(lambda p, q: -torch.special.xlogy(p, q).sum(-1)),
        "kl_divergence": call(lambda p, q: divergence(q.log(), p, reduction="none").sum(-1)),
        "binary_cross_entropy": call(lambda t, x: loss(x, t, reduction="none").sum(-1)),
    }


def libraries() -> Mapping[str, Mapping[str, Call]]:
    """Return the measures of each library there is."""
    found: dict[str, Mapping[str, Call]] = {
        "fastent": {
            "entropy": fastent.entropy,
            "cross_entropy": fastent.cross_entropy,
            "kl_divergence": fastent.kl_divergence,
            "kl_divergence, generalised": fastent.kl_divergence,
            "binary_cross_entropy": lambda t, x: np.stack(
                [
                    fastent.binary_cross_entropy(*row, reduction="sum")
                    for row in zip(t, x, strict=True)
                ]
            ),
        }
    }
    for name, calls in (("SciPy", scipy_calls), ("PyTorch", torch_calls)):
        try:
            found[name] = calls()
        except ImportError:
            continue
    return found


def losses(family: str, hard: bool) -> Call:
    """Draws of rows of targets and predictions."""

    def draw(rng: np.random.Generator, rows: int, columns: int, dtype: Any) -> Arrays:
        prob = strategies.PROBS[family](rng, rows * columns, dtype).reshape(rows, columns)
        target = rng.random(prob.shape)
        return ((target < prob) if hard else target).astype(dtype), prob

    return draw


def one(name: str) -> Call:
    """Draws of one operand."""
    return lambda *shape: (strategies.ROWS[name](*shape),)


NEAR = {f"near-equal, {c:.0e}": strategies.PAIRS[f"near {c:.0e}"] for c in strategies.CLOSENESS}
PAIRS = {
    "peaked": strategies.PAIRS["dominant|softmax"],
    "sparse": strategies.PAIRS["sparse|softmax"],
    "uniform": strategies.PAIRS["uniform|softmax"],
    "softmax": strategies.PAIRS["softmax|softmax"],
}
CASES: dict[str, tuple[Call, dict[str, Call]]] = {
    "entropy": (
        reference.exact_entropy,
        {
            name: one(family)
            for name, family in {
                "peaked": "dominant",
                "sparse": "sparse",
                "uniform": "uniform",
                "softmax": "softmax",
            }.items()
        },
    ),
    "cross_entropy": (reference.exact_cross_entropy, PAIRS),
    "kl_divergence": (reference.exact_kl_divergence, NEAR | PAIRS),
    "kl_divergence, generalised": (reference.exact_kl_divergence, NEAR | PAIRS),
    "binary_cross_entropy": (
        reference.exact_binary_cross_entropy,
        {
            "labels": losses("uniform", hard=True),
            "labels, confident": losses("near 1", hard=True),
            "soft": losses("uniform", hard=False),
            "soft, confident": losses("near 1", hard=False),
        },
    ),
}


def lines(rng: np.random.Generator) -> Iterator[str]:
    """Yield the table line by line."""
    peers = libraries()
    yield f"{'measure':28}{'rows':22}{'entries':>9}  {'dtype':9}" + "".join(
        f"{name:>12}" for name in peers
    )
    for measure, (twin, families) in CASES.items():
        for family, draw in families.items():
            for rows, columns in ((ROWS, SHORT), (1, LONG)):
                for dtype in strategies.DTYPES:
                    arrays = draw(rng, rows, columns, dtype)
                    true = exact(twin, *arrays)
                    if measure == "binary_cross_entropy":
                        true = true.sum(-1)
                    errors = ""
                    for calls in peers.values():
                        if measure not in calls:
                            errors += f"{'-':>12}"
                            continue
                        with np.errstate(all="ignore"):
                            got = calls[measure](*arrays)
                        if measure.startswith("kl"):
                            error = relative_error(got, true, true, dtype)
                        else:
                            error = ulp_error(got, true, dtype)
                        errors += f"{np.max(error):12.2g}"
                    name = np.dtype(dtype).name
                    yield f"{measure:28}{family:22}{columns:9}  {name:9}{errors}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "little"))
    seed = parser.parse_args().seed
    print(f"fastent {fastent.__version__}, largest error in ulp (of KL: relative), seed {seed}")
    for line in lines(np.random.default_rng(seed)):
        print(line, flush=True)


if __name__ == "__main__":
    main()

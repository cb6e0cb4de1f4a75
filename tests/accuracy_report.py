"""A command that prints how far each measure is from its bound.

``python tests/accuracy_report.py`` draws fresh rows, compares every measure, dtype and ISA with
exact numbers and prints the largest error of each row family. ``test_accuracy.py`` runs the same
cases as tests; ``accuracy_peers.py`` compares with SciPy and PyTorch.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import strategies
from accuracy_cases import MEASURES as MAIN
from accuracy_cases import Arrays, Measure, bound, relative_error
from accuracy_family import MEASURES as FAMILY
from reference import ulp_error

import fastent
from fastent import _core

MEASURES = MAIN | FAMILY


@dataclass(frozen=True)
class Row:
    """The worst element of one comparison."""

    measure: str
    label: str
    family: str
    dtype: str
    isa: str
    columns: int
    error: float
    allowed: float
    unit: str
    arguments: Arrays

    @property
    def within(self) -> bool:
        """Whether the bound holds."""
        return self.error <= self.allowed

    def __str__(self) -> str:
        shown = ", ".join(
            np.array2string(a, threshold=12, floatmode="unique") for a in self.arguments
        )
        return (
            f"{self.label} {self.family} {self.dtype} {self.isa} columns={self.columns}: "
            f"{self.error:.4g} {self.unit}, allowed {self.allowed:.4g}, for {shown}"
        )


def compare(
    measure: Measure, family: str, dtype: Any, columns: int, rng: np.random.Generator
) -> Iterator[Row]:
    """Yield the worst element of each call on each ISA, for one draw."""
    rows = int(np.clip(measure.elements // columns, 2, 100))
    arrays = measure.draws[family](rng, rows, columns, dtype)
    nats = measure.nats(*arrays)
    for call in measure.calls:
        true = call.true(nats)
        scale = true if measure.scale is None else measure.scale(*arrays)
        limit = call.limit(dtype, nats) if call.limit else bound(call.label, dtype)
        limit = np.broadcast_to(np.asarray(limit, dtype=float), true.shape)
        if call.unit == "ulp":
            limit = np.where(np.abs(true.astype(float)) < np.finfo(dtype).tiny, 1.0, limit)
        known: dict[bytes, np.ndarray] = {}  # most ISAs give the same bits
        for isa in _core.available_isas():
            with _core.using_isa(isa):
                got = np.asarray(call.call(*arrays))
            assert (got.dtype, got.shape) == (dtype, true.shape), call.label
            if got.tobytes() not in known:
                known[got.tobytes()] = (
                    ulp_error(got, true, dtype)
                    if call.unit == "ulp"
                    else relative_error(got, true, scale, dtype)
                )
            error = known[got.tobytes()]
            worst = int(np.argmax(error / limit))
            yield Row(
                measure.name,
                call.label,
                family,
                np.dtype(dtype).name,
                isa,
                columns,
                float(error[worst]),
                float(limit[worst]),
                call.unit,
                tuple(a[worst] for a in arrays),
            )


def table(measure: Measure, rng: np.random.Generator) -> Iterator[tuple[bool, str]]:
    """Yield, for each family, dtype and call, whether the bound holds and a line of the table."""
    for family in measure.draws:
        worst: dict[tuple[str, str], dict[str, Row]] = {}
        for dtype in strategies.DTYPES:
            for columns in measure.columns:
                for row in compare(measure, family, dtype, columns, rng):
                    isas = worst.setdefault((row.label, row.dtype), {})
                    old = isas.setdefault(row.isa, row)
                    if row.error / row.allowed > old.error / old.allowed:
                        isas[row.isa] = row
        for (label, name), isas in worst.items():
            errors = "".join(f"{row.error:11.3g}" for row in isas.values())
            most = max(isas.values(), key=lambda row: row.error / row.allowed)
            note = "" if most.within else f"  EXCEEDED at {most.columns} columns"
            yield (
                most.within,
                (
                    f"{label:32}{family:24}{name:8}{errors}   "
                    f"of {most.allowed:.3g} {most.unit}{note}"
                ),
            )


def main() -> int:
    """Print the table; the exit status says whether every bound holds."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "little"))
    seed = parser.parse_args().seed
    rng = np.random.default_rng(seed)
    print(f"fastent {fastent.__version__}, largest errors, seed {seed}")
    print(
        f"{'measure':32}{'rows':24}{'dtype':8}"
        + "".join(f"{isa:>11}" for isa in _core.available_isas())
        + "   bound"
    )
    held = []
    for measure in MEASURES.values():
        for within, line in table(measure, rng):
            held.append(within)
            print(line, flush=True)
    print(f"{held.count(False)} of {len(held)} beyond their bound")
    return int(not all(held))


if __name__ == "__main__":
    sys.exit(main())

"""How many instructions a case's kernel takes an entry: the record of bench.instructions."""

import json
from functools import cache
from typing import NamedTuple

from bench.cases import Case
from bench.instructions import RECORD, Kernel

# Kernels of cases that are not called like their measure: as the record names them.
KERNELS = {
    "bce_mean_hard": "binary_cross_entropy_sum hard",
    "bce_mean_soft": "binary_cross_entropy_sum soft",
    "bce_logits_mean": "binary_cross_entropy_with_logits_sum hard",
    "bce_out": "binary_cross_entropy hard",
    "surprisal_out": "surprisal",
    "log_loss": "surprisal",
}
LONG_ROW = 20000  # the record's stand-in for longer rows, and for the sum of all elements


class Count(NamedTuple):
    """Instructions an entry, and of what they were counted."""

    instructions: float
    shape: str
    isa: str


@cache
def _record() -> dict[Kernel, float]:
    found = json.loads(RECORD.read_text(encoding="utf-8"))["instructions"]
    return {Kernel.parse(words): count for words, count in found.items()}


def count_of(case: Case, isa: str) -> Count | None:
    """Return the count of the nearest shape, on this instruction set or else on AVX2."""
    measure = KERNELS.get(case.measure, case.measure)
    by_columns = case.layout.endswith("@0")
    for name in (isa, "avx2"):
        near = {
            _distance(kernel.shape, case): Count(count, kernel.shape, name)
            for kernel, count in _record().items()
            if (kernel.measure, kernel.dtype, kernel.isa) == (measure, case.dtype, name)
            and kernel.shape.endswith("@0") == by_columns
        }
        if near:
            return near[min(near)]
    return None


def _distance(shape: str, case: Case) -> float:
    """Return how far the record's shape is from the case's: the ratio of their columns."""
    if shape == "-":
        return 1.0
    wanted = LONG_ROW if case.layout == "-" else min(case.columns, LONG_ROW)
    columns = int(shape.removesuffix("@0"))
    return max(columns, wanted) / min(columns, wanted)


def evidence(case: Case, isa: str, cycles: float | None) -> str:
    """Return in words what the processor has to do for an entry; nothing where it is not known."""
    count = count_of(case, isa)
    if count is None:
        return ""
    same = count.shape in (case.layout, "-") or case.layout == "-"
    rows = "" if same else f" (rows of {count.shape})"
    where = "" if count.isa == isa else f" of {count.isa}"
    rate = ""
    if cycles and count.isa == isa:
        rate = f", {count.instructions / cycles:.1f} a cycle"
    return f"{count.instructions:.1f} instructions{where} an entry{rows}{rate}"

"""The same cases under pytest-benchmark: ``pytest bench``. Nothing is asserted about time."""

from typing import Any

import pytest

from bench.cases import CASES, MEASURES, Case
from bench.peers import available, peer_calls

BYTES = 1 << 20  # of each operand
ROUNDS = 5


def _parameters() -> list[object]:
    """Return every case with the floor, ours and each peer that is installed."""
    return [
        pytest.param(case, library, id=f"{case.label}-{case.dtype}-{library}".replace(" ", "-"))
        for case in CASES
        if not case.is_huge
        for library in ("floor", "fastent", *peer_calls(MEASURES[case.measure].peers, available()))
    ]


@pytest.mark.parametrize(("case", "library"), _parameters())
def test_speed(benchmark: Any, case: Case, library: str) -> None:
    """Time one library on one case; its result is checked before."""
    job = case.job(BYTES, available())
    call = {"floor": job.floor, "fastent": job.ours, **job.peers}[library]
    if library != "floor":
        job.check(library, call())
    benchmark.group = f"{case.label} {case.dtype}"
    benchmark.extra_info["bytes"] = sum(array.nbytes for array in job.arrays)
    benchmark.pedantic(call, rounds=ROUNDS, warmup_rounds=1)

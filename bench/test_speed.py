"""The same cases under pytest-benchmark: ``pytest bench``. Nothing is asserted about time."""

from typing import Any

import pytest

from bench.cases import CASES, MEASURES, Case
from bench.peers import PEERS, available

BYTES = 1 << 20  # of each operand
ROUNDS = 5


def _parameters() -> list[object]:
    """Return every case with the floor, ours and each peer that is installed."""
    return [
        pytest.param(case, library, id=f"{case.label}-{case.dtype}-{library}".replace(" ", "-"))
        for case in CASES
        for library in ("floor", "fastent", *PEERS[MEASURES[case.measure].peers])
        if library in ("floor", "fastent", *available())
    ]


@pytest.mark.parametrize(("case", "library"), _parameters())
def test_speed(benchmark: Any, case: Case, library: str) -> None:
    """Time one library on one case; ours is checked, with its peers, before."""
    job = case.job(BYTES, peers=library != "floor")
    if library == "fastent":
        job.check()
    call = {"floor": job.floor, "fastent": job.ours, **job.peers}[library]
    benchmark.group = f"{case.label} {case.dtype}"
    benchmark.extra_info["bytes"] = sum(array.nbytes for array in job.arrays)
    benchmark.pedantic(call, rounds=ROUNDS, warmup_rounds=1)

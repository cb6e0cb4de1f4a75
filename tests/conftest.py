"""Fixtures: every ISA of this machine, both dtypes, and a random generator that can be repeated."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import installed  # noqa: F401  (before fastent)
import numpy as np
import pytest
from hypothesis import settings

from fastent import _core

# One seed for the whole run: FASTENT_TEST_SEED=... repeats it.
SEED = int(os.environ.get("FASTENT_TEST_SEED") or int.from_bytes(os.urandom(4), "little"))
os.environ["FASTENT_TEST_SEED"] = str(SEED)  # for the processes that share the tests

settings.register_profile("fastent", deadline=None, max_examples=60, print_blob=True)
settings.load_profile("fastent")


def pytest_report_header() -> str:
    """Say how to repeat this run."""
    return f"fastent: FASTENT_TEST_SEED={SEED}, ISAs {', '.join(_core.available_isas())}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the slow tests unless -m speaks of them."""
    if not config.option.markexpr:
        slow = [item for item in items if item.get_closest_marker("slow")]
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]


@pytest.fixture(params=_core.available_isas())
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run the test once on each ISA."""
    with _core.using_isa(request.param):
        yield request.param


@pytest.fixture
def threads_early() -> Iterator[None]:
    """Use threads for arrays of 16 KiB and more, which are quicker to make than those of 2 MiB."""
    before = _core.set_parallel_bytes(1 << 14)
    yield
    _core.set_parallel_bytes(before)


@pytest.fixture(params=[np.float32, np.float64], ids=["float32", "float64"])
def dtype(request: pytest.FixtureRequest) -> Any:
    """Run the test in each dtype."""
    return request.param


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """Seed a generator by this run's seed and this test's name; a failure shows the seed."""
    print(f"repeat with FASTENT_TEST_SEED={SEED}")
    return np.random.default_rng([SEED, zlib.crc32(request.node.nodeid.encode())])


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """Run the command in this process, in an empty folder; return what it left."""
    from cli_cases import Outcome

    from fastent.cli import main

    monkeypatch.chdir(tmp_path)

    def call(*words: object) -> Outcome:
        with pytest.raises(SystemExit) as caught:
            main([str(word) for word in words])
        captured = capsys.readouterr()
        assert isinstance(caught.value.code, int)
        return Outcome(caught.value.code, captured.out, captured.err)

    return call


@pytest.fixture
def score(run: Callable[..., Any]) -> Callable[..., Any]:
    """Run ``fastent score``."""
    return partial(run, "score")

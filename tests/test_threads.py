"""Threads change the time a call takes and nothing else; processes and signals do no harm."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import children
import numpy as np
import pytest
from children import run

import fastent as fe

pytestmark = pytest.mark.usefixtures("threads_early")
SHAPES = [(20_000, 10), (300, 1000), (3, 100_001), (400_003,), (1, 70_000), (70_001, 3)]
CALLS: dict[str, Callable[[Any, Any], Any]] = {
    "entropy": lambda p, q: fe.entropy(p),
    "entropy base 2": lambda p, q: fe.entropy(p, base=2),
    "entropy normalize": lambda p, q: fe.entropy(p, normalize=True),
    "entropy axis 0": lambda p, q: fe.entropy(p, axis=0),
    "cross_entropy": fe.cross_entropy,
    "kl_divergence": fe.kl_divergence,
    "kl_divergence axis 0": lambda p, q: fe.kl_divergence(p, q, axis=0),
    "surprisal": lambda p, q: fe.surprisal(p),
    "surprisal mean": lambda p, q: fe.surprisal(p, reduction="mean"),
    "binary_cross_entropy": fe.binary_cross_entropy,
    "binary_cross_entropy mean": lambda p, q: fe.binary_cross_entropy(p > q, q, reduction="mean"),
    "kl_divergence sum": lambda p, q: fe.kl_divergence(p, q, reduction="sum"),
}


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    before = fe.get_num_threads()
    yield
    fe.set_num_threads(before)


def rows_of(shape: tuple[int, ...], dtype: Any = np.float64, seed: int = 0) -> tuple[Any, Any]:
    """Return two arrays of distributions, some entries zero."""
    rng = np.random.default_rng(seed)
    p, q = (rng.standard_exponential(shape) for _ in range(2))
    p[..., 1:][p[..., 1:] < 0.05] = 0
    return tuple((x / x.sum(-1, keepdims=True)).astype(dtype) for x in (p, q))


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_same_bits(call: str, dtype: Any, shape: tuple[int, ...]) -> None:
    """One, two, three or nine threads: the same bits."""
    p, q = rows_of(shape, dtype)
    with fe.num_threads(1):
        expected = np.asarray(CALLS[call](p, q))
    for count in (2, 3, 9):
        with fe.num_threads(count):
            got = np.asarray(CALLS[call](p, q))
        assert got.tobytes() == expected.tobytes()


def test_strided_out_and_column_order() -> None:
    """Layouts that go through the ufuncs are cut up as well."""
    p, _ = rows_of((50_000, 7), np.float32)
    expected = fe.entropy(p)
    with fe.num_threads(3):
        out = np.empty(100_000, np.float32)[::2]
        fe.entropy(np.asfortranarray(p), out=out)
    np.testing.assert_array_equal(out, expected)


def test_one_warning_whatever_the_threads() -> None:
    """A negative entry in every task: one warning, and those rows NaN."""
    p, _ = rows_of((40_000, 10))
    p[::100, 3] = -1
    with fe.num_threads(4):
        with pytest.warns(RuntimeWarning, match="invalid value encountered in entropy") as seen:
            got = fe.entropy(p)
        assert len(seen) == 1
        with np.errstate(invalid="raise"), pytest.raises(FloatingPointError):
            fe.entropy(p)
    assert np.isnan(got[::100]).all()
    assert np.isnan(got).sum() == 400


def test_many_callers_at_once() -> None:
    """Eight Python threads: who finds the pool taken works alone."""
    p, q = rows_of((30_000, 10))
    expected = fe.kl_divergence(p, q)
    with fe.num_threads(2), ThreadPoolExecutor(8) as pool:
        for got in pool.map(lambda _: fe.kl_divergence(p, q), range(64)):
            np.testing.assert_array_equal(got, expected)


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_children(method: str) -> None:
    """A child computes the same after the parent's pool was used, however it was started."""
    p, _ = rows_of((30_000, 10))
    with fe.num_threads(2):
        expected = fe.entropy(p).tobytes()
    context: Any = multiprocessing.get_context(method)
    here, there = context.Pipe()
    child = context.Process(target=children.entropy_bytes, args=(there, p))
    child.start()
    assert here.poll(60), "the child hangs"
    assert here.recv() == expected
    child.join(60)
    assert child.exitcode == 0


FORK_IN_USE = """
import os, threading, numpy as np, fastent as fe
fe.set_num_threads(2)
p = np.full((100_000, 10), 0.1)
stop = False
def busy():
    while not stop:
        fe.entropy(p)
thread = threading.Thread(target=busy)
thread.start()
for _ in range(20):
    child = os.fork()
    if child == 0:
        fe.entropy(p)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
stop = True
thread.join()
print("fine")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_fork_in_the_middle_of_a_call() -> None:
    """Forks do not wait for the call in flight; children start with a pool of their own."""
    assert run("import warnings; warnings.simplefilter('ignore')" + FORK_IN_USE).stdout == "fine\n"


def test_exit_with_work_in_flight() -> None:
    """A daemon thread still computing does not keep the interpreter from ending."""
    code = """
import threading, numpy as np, fastent as fe
fe.set_num_threads(2)
p = np.full((100_000, 10), 0.1)
def busy():
    while True:
        fe.entropy(p)
threading.Thread(target=busy, daemon=True).start()
fe.entropy(p)
"""
    assert run(code).returncode == 0


def test_environment() -> None:
    """The environment decides at import, and says so where it is wrong."""
    show = "import fastent as fe; print(fe.get_num_threads()); fe.show_config()"
    assert run(show, FASTENT_NUM_THREADS="3").stdout.startswith("3\n")
    assert "FASTENT_NUM_THREADS" in run(show, FASTENT_NUM_THREADS="3").stdout
    assert run(show, OMP_NUM_THREADS="1").stdout.startswith("1\n")
    for wrong in ("0", "-1", "many"):
        assert f"FASTENT_NUM_THREADS={wrong}" in run(show, FASTENT_NUM_THREADS=wrong).stderr


def test_wrong_numbers() -> None:
    """Anything but an integer of 1 or more is refused."""
    before = fe.get_num_threads()
    for wrong in (0, -2):
        with pytest.raises(ValueError, match="1 or more"):
            fe.set_num_threads(wrong)
    with pytest.raises(TypeError, match="integer"):
        fe.set_num_threads(1.5)  # type: ignore[arg-type]
    assert fe.get_num_threads() == before

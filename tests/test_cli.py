"""The command line: what it tells, and its parts."""

from __future__ import annotations

import importlib
import inspect
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_cases import Outcome, Run, check_same, distributions, save
from hypothesis import given
from hypothesis import strategies as st

import fastent

pytest.importorskip("click")
pytest.importorskip("rich")

from fastent._counts import CORRECTIONS
from fastent.cli import rows, summary
from fastent.cli.measures import BIAS_CORRECTIONS, MEASURES

# What it tells


def test_summary_is_strict_json(run: Run) -> None:
    """NaN rows are counted and left out, and there is no NaN in the text."""
    p = distributions(11, 4, dtype=np.float64)
    p[3] = np.nan
    save("p.npy", p)
    outcome = run("score", "entropy", "p.npy", "--json", "--batch-rows", "2")

    def refuse(word: str) -> None:
        raise AssertionError(word)

    entry = json.loads(outcome.out, parse_constant=refuse)["inputs"][0]
    values = np.delete(fastent.entropy(p), 3)
    assert entry["rows"] == 11
    assert entry["nan_rows"] == 1
    assert entry["mean"] == pytest.approx(values.mean(), rel=1e-15)
    assert entry["min"] == values.min()
    assert entry["max"] == values.max()
    quartiles = [entry[name] for name in ("quartile_1", "median", "quartile_3")]
    assert quartiles == pytest.approx(np.quantile(values, [0.25, 0.5, 0.75]), rel=1e-15)
    assert entry["quartiles"] == "exact"
    assert entry["seconds"] > 0


def test_nothing_but_nan_is_null(run: Run) -> None:
    """Statistics of no numbers are no numbers."""
    save("p.npy", np.full((3, 2), np.nan))
    outcome = run("score", "entropy", "p.npy", "--json")
    entry = json.loads(outcome.out)["overall"]
    assert [entry[name] for name in ("mean", "min", "median", "max")] == [None] * 4


@pytest.mark.parametrize(("bad", "who"), [(1, "1 row holds"), (3, "3 rows hold")])
def test_invalid_rows_are_told_in_one_line(run: Run, bad: int, who: str) -> None:
    """Without --check they are NaN, and no warning of Python's comes through."""
    p = distributions(10, 4)
    p[:bad, 1] = -0.5
    save("p.npy", p)
    outcome = run("score", "entropy", "p.npy", "-o", "out.npy", "--quiet", "--batch-rows", 1)
    assert outcome.code == 0
    line = f"fastent: {who} values that are no probabilities (NaN in the output)\n"
    assert outcome.err == line
    assert np.isnan(np.load("out.npy")).sum() == bad


def test_tables(run: Run) -> None:
    """Every number is there, however narrow the terminal is."""
    name = "a_file_whose_name_is_longer_than_a_terminal_is_wide_" * 2 + ".npy"
    save(name, distributions(2000, 3))
    save("[b].npy", distributions(10, 3))
    single = run("score", "entropy", name)
    for word in (name, "rows", "2,000", "mean", "25 %", "median", "75 %", "max", "rows/s"):
        assert word in single.out
    several = run("score", "entropy", name, "[b].npy")
    for word in (name, "[b].npy", "overall", "2,010"):
        assert word in several.out


def test_quiet(run: Run) -> None:
    """Nothing but what was asked for."""
    save("p.npy", distributions(4, 3))
    assert run("score", "entropy", "p.npy", "--quiet") == Outcome(0, "", "")
    assert json.loads(run("score", "entropy", "p.npy", "--quiet", "--json").out)


def test_progress_only_on_a_terminal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bar is drawn on stderr if that is a terminal, unless --quiet."""
    save("p.npy", distributions(4, 3))
    assert run("score", "entropy", "p.npy").err == ""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(type(sys.stderr), "isatty", lambda self: True, raising=False)
    outcome = run("score", "entropy", "p.npy")
    assert "entropy" in outcome.err
    assert "rows/s" in outcome.err
    assert run("score", "entropy", "p.npy", "--quiet").err == ""


def test_info(run: Run) -> None:
    """Both forms name the versions and the ISA."""
    facts = json.loads(run("info", "--json").out)
    core = importlib.import_module("fastent._core")
    assert facts["fastent"] == fastent.__version__
    assert facts["numpy"] == np.__version__
    assert facts["isa"] == core.isa()
    assert facts["isa"] in facts["isas_available"]
    assert facts["cpu"]
    table = run("info").out
    for word in (fastent.__version__, np.__version__, core.isa(), "FASTENT_ISA"):
        assert word in table


def test_version_and_help(run: Run) -> None:
    """Help names every measure; without a word the command explains itself."""
    assert run("--version").out == f"fastent {fastent.__version__}\n"
    assert all(name in run("score", "--help").out for name in MEASURES)
    assert run().out == run("--help").out


# As a process of its own


def start(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run ``python -m fastent.cli`` and wait for it."""
    command = [sys.executable, "-m", "fastent.cli", *map(str, words)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_process(tmp_path: Path) -> None:
    """Exit codes and streams reach the shell."""
    np.save(tmp_path / "p.npy", distributions(6, 3))
    done = start("score", "entropy", "p.npy", "-o", "out.npy", "--json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["overall"]["rows"] == 6
    check_same(tmp_path / "out.npy", fastent.entropy(distributions(6, 3)))
    done = start("score", "entrpy", "p.npy", cwd=tmp_path)
    told = "fastent: unknown measure 'entrpy'; did you mean 'entropy'?\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", told)


@pytest.mark.skipif(sys.platform == "win32", reason="sends the signal of Ctrl-C")
def test_interrupt(tmp_path: Path) -> None:
    """Ctrl-C in the middle of the work ends it with one line, and no file is left behind."""
    large = np.lib.format.open_memmap(
        tmp_path / "p.npy", mode="w+", dtype=np.float32, shape=(10_000_000, 2)
    )
    del large
    words = ["score", "entropy", "p.npy", "-o", "out.npy", "--batch-rows", "1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "fastent.cli", *words],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        # The temporary file shows that the work has begun.
        deadline = time.monotonic() + 60
        while len(os.listdir(tmp_path)) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, out, err) == (130, "", "fastent: interrupted\n")
    assert os.listdir(tmp_path) == ["p.npy"]


# VmHWM belongs to the new program; ru_maxrss would begin with what this process holds.
PEAK = """
import sys
from fastent.cli import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    assert end.code == 0
with open("/proc/self/status") as lines:
    print(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")))
"""


def peak_of(path: Path, *words: object) -> int:
    """Return the most MiB of memory that scoring `path` held at a time."""
    command = [sys.executable, "-c", PEAK, "score", words[0], path, "--quiet", *words[1:]]
    done = subprocess.run(
        [str(word) for word in command],
        cwd=path.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout) // 1024


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    "words", [["entropy"], ["entropy", "--axis", 0], ["surprisal"]], ids=["rows", "columns", "each"]
)
def test_memory_is_bounded(tmp_path: Path, words: list[Any]) -> None:
    """A file of 200 MB takes no more than 64 MiB over what a small one does."""
    peaks = []
    for name, length in (("small", 100), ("large", 50_000)):
        path = tmp_path / f"{name}.npy"
        # A file of zeros that takes no room on the disk.
        np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(length, 1000))
        peaks.append(peak_of(path, *words, "-o", tmp_path / f"{name}_out.npy"))
        path.unlink()
    assert peaks[1] - peaks[0] < 64


# The parts


def test_help_needs_no_numpy() -> None:
    """The help, the version aside, is told before NumPy, PyArrow or the kernels are imported."""
    for words in (["--help"], ["score", "--help"], ["report", "--help"], ["bench", "--help"]):
        code = (
            "import sys\nfrom fastent.cli import main\n"
            "try:\n    main(sys.argv[1:])\nexcept SystemExit as end:\n    assert end.code == 0\n"
            "heavy = {'numpy', 'pyarrow', 'matplotlib', 'rich', 'dask', 'fastent._core'}\n"
            "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
        )
        command = [sys.executable, "-P", "-c", code, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert "Options" in done.stdout


def test_measures_know_the_functions() -> None:
    """Operands and options of the table are those of the functions."""
    for name, measure in MEASURES.items():
        parameters = list(inspect.signature(getattr(fastent, name)).parameters)
        operands = [measure.first, measure.second] if measure.second else [measure.first]
        assert parameters[: len(operands)] == operands
        options = measure.options - {"labels"} - {"top"}
        assert options <= set(parameters)
    assert tuple(CORRECTIONS) == BIAS_CORRECTIONS


@given(st.lists(st.integers(0, 7), max_size=4).map(tuple), st.integers(1, 60))
def test_block_indices_cover_everything_in_order(shape: tuple[int, ...], size: int) -> None:
    """Each row once, in the order of the output, in blocks no larger than asked."""
    numbers = np.arange(math.prod(shape)).reshape(shape)
    blocks = [numbers[index] for index in rows.block_indices(shape, size)]
    assert blocks
    assert np.concatenate([block.reshape(-1) for block in blocks]).tolist() == list(
        range(math.prod(shape))
    )
    assert all(block.size <= size for block in blocks)
    assert all(np.shares_memory(block, numbers) for block in blocks if block.size)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=False, width=32), max_size=40))
def test_exact_statistics(values: list[float]) -> None:
    """NumPy's own answers, over any numbers."""
    statistics = summary.Statistics()
    array = np.array(values, np.float64)
    for start in range(0, len(values), 7):
        statistics.add(array[start : start + 7])
    kept = array[~np.isnan(array)]
    assert (statistics.rows, statistics.nan_rows) == (len(array), len(array) - len(kept))
    if kept.size:
        assert statistics.exact
        assert (statistics.minimum, statistics.maximum) == (kept.min(), kept.max())
        scale = float(np.abs(kept).max())
        assert statistics.mean == pytest.approx(math.fsum(kept) / len(kept), abs=1e-15 * scale)
        quartiles = np.quantile(kept, [0.25, 0.5, 0.75])
        np.testing.assert_allclose(
            statistics.quantiles((1, 2, 3), 4), quartiles, rtol=0, atol=1e-15 * scale
        )


@pytest.mark.parametrize("block", [10, 999, 50_000])
@pytest.mark.parametrize("sign", [1, -1])
def test_approximate_quartiles(monkeypatch: pytest.MonkeyPatch, block: int, sign: int) -> None:
    """Within 0.05 % of the value, and the same whatever the blocks."""
    monkeypatch.setattr(summary, "KEPT_VALUES", 20_000)
    values = sign * np.random.default_rng(5).lognormal(0, 3, 50_000)
    found = []
    for size in (block, 50_000):
        statistics = summary.Statistics()
        for start in range(0, len(values), size):
            statistics.add(values[start : start + size])
        assert not statistics.exact
        found.append(statistics.quantiles((1, 2, 3), 4))
    assert found[0] == found[1]
    np.testing.assert_allclose(found[0], np.quantile(values, [0.25, 0.5, 0.75]), rtol=5e-4)


def test_approximate_quartiles_keep_round_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """Zero, one and infinity come back as they went in."""
    monkeypatch.setattr(summary, "KEPT_VALUES", 1)
    statistics = summary.Statistics()
    statistics.add(np.repeat([0.0, 1.0, np.inf, -2.0], [3, 3, 3, 1]))
    assert statistics.quantiles((1, 2, 3), 4) == [0.0, 1.0, math.inf]
    assert statistics.infinite_rows == 3
    assert statistics.mean == math.inf


def test_mean_keeps_small_terms_among_many_blocks() -> None:
    """A plain sum would lose every one of them."""
    statistics = summary.Statistics()
    statistics.add(np.array([1.0]))
    for _ in range(1000):
        statistics.add(np.array([1e-17]))
    assert statistics.mean * 1001 == pytest.approx(1 + 1e-14, rel=1e-16)

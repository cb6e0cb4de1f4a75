"""The command line: what it computes, how it fails, and that it leaves nothing half done."""

from __future__ import annotations

import importlib
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import fastent

pytest.importorskip("click")
pytest.importorskip("rich")

from fastent.cli import main, npy, rows, summary
from fastent.cli.measures import MEASURES


class Outcome(NamedTuple):
    """What a run of the command left."""

    code: int
    out: str
    err: str


Run = Callable[..., Outcome]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*words: object) -> Outcome:
        with pytest.raises(SystemExit) as caught:
            main([str(word) for word in words])
        code = caught.value.code
        captured = capsys.readouterr()
        assert isinstance(code, int)
        return Outcome(code, captured.out, captured.err)

    return call


def check_failure(outcome: Outcome, code: int, *words: str) -> None:
    """Assert that a run failed with one line on stderr that holds `words`."""
    assert outcome.err.startswith("fastent: "), outcome
    assert outcome.err.count("\n") == 1, outcome
    for word in words:
        assert word in outcome.err
    assert outcome.code == code
    assert outcome.out == ""


def distributions(*shape: int, dtype: Any = np.float32, seed: int = 0) -> NDArray[Any]:
    """Return random positive numbers that sum to 1 along the last axis."""
    values = np.random.default_rng(seed).random(shape) + 1e-3
    result: NDArray[Any] = (values / values.sum(axis=-1, keepdims=True)).astype(dtype)
    return result


def save(name: str, array: Any) -> Path:
    """Write an array to the current folder."""
    np.save(name, array)
    return Path(name)


def check_same(path: str | Path, expected: NDArray[Any]) -> None:
    """Assert that a file holds exactly what the function returned."""
    found = np.load(path)
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    assert found.tobytes() == np.ascontiguousarray(expected).tobytes()


# What it computes


@pytest.mark.parametrize("batch", [None, 1, 7, 1000])
@pytest.mark.parametrize("name", [name for name in MEASURES if not MEASURES[name].fields])
def test_every_measure_equals_the_call(run: Run, name: str, batch: int | None) -> None:
    """Bit by bit, whatever the blocks, with ``_`` or ``-`` in the name."""
    p, q = distributions(50, 6), distributions(50, 6, seed=1)
    labels = np.arange(50) % 6
    first = labels if name == "log_loss" else p
    save("first.npy", first)
    words: list[object] = ["score", name.replace("_", "-"), "first.npy", "-o", "out.npy"]
    operands = [first]
    if MEASURES[name].second is not None:
        words += ["--with", save("second.npy", q)]
        operands.append(q)
    if batch is not None:
        words += ["--batch-rows", batch]
    outcome = run(*words)
    assert outcome.code == 0
    assert outcome.err == ""
    check_same("out.npy", getattr(fastent, name)(*operands))


@pytest.mark.parametrize("batch", [1, 4, 5, 100])
@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2])
@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<f2"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_layouts(run: Run, batch: int, axis: int, dtype: str, order: str) -> None:
    """Any axis, byte order and memory order give the call's result."""
    array = np.asarray(distributions(3, 5, 4), dtype=dtype, order=order)  # type: ignore[call-overload]
    save("p.npy", array)
    words = ["score", "entropy", "p.npy", "-o", "out.npy", "--axis", axis]
    assert run(*words, "--batch-rows", batch).code == 0
    check_same("out.npy", fastent.entropy(array, axis=axis))


def test_scattered_rows_are_copied_piece_by_piece(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Columns of a tall array, with pieces small enough to need many."""
    monkeypatch.setattr(npy, "_PIECE_BYTES", 1000)
    monkeypatch.setattr(rows, "BLOCK_BYTES", 3000)
    array = np.ascontiguousarray(distributions(40, 300).T)
    assert npy.is_scattered(array[:, :5])
    save("p.npy", array)
    save("q.npy", np.asfortranarray(array[::-1]))
    words = ["score", "kl_divergence", "p.npy", "--with", "q.npy", "-o", "out.npy", "--axis", 0]
    assert run(*words).code == 0
    check_same("out.npy", fastent.kl_divergence(array, array[::-1], axis=0))


def test_options_reach_the_function(run: Run) -> None:
    """Base, normalize and log_floor do what the keywords do."""
    p, q = distributions(9, 4), distributions(9, 4, seed=1)
    q[3, 2] = 0
    save("p.npy", p * 3)
    save("q.npy", q)
    words = ["score", "cross_entropy", "p.npy", "--with", "q.npy", "-o", "out.npy"]
    assert run(*words, "--base", "2", "--normalize", "--log-floor", "-7.5").code == 0
    expected = fastent.cross_entropy(p * 3, q, base=2.0, normalize=True, log_floor=-7.5)
    check_same("out.npy", expected)
    outcome = run(*words, "--log-floor", "none", "--json")
    check_same("out.npy", fastent.cross_entropy(p * 3, q, log_floor=None))
    summary_of_file = json.loads(outcome.out)["inputs"][0]
    assert summary_of_file["infinite_rows"] == 1
    assert summary_of_file["max"] is None


def test_one_distribution(run: Run) -> None:
    """A 1-D file is one row, and its result has no axes."""
    save("p.npy", np.full(4, 0.25))
    assert run("score", "perplexity", "p.npy", "-o", "out.npy").code == 0
    assert np.load("out.npy").shape == ()
    assert np.load("out.npy") == 4


def test_single_number(run: Run) -> None:
    """A 0-d file is one event."""
    save("p.npy", np.float64(0.5))
    assert run("score", "surprisal", "p.npy", "--base", "2", "-o", "out.npy").code == 0
    assert np.load("out.npy").shape == ()
    assert np.load("out.npy") == 1


@pytest.mark.parametrize("shape", [(0, 5), (0,), (3, 0), (2, 0, 5)])
def test_empty_arrays(run: Run, shape: tuple[int, ...]) -> None:
    """No rows, and rows of no entries, are no errors."""
    array = np.empty(shape, np.float32)
    save("p.npy", array)
    for name in ("entropy", "surprisal"):
        outcome = run("score", name, "p.npy", "-o", "out.npy", "--json")
        assert outcome.code == 0
        check_same("out.npy", getattr(fastent, name)(array))


def test_log_loss_of_probabilities_of_class_one(run: Run) -> None:
    """Probabilities along one axis are those of the second of two classes."""
    labels, prob = np.array([0, 1, 1], np.int8), np.array([0.25, 0.5, 1.0], np.float32)
    save("labels.npy", labels)
    save("prob.npy", prob)
    words = ["score", "log-loss", "labels.npy", "--with", "prob.npy", "-o", "out.npy"]
    assert run(*words, "--batch-rows", 2).code == 0
    check_same("out.npy", fastent.log_loss(labels, prob))


def test_log_loss_along_another_axis(run: Run) -> None:
    """Labels take the place of the axis they index."""
    prob = np.ascontiguousarray(np.moveaxis(distributions(5, 3, 4), -1, 1))
    labels = np.arange(15).reshape(5, 3) % 4
    save("labels.npy", labels)
    save("prob.npy", prob)
    words = ["score", "log_loss", "labels.npy", "--with", "prob.npy", "-o", "out.npy"]
    assert run(*words, "--axis", 1, "--batch-rows", 2).code == 0
    check_same("out.npy", fastent.log_loss(labels, prob, axis=1))


def test_several_inputs_go_to_a_folder(run: Run) -> None:
    """Each to a file of its name, all judged by the same second operand."""
    q = distributions(6, 3)
    save("q.npy", q)
    arrays = {name: distributions(6, 3, seed=seed) for seed, name in enumerate("abc")}
    words: list[object] = ["score", "kl-divergence", "--with", "q.npy", "-o", "made/here"]
    for name, array in arrays.items():
        words.append(save(f"{name}.npy", array))
    outcome = run(*words, "--json")
    assert outcome.code == 0
    for name, array in arrays.items():
        check_same(f"made/here/{name}.npy", fastent.kl_divergence(array, q))
    document = json.loads(outcome.out)
    assert [entry["input"] for entry in document["inputs"]] == ["a.npy", "b.npy", "c.npy"]
    assert document["overall"]["rows"] == 18
    assert sorted(os.listdir("made/here")) == ["a.npy", "b.npy", "c.npy"]


def test_folder_as_output_of_one_input(run: Run) -> None:
    """A folder that exists gets a file of the input's name."""
    Path("folder").mkdir()
    save("p.npy", distributions(4, 3))
    assert run("score", "entropy", "p.npy", "-o", "folder").code == 0
    check_same("folder/p.npy", fastent.entropy(distributions(4, 3)))


def test_output_is_the_file_numpy_would_write(run: Run) -> None:
    """Header and all."""
    p = distributions(8, 3)
    save("p.npy", p)
    assert run("score", "entropy", "p.npy", "-o", "out.npy").code == 0
    save("expected.npy", fastent.entropy(p))
    assert Path("out.npy").read_bytes() == Path("expected.npy").read_bytes()


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


# How it fails


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["score", "entrpy", "p.npy"], ["unknown measure 'entrpy'; did you mean 'entropy'?"]),
        (["score", "xyzzy", "p.npy"], ["unknown measure 'xyzzy'", "kl_divergence"]),
        (["score", "entropy", "missing.npy"], ["missing.npy", "no such file"]),
        (["score", "entropy", "p.txt"], ["p.txt", ".npy"]),
        (["score", "entropy", "folder.npy"], ["folder.npy", "not a file"]),
        (["score", "entropy", "p.npy", "--base", "1"], ["--base"]),
        (["score", "entropy", "p.npy", "--base", "-2"], ["--base"]),
        (["score", "entropy", "p.npy", "--base", "0"], ["--base"]),
        (["score", "entropy", "p.npy", "--base", "nan"], ["--base"]),
        (["score", "entropy", "p.npy", "--base", "e"], ["--base"]),
        (["score", "surprisal", "p.npy", "--log-floor", "x"], ["--log-floor", "none"]),
        (["score", "surprisal", "p.npy", "--log-floor", "1"], ["--log-floor"]),
        (["score", "surprisal", "p.npy", "--log-floor", "-inf"], ["--log-floor"]),
        (["score", "entropy", "p.npy", "--batch-rows", "0"], ["--batch-rows"]),
        (["score", "entropy", "p.npy", "--axis", "2"], ["p.npy", "axis 2"]),
        (["score", "entropy", "p.npy", "--axis", "x"], ["--axis"]),
        (["score", "entropy", "p.npy", "--nonsense"], ["--nonsense"]),
        (["score", "entropy"], ["INPUT"]),
        (["score"], ["MEASURE"]),
        (["nonsense"], ["nonsense"]),
        (["score", "entropy", "p.npy", "--with", "q.npy"], ["--with"]),
        (["score", "kl-divergence", "p.npy"], ["--with FILE holds q"]),
        (["score", "perplexity", "p.npy", "--base", "2"], ["takes no --base"]),
        (["score", "entropy", "p.npy", "--log-floor", "-9"], ["takes no --log-floor"]),
        (["score", "surprisal", "p.npy", "--axis", "-1"], ["takes no --axis"]),
        (["score", "surprisal", "p.npy", "--normalize"], ["takes no --normalize"]),
        (["score", "entropy", "p.npy", "-o", "out.txt"], ["out.txt", ".npy"]),
        (["score", "entropy", "p.npy", "-o", "no/out.npy"], ["no", "no such folder"]),
        (["score", "entropy", "p.npy", "-o", "p.npy"], ["overwrite"]),
        (["score", "entropy", "p.npy", "-o", "link.npy"], ["overwrite"]),
        (["score", "entropy", "p.npy", "q.npy", "-o", "out.npy"], ["out.npy", "folder"]),
        (["score", "entropy", "p.npy", "p.npy", "-o", "new"], ["two inputs", "p.npy"]),
        (["score", "entropy", "p.npy", "q.npy", "-o", "."], ["overwrite"]),
        (
            ["score", "kl-divergence", "p.npy", "--with", "q.npy", "-o", "q.npy"],
            ["overwrite"],
        ),
    ],
    ids=lambda value: "" if "score" not in value else " ".join(value[1:]),
)
def test_wrong_use(run: Run, words: list[str], told: list[str]) -> None:
    """One line and exit code 2, and every file as it was."""
    save("p.npy", distributions(4, 3))
    save("q.npy", distributions(4, 3, seed=1))
    save("out.npy", np.zeros(1))
    Path("p.txt").write_text("0.5,0.5\n", encoding="utf-8")
    Path("folder.npy").mkdir()
    os.link("p.npy", "link.npy")
    before = {path: path.read_bytes() for path in Path().iterdir() if path.is_file()}
    check_failure(run(*words), 2, *told)
    assert before == {path: path.read_bytes() for path in Path().iterdir() if path.is_file()}


@pytest.mark.parametrize(
    ("array", "told"),
    [
        (np.array([0.5, None]), "Python objects"),
        (np.ones((2, 2), complex), "complex"),
        (np.array([["a", "b"]]), "dtype"),
        (np.zeros((2, 2), [("a", float)]), "dtype"),
        (np.float64(0.5), "single number"),
        (np.array([[3, 4]]), "--normalize"),
    ],
)
def test_unusable_arrays(run: Run, array: Any, told: str) -> None:
    """One line that names the file, and exit code 1."""
    np.save("p.npy", array, allow_pickle=True)
    check_failure(run("score", "entropy", "p.npy", "-o", "out.npy"), 1, "p.npy", told)
    assert os.listdir() == ["p.npy"]


@pytest.mark.parametrize("name", ["kl_divergence", "binary_cross_entropy", "log_loss"])
def test_shapes_that_do_not_match(run: Run, name: str) -> None:
    """Both files and both shapes are named."""
    save("p.npy", distributions(4, 3))
    save("q.npy", distributions(5, 3))
    told = ["p.npy of shape (4, 3)", "q.npy of shape (5, 3)"]
    check_failure(run("score", name, "p.npy", "--with", "q.npy"), 1, *told)


@pytest.mark.parametrize("batch", [1, 10, 64, 1000])
def test_check_names_the_row_of_the_file(run: Run, batch: int) -> None:
    """Whatever the blocks, the first bad row counts from the beginning of the file."""
    p = distributions(100, 4)
    p[71] *= 1.5
    p[90, 2] = -1
    save("p.npy", p)
    words = ["score", "entropy", "p.npy", "--check", "--batch-rows", batch, "-o", "out.npy"]
    check_failure(run(*words), 1, "p.npy", "row 71 ")
    assert os.listdir() == ["p.npy"]


def test_check_names_the_file_of_the_second_operand(run: Run) -> None:
    """Not the input, which may be fine."""
    q = distributions(10, 4)
    q[6, 2] = -1
    save("p.npy", distributions(10, 4))
    save("q.npy", q)
    words = ["score", "kl-divergence", "p.npy", "--with", "q.npy", "--check"]
    check_failure(run(*words, "--batch-rows", 4), 1, "fastent: q.npy: row 6 ")


def test_check_counts_the_rows_of_any_axis(run: Run) -> None:
    """Rows count in the order of the output, flattened."""
    p = np.ascontiguousarray(np.moveaxis(distributions(3, 5, 4), -1, 0))
    p[:, 2, 1] = 0
    save("p.npy", p)
    words = ["score", "entropy", "p.npy", "--check", "--axis", 0]
    for batch in (1, 2, 7, 100):
        check_failure(run(*words, "--batch-rows", batch), 1, "p.npy", "row 11")


@pytest.mark.parametrize("batch", [1, 9, 100])
def test_label_out_of_range(run: Run, batch: int) -> None:
    """An error without --check too, with the label's place in the file."""
    labels = np.zeros(50, np.int64)
    labels[[33, 40]] = 4, -1
    save("labels.npy", labels)
    save("prob.npy", distributions(50, 4))
    words = ["score", "log-loss", "labels.npy", "--with", "prob.npy", "--batch-rows", batch]
    check_failure(run(*words), 1, "labels.npy", "33", "4")


def test_damaged_files(run: Run) -> None:
    """Cut anywhere, or with any byte of the header changed, a file ends in one line."""
    whole = save("whole.npy", distributions(4, 3)).read_bytes()
    damaged = [whole[:length] for length in range(0, len(whole), 3)]
    damaged += [whole + b"x", b"x" * 200]
    for position in range(128):
        for change in (0x01, 0x10, 0x80):
            changed = bytearray(whole)
            changed[position] ^= change
            damaged.append(bytes(changed))
    for content in damaged:
        Path("p.npy").write_bytes(content)
        outcome = run("score", "entropy", "p.npy", "--quiet")
        if outcome.code != 0:
            check_failure(outcome, 1, "p.npy")
        else:
            # Spaces, and letters that make another dtype of the same size, can change unnoticed.
            assert len(content) == len(whole)


def test_huge_claim_is_not_believed(run: Run) -> None:
    """A header may ask for more than there is memory; nothing is allocated for it."""
    header = "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000000, 1000)}"
    text = header.ljust(117) + "\n"
    Path("p.npy").write_bytes(
        b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()
    )
    check_failure(run("score", "entropy", "p.npy"), 1, "p.npy", "damaged")


# That nothing half done is left


@pytest.mark.parametrize("existed", [True, False])
@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("place", ["write", "fsync", "replace"])
def test_failure_leaves_the_old_file(
    run: Run, monkeypatch: pytest.MonkeyPatch, place: str, failure: BaseException, existed: bool
) -> None:
    """Whatever fails, the output is the old one or none, and no temporary file stays."""
    save("p.npy", distributions(10, 3))
    if existed:
        save("out.npy", np.arange(3))
    calls = 0
    write = npy.NpyWriter.write

    def fail(*operands: Any) -> None:
        nonlocal calls
        calls += 1
        if place == "write" and calls < 3:
            write(*operands)
        else:
            raise failure

    with monkeypatch.context() as patched:
        patched.setattr(npy.NpyWriter if place == "write" else os, place, fail)
        outcome = run("score", "entropy", "p.npy", "-o", "out.npy", "--batch-rows", "2")
    if isinstance(failure, OSError):
        check_failure(outcome, 1, "No space left on device")
    else:
        check_failure(outcome, 130, "interrupted")
    assert calls == (3 if place == "write" else 1)
    if existed:
        check_same("out.npy", np.arange(3))
    assert sorted(os.listdir()) == (["out.npy", "p.npy"] if existed else ["p.npy"])


def test_files_done_before_a_failure_stay(run: Run) -> None:
    """Every file in the folder is whole: those before the bad one, and no other."""
    for name in "abc":
        p = distributions(5, 3)
        p[4] *= 2 if name == "b" else 1
        save(f"{name}.npy", p)
    words = ["score", "entropy", "a.npy", "b.npy", "c.npy", "--check", "-o", "folder"]
    check_failure(run(*words), 1, "b.npy", "row 4")
    assert os.listdir("folder") == ["a.npy"]


def test_link_as_output_is_written_through(run: Run) -> None:
    """The link stays a link, and the file it stands for is replaced."""
    save("p.npy", distributions(4, 3))
    Path("folder").mkdir()
    Path("link.npy").symlink_to("folder/real.npy")
    assert run("score", "entropy", "p.npy", "-o", "link.npy").code == 0
    assert Path("link.npy").is_symlink()
    check_same("folder/real.npy", fastent.entropy(distributions(4, 3)))


@pytest.mark.parametrize("module", ["click", "rich"])
def test_missing_extra(run: Run, monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    """Without its libraries the command says how to get them."""
    monkeypatch.setitem(sys.modules, module, None)
    outcome = run("score", "--help")
    check_failure(outcome, 2, 'pip install "fastent-numpy[cli]"')


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

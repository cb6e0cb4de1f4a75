"""``fastent score`` of arrays: the bits of the call, whatever the layout and the options."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_cases import Run, check_failure, check_same, distributions, save

import fastent

pytest.importorskip("click")
pytest.importorskip("rich")

from fastent.cli import npy, rows
from fastent.cli.measures import MEASURES


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
    keywords = dict.fromkeys(MEASURES[name].needs, 0.5)
    for option, value in keywords.items():
        words += [f"--{option}", value]
    if batch is not None:
        words += ["--batch-rows", batch]
    outcome = run(*words)
    assert outcome.code == 0
    assert outcome.err == ""
    check_same("out.npy", getattr(fastent, name)(*operands, **keywords))


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


@pytest.mark.parametrize(
    ("words", "keywords"),
    [
        ("entropy --normalize --bias-correction chao-shen", {"bias_correction": "chao-shen"}),
        ("entropy --normalize --pseudocount 0.5", {"pseudocount": 0.5}),
        ("renyi-entropy --normalize --alpha inf", {"alpha": math.inf}),
        ("tsallis-entropy --normalize --order 0", {"order": 0}),
    ],
)
def test_options_of_counts(run: Run, words: str, keywords: dict[str, Any]) -> None:
    """Corrections, pseudocounts and orders do what the keywords do."""
    counts = np.random.default_rng(0).integers(0, 9, (50, 6))
    save("counts.npy", counts)
    name, *options = words.split()
    assert run("score", name, "counts.npy", *options, "-o", "out.npy").code == 0
    function = getattr(fastent, name.replace("-", "_"))
    check_same("out.npy", function(counts, normalize=True, **keywords))


def test_corrections_are_for_counts(run: Run) -> None:
    """What an option needs is told before any work, in the words of the command line."""
    save("p.npy", distributions(4, 3))
    outcome = run("score", "entropy", "p.npy", "--pseudocount", 1, "-o", "out.npy")
    check_failure(outcome, 1, "p.npy: --pseudocount", "needs --normalize")
    assert not Path("out.npy").exists()


def test_ignored_labels(run: Run) -> None:
    """Their rows have loss 0."""
    prob, labels = distributions(50, 6), np.arange(50) % 8 - 2
    save("prob.npy", prob)
    save("labels.npy", np.where(labels == -2, -1, labels))
    words = ["score", "log-loss", "prob.npy", "--labels", "labels.npy", "--ignore-index", -1]
    assert run(*words, "-o", "out.npy").code == 0
    labels[labels == -2] = -1
    check_same("out.npy", fastent.log_loss(labels, prob, ignore_index=-1))


@pytest.mark.parametrize("dtype", [np.int8, np.float32])
def test_brier_score(run: Run, dtype: Any) -> None:
    """Of labels beside rows, and of labels or probabilities beside those of class 1."""
    prob, labels = distributions(50, 2), np.arange(50) % 2
    save("rows.npy", prob)
    save("labels.npy", labels)
    words = ["score", "brier-score", "rows.npy", "--labels", "labels.npy", "-o", "out.npy"]
    assert run(*words).code == 0
    check_same("out.npy", fastent.brier_score(labels, prob))
    save("target.npy", labels.astype(dtype))
    save("prob.npy", prob[:, 1])
    words = ["score", "brier-score", "target.npy", "--with", "prob.npy", "-o", "out.npy"]
    assert run(*words, "--batch-rows", 7).code == 0
    check_same("out.npy", fastent.brier_score(labels, prob[:, 1]))


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

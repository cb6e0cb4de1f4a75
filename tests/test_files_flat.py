"""``fastent score`` of arrays of one axis as tables: the rows are those of the direct path."""

from __future__ import annotations

import numpy as np
import pytest

import fastent as fe

pytest.importorskip("click")
pytest.importorskip("rich")
pytest.importorskip("pyarrow")

import pyarrow as pa
import pyarrow.parquet as pq
from cli_cases import Run, check_failure
from file_cases import column, read

RNG = np.random.default_rng(0)
ONE, OTHER = RNG.random((2, 20))
BITS = RNG.integers(0, 2, 20)

CASES = [
    "entropy one.npy --normalize",
    "kl_divergence one.npy --with other.npy --normalize",
    "logsumexp one.npy",
    "softmax_cross_entropy dist.npy --with one.npy",
    "surprisal one.npy",
    "binary_cross_entropy bits.npy --with one.npy",
    "log_loss one.npy --labels bits.npy",
    "log_loss bits.npy --with one.npy",
    "brier_score one.npy --labels bits.npy",
    "brier_score bits.npy --with one.npy",
    "softmax_cross_entropy bits.npy --with two.npy",
    "softmax_cross_entropy two.npy --labels bits.npy",
]


@pytest.mark.parametrize("output", ["parquet", "npz", "csv"])
@pytest.mark.parametrize("words", CASES)
def test_one_axis(score: Run, words: str, output: str) -> None:
    """One row, or a row an element: the same whatever the output."""
    np.save("one.npy", ONE)
    np.save("other.npy", OTHER)
    np.save("dist.npy", OTHER / OTHER.sum())
    np.save("two.npy", np.stack([ONE, OTHER], 1))
    np.save("bits.npy", BITS)
    assert score(*words.split(), "-o", "want.npy", "--quiet") == (0, "", "")
    assert score(*words.split(), "-o", f"out.{output}", "--quiet") == (0, "", "")
    want = np.load("want.npy")
    np.testing.assert_array_equal(column(read(f"out.{output}"), 0), np.atleast_1d(want))


def test_one_axis_without_an_entry(score: Run) -> None:
    """Still one row."""
    np.save("none.npy", np.empty(0))
    assert score("entropy", "none.npy", "-o", "want.npy", "--quiet").code == 0
    assert score("entropy", "none.npy", "-o", "out.parquet", "--quiet").code == 0
    assert column(read("out.parquet"), 0) == np.load("want.npy")


def test_one_axis_beside_rows(score: Run) -> None:
    """Labels beside a table are a number a row; one row does not go with many."""
    np.save("bits.npy", BITS)
    pq.write_table(pa.table({"p": np.stack([ONE, 1 - ONE], 1).tolist()}), "t.parquet")
    words = ["log_loss", "t.parquet", "--labels", "bits.npy", "-o", "out.npy", "--quiet"]
    assert score(*words).code == 0
    want = fe.log_loss(BITS, np.stack([ONE, 1 - ONE], 1))
    np.testing.assert_array_equal(np.load("out.npy"), want)
    np.save("one.npy", ONE)
    check_failure(score("kl_divergence", "t.parquet", "--with", "one.npy"), 1, "row by row")


def test_one_axis_of_measures_that_differ(score: Run) -> None:
    """One row of one and many of the other: nothing that one table could hold."""
    np.save("one.npy", ONE)
    outcome = score("entropy,surprisal", "one.npy", "-o", "out.parquet")
    check_failure(outcome, 2, "one.npy: has one axis", "one after the other")


def test_probabilities_of_class_1_in_a_table(score: Run) -> None:
    """The column that is left is the probability of class 1, as an array of one axis is."""
    pq.write_table(pa.table({"y": BITS, "prob": ONE}), "t.parquet")
    for name in ("log_loss", "brier_score"):
        assert score(name, "t.parquet", "--labels", "y", "-o", "out.npy", "--quiet").code == 0
        np.testing.assert_array_equal(np.load("out.npy"), getattr(fe, name)(BITS, ONE))

"""``fastent score`` of CSV: names or numbers, what is null, one column."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

import fastent as fe

pytest.importorskip("click")
pytest.importorskip("rich")
pytest.importorskip("pyarrow")

import pyarrow as pa
import pyarrow.parquet as pq
from cli_cases import Run, check_failure
from file_cases import check_same, column, read


def test_csv_without_names(score: Run) -> None:
    """A first line of numbers is a row, unless it may be the names that pandas gives."""
    Path("t.csv").write_text("0.5,0.5\n0.25,0.75\n")
    assert score("entropy", "t.csv", "-o", "out.npy", "--base", 2, "--quiet").code == 0
    check_same(np.load("out.npy"), fe.entropy(np.array([[0.5, 0.5], [0.25, 0.75]]), base=2))
    for names in ("1,2", "0,1"):
        Path("t.csv").write_text(f"{names}\n0.25,0.75\n")
        check_failure(score("entropy", "t.csv"), 2, "t.csv", "--no-header")
    Path("one.csv").write_text("1\n0.25\n")
    assert score("surprisal", "one.csv", "-o", "one.npy", "--quiet").code == 0
    assert len(np.load("one.npy")) == 2
    for option, rows in (("--header", 1), ("--no-header", 2)):
        assert score("entropy", "t.csv", option, "-o", "out.npy", "--quiet").code == 0
        assert len(np.load("out.npy")) == rows


def test_csv_that_begins_with_whole_numbers(score: Run) -> None:
    """Zeros and ones in the first block are probabilities; labels stay whole."""
    lines = ["y,p_0,p_1", *["1,0,1"] * 20_000, *["0,0.25,0.75"] * 20_000]
    Path("t.csv").write_text("\n".join(lines) + "\n")
    words = ["t.csv", "--columns", "p_*", "-o", "out.npy", "--quiet", "--memory", "4MiB"]
    assert score("entropy", *words).code == 0
    assert (np.load("out.npy") > 0).sum() == 20_000
    assert score("log_loss", *words, "--labels", "y").code == 0
    want = np.repeat([0, -np.log(0.25)], 20_000)
    np.testing.assert_allclose(np.load("out.npy"), want, rtol=1e-15)


def test_csv_nan_is_a_number(score: Run) -> None:
    """NaN gives NaN; what is empty is null."""
    Path("t.csv").write_text("a,b\nnan,1\n0.5,0.5\nNaN,NaN\n,\n")
    outcome = score("entropy", "t.csv", "-o", "out.csv", "--base", 2, "--quiet")
    assert outcome.code == 0
    assert Path("out.csv").read_text() == '"entropy"\nnan\n1\nnan\n""\n'
    Path("t.csv").write_text("a,b\n0.5,\n")
    check_failure(score("entropy", "t.csv"), 1, "row 0", "--nulls zero")
    assert score("entropy", "t.csv", "--nulls", "zero", "--quiet").code == 0


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_csv_of_one_column(score: Run, end: str) -> None:
    """A blank line is a null row, before, between and after the others: no row shifts."""
    words = ["surprisal", "t.csv", "-o", "out.parquet", "--base", 2, "--quiet"]
    for lines, want in (
        ("p,0.5,,0.25,", [1, None, 2, None]),
        (",,p,0.5,,1", [1, None, 0]),
        ("0.5,,0.25", [1, None, 2]),
        (",0.5,0.25", [None, 1, 2]),
        ('p,"",0.5,NA', [None, 1, None]),
    ):
        Path("t.csv").write_bytes("".join(line + end for line in lines.split(",")).encode())
        assert score(*words) == (0, "", "")
        assert read("out.parquet")["surprisal"].to_pylist() == want
    Path("t.csv").write_text("a,b\n\n0.5,0.5\n\n")
    assert score("entropy", *words[1:]).code == 0
    assert read("out.parquet")["entropy"].to_pylist() == [1]
    Path("t.csv").write_text("\n\n")
    check_failure(score("entropy", "t.csv"), 1, "t.csv")


def test_csv_of_one_column_there_and_back(score: Run) -> None:
    """Null rows are there for a reader that drops blank lines, in batches with and without any."""
    values = [None, 0.5, 0.1, None, None, 1e-300, 1.0, math.nan, None]
    pq.write_table(pa.table({"p": pa.array(values)}), "t.parquet")
    for rows in (1, 2, 100):
        words = ["t.parquet", "-o", "out.csv", "--quiet", "--batch-rows", rows]
        assert score("surprisal", *words).code == 0
        found = column(read("out.csv"), 0)
        want = fe.surprisal(np.array(values, float))
        np.testing.assert_array_equal(found, want)
        assert score("surprisal", "out.csv", "-o", "out.parquet", "--quiet").code == 0
        nulls = [value is None for value in read("out.parquet")["surprisal"].to_pylist()]
        assert nulls == [value is None for value in values]

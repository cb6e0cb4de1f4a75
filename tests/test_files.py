"""``fastent score`` of tables: every format in and out, folders, streams, operands, memory."""

from __future__ import annotations

import json
import math
import re
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
from file_cases import (
    LABELS,
    NAMES,
    WIDTH,
    P,
    Q,
    check_same,
    column,
    read,
    table,
    wide,
    write,
)

LISTS = [".parquet", ".arrow", ".arrows", ".feather", ".npz"]
OUTPUTS = [".parquet", ".arrow", ".arrows", ".csv", ".npy", ".npz"]


# ---- formats ------------------------------------------------------------------------------------


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("source", LISTS)
def test_every_format(score: Run, source: str, output: str) -> None:
    """In and out, the bytes of the direct call."""
    write(f"t{source}", table())
    words = [f"t{source}", "--columns", "p", "-o", f"out{output}", "--batch-rows", 77]
    outcome = score("entropy", *words, "--base", 2)
    assert (outcome.code, outcome.err) == (0, "")
    want = fe.entropy(P, base=2)
    found = column(read(f"out{output}"), 0)
    check_same(found.astype(want.dtype), want)


@pytest.mark.parametrize("output", OUTPUTS)
def test_csv(score: Run, output: str) -> None:
    """Columns by a pattern; numbers of CSV are float64."""
    write("t.csv", wide())
    assert score("entropy", "t.csv", "--columns", "p_*", "-o", f"out{output}", "--quiet").code == 0
    want = fe.entropy(np.column_stack([column(read("t.csv"), f"p_{i}") for i in range(WIDTH)]))
    check_same(column(read(f"out{output}"), 0), want)


@pytest.mark.parametrize("output", OUTPUTS)
def test_arrays_to_tables(score: Run, output: str) -> None:
    """A .npy file goes to any format; .npz has its arrays by name."""
    np.save("p.npy", P)
    assert score("entropy", "p.npy", "-o", f"out{output}", "--quiet").code == 0
    found = column(read(f"out{output}"), 0)
    check_same(found.astype(np.float32), fe.entropy(P))


def test_arrays_of_any_order(score: Run) -> None:
    """Fortran's order, big-endian, compressed, three axes."""
    cube = np.ones((4, 3, 5), np.float64) / 5
    arrays = {"f": np.asfortranarray(P), "b": P.astype(">f4"), "y": LABELS, "h": P.astype("f2")}
    np.savez_compressed("t.npz", **arrays, cube=cube)
    for name in "fbh":
        words = ["entropy", "t.npz", "--columns", name, "-o", "out.npz", "--batch-rows", 100]
        assert score(*words, "--quiet").code == 0
        check_same(column(read("out.npz"), "entropy"), fe.entropy(arrays[name]))
    words = ["log_loss", "t.npz", "--labels", "y", "--columns", "f", "-o", "out.npy", "--quiet"]
    assert score(*words).code == 0
    check_same(np.load("out.npy"), fe.log_loss(LABELS, P))
    assert score("surprisal", "t.npz", "--columns", "cube", "-o", "out.npz", "--quiet").code == 0
    with np.load("out.npz") as found:
        check_same(found["surprisal"], fe.surprisal(cube))


def test_list_columns_of_different_lengths(score: Run) -> None:
    """Ragged lists, and what has a result for each entry."""
    ragged = pa.table({"p": pa.array([[0.5, 0.5], [1.0], [], None, [0.25] * 4])})
    pq.write_table(ragged, "t.parquet")
    assert score("entropy", "t.parquet", "-o", "out.csv", "--base", 2, "--quiet").code == 0
    assert Path("out.csv").read_text() == '"entropy"\n1\n0\n0\n""\n2\n'
    outcome = score("surprisal", "t.parquet", "-o", "out.parquet", "--base", 2, "--json")
    assert read("out.parquet")["surprisal"].to_pylist() == [[1, 1], [0], [], None, [2] * 4]
    found = json.loads(outcome.out)["overall"]
    assert (found["rows"], found["null_rows"]) == (8, 1)
    check_failure(score("surprisal", "t.parquet", "-o", "out.csv"), 2, "--format parquet")
    check_failure(score("entropy", "t.parquet", "-o", "out.npz"), 1, "nulls", "--format")
    assert not Path("out.npz").exists()
    equal = pa.table({"p": pa.array([[0.5, 0.5], None, [0.0, 0.0]])})
    pq.write_table(equal, "t.parquet")
    outcome = score("softmax", "t.parquet", "-o", "out.parquet", "--json")
    assert read("out.parquet")["softmax"].to_pylist() == [[0.5, 0.5], None, [0.5, 0.5]]
    assert json.loads(outcome.out)["overall"]["max"] == 0.5


def test_null_rows_are_counted(score: Run) -> None:
    """In the summary of every kind; nothing is said of them where there are none."""
    rows = pa.array([[0.5, 0.5], None, [0.25, 0.75], [math.nan, 1.0], None])
    pq.write_table(pa.table({"p": rows, "q": rows}), "t.parquet")
    for name, columns in (
        ("entropy", "p"),
        ("kl_divergence", "p,q"),
        ("softmax", "p"),
        ("score_logits", "p"),
        ("compare_logits", "p,q"),
    ):
        words = [name, "t.parquet", "--columns", columns]
        found = json.loads(score(*words, "--json").out)["overall"]
        assert (found["rows"], found["null_rows"], found["nan_rows"]) == (5, 2, 1)
        told = score(*words).out
        assert re.search(r"null rows +2 *\n", told)
        assert "Null and NaN rows are left out" in told
    np.save("p.npy", P)
    outcome = score("entropy", "p.npy")
    assert "ull" not in outcome.out
    assert json.loads(score("entropy", "p.npy", "--json").out)["overall"]["null_rows"] == 0


def test_no_rows(score: Run) -> None:
    """A table without rows has a result without rows."""
    for name in ("t.parquet", "t.arrow", "t.arrows", "t.npz"):
        write(name, table(rows=0))
        outcome = score("entropy", name, "--columns", "p", "-o", "out.parquet", "--json")
        assert outcome.code == 0
        assert json.loads(outcome.out)["overall"]["rows"] == 0
        assert read("out.parquet").num_rows == 0


# ---- measures and operands ----------------------------------------------------------------------


@pytest.mark.parametrize("source", [".parquet", ".arrow", ".csv", ".npz"])
def test_several_measures_in_one_read(score: Run, source: str) -> None:
    """A column each, in the order that they are named in; a summary each."""
    write(f"t{source}", wide() if source == ".csv" else table())
    columns = "p_*" if source == ".csv" else "p"
    words = [f"t{source}", "--columns", columns, "--labels", "y", "-o", "out.npz", "--json"]
    outcome = score("--measure", "log-loss,entropy,perplexity", *words)
    assert outcome.code == 0, outcome
    found = read("out.npz")
    assert found.column_names == ["log_loss", "entropy", "perplexity"]
    p = P if source != ".csv" else np.column_stack([column(wide(), f"p_{i}") for i in range(5)])
    for name, want in (("log_loss", fe.log_loss(LABELS, p)), ("entropy", fe.entropy(p))):
        np.testing.assert_allclose(column(found, name), want, rtol=1e-6)
    overall = json.loads(outcome.out)["overall"]
    assert [entry["measure"] for entry in overall] == ["log_loss", "entropy", "perplexity"]
    assert overall[1]["mean"] == pytest.approx(
        column(found, "entropy").mean(dtype=float), rel=1e-12
    )


def test_several_measures_of_arrays(score: Run) -> None:
    """A file each, from one read; those that read differently are told apart."""
    np.save("p.npy", P)
    np.save("q.npy", Q)
    words = ["p.npy", "--with", "q.npy", "-o", "out.npy", "--batch-rows", 7, "--quiet"]
    assert score("kl_divergence,js_distance", *words).code == 0
    check_same(np.load("out.kl_divergence.npy"), fe.kl_divergence(P, Q))
    check_same(np.load("out.js_distance.npy"), fe.js_distance(P, Q))
    check_failure(score("entropy,surprisal", "p.npy"), 2, "one after the other")
    assert score("entropy,surprisal", "p.npy", "-o", "out.parquet", "--quiet").code == 0
    check_same(column(read("out.parquet"), "surprisal"), fe.surprisal(P))


def test_two_operands(score: Run) -> None:
    """Columns of one table, in one order or the other, or files row by row."""
    write("t.parquet", table())
    write("t.csv", wide())
    write("p.arrow", table().select(["p"]))
    write("q.parquet", table().select(["q", "id"]))
    np.save("q.npy", Q)
    want = fe.kl_divergence(P, Q)
    for words in (
        ["t.parquet", "--columns", "p,q"],
        ["t.parquet", "--columns", "p", "--columns", "q"],
        ["t.parquet", "--columns", "p", "--with", "q.npy"],
        ["p.arrow", "--with", "q.parquet"],
        ["p.arrow", "--with", "q.parquet", "--columns", "p,q"],
    ):
        outcome = score("kl-divergence", *words, "-o", "out.npy", "--quiet", "--batch-rows", 64)
        assert outcome == (0, "", "")
        check_same(np.load("out.npy"), want)
    for said in (["p_*,q_*"], ["p_0,p_1,p_2,p_3,p_4", "q_0,q_1,q_2,q_3,q_4"]):
        words = [w for each in said for w in ("--columns", each)]
        assert score("kl-divergence", "t.csv", *words, "-o", "out.npy", "--quiet").code == 0
        np.testing.assert_allclose(np.load("out.npy"), want, rtol=1e-5)
    assert (
        score("kl-divergence", "t.parquet", "--columns", "q,p", "-o", "o.npy", "--quiet").code == 0
    )
    check_same(np.load("o.npy"), fe.kl_divergence(Q, P))


def test_labels(score: Run) -> None:
    """A column, or a file beside the table; or the first of two columns."""
    write("t.parquet", table())
    np.save("y.npy", LABELS)
    want = fe.log_loss(LABELS, P)
    for words in (
        ["--columns", "p", "--labels", "y"],
        ["--columns", "p", "--target", "y"],
        ["--columns", "p", "--labels", "y.npy"],
        ["--columns", "y,p"],
    ):
        assert score("log-loss", "t.parquet", *words, "-o", "out.npy", "--quiet") == (0, "", "")
        check_same(np.load("out.npy"), want)
    words = ["t.parquet", "--columns", "p", "--labels", "y", "-o", "out.parquet", "--json"]
    outcome = score("score-logits", *words)
    assert "accuracy" in json.loads(outcome.out)["overall"]
    found, scores = read("out.parquet"), fe.score_logits(LABELS, P)
    assert found.column_names == list(scores._fields)
    for name in scores._fields:
        check_same(column(found, name), getattr(scores, name))
    words = ["t.parquet", "--columns", "p,q", "--labels", "y", "-o", "out.parquet", "--json"]
    assert "mean_same_prediction" in json.loads(score("compare-logits", *words).out)["overall"]
    check_same(column(read("out.parquet"), 0), fe.compare_logits(P, Q, LABELS).kl_divergence)


@pytest.mark.parametrize("output", [".parquet", ".arrow", ".arrows", ".csv"])
@pytest.mark.parametrize("source", [".parquet", ".csv"])
def test_append(score: Run, source: str, output: str) -> None:
    """The columns of the input as they are, then the results."""
    data = wide()
    write(f"t{source}", data)
    words = [f"t{source}", "--columns", "p_*", "--append", "-o", f"out{output}", "--quiet"]
    assert score("entropy,perplexity", *words).code == 0
    found = read(f"out{output}")
    assert found.column_names == [*data.column_names, "entropy", "perplexity"]
    assert found["id"].to_pylist() == NAMES
    for name in data.column_names[1:]:
        want = column(data, name)
        np.testing.assert_array_equal(column(found, name).astype(want.dtype), want)


def test_append_keeps_text(score: Run) -> None:
    """What looks like a number and is none keeps its zeros, from CSV to CSV."""
    Path("t.csv").write_text("zip,p_0,p_1\n007,0.5,0.5\n,0.25,0.75\n")
    words = ["t.csv", "--columns", "p_*", "--append", "-o", "out.csv", "--base", 2, "--quiet"]
    assert score("entropy", *words).code == 0
    assert Path("out.csv").read_text().splitlines()[1] == '"007",0.5,0.5,1'
    check_failure(score("entropy", "t.csv", *words[1:5], "t.csv"), 2, "overwrite")
    check_failure(score("entropy", "out.csv", *words[1:5], "o.csv"), 2, "--append")

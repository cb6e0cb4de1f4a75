"""Folders of files, what a run that goes on leaves alone, and standard input and output."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

import fastent as fe

pytest.importorskip("click")
pytest.importorskip("rich")
pytest.importorskip("pyarrow")

import pyarrow as pa
from cli_cases import Run, check_failure
from file_cases import (
    ROWS,
    P,
    check_same,
    column,
    files_below,
    read,
    start,
    table,
    wide,
    write,
)

from fastent.cli.files import FORMATS

LISTS = [".parquet", ".arrow", ".arrows", ".feather", ".npz"]
OUTPUTS = [".parquet", ".arrow", ".arrows", ".csv", ".npy", ".npz"]


def make_folder(*, suffix: str = ".parquet") -> list[str]:
    """Write a folder of three files, one in a folder of its own, and something hidden."""
    names = [f"in/a{suffix}", f"in/b{suffix}", f"in/deep/c{suffix}"]
    for place, name in enumerate(names):
        write(name, table(rows=200, start=200 * place))
    Path("in/_SUCCESS").write_text("")
    Path("in/notes.txt").write_text("no table")
    Path("in/.hidden.parquet").write_text("no table")
    return names


@pytest.mark.parametrize("output", [None, "csv", "arrow", "npz"])
def test_folder(score: Run, output: str | None) -> None:
    """One output an input, of the same name; another format another ending."""
    make_folder()
    words = ["in", "--columns", "p", "-o", "out", "--json"]
    words += ["--format", output] if output else []
    outcome = score("entropy", *words)
    assert outcome.code == 0
    suffix = FORMATS[output].ending if output else ".parquet"
    want = [f"a{suffix}", f"b{suffix}", f"deep/c{suffix}"]
    assert list(files_below("out")) == want
    for place, name in enumerate(want):
        found = column(read(Path("out") / name), 0).astype(np.float32)
        check_same(found, fe.entropy(P[200 * place : 200 * place + 200]))
    assert json.loads(outcome.out)["overall"]["rows"] == 600


def test_pattern(score: Run) -> None:
    """What the shell does not expand, the command does."""
    make_folder()
    assert score("entropy", "in/*.parquet", "--columns", "p", "-o", "out", "--quiet").code == 0
    assert list(files_below("out")) == ["a.parquet", "b.parquet"]
    assert score("entropy", "in/**/*.parquet", "--columns", "p", "--quiet").code == 0
    check_failure(score("entropy", "in/*.csv"), 2, "no file matches")


def test_mixed_folder(score: Run) -> None:
    """Arrays and tables, each in its own format."""
    write("in/a.parquet", table())
    Path("in").mkdir(exist_ok=True)
    np.save("in/b.npy", P)
    assert score("entropy", "in", "-o", "out", "--quiet").code == 2
    assert not Path("out").exists()
    write("in/a.parquet", table().select(["p"]))
    assert score("entropy", "in", "-o", "out", "--quiet").code == 0
    check_same(np.load("out/b.npy"), fe.entropy(P))
    check_same(column(read("out/a.parquet"), 0), fe.entropy(P))


def test_resume(score: Run) -> None:
    """What is complete is left as it is; what is not, is done; other options are told."""
    names = make_folder()
    words = ["in", "--columns", "p", "-o", "out"]
    assert score("entropy", *words, "--quiet").code == 0
    whole = files_below("out")
    Path("out/b.parquet").unlink()
    before = Path("out/a.parquet").stat().st_mtime_ns
    outcome = score("entropy", *words, "--resume", "--json")
    assert outcome.code == 0
    document = json.loads(outcome.out)
    assert document["skipped"] == 2
    assert [entry["input"] for entry in document["inputs"]] == [names[1]]
    assert files_below("out") == whole
    assert Path("out/a.parquet").stat().st_mtime_ns == before
    check_failure(score("perplexity", *words, "--resume"), 2, "other options", "--resume")
    os.utime(names[0])
    assert json.loads(score("entropy", *words, "--resume", "--json").out)["skipped"] == 2
    everything = score("entropy", *words, "--resume")
    assert "3 complete files were left as they are" in everything.out


@pytest.mark.parametrize(("measure", "option"), [("kl-divergence", "with"), ("log-loss", "labels")])
@pytest.mark.parametrize("suffix", ["npy", "parquet"])
def test_resume_after_a_change_beside(score: Run, measure: str, option: str, suffix: str) -> None:
    """Results are those of the files of --with and --labels as they are now."""
    np.save("q.npy", P[:200])
    np.save("labels.npy", np.zeros(200, np.int64))
    for place in range(2):
        piece = P[200 * place : 200 * place + 200]
        if suffix == "npy":
            Path("in").mkdir(exist_ok=True)
            np.save(f"in/{place}.npy", piece)
        else:
            write(f"in/{place}.parquet", pa.table({"p": piece.tolist()}))
    beside = "q.npy" if option == "with" else "labels.npy"
    words = [measure, "in", f"--{option}", beside, "-o", "out"]
    words += ["--columns", "p"] if suffix == "parquet" else []
    assert score(*words, "--quiet").code == 0
    assert json.loads(score(*words, "--resume", "--json").out)["skipped"] == 2
    np.save(beside, P[200:400] if option == "with" else np.ones(200, np.int64))
    assert json.loads(score(*words, "--resume", "--json").out)["skipped"] == 0
    resumed = files_below("out")
    assert score(*words, "--quiet").code == 0
    assert files_below("out") == resumed


def test_resume_of_an_empty_output(score: Run) -> None:
    """No output has 0 bytes: one that has is what a broken disk left."""
    names = make_folder()
    words = ["entropy", "in", "--columns", "p", "-o", "out"]
    assert score(*words, "--quiet").code == 0
    whole = files_below("out")
    Path("out/b.parquet").write_bytes(b"")
    document = json.loads(score(*words, "--resume", "--json").out)
    assert [entry["input"] for entry in document["inputs"]] == [names[1]]
    assert files_below("out") == whole


def test_results_of_another_run_are_not_complete(score: Run) -> None:
    """An output from before the run that is gone on with is written anew."""
    make_folder()
    words = ["in", "--columns", "p", "-o", "out", "--quiet"]
    assert score("perplexity", *words).code == 0
    write("in/b.parquet", pa.table({"p": [[0.5, 0.5], [0.5, None]]}))
    check_failure(score("entropy", *words), 1, "b.parquet", "entry 1")
    assert read("out/a.parquet").column_names == ["entropy"]
    assert read("out/b.parquet").column_names == ["perplexity"]
    write("in/b.parquet", table())
    assert score("entropy", *words, "--resume").code == 0
    for name in ("a.parquet", "b.parquet", "deep/c.parquet"):
        assert read(Path("out") / name).column_names == ["entropy"]


def test_standard_streams(score: Run, tmp_path: Path) -> None:
    """CSV and Arrow streams come in and go out."""
    csv, arrows = write("t.csv", wide()).read_bytes(), write("t.arrows", table()).read_bytes()
    write("t.parquet", table())
    want = fe.entropy(P)
    words = ["entropy", "-", "--columns", "p", "-o", "-", "--format", "arrows", "--quiet"]
    done = start(*words, cwd=tmp_path, data=arrows)
    assert (done.returncode, done.stderr) == (0, b"")
    check_same(column(pa.ipc.open_stream(done.stdout).read_all(), "entropy"), want)
    done = start("entropy", "-", "--columns", "p_*", "-o", "-", "--append", cwd=tmp_path, data=csv)
    assert done.returncode == 0
    lines = done.stdout.decode().splitlines()
    assert len(lines) == ROWS + 1
    assert lines[1].startswith('"r0",')
    assert b"mean" in done.stderr
    done = start("entropy", "-", "-o", "out.npy", cwd=tmp_path, data=b"a,b\n0.5,0.5\n")
    assert done.returncode == 0
    assert np.load("out.npy") == np.log(2)
    done = start("entropy", "t.parquet", "--columns", "p", "-o", "-", "--quiet", cwd=tmp_path)
    assert len(done.stdout.splitlines()) == ROWS + 1
    for data, word in ((Path("t.parquet").read_bytes(), b"Parquet"), (b"", b"is empty")):
        done = start("entropy", "-", "-o", "-", cwd=tmp_path, data=data)
        assert done.returncode in (1, 2)
        assert done.stdout == b""
        assert word in done.stderr
        assert done.stderr.count(b"\n") == 1

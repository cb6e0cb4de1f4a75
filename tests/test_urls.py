"""``fastent score`` of URLs: the results of the same files on this machine."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from cli_cases import Run, check_failure
from file_cases import P, table, wide, write

pytest.importorskip("click")
pytest.importorskip("rich")
fsspec = pytest.importorskip("fsspec")
pytest.importorskip("upath")

SUFFIXES = ("parquet", "arrow", "arrows", "npz", "csv", "npy")


@pytest.fixture
def store() -> Iterator[str]:
    """Return the address of a store in memory that is emptied afterwards."""
    yield "memory://bucket"
    fsspec.filesystem("memory").store.clear()


def fill(store: str, folder: str) -> None:
    """Write a file of each format to a folder, and the same to the store."""
    for suffix in SUFFIXES:
        path = Path(folder, f"{suffix}.{suffix}")
        path.parent.mkdir(exist_ok=True)
        if suffix == "npy":
            np.save(path, P)
        else:
            write(path, (wide if suffix == "csv" else table)())
        with fsspec.open(f"{store}/{folder}/{path.name}", "wb") as target:
            target.write(path.read_bytes())


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_each_format(score: Run, store: str, suffix: str) -> None:
    """The bytes of the outputs are the same."""
    fill(store, "in")
    words = ["entropy", "--quiet"]
    words += [] if suffix == "npy" else ["--columns", "p_*" if suffix == "csv" else "p"]
    assert score(*words, f"in/{suffix}.{suffix}", "-o", "here.npy").code == 0
    assert score(*words, f"{store}/in/{suffix}.{suffix}", "-o", "there.npy").code == 0
    assert Path("there.npy").read_bytes() == Path("here.npy").read_bytes()


@pytest.mark.parametrize("inputs", ["in", "in/*.parquet", "in/*"])
def test_folders_and_patterns(
    score: Run, store: str, inputs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outputs have the names of the inputs; --resume skips what is there, if times are known."""
    fill(store, "in")
    for suffix in set(SUFFIXES) - {"parquet", "arrow"}:
        fsspec.filesystem("memory").rm(f"{store}/in/{suffix}.{suffix}")
    words = ["entropy", f"{store}/{inputs}", "--columns", "p", "-o", "out", "--json"]
    assert score(*words).code == 0
    found = ["parquet.parquet"] if "*.parquet" in inputs else ["arrow.arrow", "parquet.parquet"]
    assert sorted(os.listdir("out")) == found
    again = json.loads(score(*words, "--resume").out)
    assert again["skipped"] == 0  # this store has none: its files may have changed
    memory = type(fsspec.filesystem("memory"))
    info, now = memory.info, datetime.now(UTC)
    for changed, skipped in ((now - timedelta(hours=1), len(found)), (now + timedelta(hours=1), 0)):
        later = {"LastModified": changed}
        with monkeypatch.context() as patch:
            patch.setattr(memory, "info", lambda *a, later=later, **k: info(*a, **k) | later)
            assert json.loads(score(*words, "--resume").out)["skipped"] == skipped


def test_second_operand(score: Run, store: str) -> None:
    """--with may be a URL, and INPUT none."""
    fill(store, "in")
    words = ["kl-divergence", "in/npy.npy", "-o"]
    assert score(*words, "here.npy", "--with", "in/npy.npy").code == 0
    assert score(*words, "there.npy", "--with", f"{store}/in/npy.npy").code == 0
    assert Path("there.npy").read_bytes() == Path("here.npy").read_bytes()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["{store}/none.parquet"], "memory://bucket/none.parquet: no such file"),
        (["{store}/in/*.feather"], "no file matches"),
        (["{store}/in/csv.txt"], "its name ends in none of"),
        (["nosuch://bucket/a.parquet"], "nosuch://bucket/a.parquet: "),
        (["in/npy.npy", "-o", "memory://bucket/out.npy"], "not to URLs"),
    ],
)
def test_failures(score: Run, store: str, words: list[str], told: str) -> None:
    """One line says what is wrong."""
    fill(store, "in")
    check_failure(score("entropy", *(word.format(store=store) for word in words)), 2, told)


def test_store_that_fails(score: Run, store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it raises: no traceback."""
    fill(store, "in")

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the token has expired\nat all")

    for name in ("info", "_open"):
        with monkeypatch.context() as patch:
            patch.setattr(f"fsspec.implementations.memory.MemoryFileSystem.{name}", fail)
            words = [f"{store}/in/npy.npy", "-o", "out.npy"]
            check_failure(score("entropy", *words), 1, "npy.npy: ", "the token has expired")
    assert not Path("out.npy").exists()


def test_missing_extra(score: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line names what to install."""
    monkeypatch.setitem(sys.modules, "upath", None)
    check_failure(score("entropy", "memory://a/b.npy"), 2, 'pip install "fastent-numpy[urls]"')

"""``fastent report``: each failure is one line that leaves nothing behind; memory is bounded."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cli_cases import Run

pytest.importorskip("click")
pytest.importorskip("rich")
pytest.importorskip("matplotlib")
pytest.importorskip("pyarrow")

import pyarrow as pa

from fastent.report import write_report

EXAMPLES = Path(__file__).parent.parent / "examples"
PROBABILITIES = EXAMPLES / "digits_probabilities.npy"
LABELS = EXAMPLES / "digits_labels.npy"

Report = Callable[..., tuple[int, str]]


@pytest.fixture
def report(run: Run) -> Report:
    """Run ``fastent report`` in an empty folder; return its exit code and what it complains of."""

    def call(*words: object) -> tuple[int, str]:
        outcome = run("report", *words)
        assert outcome.out == ""
        return outcome.code, outcome.err

    return call


def test_failures(report: Report, tmp_path: Path) -> None:
    """Each is one line that says what, where and what to do; nothing is left behind."""
    rows, half = np.load(PROBABILITIES), 898
    np.save("first.npy", rows[:half])
    np.save("second.npy", rows[half:])
    np.save("labels.npy", np.load(LABELS)[:half])
    np.save("counts.npy", np.arange(1, 31).reshape(10, 3))
    np.save("logits.npy", np.linspace(-3, 3, 30).reshape(10, 3))
    np.save("words.npy", np.array(["a", "b"]))
    np.save("bad.npy", np.full(898, 10))
    np.save("none.npy", np.empty((0, 3)))
    np.save("objects.npy", np.array([{}, []], dtype=object), allow_pickle=True)
    np.save("minus.npy", np.resize([1, -1, -1], half))
    np.save("two.npy", np.resize([1, -1, -2], half))
    np.save("least.npy", np.full(half, np.iinfo(np.int64).min))
    np.save("single.npy", np.resize([0.5, 1.5, 1.5], half))
    np.save("below.npy", np.resize([0.5, -1, -1], half))
    names = {"p_a": [0.5], "p_b": [0.5], "name": ["a"], "kind": pa.array(["a"]).dictionary_encode()}
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pa.table(names), "names.parquet")
    Path("a.npz").write_bytes(b"")
    Path("folder").mkdir()
    Path("damaged.npy").write_bytes(Path("first.npy").read_bytes()[:-7])
    Path("empty.npy").write_bytes(b"")
    Path("damaged.parquet").write_bytes(b"PAR1nothing")
    Path("twice.csv").write_text("a,a\n0.5,0.5\n", "utf-8")
    Path("latin.csv").write_bytes(b"\xe9,b\n0.5,0.5\n")
    Path("text.csv").write_text("a,b\nx,y\n", "utf-8")
    Path("ragged.csv").write_text("a,b\n1,2\n1\n", "utf-8")
    before = sorted(path.name for path in tmp_path.iterdir())
    out = ("-o", "r.html")
    labels, drift, p = "--labels", ("--drift-only", "--with"), ("--columns", "p_*")
    cases: list[tuple[int, tuple[str, ...], str]] = [
        (2, ("first.npy", "-o", "r.txt"), "must end in .html"),
        (2, ("nothing.npy", *out), "nothing.npy: no such file"),
        (2, ("first.npy", "-o", "no/r.html"), "no: no such folder"),
        (2, ("folder", *out), "folder: is a folder"),
        (2, ("a.npz", *out), "a.npz: its name ends in none of .npy, .parquet"),
        (2, ("first.npy", *out, "--ignore-index", "-1"), "--ignore-index -1 is a label"),
        (2, ("first.npy", *out, "--base", "1"), "--base 1 is no base"),
        (2, ("first.npy", *out, "--drift-only"), "needs --with"),
        (2, ("first.npy", *out, "--temperature", "2"), "needs --logits"),
        (2, ("first.npy", *out, "--logits", "--normalize"), "one or the other"),
        (2, ("first.npy", *out, "--drift-only", "--with", "first.npy", "--logits"), "drop"),
        (1, ("counts.npy", *out), "counts.npy: row 0 sums to 6"),
        (1, ("logits.npy", *out), "logits (--logits)"),
        (1, ("words.npy", *out), "rows of numbers are wanted"),
        (1, ("none.npy", *out), "there are no rows in it"),
        (1, ("objects.npy", *out), "objects.npy: not a readable .npy file"),
        (1, ("damaged.npy", *out), "damaged.npy: not a readable .npy file"),
        (1, ("empty.npy", *out), "empty.npy: not a readable .npy file"),
        (1, ("damaged.parquet", *out), "damaged.parquet"),
        (1, ("text.csv", *out), "no columns are left"),
        (1, ("ragged.csv", *out), "ragged.csv"),
        (1, ("twice.csv", *out, *drift, "twice.csv"), "several columns are called 'a'"),
        (1, ("latin.csv", *out), "latin.csv: the names of its columns are not UTF-8"),
        (1, ("first.npy", *out, labels, "second.npy"), "labels are integers"),
        (1, ("first.npy", *out, labels, "bad.npy"), "the label of row 0 is 10"),
        (1, ("first.npy", *out, labels, "minus.npy"), "row 1 is -1, but there are 10 classes"),
        (1, ("first.npy", *out, labels, "minus.npy"), "--ignore-index -1 if it marks rows"),
        (1, ("first.npy", *out, labels, "two.npy", "--ignore-index", "-1"), "of row 2 is -2"),
        (1, ("first.npy", *out, labels, "two.npy", "--ignore-index", "-2"), "of row 1 is -1"),
        (1, ("first.npy", *out, labels, "least.npy"), "the label of row 0 is -9"),
        (1, ("single.npy", *out), "single.npy: row 1 holds 1.5, so these are no probabilities"),
        (1, ("below.npy", *out), "below.npy: row 1 holds -1, so these are no probabilities"),
        (1, ("names.parquet", *out, *p, labels, "name"), "'name' (labels) is string"),
        (1, ("names.parquet", *out, *p, labels, "kind"), "class indices are integers from 0 on"),
        (1, ("names.parquet", *out, *p, labels, "none"), "neither a file nor a column"),
        (1, ("second.npy", *out, labels, "labels.npy"), "more rows than there are labels, 898"),
        (1, ("first.npy", *out, labels, str(LABELS)), "more labels than the 898 rows"),
        (1, ("first.npy", *out, "--columns", "p"), "has no named columns"),
        (1, ("first.npy", *out, *drift, "counts.npy"), "has 10 columns, counts.npy 3"),
        (1, ("text.csv", *out, *drift, "text.csv"), "no column of numbers in common"),
        (1, ("none.npy", *out, *drift, "none.npy"), "there are no rows in it"),
        (1, ("first.npy", *out, labels, "missing"), "missing: no such file"),
    ]
    for code, words, message in cases:
        found = report(*words)
        assert found[1].startswith("fastent: "), words
        assert found[1].count("\n") == 1, words
        assert message in found[1], (words, found[1])
        assert found[0] == code, words
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_old_page_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that cannot take its name leaves the old one, and nothing beside it."""
    (tmp_path / "r.html").write_text("old", "utf-8")

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", refuse)
    with pytest.raises(OSError, match="No space"):
        write_report(PROBABILITIES, tmp_path / "r.html")
    assert [path.name for path in tmp_path.iterdir()] == ["r.html"]
    assert (tmp_path / "r.html").read_text("utf-8") == "old"


@pytest.mark.parametrize(("module", "file"), [("matplotlib", "p.npy"), ("pyarrow", "p.csv")])
def test_missing_extra(tmp_path: Path, module: str, file: str) -> None:
    """One line names what to install; arrays need no PyArrow."""
    np.save(tmp_path / "p.npy", np.full((4, 2), 0.5))
    (tmp_path / "p.csv").write_text("a,b\n0.5,0.5\n", "utf-8")
    code = (
        f"import sys; sys.modules[{module!r}] = None\n"
        "from fastent.cli import main; main(sys.argv[1:])"
    )
    words = [sys.executable, "-c", code, "report", "-o", "r.html"]
    done = subprocess.run([*words, file], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert 'pip install "fastent-numpy[report]"' in done.stderr
    if module == "pyarrow":
        assert subprocess.run([*words, "p.npy"], cwd=tmp_path).returncode == 0


# ---- memory -----------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of /proc")
def test_memory(tmp_path: Path) -> None:
    """A file is never in memory whole: of 160 MB the report takes less than half."""
    shape = (4_000_000, 10)
    block = np.random.default_rng(0).dirichlet(np.ones(10), 100_000).astype(np.float32)
    with open(tmp_path / "p.npy", "wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for _ in range(40):
            block.tofile(file)
    code = (
        "import sys, fastent.report\n"
        "def peak(): return int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])\n"
        "before = peak(); fastent.report.write_report('p.npy', 'r.html')\n"
        "print((peak() - before) // 1024)"
    )
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 80
    assert "<dt>rows</dt><dd>4,000,000</dd>" in (tmp_path / "r.html").read_text("utf-8")

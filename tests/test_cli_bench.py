"""``fastent bench``: its results are checked, and its words, JSON and picture agree."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastent

pytest.importorskip("click")
pytest.importorskip("rich")

from fastent.cli import bench, main


def run(*words: str) -> int:
    """Run the command; return its exit code."""
    with pytest.raises(SystemExit) as caught:
        main(["bench", *words])
    assert isinstance(caught.value.code, int)
    return caught.value.code


def test_text_json_and_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All three come of one run, with every case and what is installed."""
    pytest.importorskip("matplotlib")
    document, picture = tmp_path / "b.json", tmp_path / "b.svg"
    words = ("--quick", "--mebibytes", "1", "--json", str(document), "--picture", str(picture))
    assert run(*words) == 0
    found = json.loads(document.read_text("utf-8"))
    said = capsys.readouterr().out
    assert [case["case"] for case in found["cases"]] == [case.name for case in bench.cases()]
    for case in found["cases"]:
        assert min(case["ratio"], case["seconds"], *case["peers"].values()) > 0
        assert set(case["peers"]) == set(bench.installed())
        assert case["case"] in said
        assert f"{case['ratio']:.3g}" in said
        assert case["case"] in picture.read_text("utf-8")
    assert found["machine"]["fastent"] == fastent.__version__
    assert "NumPy" in found["versions"]


def test_only_numpy(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not installed has no column; JSON goes to standard output."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name == "numpy" or None)
    monkeypatch.setattr(bench, "cases", lambda every=bench.cases: every()[:2])
    assert run("--quick", "--mebibytes", "1", "--dtype", "float64", "--json", "-") == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found["versions"]) == ["NumPy"]
    assert [list(case["peers"]) for case in found["cases"]] == [["NumPy"]] * 2


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", bench.cases(), ids=lambda case: case.name)
def test_wrong_results_are_found(case: bench.Case, dtype: str) -> None:
    """A result that is off by a little more than its bound stops the run."""
    operands = [bench.make(name, case.columns, 1 << 16, dtype) for name in case.operands]
    factor = 1 + 3 * bench.TOLERANCE[dtype]
    off = replace(case, ours=lambda *a: case.ours(*a) * factor)
    bench._check("fastent", case, dtype, operands, case.ours)
    with pytest.raises(bench.WrongResultError, match=r"fastent: .* is off by"):
        bench._check("fastent", off, dtype, operands, off.ours)


def test_a_wrong_result_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With exit code 1."""
    wrong = replace(bench.cases()[0], ours=lambda p: fastent.entropy(p) + 1)
    monkeypatch.setattr(bench, "cases", lambda: [wrong])
    assert run("--quick", "--mebibytes", "1") == 1
    assert capsys.readouterr().err.startswith("fastent: fastent: entropy, rows of 1000 is off")


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("shape", [(1,), (7, 3), (1000, 10)])
def test_the_floor_reads_everything(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], threads: int
) -> None:
    """Every word of every operand once, whatever the threads."""
    seen = []

    class Words:
        @staticmethod
        def reduce(words: Any) -> None:
            seen.extend(words.tolist())

    monkeypatch.setattr(np, "bitwise_xor", Words)
    arrays = [np.random.default_rng(i).random(shape) for i in range(2)]
    with ThreadPoolExecutor(threads) as pool:
        bench.read(arrays, pool, threads)
    expected = np.concatenate([a.reshape(-1) for a in arrays]).view(np.uint64)
    assert sorted(seen) == sorted(expected.tolist())


def test_use_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are told before anything is measured."""
    for words, message in (
        (("--picture", "a.txt"), "ends in .svg or .png"),
        (("--json", str(tmp_path / "no" / "a.json")), "no such folder"),
        (("--dtype", "int8"), "int8"),
    ):
        assert run(*words) == 2
        assert message in capsys.readouterr().err


def test_missing_extra(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A picture needs matplotlib, and says so first."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "fastent.cli.bench_picture", raising=False)
    assert run("--picture", str(tmp_path / "a.svg")) == 2
    assert 'pip install "fastent-numpy[report]"' in capsys.readouterr().err

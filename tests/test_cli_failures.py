"""How the command line fails, and that it leaves nothing half done."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_cases import Run, check_failure, check_same, distributions, save

import fastent

pytest.importorskip("click")
pytest.importorskip("rich")

from fastent.cli import npy


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
        (["score", "renyi-entropy", "p.npy"], ["needs --alpha X"]),
        (["score", "tsallis-entropy", "p.npy", "--order", "-1"], ["--order", "-1"]),
        (["score", "tsallis-entropy", "p.npy", "--alpha", "1"], ["takes no --alpha"]),
        (["score", "entropy", "p.npy", "--pseudocount", "nan"], ["--pseudocount"]),
        (["score", "entropy", "p.npy", "--bias-correction", "x"], ["miller-madow"]),
        (
            ["score", "softmax-entropy", "p.npy", "--temperature", "0"],
            ["--temperature", "positive number"],
        ),
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


def test_cut_off_while_read(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a block, where nobody looks: memory that is mapped would end the process."""
    save("p.npy", distributions(4000, 10))
    fetch = npy.NpyFile._fetch
    calls = 0

    def cut(self: npy.NpyFile, view: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            os.truncate("p.npy", 5000)
        return fetch(self, view)

    monkeypatch.setattr(npy.NpyFile, "_fetch", cut)
    monkeypatch.setattr(npy.NpyFile, "check_unchanged", lambda self: None)
    outcome = run("score", "entropy", "p.npy", "-o", "out.npy", "--batch-rows", 1000)
    check_failure(outcome, 1, "p.npy: was cut off while it was read")
    assert os.listdir() == ["p.npy"]


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

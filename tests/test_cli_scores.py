"""The command line with softmax, and with what says several things of a row of logits."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_cases import Run

import fastent

pytest.importorskip("click")
pytest.importorskip("rich")

from fastent.cli import npy

LOGITS = 3 * np.random.default_rng(1).standard_normal((100, 10)).astype(np.float32)
LABELS = np.arange(100) % 10
SCORES = fastent.score_logits(LABELS, LOGITS)


@pytest.fixture
def run(run: Run) -> Run:
    """Run the command in a folder with logits and labels."""
    np.save("logits.npy", LOGITS)
    np.save("labels.npy", LABELS)
    return run


def check_files(stem: str, want: Any) -> None:
    """Assert that there is a file for each field, and what it holds."""
    names = [name for name, field in want._asdict().items() if field is not None]
    found = sorted(path.name for path in Path().glob(f"{stem}.*.npy"))
    assert found == sorted(f"{stem}.{name}.npy" for name in names)
    for name in names:
        np.testing.assert_array_equal(
            np.load(f"{stem}.{name}.npy"), getattr(want, name), strict=True
        )


def overall(out: str) -> dict[str, Any]:
    """Return the numbers of the summary."""
    found: dict[str, Any] = json.loads(out)["overall"]
    return found


@pytest.mark.parametrize("name", ["softmax", "log-softmax"])
@pytest.mark.parametrize("batch", [1, 7, 1000])
@pytest.mark.parametrize("axis", [-1, 1, 0])
def test_softmax(run: Run, name: str, batch: int, axis: int) -> None:
    """A file of the shape of the input; the summary tells of each row's largest."""
    words = ["score", name, "logits.npy", "-o", "out.npy", "--json", "--temperature", 2]
    code, out, err = run(*words, "--axis", axis, "--batch-rows", batch)
    assert (code, err) == (0, "")
    function = getattr(fastent, name.replace("-", "_"))
    want = function(LOGITS, axis=axis, temperature=2)
    np.testing.assert_array_equal(np.load("out.npy"), want, strict=True)
    largest = want.max(axis)
    document = overall(out)
    assert document["rows"] == largest.size
    assert document["mean"] == pytest.approx(largest.mean(dtype=np.float64), rel=1e-12)
    assert (document["min"], document["max"]) == (largest.min(), largest.max())


@pytest.mark.parametrize("batch", [1, 7, 1000])
@pytest.mark.parametrize("labels", [True, False])
def test_score_logits(run: Run, batch: int, labels: bool) -> None:
    """A file a field; without labels neither cross entropy nor rank."""
    words = ["score", "score-logits", "logits.npy", "-o", "out.npy", "--json"]
    words += ["--labels", "labels.npy"] if labels else []
    code, out, err = run(*words, "--batch-rows", batch)
    assert (code, err) == (0, "")
    check_files("out", SCORES if labels else fastent.score_logits(None, LOGITS))
    document = overall(out)
    assert document["rows"] == 100
    want = {name: getattr(SCORES, name).mean(dtype=np.float64) for name in SCORES._fields}
    near = {f"mean_{name}": want[name] for name in ("confidence", "margin", "entropy")}
    if labels:
        near["mean_cross_entropy"] = want["cross_entropy"]
        near["perplexity"] = np.exp(want["cross_entropy"])
        near["accuracy"] = (LOGITS.argmax(-1) == LABELS).mean()
    found = {name: document[name] for name in near}
    assert found == pytest.approx(near, rel=1e-12)
    assert ("accuracy" in document) == labels
    assert json.loads(out)["inputs"][0]["output"] == "out.*.npy"


def test_labels_as_input(run: Run) -> None:
    """As for cross entropy: labels, and --with logits."""
    words = ["score", "score-logits", "labels.npy", "--with", "logits.npy", "-o", "out.npy"]
    assert run(*words, "--quiet") == (0, "", "")
    check_files("out", SCORES)


@pytest.mark.parametrize("base", [2, 10])
def test_perplexity_has_no_base(run: Run, base: int) -> None:
    """Cross entropy has."""
    words = ["score", "score-logits", "logits.npy", "--labels", "labels.npy", "--json"]
    document = overall(run(*words, "--base", base)[1])
    nats = overall(run(*words)[1])
    scaled = nats["mean_cross_entropy"] / np.log(base)
    assert document["mean_cross_entropy"] == pytest.approx(scaled, rel=1e-6)
    assert document["perplexity"] == pytest.approx(nats["perplexity"], rel=1e-6)


@pytest.mark.parametrize("batch", [1, 7, 1000])
@pytest.mark.parametrize("axis", [-1, 0])
@pytest.mark.parametrize("top", [0, 1, 4, 10])
def test_top_log_probs(run: Run, batch: int, axis: int, top: int) -> None:
    """Indices, log-probabilities and entropy; the share of probability that they have."""
    words = ["score", "top-log-probs", "logits.npy", "-o", "out.npy", "--json", "--base", 2]
    code, out, err = run(*words, "--top", top, "--axis", axis, "--batch-rows", batch)
    assert (code, err) == (0, "")
    want = fastent.top_log_probs(LOGITS, top, axis=axis, base=2)
    check_files("out", want)
    document = overall(out)
    assert document["rows"] == want.entropy.size
    shares = (2.0 ** want.log_probs.astype(np.float64)).sum(axis)
    assert document["mean_top_share"] == pytest.approx(shares.mean(), rel=1e-6)
    assert document["mean_entropy"] == pytest.approx(want.entropy.mean(dtype=float), rel=1e-12)
    assert json.loads(out)["options"]["top"] == top


def test_more_axes(run: Run) -> None:
    """Any number of axes; results along the last one, and any axis for what is one a row."""
    logits = np.random.default_rng(2).standard_normal((4, 3, 5))
    labels = np.arange(15).reshape(3, 5) % 4
    np.save("logits.npy", logits)
    np.save("labels.npy", labels)
    for batch in (1, 4, 100):
        words = ["--quiet", "-o", "out.npy", "--batch-rows", batch]
        assert run("score", "softmax", "logits.npy", *words)[0] == 0
        np.testing.assert_array_equal(np.load("out.npy"), fastent.softmax(logits), strict=True)
        assert run("score", "top-log-probs", "logits.npy", "--top", 2, *words)[0] == 0
        want = fastent.top_log_probs(logits, 2).log_probs
        np.testing.assert_array_equal(np.load("out.log_probs.npy"), want, strict=True)
        labelled = ["score", "score-logits", "logits.npy", "--labels", "labels.npy", "--axis", 0]
        assert run(*labelled, *words)[0] == 0
        np.testing.assert_array_equal(
            np.load("out.rank.npy"), fastent.score_logits(labels, logits, axis=0).rank
        )
    assert run("score", "softmax", "logits.npy", "--axis", 0, "--quiet")[0] == 0


def test_one_row(run: Run) -> None:
    """One axis: results of no axes, or of one."""
    np.save("logits.npy", LOGITS[0])
    assert run("score", "softmax", "logits.npy", "-o", "out.npy", "--quiet")[0] == 0
    np.testing.assert_array_equal(np.load("out.npy"), fastent.softmax(LOGITS[0]), strict=True)
    words = ["score", "top-log-probs", "logits.npy", "--top", 3, "-o", "out.npy", "--quiet"]
    assert run(*words)[0] == 0
    want = fastent.top_log_probs(LOGITS[0], 3)
    np.testing.assert_array_equal(np.load("out.indices.npy"), want.indices, strict=True)
    assert np.load("out.entropy.npy") == want.entropy
    assert run("score", "score-logits", "logits.npy", "-o", "out.npy", "--quiet")[0] == 0
    assert np.load("out.margin.npy") == fastent.score_logits(None, LOGITS[0]).margin


def test_no_rows(run: Run) -> None:
    """Empty files, and means that are no numbers."""
    np.save("logits.npy", LOGITS[:0])
    for name in ("softmax", "score-logits"):
        code, out, _ = run("score", name, "logits.npy", "-o", "out.npy", "--json")
        assert code == 0
        assert overall(out)["rows"] == 0
    assert overall(out)["mean_entropy"] is None
    assert np.load("out.npy").shape == (0, 10)
    assert np.load("out.prediction.npy").shape == (0,)


def test_several_inputs(run: Run) -> None:
    """A folder with the files of each, and one summary of all."""
    np.save("more.npy", LOGITS[:50] * 2)
    words = ["score", "score-logits", "logits.npy", "more.npy", "-o", "folder"]
    code, out, _ = run(*words, "--json")
    assert code == 0
    entropies = fastent.softmax_entropy(LOGITS), fastent.softmax_entropy(LOGITS[:50] * 2)
    for name, want in zip(("logits", "more"), entropies, strict=True):
        np.testing.assert_array_equal(np.load(f"folder/{name}.entropy.npy"), want)
    mean = np.concatenate(entropies).mean(dtype=np.float64)
    assert overall(out)["mean_entropy"] == pytest.approx(mean, rel=1e-12)
    text = run("score", "score-logits", "logits.npy", "more.npy")[1]
    for word in ("mean entropy", "mean margin", "overall", "150"):
        assert word in text


def test_rows_that_are_nan(run: Run) -> None:
    """They are counted and left out of the means."""
    logits = LOGITS.copy()
    logits[[5, 50]] = np.nan
    np.save("logits.npy", logits)
    words = ["score", "score-logits", "logits.npy", "--labels", "labels.npy", "--json"]
    code, out, err = run(*words)
    assert code == 0
    assert err.startswith("fastent: 2 rows hold")
    document = overall(out)
    assert document["nan_rows"] == 2
    right = np.delete(LOGITS.argmax(-1) == LABELS, [5, 50])
    assert document["accuracy"] == pytest.approx(right.mean())
    for name in ("softmax", "log-softmax"):
        assert overall(run("score", name, "logits.npy", "--json")[1])["nan_rows"] == 2


def test_the_table(run: Run) -> None:
    """Every number by its name."""
    out = run("score", "score-logits", "logits.npy", "--labels", "labels.npy")[1]
    for word in ("mean cross entropy", "perplexity", "accuracy", "mean confidence", "mean margin"):
        assert word in out
    assert f"{(LOGITS.argmax(-1) == LABELS).mean():.6g}" in out
    out = run("score", "top-log-probs", "logits.npy", "--top", "3")[1]
    assert "mean share of the top" in out
    assert "accuracy" not in out


FAILURES = [
    ("score-logits logits.npy --labels bad.npy", 1, "bad.npy: element 57 is 12"),
    ("score-logits logits.npy --labels logits.npy", 1, "class indices"),
    ("score-logits logits.npy --labels short.npy", 1, "shapes do not match"),
    ("score-logits logits.npy --labels labels.npy -o labels.npy --top 3", 2, "takes no --top"),
    ("score-logits logits.npy --labels labels.npy --with logits.npy", 2, "one of them"),
    ("score-logits empty.npy", 1, "there are no classes"),
    ("score-logits logits.npy -o in.npy --labels in.rank.npy", 2, "would overwrite"),
    ("top-log-probs logits.npy", 2, "needs --top K"),
    ("top-log-probs logits.npy --top 11", 2, "logits.npy: has 10 classes, so there is no --top 11"),
    ("top-log-probs logits.npy --top -1", 2, "-1 is not in the range"),
    ("top-log-probs logits.npy --top 2 --labels labels.npy", 2, "takes no --labels"),
    ("softmax logits.npy --with logits.npy", 2, "takes no --with"),
    ("softmax logits.npy --base 2", 2, "takes no --base"),
    ("softmax logits.npy --temperature 0", 2, "it must be a positive number"),
    ("softmax cube.npy --axis 0 -o out.npy", 2, "cube.npy: has 3 axes, and results are written"),
    ("softmax logits.npy -o logits.npy", 2, "would overwrite"),
]


@pytest.mark.parametrize(("words", "code", "message"), FAILURES)
def test_failures(words: str, code: int, message: str, run: Run) -> None:
    """One line that says what to do, and no file is written."""
    bad = LABELS.copy()
    bad[57] = 12
    np.save("bad.npy", bad)
    np.save("short.npy", LABELS[:50])
    np.save("empty.npy", LOGITS[:, :0])
    np.save("cube.npy", np.zeros((2, 3, 4)))
    np.save("in.rank.npy", LABELS)
    before = sorted(os.listdir())
    found, out, err = run("score", *words.split(), "--quiet", "--batch-rows", 7)
    assert found == code
    assert out == ""
    assert message in err
    assert err.count("\n") == 1
    assert sorted(os.listdir()) == before


def test_all_files_or_none(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure in one of them leaves none."""
    calls = 0
    write = npy.NpyWriter.write

    def fail(*operands: Any) -> None:
        nonlocal calls
        calls += 1
        if calls > 9:
            raise OSError(28, "No space left on device")
        write(*operands)

    monkeypatch.setattr(npy.NpyWriter, "write", fail)
    before = sorted(os.listdir())
    words = ["score", "score-logits", "logits.npy", "-o", "out.npy", "--batch-rows", 20]
    code, _, err = run(*words)
    assert code == 1
    assert "No space left" in err
    assert sorted(os.listdir()) == before


def test_compare_logits(run: Run) -> None:
    """INPUT against --with, labels beside both: files, mean, standard error, quantiles."""
    other = LOGITS + 0.1 * np.random.default_rng(2).standard_normal(LOGITS.shape).astype("f4")
    other[3, 0] = np.nan
    np.save("q.npy", other)
    want = fastent.compare_logits(LOGITS, other, LABELS)
    words = ("score", "compare-logits", "logits.npy", "--with", "q.npy", "--labels", "labels.npy")
    code, out, _ = run(*words, "-o", "out.npy", "--json", "--batch-rows", 7)
    assert code == 0
    check_files("out", want)
    found = overall(out)
    divergences = np.delete(want.kl_divergence, 3).astype(np.float64)
    changes = np.delete(want.target_log_prob_change, 3).astype(np.float64)
    assert (found["rows"], found["nan_rows"]) == (100, 1)
    np.testing.assert_allclose(found["mean"], divergences.mean(), rtol=1e-12)
    error = divergences.std(ddof=1) / np.sqrt(99)
    np.testing.assert_allclose(found["standard_error"], error, rtol=1e-12)
    for name, share in {"q_1%": 0.01, "median": 0.5, "q_99.9%": 0.999}.items():
        np.testing.assert_allclose(found[name], np.quantile(divergences, share), rtol=1e-12)
    np.testing.assert_allclose(found["mean_target_log_prob_change"], changes.mean(), rtol=1e-12)
    np.testing.assert_allclose(
        found["standard_error_target_log_prob_change"], changes.std(ddof=1) / 99**0.5, rtol=1e-12
    )
    same = np.delete(want.same_prediction, 3).mean()
    np.testing.assert_allclose(found["mean_same_prediction"], same, rtol=1e-12)
    code, out, err = run(*words)
    assert code == 0
    assert "standard error" in out
    assert "99.9 %" in out
    assert "1 row holds" in err


def test_compare_logits_without_labels(run: Run) -> None:
    """No target, no change of its log-probability; a second file there has to be."""
    np.save("q.npy", LOGITS)
    code, out, _ = run("score", "compare-logits", "logits.npy", "--with", "q.npy", "--json")
    assert code == 0
    assert overall(out)["mean"] == 0
    assert overall(out)["mean_same_prediction"] == 1
    assert "mean_target_log_prob_change" not in overall(out)
    for more in ((), ("--labels", "labels.npy")):
        code, _, err = run("score", "compare-logits", "logits.npy", *more)
        assert code != 0
        assert "needs a second file: INPUT holds logits_p" in err
    np.save("q.npy", LOGITS[:50])
    code, _, err = run("score", "compare-logits", "logits.npy", "--with", "q.npy")
    assert code != 0
    assert "(100, 10)" in err
    assert "(50, 10)" in err


def test_softmax_kl_divergence(run: Run) -> None:
    """A measure of two operands like any other."""
    np.save("q.npy", 2 * LOGITS)
    words = ("score", "softmax-kl-divergence", "logits.npy", "--with", "q.npy", "-o", "out.npy")
    assert run(*words, "--temperature", 0.5, "--quiet")[0] == 0
    want = fastent.softmax_kl_divergence(LOGITS, 2 * LOGITS, temperature=0.5)
    np.testing.assert_array_equal(np.load("out.npy"), want, strict=True)


@pytest.mark.parametrize(
    "name",
    [
        "js_divergence",
        "js_distance",
        "jeffreys_divergence",
        "hellinger_distance",
        "total_variation_distance",
        "population_stability_index",
    ],
)
def test_divergences(run: Run, tmp_path: Path, name: str) -> None:
    """Of two files, the function's values."""
    p, q = np.random.default_rng(5).dirichlet(np.ones(6), (2, 40))
    np.save(tmp_path / "p.npy", p)
    np.save(tmp_path / "q.npy", q)
    command = ("score", name.replace("_", "-"), "p.npy", "--with", "q.npy", "-o", "out.npy")
    assert run(*command)[0] == 0
    want = getattr(fastent, name)(p, q)
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), want)

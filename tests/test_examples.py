"""The data of the examples are what they claim, and the example runs."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastent as fe

EXAMPLES = Path(__file__).parent.parent / "examples"


def test_digits_are_distributions_with_labels() -> None:
    """Every row sums to 1, as far as float32 can."""
    probabilities = np.load(EXAMPLES / "digits_probabilities.npy")
    labels = np.load(EXAMPLES / "digits_labels.npy")
    assert probabilities.shape == (1797, 10)
    assert probabilities.dtype == np.float32
    assert (probabilities >= 0).all()
    sums = probabilities.sum(axis=1, dtype=np.float64)
    assert np.abs(sums - 1).max() <= np.finfo(np.float32).eps
    assert labels.shape == (1797,)
    assert set(labels.tolist()) == set(range(10))
    assert (probabilities.argmax(axis=1) == labels).mean() > 0.95


def test_breast_cancer_has_probabilities_and_labels() -> None:
    """One probability and one label a patient."""
    probabilities = np.load(EXAMPLES / "breast_cancer_probabilities.npy")
    labels = np.load(EXAMPLES / "breast_cancer_labels.npy")
    assert probabilities.shape == labels.shape == (569,)
    assert probabilities.dtype == np.float32
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    assert set(labels.tolist()) == {0, 1}
    assert ((probabilities > 0.5) == labels).mean() > 0.95


def test_python_of_the_readme(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its blocks run one after the other, and the mean over chunks is that of the whole."""
    readme = EXAMPLES.parent / "README.md"
    code = re.findall(r"^```python\n(.*?)^```$", readme.read_text("utf-8"), re.M | re.S)
    # Those of the doors are run by test_doctests.py; PyTorch is not everywhere.
    whole, chunks, dask = (b for b in code if ">>>" not in b and "import torch" not in b)
    monkeypatch.chdir(EXAMPLES.parent)
    names: dict[str, Any] = {}
    exec(whole, names)
    mean = fe.log_loss(names["labels"], names["prob"], reduction="mean")
    assert "# 0.104..." in whole
    assert f"{mean:.6f}".startswith("0.104")
    capsys.readouterr()
    exec(chunks, names)
    assert float(capsys.readouterr().out) == pytest.approx(float(mean), rel=1e-6)
    pytest.importorskip("dask.array")
    exec(dask, names)
    assert float(capsys.readouterr().out) == pytest.approx(float(mean), rel=1e-6)


def test_data_are_small() -> None:
    """They travel with every copy of the repository."""
    assert sum(path.stat().st_size for path in EXAMPLES.glob("*.npy")) < 200_000


def test_example_prints_its_report(tmp_path: Path) -> None:
    """It runs from any folder, without a word on stderr, and its figures are the known ones."""
    script = EXAMPLES / "unsure_digits.py"
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    # From NumPy's float64 over the same files; the least certain digit and image with them.
    probabilities = np.load(EXAMPLES / "digits_probabilities.npy").astype(np.float64)
    labels = np.load(EXAMPLES / "digits_labels.npy").astype(np.intp)
    loss = -np.log(probabilities[np.arange(len(labels)), labels]).mean()
    assert f"Log loss  {loss:.4f} nats" in done.stdout
    entropy = -(probabilities * np.log2(probabilities)).sum(axis=1)
    assert f"{entropy.argmax():5}  {entropy.max():.3f} bits" in done.stdout
    assert "Binary cross entropy" in done.stdout


@pytest.mark.slow
def test_making_the_data_again_gives_the_same(tmp_path: Path) -> None:
    """Another scikit-learn may round otherwise, so the comparison allows for that."""
    pytest.importorskip("sklearn")
    copy = tmp_path / "make_data.py"
    copy.write_text((EXAMPLES / "make_data.py").read_text(encoding="utf-8"), encoding="utf-8")
    subprocess.run([sys.executable, str(copy)], check=True)
    for path in EXAMPLES.glob("*.npy"):
        np.testing.assert_allclose(np.load(tmp_path / path.name), np.load(path), atol=1e-4)


def test_language_model_agrees_with_its_framework(tmp_path: Path) -> None:
    """A little training: our loss of the held-out text is PyTorch's, where that is installed."""
    script = EXAMPLES / "byte_language_model.py"
    done = subprocess.run(
        [sys.executable, str(script), "--steps", "40"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    lines = {line.split(":")[0]: line for line in done.stdout.splitlines()}
    perplexity = float(lines["fastent"].split()[-1])
    assert 2 < perplexity < 60  # of 256 bytes
    if "PyTorch" in lines:
        assert float(lines["PyTorch"].split()[-1]) == pytest.approx(perplexity, rel=1e-4)
    assert done.stdout.count(" expected)") == 8
    places = done.stdout.partition("The most surprising places\n")[2]
    bits = [float(found) for found in re.findall(r"^ *([\d.]+) bits", places, re.MULTILINE)]
    assert len(bits) == 8
    assert bits == sorted(bits, reverse=True)
    assert bits[-1] > 2 * np.log2(perplexity)


def test_drift() -> None:
    """More between the halves in order than between any of ninety-nine in a hundred at random."""
    script = EXAMPLES / "digits_drift.py"
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    pairs = re.findall(r"(?:index|bits) +([\d.]+) +([\d.]+)$", done.stdout, re.MULTILINE)
    assert len(pairs) == 2
    for found, ordinary in pairs:
        assert float(found) > 2 * float(ordinary)
    assert "have drifted" in done.stdout


def test_active_learning() -> None:
    """Labels chosen by entropy reach what all the random ones do, with a quarter fewer."""
    script = EXAMPLES / "active_learning.py"
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    lines = re.findall(r"^ +(\d+) +([\d.]+)% +([\d.]+)% ", done.stdout, re.MULTILINE)
    assert [int(count) for count, _, _ in lines] == list(range(20, 201, 10))
    assert lines[0][1] == lines[0][2]  # both begin with the same labels
    assert float(lines[-1][2]) > float(lines[-1][1]) + 1
    needed = re.search(r"that 200 random labels reach take (\d+) chosen", done.stdout)
    assert needed
    assert int(needed[1]) <= 150


def test_alike_rows() -> None:
    """The sky repeats itself, the temple does not; pairs and rows that stay are NumPy's."""
    script = EXAMPLES / "alike_rows.py"
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    counts = np.load(EXAMPLES / "photograph_rows.npy").astype(np.float64)
    assert counts.shape == (214, 16)
    assert (counts.sum(axis=1) == 640).all()
    shares = counts / 640
    middle = (shares[:, None] + shares[None]) / 2

    def entropy(p: Any) -> Any:
        return -(p * np.log2(np.where(p > 0, p, 1))).sum(axis=-1)

    halves = entropy(shares)
    divergence = entropy(middle) - (halves[:, None] + halves[None]) / 2
    near = re.search(r"two samples of one histogram ([\d.]+) bits", done.stdout)
    pairs = re.search(r"Near-duplicates: (\d+) pairs", done.stdout)
    assert near
    assert pairs
    found = divergence[np.triu_indices(214, 1)]
    low, high = (np.count_nonzero(found <= float(near[1]) + step) for step in (-5e-5, 5e-5))
    assert low <= int(pairs[1]) <= high
    first, second, bits = re.findall(r"^ +(\d+) and +(\d+)  ([\d.]+)$", done.stdout, re.M)[0]
    assert divergence[int(first) // 2, int(second) // 2] == pytest.approx(float(bits), abs=6e-5)
    tenths = [int(share) for share in re.findall(r"^ +\d+ to +\d+ +(\d+)%", done.stdout, re.M)]
    assert len(tenths) == 10
    assert tenths[0] < 30
    assert tenths[5] > 90


def test_softmax_regression() -> None:
    """It learns; the sum is one, two classes are binary, and a fitted temperature helps."""
    script = EXAMPLES / "softmax_regression.py"
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    steps = re.findall(r"^ *\d+ +([\d.]+) += +([\d.]+) \+ +([\d.]+)$", done.stdout, re.MULTILINE)
    losses = [float(loss) for loss, _, _ in steps]
    assert losses == sorted(losses, reverse=True)
    assert losses[0] == pytest.approx(np.log(10), abs=1e-4)
    final = re.search(r"in the end +([\d.]+) = ([\d.]+) \+ ([\d.]+)", done.stdout)
    assert final
    loss, least, divergence = map(float, final.groups())
    assert loss == pytest.approx(least + divergence, abs=2e-4)
    softmax, binary = re.findall(r"(?:softmax|binary cross entropy) ([\d.]+)", done.stdout)
    assert softmax == binary
    (before, worse), (after, better) = re.findall(
        r"cross entropy ([\d.]+), expected calibration error ([\d.]+)", done.stdout
    )
    assert float(after) < float(before)
    assert float(better) < float(worse)


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_boosting(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The objective of the example reaches the loss of the library's own."""
    pytest.importorskip(library)
    monkeypatch.syspath_prepend(str(EXAMPLES))
    boosting = importlib.import_module("boosting")
    datasets = pytest.importorskip("sklearn.datasets")
    features, labels = datasets.load_breast_cancer(return_X_y=True)
    data = (features[::2], labels[::2], features[1::2])
    train = getattr(boosting, f"with_{library}")
    losses = [
        fe.binary_cross_entropy_with_logits(labels[1::2], train(data, chosen), reduction="mean")
        for chosen in (None, boosting.objective, boosting.usual_objective)
    ]
    assert losses[0] < 0.2
    np.testing.assert_allclose(losses, losses[0], rtol=1e-3)

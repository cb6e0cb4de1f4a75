"""The command line with logits: labels of their own, temperature, and what goes wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cli_cases import Run

import fastent

pytest.importorskip("click")
pytest.importorskip("rich")

LOGITS = 3 * np.random.default_rng(1).standard_normal((100, 10)).astype(np.float32)
LABELS = np.arange(100) % 10


@pytest.fixture
def run(run: Run) -> Run:
    """Run the command in a folder with logits, labels, distributions and a label out of range."""
    bad = LABELS.copy()
    bad[57] = 12
    np.save("logits.npy", LOGITS)
    np.save("labels.npy", LABELS)
    np.save("bad.npy", bad)
    np.save("target.npy", np.full_like(LOGITS, 0.1))
    np.save("prob.npy", np.full_like(LOGITS, 0.1))
    return run


CALLS: list[tuple[str, Callable[[], Any]]] = [
    ("softmax-cross-entropy logits.npy --labels labels.npy", lambda: _losses(LABELS)),
    ("softmax-cross-entropy labels.npy --with logits.npy", lambda: _losses(LABELS)),
    (
        "softmax-cross-entropy target.npy --with logits.npy --temperature 2 --base 2",
        lambda: _losses(np.full_like(LOGITS, 0.1), temperature=2, base=2),
    ),
    ("softmax-entropy logits.npy --temperature 0.5", lambda: _entropies(temperature=0.5)),
    ("logsumexp logits.npy", lambda: fastent.logsumexp(LOGITS)),
    ("log-loss prob.npy --labels labels.npy", lambda: np.full(100, np.log(10), np.float32)),
]


def _losses(target: Any, **keywords: Any) -> Any:
    return fastent.softmax_cross_entropy(target, LOGITS, **keywords)


def _entropies(**keywords: Any) -> Any:
    return fastent.softmax_entropy(LOGITS, **keywords)


@pytest.mark.parametrize(("words", "expected"), CALLS)
def test_results(words: str, expected: Callable[[], Any], run: Run) -> None:
    """The numbers of the function of the same name, block by block."""
    code, out, err = run("score", *words.split(), "-o", "out.npy", "--json", "--batch-rows", "7")
    assert (code, err) == (0, "")
    np.testing.assert_allclose(np.load("out.npy"), expected(), rtol=1e-6)
    document = json.loads(out)
    assert document["overall"]["rows"] == 100
    assert document["labels"] == ("labels.npy" if "--labels" in words else None)


FAILURES = [
    ("softmax-cross-entropy logits.npy --labels bad.npy", "bad.npy: element 57 is 12"),
    ("softmax-cross-entropy logits.npy", "--labels FILE their class indices"),
    ("softmax-cross-entropy logits.npy --labels labels.npy --with logits.npy", "one of them"),
    ("softmax-entropy logits.npy --labels labels.npy", "takes no --labels"),
    ("softmax-entropy logits.npy --temperature 0", "it must be a positive number"),
    ("entropy prob.npy --temperature 2", "takes no --temperature"),
    ("softmax-cross-entropy logits.npy --labels logits.npy", "class indices"),
    ("softmax-cross-entropy logits.npy --labels labels.npy -o labels.npy", "labels.npy"),
]


@pytest.mark.parametrize(("words", "message"), FAILURES)
def test_failures(words: str, message: str, run: Run) -> None:
    """One line that says what to do."""
    code, out, err = run("score", *words.split(), "--quiet")
    assert code != 0
    assert out == ""
    assert message in err
    assert len(err.strip().splitlines()) == 1

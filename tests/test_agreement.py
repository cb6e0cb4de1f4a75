"""Agreement with SciPy, scikit-learn and PyTorch, at the edges too: what differs is the contract.

``python tests/test_agreement.py`` prints how many values were compared, and the largest difference.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pytest

import fastent as fe

EDGES = [0.0, -0.0, 5e-324, 1e-310, 1e-100, 1e-9, 0.3, 0.5, 1.0, np.inf, np.nan, -1e-9, -1.0]


class Comparison(NamedTuple):
    """Ours and a peer's results, and where the contract has another value, by reason."""

    name: str
    ours: np.ndarray
    theirs: np.ndarray
    differs: dict[str, np.ndarray]
    tolerance: float = 1e-13

    def difference(self) -> float:
        """Return the largest difference where none is meant, relative to 1 and to the value."""
        excused = np.zeros(self.ours.shape, bool)
        for where in self.differs.values():
            excused |= where
        ours, theirs = self.ours[~excused], self.theirs[~excused]
        same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
        with np.errstate(invalid="ignore"):
            apart = np.abs(ours - theirs) / np.maximum(1, np.abs(theirs))
        apart = np.where(same, 0, np.where(np.isnan(apart), np.inf, apart))
        return float(apart.max(initial=0))


def edges() -> tuple[np.ndarray, np.ndarray]:
    """Return every pair of edge values, each beside a half in rows of two."""
    both = np.array(list(itertools.product(EDGES, EDGES)))
    p, q = (np.stack([column, np.full(len(both), 0.5)], -1) for column in both.T)
    return p, q


def _any(x: np.ndarray) -> np.ndarray:
    return np.asarray(x.any(-1))


def of_scipy() -> Iterator[Comparison]:
    """Yield what SciPy has."""
    special = pytest.importorskip("scipy.special")
    distance = pytest.importorskip("scipy.spatial.distance")
    p, q = edges()
    negative, infinite = _any((p < 0) | (q < 0)), _any(np.isinf(p) | np.isinf(q))
    number = ~_any(np.isnan(p) | np.isnan(q))
    bad = {"a negative entry is NaN, theirs infinite": negative}
    lone = {**bad, "of one operand": _any(p < 0)}
    yield Comparison("entr", fe.entropy(p), special.entr(p).sum(-1), lone)
    two = {**bad, "an infinite entry is no probability": infinite}
    generalized = fe.kl_divergence(p, q, log_floor=None)
    with np.errstate(all="ignore"):
        beyond = _any(np.isinf(p / q) & (p > 0) & (q > 0))
    far = {**two, "p/q is beyond float64, theirs infinite": beyond}
    yield Comparison("kl_div", generalized, special.kl_div(p, q).sum(-1), far)
    plain = fe.kl_divergence(p, q, log_floor=None, generalized=False)
    nothing = {**two, "NaN beside p = 0 is NaN, theirs 0": ~number}
    yield Comparison("rel_entr", plain, special.rel_entr(p, q).sum(-1), nothing)
    js = fe.js_distance(p, q, normalize=True)
    theirs = distance.jensenshannon(p, q, axis=-1)
    yield Comparison("jensenshannon", js, theirs, two, 1e-7)  # theirs: noise near equality
    rng = np.random.default_rng(0)
    for concentration in (0.05, 1, 20):
        p, q = rng.dirichlet(np.full(9, concentration), (2, 4000))
        yield Comparison("entr", fe.entropy(p), special.entr(p).sum(-1), {})
        generalized = fe.kl_divergence(p, q, log_floor=None)
        yield Comparison("kl_div", generalized, special.kl_div(p, q).sum(-1), {})
        theirs = distance.jensenshannon(p, q, axis=-1)
        yield Comparison("jensenshannon", fe.js_distance(p, q, normalize=True), theirs, {}, 1e-12)


def of_scikit_learn() -> Iterator[Comparison]:
    """Yield what scikit-learn has."""
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(1)
    tables = rng.integers(0, 30, (200, 4, 6)) * (rng.random((200, 4, 6)) < 0.7)
    tables[:, 0, 0] += 1
    theirs = np.array([metrics.mutual_info_score(None, None, contingency=t) for t in tables])
    ours = fe.mutual_information(tables, normalize=True)
    yield Comparison("mutual_info_score", ours, theirs, {})
    labels, prob = rng.integers(2, size=(300, 50)), rng.random((300, 50))
    prob[0] = labels[0]  # certain
    theirs = np.array([metrics.brier_score_loss(*rows) for rows in zip(labels, prob, strict=True)])
    ours = np.array([fe.brier_score(*r, reduction="mean") for r in zip(labels, prob, strict=True)])
    yield Comparison("brier_score_loss", ours, theirs, {})
    classes = rng.dirichlet(np.ones(5), (200, 40))
    labels = rng.integers(5, size=(200, 40))
    theirs = np.array(
        [metrics.log_loss(y, x, labels=range(5)) for y, x in zip(labels, classes, strict=True)]
    )
    ours = np.array(
        [fe.log_loss(y, x, reduction="mean") for y, x in zip(labels, classes, strict=True)]
    )
    yield Comparison("log_loss", ours, theirs, {})


def of_torch() -> Iterator[Comparison]:
    """Yield what PyTorch has."""
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    p, q = edges()
    inside = ~_any(~(p >= 0) | ~(q >= 0) | (p > 1) | (q > 1))
    p, q = p[inside], q[inside]
    ours = fe.binary_cross_entropy(p, q)
    theirs = functional.binary_cross_entropy(*map(torch.tensor, (q, p)), reduction="none")
    yield Comparison("binary_cross_entropy", ours, theirs.numpy(), {})
    with np.errstate(divide="ignore"):
        judged = np.log(q)
    terms = functional.kl_div(torch.tensor(judged), torch.tensor(p), reduction="none")
    plain = fe.kl_divergence(p, q, log_floor=None, generalized=False)
    zeros = {"0 beside 0 is 0, theirs NaN": _any((p == 0) & (q == 0))}
    yield Comparison("kl_div", plain, terms.sum(-1).numpy(), zeros)


SOURCES = {"SciPy": of_scipy, "scikit-learn": of_scikit_learn, "PyTorch": of_torch}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_agreement(source: str) -> None:
    """No difference that the contract does not give; what it gives is one."""
    for comparison in SOURCES[source]():
        assert comparison.ours.shape == comparison.theirs.shape
        assert comparison.difference() <= comparison.tolerance, comparison.name


def main() -> None:
    """Print what was compared."""
    warnings.simplefilter("ignore")
    for source, compare in SOURCES.items():
        for one in compare():
            meant = np.zeros(one.ours.shape, bool)
            for where in one.differs.values():
                meant |= where
            print(
                f"{source:13}{one.name:22}{one.ours.size - meant.sum():6} values, largest "
                f"difference {one.difference():.1e}; {meant.sum()} differ by contract"
            )


if __name__ == "__main__":
    main()

"""What the measures of rows of logits mean: as plain NumPy, and as exact numbers of one row."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from mpmath import mp, mpf
from reference import logsumexp, softmax_cross_entropy, softmax_entropy

DIGITS = 50


def log_softmax(x: Any) -> Any:
    """Log of exp(x) over its sum."""
    return np.asarray(x, dtype=np.float64) - logsumexp(x)[..., None]


def softmax(x: Any) -> Any:
    """exp(x) over its sum."""
    return np.exp(log_softmax(x))


def score_logits(labels: Any, x: Any) -> dict[str, Any]:
    """Everything about rows of at least two logits, field by field."""
    x, p = np.asarray(x, dtype=np.float64), np.sort(softmax(x))
    own = np.take_along_axis(x, np.asarray(labels)[..., None], -1)
    return {
        "cross_entropy": softmax_cross_entropy(labels, x),
        "entropy": softmax_entropy(x),
        "confidence": p[..., -1],
        "margin": p[..., -1] - p[..., -2],
        "prediction": x.argmax(-1),
        "rank": (x > own).sum(-1),
    }


def top_log_probs(x: Any, k: int) -> tuple[Any, Any]:
    """Return the classes of the largest log-probabilities, and these; the first of equal ones."""
    order = np.argsort(-np.asarray(x, dtype=np.float64), axis=-1, kind="stable")[..., :k]
    return order, np.take_along_axis(log_softmax(x), order, -1)


def softmax_kl_divergence(x: Any, y: Any) -> Any:
    """Sum of p log(p / q) of the softmaxes p of x and q of y."""
    log_p, log_q = log_softmax(x), log_softmax(y)
    with np.errstate(invalid="ignore"):
        terms = np.exp(log_p) * (log_p - log_q)
    return np.where(np.isneginf(log_p), 0, terms).sum(-1)


def exact_divergence(x: Any, y: Any, temperature: float = 1.0, digits: int = 130) -> Any:
    """Return KL of two rows as an exact number; None if it is infinite. x and y are no NaN."""
    with mp.workdps(digits):
        rows = [[mpf(float(v)) / mpf(temperature) for v in row] for row in (x, y)]
        sums = [mp.log(mp.fsum(mp.exp(v) for v in row if v > -mp.inf)) for row in rows]
        total = mpf(0)
        for a, b in zip(*rows, strict=True):
            if a == -mp.inf:
                continue
            if b == -mp.inf:
                return None
            total += mp.exp(a - sums[0]) * ((a - sums[0]) - (b - sums[1]))
        return total


class ExactRow:
    """A row of logits divided by a temperature, with exact numbers; None stands for -inf.

    Of a row of -inf alone there is nothing but `logits`.
    """

    def __init__(self, x: Any, temperature: float = 1.0) -> None:
        self.logits = [mpf(float(v)) / mpf(temperature) if v > -np.inf else None for v in x]
        rest = [v for v in self.logits if v is not None]
        self.is_empty = not rest
        if self.is_empty:
            return
        self.largest = max(rest)
        rest.remove(self.largest)
        with mp.workdps(DIGITS):
            self._terms = [(mp.exp(v - self.largest), self.largest - v) for v in rest]
            self.log_sum = mp.log1p(mp.fsum(e for e, _ in self._terms))  # less the largest logit
            self.confidence = mp.exp(-self.log_sum)
        self.runner_up = max(rest, default=None)

    @cached_property
    def entropy(self) -> Any:
        """-sum p log p."""
        with mp.workdps(DIGITS):
            return self.log_sum + mp.fsum(e * d for e, d in self._terms) * self.confidence

    @property
    def margin(self) -> Any:
        """The largest probability less the next."""
        if self.runner_up is None:
            return self.confidence
        return -mp.expm1(self.runner_up - self.largest) * self.confidence

    def surprisal(self, place: int) -> Any:
        """Return -log p of a class; None if it is infinite."""
        logit = self.logits[place]
        return None if logit is None else self.largest - logit + self.log_sum

    def probability(self, place: int) -> Any:
        """Return p of a class."""
        surprisal = self.surprisal(place)
        with mp.workdps(DIGITS):
            return mpf(0) if surprisal is None else mp.exp(-surprisal)

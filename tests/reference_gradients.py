"""Exact derivatives of the losses, in 50 digits and more."""

from __future__ import annotations

from typing import Any

from mpmath import mp, mpf
from reference_logits import DIGITS, ExactRow


def exact_entry(row: ExactRow, target: Any, place: int, temperature: float) -> tuple[Any, Any]:
    """Return W p - t over the temperature, and the larger of the two terms."""
    with mp.workdps(DIGITS):
        total = mp.fsum(mpf(float(t)) for t in target)
        first, second = total * row.probability(place), mpf(float(target[place]))
        return (first - second) / mpf(temperature), max(first, second) / mpf(temperature)


def exact_for_label(row: ExactRow, label: int, place: int, temperature: float) -> Any:
    """Return p, or minus what the others have, over the temperature."""
    with mp.workdps(DIGITS):
        if place != label:
            return row.probability(place) / mpf(temperature)
        others = (j for j in range(len(row.logits)) if j != label)
        return -mp.fsum(row.probability(j) for j in others) / mpf(temperature)


def exact_binary(target: float, judged: float, logits: bool) -> tuple[Any, Any, Any]:
    """Return both derivatives, and the larger term of the first."""
    with mp.workdps(60):
        z, x = mpf(target), mpf(judged)
        if logits:
            p, q = 1 / (1 + mp.exp(-x)), 1 / (1 + mp.exp(x))
            return (1 - z) * p - z * q, p * q, max((1 - z) * p, z * q)
        p, q = x, 1 - x
        first, second = (1 - z) / max(q, mpf(1e-12)), z / max(p, mpf(1e-12))
        a, b = max(p, mpf(1e-12)), max(q, mpf(1e-12))
        return (
            ((1 - z) * p - z * q) / max(p * q, mpf(1e-12)),
            z / a**2 + (1 - z) / b**2,
            max(first, second),
        )

"""The summary of measures that say several things of a row: what is asked of a model's logits."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastent.cli.summary import Mean, Spread, Statistics

MEANS = {
    "mean_cross_entropy": "cross_entropy",
    "mean_confidence": "confidence",
    "mean_margin": "margin",
    "mean_entropy": "entropy",
}


class FieldMeans:
    """Means of the fields added so far, perplexity and accuracy.

    Rows that are null or NaN are left out.
    """

    def __init__(self, base: float | None) -> None:
        self.rows = 0
        self.null_rows = 0
        self.nan_rows = 0
        self._log_base = 1.0 if base is None else math.log(base)
        self._means: dict[str, Mean] = {}

    def add(self, results: dict[str, NDArray[Any]], null_rows: int = 0) -> None:
        """Take in one block of results, field by field."""
        missing = np.isnan(results["entropy"])
        nan_rows = int(np.count_nonzero(missing))
        self.rows += missing.size + null_rows
        self.null_rows += null_rows
        self.nan_rows += nan_rows
        for name, values in self._shown(results).items():
            kept = values[~missing] if nan_rows else values
            self._means.setdefault(name, Mean()).add(kept)

    def merge(self, other: FieldMeans) -> None:
        """Take in all that another summary has."""
        self.rows += other.rows
        self.null_rows += other.null_rows
        self.nan_rows += other.nan_rows
        for name, mean in other._means.items():
            self._means.setdefault(name, Mean()).merge(mean)

    def condense(self) -> None:
        """Do nothing: means are small."""

    def _shown(self, results: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Return what is averaged."""
        shown = {name: results[field] for name, field in MEANS.items() if field in results}
        if "rank" in results:
            shown["accuracy"] = results["rank"] == 0
        if "log_probs" in results:
            shown["mean_top_share"] = np.exp(results["log_probs"] * self._log_base).sum(-1)
        return shown

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers under the names the summary shows them by."""
        means = {name: mean.value for name, mean in self._means.items()}
        if "mean_cross_entropy" in means:
            with np.errstate(over="ignore"):
                means["perplexity"] = float(np.exp(means["mean_cross_entropy"] * self._log_base))
        counts = {"rows": self.rows, "null_rows": self.null_rows, "nan_rows": self.nan_rows}
        return counts | means


QUANTILES = {"q_0.1%": 1, "q_1%": 10, "q_5%": 50, "q_95%": 950, "q_99%": 990, "q_99.9%": 999}


class Comparison:
    """How far two models' predictions are apart; rows that are null or NaN are left out."""

    def __init__(self) -> None:
        self._divergences = Statistics()
        self._spreads: dict[str, Spread] = {}

    def add(self, results: dict[str, NDArray[Any]], null_rows: int = 0) -> None:
        """Take in one block of results, field by field."""
        divergences = results["kl_divergence"]
        self._divergences.add(divergences, null_rows)
        numbers = np.isfinite(divergences)
        every = bool(numbers.all())
        for name, values in results.items():
            self._spreads.setdefault(name, Spread()).add(values if every else values[numbers])

    def merge(self, other: Comparison) -> None:
        """Take in all that another summary has; it stays as it is."""
        self._divergences.merge(other._divergences)
        for name, spread in other._spreads.items():
            self._spreads.setdefault(name, Spread()).merge(spread)

    def condense(self) -> None:
        """Give up the divergences themselves for their counts."""
        self._divergences.condense()

    @property
    def rows(self) -> int:
        """How many rows there were."""
        return self._divergences.rows

    @property
    def null_rows(self) -> int:
        """How many of them are null."""
        return self._divergences.null_rows

    @property
    def nan_rows(self) -> int:
        """How many of them are NaN."""
        return self._divergences.nan_rows

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers under the names the summary shows them by."""
        shown = self._divergences.as_dict()
        last = {name: shown.pop(name) for name in ("max", "quartiles")}
        points = self._divergences.quantiles(list(QUANTILES.values()), 1000)
        shown |= dict(zip(QUANTILES, points, strict=True)) | last
        for name, spread in self._spreads.items():
            if name == "kl_divergence":
                shown["standard_error"] = spread.standard_error
            else:
                shown[f"mean_{name}"] = spread.mean
                shown[f"standard_error_{name}"] = spread.standard_error
        return shown

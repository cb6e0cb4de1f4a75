"""The summary of measures that say several things of a row: what is asked of a model's logits."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastent.cli.summary import Mean

MEANS = {
    "mean_cross_entropy": "cross_entropy",
    "mean_confidence": "confidence",
    "mean_margin": "margin",
    "mean_entropy": "entropy",
}


class FieldMeans:
    """Means of the fields added so far, perplexity and accuracy; rows that are NaN are left out."""

    def __init__(self, base: float | None) -> None:
        self.rows = 0
        self.nan_rows = 0
        self._log_base = 1.0 if base is None else math.log(base)
        self._means: dict[str, Mean] = {}

    def add(self, results: dict[str, NDArray[Any]]) -> None:
        """Take in one block of results, field by field."""
        missing = np.isnan(results["entropy"])
        self.rows += missing.size
        self.nan_rows += int(np.count_nonzero(missing))
        for name, values in self._shown(results).items():
            self._means.setdefault(name, Mean()).add(values[~missing])

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
        return {"rows": self.rows, "nan_rows": self.nan_rows, **means}

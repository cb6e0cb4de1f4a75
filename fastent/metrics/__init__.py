"""Scikit-learn's scores under its names, with its semantics, in a fraction of its time.

``from fastent.metrics import log_loss`` takes the place of the same line with
``sklearn.metrics``: parameters, results, warnings and errors are those of scikit-learn 1.9, which
need not be installed.
"""

from fastent.metrics._brier import brier_score_loss
from fastent.metrics._information import (
    adjusted_mutual_info_score,
    mutual_info_score,
    normalized_mutual_info_score,
)
from fastent.metrics._log_loss import log_loss

__all__ = [
    "adjusted_mutual_info_score",
    "brier_score_loss",
    "log_loss",
    "mutual_info_score",
    "normalized_mutual_info_score",
]

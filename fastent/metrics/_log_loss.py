"""The log loss of scikit-learn."""

import math
import warnings
from functools import lru_cache
from typing import Any

import numpy as np

from fastent import _core
from fastent._arrays import Array
from fastent._by_blocks import PLAIN, WEIGHTED_SUM, of_rows
from fastent.metrics._arrays import in_numpy
from fastent.metrics._parameters import (
    ARRAY_LIKE,
    BOOLEAN,
    NONE,
    TEXT,
    UNTOLD_NONE,
    check_parameters,
)
from fastent.metrics._probabilities import average, multiclass_labels, read_probabilities

LOG, SURPRISAL = _core.measures["log"], _core.measures["surprisal"]


def log_loss(
    y_true: Any,
    y_proba: Any = None,
    *,
    normalize: bool = True,
    sample_weight: Any = None,
    labels: Any = None,
    y_pred: Any = "deprecated",
) -> float:
    """Return the log loss of predicted probabilities: ``sklearn.metrics.log_loss``.

    Parameters
    ----------
    y_true : array_like
        The true label of each row, of any dtype that sorts; or a table that says which classes each
        row has.
    y_proba : array_like
        Predicted probabilities: rows of one a class, in the order of the sorted labels; or
        one-dimensional, those of the larger of two labels.
    normalize : bool
        Return the mean, else the sum.
    sample_weight : array_like, optional
        A weight for each row: the mean is divided by their sum.
    labels : array_like, optional
        All labels that there may be; those of `y_true` otherwise.
    y_pred : array_like
        The former name of `y_proba`.

    Returns
    -------
    float
        The mean or the sum of the losses.

    Raises
    ------
    ValueError, TypeError
        With scikit-learn 1.9's messages, in its order; its warnings too.

    Notes
    -----
    -log p of the true class [1]_, where p is first made to lie between eps and 1 - eps, those of
    the dtype of `y_proba`: float64, float32 or float16; all else becomes float64. The losses
    are made and added up in float64, and the result is rounded to the dtype, or that of the weights
    if it is wider.

    References
    ----------
    .. [1] C. M. Bishop, "Pattern Recognition and Machine Learning", 2006, equation 4.108.

    Examples
    --------
    >>> from fastent.metrics import log_loss
    >>> print(round(log_loss(["ham", "spam", "spam"], [0.25, 0.5, 1.0]), 6))
    0.326943
    """
    array_or_none = (ARRAY_LIKE, NONE)
    check_parameters(
        "log_loss",
        y_true=(y_true, (ARRAY_LIKE,)),
        y_proba=(y_proba, (ARRAY_LIKE, UNTOLD_NONE)),
        normalize=(normalize, (BOOLEAN,)),
        sample_weight=(sample_weight, array_or_none),
        labels=(labels, array_or_none),
        y_pred=(y_pred, (ARRAY_LIKE, TEXT)),
    )
    if not (isinstance(y_pred, str) and y_pred == "deprecated"):
        if y_proba is not None:
            raise ValueError(
                "Cannot use both `y_pred` and `y_proba`. `y_pred` is deprecated, use `y_proba` "
                "instead."
            )
        warnings.warn(
            "`y_pred` was renamed to `y_proba` in version 1.9 and will be removed in 1.11. Use "
            "`y_proba` instead.",
            FutureWarning,
            stacklevel=2,
        )
        y_proba = y_pred
    y_true, y_proba, sample_weight, labels = in_numpy(y_true, y_proba, sample_weight, labels)
    prob = read_probabilities(y_proba)
    true = multiclass_labels(y_true, prob, sample_weight, labels)
    return float(average(_losses, true, prob, sample_weight, normalize))


def _losses(rows: Array, true: Array) -> Array:
    """Return the loss of each row.

    Logarithms grow with p: to clip -log p between -log(1 - eps) and -log(eps) is to clip p.
    """
    eps = np.finfo(rows.dtype).eps
    if true.ndim == 2:
        logs = np.empty(rows.shape)
        LOG.elements((np.clip(rows, eps, 1 - eps),), PLAIN, logs)
        return -of_rows(WEIGHTED_SUM, (true, logs), 1)[0]
    losses = np.empty(len(rows))
    SURPRISAL.picked(rows, true, PLAIN, losses)
    return np.clip(losses, *_bounds(float(eps)), out=losses)


@lru_cache
def _bounds(eps: float) -> tuple[float, float]:
    """Return the smallest and largest loss."""
    return -math.log1p(-eps), -math.log(eps)

"""The Brier score of scikit-learn."""

from typing import Any

import numpy as np

from fastent import _core
from fastent._arrays import Array
from fastent._by_blocks import PLAIN
from fastent.metrics._arrays import check_finite, check_lengths, check_weights, column, in_numpy
from fastent.metrics._parameters import (
    ARRAY_LIKE,
    BOOLEAN,
    NONE,
    REAL,
    TEXT,
    check_parameters,
    one_of,
)
from fastent.metrics._probabilities import (
    average,
    check_range,
    multiclass_labels,
    range_of,
    read_probabilities,
)
from fastent.metrics._targets import Target, target_of

OF_LABELS = _core.measures["brier_score_of_labels"]
KNOWN = ([0, 1], [-1, 1], [0], [-1], [1])  # labels of which 1 is the positive one


def brier_score_loss(
    y_true: Any,
    y_proba: Any,
    *,
    sample_weight: Any = None,
    pos_label: Any = None,
    labels: Any = None,
    scale_by_half: Any = "auto",
) -> float:
    """Return the Brier score of predicted probabilities: ``sklearn.metrics.brier_score_loss``.

    Parameters
    ----------
    y_true : array_like
        The true label of each row; or a table that says which classes each row has.
    y_proba : array_like
        Predicted probabilities: rows of one a class, in the order of the sorted labels; or
        one-dimensional, those of `pos_label`.
    sample_weight : array_like, optional
        A weight for each row: the mean is divided by their sum.
    pos_label : float, str or bool, optional
        The label that one-dimensional probabilities are of: 1 where the labels are 0 or -1, and 1;
        the larger of others, but strings, of which it must be given.
    labels : array_like, optional
        All labels that there may be, beside rows of probabilities; those of `y_true` otherwise.
    scale_by_half : {"auto", True, False}
        Halve the sum over the classes, so that it lies between 0 and 1: of two classes by default.

    Returns
    -------
    float
        The mean of the scores.

    Raises
    ------
    ValueError, TypeError
        With scikit-learn 1.9's messages, in its order; its warnings too.

    Notes
    -----
    sum (p - y)^2 over the classes [1]_, where y is 1 for the true class and else 0. Scores are made
    and added up in float64, and the result is rounded to the dtype of `y_proba`, float64, float32
    or float16, or that of the weights if it is wider.

    References
    ----------
    .. [1] G. W. Brier, "Verification of Forecasts Expressed in Terms of Probability", 1950.

    Examples
    --------
    >>> from fastent.metrics import brier_score_loss
    >>> print(brier_score_loss([0, 1, 1, 0], [0.5, 0.5, 1.0, 0.0]))
    0.125
    """
    array_or_none = (ARRAY_LIKE, NONE)
    check_parameters(
        "brier_score_loss",
        y_true=(y_true, (ARRAY_LIKE,)),
        y_proba=(y_proba, (ARRAY_LIKE,)),
        sample_weight=(sample_weight, array_or_none),
        pos_label=(pos_label, (REAL, TEXT, BOOLEAN, NONE)),
        labels=(labels, array_or_none),
        scale_by_half=(scale_by_half, (BOOLEAN, one_of({"auto"}))),
    )
    y_true, y_proba, sample_weight, labels = in_numpy(y_true, y_proba, sample_weight, labels)
    prob = read_probabilities(y_proba)
    if prob.ndim == 1 or prob.shape[1] == 1:
        true = _binary_labels(y_true, prob, sample_weight, pos_label)
    else:
        true = multiclass_labels(y_true, prob, sample_weight, labels)
    score = average(_scores, true, prob, sample_weight)
    if isinstance(scale_by_half, str):
        scale_by_half = prob.ndim == 1 or prob.shape[1] < 3
    return float(score * 0.5 if scale_by_half else score)


def _binary_labels(y_true: Any, prob: Array, weights: Any, pos_label: Any) -> Array:
    """Return which of the labels are positive."""
    found = range_of(prob, False)
    labels = column(y_true)
    check_finite(labels)
    check_lengths(prob, labels, weights)
    check_weights(weights, len(prob))
    target = target_of(labels, "y_true")
    if target.kind != "binary":
        raise ValueError(
            f"The type of the target inferred from y_true is {target.kind} but should be binary "
            "according to the shape of y_prob."
        )
    check_range(found, "less")
    positive = _positive(target) if pos_label is None else pos_label
    return np.broadcast_to(np.asarray(labels == positive, bool), labels.shape)


def _positive(target: Target) -> Any:
    """Return the label that is taken to be positive."""
    assert target.codes is not None
    classes = target.codes.classes
    kind = classes.dtype.kind
    if kind not in "OUST":
        known = len(classes) <= 2 and any(np.all(classes == some) for some in KNOWN)
        return 1 if known else classes[-1]
    told = ", ".join(map(repr, classes.tolist()))
    raise ValueError(
        f"y_true takes value in {{{told}}} and pos_label is not specified: either make y_true take "
        "value in {0, 1} or {-1, 1} or pass pos_label explicitly."
    )


def _scores(rows: Array, true: Array) -> Array:
    """Return the sum of squared errors of each row."""
    if true.ndim == 2:
        errors = np.subtract(true, rows, dtype=np.float64)
        return np.asarray(np.einsum("ij,ij->i", errors, errors))
    scores = np.empty(len(rows))
    nothing = np.broadcast_to(rows.dtype.type(0), rows.shape)  # made of the labels
    OF_LABELS.rows((nothing, rows), 1, PLAIN, scores, true)
    return scores

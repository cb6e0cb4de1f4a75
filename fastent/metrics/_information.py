"""The mutual information of two labelings, normalised, and adjusted for chance: scikit-learn's."""

import math
from typing import Any

import numpy as np

from fastent import _core
from fastent._by_blocks import ENTROPY, PLAIN, SHARES, of_rows
from fastent.metrics._contingency import Cells, cells_of_labels, cells_of_table, read_labels
from fastent.metrics._expected import expected_information
from fastent.metrics._labels import Codes
from fastent.metrics._parameters import ARRAY_LIKE, NONE, SPARSE, check_parameters, one_of

KL_DIVERGENCE = _core.measures["kl_divergence"]
EPS = float(np.finfo(np.float64).eps)
EXACT = math.isqrt(2**63 - 1)  # samples, up to which products of two counts are


def mutual_info_score(labels_true: Any, labels_pred: Any, *, contingency: Any = None) -> float:
    """Return the mutual information of two labelings: ``sklearn.metrics.mutual_info_score``.

    Parameters
    ----------
    labels_true, labels_pred : array_like
        Two labels of each sample, of any dtype that sorts.
    contingency : array_like or sparse array, optional
        How many samples have each pair of labels, in place of the labels, which are ignored.

    Returns
    -------
    float
        In nats.

    Raises
    ------
    ValueError, TypeError
        With scikit-learn 1.9's messages, in its order; its warnings too.

    Notes
    -----
    The sum of phi(n_ij, a_i b_j/n)/n over cells, phi(p, q) = p log(p/q) - p + q, where a and b are
    the sums of rows and columns [1]_: no term is negative. The products are whole numbers, so up to
    9e7 samples the result is right to a relative 1e-13, however close to independence they are, and
    independent labelings have exactly 0; beyond that its error is below 1e-15.

    References
    ----------
    .. [1] T. M. Cover and J. A. Thomas, "Elements of Information Theory", 2006, equation 2.28.

    Examples
    --------
    >>> from fastent.metrics import mutual_info_score
    >>> print(mutual_info_score(["a", "a", "b", "b"], [0, 1, 0, 1]))
    0.0
    >>> print(round(mutual_info_score(None, None, contingency=[[2, 0], [0, 2]]), 6))
    0.693147
    """
    array_or_none = (ARRAY_LIKE, NONE)
    check_parameters(
        "mutual_info_score",
        labels_true=(labels_true, array_or_none),
        labels_pred=(labels_pred, array_or_none),
        contingency=(contingency, (ARRAY_LIKE, SPARSE, NONE)),
    )
    if contingency is not None:
        cells = cells_of_table(contingency)
        single = len(cells.rows) == 1 or len(cells.columns) == 1
        return 0.0 if single else _information(cells)
    true, pred = read_labels(labels_true, labels_pred)
    if len(true.sizes) == 1 or len(pred.sizes) == 1:
        return 0.0
    return _information(cells_of_labels(true, pred))


def normalized_mutual_info_score(
    labels_true: Any, labels_pred: Any, *, average_method: str = "arithmetic"
) -> float:
    """Return the mutual information over a mean of both entropies, as scikit-learn does.

    Parameters
    ----------
    labels_true, labels_pred : array_like
        Two labels of each sample, of any dtype that sorts.
    average_method : {"arithmetic", "geometric", "min", "max"}
        The mean.

    Returns
    -------
    float
        From 0 to 1; 1 where both labelings have one class, or no sample.

    Raises
    ------
    ValueError, TypeError
        With scikit-learn 1.9's messages, in its order; its warnings too.

    Notes
    -----
    I(X; Y) / mean(H(X), H(Y)) [1]_, of `mutual_info_score`: labelings that are the same but for the
    names of the labels have exactly 1.

    References
    ----------
    .. [1] N. X. Vinh, J. Epps and J. Bailey, "Information Theoretic Measures for Clusterings
       Comparison", 2010.

    Examples
    --------
    >>> from fastent.metrics import normalized_mutual_info_score
    >>> print(normalized_mutual_info_score([0, 0, 1, 1], ["b", "b", "a", "a"]))
    1.0
    """
    _check_labelings("normalized_mutual_info_score", labels_true, labels_pred, average_method)
    true, pred = read_labels(labels_true, labels_pred)
    classes = len(true.sizes), len(pred.sizes)
    if classes in ((1, 1), (0, 0)):
        return 1.0
    cells = cells_of_labels(true, pred)
    if _is_matching(cells, classes):
        return 1.0
    information = 0.0 if 1 in classes else _information(cells)
    if information == 0:
        return 0.0
    return min(1.0, float(information / _average(_entropy(true), _entropy(pred), average_method)))


def adjusted_mutual_info_score(
    labels_true: Any, labels_pred: Any, *, average_method: str = "arithmetic"
) -> float:
    """Return the mutual information adjusted for chance, as scikit-learn does.

    Parameters
    ----------
    labels_true, labels_pred : array_like
        Two labels of each sample, of any dtype that sorts.
    average_method : {"arithmetic", "geometric", "min", "max"}
        The mean of both entropies.

    Returns
    -------
    float
        1 for labelings that are the same but for the names of the labels; on average 0 for those
        of random samples, which may be negative.

    Raises
    ------
    ValueError, TypeError
        With scikit-learn 1.9's messages, in its order; its warnings too.

    Notes
    -----
    (I - E) / (mean(H(X), H(Y)) - E) [1]_, where E is the mean of I over all orders of the samples;
    neither difference is taken to be closer to 0 than 2.2e-16. Time and memory depend on how many
    sizes of classes there are, rather than on the number of classes: 1e5 classes in each of two
    labelings of 1e6 samples take a fraction of a second.

    References
    ----------
    .. [1] N. X. Vinh, J. Epps and J. Bailey, "Information Theoretic Measures for Clusterings
       Comparison", 2010, equation 24a.

    Examples
    --------
    >>> from fastent.metrics import adjusted_mutual_info_score
    >>> print(adjusted_mutual_info_score([0, 0, 1, 1], ["b", "b", "a", "a"]))
    1.0
    >>> print(round(adjusted_mutual_info_score([0, 0, 1, 1], [0, 1, 0, 1]), 6))
    -0.5
    """
    _check_labelings("adjusted_mutual_info_score", labels_true, labels_pred, average_method)
    true, pred = read_labels(labels_true, labels_pred)
    classes = len(true.sizes), len(pred.sizes)
    if classes in ((1, 1), (0, 0)):
        return 1.0
    if 1 in classes:
        return 0.0
    cells = cells_of_labels(true, pred)
    if _is_matching(cells, classes):
        return 1.0
    of_true, of_pred = _entropy(true), _entropy(pred)
    samples = len(true.code)
    if samples in classes:  # each sample has a class of its own: the other is known in any order
        information = expected = min(of_true, of_pred)
    else:
        information = _information(cells)
        expected = expected_information(true.sizes, pred.sizes)
    between = _away_from_0(_average(of_true, of_pred, average_method) - expected)
    return float(_away_from_0(information - expected) / between)


def _check_labelings(function: str, labels_true: Any, labels_pred: Any, average: Any) -> None:
    """Raise for parameters of the wrong kind."""
    check_parameters(
        function,
        labels_true=(labels_true, (ARRAY_LIKE,)),
        labels_pred=(labels_pred, (ARRAY_LIKE,)),
        average_method=(average, (one_of({"arithmetic", "max", "min", "geometric"}),)),
    )


def _information(cells: Cells) -> float:
    """Return the mutual information of a table, which is at least 0."""
    samples = int(cells.rows.sum())
    if cells.counts.min(initial=0) < 0:
        np.log(cells.counts)  # which warns, as scikit-learn does
        math.log(samples)
        return math.nan
    math.log(samples)  # no sample: an error
    dtype = np.dtype(np.int64 if samples <= EXACT else np.float64)
    joint = cells.counts.astype(dtype) * dtype.type(samples)
    product = cells.rows[cells.row].astype(dtype) * cells.columns[cells.column].astype(dtype)
    operands = joint.astype(np.float64), product.astype(np.float64)
    phi = float(of_rows(KL_DIVERGENCE, operands, 1, PLAIN)[0])
    full = np.count_nonzero(cells.rows) * np.count_nonzero(cells.columns) == len(product)
    empty = 0 if full else max(0, samples * samples - int(product.sum()))  # phi(0, q) = q
    return (phi + empty) / samples / samples


def _is_matching(cells: Cells, classes: tuple[int, int]) -> bool:
    """Whether each class is one of the other labeling's too."""
    return len(cells.counts) == classes[0] == classes[1]


def _entropy(labels: Codes) -> float:
    """Return the entropy of a labeling."""
    return float(of_rows(ENTROPY, (labels.sizes,), 1, SHARES)[0])


def _average(one: float, other: float, method: str) -> float:
    """Return a mean of two entropies."""
    if method == "arithmetic":
        return (one + other) / 2
    if method == "geometric":
        return math.sqrt(one * other)
    return min(one, other) if method == "min" else max(one, other)


def _away_from_0(difference: float) -> float:
    """Return a difference, which is no closer to 0 than a rounding of 1."""
    return min(difference, -EPS) if difference < 0 else max(difference, EPS)

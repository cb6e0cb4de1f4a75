"""Whether probabilities can be trusted: reliability curves, their error, and a temperature."""

import math
from collections.abc import Callable
from numbers import Integral
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from fastent._arrays import Array, as_array
from fastent._binary_gradients import binary_cross_entropy_with_logits_grad
from fastent._labels import LOGITS_AXIS, check_label_shape, check_labels
from fastent._lazy import is_lazy
from fastent._logits import sigmoid
from fastent._plan import LEAST_TEMPERATURE
from fastent._scores import score_logits

STRATEGIES = ("uniform", "quantile")
TOLERANCE = 1e-7  # of a temperature, relative
FIRST_STEP = math.log(2)  # of the search for a bracket, in log temperature


class ReliabilityCurve(NamedTuple):
    """What `reliability_curve` says of each bin.

    Examples
    --------
    >>> import fastent as fe
    >>> print(fe.reliability_curve([1, 0], [0.9, 0.2], bins=2)._fields)
    ('confidence', 'accuracy', 'count')
    """

    confidence: Any
    accuracy: Any
    count: Any


def reliability_curve(
    labels: Any,
    prob: Any,
    *,
    bins: int = 15,
    strategy: str = "uniform",
    axis: int = -1,
    from_logits: bool = False,
) -> ReliabilityCurve:
    """Return how often predictions are right, bin by bin of how sure they are.

    Parameters
    ----------
    labels : array_like of int
        True classes: of the shape of `prob` without `axis`; or of its own shape, 0 and 1.
    prob : array_like
        Probabilities of the classes along `axis`; or of class 1 where `labels` has the same shape.
    bins : int
        How many there are.
    strategy : {"uniform", "quantile"}
        Bins of the same width between 0 and 1, or of as many predictions each.
    axis : int
        Along which the classes lie.
    from_logits : bool
        `prob` holds logits.

    Returns
    -------
    ReliabilityCurve
        Three arrays of length `bins`: the mean confidence of a bin, the share of its predictions
        that are right, and their number. The first two are NaN where there is none.

    Notes
    -----
    Of classes the confidence is the largest probability, and right is who has it there [1]_. Of
    probabilities of class 1 it is these, and right is a label of 1, as scikit-learn's
    ``calibration_curve`` has it. A bin holds what is above its lower edge and up to its upper; the
    first its lower edge too.

    References
    ----------
    .. [1] C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On Calibration of Modern Neural
       Networks", 2017, equations 2 and 3.

    Examples
    --------
    >>> import fastent as fe
    >>> curve = fe.reliability_curve([0, 1, 1], [[0.9, 0.1], [0.3, 0.7], [0.8, 0.2]], bins=2)
    >>> print(curve.confidence, curve.accuracy, curve.count)
    [nan 0.8] [       nan 0.66666667] [0 3]
    """
    confidence, right = _confidences(labels, prob, axis, from_logits)
    place = _bins_of(confidence, bins, strategy)
    count = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean, accuracy = (np.bincount(place, x, bins) / count for x in (confidence, right))
    return ReliabilityCurve(mean, accuracy, count)


def expected_calibration_error(
    labels: Any,
    prob: Any,
    *,
    bins: int = 15,
    strategy: str = "uniform",
    axis: int = -1,
    from_logits: bool = False,
) -> float:
    """Return how far confidence and accuracy are apart, on average.

    Parameters
    ----------
    labels : array_like of int
        True classes: of the shape of `prob` without `axis`; or of its own shape, 0 and 1.
    prob : array_like
        Probabilities of the classes along `axis`; or of class 1 where `labels` has the same shape.
    bins : int
        How many there are.
    strategy : {"uniform", "quantile"}
        Bins of the same width between 0 and 1, or of as many predictions each.
    axis : int
        Along which the classes lie.
    from_logits : bool
        `prob` holds logits.

    Returns
    -------
    float
        Between 0 and 1; NaN where there is no prediction.

    Notes
    -----
    sum count / n abs(accuracy - confidence) over the bins of `reliability_curve` [1]_, as
    ``MulticlassCalibrationError`` and ``BinaryCalibrationError`` of torchmetrics, ``norm="l1"``.

    References
    ----------
    .. [1] M. P. Naeini, G. F. Cooper and M. Hauskrecht, "Obtaining Well Calibrated Probabilities
       Using Bayesian Binning", 2015.

    Examples
    --------
    >>> import fastent as fe
    >>> print(round(fe.expected_calibration_error([1, 0, 1], [0.9, 0.3, 0.7], bins=10), 6))
    0.233333
    """
    curve = reliability_curve(
        labels, prob, bins=bins, strategy=strategy, axis=axis, from_logits=from_logits
    )
    some = curve.count > 0
    total = curve.count.sum()
    if total == 0:
        return math.nan
    apart = np.abs(curve.accuracy - curve.confidence)[some]
    return float((apart * curve.count[some]).sum() / total)


def fit_temperature(
    labels: Any, logits: Any, *, axis: int = -1, ignore_index: int | None = None
) -> float:
    """Return the temperature by which logits are to be divided for the smallest cross entropy.

    Parameters
    ----------
    labels : array_like of int
        True classes: of the shape of `logits` without `axis`; or of its own shape, 0 and 1.
    logits : array_like
        Scores of the classes along `axis`; or log-odds of class 1 where `labels` has the same
        shape.
    axis : int
        Along which the classes lie.
    ignore_index : int, optional
        Rows of this label are left out.

    Returns
    -------
    float
        To a relative 1e-6; above 1 where the model is too sure. 1 if it makes no difference.

    Notes
    -----
    Temperature scaling [1]_. The cross entropy is convex in 1/T, and its derivative is T times the
    mean of cross entropy less entropy: both come from one read of the logits, `score_logits`, and
    the root is bracketed and found by secants, in about ten reads. Where every
    label has the largest logit the cross entropy falls without end as T falls, and where labels are
    no likelier than others it does as T grows: a ValueError.

    References
    ----------
    .. [1] C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On Calibration of Modern Neural
       Networks", 2017.

    Examples
    --------
    >>> import fastent as fe
    >>> print(round(fe.fit_temperature([0, 0, 1], [[4.0, 0.0], [4.0, 0.0], [4.0, 0.0]]), 5))
    5.77078
    """
    true, scores = _both(labels, logits, "logits")
    binary = true.ndim == scores.ndim
    if binary:
        _check_binary(true, scores, "logits", ignore_index)
        kept = np.ones(true.shape, bool) if ignore_index is None else true != ignore_index
        slope = _binary_slope(true[kept], scores[kept].astype(np.float64))
    else:
        position = normalize_axis_index(axis, scores.ndim)
        check_label_shape(true, scores, position, "labels")
        check_labels(true, scores.shape[position], LOGITS_AXIS, ignored=ignore_index)
        slope = _slope(true, scores, axis, ignore_index)
    return _root(slope)


def _slope(
    labels: Array, logits: Array, axis: int, ignore_index: int | None
) -> Callable[[float], float]:
    """Return the function of T that has the sign of the loss's derivative by 1/T."""

    def slope(temperature: float) -> float:
        score = score_logits(
            labels, logits, axis=axis, temperature=temperature, ignore_index=ignore_index
        )
        difference = np.subtract(score.cross_entropy, score.entropy, dtype=np.float64)
        if ignore_index is not None:  # these cost 0, but their rows have an entropy
            difference = np.where(labels == ignore_index, 0, difference)
        if not np.isfinite(difference).all():
            place = np.unravel_index(int(np.argmin(np.isfinite(difference))), labels.shape)
            index = ", ".join(str(int(i)) for i in place)
            raise ValueError(
                f"logits: row {index} has an infinite or no cross entropy at any temperature"
            )
        return float(difference.sum() * temperature)

    return slope


def _binary_slope(labels: Array, logits: Array) -> Callable[[float], float]:
    """Return the same of log-odds."""

    def slope(temperature: float) -> float:
        gradient, _ = binary_cross_entropy_with_logits_grad(labels, logits / temperature)
        terms = np.where(gradient == 0, 0, logits * gradient)
        if not np.isfinite(terms).all():
            raise ValueError("logits: an element has an infinite or no cross entropy")
        return float(terms.sum())

    return slope


def _root(slope: Callable[[float], float]) -> float:
    """Return the temperature where a slope, positive below it, is 0."""
    low, at_low = 0.0, slope(1.0)  # log temperatures, and their slopes
    if at_low == 0:
        return 1.0
    sign, step, end = math.copysign(1, at_low), FIRST_STEP, -math.log(LEAST_TEMPERATURE)
    while True:
        high = max(-end, min(end, low + sign * step))
        at_high = slope(math.exp(high))
        if at_high * sign < 0:
            return _bracketed_root(slope, (low, at_low), (high, at_high))
        if at_high == 0 and slope(math.exp(high + sign * FIRST_STEP)) * sign < 0:
            return math.exp(high)
        if at_high == 0 or abs(high) == end:
            _fail(sign)
        low, at_low = high, at_high
        step *= 2


def _bracketed_root(
    slope: Callable[[float], float], one: tuple[float, float], other: tuple[float, float]
) -> float:
    """Return the same from two log temperatures and slopes of both signs: Illinois, bisections."""
    (low, at_low), (high, at_high) = one, other
    while abs(high - low) > TOLERANCE and at_high != 0:
        middle = high - at_high * (high - low) / (at_high - at_low)
        narrow = abs(high - low) * 1e-3  # a step so small would leave the bracket as it is
        if not min(low, high) + narrow < middle < max(low, high) - narrow:
            middle = middle + math.copysign(narrow, low - high)
        if not min(low, high) < middle < max(low, high):
            middle = (low + high) / 2
        at_middle = slope(math.exp(middle))
        if at_middle * at_high < 0:
            low, at_low = high, at_high
        else:
            at_low /= 2  # what stays is weighed less
        high, at_high = middle, at_middle
    return math.exp(high)


def _fail(sign: float) -> NoReturn:
    """Raise a ValueError: there is no best temperature."""
    if sign > 0:
        raise ValueError(
            "no temperature is best: labels are no likelier than other classes, so the cross "
            "entropy falls as the temperature grows"
        )
    raise ValueError(
        "no temperature is best: every label has the largest logit, so the cross entropy falls "
        "without end as the temperature falls (fit on data that the model has not seen)"
    )


def _both(labels: Any, prob: Any, name: str) -> tuple[Array, Array]:
    """Return labels and what they are held against as arrays."""
    if is_lazy(labels) or is_lazy(prob):
        raise TypeError("calibration takes arrays in memory, not Dask's: pass labels.compute()")
    return as_array(labels, "labels"), as_array(prob, name)


def _check_binary(labels: Array, prob: Array, name: str, ignored: int | None = None) -> None:
    """Raise unless there is a 0 or 1 for each number."""
    if labels.shape != prob.shape:
        raise ValueError(
            f"labels has shape {labels.shape} and {name} has shape {prob.shape}: of class indices "
            "there is one a row, of labels 0 and 1 one an element"
        )
    bad = (labels != 0) & (labels != 1)
    if ignored is not None:
        bad &= labels != ignored
    if bad.any():
        place = np.unravel_index(int(np.argmax(bad)), bad.shape)
        index = ", ".join(str(int(i)) for i in place)
        raise ValueError(f"labels: element {index} is {labels[place]}, not 0 or 1")


def _confidences(labels: Any, prob: Any, axis: int, from_logits: bool) -> tuple[Array, Array]:
    """Return how sure each prediction is, and whether it is right, as flat arrays of doubles."""
    name = "logits" if from_logits else "prob"
    true, given = _both(labels, prob, name)
    if true.ndim == given.ndim:
        _check_binary(true, given, name)
        confidence, right = sigmoid(given) if from_logits else given, true
    else:
        position = normalize_axis_index(axis, given.ndim)
        check_label_shape(true, given, position, "labels")
        reason = LOGITS_AXIS if from_logits else "the length of prob's axis"
        check_labels(true, given.shape[position], reason)
        if from_logits:
            score = score_logits(None, given, axis=axis)
            confidence, prediction = score.confidence, score.prediction
        else:
            confidence, prediction = given.max(position), given.argmax(position)
        right = prediction == true
    sure = np.asarray(confidence, np.float64).reshape(-1)
    bad = ~((sure >= 0) & (sure <= 1))
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(f"{name}: prediction {row} has confidence {sure[row]}, not within [0, 1]")
    return sure, np.asarray(right, np.float64).reshape(-1)


def _bins_of(confidence: Array, bins: int, strategy: str) -> Array:
    """Return the number of each confidence's bin."""
    if isinstance(bins, bool) or not isinstance(bins, Integral):
        raise TypeError(f"bins must be an int, not {bins!r}")
    if bins < 1:
        raise ValueError(f"bins must be at least 1, not {bins}")
    if strategy not in STRATEGIES:
        known = ", ".join(repr(name) for name in STRATEGIES)
        raise ValueError(f"strategy must be one of {known}, not {strategy!r}")
    edges = np.linspace(0, 1, int(bins) + 1)
    if strategy == "quantile" and confidence.size > 0:
        edges = np.quantile(confidence, edges)
    return np.searchsorted(edges[1:-1], confidence, side="left")

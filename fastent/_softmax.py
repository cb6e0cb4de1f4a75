"""Measures of rows of logits: log-sum-exp, and entropy and cross entropy of their softmax."""

from typing import Any

from numpy.lib.array_utils import normalize_axis_index

from fastent import _core
from fastent._arrays import Array, as_array, from_list
from fastent._core import plain_rows
from fastent._labels import check_label_dtype, check_label_shape
from fastent._lazy import is_lazy
from fastent._plan import Axis, check_reduction, is_plain
from fastent._rows import reduce_rows
from fastent._softmax_losses import Options, label_losses, plain_losses, target_losses

LOGSUMEXP = _core.measures["logsumexp"]
SOFTMAX_ENTROPY = _core.measures["softmax_entropy"]


def logsumexp(
    logits: Any,
    *,
    axis: Axis = -1,
    offsets: Any = None,
    temperature: float = 1.0,
    keepdims: bool = False,
    out: Array | None = None,
) -> Any:
    """Return the logarithm of the sum of exponentials of each row.

    Parameters
    ----------
    logits : array_like
        Rows along `axis`.
    axis : int, tuple of int or None
        Along which a row lies; several axes, or all (None), count as one.
    offsets : array_like of int, optional
        For ragged rows, laid out as in Arrow and CSR: the input has one axis, and row i holds its
        entries from offsets[i] up to offsets[i + 1].
    temperature : float
        Logits are divided by it.
    keepdims : bool
        Leave the row's axes in the result, with length 1.
    out : ndarray, optional
        Takes the result.

    Returns
    -------
    ndarray or scalar
        One number a row: the shape of the input without `axis`; float32 for float32 and float16
        input, else float64.

    Notes
    -----
    log sum exp(logits / temperature) [1]_, without overflow. An empty row, and one of -inf alone,
    gives -inf; NaN gives NaN.

    References
    ----------
    .. [1] P. Blanchard, D. J. Higham and N. J. Higham, "Accurately computing the log-sum-exp and
       softmax functions", 2021.

    Examples
    --------
    >>> import fastent as fe
    >>> print(fe.logsumexp([[0.0, 0.0], [1000.0, -1000.0]]))
    [6.93147181e-01 1.00000000e+03]
    """
    settings = (None, None, False, keepdims, out, "none", None, False, False, False)
    return reduce_rows(
        LOGSUMEXP, ("logits",), (logits,), axis, *settings, temperature, offsets=offsets
    )


def softmax_entropy(
    logits: Any,
    *,
    axis: Axis = -1,
    offsets: Any = None,
    base: float | None = None,
    temperature: float = 1.0,
    keepdims: bool = False,
    out: Array | None = None,
    reduction: str = "none",
    weight: Any = None,
) -> Any:
    """Return the entropy of the softmax of each row of logits, without making the softmax.

    Parameters
    ----------
    logits : array_like
        Rows along `axis`; -inf is a class of probability 0.
    axis : int, tuple of int or None
        Along which a distribution lies; several axes, or all (None), count as one.
    offsets : array_like of int, optional
        For ragged rows, laid out as in Arrow and CSR: the input has one axis, and row i holds its
        entries from offsets[i] up to offsets[i + 1].
    base : float, optional
        Of the logarithm: nats by default, 2 for bits.
    temperature : float
        Logits are divided by it.
    keepdims : bool
        Leave the distribution's axes in the result, with length 1.
    out : ndarray, optional
        Takes the result.
    reduction : {"none", "mean", "sum", "weighted_mean"}
        One number a row, or their mean, sum, or mean weighted by `weight`.
    weight : array_like, optional
        Multiplies the results, with whose shape it broadcasts. The mean divides by the number of
        rows, the weighted mean by the sum of the weights.

    Returns
    -------
    ndarray or scalar
        One number a row: the shape of the input without `axis`; float32 for float32 and float16
        input, else float64.

    Notes
    -----
    -sum p log p of p = softmax(logits / temperature) [1]_, as log S + sum e^(x - m) (m - x) / S
    with m the largest logit and S = sum e^(x - m): every digit of rows that are all but certain. A
    row of -inf alone, several +inf and NaN give NaN.

    References
    ----------
    .. [1] C. E. Shannon, "A Mathematical Theory of Communication", 1948.

    Examples
    --------
    >>> import fastent as fe
    >>> print(fe.softmax_entropy([[0.0, 0.0], [50.0, 0.0]], base=2))
    [1.0000000e+00 1.4191249e-20]
    """
    settings = (base, None, False, keepdims, out, reduction, weight, False, False, False)
    return reduce_rows(
        SOFTMAX_ENTROPY, ("logits",), (logits,), axis, *settings, temperature, offsets=offsets
    )


def softmax_cross_entropy(
    target: Any,
    logits: Any,
    *,
    axis: int = -1,
    base: float | None = None,
    temperature: float = 1.0,
    keepdims: bool = False,
    out: Array | None = None,
    reduction: str = "none",
    weight: Any = None,
    class_weight: Any = None,
    label_smoothing: float = 0.0,
    ignore_index: int | None = None,
    return_weight: bool = False,
) -> Any:
    """Return the cross entropy of the softmax of each row of logits, without making the softmax.

    Unlike ``torch.nn.CrossEntropyLoss`` the target comes first, classes lie along the last axis by
    default, and nothing is averaged unless asked for.

    Parameters
    ----------
    target : array_like
        What is true. Class indices: integers, of the shape of `logits` without `axis`. Or
        distributions over the classes: as many axes as `logits`, or floating-point numbers.
    logits : array_like
        Scores of the classes along `axis`; -inf is a class of probability 0.
    axis : int
        Along which the classes lie.
    base : float, optional
        Of the logarithm: nats by default, 2 for bits.
    temperature : float
        Logits are divided by it.
    keepdims : bool
        Leave the classes' axis in the result, with length 1.
    out : ndarray, optional
        Takes the result.
    reduction : {"none", "mean", "sum", "weighted_mean"}
        One loss a row, or their mean, sum, or mean weighted by `weight`.
    weight : array_like, optional
        Multiplies the results, with whose shape it broadcasts. The weighted mean divides by its
        sum.
    class_weight : array_like, optional
        A weight a class, by which its part of a loss is multiplied. The mean of losses of class
        indices divides by the sum of those of the labels, as PyTorch's does.
    label_smoothing : float
        This share of the target, from 0 to 1, is spread evenly over the classes that are not
        masked.
    ignore_index : int, optional
        Rows of this label cost 0 and are left out of means. Of class indices only.
    return_weight : bool
        Return the sum and what the mean would divide it by, a pair: it needs ``reduction="sum"``.
        Both, added up over chunks, make the mean of the whole.

    Returns
    -------
    ndarray or scalar, or tuple
        One number a row; float32 for float32 and float16 `logits`, else float64.
        With `return_weight` a tuple of the sum and a float64, its divisor.

    Notes
    -----
    -log softmax(logits / temperature)[label], or -sum target log softmax(logits / temperature)
    [1]_; the logits are read once. The losses of confident rows keep their digits: one of 1e-20 is
    1e-20, not 0. A label out of range is a ValueError. A language model's perplexity of a text is
    exp of the mean of these losses.

    References
    ----------
    .. [1] C. M. Bishop, "Pattern Recognition and Machine Learning", 2006, equation 4.108.

    Examples
    --------
    >>> import fastent as fe
    >>> print(fe.softmax_cross_entropy([0, 1], [[50.0, 0.0], [0.0, 0.0]], base=2))
    [2.78259784e-22 1.00000000e+00]
    >>> print(fe.softmax_cross_entropy([[0.5, 0.5]], [[1.0, 1.0]], base=2, reduction="mean"))
    1.0

    The mean over two chunks, of which the second has a row that is left out:

    >>> import numpy as np
    >>> labels, logits = np.array([0, 1, 0, -1]), np.zeros((4, 2))
    >>> options = {"base": 2, "ignore_index": -1, "reduction": "sum", "return_weight": True}
    >>> parts = np.zeros(2)
    >>> for rows in (slice(0, 2), slice(2, 4)):
    ...     parts += fe.softmax_cross_entropy(labels[rows], logits[rows], **options)
    >>> print(parts, parts[0] / parts[1])
    [3. 3.] 1.0
    """
    target, logits = from_list(target, "target"), from_list(logits, "logits")
    given = (keepdims, out, weight, class_weight, label_smoothing, ignore_index, return_weight)
    if is_plain(axis, reduction, *given) and plain_rows(logits, target):
        return plain_losses(target, logits, base, temperature, reduction)
    check_reduction(reduction, weight, keepdims, return_weight)
    true = target if is_lazy(target) else as_array(target, "target")
    scores = logits if is_lazy(logits) else as_array(logits, "logits")
    position = normalize_axis_index(axis, scores.ndim) if scores.ndim else 0
    labels = are_labels(true, scores, position)
    options = Options(
        base,
        temperature,
        class_weight,
        label_smoothing,
        ignore_index,
        reduction,
        keepdims,
        return_weight,
    )
    if labels:
        return label_losses(true, scores, position, options, weight, out)
    return target_losses(true, scores, axis, options, weight, out)


def are_labels(target: Any, logits: Any, position: int) -> bool:
    """Whether a target holds class indices; else it holds distributions."""
    rows = logits.shape[:position] + logits.shape[position + 1 :]
    if target.dtype.kind in "biu" and target.ndim < max(logits.ndim, 1):
        check_label_shape(target, logits, position, "target")
        return True
    if target.dtype.kind not in "biu" and target.shape == rows and target.shape != logits.shape:
        check_label_dtype(target, "target")
    return False

"""Measures of distributions: entropy and perplexity, cross entropy and KL divergence."""

from typing import Any

from fastent import _core
from fastent._arrays import Array
from fastent._counts import entropy_of_counts
from fastent._plan import Axis
from fastent._rows import reduce_rows

ENTROPY = _core.measures["entropy"]
PERPLEXITY = _core.measures["perplexity"]
CROSS_ENTROPY = _core.measures["cross_entropy"]
KL_DIVERGENCE = _core.measures["kl_divergence"]
KL_DIVERGENCE_PLAIN = _core.measures["kl_divergence_plain"]


def entropy(
    p: Any,
    *,
    axis: Axis = -1,
    offsets: Any = None,
    base: float | None = None,
    normalize: bool = False,
    keepdims: bool = False,
    out: Array | None = None,
    reduction: str = "none",
    weight: Any = None,
    check: bool = False,
    bias_correction: str | None = None,
    pseudocount: float = 0.0,
) -> Any:
    """Return the entropy of each distribution.

    Parameters
    ----------
    p : array_like
        Distributions along `axis`.
    axis : int, tuple of int or None
        Along which a distribution lies; several axes, or all (None), count as one.
    offsets : array_like of int, optional
        For ragged rows, laid out as in Arrow and CSR: the input has one axis, and row i holds its
        entries from offsets[i] up to offsets[i + 1].
    base : float, optional
        Of the logarithm: nats by default, 2 for bits.
    normalize : bool
        Divide rows by their sums: for weights and counts. A sum of 0, or one beyond the largest
        float64, makes its row NaN.
    keepdims : bool
        Leave the distribution's axes in the result, with length 1.
    out : ndarray, optional
        Takes the result.
    reduction : {"none", "mean", "sum", "weighted_mean"}
        One number a row, or their mean, sum, or mean weighted by `weight`.
    weight : array_like, optional
        Multiplies the results, with whose shape it broadcasts. The mean divides by the number of
        rows, the weighted mean by the sum of the weights.
    check : bool
        Raise a ValueError that names the first row that is no distribution.
    bias_correction : {None, "miller-madow", "grassberger", "chao-shen"}
        Of whole counts with `normalize`: the entropy of what they were drawn from is larger than
        that of their shares, mostly. Chao and Shen's has its digits up to 2^53 counts a row.
    pseudocount : float
        Added to each entry before `normalize` divides.

    Returns
    -------
    ndarray or scalar
        One number a row: the shape of the input without `axis`; float32 for float32 and float16
        input, else float64.

    Notes
    -----
    H(p) = -sum p log p [1]_, with 0 log 0 = 0. Rows are used as they are, unless `normalize` says
    otherwise. A negative entry makes its row NaN, with NumPy's "invalid value" warning; so does
    NaN, silently.

    Of N counts n, m of them not 0 and f of them 1, Miller and Madow add (m - 1)/(2N) [2]_.
    Grassberger takes log N - sum n G(n) / N, G(n) = psi(n) + (-1)^n/2 [psi((n+1)/2) - psi(n/2)]
    [3]_. Chao and Shen take -sum p log p / (1 - (1 - p)^N) of p = (1 - f/N) n/N [4]_, where f = N
    counts as f = N - 1, as in R's package entropy.

    References
    ----------
    .. [1] C. E. Shannon, "A Mathematical Theory of Communication", 1948.
    .. [2] G. A. Miller, "Note on the bias of information estimates", 1955.
    .. [3] P. Grassberger, "Entropy Estimates from Insufficient Samplings", 2003, physics/0307138.
    .. [4] A. Chao and T.-J. Shen, "Nonparametric estimation of Shannon's index of diversity when
       there are unseen species in sample", 2003.

    Examples
    --------
    >>> import fastent as fe
    >>> print(fe.entropy([[0.5, 0.25, 0.25], [1, 0, 0]], base=2))
    [1.5 0. ]
    >>> print(fe.entropy([1, 1, 2], base=2, normalize=True))
    1.5
    >>> print(fe.entropy([1, 1, 2], base=2, normalize=True, bias_correction="miller-madow"))
    1.860673760222241
    >>> print(fe.entropy([0.5, 0.5, 1, 0.5, 0.25, 0.25], base=2, offsets=[0, 2, 3, 6]))
    [1.  0.  1.5]
    """
    if bias_correction is not None or type(pseudocount) is not float or pseudocount != 0:
        if offsets is not None:
            raise ValueError("bias_correction and pseudocount cannot be given with offsets")
        settings = (axis, base, normalize, keepdims, out, reduction, weight, check)
        return entropy_of_counts(p, *settings, bias_correction, pseudocount)
    return reduce_rows(
        ENTROPY,
        ("p",),
        (p,),
        axis,
        base,
        None,
        normalize,
        keepdims,
        out,
        reduction,
        weight,
        check,
        offsets=offsets,
    )


def perplexity(
    p: Any,
    *,
    axis: Axis = -1,
    offsets: Any = None,
    normalize: bool = False,
    keepdims: bool = False,
    out: Array | None = None,
    reduction: str = "none",
    weight: Any = None,
    check: bool = False,
) -> Any:
    """Return the perplexity of each distribution, e to its entropy.

    Parameters
    ----------
    p : array_like
        Distributions along `axis`.
    axis : int, tuple of int or None
        Along which a distribution lies; several axes, or all (None), count as one.
    offsets : array_like of int, optional
        For ragged rows, laid out as in Arrow and CSR: the input has one axis, and row i holds its
        entries from offsets[i] up to offsets[i + 1].
    normalize : bool
        Divide rows by their sums: for weights and counts. A sum of 0, or one beyond the largest
        float64, makes its row NaN.
    keepdims : bool
        Leave the distribution's axes in the result, with length 1.
    out : ndarray, optional
        Takes the result.
    reduction : {"none", "mean", "sum", "weighted_mean"}
        One number a row, or their mean, sum, or mean weighted by `weight`.
    weight : array_like, optional
        Multiplies the results, with whose shape it broadcasts. The mean divides by the number of
        rows, the weighted mean by the sum of the weights.
    check : bool
        Raise a ValueError that names the first row that is no distribution.

    Returns
    -------
    ndarray or scalar
        One number a row: the shape of the input without `axis`; float32 for float32 and float16
        input, else float64.

    Notes
    -----
    exp H(p) [1]_: the number of equally likely outcomes that are as uncertain; no base enters it.
    A language model's perplexity of a text is another number: exp of the mean cross entropy of
    its tokens.

    References
    ----------
    .. [1] F. Jelinek et al., "Perplexity - a measure of the difficulty of speech recognition
       tasks", 1977.

    Examples
    --------
    >>> import fastent as fe
    >>> print(fe.perplexity([0.25, 0.25, 0.25, 0.25]))
    4.0
    """
    return reduce_rows(
        PERPLEXITY,
        ("p",),
        (p,),
        axis,
        None,
        None,
        normalize,
        keepdims,
        out,
        reduction,
        weight,
        check,
        additive=False,
        offsets=offsets,
    )


def cross_entropy(
    p: Any,
    q: Any,
    *,
    axis: Axis = -1,
    offsets: Any = None,
    base: float | None = None,
    normalize: bool = False,
    log_floor: float | None = -100.0,
    keepdims: bool = False,
    out: Array | None = None,
    reduction: str = "none",
    weight: Any = None,
    check: bool = False,
    return_weight: bool = False,
) -> Any:
    """Return the cross entropy of each pair: the mean surprise of who believes q where p holds.

    Parameters
    ----------
    p, q : array_like
        Distributions along `axis`: the true one and the one that is judged. Their other axes
        broadcast.
    axis : int, tuple of int or None
        Along which a distribution lies; several axes, or all (None), count as one.
    offsets : array_like of int, optional
        For ragged rows, laid out as in Arrow and CSR: the input has one axis, and row i holds its
        entries from offsets[i] up to offsets[i + 1].
    base : float, optional
        Of the logarithm: nats by default, 2 for bits.
    normalize : bool
        Divide rows by their sums: for weights and counts. A sum of 0, or one beyond the largest
        float64, makes its row NaN.
    log_floor : float or None
        The logarithm of `q` is taken to be at least this, in nats whatever the base: what `q` holds
        to be impossible costs 100 by default. None is exact: it costs infinity.
    keepdims : bool
        Leave the distribution's axes in the result, with length 1.
    out : ndarray, optional
        Takes the result.
    reduction : {"none", "mean", "sum", "weighted_mean"}
        One number a row, or their mean, sum, or mean weighted by `weight`.
    weight : array_like, optional
        Multiplies the results, with whose shape it broadcasts. The mean divides by the number of
        rows, the weighted mean by the sum of the weights.
    check : bool
        Raise a ValueError that names the first row that is no distribution.
    return_weight : bool
        Return the sum and what the mean would divide it by, a pair: it needs ``reduction="sum"``.
        Both, added up over chunks, make the mean of the whole.

    Returns
    -------
    ndarray or scalar, or tuple
        One number a row: the shape of the input without `axis`; float32 for float32 and float16
        input, else float64. With `return_weight` a tuple of the sum and a float64, its divisor.

    Notes
    -----
    CE(p, q) = -sum p max(log q, log_floor) [1]_, which is H(p) + KL(p || q) for distributions.
    p = 0 contributes 0, also where q = 0. A negative entry makes its row NaN, with NumPy's
    "invalid value" warning; so does NaN, silently.

    References
    ----------
    .. [1] T. M. Cover and J. A. Thomas, "Elements of Information Theory", 2006, section 5.4.

    Examples
    --------
    >>> import fastent as fe
    >>> print(fe.cross_entropy([0.5, 0.5], [0.25, 0.75], base=2))
    1.207518749639422
    >>> print(fe.cross_entropy([0.0, 1.0], [1.0, 0.0]))
    100.0
    """
    return reduce_rows(
        CROSS_ENTROPY,
        ("p", "q"),
        (p, q),
        axis,
        base,
        log_floor,
        normalize,
        keepdims,
        out,
        reduction,
        weight,
        check,
        return_weight,
        offsets=offsets,
    )


def kl_divergence(
    p: Any,
    q: Any,
    *,
    axis: Axis = -1,
    offsets: Any = None,
    base: float | None = None,
    normalize: bool = False,
    log_floor: float | None = -100.0,
    generalized: bool = True,
    keepdims: bool = False,
    out: Array | None = None,
    reduction: str = "none",
    weight: Any = None,
    check: bool = False,
    return_weight: bool = False,
) -> Any:
    """Return the Kullback-Leibler divergence KL(p || q) of each pair of distributions.

    Parameters
    ----------
    p, q : array_like
        Distributions along `axis`: the true one and the one that is judged. Their other axes
        broadcast.
    axis : int, tuple of int or None
        Along which a distribution lies; several axes, or all (None), count as one.
    offsets : array_like of int, optional
        For ragged rows, laid out as in Arrow and CSR: the input has one axis, and row i holds its
        entries from offsets[i] up to offsets[i + 1].
    base : float, optional
        Of the logarithm: nats by default, 2 for bits.
    normalize : bool
        Divide rows by their sums: for weights and counts. A sum of 0, or one beyond the largest
        float64, makes its row NaN.
    log_floor : float or None
        The logarithm of `q` is taken to be at least this, in nats whatever the base: what `q` holds
        to be impossible costs 100 by default. None is exact: it costs infinity.
    generalized : bool
        Sum p log(p/q) - p + q, which is never negative, and right where p and q are close. False
        leaves the plain sum of p log(p/q), the same for rows that sum to 1 exactly.
    keepdims : bool
        Leave the distribution's axes in the result, with length 1.
    out : ndarray, optional
        Takes the result.
    reduction : {"none", "mean", "sum", "weighted_mean"}
        One number a row, or their mean, sum, or mean weighted by `weight`.
    weight : array_like, optional
        Multiplies the results, with whose shape it broadcasts. The mean divides by the number of
        rows, the weighted mean by the sum of the weights.
    check : bool
        Raise a ValueError that names the first row that is no distribution.
    return_weight : bool
        Return the sum and what the mean would divide it by, a pair: it needs ``reduction="sum"``.
        Both, added up over chunks, make the mean of the whole.

    Returns
    -------
    ndarray or scalar, or tuple
        One number a row: the shape of the input without `axis`; float32 for float32 and float16
        input, else float64. With `return_weight` a tuple of the sum and a float64, its divisor.

    Notes
    -----
    sum of p log(p/q) - p + q [1]_ [2]_, at least 0 and 0 only for equal rows. p = 0 contributes q.
    Where log q is below `log_floor`, q is taken to be max(q, min(p, e^log_floor)). A negative entry
    makes its row NaN, with NumPy's "invalid value" warning; so does NaN, silently.

    References
    ----------
    .. [1] S. Kullback and R. A. Leibler, "On Information and Sufficiency", 1951.
    .. [2] I. Csiszar, "Why Least Squares and Maximum Entropy?", 1991 (the generalised form).

    Examples
    --------
    >>> import fastent as fe
    >>> print(fe.kl_divergence([[0.5, 0.5], [0.25, 0.75]], [0.25, 0.75]))
    [0.14384104 0.        ]
    """
    measure = KL_DIVERGENCE if generalized else KL_DIVERGENCE_PLAIN
    return reduce_rows(
        measure,
        ("p", "q"),
        (p, q),
        axis,
        base,
        log_floor,
        normalize,
        keepdims,
        out,
        reduction,
        weight,
        check,
        return_weight,
        offsets=offsets,
    )

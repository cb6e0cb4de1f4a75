"""All pairs: cross entropy, KL and Jensen-Shannon divergence of each row with each other row."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from fastent import _core
from fastent._arrays import Array
from fastent._core import Measure
from fastent._divergences import JS_DIVERGENCE, js_divergence
from fastent._pairs import Operands, Progress, answer, check_options, has_negative
from fastent._plan import parameters
from fastent._products import CROSS_ENTROPY, KL_DIVERGENCE, KL_DIVERGENCE_PLAIN, ROWS, Products

HEIGHT = 128  # rows of Jensen-Shannon divergences that are made at a time
CACHED = 1 << 18  # bytes of judged rows that each true row meets before the next ones


def pairwise_cross_entropy(
    P: Any,  # noqa: N803
    Q: Any = None,  # noqa: N803
    *,
    base: float | None = None,
    normalize: bool = False,
    log_floor: float | None = -100.0,
    out: Array | None = None,
    k_nearest: int | None = None,
    progress: Progress = None,
    check: bool = False,
) -> Any:
    """Return the cross entropy of each row of P with each row of Q.

    Parameters
    ----------
    P : array_like
        The true distributions, shape (M, K).
    Q : array_like, optional
        The ones that are judged, shape (N, K): the rows of `P` by default.
    base : float, optional
        Of the logarithm: nats by default, 2 for bits.
    normalize : bool
        Divide rows by their sums: for weights and counts. A sum of 0, or one beyond the largest
        float64, makes its row NaN.
    log_floor : float or None
        The logarithm of `Q` is taken to be at least this, in nats whatever the base: what `Q` holds
        to be impossible costs 100 by default. None is exact: it costs infinity.
    out : ndarray, optional
        Takes the matrix: one that lies in a file (`numpy.memmap`) too.
    k_nearest : int, optional
        Give the k rows of `Q` of the least results alone, and never make the matrix. Without `Q` a
        row is not among its own nearest.
    progress : callable, optional
        Called as ``progress(done, M)`` after each block of rows.
    check : bool
        Raise a ValueError that names the first row that is no distribution.

    Returns
    -------
    ndarray or NearestRows
        Shape (M, N); float32 for float32 and float16 input, else float64. With `k_nearest`, a named
        tuple of arrays of shape (M, k): ``indices`` (int64) and ``distances``, in ascending order,
        ties by lowest index, NaN last.

    Notes
    -----
    CE(p, q) = -sum p max(log q, log_floor) [1]_: one logarithm an entry and a product of matrices,
    which NumPy's BLAS makes on threads of its own. The accuracy is that of `cross_entropy`; pairs
    that the product does not give so well, such as those with a cross entropy near 0, are computed
    by `cross_entropy`. The last bit may depend on BLAS. Beside the result, the logarithms, of the
    size of `Q` in float64 (twice that for float64), and blocks of up to 64 MiB are held. A negative
    entry makes all pairs of its row NaN, with NumPy's "invalid value" warning; so does NaN,
    silently.

    References
    ----------
    .. [1] T. M. Cover and J. A. Thomas, "Elements of Information Theory", 2006, section 5.4.

    Examples
    --------
    >>> import fastent as fe
    >>> print(fe.pairwise_cross_entropy([[0.5, 0.5], [1, 0]], [[0.25, 0.75], [0.5, 0.5]], base=2))
    [[1.20751875 1.        ]
     [2.         1.        ]]
    """
    return _by_products(
        CROSS_ENTROPY, P, Q, base, normalize, log_floor, out, k_nearest, progress, check
    )


def pairwise_kl_divergence(
    P: Any,  # noqa: N803
    Q: Any = None,  # noqa: N803
    *,
    base: float | None = None,
    normalize: bool = False,
    log_floor: float | None = -100.0,
    generalized: bool = True,
    out: Array | None = None,
    k_nearest: int | None = None,
    progress: Progress = None,
    check: bool = False,
) -> Any:
    """Return the Kullback-Leibler divergence KL(p || q) of each row p of P from each row q of Q.

    Parameters
    ----------
    P : array_like
        The true distributions, shape (M, K).
    Q : array_like, optional
        The ones that are judged, shape (N, K): the rows of `P` by default.
    base : float, optional
        Of the logarithm: nats by default, 2 for bits.
    normalize : bool
        Divide rows by their sums: for weights and counts. A sum of 0, or one beyond the largest
        float64, makes its row NaN.
    log_floor : float or None
        The logarithm of `Q` is taken to be at least this, in nats whatever the base: what `Q` holds
        to be impossible costs 100 by default. None is exact: it costs infinity.
    generalized : bool
        Sum p log(p/q) - p + q, which is never negative, and right where p and q are close. False
        leaves the plain sum of p log(p/q), the same for rows that sum to 1 exactly.
    out : ndarray, optional
        Takes the matrix: one that lies in a file (`numpy.memmap`) too.
    k_nearest : int, optional
        Give the k rows of `Q` of the least results alone, and never make the matrix. Without `Q` a
        row is not among its own nearest.
    progress : callable, optional
        Called as ``progress(done, M)`` after each block of rows.
    check : bool
        Raise a ValueError that names the first row that is no distribution.

    Returns
    -------
    ndarray or NearestRows
        Shape (M, N); float32 for float32 and float16 input, else float64. With `k_nearest`, a named
        tuple of arrays of shape (M, k): ``indices`` (int64) and ``distances``, in ascending order,
        ties by lowest index, NaN last.

    Notes
    -----
    sum of p log(p/q) - p + q [1]_ [2]_, with the rules of `kl_divergence` and its accuracy, however
    close two rows are. It comes from a product of matrices, which NumPy's BLAS makes on threads of
    its own (float64: from three, one of them exact). Pairs that it does not give so well (rows much
    nearer to each other than to the rest, or with entries near the clamp) are computed by
    `kl_divergence`, which takes ten to fifteen times as long a pair. The last bit may depend on
    BLAS. Beside the result, the logarithms, of the size of `Q` in float64 (twice that for float64),
    and blocks of up to 64 MiB are held. A negative entry makes all pairs of its row NaN, with
    NumPy's "invalid value" warning; so does NaN, silently.

    References
    ----------
    .. [1] S. Kullback and R. A. Leibler, "On Information and Sufficiency", 1951.
    .. [2] I. Csiszar, "Why Least Squares and Maximum Entropy?", 1991 (the generalised form).

    Examples
    --------
    >>> import fastent as fe
    >>> P = [[0.5, 0.5], [0.9, 0.1], [0.6, 0.4]]
    >>> print(fe.pairwise_kl_divergence(P).round(3))
    [[0.    0.511 0.02 ]
     [0.368 0.    0.226]
     [0.02  0.311 0.   ]]
    >>> print(fe.pairwise_kl_divergence(P, k_nearest=1).indices.ravel())
    [2 2 0]
    """
    measure = KL_DIVERGENCE if generalized else KL_DIVERGENCE_PLAIN
    return _by_products(measure, P, Q, base, normalize, log_floor, out, k_nearest, progress, check)


def pairwise_js_divergence(
    P: Any,  # noqa: N803
    Q: Any = None,  # noqa: N803
    *,
    base: float | None = None,
    normalize: bool = False,
    out: Array | None = None,
    k_nearest: int | None = None,
    progress: Progress = None,
    check: bool = False,
) -> Any:
    """Return the Jensen-Shannon divergence of each row of P and each row of Q.

    Parameters
    ----------
    P : array_like
        Distributions, shape (M, K).
    Q : array_like, optional
        Others, shape (N, K): the rows of `P` by default.
    base : float, optional
        Of the logarithm: nats by default, 2 for bits.
    normalize : bool
        Divide rows by their sums: for weights and counts. A sum of 0, or one beyond the largest
        float64, makes its row NaN.
    out : ndarray, optional
        Takes the matrix: one that lies in a file (`numpy.memmap`) too.
    k_nearest : int, optional
        Give the k rows of `Q` of the least results alone, and never make the matrix. Without `Q` a
        row is not among its own nearest.
    progress : callable, optional
        Called as ``progress(done, M)`` after each block of rows.
    check : bool
        Raise a ValueError that names the first row that is no distribution.

    Returns
    -------
    ndarray or NearestRows
        Shape (M, N), from 0 to log 2 for distributions; float32 for float32 and float16 input, else
        float64. With `k_nearest`, a named tuple of arrays of shape (M, k): ``indices`` (int64) and
        ``distances``, in ascending order, ties by lowest index, NaN last.

    Notes
    -----
    (KL(p || m) + KL(q || m)) / 2 with m = (p + q) / 2 [1]_. Its logarithms are those of sums of
    two rows, so there is no product of matrices: each pair is what `js_divergence` gives, bit by
    bit, on as many threads. Without `Q` each pair is computed once (with `normalize` both ways,
    which may differ in the last bit). Some 4 MiB are held beside the result. A negative entry makes
    all pairs of its row NaN, with NumPy's "invalid value" warning; so does NaN, silently.

    References
    ----------
    .. [1] J. Lin, "Divergence Measures Based on the Shannon Entropy", 1991.

    Examples
    --------
    >>> import fastent as fe
    >>> print(fe.pairwise_js_divergence([[1, 0], [0, 1], [1, 0]], base=2))
    [[0. 1. 0.]
     [1. 0. 1.]
     [0. 1. 0.]]
    """
    parameters(JS_DIVERGENCE, base)  # raises for what is no base
    operands = Operands(P, Q, normalize, check)
    check_options(operands, out, k_nearest, progress)
    width = max(1, CACHED // max(1, operands.length * operands.dtype.itemsize))

    def strips(i: int, j: int, a: int, b: int) -> Iterator[tuple[slice, Array]]:
        result = np.empty((j - i, b - a), operands.dtype)
        p = operands.p[i:j, None]
        with np.errstate(invalid="ignore"):
            for c in range(a, b, width):
                d = min(c + width, b)
                some = result[:, c - a : d - a]
                js_divergence(p, operands.q[None, c:d], base=base, normalize=normalize, out=some)
        yield slice(i, j), result

    symmetric = not normalize  # to the last bit
    result = answer(operands, strips, HEIGHT, out, k_nearest, progress, symmetric)
    if 0 not in operands.shape and has_negative(operands):
        _core.report_invalid("js_divergence")
    return result


def _by_products(
    measure: Measure,
    truth: Any,
    judged: Any,
    base: float | None,
    normalize: bool,
    log_floor: float | None,
    out: Array | None,
    k_nearest: int | None,
    progress: Progress,
    check: bool,
) -> Any:
    """Return what blocks of a matrix product give."""
    parameters(measure, base, log_floor, normalize)  # raises for what is no parameter
    operands = Operands(truth, judged, normalize, check)
    check_options(operands, out, k_nearest, progress)
    if 0 in (*operands.shape, operands.length):
        nothing = math.nan if normalize else 0.0
        return answer(
            operands,
            lambda i, j, a, b: [(slice(i, j), np.full((j - i, b - a), nothing))],
            ROWS,
            out,
            k_nearest,
            progress,
        )
    products = Products(measure, operands, base, log_floor)
    result = answer(operands, products.strips, products.shape[0], out, k_nearest, progress)
    if products.negative:
        _core.report_invalid(measure.name)
    return result

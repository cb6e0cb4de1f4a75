"""The mutual information that two labelings of these class sizes have by chance.

Of n samples in random order, classes of a and b samples share k with the hypergeometric chance
P(k), and the expected information [1] is the sum over pairs of classes of

    1/n E[k log(k/m)] = 1/n E[phi(k, m)],    phi(k, m) = k log(k/m) - k + m,    m = E[k] = ab/n

No phi is negative, so nothing cancels. P is made from its mode outwards by its ratios

    P(k+1)/P(k) = (a-k)(b-k) / ((k+1)(n-a-b+k+1))

and divided by its sum: no factorial is needed, and a few times sqrt(m) terms are enough. Classes of
the same sizes are taken once.

.. [1] N. X. Vinh, J. Epps and J. Bailey, "Information Theoretic Measures for Clusterings
   Comparison", 2010, equation 24a.
"""

from collections.abc import Iterator

import numpy as np

from fastent import _core
from fastent._arrays import Array
from fastent._by_blocks import PLAIN, TOTAL, of_rows

KL_DIVERGENCE = _core.measures["kl_divergence"]
PAIRS = 2**15  # taken at once
ENTRIES = 2**15  # of their distributions
NOTHING = 40.0  # chances below e^-40 of all are left out


def expected_information(a: Array, b: Array) -> float:
    """Return the expected mutual information, in nats, of labelings of these class sizes."""
    total = float(a.sum())
    information = 0.0
    for one, other, times in _pairs(a, b):
        mean = one * other / total
        least, most = np.maximum(0, one + other - total), np.minimum(one, other)
        mode = np.clip(np.floor((one + 1) * (other + 1) / (total + 2)), least, most)
        reach = 1 + np.ceil(_reach(mean * (1 - np.maximum(one, other) / total)))
        down, up = np.minimum(reach, mode - least), np.minimum(reach, most - mode)
        order = np.argsort(down + up)
        start = 0
        while start < len(order):
            room = (1 + down + up)[order[start:]] * np.arange(1, len(order) - start + 1)
            count = max(1, int(np.searchsorted(room, ENTRIES)))
            some = order[start : start + count]
            steps = int(down[some].max()), int(up[some].max())
            phi = _mean_phi(one[some], other[some], total, mean[some], mode[some], *steps)
            information += float(np.dot(times[some], phi))
            start += count
    return information / total


def _reach(variance: Array) -> Array:
    """Return how far from its mean a sum of this variance, of terms up to 1, may well be.

    Further with a chance of e^-v h(t/v) at most, h(u) = (1 + u) log(1 + u) - u (Bennett), which
    holds for the binomial distribution, and so for the narrower hypergeometric one (Hoeffding).
    Newton's steps towards e^-NOTHING start beyond it, and stay there.
    """
    v = np.maximum(variance, 1e-9)
    reach = NOTHING / 3 + np.sqrt(NOTHING**2 / 9 + 2 * NOTHING * v)
    for _ in range(3):
        log = np.log1p(reach / v)
        reach -= ((v + reach) * log - reach - NOTHING) / log
    return reach


def _pairs(a: Array, b: Array) -> Iterator[tuple[Array, Array, Array]]:
    """Yield pairs of sizes, and how often there is each: some at a time."""
    a, of_a = np.unique(a, return_counts=True)
    b, of_b = np.unique(b, return_counts=True)
    step = max(1, PAIRS // len(b))
    for start in range(0, len(a), step):
        some = slice(start, start + step)
        one = np.repeat(a[some].astype(np.float64), len(b))
        other = np.tile(b.astype(np.float64), len(a[some]))
        yield one, other, np.outer(of_a[some], of_b).reshape(-1).astype(np.float64)


def _mean_phi(
    a: Array, b: Array, total: float, mean: Array, mode: Array, down: int, up: int
) -> Array:
    """Return E[phi(k, mean)] of each pair, over so many steps down and up from the mode.

    w phi(k, m) = phi(wk, wm): the weights, P over that of the mode, go into the kernel's operands.
    """
    a, b, start = a[:, None], b[:, None], mode[:, None]
    rest = total - a - b
    weight = np.ones((len(mean), down + 1 + up))
    k = start + np.arange(up)
    np.cumprod((a - k) * (b - k) / ((k + 1) * (rest + k + 1)), axis=1, out=weight[:, down + 1 :])
    k = start - np.arange(down)
    ratio = k * (rest + k) / ((a - k + 1) * (b - k + 1))
    np.cumprod(ratio, axis=1, out=weight[:, :down][:, ::-1])
    k = start + np.arange(-down, up + 1)
    operands = (weight * k, weight * mean[:, None])
    phi = of_rows(KL_DIVERGENCE, operands, 1, PLAIN)[0]
    return phi / of_rows(TOTAL, (weight,), 1)[0]

"""Ten names of ``scipy.special``, with its arguments, dtypes and edges.

``from fastent.special import entr`` replaces ``from scipy.special import entr``: nothing else in a
program changes but its time. The first seven are NumPy ufuncs. What is neither float32 nor float64
(complex numbers, long double) is handed to SciPy, where it is installed.
"""

from fastent._special_softmax import log_softmax, logsumexp, softmax
from fastent._special_ufuncs import (
    __test__,  # noqa: F401  (the examples, for doctest)
    entr,
    expit,
    kl_div,
    log_expit,
    rel_entr,
    xlog1py,
    xlogy,
)

__all__ = [
    "entr",
    "expit",
    "kl_div",
    "log_expit",
    "log_softmax",
    "logsumexp",
    "rel_entr",
    "softmax",
    "xlog1py",
    "xlogy",
]

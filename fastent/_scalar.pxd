# cython: language_level=3
"""Scalar forms of the measures, typed and inline: ``from fastent._scalar cimport entropy_term``.

They are for Cython code of your own that has one number at hand, and the compiled twins that the
tests hold the vector kernels against. Logarithms are the C library's, clamped at ``floor`` (nats;
minus infinity for none) where a distribution is judged. None of them needs the GIL.
"""

from libc.math cimport INFINITY, NAN, exp, fabs, fmax, fmin, log, log1p

ctypedef fused real:
    float
    double


cdef inline real surprisal(real p, double floor) noexcept nogil:
    """-max(log p, floor); NaN for p < 0."""
    if p < 0:
        return <real> NAN
    cdef double log_p = log(<double> p) if p != 0 else -INFINITY
    if log_p < floor:
        log_p = floor
    return <real> (0.0 - log_p)


cdef inline real entropy_term(real p) noexcept nogil:
    """-p log p, 0 at p = 0; NaN for p < 0."""
    if p < 0:
        return <real> NAN
    if p == 0:
        return 0
    return <real> (0.0 - <double> p * log(<double> p))


cdef inline real cross_entropy_term(real p, real q, double floor) noexcept nogil:
    """-p max(log q, floor), 0 at p = 0; NaN for p < 0, q < 0 or q NaN."""
    if p < 0 or q < 0 or q != q:
        return <real> NAN
    if p == 0:
        return 0
    cdef double log_q = log(<double> q) if q != 0 else -INFINITY
    if log_q < floor:
        log_q = floor
    return <real> (0.0 - <double> p * log_q)


cdef inline real binary_cross_entropy(real target, real prob, double floor) noexcept nogil:
    """-t max(log x, floor) - (1 - t) max(log(1 - x), floor); NaN outside [0, 1]."""
    cdef double t = target, x = prob, loss = 0, part
    if not (0 <= t <= 1 and 0 <= x <= 1):
        return <real> NAN
    if t != 0:
        part = log(x) if x != 0 else -INFINITY
        loss -= t * (floor if part < floor else part)
    if t != 1:
        part = log1p(-x) if x != 1 else -INFINITY
        loss -= (1 - t) * (floor if part < floor else part)
    return <real> (loss + 0.0)


cdef inline real kl_term(real p, real q, double floor) noexcept nogil:
    """phi = p log(p/q) - p + q >= 0 with q judged as kl_divergence does; NaN for p < 0 or q < 0."""
    cdef double a = p, b = q, lowest = exp(floor), v, w, series, factor, power
    cdef int k
    if not (a >= 0 and b >= 0):
        return <real> NAN
    if b < lowest:
        b = fmax(b, fmin(a, lowest))
    if a == 0:
        return <real> b
    if b == 0:
        return <real> INFINITY
    v = (a - b) / (a + b)
    if fabs(v) > 0.1:
        return <real> (a * (log(a) - log(b)) - (a - b))
    w = v * v  # phi = (a - b) v + 2 a v (w/3 + w^2/5 + ...)
    series = 0
    power = 1
    for k in range(1, 9):
        power *= w
        series += power / (2 * k + 1)
    return <real> ((a - b) * v + 2 * a * v * series)

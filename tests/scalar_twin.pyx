# cython: language_level=3, boundscheck=False, wraparound=False
"""A Cython project of its own that cimports fastent's scalar forms; built by test_scalar.py."""

from fastent._scalar cimport (
    binary_cross_entropy, cross_entropy_term, entropy_term, kl_term, real, surprisal,
)


def surprisals(real[:] p, real[:] out, double floor):
    """Fill out with the surprisal of each entry."""
    cdef Py_ssize_t i
    with nogil:
        for i in range(p.shape[0]):
            out[i] = surprisal(p[i], floor)


def binary_cross_entropies(real[:] target, real[:] prob, real[:] out, double floor):
    """Fill out with the loss of each element."""
    cdef Py_ssize_t i
    with nogil:
        for i in range(prob.shape[0]):
            out[i] = binary_cross_entropy(target[i], prob[i], floor)


def entropy(double[:] p):
    """Sum the entropy terms of a row."""
    cdef Py_ssize_t i
    cdef double total = 0
    for i in range(p.shape[0]):
        total += entropy_term(p[i])
    return total


def cross_entropy(double[:] p, double[:] q, double floor):
    """Sum the cross entropy terms of a row."""
    cdef Py_ssize_t i
    cdef double total = 0
    for i in range(p.shape[0]):
        total += cross_entropy_term(p[i], q[i], floor)
    return total


def kl_divergence(double[:] p, double[:] q, double floor):
    """Sum phi over a row."""
    cdef Py_ssize_t i
    cdef double total = 0
    for i in range(p.shape[0]):
        total += kl_term(p[i], q[i], floor)
    return total

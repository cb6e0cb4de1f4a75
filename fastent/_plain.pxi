"""Included by _core.pyx: which operands need no planning, and go straight to the loops."""

from libc.stdint cimport int32_t, int64_t, uint64_t

ctypedef fused Label:
    int32_t
    int64_t

cdef inline bint plain(object array) noexcept:
    """Whether this is a C-contiguous, aligned, native ndarray of float32 or float64."""
    cdef int kind
    if not cnp.PyArray_CheckExact(array):
        return False
    kind = cnp.PyArray_TYPE(<cnp.ndarray> array)
    return ((kind == cnp.NPY_FLOAT or kind == cnp.NPY_DOUBLE)
            and cnp.PyArray_IS_C_CONTIGUOUS(<cnp.ndarray> array)
            and cnp.PyArray_ISBEHAVED_RO(<cnp.ndarray> array))


cdef bint all_below(const Label *labels, Py_ssize_t count, Py_ssize_t classes) noexcept nogil:
    """Whether these are class indices: a negative one is beyond all classes, without its sign."""
    cdef bint beyond = False
    cdef Py_ssize_t i
    for i in range(count):
        beyond |= <uint64_t> labels[i] >= <uint64_t> classes
    return not beyond


cdef bint plain_labels(cnp.ndarray array, object labels) noexcept:
    """Whether these are plain integers, an index of a class for each row of the array."""
    cdef cnp.ndarray indices
    cdef Py_ssize_t classes = cnp.PyArray_DIM(array, cnp.PyArray_NDIM(array) - 1), count
    cdef const void *data
    cdef int axis, size
    if not cnp.PyArray_CheckExact(labels):
        return False
    indices = labels
    if not (cnp.PyArray_ISSIGNED(indices) and cnp.PyArray_IS_C_CONTIGUOUS(indices)
            and cnp.PyArray_ISBEHAVED_RO(indices)
            and cnp.PyArray_NDIM(indices) == cnp.PyArray_NDIM(array) - 1):
        return False
    for axis in range(cnp.PyArray_NDIM(indices)):
        if cnp.PyArray_DIM(indices, axis) != cnp.PyArray_DIM(array, axis):
            return False
    data, count, size = cnp.PyArray_DATA(indices), cnp.PyArray_SIZE(indices), cnp.PyArray_ITEMSIZE(indices)
    with nogil:
        if size == sizeof(int32_t):
            return all_below(<const int32_t *> data, count, classes)
        if size == sizeof(int64_t):
            return all_below(<const int64_t *> data, count, classes)
    return False


def plain_rows(object array, object labels=None):
    """Whether this is a plain array of rows with an entry at least, and the labels, if there are any, are theirs.

    False says only that somebody else has to look.
    """
    if not plain(array) or cnp.PyArray_NDIM(<cnp.ndarray> array) == 0:
        return False
    if cnp.PyArray_DIM(<cnp.ndarray> array, cnp.PyArray_NDIM(<cnp.ndarray> array) - 1) == 0:
        return False
    return labels is None or plain_labels(array, labels)

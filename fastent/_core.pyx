# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The two doors from Python to the C kernels.

a. Every row measure is a gufunc "(n),(n),(k)->()" whose last operand holds the parameters, every
   pointwise measure a ufunc with its parameters as trailing scalars: for Dask and whoever else
   takes them through the ufunc protocol, and for elements of any layout.
b. Measure.direct() is the door for what people mostly pass, contiguous arrays of one dtype: no
   ufunc machinery, a microsecond less. Measure.rows(), whole() and reduced() take arrays of any
   layout and dtype, planned by _plan.py.
c. All of them end in the loops of _loops.pxi. Which instruction set is used is one pointer, set at
   import (FASTENT_ISA overrides the choice) and by using_isa().
d. Floating-point flags are NumPy's in the ufuncs (fe_leave raises "invalid" and nothing else), and
   come back as a status from the other doors.
"""

cimport cython
from libc.stdlib cimport malloc
cimport numpy as cnp

import numpy as np

from fastent._kernels cimport (
    FE_BITS, FE_INDEFINITE, FE_LOGITS, FE_MAP, FE_PAIRS_OF_ELEMENTS, fe_enter, fe_isa_count, fe_isas, fe_leave,
    fe_measure, fe_mode, fe_params,
)

cnp.import_array()
cnp.import_ufunc()

include "_isas.pxi"
include "_plain.pxi"
include "_views.pxi"
include "_blocks.pxi"
include "_labels.pxi"
include "_results.pxi"
include "_loops.pxi"
include "_parallel.pxi"
include "_ragged.pxi"
include "_reductions.pxi"

cdef enum:
    # scale_high, scale_low, log_floor, probability_floor, flags, temperature, smoothing, order
    PARAMETERS = 8
    RELEASE_ENTRIES = 4096  # letting go of the GIL pays from a few microseconds of work on

cdef extern from *:
    const char *FE_VERSION
    const char *FE_FLAGS
    const char *FE_ISA_FLAGS
    const char *COMPILER "__VERSION__"

VERSION = FE_VERSION.decode()
BUILD = {
    "compiler": ("" if b"lang" in COMPILER else "GCC ") + COMPILER.decode(),
    "flags": FE_FLAGS.decode(),
    "isa_flags": FE_ISA_FLAGS.decode(),
}
NORMALIZE = FE_NORMALIZE
BITS = FE_BITS
INDEFINITE = FE_INDEFINITE

# ---- parameters -------------------------------------------------------------------------------

cdef void read_parameters(const char *data, Py_ssize_t step, fe_params *params) noexcept nogil:
    params.scale_high = (<const double *> data)[0]
    params.scale_low = (<const double *> (data + step))[0]
    params.log_floor = (<const double *> (data + 2 * step))[0]
    params.probability_floor = (<const double *> (data + 3 * step))[0]
    params.flags = <unsigned> (<const double *> (data + 4 * step))[0]
    params.temperature = (<const double *> (data + 5 * step))[0]
    params.smoothing = (<const double *> (data + 6 * step))[0]
    params.order = (<const double *> (data + 7 * step))[0]


cdef void divide(fe_params *params, double count) noexcept nogil:
    """Divide the scale by `count`: a mean's."""
    cdef double high = params.scale_high / count
    cdef double low = (fma(-high, count, params.scale_high) + params.scale_low) / count
    params.scale_high = high
    params.scale_low = low if low == low else 0.0  # no entries: the scale is inf or NaN


include "_ufuncs.pxi"

# ---- the direct door --------------------------------------------------------------------------

@cython.final
cdef class Measure:
    """One line of csrc/measures.def: its name, bounds, ufunc and direct door."""

    cdef int index
    cdef readonly str name
    cdef readonly int operands
    cdef readonly bint pointwise
    cdef bint by_elements
    cdef bint labelled
    cdef readonly bint exact_bits
    cdef readonly tuple bounds
    cdef readonly object ufunc

    def __cinit__(self, int index):
        cdef const fe_measure *m = &fe_isas[0].measures[index]
        self.index = index
        self.name = m.name.decode()
        self.operands = m.operands
        self.pointwise = m.shape == FE_MAP
        self.by_elements = m.shape in (FE_MAP, FE_PAIRS_OF_ELEMENTS)
        self.exact_bits = m.bits != 0
        self.labelled = m.labelled != 0
        self.bounds = (m.bound[0], m.bound[1])
        self.ufunc = make_ufunc(index)

    def __repr__(self):
        return f"<fastent measure {self.name}>"

    def direct(self, tuple operands, cnp.ndarray parameters):
        """The result for plain arrays of one dtype and shape, a row along the last axis; else None."""
        cdef Work work
        cdef fe_params params
        cdef cnp.ndarray first, out
        cdef int status, dimensions
        if not self.plain_alike(operands):
            return None
        first = operands[0]
        dimensions = cnp.PyArray_NDIM(first) - (0 if self.pointwise else 1)
        if dimensions < 0:
            return None
        out = cnp.PyArray_EMPTY(dimensions, cnp.PyArray_DIMS(first), cnp.PyArray_TYPE(first), 0)
        self.start(&work, operands, cnp.PyArray_SIZE(out),
                   1 if self.pointwise else cnp.PyArray_DIM(first, dimensions))
        set_result(&work, <char *> cnp.PyArray_DATA(out), work.itemsize)
        read_parameters(<const char *> cnp.PyArray_DATA(parameters), sizeof(double), &params)
        status = self.run(&work, &params)
        if status & FE_INVALID:
            report_invalid(self.name)
        if dimensions == 0:
            return cnp.PyArray_ToScalar(cnp.PyArray_DATA(out), out)
        return out

    def direct_sum(self, tuple operands, cnp.ndarray parameters, bint mean, bint elements, name):
        """The sum or mean over all rows (or elements) of such arrays, as one row; else None."""
        cdef Work work
        cdef fe_params params
        cdef cnp.ndarray first, out
        cdef Py_ssize_t size, length = 1
        cdef int status
        if not self.plain_alike(operands):
            return None
        first = operands[0]
        size = cnp.PyArray_SIZE(first)
        if not elements:
            if cnp.PyArray_NDIM(first) == 0:
                return None
            length = cnp.PyArray_DIM(first, cnp.PyArray_NDIM(first) - 1)
        if length == 0:
            return None
        out = cnp.PyArray_EMPTY(0, NULL, cnp.PyArray_TYPE(first), 0)
        self.start(&work, operands, 1, size)
        set_result(&work, <char *> cnp.PyArray_DATA(out), work.itemsize)
        read_parameters(<const char *> cnp.PyArray_DATA(parameters), sizeof(double), &params)
        if mean:
            divide(&params, size // length)
        status = self.run(&work, &params)
        if status & FE_INVALID:
            report_invalid(name)
        return cnp.PyArray_ToScalar(cnp.PyArray_DATA(out), out)

    cdef bint plain_alike(self, tuple operands):
        """Whether these are plain arrays of one dtype and shape."""
        cdef cnp.ndarray first, other
        cdef int k
        if not plain(operands[0]):
            return False
        first = operands[0]
        for k in range(1, self.operands):
            if not plain(operands[k]):
                return False
            other = operands[k]
            if (cnp.PyArray_TYPE(other) != cnp.PyArray_TYPE(first)
                    or not cnp.PyArray_SAMESHAPE(first, other)):
                return False
        return True

    cdef void start(self, Work *work, tuple operands, Py_ssize_t rows, Py_ssize_t columns):
        """Describe rows of plain arrays."""
        cdef int k, kind = cnp.PyArray_TYPE(<cnp.ndarray> operands[0])
        start_work(work, self.operands, FE_F32 if kind == cnp.NPY_FLOAT else FE_F64, rows, columns)
        for k in range(self.operands):
            set_rows(work, k, <const char *> cnp.PyArray_DATA(<cnp.ndarray> operands[k]),
                     columns * work.itemsize, work.itemsize)

    cdef int run(self, Work *work, const fe_params *params) except -1:
        """Do the work; return status bits."""
        cdef fe_mode mode
        cdef int status
        cdef const fe_measure *measures = table
        cdef const fe_measure *measure = &measures[self.index]
        if work.offsets != NULL or work.rows * work.columns > RELEASE_ENTRIES:
            with nogil:
                mode = fe_enter()
                if self.by_elements:
                    status = map_parallel(measure, work, params, NULL)
                else:
                    status = rows_parallel(measures, measure, work, params, NULL)
                fe_leave(mode, 0)
        else:
            mode = fe_enter()
            if self.by_elements:
                status = map_parallel(measure, work, params, NULL)
            else:
                status = rows_parallel(measures, measure, work, params, NULL)
            fe_leave(mode, 0)
        return good(status)

    def rows(self, tuple views, int cores, cnp.ndarray parameters, cnp.ndarray out,
             cnp.ndarray labels=None, double ignored=NAN, cnp.ndarray offsets=None):
        """Fill `out`, aligned floats or doubles of any strides, row by row; return status bits.

        The views have one shape: that of `out`, and `cores` axes behind it that hold a row. Of a
        measure with a result an entry, `out` has one axis for the row. Labels are checked before; a
        row whose label is `ignored` is 0. With offsets, checked before, the views are flat arrays.
        """
        cdef Work work
        cdef View places
        cdef fe_params params
        describe(&work, views, cores, out if offsets is None else None, real_of(out))
        if offsets is not None:
            describe_ragged(&work, views, offsets, &places)
            set_result(&work, cnp.PyArray_BYTES(out), cnp.PyArray_STRIDE(out, 0))
        if labels is not None:
            describe_labels(&work, labels, ignored, self.labelled)
        read_parameters(<const char *> cnp.PyArray_DATA(parameters), sizeof(double), &params)
        return self.run(&work, &params)

    def gradient(self, tuple views, int cores, cnp.ndarray parameters, cnp.ndarray out,
                 cnp.ndarray losses, cnp.ndarray labels=None, double ignored=NAN,
                 cnp.ndarray factors=None, double divisor=1):
        """Fill `out` with the derivatives of each row's loss, and `losses`, if that is not None.

        The derivatives alone are multiplied by the row's factor and divided. `losses` is as
        `fields` wants it.
        """
        cdef Work work
        cdef View factor
        cdef fe_params params
        cdef Field fields[FE_RESULTS]
        describe(&work, views, cores, out, real_of(out))
        if labels is not None:
            describe_labels(&work, labels, ignored, self.labelled)
        if factors is not None:
            view_array(&factor, factors, FE_F64)
            work.factors = &factor
        work.divisor = divisor
        memset(fields, 0, sizeof(fields))
        if losses is not None:
            fields[0].data = cnp.PyArray_BYTES(losses)
            fields[0].type = cnp.PyArray_TYPE(losses)
        work.fields = fields
        read_parameters(<const char *> cnp.PyArray_DATA(parameters), sizeof(double), &params)
        return self.run(&work, &params)

    def fields(self, tuple views, int cores, cnp.ndarray parameters, tuple outs, dtype,
               cnp.ndarray labels=None, double ignored=NAN, cnp.ndarray places=None,
               cnp.ndarray log_probs=None, bint chosen_places=False):
        """Fill several arrays, a result of each row in each; return status bits.

        They are C-contiguous, of the outer shape of the views; None takes nothing. `log_probs` has
        an axis more: those of the entries at `places`, if these are chosen (and checked before),
        else of the largest entries, whose places it takes.
        """
        cdef Work work
        cdef Top top
        cdef fe_params params
        cdef Field fields[FE_RESULTS]
        cdef int i
        describe(&work, views, cores, None, FE_F32 if dtype == np.float32 else FE_F64)
        if labels is not None:
            describe_labels(&work, labels, ignored, self.labelled)
        memset(fields, 0, sizeof(fields))
        for i in range(len(outs)):
            if outs[i] is not None:
                fields[i].data = cnp.PyArray_BYTES(outs[i])
                fields[i].type = cnp.PyArray_TYPE(outs[i])
        work.fields = fields
        if log_probs is not None and cnp.PyArray_SIZE(log_probs) > 0:
            top.count = cnp.PyArray_DIM(log_probs, cnp.PyArray_NDIM(log_probs) - 1)
            top.chosen = chosen_places
            top.log_probs = cnp.PyArray_BYTES(log_probs)
            if chosen_places:
                view_array(&top.given, places, FE_F64)
            else:
                top.places = <int64_t *> cnp.PyArray_DATA(places)
            work.top = &top
        read_parameters(<const char *> cnp.PyArray_DATA(parameters), sizeof(double), &params)
        return self.run(&work, &params)

    def elements(self, tuple arrays, cnp.ndarray parameters, cnp.ndarray out,
                 cnp.ndarray labels=None, double ignored=NAN):
        """The same for a pointwise measure; `out` is C-contiguous, and of their shape."""
        cdef Work work
        cdef fe_params params
        describe(&work, arrays, 0, out, real_of(out))
        if labels is not None:
            describe_labels(&work, labels, ignored, self.labelled)
        work.outer[RESULT] = work.itemsize
        read_parameters(<const char *> cnp.PyArray_DATA(parameters), sizeof(double), &params)
        return self.run(&work, &params)

    def pairs(self, tuple arrays, cnp.ndarray parameters, cnp.ndarray first, cnp.ndarray second):
        """Fill two C-contiguous arrays of the operands' shape; return status bits."""
        cdef Work work
        cdef fe_params params
        cdef Field fields[FE_RESULTS]
        describe(&work, arrays, 0, None, real_of(first))
        memset(fields, 0, sizeof(fields))
        fields[0].data = cnp.PyArray_BYTES(first)
        fields[1].data = cnp.PyArray_BYTES(second)
        work.fields = fields
        read_parameters(<const char *> cnp.PyArray_DATA(parameters), sizeof(double), &params)
        return self.run(&work, &params)

    def picked(self, cnp.ndarray rows, cnp.ndarray labels, cnp.ndarray parameters,
               cnp.ndarray out, double ignored=NAN):
        """The same for entry labels[r] of each row r. Labels are checked before."""
        cdef Work work
        cdef fe_params params
        describe_picked(&work, rows, labels, ignored, real_of(out))
        set_result(&work, cnp.PyArray_BYTES(out), work.itemsize)
        read_parameters(<const char *> cnp.PyArray_DATA(parameters), sizeof(double), &params)
        return self.run(&work, &params)

    def whole(self, tuple views, cnp.ndarray parameters, dtype, double divisor):
        """The result of all entries as one row, divided, and status bits."""
        cdef Work work
        cdef fe_params params
        cdef cnp.ndarray out = np.empty((), dtype)
        describe(&work, views, cnp.PyArray_NDIM(<cnp.ndarray> views[0]), out, real_of(out))
        read_parameters(<const char *> cnp.PyArray_DATA(parameters), sizeof(double), &params)
        if divisor != 1:
            divide(&params, divisor)
        status = self.run(&work, &params)
        return out[()], status

    def reduced(self, tuple views, int cores, cnp.ndarray parameters, dtype, reduction, weight,
                cnp.ndarray labels=None, double ignored=NAN, cnp.ndarray offsets=None):
        """The sum, mean or weighted mean of the results of all rows or elements, and status bits.

        `weight` is None or an array of the results' shape. Of a pointwise measure with labels, one
        core makes it picked(), none elements(). Offsets are those of rows().
        """
        cdef Work work
        cdef View weights, places
        cdef double sums[4]
        cdef Job job
        cdef fe_params params
        cdef fe_mode mode
        cdef int status
        cdef double divisor = 1, rest = 0
        cdef bint mean = reduction == "mean", weighted_mean = reduction == "weighted_mean"
        cdef cnp.ndarray out = np.empty((), dtype)
        cdef int real_type = real_of(out)
        if labels is not None and self.pointwise and cores == 1:
            describe_picked(&work, views[0], labels, ignored, real_type)
        else:
            describe(&work, views, cores, None, real_type)
            if labels is not None:
                describe_labels(&work, labels, ignored, self.labelled)
            if offsets is not None:
                describe_ragged(&work, views, offsets, &places)
        read_parameters(<const char *> cnp.PyArray_DATA(parameters), sizeof(double), &params)
        start_job(&job, table, &table[self.index], &work, &params, NULL)
        job.weights = NULL
        if weight is not None:
            view_array(&weights, weight, FE_F64)
            job.weights = &weights
        with nogil:
            mode = fe_enter()
            status = reduce_results(&job, sums)
            end_job(&job)
            if mean:
                divisor = work.rows
            elif weighted_mean:
                divisor = sums[2]
                rest = sums[3]
            divisor = quotient(sums[0], sums[1], divisor, rest)
            if real_type == FE_F32:
                (<float *> cnp.PyArray_DATA(out))[0] = <float> divisor
            else:
                (<double *> cnp.PyArray_DATA(out))[0] = divisor
            fe_leave(mode, 0)
        return out[()], good(status)


cdef int good(int status) except -1:
    """The status, if it is one; else its exception."""
    if status == NO_MEMORY:
        raise MemoryError("fastent: no memory for the scratch space of a thread")
    if status == STOPPED:
        if not PyErr_Occurred():
            raise RuntimeError("fastent: the process was forked by a signal's handler in this call")
        return -1
    return status


cdef int real_of(cnp.ndarray out) except -1:
    """Which of the kernels' types this is."""
    if not cnp.PyArray_ISBEHAVED(out) or cnp.PyArray_TYPE(out) not in (cnp.NPY_FLOAT,
                                                                       cnp.NPY_DOUBLE):
        raise TypeError("out must be aligned, native float32 or float64")
    return FE_F32 if cnp.PyArray_TYPE(out) == cnp.NPY_FLOAT else FE_F64


measures = {m.name: m for m in map(Measure, range(fe_measure_count))}


def kernel_tables():
    """Return where fe_isas is, fe_isa_count and fe_measure_count: for the check of the kernels."""
    return <size_t> &fe_isas[0], fe_isa_count, fe_measure_count


def bounds():
    """Largest errors of each measure, float32 and float64: ulps if at least 0.5, else relative."""
    return {name: measure.bounds for name, measure in measures.items()}


def report_invalid(str name):
    """Warn, raise or stay silent about an invalid value, as the caller's np.errstate says."""
    mode = np.geterr()["invalid"]
    message = f"invalid value encountered in {name}"
    if mode == "warn":
        import warnings
        warnings.warn(message, RuntimeWarning, stacklevel=1)
    elif mode == "raise":
        raise FloatingPointError(message)
    elif mode in ("call", "log") and np.geterrcall() is None:
        raise NameError(f"np.errstate(invalid={mode!r}) for {name}, but np.seterrcall set no function")
    elif mode == "call":
        np.geterrcall()("invalid value", 8)
    elif mode == "print":
        print(f"Warning: {message}")
    elif mode == "log":
        np.geterrcall().write(f"Warning: {message}\n")

# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The two doors from Python to the C kernels.

a. Every row measure is a gufunc "(n),(n),(k)->()" whose last operand holds the parameters, every
   pointwise measure a ufunc with its parameters as trailing scalars. NumPy does the broadcasting,
   the axes and the output; Dask and others take them through the ufunc protocol.
b. Measure.direct() is the door for what people mostly pass, contiguous arrays of one dtype: no
   ufunc machinery, a microsecond less. Measure.compute() is the same door for the pieces that
   _plan.py cuts, and LongRow for one row that comes in pieces.
c. All of them end in the loops of _loops.pxi. Which instruction set is used is one pointer, set at
   import (FASTENT_ISA overrides the choice) and by using_isa().
d. Floating-point flags are NumPy's in the ufuncs (fe_leave raises "invalid" and nothing else), and
   come back as a status from the direct door.
"""

from contextlib import contextmanager
import os

cimport cython
from libc.stdlib cimport malloc
cimport numpy as cnp

import numpy as np

include "_loops.pxi"
include "_parallel.pxi"

from fastent._kernels cimport FE_BITS, FE_MAP, fe_enter, fe_isa_count, fe_leave, fe_mode

cnp.import_array()
cnp.import_ufunc()

cdef enum:
    PARAMETERS = 5  # scale_high, scale_low, log_floor, probability_floor, flags
    RELEASE_ENTRIES = 4096  # letting go of the GIL pays from a few microseconds of work on

cdef extern from *:
    const char *FE_VERSION

VERSION = FE_VERSION.decode()
NORMALIZE = FE_NORMALIZE
BITS = FE_BITS
SEGMENT = FE_SEGMENT

# ---- instruction sets -------------------------------------------------------------------------

cdef const fe_measure *table = NULL
cdef int chosen = 0


def built_isas():
    """Names of the instruction sets that this build has kernels for."""
    return tuple(fe_isas[i].name.decode() for i in range(fe_isa_count))


def available_isas():
    """Names of those that this machine can run, the best last."""
    return tuple(fe_isas[i].name.decode() for i in range(fe_isa_count) if fe_isas[i].available())


def isa():
    """Name of the instruction set in use."""
    return fe_isas[chosen].name.decode()


def set_isa(str name):
    """Use the kernels of this instruction set from now on."""
    global table, chosen
    if name not in built_isas():
        raise ValueError(f"instruction set {name!r} is not in this build, which has: "
                         f"{', '.join(built_isas())}")
    if name not in available_isas():
        raise ValueError(f"this machine cannot run instruction set {name!r}; it can run: "
                         f"{', '.join(available_isas())}")
    chosen = built_isas().index(name)
    table = fe_isas[chosen].measures


@contextmanager
def using_isa(str name):
    """Use this instruction set within a with block (tests hold each against each)."""
    before = isa()
    set_isa(name)
    try:
        yield
    finally:
        set_isa(before)


def _choose_isa():
    wanted = os.environ.get("FASTENT_ISA", "")
    if not wanted:
        *_, best = available_isas()
        set_isa(best)
        return
    try:
        set_isa(wanted)
    except ValueError as error:
        raise ImportError(f"FASTENT_ISA={wanted}: {error}") from None


_choose_isa()

# ---- parameters -------------------------------------------------------------------------------

cdef void read_parameters(const char *data, Py_ssize_t step, fe_params *params) noexcept nogil:
    params.scale_high = (<const double *> data)[0]
    params.scale_low = (<const double *> (data + step))[0]
    params.log_floor = (<const double *> (data + 2 * step))[0]
    params.probability_floor = (<const double *> (data + 3 * step))[0]
    params.flags = <unsigned> (<const double *> (data + 4 * step))[0]


def divided(const double[::1] parameters, double count):
    """The same parameters with the scale divided by `count`: a mean's."""
    cdef double high = parameters[0] / count
    cdef double low = (fma(-high, count, parameters[0]) + parameters[1]) / count
    result = np.array(parameters)
    result[0] = high
    result[1] = low if low == low else 0.0  # no entries: the scale is inf or NaN
    return result


include "_ufuncs.pxi"

# ---- the direct door --------------------------------------------------------------------------

cdef inline bint plain(object array) noexcept:
    """Whether this is a C-contiguous, aligned, native ndarray of float32 or float64."""
    cdef int kind
    if not cnp.PyArray_CheckExact(array):
        return False
    kind = cnp.PyArray_TYPE(<cnp.ndarray> array)
    return ((kind == cnp.NPY_FLOAT or kind == cnp.NPY_DOUBLE)
            and cnp.PyArray_IS_C_CONTIGUOUS(<cnp.ndarray> array)
            and cnp.PyArray_ISBEHAVED_RO(<cnp.ndarray> array))


@cython.final
cdef class Measure:
    """One line of csrc/measures.def: its name, bounds, ufunc and direct door."""

    cdef int index
    cdef readonly str name
    cdef readonly int operands
    cdef readonly bint pointwise
    cdef readonly bint exact_bits
    cdef readonly tuple bounds
    cdef readonly object ufunc

    def __cinit__(self, int index):
        cdef const fe_measure *m = &fe_isas[0].measures[index]
        self.index = index
        self.name = m.name.decode()
        self.operands = m.operands
        self.pointwise = m.shape == FE_MAP
        self.exact_bits = m.bits != 0
        self.bounds = (m.bound[0], m.bound[1])
        self.ufunc = make_ufunc(index)

    def __repr__(self):
        return f"<fastent measure {self.name}>"

    def direct(self, tuple operands, cnp.ndarray parameters):
        """The result for plain arrays of one dtype and shape, a row along the last axis; else None."""
        cdef cnp.ndarray first, other, out
        cdef int status
        if not plain(operands[0]):
            return None
        first = operands[0]
        if self.operands == 2:
            if not plain(operands[1]):
                return None
            other = operands[1]
            if (cnp.PyArray_TYPE(other) != cnp.PyArray_TYPE(first)
                    or not cnp.PyArray_SAMESHAPE(first, other)):
                return None
        cdef int dimensions = cnp.PyArray_NDIM(first) - (0 if self.pointwise else 1)
        if dimensions < 0:
            return None
        out = cnp.PyArray_EMPTY(dimensions, cnp.PyArray_DIMS(first), cnp.PyArray_TYPE(first), 0)
        status = self.run(operands, parameters, out)
        if status & FE_INVALID:
            report_invalid(self.name)
        if dimensions == 0:
            return cnp.PyArray_ToScalar(cnp.PyArray_DATA(out), out)
        return out

    def compute(self, tuple operands, cnp.ndarray parameters, cnp.ndarray out):
        """Fill `out` from plain arrays of its dtype; return status bits."""
        cdef cnp.ndarray array
        for array in operands:
            if not plain(array) or cnp.PyArray_TYPE(array) != cnp.PyArray_TYPE(out):
                raise TypeError("compute() takes plain arrays of the dtype of out")
        if not plain(out):
            raise TypeError("compute() takes a plain array out")
        return self.run(operands, parameters, out)

    cdef int run(self, tuple operands, cnp.ndarray parameters, cnp.ndarray out) except -1:
        cdef fe_params params
        cdef Rows work
        cdef Py_ssize_t steps[2]
        cdef const char *data[2]
        cdef Kind kinds[2]
        cdef fe_mode mode
        cdef int status, i
        cdef cnp.ndarray array = operands[0]
        cdef Py_ssize_t size = cnp.PyArray_SIZE(array), itemsize = cnp.PyArray_ITEMSIZE(out)
        cdef const fe_measure *measures = table
        cdef const fe_measure *measure = &measures[self.index]
        read_parameters(<const char *> cnp.PyArray_DATA(parameters), sizeof(double), &params)
        work.operands = self.operands
        work.gather = fe_isas[chosen].gather
        work.real = 0 if itemsize == 4 else 1
        work.rows = cnp.PyArray_SIZE(out)
        work.columns = 0 if self.pointwise else cnp.PyArray_DIM(array, cnp.PyArray_NDIM(array) - 1)
        work.out = <char *> cnp.PyArray_DATA(out)
        work.out_step = itemsize
        for i in range(self.operands):
            array = operands[i]
            data[i] = work.data[i] = <const char *> cnp.PyArray_DATA(array)
            work.outer[i] = work.columns * itemsize
            work.core[i] = steps[i] = itemsize
            kinds[i] = KIND_F32 if work.real == 0 else KIND_F64
        if size > RELEASE_ENTRIES:
            with nogil:
                mode = fe_enter()
                if self.pointwise:
                    status = map_parallel(measure, work.real, size, data, steps, kinds, work.out,
                                      itemsize, &params)
                else:
                    status = rows_parallel(measures, measure, &work, &params)
                fe_leave(mode, 0)
        else:
            mode = fe_enter()
            if self.pointwise:
                status = map_parallel(measure, work.real, size, data, steps, kinds, work.out,
                                  itemsize, &params)
            else:
                status = rows_parallel(measures, measure, &work, &params)
            fe_leave(mode, 0)
        if status < 0:
            raise MemoryError("fastent: no memory to gather a block of rows")
        return status


@cython.final
cdef class LongRow:
    """One row that comes in pieces of SEGMENT entries (the last may be shorter)."""

    cdef Measure measure
    cdef int real
    cdef Py_ssize_t length
    cdef Py_ssize_t seen
    cdef double high[16]
    cdef double low[16]
    cdef fe_params params
    cdef double inverse[2][FE_INVERSE]
    cdef readonly unsigned status

    def __cinit__(self, Measure measure, bint double_precision, Py_ssize_t length,
                  const double[::1] parameters, inverses=()):
        self.measure = measure
        self.real = 1 if double_precision else 0
        self.length = length
        read_parameters(<const char *> &parameters[0], sizeof(double), &self.params)
        memset(self.high, 0, sizeof(self.high))
        memset(self.low, 0, sizeof(self.low))
        for i, (high, low) in enumerate(inverses):
            invert([high], [low], 1, self.inverse[i])

    def accumulate(self, tuple pieces):
        """Add the next piece, one plain 1-D array an operand."""
        cdef fe_block block
        cdef double high[16]
        cdef double low[16]
        cdef fe_mode mode
        cdef int i
        cdef cnp.ndarray array
        cdef const fe_measure *measure = &table[self.measure.index]
        cdef bint normalize = (self.params.flags & FE_NORMALIZE) != 0
        memset(high, 0, sizeof(high))
        memset(low, 0, sizeof(low))
        for i in range(self.measure.operands):
            array = pieces[i]
            if not plain(array) or cnp.PyArray_ITEMSIZE(array) != (8 if self.real else 4):
                raise TypeError("accumulate() takes plain arrays of one dtype")
            block.operand[i] = cnp.PyArray_DATA(array)
            block.stride[i] = 0
            block.step[i] = 0
            block.columns = cnp.PyArray_SIZE(array)
            block.inverse[i] = self.inverse[i] if normalize else NULL
        if self.seen % FE_SEGMENT != 0 or block.columns > FE_SEGMENT:
            raise ValueError("pieces are whole segments, but for the last")
        block.rows = 1
        block.row_length = self.length
        with nogil:
            mode = fe_enter()
            if self.seen == 0:
                self.status |= measure.accumulate[self.real](&block, &self.params, self.high,
                                                             self.low)
            else:
                self.status |= measure.accumulate[self.real](&block, &self.params, high, low)
                fe_combine(self.high, self.low, high, low, 1)
            fe_leave(mode, 0)
        self.seen += block.columns

    def sums(self):
        """The sum so far as high, low."""
        return self.high[0], self.low[0]

    def finish(self):
        """The result as a NumPy scalar."""
        cdef cnp.ndarray out = np.empty((), np.float64 if self.real else np.float32)
        cdef fe_mode mode = fe_enter()
        table[self.measure.index].finish[self.real](self.high, self.low, 1, &self.params,
                                                    cnp.PyArray_DATA(out))
        fe_leave(mode, 0)
        return out[()]


measures = {m.name: m for m in map(Measure, range(fe_measure_count))}


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
    elif mode == "call":
        np.geterrcall()("invalid value", 8)
    elif mode == "print":
        print(f"Warning: {message}")
    elif mode == "log":
        np.geterrcall().write(f"Warning: {message}\n")

"""Included by _core.pyx: typed loops over blocks of rows and of elements: from strided memory to the C kernels.

a. Kernels take contiguous entries. Rows that are not (a stride, another order, a broadcast
   operand of short rows) are gathered block by block into a scratch buffer of at most
   FE_SEGMENT entries an operand; nothing as large as the input is ever made.
b. A block is as many rows as fill FE_SEGMENT entries, at most BLOCK_ROWS, so that the sums of its
   rows live on the stack. A row longer than FE_SEGMENT is a block of its own, taken segment by
   segment and combined in order (csrc/fastent.h says why).
c. normalize=True reads a block twice: its sums by the measure `total`, then the measure itself,
   with the inverse sums as pairs. A block is small enough to stay in cache between the two.
"""

from libc.string cimport memcpy, memset, strcmp
from libc.math cimport INFINITY, NAN, fabs, fma, frexp, ldexp, lrint

from fastent._kernels cimport (
    FE_F32, FE_INVALID, FE_INVERSE, FE_NORMALIZE, FE_SEGMENT, FE_SHORT,
    fe_allocate, fe_block, fe_combine, fe_gather, fe_isas, fe_release, fe_map, fe_measure, fe_measure_count, fe_params,
)

cdef enum:
    BLOCK_ROWS = 256
    STATE_ROOM = 272  # finish() reads whole groups of 16
    MAP_BLOCK = 1024

# How the bytes of a pointwise operand are read.
cdef enum Kind:
    KIND_F32
    KIND_F64
    KIND_BOOL
    KIND_I8
    KIND_U8
    KIND_I32
    KIND_I64
    KIND_U64

# Strided rows: operand i of row r, column j lies at data[i] + r * outer[i] + j * core[i].
ctypedef struct Rows:
    int operands
    int real
    Py_ssize_t rows
    Py_ssize_t columns
    const char *data[2]
    Py_ssize_t outer[2]
    Py_ssize_t core[2]
    char *out
    Py_ssize_t out_step
    const fe_gather *gather


ctypedef fused real:
    float
    double

ctypedef fused label:
    float
    double
    signed char
    unsigned char
    int
    long long
    unsigned long long


cdef int find_measure(const char *name) noexcept nogil:
    cdef int i
    for i in range(fe_measure_count):
        if strcmp(fe_isas[0].measures[i].name, name) == 0:
            return i
    return -1


# ---- rows -----------------------------------------------------------------------------------

cdef void gather(real *to, const char *data, Py_ssize_t rows, Py_ssize_t columns,
                 Py_ssize_t outer, Py_ssize_t core) noexcept nogil:
    """Copy strided rows to contiguous ones, along whichever stride is the smaller."""
    cdef Py_ssize_t r, j, start, end
    if outer < 0 or core < 0 or outer >= core:
        for r in range(rows):
            for j in range(columns):
                to[r * columns + j] = (<const real *> (data + r * outer + j * core))[0]
        return
    start = 0
    while start < rows:  # sixteen neighbouring columns of memory at a time: a line or two each
        end = min(start + 16, rows)
        for j in range(columns):
            for r in range(start, end):
                to[r * columns + j] = (<const real *> (data + r * outer + j * core))[0]
        start = end


cdef struct Scratch:
    void *buffer[2]  # NULL: the operand's own memory is used
    bint columns_first  # rows are neighbours in memory, and the kernel takes them so


cdef unsigned sum_block(const fe_measure *measure, const Rows *work, const Scratch *scratch,
                        int first_operand, Py_ssize_t start, Py_ssize_t rows,
                        const double **inverse, const fe_params *params,
                        double *high, double *low) noexcept nogil:
    """Sum the terms of rows start .. start + rows, segment by segment, into high + low."""
    cdef fe_block block
    cdef double more_high[STATE_ROOM]
    cdef double more_low[STATE_ROOM]
    cdef Py_ssize_t itemsize = 4 if work.real == FE_F32 else 8
    cdef Py_ssize_t column = 0, columns, room = (rows + 15) // 16 * 16 * sizeof(double)
    cdef const char *data
    cdef unsigned status = 0
    cdef bint columns_first = scratch.columns_first
    cdef int i, k
    memset(high, 0, room)
    memset(low, 0, room)
    block.rows = rows
    block.row_length = work.columns
    for i in range(measure.operands):
        block.inverse[i] = inverse[i]
    while column < work.columns:
        columns = min(<Py_ssize_t> FE_SEGMENT, work.columns - column)
        block.columns = columns
        for i in range(measure.operands):
            k = first_operand + i
            data = work.data[k] + start * work.outer[k] + column * work.core[k]
            block.step[i] = 0
            if scratch.buffer[k] == NULL:
                block.operand[i] = data
                block.stride[i] = work.outer[k]
                if columns_first:
                    block.step[i] = work.core[k] // itemsize
                continue
            if work.outer[k] == itemsize and work.core[k] > 0 and work.core[k] % itemsize == 0:
                work.gather[work.real](data, rows, columns, work.core[k] // itemsize,
                                       scratch.buffer[k])
            elif work.real == FE_F32:
                gather(<float *> scratch.buffer[k], data, rows, columns, work.outer[k],
                       work.core[k])
            else:
                gather(<double *> scratch.buffer[k], data, rows, columns, work.outer[k],
                       work.core[k])
            block.operand[i] = scratch.buffer[k]
            block.stride[i] = columns * itemsize
        if column == 0:
            status |= measure.accumulate[work.real](&block, params, high, low)
        else:
            memset(more_high, 0, room)
            memset(more_low, 0, room)
            status |= measure.accumulate[work.real](&block, params, more_high, more_low)
            fe_combine(high, low, more_high, more_low, rows)
        column += columns
    return status


cdef void invert(const double *high, const double *low, Py_ssize_t rows,
                 double *inverse) noexcept nogil:
    """What rows of these sums are divided by (FE_INVERSE); 0 or infinity makes its row NaN."""
    cdef Py_ssize_t r
    cdef double scale, total
    cdef int exponent
    for r in range(rows):
        exponent = 0
        if high[r] != 0 and fabs(high[r]) < INFINITY:
            frexp(high[r], &exponent)
        total = high[r] if 0 < fabs(high[r]) < INFINITY else NAN
        scale = ldexp(1.0, -200 * <int> lrint(exponent / 200.0))  # leaves it within 2^-100 .. 2^100
        inverse[FE_INVERSE * r] = scale
        inverse[FE_INVERSE * r + 1] = total * scale
        inverse[FE_INVERSE * r + 2] = low[r] * scale
        inverse[FE_INVERSE * r + 3] = 1 / inverse[FE_INVERSE * r + 1]


cdef int rows_loop(const fe_measure *table, const fe_measure *measure, const Rows *work,
                   const fe_params *params) noexcept nogil:
    """Results of all rows. Returns status bits, or -1 if there is no memory for gathering."""
    cdef double high[STATE_ROOM]
    cdef double low[STATE_ROOM]
    cdef double inverses[2][FE_INVERSE * BLOCK_ROWS]
    cdef double results[BLOCK_ROWS]
    cdef const double *inverse[2]
    cdef const double *none[2]
    cdef Scratch scratch
    cdef Py_ssize_t itemsize = 4 if work.real == FE_F32 else 8
    cdef Py_ssize_t n = work.columns, step, start = 0, rows, r
    cdef size_t room = min(<Py_ssize_t> FE_SEGMENT, n * work.rows) * itemsize
    cdef unsigned status = 0
    cdef int i
    cdef bint packed, normalize = (params.flags & FE_NORMALIZE) != 0
    for i in range(2):
        scratch.buffer[i] = NULL
        inverse[i] = none[i] = NULL
    step = BLOCK_ROWS
    scratch.columns_first = (measure.takes_columns and not normalize and work.rows > 1
                             and 1 < n <= FE_SHORT)
    for i in range(work.operands):
        scratch.columns_first = (scratch.columns_first and work.outer[i] == itemsize
                                 and work.core[i] > 0 and work.core[i] % itemsize == 0)
    for i in range(work.operands):
        if scratch.columns_first:
            break
        packed = work.core[i] == itemsize or n <= 1
        if n <= FE_SHORT and work.rows > 1:
            packed = packed and work.outer[i] == n * itemsize
        if not packed and n > 0 and work.rows > 0:
            scratch.buffer[i] = fe_allocate(room)
            if scratch.buffer[i] == NULL:
                fe_release(scratch.buffer[0], room)
                return -1
    if (scratch.buffer[0] != NULL or scratch.buffer[1] != NULL or normalize) and n > 0:
        step = max(<Py_ssize_t> 1, min(<Py_ssize_t> BLOCK_ROWS, FE_SEGMENT // n))
    while start < work.rows:
        rows = min(step, work.rows - start)
        if normalize:
            for i in range(work.operands):
                status |= sum_block(&table[TOTAL], work, &scratch, i, start, rows, none, params,
                                    high, low)
                invert(high, low, rows, inverses[i])
                inverse[i] = inverses[i]
        status |= sum_block(measure, work, &scratch, 0, start, rows, inverse, params, high, low)
        if normalize and n == 0:
            for r in range(rows):
                high[r] = NAN  # no entries, no distribution
        if work.out_step == itemsize:
            measure.finish[work.real](high, low, rows, params, work.out + start * itemsize)
        else:
            measure.finish[work.real](high, low, rows, params, results)
            for r in range(rows):
                if work.real == FE_F32:
                    (<float *> (work.out + (start + r) * work.out_step))[0] = (<float *> results)[r]
                else:
                    (<double *> (work.out + (start + r) * work.out_step))[0] = results[r]
        start += rows
    fe_release(scratch.buffer[0], room)
    fe_release(scratch.buffer[1], room)
    return status


# ---- elements -------------------------------------------------------------------------------

cdef void convert(real *to, const label *tag, const char *data, Py_ssize_t count,
                  Py_ssize_t step) noexcept nogil:
    """Read strided entries of the type of `tag` as reals."""
    cdef Py_ssize_t i
    for i in range(count):
        to[i] = <real> (<const label *> (data + i * step))[0]


cdef void convert_kind(real *to, const char *data, Py_ssize_t count, Py_ssize_t step,
                       Kind kind) noexcept nogil:
    if kind == KIND_F32:
        convert(to, <const float *> NULL, data, count, step)
    elif kind == KIND_F64:
        convert(to, <const double *> NULL, data, count, step)
    elif kind == KIND_I8:
        convert(to, <const signed char *> NULL, data, count, step)
    elif kind == KIND_I32:
        convert(to, <const int *> NULL, data, count, step)
    elif kind == KIND_I64:
        convert(to, <const long long *> NULL, data, count, step)
    elif kind == KIND_U64:
        convert(to, <const unsigned long long *> NULL, data, count, step)
    else:
        convert(to, <const unsigned char *> NULL, data, count, step)


cdef int map_loop(const fe_measure *measure, int real_type, Py_ssize_t count, const char **data,
                  const Py_ssize_t *steps, const Kind *kinds, char *out, Py_ssize_t out_step,
                  const fe_params *params) noexcept nogil:
    cdef double buffers[3][MAP_BLOCK]
    cdef const void *operand[2]
    cdef Py_ssize_t itemsize = 4 if real_type == FE_F32 else 8
    cdef Py_ssize_t start = 0, block, i
    cdef Kind native = KIND_F32 if real_type == FE_F32 else KIND_F64
    cdef fe_map kernel = measure.map[real_type]
    cdef unsigned status = 0
    cdef bint direct = out_step == itemsize
    cdef int k
    for k in range(measure.operands):
        direct = direct and kinds[k] == native and steps[k] == itemsize
    if direct:
        for k in range(measure.operands):
            operand[k] = data[k]
        return kernel(operand, count, params, out)
    while start < count:
        block = min(<Py_ssize_t> MAP_BLOCK, count - start)
        for k in range(measure.operands):
            operand[k] = buffers[k]
            if real_type == FE_F32:
                convert_kind(<float *> buffers[k], data[k] + start * steps[k], block, steps[k],
                             kinds[k])
            else:
                convert_kind(<double *> buffers[k], data[k] + start * steps[k], block, steps[k],
                             kinds[k])
        status |= kernel(operand, block, params, buffers[2])
        for i in range(block):
            if real_type == FE_F32:
                (<float *> (out + (start + i) * out_step))[0] = (<float *> buffers[2])[i]
            else:
                (<double *> (out + (start + i) * out_step))[0] = buffers[2][i]
        start += block
    return status


cdef int TOTAL = find_measure(b"total")

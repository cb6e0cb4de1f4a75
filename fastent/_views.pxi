"""Included by _core.pyx: where operands lie in memory, and how they are read.

a. An operand is a View: axes of any strides, of any dtype that csrc/read.h reads. Its entries have
   an order, that of C; any run of them can be fetched into a buffer, whatever the axes.
b. Work is what a call does: rows of entries, in all operands and the result. Rows that are equally
   spaced everywhere form a run; those that kernels can read in place are not fetched.
c. Where rows are nearer to each other than the entries of a row (Fortran order, axis 0) whole rows
   are fetched by columns, and turned: memory is read in the order in which it lies.
"""

from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

from fastent._kernels cimport (
    FE_F32, FE_F64, FE_KIND_BF16, FE_KIND_BOOL, FE_KIND_F32, FE_KIND_F64, FE_KIND_I8, FE_KIND_I32,
    FE_KIND_I64, FE_KIND_U8, FE_KIND_U64, FE_OPERANDS, fe_gather, fe_isas, fe_read,
)

cdef enum:
    AXES = 64  # NumPy's most
    ARRAYS = FE_OPERANDS + 1  # and a result
    RESULT = FE_OPERANDS
    SHORT_RUN = 16  # rows

cdef struct View:
    const char *data
    fe_read read
    bint native  # aligned entries of the type that kernels read
    int axes
    Py_ssize_t shape[AXES]
    Py_ssize_t strides[AXES]

# A column of results: consecutive floats, doubles, integers or truth values.
cdef struct Field:
    char *data
    int type  # NumPy's

# The log-probabilities of some entries of each row: of those that are given, else of the largest.
cdef struct Top:
    Py_ssize_t count
    bint chosen
    View given  # rows of as many places
    int64_t *places  # where they go
    char *log_probs

cdef struct Work:
    int operands
    int real
    Py_ssize_t itemsize  # of what kernels read
    Py_ssize_t rows
    Py_ssize_t columns
    const fe_gather *gather
    View view[ARRAYS]  # the result's: data alone
    bint in_place[ARRAYS]  # whether kernels can read rows of a run where they lie
    Py_ssize_t outer[ARRAYS]  # bytes from row to row of a run
    Py_ssize_t core[ARRAYS]  # bytes from entry to entry, where in_place
    Py_ssize_t run  # rows
    int leads  # axes over which runs are repeated
    Py_ssize_t lead_shape[AXES]
    Py_ssize_t lead[ARRAYS][AXES]
    Py_ssize_t entry[FE_OPERANDS]  # bytes from entry to entry of a row
    bint labelled  # rows have labels
    bint marked  # operand 0 is 1 at a row's label, else 0
    bint picked  # element r is the entry of row r of view[0] that its label names
    View labels
    double ignored  # label of rows that have no loss; NaN: none
    Top *top  # NULL, or what is wanted of each row's log-probabilities
    Field *fields  # NULL, or where each of a row's results goes
    bint filled  # the result has rows of as many entries as the operands
    View *factors  # NULL, or what each row of a gradient is multiplied by
    double divisor  # and all are divided by
    View *offsets  # NULL, or where ragged rows begin and end; there are so many columns in all


cdef const char *row_address(const Work *work, int k, Py_ssize_t row) noexcept nogil:
    cdef Py_ssize_t rest = row // work.run, offset = row % work.run * work.outer[k]
    cdef int axis
    for axis in range(work.leads - 1, -1, -1):
        offset += rest % work.lead_shape[axis] * work.lead[k][axis]
        rest //= work.lead_shape[axis]
    return work.view[k].data + offset


# ---- fetching ---------------------------------------------------------------------------------

cdef inline Py_ssize_t distance(Py_ssize_t stride) noexcept nogil:
    return -stride if stride < 0 else stride


cdef bint turned(const View *view) noexcept nogil:
    """Whether fetching may turn, for which it needs a tile."""
    cdef int last = view.axes - 1
    return last > 0 and distance(view.strides[last - 1]) < distance(view.strides[last])


cdef bint gathers(const View *view, const Work *work) noexcept nogil:
    """Whether turning reads this where it lies: whole entries of the kernels' type, side by side."""
    cdef Py_ssize_t step = view.strides[view.axes - 1]
    return (view.native and view.strides[view.axes - 2] == work.itemsize and step > 0
            and step % work.itemsize == 0)


cdef void turn(const View *view, const char *data, Py_ssize_t rows, char *to, const Work *work,
               char *tile) noexcept nogil:
    """Fetch whole rows along the last axis that are neighbours along the axis before."""
    cdef Py_ssize_t columns = view.shape[view.axes - 1], step = view.strides[view.axes - 1]
    cdef Py_ssize_t outer = view.strides[view.axes - 2], size = columns * work.itemsize, done, j
    if outer == 0:  # a row that is broadcast
        view.read(data, step, columns, to)
        done = 1
        while done < rows:
            memcpy(to + done * size, to, min(done, rows - done) * size)
            done += min(done, rows - done)
        return
    if gathers(view, work):
        work.gather[work.real](data, rows, columns, step // work.itemsize, to)
        return
    for j in range(columns):
        view.read(data + j * step, outer, rows, tile + j * rows * work.itemsize)
    work.gather[work.real](tile, rows, columns, rows, to)


cdef const char *fetch(const View *view, Py_ssize_t first, Py_ssize_t count, char *to, const Work *work,
                char *tile) noexcept nogil:
    """Read entries first .. first + count, in C order; return the address of the next.

    A tile as large as `to` serves to turn what has to be converted first.
    """
    cdef Py_ssize_t index[AXES]
    cdef const char *data = view.data
    cdef int last = view.axes - 1, axis
    cdef Py_ssize_t part, whole, moved
    for axis in range(last, -1, -1):
        index[axis] = first % view.shape[axis]
        first //= view.shape[axis]
        data += index[axis] * view.strides[axis]
    while count > 0:
        whole = 0
        if index[last] == 0 and turned(view) and (tile != NULL or gathers(view, work)):
            whole = min(view.shape[last - 1] - index[last - 1], count // view.shape[last])
        if whole > 1:
            turn(view, data, whole, to, work, tile)
            part = whole * view.shape[last]
            axis, moved = last - 1, whole
        else:
            part = min(view.shape[last] - index[last], count)
            view.read(data, view.strides[last], part, to)
            axis, moved = last, part
        to += part * work.itemsize
        count -= part
        while True:  # on by `moved` along the axis, carried to those before
            index[axis] += moved
            data += moved * view.strides[axis]
            if index[axis] < view.shape[axis] or axis == 0:
                break
            data -= view.shape[axis] * view.strides[axis]
            index[axis] = 0
            axis -= 1
            moved = 1
    return data


# ---- from pointers ----------------------------------------------------------------------------

cdef void start_work(Work *work, int operands, int real_type, Py_ssize_t rows,
                     Py_ssize_t columns) noexcept nogil:
    """Begin to describe rows that are one run."""
    work.operands = operands
    work.real = real_type
    work.itemsize = 4 if real_type == FE_F32 else 8
    work.rows = rows
    work.columns = columns
    work.gather = fe_isas[chosen].gather
    work.run = max(rows, <Py_ssize_t> 1)
    work.leads = 0
    work.picked = work.labelled = work.marked = work.filled = False
    work.ignored = NAN
    work.fields = NULL
    work.top = NULL
    work.factors = NULL
    work.offsets = NULL
    work.divisor = 1
    memset(work.in_place, 0, sizeof(work.in_place))


cdef inline fe_read read_of(int kind, bint swapped, int real_type) noexcept nogil:
    return fe_isas[chosen].read[(kind * 2 + swapped) * 2 + real_type]


cdef void set_rows(Work *work, int k, const char *data, Py_ssize_t outer, Py_ssize_t core) noexcept nogil:
    """Operand k: rows `outer` bytes apart, their entries, of the kernels' type, `core`."""
    cdef View *view = &work.view[k]
    cdef bint one = outer == core * work.columns or work.rows == 1
    view.data = data
    view.read = read_of(FE_KIND_F32 if work.real == FE_F32 else FE_KIND_F64, False, work.real)
    view.native = True
    view.axes = 1 if one else 2
    view.shape[0] = work.rows * work.columns if one else work.rows
    view.strides[0] = core if one else outer
    view.shape[1] = work.columns
    view.strides[1] = core
    work.in_place[k] = True
    work.outer[k] = outer
    work.core[k] = core if work.columns > 1 else work.itemsize


cdef void set_elements(Work *work, int k, const char *data, Py_ssize_t step, int kind) noexcept nogil:
    """Operand k: elements of some type, `step` bytes apart."""
    cdef View *view = &work.view[k]
    view.data = data
    view.read = read_of(kind, False, work.real)
    view.native = kind == (FE_KIND_F32 if work.real == FE_F32 else FE_KIND_F64)
    view.axes = 1
    view.shape[0] = work.rows
    view.strides[0] = step
    work.in_place[k] = False
    work.outer[k] = step


cdef void set_result(Work *work, char *out, Py_ssize_t step) noexcept nogil:
    """Where results go, `step` bytes apart."""
    work.view[RESULT].data = out
    work.outer[RESULT] = step


# ---- from arrays ------------------------------------------------------------------------------

cdef int merge(int axes, Py_ssize_t *shape, Py_ssize_t *strides, int arrays) noexcept:
    """Merge axes that are one in every array; array k's strides start at strides[k * AXES]."""
    cdef int axis, kept = 0, k
    cdef Py_ssize_t length
    cdef bint one
    for axis in range(axes):
        length = shape[axis]
        if length == 1:
            continue
        one = kept > 0
        for k in range(arrays):
            one = one and strides[k * AXES + kept - 1] == strides[k * AXES + axis] * length
        if one:
            shape[kept - 1] *= length
        else:
            shape[kept] = length
            kept += 1
        for k in range(arrays):
            strides[k * AXES + kept - 1] = strides[k * AXES + axis]
    if kept == 0:
        shape[0] = 1
        for k in range(arrays):
            strides[k * AXES] = 0
        return 1
    return kept


# By dtype.char; bfloat16 is registered with NumPy by ml_dtypes, under a letter of its own.
KINDS = {np.dtype(name).char: kind for kind, names in enumerate([
    ["?"], ["i1"], ["u1"], ["i2"], ["u2"], ["i4", "intc", "long"], ["u4", "uintc", "ulong"],
    ["i8", "long", "longlong"], ["u8", "ulong", "ulonglong"], ["f2"], [], ["f4"], ["f8"],
]) for name in names if len(names) < 2 or np.dtype(name).itemsize == int(names[0][1])}


cdef fe_read reader(cnp.ndarray array, int real_type) except NULL:
    """What reads entries of this array's dtype as floats or doubles."""
    dtype = array.dtype
    cdef int kind = FE_KIND_BF16 if dtype.kind == "V" else KINDS[dtype.char]
    return read_of(kind, not dtype.isnative, real_type)


cdef bint native(cnp.ndarray array, int real_type) noexcept:
    """Whether this is an aligned array of the kernels' type."""
    cdef int wanted = cnp.NPY_FLOAT if real_type == FE_F32 else cnp.NPY_DOUBLE
    return (cnp.PyArray_TYPE(array) == wanted
            and cnp.PyArray_ISBEHAVED_RO(array))


cdef int view_array(View *view, cnp.ndarray array, int real_type) except -1:
    """Describe an array whose entries are to be read as floats or doubles."""
    cdef int axis
    view.data = <const char *> cnp.PyArray_DATA(array)
    view.read = reader(array, real_type)
    view.native = native(array, real_type)
    for axis in range(cnp.PyArray_NDIM(array)):
        view.shape[axis] = cnp.PyArray_DIM(array, axis)
        view.strides[axis] = cnp.PyArray_STRIDE(array, axis)
    view.axes = merge(cnp.PyArray_NDIM(array), view.shape, view.strides, 1)
    return 0


cdef int describe(Work *work, tuple arrays, int cores, cnp.ndarray out, int real_type) except -1:
    """Work on arrays whose last `cores` axes hold a row, the others those of `out` (or None).

    An `out` of one axis more takes a result an entry.
    """
    cdef Py_ssize_t shape[AXES]
    cdef Py_ssize_t strides[ARRAYS * AXES]
    cdef cnp.ndarray array = arrays[0]
    cdef int outer = cnp.PyArray_NDIM(array) - cores, kept, k, axis
    cdef Py_ssize_t row_shape[AXES]
    cdef Py_ssize_t row_strides[AXES]
    memset(strides, 0, sizeof(strides))
    cdef Py_ssize_t rows = 1, columns = 1
    for axis in range(outer):
        shape[axis] = cnp.PyArray_DIM(array, axis)
        rows *= shape[axis]
    for axis in range(outer, outer + cores):
        columns *= cnp.PyArray_DIM(array, axis)
    start_work(work, len(arrays), real_type, rows, columns)
    for k in range(work.operands):
        array = arrays[k]
        view_array(&work.view[k], array, real_type)
        for axis in range(outer):
            strides[k * AXES + axis] = cnp.PyArray_STRIDE(array, axis)
        for axis in range(cores):
            row_shape[axis] = cnp.PyArray_DIM(array, outer + axis)
            row_strides[axis] = cnp.PyArray_STRIDE(array, outer + axis)
        work.entry[k] = row_strides[cores - 1] if cores > 0 else 0
        kept = merge(cores, row_shape, row_strides, 1)
        work.core[k] = row_strides[0] if work.columns > 1 else work.itemsize
        work.in_place[k] = work.view[k].native and kept == 1
    if out is not None:
        work.view[RESULT].data = <const char *> cnp.PyArray_DATA(out)
        for axis in range(outer):
            strides[RESULT * AXES + axis] = cnp.PyArray_STRIDE(out, axis)
        work.filled = cnp.PyArray_NDIM(out) > outer  # by one axis
        if work.filled:
            work.core[RESULT] = cnp.PyArray_STRIDE(out, outer)
    kept = merge(outer, shape, strides, ARRAYS)
    work.leads = kept - 1
    work.run = max(shape[kept - 1], <Py_ssize_t> 1)
    for k in range(ARRAYS):
        work.outer[k] = strides[k * AXES + kept - 1]
        for axis in range(kept - 1):
            work.lead_shape[axis] = shape[axis]
            work.lead[k][axis] = strides[k * AXES + axis]
    if kept > 1 and work.run < SHORT_RUN:  # short runs are not worth a block each
        memset(work.in_place, 0, sizeof(work.in_place))
    return 0


cdef int describe_picked(Work *work, cnp.ndarray rows, cnp.ndarray labels, double ignored,
                         int real_type) except -1:
    """Work on one entry of each row along the last axis: that which its label names."""
    describe(work, (rows,), 1, None, real_type)
    describe_labels(work, labels, ignored, False)
    work.columns = 1
    work.picked = True
    return 0


cdef int describe_ragged(Work *work, tuple arrays, cnp.ndarray offsets, View *places) except -1:
    """Make described arrays, of one axis, what holds ragged rows."""
    cdef int k
    view_array(places, offsets, FE_F64)
    work.offsets = places
    work.rows = cnp.PyArray_DIM(offsets, 0) - 1
    work.columns = <Py_ssize_t> (offset_at(places, work.rows) - offset_at(places, 0))
    for k in range(work.operands):
        work.core[k] = cnp.PyArray_STRIDE(<cnp.ndarray> arrays[k], 0)
    return 0


cdef int describe_labels(Work *work, cnp.ndarray labels, double ignored, bint marked) except -1:
    """Add a label to each row, of one axis, or element; operand 0 is made of them if `marked`."""
    view_array(&work.labels, labels, FE_F64)
    work.labelled = True
    work.marked = marked
    work.ignored = ignored
    return 0

"""Included by _core.pyx: labels of rows, and what they name.

Labels are checked before any of this: one that is not ignored names an entry of its row.
"""

cdef void mark_labels(const Work *work, Py_ssize_t start, Py_ssize_t rows, Py_ssize_t column,
                      Py_ssize_t columns, char *to) noexcept nogil:
    """Make some columns of rows that are 1 at their label, else 0; none has one out of range."""
    cdef double labels[FE_BLOCK_ROWS]
    cdef Py_ssize_t r
    cdef double at
    memset(to, 0, rows * columns * work.itemsize)
    fetch_labels(work, start, rows, labels)
    for r in range(rows):
        at = labels[r] - column
        if not 0 <= at < columns:  # elsewhere, or of an ignored row
            continue
        if work.real == FE_F32:
            (<float *> to)[r * columns + <Py_ssize_t> at] = 1
        else:
            (<double *> to)[r * columns + <Py_ssize_t> at] = 1


cdef double read_one(const View *view, const char *data, const Work *work) noexcept nogil:
    """Read one entry as kernels do."""
    cdef double wide
    cdef float narrow
    if view.native:
        return (<const float *> data)[0] if work.real == FE_F32 else (<const double *> data)[0]
    if work.real == FE_F32:
        view.read(data, work.itemsize, 1, <char *> &narrow)
        return narrow
    view.read(data, work.itemsize, 1, <char *> &wide)
    return wide


cdef void fetch_labels(const Work *work, Py_ssize_t first, Py_ssize_t count,
                       double *labels) noexcept nogil:
    """Fetch the labels of some rows or elements."""
    fetch_doubles(&work.labels, first, count, labels)


cdef void fetch_doubles(const View *view, Py_ssize_t first, Py_ssize_t count,
                        double *to) noexcept nogil:
    """Fetch entries that are to be read as doubles."""
    cdef Work read
    read.real = FE_F64
    read.itemsize = 8
    fetch(view, first, count, <char *> to, &read, NULL)


cdef void begin_gradient(const Work *work, Py_ssize_t start, Py_ssize_t rows, const double *labels,
                         const fe_state *state) noexcept nogil:
    """Note what a gradient needs to know of rows: their factors, and their labels."""
    cdef double *factor = state.part[FE_RUNNER_UP]
    cdef double one = 1 / work.divisor
    cdef Py_ssize_t r
    if work.factors != NULL:
        fetch_doubles(work.factors, start, rows, factor)
    for r in range(rows):
        factor[r] = one if work.factors == NULL else factor[r] / work.divisor
        if not work.labelled:
            state.part[FE_PLACE][r] = -1
        else:
            state.part[FE_PLACE][r] = -2 if labels[r] == work.ignored else labels[r]


ctypedef fused Entry:
    float
    double


cdef void pick_in_run(const Entry *data, const Work *work, int k, Py_ssize_t rows,
                      const double *labels, double *to) noexcept nogil:
    """Those of rows that lie evenly apart, of entries that are read as they are."""
    cdef Py_ssize_t r, outer = work.outer[k], entry = work.entry[k]
    cdef double ignored = work.ignored
    for r in range(rows):
        if labels[r] == ignored:
            to[r] = NAN
        else:
            to[r] = (<const Entry *> (<const char *> data + r * outer + <Py_ssize_t> labels[r] * entry))[0]


cdef void pick_targets(const fe_measure *measure, const Work *work, Py_ssize_t start,
                       Py_ssize_t rows, const double *labels, const fe_state *state) noexcept nogil:
    """Fetch the entries that the labels of some rows name. Labels are checked before."""
    cdef Py_ssize_t r
    cdef int k
    cdef const char *data
    cdef double *to
    cdef bint in_run = rows <= work.run - start % work.run
    for k in range(measure.operands):
        if measure.picks[k] == 0:
            continue
        to = state.part[measure.picks[k]]
        if work.labelled and in_run and work.view[k].native:
            data = row_address(work, k, start)
            if work.real == FE_F32:
                pick_in_run(<const float *> data, work, k, rows, labels, to)
            else:
                pick_in_run(<const double *> data, work, k, rows, labels, to)
            continue
        for r in range(rows):
            if not work.labelled or labels[r] == work.ignored:
                to[r] = NAN
            else:
                data = row_address(work, k, start + r) + <Py_ssize_t> labels[r] * work.entry[k]
                to[r] = read_one(&work.view[k], data, work)


cdef bint find_labelled(const Work *work, Py_ssize_t start, Py_ssize_t rows, const double *labels,
                        const void **labelled) noexcept nogil:
    """Where the entries are that the labels of rows name (NULL: none), of rows that are read as
    they are: the kernel reads them row by row, so that it does not wait for memory."""
    cdef Py_ssize_t r
    cdef const char *data
    if not (work.labelled and work.view[0].native and rows <= work.run - start % work.run):
        return False
    data = row_address(work, 0, start)
    for r in range(rows):
        labelled[r] = NULL
        if labels[r] != work.ignored:
            labelled[r] = data + r * work.outer[0] + <Py_ssize_t> labels[r] * work.entry[0]
    return True


cdef void clear_ignored(const Work *work, const double *labels, Py_ssize_t rows, int real_type,
                        char *results) noexcept nogil:
    """Rows and elements of an ignored label have no loss, whatever they hold."""
    cdef Py_ssize_t r
    if work.ignored != work.ignored:
        return
    for r in range(rows):
        if labels[r] == work.ignored:
            memset(results + r * (4 if real_type == FE_F32 else 8), 0,
                   4 if real_type == FE_F32 else 8)

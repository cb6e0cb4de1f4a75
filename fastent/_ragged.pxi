"""Included by _core.pyx: ragged rows, which lie in flat arrays from one offset to the next.

a. Neighbours of one length are rows like any others: read where they lie, or fetched.
b. Other short rows are sorted by length, a window at a time, and those of one length copied side by
   side, for kernels take sixteen at once.
c. Threads share rows by their entries. One that is much of the whole is cut by long_rows().
d. Offsets are read as doubles, whatever their dtype: no array has 2^53 entries.
"""

cdef enum:
    ROW_COST = 8  # entries that a row costs beside its own
    RAGGED_RUN = 64  # neighbours of one short length that are not copied
    RAGGED_TASK = 65536  # entries


def misplaced_offset(cnp.ndarray offsets, Py_ssize_t size):
    """The first of these integers that is negative, less than that before or above `size`; or -1."""
    cdef View view
    cdef double values[FE_BLOCK_ROWS]
    cdef double before = 0
    cdef Py_ssize_t start = 0, count = cnp.PyArray_DIM(offsets, 0), place = -1, block, i
    cdef bint good
    view_array(&view, offsets, FE_F64)
    with nogil:
        while start < count and place < 0:
            block = min(<Py_ssize_t> FE_BLOCK_ROWS, count - start)
            fetch_doubles(&view, start, block, values)
            good = before <= values[0] and values[block - 1] <= size
            for i in range(1, block):
                good &= values[i - 1] <= values[i]
            if not good:
                for i in range(block):
                    if not before <= values[i] <= size:
                        place = start + i
                        break
                    before = values[i]
            before = values[block - 1]
            start += block
    return place


cdef void fetch_offsets(const View *offsets, Py_ssize_t first, Py_ssize_t count,
                        int64_t *to) noexcept nogil:
    cdef double values[FE_BLOCK_ROWS]
    cdef Py_ssize_t start = 0, block, i
    while start < count:
        block = min(<Py_ssize_t> FE_BLOCK_ROWS, count - start)
        fetch_doubles(offsets, first + start, block, values)
        for i in range(block):
            to[start + i] = <int64_t> values[i]
        start += block


cdef double offset_at(const View *offsets, Py_ssize_t row) noexcept nogil:
    cdef double offset
    offsets.read(offsets.data + row * offsets.strides[0], offsets.strides[0], 1, <char *> &offset)
    return offset


cdef Py_ssize_t row_behind(const Work *work, Py_ssize_t entries, Py_ssize_t cost) noexcept nogil:
    """The first row with so many entries, and a cost a row, before it; or the number of rows."""
    cdef double first = offset_at(work.offsets, 0)
    cdef Py_ssize_t low = 0, high = work.rows, middle
    while low < high:
        middle = (low + high) // 2
        if offset_at(work.offsets, middle) - first + <double> middle * cost < entries:
            low = middle + 1
        else:
            high = middle
    return low


# ---- blocks -----------------------------------------------------------------------------------

cdef inline Py_ssize_t length_of(const Window *window, Py_ssize_t row) noexcept nogil:
    return window.offsets[row + 1] - window.offsets[row]


cdef void begin_run(Work *run, Py_ssize_t rows, Py_ssize_t columns, const char *results,
                    Py_ssize_t step) noexcept nogil:
    """Describe rows of one length, whose results lie `step` bytes apart."""
    run.offsets = NULL
    run.rows = rows
    run.run = max(rows, <Py_ssize_t> 1)
    run.columns = columns
    run.view[RESULT].data = results
    run.outer[RESULT] = step


cdef void place_run(Work *run, int k, const char *data, Py_ssize_t step, bint native) noexcept nogil:
    """Operand k: rows one after the other, their entries `step` bytes apart."""
    cdef View *view = &run.view[k]
    view.data = data
    view.native = native
    view.axes = 1
    view.shape[0] = run.rows * run.columns
    view.strides[0] = step
    run.in_place[k] = native
    run.core[k] = step
    run.outer[k] = run.columns * step


cdef Window *new_window(int real_type) noexcept nogil:
    cdef Window *window = <Window *> fe_allocate(sizeof(Window))
    cdef int i
    for i in range(FE_SHORT if window != NULL else 0):
        if real_type == FE_F32:
            (<float *> window.ones)[i] = 1
        else:
            window.ones[i] = 1
    return window


cdef void gather_rows(const Work *work, Window *window, const int *rows, Py_ssize_t count,
                      Py_ssize_t columns, Work *run) noexcept nogil:
    """Copy rows of one length side by side; rows of ones make their number a multiple of sixteen."""
    cdef Py_ssize_t size = work.itemsize * columns, step, i
    cdef const char *data
    cdef char *to
    cdef int k
    for k in range(work.operands):
        step = work.core[k]
        data = work.view[k].data
        to = <char *> window.entries[k]
        if work.view[k].native and step == work.itemsize:
            for i in range(count):
                memcpy(to + i * size, data + window.offsets[rows[i]] * step, size)
        else:
            for i in range(count):
                work.view[k].read(data + window.offsets[rows[i]] * step, step, columns,
                                  to + i * size)
        for i in range(count, run.rows):
            memcpy(to + i * size, window.ones, size)
        place_run(run, k, to, work.itemsize, True)


cdef void sort_rows(Window *window, int count) noexcept nogil:
    """Sort the window's short rows by their lengths."""
    cdef int i, n, before = 0
    memset(window.ends, 0, sizeof(window.ends))
    for i in range(count):
        window.ends[length_of(window, window.short_rows[i])] += 1
    for n in range(FE_SHORT + 1):
        before += window.ends[n]
        window.ends[n] = before - window.ends[n]
    for i in range(count):
        n = <int> length_of(window, window.short_rows[i])
        window.sorted[window.ends[n]] = window.short_rows[i]
        window.ends[n] += 1


cdef int short_ragged_rows(const fe_measure *table, const fe_measure *measure, const Work *work,
                           const fe_params *params, Py_ssize_t start, double *doubles,
                           Work *run, Window *window, int64_t next,
                           int count) noexcept nogil:
    """Results of a window's short rows. It begins at row `start`, and the next at entry `next`."""
    cdef Scratch scratch
    cdef Py_ssize_t rows, i
    cdef int n, k, begin = 0, status = 0
    cdef const int *those
    cdef char *to = <char *> work.view[RESULT].data + start * work.outer[RESULT]
    memset(&scratch, 0, sizeof(scratch))
    scratch.opened = scratch.gathered = True
    scratch.rows = rows_of_states(measure)
    sort_rows(window, count)
    for n in range(1, FE_SHORT + 1):
        while begin < window.ends[n]:
            rows = min(FE_BLOCK_ROWS, GATHERED // n // 16 * 16, window.ends[n] - begin)
            those = window.sorted + begin
            for k in range(work.operands):
                scratch.ahead[k].next = work.view[k].data + next * work.core[k]
                scratch.ahead[k].size = work.core[k]
            next += rows * n
            begin_run(run, (rows + 15) // 16 * 16, n, <const char *> window.results, work.itemsize)
            gather_rows(work, window, those, rows, n, run)
            status |= rows_loop(table, measure, run, params, 0, run.rows,
                                NULL if doubles == NULL else window.results, &scratch)
            for i in range(rows):
                if doubles != NULL:
                    doubles[those[i]] = window.results[i]
                else:
                    put_one(to + those[i] * work.outer[RESULT],
                            <char *> window.results + i * work.itemsize, work.itemsize)
            begin += <int> rows
    return status


cdef int ragged_loop(const fe_measure *table, const fe_measure *measure, const Work *work,
                     const fe_params *params, Py_ssize_t start, Py_ssize_t end, Py_ssize_t limit,
                     double *doubles, Scratch *scratch) noexcept nogil:
    """rows_loop() of ragged rows, but for those of `limit` entries and more."""
    cdef Work run = work[0]
    cdef Window *window
    cdef Py_ssize_t count, rows, columns, r, i, entries
    cdef int status = 0, k, few
    cdef bint normalize = (params.flags & FE_NORMALIZE) != 0
    run.columns = min(work.columns, <Py_ssize_t> FE_SEGMENT)  # that is what may be fetched
    if not scratch.opened and open_scratch(scratch, measure, &run, 1, normalize) != 0:
        return NO_MEMORY
    if scratch.window == NULL:
        scratch.window = new_window(work.real)
    window = scratch.window
    if window == NULL:
        return NO_MEMORY
    entries = FE_SEGMENT if normalize else 0
    for k in range(work.operands):
        if scratch.buffer[k] != NULL:
            entries = FETCHED
    while start < end:
        count = min(<Py_ssize_t> WINDOW, end - start)
        fetch_offsets(work.offsets, start, count + 1, window.offsets)
        r = few = 0
        while r < count:
            columns = length_of(window, r)
            rows = 1
            while r + rows < count and length_of(window, r + rows) == columns:
                rows += 1
            if 0 < columns <= FE_SHORT and rows < RAGGED_RUN:
                for i in range(rows):
                    window.short_rows[few] = <int> (r + i)
                    few += 1
            elif columns < limit:
                begin_run(&run, rows, columns, work.view[RESULT].data
                          + (start + r) * work.outer[RESULT], work.outer[RESULT])
                for k in range(work.operands):
                    place_run(&run, k, work.view[k].data
                              + window.offsets[r] * work.core[k], work.core[k],
                              work.view[k].native)
                scratch.rows = rows_of_block(measure, columns, entries)
                status |= rows_loop(table, measure, &run, params, 0, rows,
                                    NULL if doubles == NULL else doubles + r, scratch)
            r += rows
        if few > 0:
            status |= short_ragged_rows(table, measure, work, params, start, doubles, &run, window,
                                        window.offsets[count], few)
        if doubles != NULL:
            doubles += count
        start += count
    return status


# ---- threads ----------------------------------------------------------------------------------

cdef void ragged_task(void *context, size_t index, size_t slot) noexcept nogil:
    cdef Job *job = <Job *> context
    cdef Py_ssize_t start = row_behind(job.work, index * job.share, ROW_COST)
    cdef Py_ssize_t end = row_behind(job.work, (index + 1) * job.share, ROW_COST)
    cdef fe_mode mode = fe_enter()
    job.status[index] = ragged_loop(job.table, job.measure, job.work, job.params, start, end,
                                    job.limit, NULL if job.doubles == NULL else job.doubles + start,
                                    &job.slots[slot].scratch)
    fe_leave(mode, 0)


cdef int cut_rows(Job *job) noexcept nogil:
    """Rows of job.limit entries and more, each over all threads.

    Such a row holds, or ends with, an entry whose number is a multiple of the limit.
    """
    cdef const Work *work = job.work
    cdef double *doubles = job.doubles
    cdef Work one = work[0]
    cdef Py_ssize_t i, row, last = -1, columns, first
    cdef int status = 0, state, k
    job.work = &one
    for i in range(1, work.columns // job.limit + 1):
        row = row_behind(work, i * job.limit, 0) - 1
        first = <Py_ssize_t> offset_at(work.offsets, row)
        columns = <Py_ssize_t> offset_at(work.offsets, row + 1) - first
        if row == last or columns < job.limit:
            continue
        last = row
        begin_run(&one, 1, columns, work.view[RESULT].data + row * work.outer[RESULT],
                  work.outer[RESULT])
        for k in range(work.operands):
            place_run(&one, k, work.view[k].data + first * work.core[k], work.core[k],
                      work.view[k].native)
        job.doubles = NULL if doubles == NULL else doubles + row
        state = long_rows(job)
        if state < 0:
            return state
        status |= state
    job.work = work
    job.doubles = doubles
    return status


cdef int ragged_parallel(const fe_measure *table, const fe_measure *measure, const Work *work,
                         const fe_params *params, double *doubles) noexcept nogil:
    """rows_parallel() of ragged rows."""
    cdef Job job
    cdef Scratch scratch
    cdef int status, state
    cdef Py_ssize_t weight = work.columns + work.rows * ROW_COST, window
    if weight * work.itemsize < parallel_bytes:
        memset(&scratch, 0, sizeof(scratch))
        status = ragged_loop(table, measure, work, params, 0, work.rows, work.columns + 1, doubles,
                             &scratch)
        close_scratch(&scratch)
        return status
    start_job(&job, table, measure, work, params, doubles)
    job.limit = max(<Py_ssize_t> (2 * FE_SEGMENT),
                    min(<Py_ssize_t> (LONG_ROW * FE_SEGMENT), work.columns // (2 * threads)))
    status = cut_rows(&job)
    window = min(weight // work.rows, <Py_ssize_t> (FE_SHORT + ROW_COST)) * WINDOW  # of short rows
    job.share = max(<Py_ssize_t> RAGGED_TASK, (weight + TASKS - 1) // TASKS,
                    min(window, weight // (4 * threads)))
    if status >= 0:
        state = run_tasks(ragged_task, &job, weight)
        status = state if state < 0 else state | status
    end_job(&job)
    return status


cdef int some_ragged_rows(Job *job, Py_ssize_t start, Py_ssize_t rows, double *doubles) noexcept nogil:
    """Results of rows start .. start + rows, as doubles, by all threads."""
    cdef Work work = job.work[0]
    cdef View offsets = job.work.offsets[0]
    offsets.data += start * offsets.strides[0]
    offsets.shape[0] = rows + 1
    work.offsets = &offsets
    work.rows = rows
    work.columns = <Py_ssize_t> (offset_at(&offsets, rows) - offset_at(&offsets, 0))
    return ragged_parallel(job.table, job.measure, &work, job.params, doubles)

"""Included by _core.pyx: work cut into tasks for the threads of csrc/threads.c.

a. Rows, and elements, depend on nothing beside them: any cut gives the same bits.
b. One long row is cut into the segments of csrc/fastent.h, which are then joined in their order.
c. Tasks take tens of microseconds each, and number at most TASKS, so that each has a place of its
   own for its status on the stack. Less work than PARALLEL_ENTRIES is not worth waking a thread.
"""

from fastent._kernels cimport fe_enter, fe_leave, fe_mode, fe_parallel, fe_scratch_peak

cdef enum:
    TASKS = 256
    PARALLEL_ENTRIES = 65536  # some 50 microseconds
    TASK_ENTRIES = 16384

cdef int threads = 1


def set_threads(int count):
    """Use this many threads from now on."""
    global threads
    threads = count


def get_threads():
    """Number of threads that a call may use."""
    return threads


def scratch_peak():
    """The most bytes of scratch memory held at once since this was last asked."""
    return fe_scratch_peak()


cdef struct Job:
    const fe_measure *table
    const fe_measure *measure
    const Rows *work
    const fe_params *params
    Py_ssize_t share  # rows, elements or segments a task
    int status[TASKS]
    # elements
    const char **data
    const Py_ssize_t *steps
    const Kind *kinds
    # segments of one row
    double *high
    double *low
    Py_ssize_t row


cdef Py_ssize_t share_of(Py_ssize_t items, Py_ssize_t entries_each, Py_ssize_t multiple) noexcept nogil:
    """How many items a task takes: a multiple, enough to be worth it, so that TASKS will do."""
    cdef Py_ssize_t share = max(TASK_ENTRIES // max(entries_each, <Py_ssize_t> 1),
                                (items + TASKS - 1) // TASKS)
    return (share + multiple - 1) // multiple * multiple


cdef int joined(const Job *job, Py_ssize_t tasks) noexcept nogil:
    cdef Py_ssize_t i
    cdef int status = 0
    for i in range(tasks):
        if job.status[i] < 0:
            return -1
        status |= job.status[i]
    return status


# ---- rows -------------------------------------------------------------------------------------

cdef void rows_task(void *context, size_t index) noexcept nogil:
    cdef Job *job = <Job *> context
    cdef Rows work = job.work[0]
    cdef Py_ssize_t start = index * job.share
    cdef fe_mode mode = fe_enter()
    cdef int i
    for i in range(work.operands):
        work.data[i] = work.data[i] + start * work.outer[i]
    work.out += start * work.out_step
    work.rows = min(job.share, work.rows - start)
    job.status[index] = rows_loop(job.table, job.measure, &work, job.params)
    fe_leave(mode, 0)


cdef void segments_task(void *context, size_t index) noexcept nogil:
    """Sum some segments of one contiguous row, each for itself."""
    cdef Job *job = <Job *> context
    cdef const Rows *work = job.work
    cdef fe_block block
    cdef Py_ssize_t first = index * job.share * FE_SEGMENT, k = index * job.share
    cdef Py_ssize_t end = min(first + job.share * FE_SEGMENT, work.columns)
    cdef Py_ssize_t itemsize = 4 if work.real == FE_F32 else 8
    cdef fe_mode mode = fe_enter()
    cdef double high[16]
    cdef double low[16]
    cdef unsigned status = 0
    cdef int i
    block.rows = 1
    block.row_length = work.columns
    for i in range(work.operands):
        block.stride[i] = 0
        block.step[i] = 0
        block.inverse[i] = NULL
    while first < end:
        block.columns = min(<Py_ssize_t> FE_SEGMENT, end - first)
        for i in range(work.operands):
            block.operand[i] = work.data[i] + job.row * work.outer[i] + first * itemsize
        memset(high, 0, sizeof(high))
        memset(low, 0, sizeof(low))
        status |= job.measure.accumulate[work.real](&block, job.params, high, low)
        job.high[k] = high[0]
        job.low[k] = low[0]
        k += 1
        first += FE_SEGMENT
    job.status[index] = status
    fe_leave(mode, 0)


cdef int long_rows(Job *job) noexcept nogil:
    """Few rows of many segments: every row over all threads."""
    cdef const Rows *work = job.work
    cdef Py_ssize_t segments = (work.columns + FE_SEGMENT - 1) // FE_SEGMENT, k
    cdef Py_ssize_t tasks = (segments + job.share - 1) // job.share
    cdef Py_ssize_t itemsize = 4 if work.real == FE_F32 else 8
    cdef double high[16]
    cdef double low[16]
    cdef double result[16]
    cdef int status = 0
    job.high = <double *> fe_allocate(2 * segments * sizeof(double))
    if job.high == NULL:
        return -1
    job.low = job.high + segments
    for job.row in range(work.rows):
        fe_parallel(segments_task, job, tasks, threads)
        status |= joined(job, tasks)
        memset(high, 0, sizeof(high))
        memset(low, 0, sizeof(low))
        high[0] = job.high[0]
        low[0] = job.low[0]
        for k in range(1, segments):
            fe_combine(high, low, job.high + k, job.low + k, 1)
        job.measure.finish[work.real](high, low, 1, job.params, result)
        memcpy(work.out + job.row * work.out_step, result, itemsize)
    fe_release(job.high, 2 * segments * sizeof(double))
    return status


cdef int rows_parallel(const fe_measure *table, const fe_measure *measure, const Rows *work,
                       const fe_params *params) noexcept nogil:
    """As rows_loop, on all threads where there is enough to do."""
    cdef Job job
    cdef Py_ssize_t itemsize = 4 if work.real == FE_F32 else 8, tasks
    cdef bint contiguous = True
    cdef int i
    if threads < 2 or work.rows * work.columns < PARALLEL_ENTRIES:
        return rows_loop(table, measure, work, params)
    job.table = table
    job.measure = measure
    job.work = work
    job.params = params
    for i in range(work.operands):
        contiguous = contiguous and work.core[i] == itemsize
    if (contiguous and work.rows < 2 * threads and work.columns >= 2 * FE_SEGMENT
            and not params.flags & FE_NORMALIZE):
        job.share = share_of((work.columns + FE_SEGMENT - 1) // FE_SEGMENT, FE_SEGMENT, 1)
        return long_rows(&job)
    job.share = share_of(work.rows, work.columns, 256 if work.columns <= FE_SHORT else 1)
    tasks = (work.rows + job.share - 1) // job.share
    fe_parallel(rows_task, &job, tasks, threads)
    return joined(&job, tasks)


# ---- elements ---------------------------------------------------------------------------------

cdef void map_task(void *context, size_t index) noexcept nogil:
    cdef Job *job = <Job *> context
    cdef const Rows *work = job.work
    cdef const char *data[2]
    cdef Py_ssize_t start = index * job.share
    cdef fe_mode mode = fe_enter()
    cdef int i
    for i in range(work.operands):
        data[i] = job.data[i] + start * job.steps[i]
    job.status[index] = map_loop(job.measure, work.real, min(job.share, work.rows - start), data,
                                 job.steps, job.kinds, work.out + start * work.out_step,
                                 work.out_step, job.params)
    fe_leave(mode, 0)


cdef bint overlap(const char *out, Py_ssize_t out_step, const char *data, Py_ssize_t step,
                  Py_ssize_t count) noexcept nogil:
    """Whether an output shares memory with an operand of other elements.

    NumPy lets a ufunc write behind what it has read, which is right in order alone.
    """
    cdef const char *out_first = out + min(<Py_ssize_t> 0, (count - 1) * out_step)
    cdef const char *out_last = out + max(<Py_ssize_t> 0, (count - 1) * out_step) + 8
    cdef const char *first = data + min(<Py_ssize_t> 0, (count - 1) * step)
    cdef const char *last = data + max(<Py_ssize_t> 0, (count - 1) * step) + 8
    if out == data and out_step == step:
        return False
    return out_first < last and first < out_last


cdef int map_parallel(const fe_measure *measure, int real_type, Py_ssize_t count,
                      const char **data, const Py_ssize_t *steps, const Kind *kinds, char *out,
                      Py_ssize_t out_step, const fe_params *params) noexcept nogil:
    """As map_loop, on all threads where there is enough to do."""
    cdef Job job
    cdef Rows work
    cdef Py_ssize_t tasks
    cdef bint alone = threads < 2 or count < PARALLEL_ENTRIES // 4
    cdef int i
    for i in range(measure.operands):
        alone = alone or overlap(out, out_step, data[i], steps[i], count)
    if alone:
        return map_loop(measure, real_type, count, data, steps, kinds, out, out_step, params)
    work.operands = measure.operands
    work.real = real_type
    work.rows = count
    work.out = out
    work.out_step = out_step
    job.measure = measure
    job.work = &work
    job.params = params
    job.data = data
    job.steps = steps
    job.kinds = kinds
    job.share = share_of(count, 4, MAP_BLOCK)
    tasks = (count + job.share - 1) // job.share
    fe_parallel(map_task, &job, tasks, threads)
    return joined(&job, tasks)

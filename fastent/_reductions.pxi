"""Included by _core.pyx: the sum, the mean and the weighted mean of results that nobody sees.

Results are made a segment (FE_SEGMENT) at a time, as doubles, and added there and then, so nothing
grows with their number. The segments' sums are joined in order: the same bits whatever the threads.
"""

cdef int WEIGHTED_SUM = find_measure(b"weighted_sum")

cdef void sum_segment(Job *job, Py_ssize_t index, const double *values, double *weights) noexcept nogil:
    """Sum the results of one segment, and their weights."""
    cdef Py_ssize_t start = (job.begun + index) * FE_SEGMENT
    cdef fe_block block
    cdef fe_params params
    cdef fe_state state = fe_state_at(&job.states, index), weight = fe_state_at(&job.weight_states, index)
    cdef Work doubles
    memset(&params, 0, sizeof(params))
    memset(&block, 0, sizeof(block))
    block.rows = 1
    block.columns = min(<Py_ssize_t> FE_SEGMENT, job.work.rows - start)
    block.row_length = job.work.rows
    fe_begin(&job.table[SUM], &state, 1)
    if weights == NULL:
        block.operand[0] = values
        job.table[SUM].accumulate[FE_F64](&block, &params, &state)
        return
    start_work(&doubles, 1, FE_F64, block.columns, 1)
    fetch(job.weights, start, block.columns, <char *> weights, &doubles, NULL)
    block.operand[0] = weights
    block.operand[1] = values
    job.table[WEIGHTED_SUM].accumulate[FE_F64](&block, &params, &state)
    fe_begin(&job.table[SUM], &weight, 1)
    job.table[SUM].accumulate[FE_F64](&block, &params, &weight)


cdef void reduce_task(void *context, size_t index, size_t slot) noexcept nogil:
    """Make the results of one segment, and sum them."""
    cdef Job *job = <Job *> context
    cdef Slot *own = &job.slots[slot]
    cdef Py_ssize_t start = (job.begun + <Py_ssize_t> index) * FE_SEGMENT
    cdef Py_ssize_t end = min(start + FE_SEGMENT, job.work.rows), room = FE_SEGMENT * sizeof(double)
    cdef fe_mode mode = fe_enter()
    cdef int status = NO_MEMORY
    if own.values == NULL:
        own.values = <double *> fe_allocate(room)
    if own.weights == NULL and job.weights != NULL:
        own.weights = <double *> fe_allocate(room)
    if own.values != NULL and (own.weights != NULL or job.weights == NULL):
        if job.measure.shape == FE_MAP:
            status = map_loop(job.measure, job.work, job.params, start, end, own.values)
        else:
            status = rows_loop(job.table, job.measure, job.work, job.params, start, end,
                               own.values, &own.scratch)
        sum_segment(job, index, own.values, own.weights)
    job.status[index] = status
    fe_leave(mode, 0)


cdef int reduce_few(Job *job, Py_ssize_t segments) noexcept nogil:
    """Make the results of some segments by all threads, then sum them: too few for a task each."""
    cdef Py_ssize_t start = job.begun * FE_SEGMENT, k
    cdef Py_ssize_t rows = min(segments * FE_SEGMENT, job.work.rows - start)
    cdef Py_ssize_t room = rows * sizeof(double)
    cdef Py_ssize_t weights_room = min(room, <Py_ssize_t> (FE_SEGMENT * sizeof(double)))
    cdef double *values = <double *> fe_allocate(room)
    cdef double *weights = NULL
    cdef int status = NO_MEMORY
    if values != NULL:
        if job.measure.shape == FE_MAP:
            status = map_parallel(job.measure, job.work, job.params, values)
        elif job.work.offsets != NULL:
            status = some_ragged_rows(job, start, rows, values)
        else:
            status = rows_parallel(job.table, job.measure, job.work, job.params, values)
    if status >= 0 and job.weights != NULL:
        weights = <double *> fe_allocate(weights_room)
        if weights == NULL:
            status = NO_MEMORY
    for k in range(segments if status >= 0 else 0):
        sum_segment(job, k, values + k * FE_SEGMENT, weights)
    fe_release(values, room)
    fe_release(weights, weights_room)
    return status


cdef int reduce_results(Job *job, double *sums) noexcept nogil:
    """Sum the results of all rows or elements, times their weights, and the weights: two pairs."""
    cdef OneState sum_memory, weight_memory
    cdef fe_state total = one_state(&sum_memory), weights = one_state(&weight_memory)
    cdef Py_ssize_t segments = segments_of(job.work.rows), part
    cdef int status = 0, state
    fe_begin(&job.table[SUM], &total, 1)
    fe_begin(&job.table[SUM], &weights, 1)
    memset(sums, 0, 4 * sizeof(double))
    job.begun = 0
    job.share = 1
    while job.begun < segments:
        part = min(<Py_ssize_t> TASKS, segments - job.begun)
        if job.work.offsets != NULL:  # segments are of any size, so threads share each
            part = min(part, <Py_ssize_t> threads)
            state = reduce_few(job, part)
        elif segments < min(2 * threads, <int> TASKS):
            state = reduce_few(job, segments)
        else:
            state = run_tasks(reduce_task, job, part)
        if state < 0:
            return state
        status |= state
        join(job, &job.table[SUM], &total, &job.states, part)
        if job.weights != NULL:
            join(job, &job.table[SUM], &weights, &job.weight_states, part)
        job.begun += part
    sums[0] = total.part[FE_HIGH][0]
    sums[1] = total.part[FE_LOW][0]
    sums[2] = weights.part[FE_HIGH][0]
    sums[3] = weights.part[FE_LOW][0]
    return status


cdef double quotient(double high, double low, double other_high, double other_low) noexcept nogil:
    """(high + low) / (other_high + other_low), rounded once but for a hair."""
    cdef double first = high / other_high
    cdef double rest = fma(-first, other_high, high) + (low - first * other_low)
    cdef double whole = first + rest / other_high
    return whole if whole == whole else first  # infinite, or nothing over nothing

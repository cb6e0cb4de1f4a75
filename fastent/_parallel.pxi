"""Included by _core.pyx: work cut into tasks for the threads of csrc/threads.c.

a. Rows, and elements, depend on nothing beside them: any cut gives the same bits.
b. One long row is cut into the segments of csrc/fastent.h, which are then joined in their order.
c. Tasks take tens of microseconds each, and number at most TASKS, so that each has a place of its
   own for its status on the stack. Less work than parallel_bytes is not worth waking a thread.
d. Between two tasks the calling thread looks, every so often, whether a signal waits for Python:
   Ctrl-C ends a long call.
"""

from fastent._kernels cimport (
    FE_SLOTS, FE_SUM_PARTS, fe_enter, fe_leave, fe_mode, fe_parallel, fe_scratch_peak, fe_state_at,
)

cdef enum:
    TASKS = 256
    MAP_COST = 8  # an element with a result of its own, over an entry of a row
    TASK_ENTRIES = 16384
    LONG_ROW = 64  # segments from which a row is cut even if there are many rows
    STOPPED = -2  # by the handler of a signal, whose exception is set

cdef int threads = 1
cdef Py_ssize_t parallel_bytes = 2 << 20  # of the first operand: 100 to 200 microseconds


def set_threads(int count):
    """Use this many threads from now on."""
    global threads
    threads = count


def get_threads():
    """Number of threads that a call may use."""
    return threads


def set_parallel_bytes(Py_ssize_t size):
    """Use threads for calls on operands of this size and more; return what it was (for tests)."""
    global parallel_bytes
    before = parallel_bytes
    parallel_bytes = size
    return before


def scratch_peak():
    """The most bytes of scratch memory held at once since this was last asked."""
    return fe_scratch_peak()


# ---- signals ----------------------------------------------------------------------------------

cdef extern from "Python.h" nogil:
    unsigned long PyThread_get_thread_ident()

cdef extern from "Python.h":
    int PyErr_CheckSignals()
    void *PyErr_Occurred()

cdef unsigned long main_thread = __import__("threading").main_thread().ident


def adopt_main_thread():
    """Make the calling thread the one that looks for signals: after a fork it is the main one."""
    global main_thread
    main_thread = PyThread_get_thread_ident()


cdef int interrupted() noexcept nogil:
    """Run the handlers of signals that came; nonzero if one of them raised.

    Only the main thread does, for only there Python runs them. (At exit other threads must not ask
    for the interpreter either: they would be ended on the spot, the pool still at their work.)
    """
    if PyThread_get_thread_ident() != main_thread:
        return 0
    with gil:
        return PyErr_CheckSignals()


# ---- tasks ------------------------------------------------------------------------------------

# What a thread keeps from task to task of a call.
cdef struct Slot:
    Scratch scratch
    double *values  # a segment of results, and their weights
    double *weights


cdef struct Job:
    const fe_measure *table
    const fe_measure *measure
    const Work *work
    const fe_params *params
    Py_ssize_t share  # rows, elements or segments a task; of ragged rows: entries
    Py_ssize_t limit  # entries from which a ragged row is cut
    int status[TASKS]
    int team  # the most threads, and so slots
    Slot slots[FE_SLOTS]
    double *doubles  # NULL, or where results are put as doubles
    # segments, a task each: of one row, or of results
    Py_ssize_t begun
    fe_state states
    double parts[FE_PARTS][TASKS + 16]
    int first  # operand
    Py_ssize_t row
    double label
    const fe_state *total  # of that row
    const double *inverse[2]
    const View *weights
    fe_state weight_states
    double weight_parts[FE_PARTS][TASKS + 16]


# The state of one row, with the room of a group.
cdef struct OneState:
    double parts[FE_PARTS][16]


cdef fe_state one_state(OneState *memory) noexcept nogil:
    cdef fe_state state
    cdef int k
    memset(memory, 0, sizeof(OneState))
    for k in range(FE_PARTS):
        state.part[k] = memory.parts[k]
    return state


cdef Py_ssize_t share_of(Py_ssize_t items, Py_ssize_t entries_each, Py_ssize_t multiple) noexcept nogil:
    """How many items a task takes: a multiple, enough to be worth it, so that TASKS will do."""
    cdef Py_ssize_t share = max(TASK_ENTRIES // max(entries_each, <Py_ssize_t> 1),
                                (items + TASKS - 1) // TASKS)
    return max(multiple, (share + multiple - 1) // multiple * multiple)


cdef void start_job(Job *job, const fe_measure *table, const fe_measure *measure, const Work *work,
                    const fe_params *params, double *doubles) noexcept nogil:
    cdef int k
    job.table = table
    job.measure = measure
    job.work = work
    job.params = params
    job.doubles = doubles
    job.team = min(threads, <int> FE_SLOTS)
    memset(job.slots, 0, job.team * sizeof(Slot))  # the whole of it would cost microseconds
    memset(job.parts, 0, max(measure.parts, <int> FE_SUM_PARTS) * sizeof(job.parts[0]))
    memset(job.weight_parts, 0, FE_SUM_PARTS * sizeof(job.weight_parts[0]))
    for k in range(FE_PARTS):
        job.states.part[k] = job.parts[k]
        job.weight_states.part[k] = job.weight_parts[k]


cdef void end_job(Job *job) noexcept nogil:
    """Give back what the threads kept."""
    cdef int i
    for i in range(job.team):
        close_scratch(&job.slots[i].scratch)
        fe_release(job.slots[i].values, FE_SEGMENT * sizeof(double))
        fe_release(job.slots[i].weights, FE_SEGMENT * sizeof(double))


cdef Py_ssize_t segments_of(Py_ssize_t entries) noexcept nogil:
    return (entries + FE_SEGMENT - 1) // FE_SEGMENT


cdef int run_tasks(void (*task)(void *, size_t, size_t) noexcept nogil, Job *job, Py_ssize_t items) noexcept nogil:
    """Work on all items, `share` a task; return the joined status."""
    cdef Py_ssize_t tasks = (items + job.share - 1) // job.share, i
    cdef int status = 0
    if fe_parallel(task, job, tasks, job.team, interrupted) != 0:
        return STOPPED
    for i in range(tasks):
        if job.status[i] < 0:
            return job.status[i]
        status |= job.status[i]
    return status


cdef void rows_task(void *context, size_t index, size_t slot) noexcept nogil:
    cdef Job *job = <Job *> context
    cdef Py_ssize_t start = index * job.share, end = min(start + job.share, job.work.rows)
    cdef fe_mode mode = fe_enter()
    job.status[index] = rows_loop(job.table, job.measure, job.work, job.params, start, end,
                                  NULL if job.doubles == NULL else job.doubles + start,
                                  &job.slots[slot].scratch)
    fe_leave(mode, 0)


cdef void map_task(void *context, size_t index, size_t slot) noexcept nogil:
    cdef Job *job = <Job *> context
    cdef Py_ssize_t start = index * job.share, end = min(start + job.share, job.work.rows)
    cdef fe_mode mode = fe_enter()
    job.status[index] = map_loop(job.measure, job.work, job.params, start, end,
                                 NULL if job.doubles == NULL else job.doubles + start)
    fe_leave(mode, 0)


cdef int SUM = find_measure(b"sum")

# ---- one long row -----------------------------------------------------------------------------

cdef void segment_task(void *context, size_t index, size_t slot) noexcept nogil:
    """Sum a segment of one row."""
    cdef Job *job = <Job *> context
    cdef const Work *work = job.work
    cdef Scratch *scratch = &job.slots[slot].scratch
    cdef fe_block block
    cdef Py_ssize_t column = (job.begun + <Py_ssize_t> index) * FE_SEGMENT
    cdef fe_mode mode = fe_enter()
    cdef fe_state state = fe_state_at(&job.states, index)
    cdef double label
    cdef int status = 0, i
    if not scratch.opened:
        status = open_scratch(scratch, job.measure, work, 1, False)
    begin(job.measure, work, job.row, 1, 1, &label, &state)
    if job.measure.ranks:
        pick_targets(job.measure, work, job.row, 1, &label, &state)
    if status == 0:
        block.rows = 1
        block.row_length = work.columns
        block.kept = NULL  # the threads that spread are others
        block.labelled = NULL
        block.column = column
        block.columns = min(<Py_ssize_t> FE_SEGMENT, work.columns - column)
        for i in range(job.measure.operands):
            place(work, scratch, job.first + i, job.row, 1, column, block.columns, False, &block,
                  i)
            if i < 2:
                block.inverse[i] = job.inverse[i]
        status = job.measure.accumulate[work.real](&block, job.params, &state)
    job.status[index] = status
    fe_leave(mode, 0)


cdef void spread_task(void *context, size_t index, size_t slot) noexcept nogil:
    """Make the results of a segment of one row."""
    cdef Job *job = <Job *> context
    cdef Scratch *scratch = &job.slots[slot].scratch
    cdef Py_ssize_t column = <Py_ssize_t> index * job.share * FE_SEGMENT
    cdef Py_ssize_t end = min(column + job.share * FE_SEGMENT, job.work.columns)
    cdef fe_mode mode = fe_enter()
    cdef int status = 0
    if not scratch.opened:
        status = open_scratch(scratch, job.measure, job.work, 1, False)
    while status == 0 and column < end:
        spread_block(job.measure, job.work, scratch, job.params, job.row, 1, column,
                     min(<Py_ssize_t> FE_SEGMENT, end - column), False, job.total)
        column += FE_SEGMENT
    job.status[index] = status
    fe_leave(mode, 0)


cdef void join(const Job *job, const fe_measure *measure, fe_state *total, const fe_state *states,
               Py_ssize_t count) noexcept nogil:
    """Join the states of some segments, in order; the very first is the one to begin with."""
    cdef int real_type = FE_F64 if measure == &job.table[SUM] else job.work.real, part
    cdef Py_ssize_t k
    cdef fe_state more
    if job.begun == 0:
        for part in range(measure.parts):
            total.part[part][0] = states.part[part][0]
    for k in range(1 if job.begun == 0 else 0, count):
        more = fe_state_at(states, k)
        measure.combine[real_type](total, &more, 1, job.params)


cdef int add_long_row(Job *job, fe_state *total) noexcept nogil:
    """Make the state of one row from all its segments."""
    cdef Py_ssize_t segments = segments_of(job.work.columns), part
    cdef int status = 0, state
    begin(job.measure, job.work, job.row, 1, 16, &job.label, total)
    job.begun = 0
    job.share = 1
    while job.begun < segments:
        part = min(<Py_ssize_t> TASKS, segments - job.begun)
        state = run_tasks(segment_task, job, part)
        if state < 0:
            return state
        status |= state
        join(job, job.measure, total, &job.states, part)
        job.begun += part
    pick_targets(job.measure, job.work, job.row, 1, &job.label, total)
    return status


cdef int long_rows(Job *job) noexcept nogil:
    """Few rows of many segments: every row over all threads."""
    cdef const Work *work = job.work
    cdef const fe_measure *measure = job.measure
    cdef OneState memory
    cdef fe_state total = one_state(&memory)
    cdef Scratch *scratch = &job.slots[0].scratch  # this thread's
    cdef double inverses[2][FE_INVERSE]
    cdef int status = 0, state = 0, k
    cdef Py_ssize_t segments = segments_of(work.columns)
    job.total = &total
    job.inverse[0] = job.inverse[1] = NULL
    for job.row in range(work.rows):
        if job.params.flags & FE_NORMALIZE:
            job.measure = &job.table[TOTAL]
            job.inverse[0] = job.inverse[1] = NULL
            for k in range(work.operands):
                job.first = k
                state = add_long_row(job, &total)
                if state < 0:
                    break
                status |= state
                invert(total.part[FE_HIGH], total.part[FE_LOW], 1, inverses[k])
            job.measure = measure
            for k in range(work.operands):
                job.inverse[k] = inverses[k]
        job.first = 0
        if state >= 0:
            state = add_long_row(job, &total)
        if state < 0:
            break
        status |= state
        if not scratch.opened:
            state = open_scratch(scratch, measure, work, 1, False)
            if state < 0:
                break
        finish_rows(measure, work, scratch, job.params, job.row, 1, False, &total, &job.label,
                    NULL if job.doubles == NULL else job.doubles + job.row)
        if work.filled:
            job.share = (segments + TASKS - 1) // TASKS
            state = run_tasks(spread_task, job, segments)
            if state < 0:
                break
    return state if state < 0 else status


cdef Py_ssize_t rows_together(const Work *work) noexcept nogil:
    """How many rows are best left to one thread: a block, or lines of memory that they share."""
    if work.columns <= FE_SHORT:
        return FE_BLOCK_ROWS
    return 1 if distance(work.outer[0]) >= distance(work.core[0]) else FE_BLOCK_ROWS


# ---- doors ------------------------------------------------------------------------------------

cdef int rows_parallel(const fe_measure *table, const fe_measure *measure, const Work *work,
                       const fe_params *params, double *doubles) noexcept nogil:
    """Results of all rows, on all threads where there is enough to do."""
    cdef Job job
    cdef Scratch scratch
    cdef int status
    if work.offsets != NULL:
        return ragged_parallel(table, measure, work, params, doubles)
    if work.rows * work.columns * work.itemsize < parallel_bytes:
        scratch.opened = False
        status = rows_loop(table, measure, work, params, 0, work.rows, doubles, &scratch)
        if scratch.opened:
            close_scratch(&scratch)
        return status
    start_job(&job, table, measure, work, params, doubles)
    if work.columns >= 2 * FE_SEGMENT and (
            work.rows < 2 * threads or work.columns >= LONG_ROW * FE_SEGMENT):
        status = long_rows(&job)
    else:
        job.share = share_of(work.rows, work.columns, rows_together(work))
        status = run_tasks(rows_task, &job, work.rows)
    end_job(&job)
    return status


cdef bint overlap(const Work *work, int k) noexcept nogil:
    """Whether the result shares memory with other elements of an operand.

    NumPy lets a ufunc write behind what it has read, which is right in order alone.
    """
    cdef const View *view = &work.view[k]
    cdef Py_ssize_t steps = work.rows - 1, step = view.strides[0], out_step = work.outer[RESULT]
    cdef const char *out = work.view[RESULT].data
    cdef const char *out_first = out + min(<Py_ssize_t> 0, steps * out_step)
    cdef const char *out_last = out + max(<Py_ssize_t> 0, steps * out_step) + 8
    cdef const char *first = view.data + min(<Py_ssize_t> 0, steps * step)
    cdef const char *last = view.data + max(<Py_ssize_t> 0, steps * step) + 8
    if view.axes > 1 or out == view.data and out_step == step:
        return False
    return out_first < last and first < out_last


cdef int map_parallel(const fe_measure *measure, const Work *work, const fe_params *params,
                      double *doubles) noexcept nogil:
    """Results of all elements, on all threads where there is enough to do."""
    cdef Job job
    cdef bint alone = work.rows * work.itemsize * MAP_COST < parallel_bytes
    cdef int k
    if doubles == NULL and work.fields == NULL:
        for k in range(work.operands):
            alone = alone or overlap(work, k)
    if alone:
        return map_loop(measure, work, params, 0, work.rows, doubles)
    start_job(&job, NULL, measure, work, params, doubles)
    job.share = share_of(work.rows, 4, MAP_BLOCK)
    return run_tasks(map_task, &job, work.rows)

"""Included by _core.pyx: typed loops over blocks of rows and of elements, from memory to the C kernels.

a. Kernels take contiguous entries of one type, or short rows by columns. What lies otherwise is
   fetched block by block (_views.pxi); nothing as large as the input is ever made.
b. A block is at most FE_BLOCK_ROWS rows, so that the sums of its rows live on the stack. A row longer
   than FE_SEGMENT is a block of its own, taken segment by segment and combined in order
   (csrc/fastent.h says why).
c. normalize=True reads a block twice: its sums by the measure `total`, then the measure itself,
   with the inverse sums as pairs. A block is small enough to stay in cache between the two.
"""

from libc.string cimport strcmp
from libc.math cimport INFINITY, NAN, fabs, fma, frexp, ldexp, lrint

from fastent._kernels cimport (
    FE_BLOCK_ROWS, FE_F32, FE_F64, FE_HIGH, FE_INVALID, FE_INVERSE, FE_LARGEST, FE_LOGITS, FE_LOW,
    FE_NORMALIZE, FE_PARTS, FE_RESULTS, FE_SEGMENT, FE_SHORT, FE_TARGET, fe_allocate, fe_begin,
    fe_block, fe_isas, fe_map, fe_measure, fe_measure_count, fe_params, fe_release, fe_state, fe_top,
    fe_top_sort,
)

cdef enum:
    STATES_ROOM = 10 * FE_BLOCK_ROWS  # numbers: fewer rows at a time, if a state has more parts
    LONG_BLOCK = 16384  # entries of a block that is read again
    FETCHED = 8192  # entries that are fetched at a time: near enough to stay in the first cache
    TURNED = 16384  # the same where memory is read by columns, which wants long ones
    MAP_BLOCK = 1024
    NO_MEMORY = -1


cdef int find_measure(const char *name) noexcept nogil:
    cdef int i
    for i in range(fe_measure_count):
        if strcmp(fe_isas[0].measures[i].name, name) == 0:
            return i
    return -1


cdef int TOTAL = find_measure(b"total")
cdef int LOGSUMEXP = find_measure(b"logsumexp")

# ---- rows -------------------------------------------------------------------------------------

cdef struct Scratch:
    bint opened
    void *buffer[FE_OPERANDS]  # NULL: the operand's own memory is used
    void *tile
    void *results  # NULL: entries' results are put where they belong
    fe_top top
    Py_ssize_t room  # bytes of each
    Py_ssize_t rows  # of a block
    bint by_columns  # rows are neighbours in memory, and the kernel takes them so


cdef void close_scratch(Scratch *scratch) noexcept nogil:
    cdef int k
    for k in range(FE_OPERANDS):
        fe_release(scratch.buffer[k], scratch.room)
    fe_release(scratch.tile, scratch.room)
    fe_release(scratch.results, scratch.room)
    fe_release(scratch.top.values, scratch.top.room * sizeof(double))
    fe_release(scratch.top.places, scratch.top.room * sizeof(int64_t))
    memset(scratch, 0, sizeof(Scratch))


cdef int open_scratch(Scratch *scratch, const fe_measure *measure, const Work *work,
                      Py_ssize_t rows, bint normalize) noexcept nogil:
    """Decide what is fetched, and make room for it."""
    cdef Py_ssize_t n = work.columns, size = work.itemsize, entries = FETCHED
    cdef bint packed[FE_OPERANDS]
    cdef bint tile = False, by_columns = False, fetched = False
    cdef bint again = work.filled or measure.results > 1  # the entries are read more than once
    cdef int k
    memset(scratch, 0, sizeof(Scratch))
    scratch.by_columns = (measure.takes_columns > (n > FE_SHORT) and not normalize and n > 1
                          and work.top == NULL and rows >= (2 if n <= FE_SHORT else SHORT_RUN))
    for k in range(work.operands):
        scratch.by_columns = (scratch.by_columns and work.in_place[k] and work.outer[k] == size
                              and work.core[k] > 0 and work.core[k] % size == 0)
        packed[k] = work.in_place[k] and work.core[k] == size
        if n <= FE_SHORT and rows > 1:
            packed[k] = packed[k] and work.outer[k] == n * size
    for k in range(work.operands):
        packed[k] = packed[k] or scratch.by_columns or n == 0
        fetched = fetched or not packed[k]
        if not packed[k] and turned(&work.view[k]):
            by_columns = True
            tile = tile or not gathers(&work.view[k], work)
    if by_columns:
        entries = TURNED
    elif not fetched:
        entries = FE_SEGMENT
    if again:
        entries = min(entries, <Py_ssize_t> LONG_BLOCK)
    scratch.rows = rows_of_states(measure)
    if (fetched or normalize or again) and n > 0:
        scratch.rows = max(<Py_ssize_t> 1, min(scratch.rows, entries // n))
    scratch.opened = True
    scratch.room = min(<Py_ssize_t> FE_SEGMENT, n * min(rows, scratch.rows)) * size
    for k in range(work.operands):
        if not packed[k]:
            scratch.buffer[k] = fe_allocate(scratch.room)
    if tile:
        scratch.tile = fe_allocate(scratch.room)
    if work.filled and work.core[RESULT] != size:
        scratch.results = fe_allocate(scratch.room)
        if scratch.results == NULL:
            close_scratch(scratch)
            return NO_MEMORY
    if work.top != NULL:
        scratch.top.room = work.top.count
        scratch.top.values = <double *> fe_allocate(work.top.count * sizeof(double))
        scratch.top.places = <int64_t *> fe_allocate(work.top.count * sizeof(int64_t))
        if scratch.top.values == NULL or scratch.top.places == NULL:
            close_scratch(scratch)
            return NO_MEMORY
    for k in range(work.operands):
        if not packed[k] and scratch.buffer[k] == NULL:
            close_scratch(scratch)
            return NO_MEMORY
    return 0  # without a tile nothing is turned, which is only slower


cdef void place(const Work *work, const Scratch *scratch, int k, Py_ssize_t start, Py_ssize_t rows,
                Py_ssize_t column, Py_ssize_t columns, bint fetched, fe_block *block, int i) noexcept nogil:
    """Make operand k the i-th of a block: some columns of rows start .. start + rows.

    `fetched` says that the buffer holds them already.
    """
    cdef const View *view = &work.view[k]
    cdef const char *after
    block.step[i] = 0
    block.ahead[i].next = NULL
    if scratch.buffer[k] != NULL:
        block.ahead[i].next = <const char *> scratch.buffer[k]
        block.ahead[i].size = 0
        if not fetched:
            after = fetch(view, start * work.columns + column, rows * columns,
                          <char *> scratch.buffer[k], work, <char *> scratch.tile)
            if not turned(view):
                block.ahead[i].next = after
                block.ahead[i].size = view.strides[view.axes - 1]
        block.operand[i] = scratch.buffer[k]
        block.stride[i] = columns * work.itemsize
        return
    block.operand[i] = row_address(work, k, start) + column * work.core[k]
    block.stride[i] = work.outer[k]
    if scratch.by_columns:
        block.step[i] = work.core[k] // work.itemsize


cdef struct States:
    double memory[STATES_ROOM]


cdef Py_ssize_t room_of_states(const fe_measure *measure) noexcept nogil:
    """How far apart the parts of states are."""
    return STATES_ROOM // max(measure.parts, 10) // 16 * 16


cdef Py_ssize_t rows_of_states(const fe_measure *measure) noexcept nogil:
    """How many rows a block may have."""
    return room_of_states(measure) // 16 * 16


cdef fe_state state_of(States *states, const fe_measure *measure) noexcept nogil:
    cdef fe_state state
    cdef Py_ssize_t room = room_of_states(measure)
    cdef int k
    for k in range(FE_PARTS):
        state.part[k] = states.memory + (k if k < measure.parts else 0) * room
    return state


cdef void begin(const fe_measure *measure, const Work *work, Py_ssize_t start, Py_ssize_t rows,
                Py_ssize_t room, double *labels, const fe_state *state) noexcept nogil:
    """Begin `room` states, those of rows start .. start + rows with what their labels pick."""
    fe_begin(measure, state, room)
    if work.labelled:
        fetch_labels(work, start, rows, labels)
    if measure.picks[measure.operands - 1]:
        pick_targets(measure, work, start, rows, labels, state)


cdef unsigned add_block(const fe_measure *measure, const Work *work, const Scratch *scratch,
                        int first, Py_ssize_t start, Py_ssize_t rows, bint fetched,
                        const double **inverse, const fe_params *params, double *labels,
                        const fe_state *state) noexcept nogil:
    """Make the state of rows start .. start + rows, segment by segment.

    `first` is the first operand; `fetched` says that the buffers hold this block's first segment.
    """
    cdef fe_block block
    cdef States more_states
    cdef fe_state more
    cdef Py_ssize_t n = work.columns, column = 0, room = (rows + 15) // 16 * 16
    cdef unsigned status = 0
    cdef int i
    begin(measure, work, start, rows, room, labels, state)
    block.rows = rows
    block.row_length = n
    while column < n:
        block.column = column
        block.columns = min(<Py_ssize_t> FE_SEGMENT, n - column)
        for i in range(measure.operands):
            place(work, scratch, first + i, start, rows, column, block.columns,
                  fetched and n <= FE_SEGMENT, &block, i)
            if i < 2:
                block.inverse[i] = inverse[i]
        if column == 0:
            status |= measure.accumulate[work.real](&block, params, state)
        else:
            more = state_of(&more_states, measure)
            begin(measure, work, start, rows, room, labels, &more)
            status |= measure.accumulate[work.real](&block, params, &more)
            measure.combine[work.real](state, &more, rows, params)
        column += FE_SEGMENT
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


cdef void put_results(const Work *work, Py_ssize_t start, Py_ssize_t rows,
                      const char *results) noexcept nogil:
    """Copy the results of rows start .. start + rows to where they belong."""
    cdef Py_ssize_t r
    for r in range(rows):
        memcpy(<char *> row_address(work, RESULT, start + r), results + r * work.itemsize,
               work.itemsize)


cdef double read_one(const View *view, const char *data, const Work *work) noexcept nogil:
    """Read one entry as kernels do."""
    cdef double wide
    cdef float narrow
    if work.real == FE_F32:
        view.read(data, work.itemsize, 1, <char *> &narrow)
        return narrow
    view.read(data, work.itemsize, 1, <char *> &wide)
    return wide


cdef void fetch_labels(const Work *work, Py_ssize_t first, Py_ssize_t count,
                       double *labels) noexcept nogil:
    """Fetch the labels of some rows or elements."""
    cdef Work read
    read.real = FE_F64
    read.itemsize = 8
    fetch(&work.labels, first, count, <char *> labels, &read, NULL)


cdef void pick_targets(const fe_measure *measure, const Work *work, Py_ssize_t start,
                       Py_ssize_t rows, const double *labels, const fe_state *state) noexcept nogil:
    """Fetch the entries that the labels of some rows name. Labels are checked before."""
    cdef Py_ssize_t r
    cdef int k
    for k in range(measure.operands):
        if measure.picks[k] == 0:
            continue
        for r in range(rows):
            if not work.labelled or labels[r] == work.ignored:
                state.part[measure.picks[k]][r] = NAN
                continue
            data = row_address(work, k, start + r) + <Py_ssize_t> labels[r] * work.entry[k]
            state.part[measure.picks[k]][r] = read_one(&work.view[k], data, work)


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


cdef void put_fields(const fe_measure *measure, const Work *work, Py_ssize_t start,
                     Py_ssize_t rows, const double *results) noexcept nogil:
    """Copy several results of each row to where they belong."""
    cdef Py_ssize_t r
    cdef int i
    cdef char *to
    for i in range(measure.results):
        to = work.fields[i].data
        if to == NULL:
            continue
        for r in range(rows):
            if work.fields[i].type == cnp.NPY_FLOAT:
                (<float *> to)[start + r] = <float> results[i * FE_BLOCK_ROWS + r]
            elif work.fields[i].type == cnp.NPY_DOUBLE:
                (<double *> to)[start + r] = results[i * FE_BLOCK_ROWS + r]
            elif work.fields[i].type == cnp.NPY_INT64:
                (<int64_t *> to)[start + r] = <int64_t> results[i * FE_BLOCK_ROWS + r]
            else:
                to[start + r] = results[i * FE_BLOCK_ROWS + r] != 0


cdef void top_rows(const Work *work, Scratch *scratch, const fe_params *params, Py_ssize_t start,
                   Py_ssize_t rows, bint fetched, const double *largest, const double *log_sum) noexcept nogil:
    """Make log-probabilities of the largest entries of rows, or of those that were asked for.

    That of an entry x is -((m - x)/T + log S): two terms of one sign.
    """
    cdef Top *top = work.top
    cdef fe_top *kept = &scratch.top
    cdef Work read = work[0]
    cdef fe_block block
    cdef Py_ssize_t r, j, at, column, columns, place_of_one
    cdef double x, log_prob
    read.real = FE_F64
    read.itemsize = 8
    for r in range(rows):
        if top.chosen:
            fetch(&top.given, (start + r) * top.count, top.count, <char *> kept.values, &read, NULL)
        else:
            kept.count = column = 0
            while column < work.columns:
                columns = min(<Py_ssize_t> FE_SEGMENT, work.columns - column)
                if fetched:
                    place(work, scratch, 0, start, rows, 0, columns, True, &block, 0)
                    block.operand[0] = <const char *> block.operand[0] + r * block.stride[0]
                else:
                    place(work, scratch, 0, start + r, 1, column, columns, False, &block, 0)
                fe_isas[chosen].select[work.real](block.operand[0], columns, column, kept)
                column += columns
            fe_top_sort(kept)
        for j in range(top.count):
            at = (start + r) * top.count + j
            if top.chosen:
                place_of_one = <Py_ssize_t> kept.values[j]
                x = read_one(&work.view[0], row_address(work, 0, start + r) + place_of_one * work.entry[0], work)
            else:
                x = kept.values[j]
                top.places[at] = kept.places[j] if log_sum[r] == log_sum[r] else -1
            x = 0 if x == largest[r] else (largest[r] - x) / params.temperature
            x += log_sum[r]
            log_prob = 0 - (fma(x, params.scale_high, x * params.scale_low) if x < INFINITY
                            else x * params.scale_high)  # of a masked class; NaN too
            if work.real == FE_F32:
                (<float *> top.log_probs)[at] = <float> log_prob
            else:
                (<double *> top.log_probs)[at] = log_prob


cdef void finish_rows(const fe_measure *measure, const Work *work, Scratch *scratch,
                      const fe_params *params, Py_ssize_t start, Py_ssize_t rows, bint fetched,
                      const fe_state *state, const double *labels, double *doubles) noexcept nogil:
    """Make results of states; as doubles if somewhere is given to put them."""
    cdef double results[FE_RESULTS][FE_BLOCK_ROWS]
    cdef char *to = <char *> results
    cdef int real_type = work.real
    cdef bint packed = (work.outer[RESULT] == work.itemsize
                        and rows <= work.run - start % work.run)
    if measure.results != 1:
        measure.finish[real_type](state, rows, params, results)
        clear_ignored(work, labels, rows, FE_F64, <char *> results)
        if work.fields != NULL:
            put_fields(measure, work, start, rows, results[0])
        if work.top != NULL:
            top_rows(work, scratch, params, start, rows, fetched, results[1], results[2])
        return
    if doubles != NULL:
        real_type = FE_F64
        to = <char *> doubles
    elif packed:
        to = <char *> row_address(work, RESULT, start)
    measure.finish[real_type](state, rows, params, to)
    clear_ignored(work, labels, rows, real_type, to)
    if doubles == NULL and not packed:
        put_results(work, start, rows, <const char *> results)


cdef void spread_block(const fe_measure *measure, const Work *work, const Scratch *scratch,
                       const fe_params *params, Py_ssize_t start, Py_ssize_t rows,
                       Py_ssize_t column, Py_ssize_t columns, bint fetched,
                       const fe_state *state) noexcept nogil:
    """Make the results of some columns of some rows, from finished states."""
    cdef fe_block block
    cdef fe_state one
    cdef char *to
    cdef const char *row
    cdef Py_ssize_t size = work.itemsize, step = work.core[RESULT], r, j
    place(work, scratch, 0, start, rows, column, columns, fetched, &block, 0)
    block.rows = rows
    block.column = column
    block.columns = columns
    block.row_length = work.columns
    if scratch.results == NULL:  # rows of a block are one run, or one
        to = <char *> row_address(work, RESULT, start) + column * step
        if rows <= work.run - start % work.run:
            measure.spread[work.real](&block, params, state, to, work.outer[RESULT])
            return
        block.rows = 1
        for r in range(rows):
            one = fe_state_at(state, r)
            to = <char *> row_address(work, RESULT, start + r) + column * step
            measure.spread[work.real](&block, params, &one, to, 0)
            block.operand[0] = <const char *> block.operand[0] + block.stride[0]
        return
    measure.spread[work.real](&block, params, state, scratch.results, columns * size)
    if distance(work.outer[RESULT]) < distance(step) and rows <= work.run - start % work.run:
        to = <char *> row_address(work, RESULT, start) + column * step
        for j in range(columns):
            row = <const char *> scratch.results + j * size
            for r in range(rows):
                put_one(to + j * step + r * work.outer[RESULT], row + r * columns * size, size)
        return
    for r in range(rows):
        to = <char *> row_address(work, RESULT, start + r) + column * step
        row = <const char *> scratch.results + r * columns * size
        for j in range(columns):
            put_one(to + j * step, row + j * size, size)


cdef inline void put_one(char *to, const char *value, Py_ssize_t size) noexcept nogil:
    if size == 4:
        (<float *> to)[0] = (<const float *> value)[0]
    else:
        (<double *> to)[0] = (<const double *> value)[0]


cdef int rows_loop(const fe_measure *table, const fe_measure *measure, const Work *work,
                   const fe_params *params, Py_ssize_t start, Py_ssize_t end,
                   double *doubles, Scratch *scratch) noexcept nogil:
    """Results of rows start .. end, as doubles if somewhere is given to put them.

    The scratch space is opened if it is not; the caller closes it. Returns status bits, or
    NO_MEMORY.
    """
    cdef States states
    cdef fe_state state
    cdef double labels[FE_BLOCK_ROWS]
    cdef double inverses[2][FE_INVERSE * FE_BLOCK_ROWS]
    cdef const double *inverse[2]
    cdef const double *none[2]
    cdef Py_ssize_t rows, r, in_run, column
    cdef unsigned status = 0
    cdef int k
    cdef bint normalize = (params.flags & FE_NORMALIZE) != 0
    inverse[0] = inverse[1] = none[0] = none[1] = NULL
    if not scratch.opened and open_scratch(scratch, measure, work, end - start, normalize) != 0:
        return NO_MEMORY
    while start < end:
        rows = min(scratch.rows, end - start)
        in_run = work.run - start % work.run
        if work.in_place[0] or work.in_place[1] or work.in_place[2] or in_run >= rows:
            rows = min(rows, in_run)
        if normalize:
            state = state_of(&states, &table[TOTAL])
            for k in range(work.operands):
                status |= add_block(&table[TOTAL], work, scratch, k, start, rows, False, none,
                                    params, labels, &state)
                invert(state.part[FE_HIGH], state.part[FE_LOW], rows, inverses[k])
                inverse[k] = inverses[k]
        state = state_of(&states, measure)
        status |= add_block(measure, work, scratch, 0, start, rows, normalize, inverse, params,
                            labels, &state)
        if normalize and work.columns == 0:
            for r in range(rows):
                state.part[FE_HIGH][r] = NAN  # no entries, no distribution
        if work.columns == 0 and measure.shape == FE_LOGITS and measure != &table[LOGSUMEXP]:
            for r in range(rows):
                state.part[FE_LARGEST][r] = 0  # as if there were nothing beside one certain class
        finish_rows(measure, work, scratch, params, start, rows, work.columns <= FE_SEGMENT, &state,
                    labels, doubles)
        if doubles != NULL:
            doubles += rows
        column = 0
        while work.filled and column < work.columns:
            spread_block(measure, work, scratch, params, start, rows, column,
                         min(<Py_ssize_t> FE_SEGMENT, work.columns - column),
                         work.columns <= FE_SEGMENT, &state)
            column += FE_SEGMENT
        start += rows
    return status


# ---- elements ---------------------------------------------------------------------------------

cdef void pick(const Work *work, Py_ssize_t first, Py_ssize_t count, char *to) noexcept nogil:
    """Fetch the entry of each row that its label names, of ignored rows 0. Labels are checked before."""
    cdef double labels[MAP_BLOCK]
    cdef Py_ssize_t r
    fetch_labels(work, first, count, labels)
    for r in range(count):
        if labels[r] == work.ignored:
            memset(to + r * work.itemsize, 0, work.itemsize)
            continue
        work.view[0].read(row_address(work, 0, first + r) + <Py_ssize_t> labels[r] * work.entry[0],
                          work.itemsize, 1, to + r * work.itemsize)


cdef void widen(const char *values, Py_ssize_t count, int real_type, double *to) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(count):
        to[i] = (<const float *> values)[i] if real_type == FE_F32 else (<const double *> values)[i]


cdef int map_loop(const fe_measure *measure, const Work *work, const fe_params *params,
                  Py_ssize_t start, Py_ssize_t end, double *doubles) noexcept nogil:
    """Results of elements start .. end; as doubles if somewhere is given to put them."""
    cdef double buffers[ARRAYS][MAP_BLOCK]
    cdef double labels[MAP_BLOCK]
    cdef const void *operand[FE_OPERANDS]
    cdef char *to
    cdef Py_ssize_t size = work.itemsize, block, i, step = work.outer[RESULT]
    cdef unsigned status = 0
    cdef bint in_place[FE_OPERANDS]
    cdef bint direct = doubles == NULL and step == size
    cdef bint ignoring = work.ignored == work.ignored
    cdef char *out = <char *> work.view[RESULT].data
    cdef int k, operands = measure.operands
    for k in range(operands):
        in_place[k] = (work.view[k].native and work.view[k].axes == 1 and not work.picked
                       and work.view[k].strides[0] == size)
        direct = direct and in_place[k]
    while start < end:
        block = end - start if direct and not ignoring else min(<Py_ssize_t> MAP_BLOCK, end - start)
        for k in range(operands):
            if in_place[k]:
                operand[k] = work.view[k].data + start * size
                continue
            operand[k] = buffers[k]
            if work.picked:
                pick(work, start, block, <char *> buffers[k])
            else:
                fetch(&work.view[k], start, block, <char *> buffers[k], work, NULL)
        to = out + start * size if doubles == NULL and step == size else <char *> buffers[RESULT]
        status |= measure.map[work.real](operand, block, params, to)
        if ignoring:
            fetch_labels(work, start, block, labels)
            clear_ignored(work, labels, block, work.real, to)
        if doubles != NULL:
            widen(<const char *> buffers[RESULT], block, work.real, doubles)
            doubles += block
        elif step != size:
            for i in range(block):
                memcpy(out + (start + i) * step, <char *> buffers[RESULT] + i * size, size)
        start += block
    return status

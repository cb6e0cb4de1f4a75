"""Included by _core.pyx: blocks of rows, from memory to the states that the C kernels make of them.

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
    FE_BLOCK_ROWS, FE_F32, FE_F64, FE_HIGH, FE_INVALID, FE_INVERSE, FE_KEPT, FE_KEPT_ROW,
    FE_LARGEST, FE_LOGITS, FE_LOW, FE_NORMALIZE, FE_PAIRS_OF_ELEMENTS, FE_PARTS, FE_PLACE,
    FE_RESULTS, FE_RUNNER_UP, FE_SEGMENT, FE_SHORT, FE_TARGET, fe_ahead, fe_allocate, fe_begin,
    fe_block, fe_isas, fe_map, fe_measure, fe_measure_count, fe_params, fe_release, fe_state,
    fe_stream, fe_top, fe_top_sort,
)

cdef enum:
    STATES_ROOM = 10 * FE_BLOCK_ROWS  # numbers: fewer rows at a time, if a state has more parts
    LONG_BLOCK = 16384  # entries of a block that is read again
    FETCHED = 8192  # entries that are fetched at a time: near enough to stay in the first cache
    TURNED = 16384  # the same where memory is read by columns, which wants long ones
    MAP_BLOCK = 1024
    WINDOW = 2048  # ragged rows
    GATHERED = 4096  # entries of short rows: sixteen of the longest
    STREAMED = 32 << 20  # bytes of results, from which they would not stay in any cache
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

# Ragged rows that are sorted by length, and those of one length side by side.
cdef struct Window:
    int64_t offsets[WINDOW + 1]
    int short_rows[WINDOW]
    int sorted[WINDOW]
    int ends[FE_SHORT + 1]
    double entries[FE_OPERANDS][GATHERED]
    double ones[FE_SHORT]  # a row
    double results[FE_BLOCK_ROWS]

cdef struct Scratch:
    bint opened
    void *buffer[FE_OPERANDS]  # NULL: the operand's own memory is used
    void *tile
    void *kept  # exponentials, from the first read to the second; NULL: they are made again
    Py_ssize_t kept_room
    void *results  # NULL: entries' results are put where they belong; may be where they are kept
    bint streamed  # past the cache from there, entries side by side
    fe_top top
    Py_ssize_t room  # bytes of each
    Py_ssize_t rows  # of a block
    bint by_columns  # rows are neighbours in memory, and the kernel takes them so
    Window *window  # NULL, or of ragged rows
    bint gathered  # rows are a copy
    fe_ahead ahead[FE_OPERANDS]  # of which this comes next


cdef void close_scratch(Scratch *scratch) noexcept nogil:
    cdef int k
    for k in range(FE_OPERANDS):
        fe_release(scratch.buffer[k], scratch.room)
    fe_release(scratch.tile, scratch.room)
    if scratch.results != scratch.kept:
        fe_release(scratch.results, scratch.room)
    fe_release(scratch.kept, scratch.kept_room)
    fe_release(scratch.top.values, scratch.top.room * sizeof(double))
    fe_release(scratch.top.places, scratch.top.room * sizeof(int64_t))
    fe_release(scratch.window, sizeof(Window))
    memset(scratch, 0, sizeof(Scratch))


cdef bint over_operands(const Work *work) noexcept nogil:
    """Whether results take the place of an operand, which the cache holds."""
    cdef int k
    for k in range(work.operands):
        if work.view[k].data == work.view[RESULT].data:
            return True
    return False


cdef Py_ssize_t kept_room(Py_ssize_t n, Py_ssize_t rows, int each) noexcept nogil:
    """How many numbers are kept of some rows: of short ones sixteen at a time."""
    if n <= FE_SHORT:
        return n * ((rows + 15) // 16 * 16) * each
    return rows * <Py_ssize_t> FE_KEPT_ROW(n, each)


cdef int open_scratch(Scratch *scratch, const fe_measure *measure, const Work *work,
                      Py_ssize_t rows, bint normalize) noexcept nogil:
    """Decide what is fetched, and make room for it."""
    cdef Py_ssize_t n = work.columns, size = work.itemsize, entries = FETCHED
    cdef bint packed[FE_OPERANDS]
    cdef bint tile = False, by_columns = False, fetched = False
    cdef bint again = work.filled or work.top != NULL  # the entries are read more than once
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
    scratch.rows = rows_of_block(measure, n, entries if fetched or normalize or again else 0)
    scratch.opened = True
    scratch.room = min(<Py_ssize_t> FE_SEGMENT, n * min(rows, scratch.rows)) * size
    for k in range(work.operands):
        if not packed[k]:
            scratch.buffer[k] = fe_allocate(scratch.room)
    if tile:
        scratch.tile = fe_allocate(scratch.room)
    if work.filled and measure.keeps and n * work.operands * measure.keeps <= FE_KEPT:
        scratch.kept_room = kept_room(n, min(rows, scratch.rows), measure.keeps) * size
        scratch.kept = fe_allocate(scratch.kept_room)
        if scratch.kept == NULL:
            close_scratch(scratch)
            return NO_MEMORY
    scratch.streamed = (scratch.kept != NULL and work.core[RESULT] == size
                        and work.rows * n * size >= STREAMED and not over_operands(work))
    if (work.filled and work.core[RESULT] != size or scratch.streamed
            or scratch.kept != NULL and n <= FE_SHORT and work.leads > 0):
        scratch.results = scratch.kept if scratch.kept != NULL else fe_allocate(scratch.room)
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
        if work.marked and k == 0:
            if not fetched:
                mark_labels(work, start, rows, column, columns, <char *> scratch.buffer[k])
        elif not fetched:
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
    if scratch.gathered:
        block.ahead[i] = scratch.ahead[k]
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


cdef Py_ssize_t rows_of_block(const fe_measure *measure, Py_ssize_t columns,
                              Py_ssize_t entries) noexcept nogil:
    """The same for rows of so many columns, if entries of a block are limited (0: they are not)."""
    cdef Py_ssize_t rows = rows_of_states(measure)
    if entries == 0 or columns == 0:
        return rows
    return max(<Py_ssize_t> 1, min(rows, entries // columns))


cdef fe_state state_of(States *states, const fe_measure *measure) noexcept nogil:
    cdef fe_state state
    cdef Py_ssize_t room = room_of_states(measure)
    cdef int k
    for k in range(FE_PARTS):
        state.part[k] = states.memory + (k if k < measure.parts else 0) * room
    return state


cdef void begin(const fe_measure *measure, const Work *work, Py_ssize_t start, Py_ssize_t rows,
                Py_ssize_t room, double *labels, const fe_state *state) noexcept nogil:
    """Begin `room` states, if they need it, and fetch the labels of rows start .. start + rows."""
    if not (measure.begins and 0 < work.columns <= FE_SHORT):
        fe_begin(measure, state, room)
    if work.labelled:
        fetch_labels(work, start, rows, labels)


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
    cdef const void *labelled[FE_BLOCK_ROWS]
    cdef Py_ssize_t n = work.columns, column = 0, room = (rows + 15) // 16 * 16
    cdef unsigned status = 0
    cdef int i
    begin(measure, work, start, rows, room, labels, state)
    block.labelled = NULL
    if measure.ranks and 0 < n <= FE_SEGMENT and find_labelled(work, start, rows, labels, labelled):
        block.labelled = labelled
    elif measure.ranks:
        pick_targets(measure, work, start, rows, labels, state)
    block.rows = rows
    block.row_length = n
    block.kept = scratch.kept
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
            if measure.ranks:
                pick_targets(measure, work, start, rows, labels, &more)
            status |= measure.accumulate[work.real](&block, params, &more)
            measure.combine[work.real](state, &more, rows, params)
        column += FE_SEGMENT
    if not measure.ranks:  # entries are in the cache by now
        pick_targets(measure, work, start, rows, labels, state)
    return status


cdef void invert(const double *high, const double *low, Py_ssize_t rows,
                 double *inverse) noexcept nogil:
    """What rows of these sums are divided by (FE_INVERSE); 0 or infinity makes its row NaN."""
    cdef Py_ssize_t r
    cdef double scale, total
    cdef int exponent
    for r in range(rows):
        scale = 1
        total = high[r] if 0 < fabs(high[r]) < INFINITY else NAN
        if not 1e-30 < total < 1e30:  # the scale leaves it within 2^-100 .. 2^100
            exponent = 0
            if total == total:
                frexp(total, &exponent)
            scale = ldexp(1.0, -200 * <int> lrint(exponent / 200.0))
        inverse[r] = scale
        inverse[FE_BLOCK_ROWS + r] = total * scale
        inverse[2 * FE_BLOCK_ROWS + r] = low[r] * scale
        inverse[3 * FE_BLOCK_ROWS + r] = 1 / (total * scale)

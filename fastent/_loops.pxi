"""Included by _core.pyx: loops over blocks of rows and of elements."""

# ---- rows -------------------------------------------------------------------------------------

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
    cdef double inverses[2][FE_INVERSE]
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


cdef int pairs_loop(const fe_measure *measure, const Work *work, const fe_params *params,
                    Py_ssize_t start, Py_ssize_t end) noexcept nogil:
    """Both results of elements start .. end, into contiguous arrays."""
    cdef double buffers[FE_OPERANDS][MAP_BLOCK]
    cdef const void *operand[FE_OPERANDS]
    cdef char *to[2]
    cdef Py_ssize_t size = work.itemsize, block
    cdef unsigned status = 0
    cdef int k
    while start < end:
        block = min(<Py_ssize_t> MAP_BLOCK, end - start)
        for k in range(measure.operands):
            if work.view[k].native and work.view[k].axes == 1 and work.view[k].strides[0] == size:
                operand[k] = work.view[k].data + start * size
            else:
                operand[k] = buffers[k]
                fetch(&work.view[k], start, block, <char *> buffers[k], work, NULL)
        for k in range(2):
            to[k] = work.fields[k].data + start * size
        status |= measure.map[work.real](operand, block, params, to)
        start += block
    return status


cdef int map_loop(const fe_measure *measure, const Work *work, const fe_params *params,
                  Py_ssize_t start, Py_ssize_t end, double *doubles) noexcept nogil:
    """Results of elements start .. end; as doubles if somewhere is given to put them."""
    if measure.shape == FE_PAIRS_OF_ELEMENTS:
        return pairs_loop(measure, work, params, start, end)
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

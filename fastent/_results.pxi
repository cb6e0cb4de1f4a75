"""Included by _core.pyx: from finished states of a block of rows to results, where they belong."""


cdef void put_results(const Work *work, Py_ssize_t start, Py_ssize_t rows,
                      const char *results) noexcept nogil:
    """Copy the results of rows start .. start + rows to where they belong."""
    cdef Py_ssize_t r
    for r in range(rows):
        memcpy(<char *> row_address(work, RESULT, start + r), results + r * work.itemsize,
               work.itemsize)


cdef void put_fields(const fe_measure *measure, const Work *work, Py_ssize_t start,
                     Py_ssize_t rows, const double *results) noexcept nogil:
    """Copy several results of each row to where they belong."""
    cdef const double *result = results
    cdef Py_ssize_t r
    cdef int i
    cdef char *to
    for i in range(measure.results):
        to = work.fields[i].data
        if to == NULL:
            pass
        elif work.fields[i].type == cnp.NPY_FLOAT:
            read_of(FE_KIND_F64, False, FE_F32)(result, sizeof(double), rows, <float *> to + start)
        elif work.fields[i].type == cnp.NPY_DOUBLE:
            memcpy(<double *> to + start, result, rows * sizeof(double))
        elif work.fields[i].type == cnp.NPY_INT64:
            for r in range(rows):
                (<int64_t *> to)[start + r] = <int64_t> result[r]
        else:
            for r in range(rows):
                to[start + r] = result[r] != 0
        result += FE_BLOCK_ROWS


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
        if measure.results > 1 and measure.spread[real_type] != NULL:
            begin_gradient(work, start, rows, labels, state)
            if work.fields[0].data == NULL:
                measure.finish[real_type](state, rows, params, NULL)
                return
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
    cdef Py_ssize_t size = work.itemsize, kept_row = FE_KEPT_ROW(work.columns, measure.keeps) * size, r
    cdef int k
    for k in range(measure.operands):
        place(work, scratch, k, start, rows, column, columns, fetched, &block, k)
    block.rows = rows
    block.column = column
    block.columns = columns
    block.row_length = work.columns
    block.kept = scratch.kept
    if scratch.results == NULL:  # rows of a block are one run, or one
        to = <char *> row_address(work, RESULT, start) + column * work.core[RESULT]
        if rows <= work.run - start % work.run:
            measure.spread[work.real](&block, params, state, to, work.outer[RESULT])
            return
        block.rows = 1
        for r in range(rows):
            one = fe_state_at(state, r)
            to = <char *> row_address(work, RESULT, start + r) + column * work.core[RESULT]
            measure.spread[work.real](&block, params, &one, to, 0)
            for k in range(measure.operands):
                block.operand[k] = <const char *> block.operand[k] + block.stride[k]
            if block.kept != NULL:
                block.kept = <char *> block.kept + kept_row
    else:
        measure.spread[work.real](&block, params, state, scratch.results, columns * size)
        put_spread(work, scratch, start, rows, column, columns)


cdef void put_spread(const Work *work, const Scratch *scratch, Py_ssize_t start, Py_ssize_t rows,
                     Py_ssize_t column, Py_ssize_t columns) noexcept nogil:
    """Copy entries' results to where they belong."""
    cdef Py_ssize_t size = work.itemsize, step = work.core[RESULT], outer = work.outer[RESULT], r, j
    cdef const char *results = <const char *> scratch.results
    cdef bint one_run = rows <= work.run - start % work.run
    cdef char *to = <char *> row_address(work, RESULT, start) + column * step
    if scratch.streamed and one_run and outer == columns * size:
        fe_stream(to, results, rows * columns * size)
        return
    if distance(outer) < distance(step) and one_run:
        for j in range(columns):
            for r in range(rows):
                put_one(to + j * step + r * outer, results + (r * columns + j) * size, size)
        return
    for r in range(rows):
        to = <char *> row_address(work, RESULT, start + r) + column * step
        if scratch.streamed:
            fe_stream(to, results + r * columns * size, columns * size)
            continue
        for j in range(columns):
            put_one(to + j * step, results + (r * columns + j) * size, size)


cdef inline void put_one(char *to, const char *value, Py_ssize_t size) noexcept nogil:
    if size == 4:
        (<float *> to)[0] = (<const float *> value)[0]
    else:
        (<double *> to)[0] = (<const double *> value)[0]

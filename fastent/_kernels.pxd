"""The C contract of csrc/fastent.h, as Cython sees it."""

from libc.stdint cimport int64_t

cdef extern from "fastent.h" nogil:
    enum:
        FE_LANES
        FE_LEAF
        FE_SEGMENT
        FE_SHORT
        FE_KEPT
        FE_INVERSE
        FE_INVALID
        FE_NORMALIZE
        FE_BITS
        FE_INDEFINITE
        FE_MAP
        FE_ROWS
        FE_LOGITS
        FE_PAIRS_OF_ELEMENTS
        FE_HIGH
        FE_LOW
        FE_LARGEST
        FE_TARGET
        FE_RUNNER_UP
        FE_PLACE
        FE_OPERANDS
        FE_BLOCK_ROWS
        FE_RESULTS
        FE_PARTS
        FE_SUM_PARTS
        FE_F32
        FE_F64
        FE_KIND_BOOL
        FE_KIND_I8
        FE_KIND_U8
        FE_KIND_I32
        FE_KIND_I64
        FE_KIND_U64
        FE_KIND_BF16
        FE_KIND_F32
        FE_KIND_F64

    size_t FE_KEPT_ROW(size_t, size_t)

    ctypedef struct fe_params:
        double scale_high
        double scale_low
        double log_floor
        double probability_floor
        double temperature
        double smoothing
        unsigned flags
        double order

    ctypedef struct fe_ahead:
        const char *next
        Py_ssize_t size

    ctypedef struct fe_block:
        const void *operand[FE_OPERANDS]
        Py_ssize_t stride[FE_OPERANDS]
        size_t step[FE_OPERANDS]
        size_t rows
        size_t columns
        size_t row_length
        size_t column
        fe_ahead ahead[FE_OPERANDS]
        const double *inverse[2]
        void *kept
        const void *const *labelled

    ctypedef struct fe_state:
        double *part[FE_PARTS]

    ctypedef unsigned (*fe_accumulate)(const fe_block *, const fe_params *, const fe_state *) noexcept
    ctypedef void (*fe_combine)(const fe_state *, const fe_state *, size_t, const fe_params *) noexcept
    ctypedef void (*fe_finish)(const fe_state *, size_t, const fe_params *, void *) noexcept
    ctypedef void (*fe_spread)(const fe_block *, const fe_params *, const fe_state *, void *, Py_ssize_t) noexcept
    ctypedef unsigned (*fe_map)(const void **, size_t, const fe_params *, void *) noexcept

    ctypedef struct fe_measure:
        const char *name
        int shape
        int operands
        int bits
        int takes_columns
        int parts
        int results
        int keeps
        int picks[FE_OPERANDS]
        int begins
        int ranks
        const char *loops
        int identity
        int labelled
        double bound[2]
        fe_map map[2]
        fe_accumulate accumulate[2]
        fe_combine combine[2]
        fe_finish finish[2]
        fe_spread spread[2]

    ctypedef void (*fe_read)(const void *, Py_ssize_t, size_t, void *) noexcept
    ctypedef void (*fe_gather)(const void *, size_t, size_t, size_t, void *) noexcept

    ctypedef struct fe_top:
        double *values
        int64_t *places
        size_t room
        size_t count
    void fe_top_sort(fe_top *) noexcept
    ctypedef void (*fe_select)(const void *, size_t, size_t, fe_top *) noexcept

    ctypedef struct fe_isa:
        const char *name
        const fe_measure *measures
        const fe_gather *gather
        const fe_select *select
        const fe_read *read
        int (*available)() noexcept

    const fe_isa fe_isas[]
    const int fe_isa_count
    const int fe_measure_count

    void fe_begin(const fe_measure *, const fe_state *, size_t) noexcept
    fe_state fe_state_at(const fe_state *, size_t) noexcept

    ctypedef struct fe_mode:
        pass
    fe_mode fe_enter() noexcept
    void fe_leave(fe_mode, unsigned) noexcept

    enum:
        FE_SLOTS
    ctypedef void (*fe_task)(void *, size_t, size_t) noexcept
    ctypedef int (*fe_pause)() noexcept
    int fe_parallel(fe_task, void *, size_t, int, fe_pause) noexcept

    void *fe_allocate(size_t) noexcept
    void fe_release(void *, size_t) noexcept
    size_t fe_scratch_peak() noexcept
    void fe_stream(void *, const void *, size_t) noexcept

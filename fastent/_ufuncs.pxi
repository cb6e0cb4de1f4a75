"""Included by _core.pyx: the ufuncs and gufuncs of the measures."""

# ---- inner loops ------------------------------------------------------------------------------

cdef struct Loop:
    int measure
    int real
    int kinds[FE_OPERANDS]


cdef void rows_ufunc(char **args, const cnp.npy_intp *dimensions, const cnp.npy_intp *steps,
                     void *data) noexcept nogil:
    """Inner loop of "(n)[,(n)],(k)->()"."""
    cdef const Loop *loop = <const Loop *> data
    cdef const fe_measure *measure = &table[loop.measure]
    cdef int operands = measure.operands, i
    cdef fe_params params
    cdef Work work
    cdef fe_mode mode
    cdef int status
    start_work(&work, operands, loop.real, dimensions[0], dimensions[1])
    for i in range(operands):
        set_rows(&work, i, args[i], steps[i], steps[operands + 2 + i])
    set_result(&work, args[operands + 1], steps[operands + 1])
    read_parameters(args[operands], steps[2 * operands + 2], &params)
    mode = fe_enter()
    status = rows_parallel(table, measure, &work, &params, NULL)
    fe_leave(mode, 0 if status < 0 else <unsigned> status)
    if status < 0:
        fail_in_ufunc(status)


cdef bint smoothed(const fe_measure *measure) noexcept nogil:
    """Whether this is a pointwise measure of a target that may be smoothed, a weight and a prediction."""
    return measure.shape == FE_MAP and measure.operands == 3


cdef int scalars_of(const fe_measure *measure) noexcept nogil:
    """How many scalars follow a pointwise measure's operands: scale, floor, perhaps smoothing."""
    return 4 if smoothed(measure) else 3


cdef void map_ufunc(char **args, const cnp.npy_intp *dimensions, const cnp.npy_intp *steps,
                    void *data) noexcept nogil:
    """Inner loop of a pointwise measure and its scalars."""
    cdef const Loop *loop = <const Loop *> data
    cdef const fe_measure *measure = &table[loop.measure]
    cdef int operands = measure.operands, i
    cdef fe_params params
    cdef Work work
    cdef fe_mode mode
    cdef int status
    if dimensions[0] == 0:
        return
    params.scale_high = (<const double *> args[operands])[0]
    params.scale_low = (<const double *> args[operands + 1])[0]
    params.log_floor = (<const double *> args[operands + 2])[0]
    params.flags = 0
    params.temperature = 1
    params.smoothing = (<const double *> args[operands + 3])[0] if smoothed(measure) else 0
    start_work(&work, operands, loop.real, dimensions[0], 1)
    for i in range(operands):
        set_elements(&work, i, args[i], steps[i], loop.kinds[i])
    i = operands + scalars_of(measure)
    set_result(&work, args[i], steps[i])
    mode = fe_enter()
    status = map_parallel(measure, &work, &params, NULL)
    fe_leave(mode, 0 if status < 0 else <unsigned> status)
    if status < 0:
        fail_in_ufunc(status)


cdef extern from "Python.h":
    void PyErr_SetNone(object)


cdef void fail_in_ufunc(int status) noexcept with gil:
    """Leave an exception for NumPy to find after the loop."""
    if status == NO_MEMORY:
        PyErr_SetNone(MemoryError)


# ---- making them ------------------------------------------------------------------------------

# The dtypes that targets are read in, each against float32 and float64 probabilities.
cdef int[8] TARGET_TYPES = [cnp.NPY_FLOAT, cnp.NPY_DOUBLE, cnp.NPY_BOOL, cnp.NPY_BYTE,
                            cnp.NPY_UBYTE, cnp.NPY_INT32, cnp.NPY_INT64, cnp.NPY_UINT64]
cdef int[8] TARGET_KINDS = [FE_KIND_F32, FE_KIND_F64, FE_KIND_BOOL, FE_KIND_I8, FE_KIND_U8,
                            FE_KIND_I32, FE_KIND_I64, FE_KIND_U64]


SIGNATURES = [b"(n),(k)->()", b"(n),(n),(k)->()", b"(n),(n),(n),(k)->()"]


cdef object make_ufunc(int measure):
    """The ufunc or gufunc of a measure. Its tables live as long as the process."""
    cdef const fe_measure *m = &fe_isas[0].measures[measure]
    if m.results != 1 or m.picks[m.operands - 1]:
        return None
    cdef bint targets = m.shape == FE_MAP and m.operands > 1
    cdef int inputs = m.operands + (scalars_of(m) if m.shape == FE_MAP else 1)
    cdef int count = 14 if targets else 2, i = 0, k, real_type, target
    cdef Loop *loops = <Loop *> malloc(count * sizeof(Loop))
    cdef void **data = <void **> malloc(count * sizeof(void *))
    cdef cnp.PyUFuncGenericFunction *functions = <cnp.PyUFuncGenericFunction *> malloc(
        count * sizeof(cnp.PyUFuncGenericFunction))
    cdef char *types = <char *> malloc(count * (inputs + 1))
    if loops == NULL or data == NULL or functions == NULL or types == NULL:
        raise MemoryError
    for real_type in range(2):
        for target in range(8 if targets else 1):
            if targets and target == 1 - real_type:
                continue  # float32 with float64: promoted by NumPy
            loops[i].measure = measure
            loops[i].real = real_type
            for k in range(inputs + 1):
                types[i * (inputs + 1) + k] = cnp.NPY_DOUBLE
            for k in range(m.operands):
                if targets and 0 < k < m.operands - 1:  # a weight, of any dtype: cast to double
                    loops[i].kinds[k] = FE_KIND_F64
                    continue
                loops[i].kinds[k] = TARGET_KINDS[real_type]
                types[i * (inputs + 1) + k] = TARGET_TYPES[real_type]
            types[i * (inputs + 1) + inputs] = TARGET_TYPES[real_type]
            if targets and target > 1:
                loops[i].kinds[0] = TARGET_KINDS[target]
                types[i * (inputs + 1)] = TARGET_TYPES[target]
            data[i] = &loops[i]
            functions[i] = <cnp.PyUFuncGenericFunction> (
                map_ufunc if m.shape == FE_MAP else rows_ufunc)
            i += 1
    if m.shape == FE_MAP:
        return cnp.PyUFunc_FromFuncAndData(functions, data, types, count, inputs, 1,
                                           cnp.PyUFunc_None, m.name, NULL, 0)
    return cnp.PyUFunc_FromFuncAndDataAndSignature(
        functions, data, types, count, inputs, 1, cnp.PyUFunc_None, m.name, NULL, 0,
        SIGNATURES[m.operands - 1])

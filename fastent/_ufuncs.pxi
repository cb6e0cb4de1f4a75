"""Included by _core.pyx: the ufuncs and gufuncs of the measures."""

# ---- inner loops ------------------------------------------------------------------------------

cdef struct Loop:
    int measure
    int real  # or NumPy's number of a dtype that is left to SciPy
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
    void PyErr_SetObject(object, object)


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
    if m.results != 1 or m.picks[m.operands - 1] or m.loops != NULL:
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


# ---- ufuncs of operands alone, as SciPy has them ----------------------------------------------

cdef enum:
    FEW = 32  # elements that are fetched with no more ado


cdef bint feeds(const char *operand, Py_ssize_t step, const char *out, Py_ssize_t out_step,
                Py_ssize_t count, Py_ssize_t size) noexcept nogil:
    """Whether a result may be an element of this operand that is read later: reduce, accumulate."""
    cdef Py_ssize_t last = count - 1, gap = out - operand
    if count < 2:
        return False
    if step == out_step and step != 0:
        return gap % step == 0 and 0 < gap // step < count
    return (gap + min(<Py_ssize_t> 0, last * out_step) < max(<Py_ssize_t> 0, last * step) + size
            and min(<Py_ssize_t> 0, last * step) < gap + max(<Py_ssize_t> 0, last * out_step) + size)


cdef void plain_ufunc(char **args, const cnp.npy_intp *dimensions, const cnp.npy_intp *steps,
                      void *data) noexcept nogil:
    """Inner loop of floats or doubles: small calls with no more ado, large ones on all threads."""
    cdef const Loop *loop = <const Loop *> data
    cdef const fe_measure *measure = &table[loop.measure]
    cdef int operands = measure.operands, k, status = 0
    cdef Py_ssize_t count = dimensions[0], size = 4 if loop.real == FE_F32 else 8, i
    cdef bint contiguous = True, in_turn = False
    cdef double buffers[ARRAYS][FEW]
    cdef fe_params params
    cdef fe_mode mode
    cdef Work work
    for k in range(operands + 1):
        contiguous = contiguous and (steps[k] == size or count == 1)
    for k in range(operands):
        in_turn = in_turn or feeds(args[k], steps[k], args[operands], steps[operands], count, size)
    memset(&params, 0, sizeof(params))
    params.scale_high = params.temperature = 1
    mode = fe_enter()
    if in_turn:
        for i in range(count):
            map_few(measure, loop.real, args, steps, i, 1, &params, buffers)
    elif contiguous and count * size * MAP_COST < parallel_bytes:
        measure.map[loop.real](<const void **> args, count, &params, args[operands])
    elif count <= FEW:
        map_few(measure, loop.real, args, steps, 0, count, &params, buffers)
    else:
        start_work(&work, operands, loop.real, count, 1)
        for k in range(operands):
            set_elements(&work, k, args[k], steps[k], loop.kinds[k])
        set_result(&work, args[operands], steps[operands])
        status = map_parallel(measure, &work, &params, NULL)
    fe_leave(mode, 0)
    if status < 0:
        fail_in_ufunc(status)


cdef void map_few(const fe_measure *measure, int real_type, char **args,
                  const cnp.npy_intp *steps, Py_ssize_t start, Py_ssize_t count,
                  const fe_params *params, double (*buffers)[FEW]) noexcept nogil:
    """Results of a few elements that lie apart."""
    cdef const void *operand[FE_OPERANDS]
    cdef int operands = measure.operands, k
    cdef Py_ssize_t i
    for k in range(operands):
        operand[k] = buffers[k]
        for i in range(count):
            if real_type == FE_F32:
                (<float *> buffers[k])[i] = (<float *> (args[k] + (start + i) * steps[k]))[0]
            else:
                buffers[k][i] = (<double *> (args[k] + (start + i) * steps[k]))[0]
    measure.map[real_type](operand, count, params, buffers[operands])
    for i in range(count):
        if real_type == FE_F32:
            (<float *> (args[operands] + (start + i) * steps[operands]))[0] = (<float *> buffers[operands])[i]
        else:
            (<double *> (args[operands] + (start + i) * steps[operands]))[0] = buffers[operands][i]


cdef void lent_ufunc(char **args, const cnp.npy_intp *dimensions, const cnp.npy_intp *steps,
                     void *data) noexcept nogil:
    """Inner loop of a dtype that is left to SciPy's ufunc."""
    cdef const Loop *loop = <const Loop *> data
    with gil:
        if PyErr_Occurred():
            return  # of the run before
        try:
            call_lender(args, dimensions[0], steps, loop)
        except BaseException as error:
            PyErr_SetObject(type(error), error)


cdef int call_lender(char **args, Py_ssize_t count, const cnp.npy_intp *steps,
                     const Loop *loop) except -1:
    """Call SciPy's ufunc on strided memory; element by element where results are operands."""
    cdef const fe_measure *measure = &fe_isas[0].measures[loop.measure]
    cdef int operands = measure.operands, k
    cdef Py_ssize_t size = cnp.PyArray_DescrFromType(loop.real).itemsize, run = count, start = 0
    cdef cnp.npy_intp step
    lender = lender_of(measure.name.decode(), cnp.PyArray_DescrFromType(loop.real))
    for k in range(operands):
        if feeds(args[k], steps[k], args[operands], steps[operands], count, size):
            run = 1
    while start < count:
        arrays = []
        for k in range(operands + 1):
            step = steps[k]
            arrays.append(cnp.PyArray_New(
                np.ndarray, 1, <cnp.npy_intp *> &run, loop.real, &step, args[k] + start * step,
                size, cnp.NPY_ARRAY_ALIGNED | cnp.NPY_ARRAY_WRITEABLE, None))
        lender(*arrays)
        start += run
    return 0


_lenders = {}


def lender_of(str name, dtype):
    """Return SciPy's own ufunc: by its private name, since the public one may be ours by now."""
    if name not in _lenders:
        try:
            from scipy.special import _ufuncs
            _lenders[name] = getattr(_ufuncs, name)
        except (ImportError, AttributeError):
            raise TypeError(
                f"{name} of {dtype} is left to SciPy, which is not installed: install scipy, or "
                "pass float64 or float32"
            ) from None
    return _lenders[name]


# NumPy's letters of the dtypes of loops.
cdef dict LETTERS = {"f": cnp.NPY_FLOAT, "d": cnp.NPY_DOUBLE, "g": cnp.NPY_LONGDOUBLE,
                     "F": cnp.NPY_CFLOAT, "D": cnp.NPY_CDOUBLE}
cdef list kept_docs = []  # ufuncs hold their addresses


def special_ufunc(str name, str doc):
    """Make the NumPy ufunc of a measure that has one of its operands alone."""
    cdef int measure = find_measure(name.encode()), i, k, real_type
    cdef const fe_measure *m = &fe_isas[0].measures[measure]
    cdef bytes loops_of = m.loops, text = doc.encode()
    cdef int count = len(loops_of), operands = m.operands
    cdef Loop *loops = <Loop *> malloc(count * sizeof(Loop))
    cdef void **data = <void **> malloc(count * sizeof(void *))
    cdef cnp.PyUFuncGenericFunction *functions = <cnp.PyUFuncGenericFunction *> malloc(
        count * sizeof(cnp.PyUFuncGenericFunction))
    cdef char *types = <char *> malloc(count * (operands + 1))
    if loops == NULL or data == NULL or functions == NULL or types == NULL:
        raise MemoryError
    for i, letter in enumerate(loops_of.decode()):
        for k in range(operands + 1):
            types[i * (operands + 1) + k] = LETTERS[letter]
        loops[i].measure = measure
        loops[i].real = LETTERS[letter]
        data[i] = &loops[i]
        functions[i] = <cnp.PyUFuncGenericFunction> lent_ufunc
        if letter in "fd":
            real_type = FE_F32 if letter == "f" else FE_F64
            loops[i].real = real_type
            for k in range(operands):
                loops[i].kinds[k] = TARGET_KINDS[real_type]
            functions[i] = <cnp.PyUFuncGenericFunction> plain_ufunc
    kept_docs.append(text)
    return cnp.PyUFunc_FromFuncAndData(functions, data, types, count, operands, 1, m.identity,
                                       m.name, text, 0)

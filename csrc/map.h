/* map.h - the function of a pointwise measure over contiguous elements; a template by inclusion.
 *
 * The including kernel file defines MEASURE, OPERANDS and, once for each dtype, an element
 * function in double that is right for every input. Elements are independent, so where one stands
 * changes nothing.
 *
 * With NARROW it defines a function in float too, of floats where there is FMA: right inside a
 * range that nearly all inputs are in, it says which lanes are beyond it. Those lanes, and no
 * others of their group, come from the function in double.
 */

/* What stands in for elements behind the end: its results cost no more than others. */
#ifndef PAD
#define PAD 1
#endif
#ifndef NARROW
#define NARROW 0
#endif

/* An element function takes two operands (of one, the same twice), or three. */
#if OPERANDS == 3
#define OPERANDS_BY(load) load(operand[0]), load(operand[1]), load(operand[2])
#else
#define OPERANDS_BY(load) load(operand[0]), load(operand[OPERANDS - 1])
#endif

#if NARROW && REAL == 32 && FE_FMA
#define WHOLE(array) LOAD((const real *)(array) + i)
#define REST(array) LOAD_PARTIAL((const real *)(array) + i, count - i, PAD)
#define PUT(p, results) STORE(p, results)
#define ELEMENT NAME(MEASURE, either)

OUTLINE GROUP NAME(MEASURE, beyond)(GROUP a, GROUP b, GROUP results, MASK beyond,
                                    const fe_params *params, unsigned *status) {
  real lanes[FE_LANES];
  STORE_WIDE(lanes, NAME(MEASURE, element)(WIDEN(a), WIDEN(b), params, status));
  return G(select)(beyond, LOAD(lanes), results);
}

INLINE GROUP NAME(MEASURE, either)(GROUP a, GROUP b, const fe_params *params, unsigned *status) {
  MASK beyond;
  const GROUP results = NAME(MEASURE, narrow)(a, b, &beyond);
  if (!M(any)(beyond)) return results;
  return NAME(MEASURE, beyond)(a, b, results, beyond, params, status);
}
#else
#define WHOLE(array) LOAD_WIDE((const real *)(array) + i)
#define REST(array) LOAD_WIDE_PARTIAL((const real *)(array) + i, count - i, PAD)
#define PUT(p, results) STORE_WIDE(p, results)
#define ELEMENT NAME(MEASURE, element)
#endif

static unsigned NAME(MEASURE, map)(const void *const operand[FE_OPERANDS], size_t count,
                                   const fe_params *params, void *out) {
  real *result = out;
  unsigned status = 0;
  size_t i = 0;
  for (; i + FE_LANES <= count; i += FE_LANES)
    PUT(result + i, ELEMENT(OPERANDS_BY(WHOLE), params, &status));
  if (i < count) {
    real last[FE_LANES];
    PUT(last, ELEMENT(OPERANDS_BY(REST), params, &status));
    memcpy(result + i, last, (count - i) * sizeof(real));
  }
  return status;
}

#undef OPERANDS_BY
#undef ELEMENT
#undef WHOLE
#undef REST
#undef PUT
#undef MEASURE
#undef OPERANDS
#undef PAD
#undef NARROW

/* map.h - the function of a pointwise measure over contiguous elements; a template by inclusion.
 *
 * The including kernel file defines MEASURE, OPERANDS and, once for each dtype, an element
 * function in double that is right for every input. Elements are independent, so where one stands
 * changes nothing.
 */

/* What stands in for elements behind the end: its results cost no more than others. */
#ifndef PAD
#define PAD 1
#endif

/* An element function takes two operands (of one, the same twice), or three. */
#if OPERANDS == 3
#define ELEMENT(load) \
  NAME(MEASURE, element)(load(operand[0]), load(operand[1]), load(operand[2]), params, &status)
#else
#define ELEMENT(load) \
  NAME(MEASURE, element)(load(operand[0]), load(operand[OPERANDS - 1]), params, &status)
#endif
#define WHOLE(array) LOAD_WIDE((const real *)(array) + i)
#define REST(array) LOAD_WIDE_PARTIAL((const real *)(array) + i, count - i, PAD)

static unsigned NAME(MEASURE, map)(const void *const operand[FE_OPERANDS], size_t count,
                                   const fe_params *params, void *out) {
  real *result = out;
  unsigned status = 0;
  size_t i = 0;
  for (; i + FE_LANES <= count; i += FE_LANES) STORE_WIDE(result + i, ELEMENT(WHOLE));
  if (i < count) {
    real last[FE_LANES];
    STORE_WIDE(last, ELEMENT(REST));
    memcpy(result + i, last, (count - i) * sizeof(real));
  }
  return status;
}

#undef ELEMENT
#undef WHOLE
#undef REST
#undef MEASURE
#undef OPERANDS
#undef PAD

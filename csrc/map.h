/* map.h - the function of a pointwise measure over contiguous elements; a template by inclusion.
 *
 * The including kernel file defines MEASURE, OPERANDS and, once for each dtype, an element
 * function in double that is right for every input. Elements are independent, so where one stands
 * changes nothing.
 */

static unsigned NAME(MEASURE, map)(const void *const operand[FE_OPERANDS], size_t count,
                                   const fe_params *params, void *out) {
  const real *x = operand[0], *y = operand[OPERANDS - 1];
  real *result = out;
  unsigned status = 0;
  size_t i = 0;
  for (; i + FE_LANES <= count; i += FE_LANES) {
    const g64 a = LOAD_WIDE(x + i), b = OPERANDS == 1 ? a : LOAD_WIDE(y + i);
    STORE_WIDE(result + i, NAME(MEASURE, element)(a, b, params, &status));
  }
  if (i < count) {
    const g64 a = LOAD_WIDE_PARTIAL(x + i, count - i, 1);
    const g64 b = OPERANDS == 1 ? a : LOAD_WIDE_PARTIAL(y + i, count - i, 1);
    real last[FE_LANES];
    STORE_WIDE(last, NAME(MEASURE, element)(a, b, params, &status));
    memcpy(result + i, last, (count - i) * sizeof(real));
  }
  return status;
}

#undef MEASURE
#undef OPERANDS

/* pairs.h - the function of a pointwise measure with two results an element: `out` holds two
 * addresses; a template by inclusion, otherwise as map.h.
 *
 * An element function returns both, and takes three operands: the second is 1 where there are two.
 */

#if OPERANDS == 3
#define ELEMENT(load) \
  NAME(MEASURE, element)(load(operand[0]), load(operand[1]), load(operand[2]), params, &status)
#else
#define ELEMENT(load) \
  NAME(MEASURE, element)(load(operand[0]), g64_set(1), load(operand[1]), params, &status)
#endif
#define WHOLE(array) LOAD_WIDE((const real *)(array) + i)
#define REST(array) LOAD_WIDE_PARTIAL((const real *)(array) + i, count - i, 1)

static unsigned NAME(MEASURE, map)(const void *const operand[FE_OPERANDS], size_t count,
                                   const fe_params *params, void *out) {
  real *const *result = out;
  unsigned status = 0;
  size_t i = 0;
  for (; i + FE_LANES <= count; i += FE_LANES) {
    const pair64 both = ELEMENT(WHOLE);
    STORE_WIDE(result[0] + i, both.high);
    STORE_WIDE(result[1] + i, both.low);
  }
  if (i < count) {
    const pair64 both = ELEMENT(REST);
    real last[2][FE_LANES];
    STORE_WIDE(last[0], both.high);
    STORE_WIDE(last[1], both.low);
    for (int k = 0; k < 2; k++) memcpy(result[k] + i, last[k], (count - i) * sizeof(real));
  }
  return status;
}

#undef ELEMENT
#undef WHOLE
#undef REST
#undef MEASURE
#undef OPERANDS

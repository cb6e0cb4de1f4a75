/* entr.h - -x log x, one an element: entr of SciPy.
 *
 * Edge cases: 0 at 0, -inf below it and at +inf; NaN gives NaN, all without a status; -0 at 1.
 * The logarithm is a sum of two, so that little more than one rounding is left. Floats are computed
 * in double.
 */

#if REAL == 64
/* Subnormal numbers right, and what is below 0. */
OUTLINE g64 FE_JOIN(entr, careful, f64, FE_ISA)(g64 x) {
  const g64 minus = g64_bits_xor(x, g64_set(-0.0));
  const pair64 log_x = g64_log_sum_of(x, 1);
  const g64 y = g64_times_sum(minus, log_x.high, log_x.low);
  return g64_select(g64_less(x, g64_set(0)), g64_set(-__builtin_inf()), y);
}

/* The logarithm of 0 is finite here, and so is that of +inf. */
INLINE g64 FE_JOIN(entr, element, f64, FE_ISA)(g64 x, g64 q, const fe_params *params,
                                               unsigned *status) {
  (void)q, (void)params, (void)status;
  const g64 minus = g64_bits_xor(x, g64_set(-0.0));
  const m64 below = g64_less(x, g64_set(FE_MIN_NORMAL_F64));
  if (m64_any(below) && m64_any(m64_and(below, m64_not(g64_equal(x, g64_set(0))))))
    return FE_JOIN(entr, careful, f64, FE_ISA)(x);
  const pair64 log_x = g64_log_sum_of(x, 0);
  return g64_times_sum(minus, log_x.high, log_x.low);
}

INLINE g64 FE_JOIN(entr, element, f32, FE_ISA)(g64 x, g64 q, const fe_params *params,
                                               unsigned *status) {
  (void)q, (void)params, (void)status;
  const g64 y = g64_mul(g64_bits_xor(x, g64_set(-0.0)), g64_log(x, 0));
  return g64_select(g64_less(x, g64_set(0)), g64_set(-__builtin_inf()), y);
}
#endif

#define MEASURE entr
#define OPERANDS 1
#include "../map.h"

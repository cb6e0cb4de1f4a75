/* entr.h - -x log x, one an element: entr of SciPy.
 *
 * Edge cases: 0 at 0, -inf below it and at +inf; NaN gives NaN, all without a status; -0 at 1.
 * The logarithm is a sum of two, so that little more than one rounding is left. Floats are computed
 * in float from 2^-60 to 2^100 and at 0: 0.69 ulp, proved over all of them.
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

#if REAL == 32 && FE_FMA
INLINE g32 FE_JOIN(entr, narrow, f32, FE_ISA)(g32 x, g32 y, m32 *beyond) {
  (void)y;
  const m32 least = m32_or(g32_less(g32_set(0x1p-60f), x), g32_equal(x, g32_set(0)));
  *beyond = m32_not(m32_and(least, g32_less(x, g32_set(0x1p100f))));
  const pair32 log_x = g32_log_pair(x); /* finite at 0 */
  const g32 minus = g32_mul(x, g32_set(-1));
  return g32_fma(minus, log_x.high, g32_mul(minus, log_x.low));
}
#endif

#define MEASURE entr
#define OPERANDS 1
#define NARROW 1
#include "../map.h"

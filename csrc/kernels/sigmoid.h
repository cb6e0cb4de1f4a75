/* sigmoid.h - 1/(1 + e^-x), the probability of a logit; one an element.
 *
 * With E = e^-|x| it is 1/(1 + E), or E/(1 + E) for negative x: no digit is lost in either tail.
 * The quotient is corrected by its remainder, so that only e^-|x| and one rounding are off.
 * Edge cases: 0 and 1 at the infinities; NaN gives NaN.
 * Floats are worked on in float up to |x| = 60, with E as a pair: half of a double's operations.
 */

#if REAL == 64
INLINE g64 FE_JOIN(sigmoid, of, f64, FE_ISA)(g64 x, g64 e) {
  const g64 one = g64_set(1), above = g64_select(g64_less(x, g64_set(0)), e, one);
  g64 dropped;
  const g64 below = g64_fast_two_sum(one, e, &dropped), inverse = g64_div(one, below);
  const g64 quotient = g64_mul(above, inverse);
  const g64 remainder = g64_fnma(quotient, dropped, g64_remainder(above, below, quotient));
  return g64_fma(remainder, inverse, quotient);
}

/* |x| of 700 and more, where E may be no normal number, and NaN. */
OUTLINE g64 FE_JOIN(sigmoid, careful, f64, FE_ISA)(g64 x) {
  const g64 minus = g64_min(x, g64_sub(g64_set(0), x));
  return FE_JOIN(sigmoid, of, f64, FE_ISA)(x, g64_exp_pair(minus, g64_set(0)));
}

INLINE g64 FE_JOIN(sigmoid, element, f64, FE_ISA)(g64 x, g64 q, const fe_params *params,
                                                  unsigned *status) {
  (void)q, (void)params, (void)status;
  const g64 minus = g64_min(x, g64_sub(g64_set(0), x));
  if (m64_any(m64_not(g64_less(g64_set(-700), minus))))
    return FE_JOIN(sigmoid, careful, f64, FE_ISA)(x);
  g64 k, residual;
  const pair64 r = g64_exp_reduce(minus, g64_set(0), &k);
  const g64 one_and_r = g64_fast_two_sum(g64_set(1), r.high, &residual);
  const g64 y = g64_add(one_and_r, g64_add(residual, g64_exp_tail(r)));
  return FE_JOIN(sigmoid, of, f64, FE_ISA)(x, g64_mul(y, g64_power_of_two(k)));
}

/* Floats: E is a normal double where the result is neither 0 nor 1. */
INLINE g64 FE_JOIN(sigmoid, element, f32, FE_ISA)(g64 x, g64 q, const fe_params *params,
                                                  unsigned *status) {
  (void)q, (void)params, (void)status;
  const g64 one = g64_set(1), minus = g64_min(x, g64_sub(g64_set(0), x));
  const g64 e = g64_exp_normal(g64_max(minus, g64_set(-110)));
  const g64 above = g64_select(g64_less(x, g64_set(0)), e, one);
  return g64_select(g64_equal(x, x), g64_div(above, g64_add(one, e)), x);
}
#endif

#if REAL == 32 && FE_FMA
INLINE g32 FE_JOIN(sigmoid, narrow, f32, FE_ISA)(g32 x, g32 q, m32 *beyond) {
  (void)q;
  const g32 zero = g32_set(0), one = g32_set(1), minus = g32_min(x, g32_sub(zero, x));
  *beyond = m32_not(g32_less(g32_set(-60), minus));
  const pair32 e = g32_exp_pair(minus);
  const m32 negative = g32_less(x, zero);
  const g32 above = g32_select(negative, e.high, one), more = g32_select(negative, e.low, zero);
  g32 dropped;
  const g32 below = g32_fast_two_sum(one, e.high, &dropped);
  const g32 inverse = g32_div(one, below), quotient = g32_mul(above, inverse);
  const g32 remainder = g32_add(g32_fnma(quotient, below, above), more);
  return g32_fma(g32_fnma(quotient, g32_add(dropped, e.low), remainder), inverse, quotient);
}
#endif

#define MEASURE sigmoid
#define OPERANDS 1
#define NARROW 1
#include "../map.h"

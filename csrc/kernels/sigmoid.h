/* sigmoid.h - 1/(1 + e^-x), the probability of a logit; one an element.
 *
 * With E = e^-|x| it is 1/(1 + E), or E/(1 + E) for negative x: no digit is lost in either tail.
 * The quotient is corrected by its remainder, so that only e^-|x| and one rounding are off.
 * Edge cases: 0 and 1 at the infinities; NaN gives NaN.
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

#define MEASURE sigmoid
#define OPERANDS 1
#include "../map.h"

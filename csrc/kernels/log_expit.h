/* log_expit.h - log(1/(1 + e^-x)), the logarithm of the sigmoid; one an element, as in SciPy.
 *
 *     min(x, 0) - log(1 + E),   E = e^-|x|
 *
 * Neither term is positive, so nothing cancels; above 40 it is -E. With 1 + E = 2^n m and n = 1
 * where E > 1/2, log m is that of a ratio, 2 v + v w R(w) of v = (m - 1)/(m + 1) (vmath.h): E/(2 +
 * E), or (E - 1)/(3 + E).
 *
 * Edge cases: -0 at +inf, -inf at -inf; NaN gives NaN. No status.
 */

#if REAL == 64
/* log(1 + E) of E = e + low. */
INLINE g64 FE_JOIN(log_expit, log1p, f64, FE_ISA)(g64 e, g64 low) {
  g64 dropped, lost;
  const m64 large = g64_less(g64_set(0.5), e);
  const g64 above = g64_select(large, g64_sub(e, g64_set(1)), e);
  const g64 below = g64_fast_two_sum(g64_select(large, g64_set(3), g64_set(2)), e, &dropped);
  const g64 inverse = g64_div(g64_set(1), below), v = g64_mul(above, inverse);
  const g64 remainder = g64_add(g64_remainder(above, below, v), low);
  const g64 v_low = g64_mul(g64_fnma(v, dropped, remainder), inverse);
  const g64 tail = g64_mul(v, g64_ratio_tail(g64_mul(v, v)));
  const g64 whole = g64_select(large, g64_set(FE_LN2_HIGH), g64_set(0));
  const g64 part = g64_select(large, g64_set(FE_LN2_LOW), g64_set(0));
  const g64 high = g64_fast_two_sum(whole, g64_add(v, v), &lost);
  const g64 rest = g64_add(g64_add(lost, part), g64_add(g64_add(v_low, v_low), tail));
  return g64_add(high, rest);
}

/* |x| of 700 and more, infinite and NaN. */
OUTLINE g64 FE_JOIN(log_expit, careful, f64, FE_ISA)(g64 x) {
  const g64 zero = g64_set(0), minus = g64_min(x, g64_sub(zero, x));
  g64 k, low;
  const pair64 y = g64_exp_parts_pair(minus, zero, &k);
  const g64 e = g64_scale_binary(g64_fast_two_sum(y.high, y.low, &low), k);
  const g64 near = FE_JOIN(log_expit, log1p, f64, FE_ISA)(e, g64_scale_binary(low, k));
  const g64 log1p = g64_select(g64_less(minus, g64_set(-700)), e, near);
  return g64_sub(g64_min(g64_set(-0.0), x), log1p);
}

INLINE g64 FE_JOIN(log_expit, element, f64, FE_ISA)(g64 x, g64 q, const fe_params *params,
                                                    unsigned *status) {
  (void)q, (void)params, (void)status;
  const g64 zero = g64_set(0), minus = g64_min(x, g64_sub(zero, x));
  if (m64_any(m64_not(g64_less(g64_set(-700), minus))))
    return FE_JOIN(log_expit, careful, f64, FE_ISA)(x);
  g64 k, residual, low;
  const pair64 r = g64_exp_reduce(minus, zero, &k);
  const g64 one_and_r = g64_fast_two_sum(g64_set(1), r.high, &residual);
  const g64 y = g64_fast_two_sum(one_and_r, g64_add(residual, g64_exp_tail(r)), &low);
  const g64 scale = g64_power_of_two(k);
  const g64 log1p = FE_JOIN(log_expit, log1p, f64, FE_ISA)(g64_mul(y, scale), g64_mul(low, scale));
  return g64_sub(g64_min(g64_set(-0.0), x), log1p);
}

/* Floats: E is a normal double where the result is not 0. */
INLINE g64 FE_JOIN(log_expit, element, f32, FE_ISA)(g64 x, g64 q, const fe_params *params,
                                                    unsigned *status) {
  (void)q, (void)params, (void)status;
  const g64 zero = g64_set(0), minus = g64_min(x, g64_sub(zero, x));
  const g64 e = g64_exp_normal(g64_max(minus, g64_set(-110)));
  const m64 large = g64_less(g64_set(0.5), e);
  const g64 above = g64_select(large, g64_sub(e, g64_set(1)), e);
  const g64 v = g64_div(above, g64_add(e, g64_select(large, g64_set(3), g64_set(2))));
  const g64 factor = g64_add(g64_set(2), g64_ratio_tail(g64_mul(v, v)));
  const g64 whole = g64_select(large, g64_set(FE_LN2), zero);
  return g64_sub(g64_min(g64_set(-0.0), x), g64_fma(v, factor, whole));
}
#endif

#define MEASURE log_expit
#define OPERANDS 1
#include "../map.h"

/* sigmoid.h - 1/(1 + e^-x), the probability of a logit; one an element.
 *
 * With E = e^-|x| it is 1/(1 + E), or E/(1 + E) for negative x: no digit is lost in either tail.
 * The quotient is corrected by its remainder, so that only e^-|x| and one rounding are off.
 * Edge cases: 0 and 1 at the infinities; NaN gives NaN.
 */

INLINE g64 NAME(sigmoid, element)(g64 x, g64 q, const fe_params *params, unsigned *status) {
  (void)q, (void)params, (void)status;
  const g64 zero = g64_set(0), one = g64_set(1);
  const g64 e = g64_exp_pair(g64_min(x, g64_sub(zero, x)), zero);
  const g64 above = g64_select(g64_less(x, zero), e, one);
  g64 dropped, low;
  const g64 below = g64_fast_two_sum(one, e, &dropped), quotient = g64_div(above, below);
  const g64 product = g64_two_product(quotient, below, &low);
  const g64 remainder = g64_fnma(quotient, dropped, g64_sub(g64_sub(above, product), low));
  return g64_add(quotient, g64_div(remainder, below));
}

#define MEASURE sigmoid
#define OPERANDS 1
#include "../map.h"

/* binary_cross_entropy_with_logits_weighted.h - -w z' log s - (1 - z') log(1 - s) of
 * s = 1/(1 + e^-x): the loss of an element whose class 1 has weight w, and whose target z is
 * smoothed to z', see binary_cross_entropy_weighted.h. With A = w z' and B = 1 - z' it is
 *
 *     |x| (x > 0 ? B : A) + (A + B) log(1 + E),   E = e^-|x|
 *
 * and no term is negative. The operands are z, w and x.
 *
 * A, B and their sum are taken times 2^300: with targets and logits of any double, no product that
 * counts is rounded to a subnormal before the end (but for w z' < 2^-1269 beside |x| > 2^190).
 *
 * Edge cases: an infinite x is certainty: 0 where the target agrees (A or B is 0), else +inf; z
 *   outside [0, 1] and w outside [0, 2^127] give NaN and set FE_INVALID; NaN in any gives NaN.
 * With w = 1 and e = 0 an element has the bits of binary_cross_entropy_with_logits, unless E below
 *   2^-960 stands beside |x| z of that size.
 */

#define UP 0x1p300

INLINE g64 NAME(binary_cross_entropy_with_logits_weighted,
                element)(g64 z, g64 w, g64 x, const fe_params *params, unsigned *status) {
  const g64 zero = g64_set(0), one = g64_set(1), down = g64_set(1 / UP);
  const m64 beyond = m64_or(g64_less(z, zero), g64_less(one, z));
  const m64 outside = m64_or(beyond, FE_JOIN(outside, weights, f64, FE_ISA)(w));
  if (m64_any(outside)) *status |= FE_INVALID;
  const g64 allowed = g64_select(outside, g64_set(__builtin_nan("")), w);
  pair64 a, b, both, product;
  FE_JOIN(binary, weights, f64, FE_ISA)(z, allowed, UP, params, &a, &b);
  both.high = g64_two_sum(a.high, b.high, &both.low);
  both.low = g64_add(both.low, g64_add(a.low, b.low));
  const g64 chosen = g64_select(g64_less(zero, x), g64_add(b.high, b.low), g64_add(a.high, a.low));
  const m64 nothing = m64_and(g64_equal(chosen, zero), g64_equal(x, x));
  const g64 minus = g64_min(x, g64_sub(zero, x));
  const g64 size = g64_select(nothing, zero, g64_sub(zero, minus));

  /* log(1 + E) of E with what rounding took from it; where multiplying rounds nothing (A + B is a
   * power of two, as it is 1 without weight) as binary_cross_entropy_with_logits has it */
  g64 k, lost, more, rest, e_low;
  const pair64 y = g64_exp_parts_pair(minus, zero, &k);
  const g64 y_rounded = g64_fast_two_sum(y.high, y.low, &e_low);
  const g64 e = g64_scale_binary(y_rounded, k);
  pair64 curve = g64_log1p_pair(e, g64_scale_binary(e_low, k));
  const g64 digits = g64_bits_and(both.high, g64_bits(MANTISSA_F64));
  const m64 power = m64_and(g64_equal(digits, zero), g64_equal(both.low, zero));
  curve.high = g64_fast_two_sum(curve.high, curve.low, &curve.low);
  curve.high = g64_select(power, g64_log1p(e), curve.high);
  curve.low = g64_select(power, zero, curve.low);
  const g64 linear = g64_two_product(chosen, size, &lost);
  g64 curved = g64_two_product(both.high, curve.high, &more);
  more = g64_fma(both.low, curve.high, g64_fma(both.high, curve.low, more));
  /* E that is subnormal, or all there is, is not rounded before the end */
  product.high = g64_two_product(both.high, y.high, &product.low);
  product.low = g64_fma(both.high, y.low, g64_fma(both.low, y.high, product.low));
  const m64 alone = m64_and(g64_equal(linear, zero), g64_less(e, g64_set(0x1p-60)));
  const m64 apart = m64_or(alone, g64_less(e, g64_set(0x1p-960)));
  curved = g64_select(apart, g64_scale_binary(product.high, k), curved);
  more = g64_select(apart, g64_scale_binary(product.low, k), more);
  const g64 sum = g64_two_sum(linear, curved, &rest);
  rest = g64_add(g64_add(rest, lost), more); /* of infinite numbers there is none */
  rest = g64_select(g64_equal(g64_sub(rest, rest), zero), rest, zero);
  const g64 exact = g64_mul(g64_scale_sum((pair64){sum, rest}, params), down);
  const m64 in_reach = g64_less(sum, g64_set(0x1p990)); /* beyond it E is 0 */
  const g64 far = g64_mul(g64_mul(chosen, g64_mul(size, down)), g64_set(params->scale_high));
  return g64_select(g64_equal(both.high, both.high), g64_select(in_reach, exact, far), both.high);
}

#undef UP

#define MEASURE binary_cross_entropy_with_logits_weighted
#define OPERANDS 3
#include "../map.h"

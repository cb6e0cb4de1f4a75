/* binary_cross_entropy_weighted.h - -w z' max(log x, floor) - (1 - z') max(log(1 - x), floor): the
 * loss of an element whose class 1 has weight w, and whose target z is smoothed by e:
 *
 *     z' = z (1 - e) + e/2,   1 - z' = (1 - z) (1 - e) + e/2
 *
 * All terms are positive, so nothing cancels. The operands are z, w and x.
 *
 * Edge cases: a weight of 0 (w z' = 0, or z' = 1) contributes 0 whatever its logarithm, and w z'
 *   below 2^-1194 is 0; z or x outside [0, 1] and w outside [0, 2^127] give NaN and set FE_INVALID;
 *   NaN in any gives NaN.
 * With w = 1 and e = 0 an element has the bits of binary_cross_entropy.
 */

#if REAL == 64
#define LARGEST_CLASS_WEIGHT 0x1p127 /* a float32, and far from overflow beside WEIGHT_SCALE */

INLINE m64 FE_JOIN(outside, weights, f64, FE_ISA)(g64 w) {
  return m64_or(g64_less(w, g64_set(0)), g64_less(g64_set(LARGEST_CLASS_WEIGHT), w));
}

/* up (z (1 - e) + e/2) as a pair, whose high part is the nearest double. */
INLINE pair64 FE_JOIN(smoothed, target, f64, FE_ISA)(pair64 z, double up, const fe_params *params) {
  double kept_low, half = 0.5 * params->smoothing * up;
  const double kept = fe_two_sum(1, -params->smoothing, &kept_low);
  const g64 high = g64_mul(z.high, g64_set(up)), low = g64_mul(z.low, g64_set(up));
  g64 lost, dropped;
  const g64 product = g64_two_product(high, g64_set(kept), &lost);
  const g64 sum = g64_two_sum(product, g64_set(half), &dropped);
  lost = g64_fma(high, g64_set(kept_low), g64_fma(low, g64_set(kept), lost));
  pair64 result;
  result.high = g64_fast_two_sum(sum, g64_add(dropped, lost), &result.low);
  return result;
}

/* up w z' and up (1 - z') as pairs. */
INLINE void FE_JOIN(binary, weights, f64, FE_ISA)(g64 z, g64 w, double up, const fe_params *params,
                                                  pair64 *of_one, pair64 *of_zero) {
  pair64 rest;
  rest.high = g64_two_sum(g64_set(1), g64_sub(g64_set(0), z), &rest.low);
  *of_zero = FE_JOIN(smoothed, target, f64, FE_ISA)(rest, up, params);
  const pair64 smoothed =
      FE_JOIN(smoothed, target, f64, FE_ISA)((pair64){z, g64_set(0)}, up, params);
  of_one->high = g64_two_product(w, smoothed.high, &of_one->low);
  of_one->low = g64_fma(w, smoothed.low, of_one->low);
}

INLINE g64 FE_JOIN(binary_cross_entropy_weighted, element, f64,
                   FE_ISA)(g64 z, g64 w, g64 x, const fe_params *params, unsigned *status) {
  const m64 outside =
      m64_or(FE_JOIN(outside, unit, f64, FE_ISA)(z, x), FE_JOIN(outside, weights, f64, FE_ISA)(w));
  if (m64_any(outside)) *status |= FE_INVALID;
  pair64 of_one, of_zero;
  FE_JOIN(binary, weights, f64, FE_ISA)(z, w, WEIGHT_SCALE, params, &of_one, &of_zero);
  return FE_JOIN(weighed, logarithms, f64, FE_ISA)(of_one, of_zero, 1, x, outside, params);
}

/* Of float32 input, in double: half an ulp of a float, nearly always. */
INLINE g64 FE_JOIN(binary_cross_entropy_weighted, element, f32,
                   FE_ISA)(g64 z, g64 w, g64 x, const fe_params *params, unsigned *status) {
  const m64 outside =
      m64_or(FE_JOIN(outside, unit, f64, FE_ISA)(z, x), FE_JOIN(outside, weights, f64, FE_ISA)(w));
  if (m64_any(outside)) *status |= FE_INVALID;
  const g64 one = g64_set(1), kept = g64_set(1 - params->smoothing);
  const g64 half = g64_set(0.5 * params->smoothing);
  const g64 of_one = g64_mul(w, g64_fma(z, kept, half));
  const g64 of_zero = g64_fma(g64_sub(one, z), kept, half);
  sum64 sum = {g64_set(0), g64_set(0)};
  FE_JOIN(subtract, logarithms, f64, FE_ISA)(&sum, of_one, of_zero, one, x, outside, params);
  return g64_mul(sum.sum, g64_set(params->scale_high));
}
#endif

#define MEASURE binary_cross_entropy_weighted
#define OPERANDS 3
#include "../map.h"

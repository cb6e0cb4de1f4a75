/* rel_entr.h - x log(x/y), and kl_div: x log(x/y) - x + y; one an element, as in SciPy.
 *
 * The logarithm is that of the ratio, 2 v + v w R(w) + k log 2 (vmath.h), so x/y neither overflows
 * nor loses the digits of a ratio near 1; kl_div is phi of kl_divergence.h, never negative.
 *
 * Edge cases of rel_entr: 0 where x = 0 and y >= 0; +inf at x = inf, -inf at y = inf, NaN where
 * both are; of kl_div: y where x = 0 and y >= 0; NaN where x or y is inf and the other positive. Of
 *   both: +inf where y = 0 < x, and below 0; NaN in either gives NaN. No status.
 * Numbers beyond 2^-900 and 2^900 are brought near 1 by powers of two, which the logarithm adds.
 */

#if REAL == 64
#define NEAR_1 0x1p-900, 0x1p900

/* Whether x and y are in range. NaN in y is not; that in x comes out in the product. */
INLINE m64 FE_JOIN(rel_entr, inside, f64, FE_ISA)(g64 x, g64 y, double least, double most) {
  return m64_and(g64_less(g64_set(least), g64_min(x, y)), g64_less(g64_max(x, y), g64_set(most)));
}

/* A positive number within 2^-900 and 2^900, and the exponent of what it was divided by. */
INLINE g64 FE_JOIN(rel_entr, scaled, f64, FE_ISA)(g64 x, g64 *exponent) {
  const g64 zero = g64_set(0), one = g64_set(1);
  const m64 tiny = g64_less(x, g64_set(0x1p-900)), huge = g64_less(g64_set(0x1p900), x);
  const g64 by = g64_select(tiny, g64_set(0x1p200), g64_select(huge, g64_set(0x1p-200), one));
  *exponent = g64_select(tiny, g64_set(-200), g64_select(huge, g64_set(200), zero));
  return g64_mul(x, by);
}

/* The results that are no sum: x = 0, and what is 0, infinite, negative or NaN. */
INLINE g64 FE_JOIN(rel_entr, limits, f64, FE_ISA)(g64 x, g64 y, g64 result, g64 at_zero,
                                                  g64 at_infinite_y) {
  const g64 zero = g64_set(0), infinity = g64_set(__builtin_inf()),
            nan = g64_set(__builtin_nan(""));
  const m64 positive = m64_and(g64_less(zero, x), g64_less(zero, y));
  result = g64_select(positive, result, infinity);
  result = g64_select(m64_and(positive, g64_equal(y, infinity)), at_infinite_y, result);
  const m64 no_x = m64_and(g64_equal(x, zero), m64_not(g64_less(y, zero)));
  result = g64_select(no_x, at_zero, result);
  return g64_select(m64_and(g64_equal(x, x), g64_equal(y, y)), result, nan);
}

OUTLINE g64 FE_JOIN(rel_entr, careful, f64, FE_ISA)(g64 x, g64 y) {
  const g64 one = g64_set(1), infinity = g64_set(__builtin_inf());
  const m64 finite = FE_JOIN(rel_entr, inside, f64, FE_ISA)(x, y, 0, __builtin_inf());
  g64 k_x, k_y;
  const g64 p = FE_JOIN(rel_entr, scaled, f64, FE_ISA)(g64_select(finite, x, one), &k_x);
  const g64 q = FE_JOIN(rel_entr, scaled, f64, FE_ISA)(g64_select(finite, y, one), &k_y);
  const pair64 log_ratio = g64_log_ratio_sum(p, q, g64_sub(k_x, k_y));
  g64 result = g64_times_sum(x, log_ratio.high, log_ratio.low);
  result = g64_select(finite, result, infinity);
  const g64 at_infinite_y = g64_sub(x, infinity); /* NaN at x = inf, else -inf */
  return FE_JOIN(rel_entr, limits, f64, FE_ISA)(x, y, result, g64_set(0), at_infinite_y);
}

INLINE g64 FE_JOIN(rel_entr, element, f64, FE_ISA)(g64 x, g64 y, const fe_params *params,
                                                   unsigned *status) {
  (void)params, (void)status;
  const m64 inside = FE_JOIN(rel_entr, inside, f64, FE_ISA)(x, y, NEAR_1);
  if (m64_any(m64_not(inside))) return FE_JOIN(rel_entr, careful, f64, FE_ISA)(x, y);
  const pair64 log_ratio = g64_log_ratio_sum(x, y, g64_set(0));
  return g64_times_sum(x, log_ratio.high, log_ratio.low);
}

/* Floats, of which all that are positive are in range. */
INLINE g64 FE_JOIN(rel_entr, fast, f32, FE_ISA)(g64 x, g64 y) {
  g64 k;
  const g64 scaled = g64_ratio_split(x, y, &k);
  const g64 v = g64_div(g64_sub(scaled, y), g64_add(scaled, y));
  const g64 factor = g64_add(g64_set(2), g64_ratio_tail(g64_mul(v, v)));
  return g64_mul(x, g64_fma(v, factor, g64_mul(k, g64_set(FE_LN2))));
}

OUTLINE g64 FE_JOIN(rel_entr, careful, f32, FE_ISA)(g64 x, g64 y) {
  const g64 one = g64_set(1), infinity = g64_set(__builtin_inf());
  const m64 finite = FE_JOIN(rel_entr, inside, f64, FE_ISA)(x, y, 0, __builtin_inf());
  g64 result =
      FE_JOIN(rel_entr, fast, f32, FE_ISA)(g64_select(finite, x, one), g64_select(finite, y, one));
  result = g64_select(finite, result, infinity);
  return FE_JOIN(rel_entr, limits, f64, FE_ISA)(x, y, result, g64_set(0), g64_sub(x, infinity));
}

INLINE g64 FE_JOIN(rel_entr, element, f32, FE_ISA)(g64 x, g64 y, const fe_params *params,
                                                   unsigned *status) {
  (void)params, (void)status;
  const m64 inside = FE_JOIN(rel_entr, inside, f64, FE_ISA)(x, y, NEAR_1);
  if (m64_any(m64_not(inside))) return FE_JOIN(rel_entr, careful, f32, FE_ISA)(x, y);
  return FE_JOIN(rel_entr, fast, f32, FE_ISA)(x, y);
}

/* ---- kl_div ------------------------------------------------------------------------------------
 */

/* x and y times a power of two that brings the larger of them near 1, and its inverse: phi is
 * scaled with them. Where the smaller is still tiny, the logarithm of the ratio is that of x and y.
 */
OUTLINE g64 FE_JOIN(kl_div, careful, f64, FE_ISA)(g64 x, g64 y) {
  const g64 one = g64_set(1), nan = g64_set(__builtin_nan(""));
  const m64 finite = FE_JOIN(rel_entr, inside, f64, FE_ISA)(x, y, 0, __builtin_inf());
  const g64 a = g64_select(finite, x, one), b = g64_select(finite, y, one), larger = g64_max(a, b);
  const m64 huge = g64_less(g64_set(0x1p900), larger), tiny = g64_less(larger, g64_set(0x1p-500));
  const g64 up = g64_select(tiny, g64_set(0x1p600), g64_select(huge, g64_set(0x1p-200), one));
  const g64 down = g64_select(tiny, g64_set(0x1p-600), g64_select(huge, g64_set(0x1p200), one));
  const g64 p = g64_mul(a, up), q = g64_mul(b, up);
  const g64 near = FE_JOIN(kl_divergence, fast, f64, FE_ISA)(p, q, g64_sub(p, q), 0);
  g64 k_a, k_b;
  const g64 scaled_a = FE_JOIN(rel_entr, scaled, f64, FE_ISA)(a, &k_a);
  const g64 scaled_b = FE_JOIN(rel_entr, scaled, f64, FE_ISA)(b, &k_b);
  const pair64 log_ratio = g64_log_ratio_sum(scaled_a, scaled_b, g64_sub(k_a, k_b));
  const g64 far = g64_fma(p, g64_add(log_ratio.high, log_ratio.low), g64_sub(q, p));
  const m64 apart = g64_less(g64_min(p, q), g64_set(0x1p-900));
  const g64 result = g64_mul(g64_select(apart, far, near), down);
  return FE_JOIN(rel_entr, limits, f64, FE_ISA)(x, y, g64_select(finite, result, nan), y, nan);
}

INLINE g64 FE_JOIN(kl_div, element, f64, FE_ISA)(g64 x, g64 y, const fe_params *params,
                                                 unsigned *status) {
  (void)params, (void)status;
  const m64 inside = FE_JOIN(rel_entr, inside, f64, FE_ISA)(x, y, NEAR_1);
  if (m64_any(m64_not(inside))) return FE_JOIN(kl_div, careful, f64, FE_ISA)(x, y);
  return FE_JOIN(kl_divergence, fast, f64, FE_ISA)(x, y, g64_sub(x, y), 0);
}

INLINE g64 FE_JOIN(kl_div, element, f32, FE_ISA)(g64 x, g64 y, const fe_params *params,
                                                 unsigned *status) {
  return FE_JOIN(kl_div, element, f64, FE_ISA)(x, y, params, status);
}
#undef NEAR_1
#endif

#if REAL == 32 && FE_FMA
/* In the terms of kl_divergence.h, with what p - q drops: where p log(p/q) cancels most of p - q,
 * a sum of terms has to keep its digits. From 2^-60 up phi, of which 2^-48 is what neighbours have,
 * is a normal number. */
INLINE g32 FE_JOIN(kl_div, narrow, f32, FE_ISA)(g32 p, g32 q, m32 *beyond) {
  const m32 inside = m32_and(g32_less(g32_set(0x1p-60f), g32_min(p, q)),
                             g32_less(g32_max(p, q), g32_set(0x1p100f)));
  *beyond = m32_not(m32_and(inside, g32_equal(p, p)));
  g32 k, dropped;
  const g32 scaled = g32_ratio_split(p, q, &k), above = g32_sub(scaled, q); /* exact */
  const g32 v = g32_div(above, g32_add(scaled, q));
  const g32 tail = g32_mul(v, g32_ratio_tail_long(g32_mul(v, v)));
  const g32 near = g32_fma(p, tail, g32_mul(above, v));
  const g32 diff = g32_two_difference(p, q, &dropped);
  const g32 whole = g32_fms(p, g32_mul(k, g32_set((float)FE_LN2_HIGH_F32)), diff);
  const g32 rest = g32_add(g32_add(v, v), g32_fma(k, g32_set((float)FE_LN2_LOW_F32), tail));
  const g32 far = g32_fma(p, rest, g32_sub(whole, dropped));
  return g32_select(g32_equal(k, g32_set(0)), near, far);
}
#endif

#define MEASURE rel_entr
#define OPERANDS 2
#include "../map.h"

#define MEASURE kl_div
#define OPERANDS 2
#define NARROW 1
#include "../map.h"

/* total_variation_distance.h - sum_j |p_j - q_j| / 2, two distributions a row.
 *
 * Edge cases: a negative p or q makes the row NaN and sets FE_INVALID; NaN in either makes it NaN.
 * Accumulation: terms >= 0 with the residual of the sum. There is no logarithm, so nothing but a
 *   negative entry is special.
 */

#if REAL == 64
INLINE void CAREFUL_NAME(total_variation_distance)(sum64 *sum, const entry64 *entry,
                                                   const fe_params *params, unsigned *status) {
  (void)params;
  const g64 zero = g64_set(0), half = g64_mul(entry->scale, g64_set(0.5));
  const m64 negative = m64_or(g64_less(entry->p.high, zero), g64_less(entry->q.high, zero));
  if (m64_any(negative)) *status |= FE_INVALID;
  const g64 distance = g64_max(g64_sub(zero, entry->difference.high), entry->difference.high);
  sum64_add(sum, g64_select(negative, g64_set(__builtin_nan("")), g64_mul(distance, half)));
}
#endif

INLINE GROUP NAME(total_variation_distance, factor)(GROUP p, GROUP q, const fe_params *params,
                                                    int variant) {
  (void)params, (void)variant;
  const GROUP difference = G(sub)(p, q);
  return G(mul)(G(max)(G(sub)(q, p), difference), G(set)(0.5));
}

INLINE void NAME(total_variation_distance, watch)(WATCH *watch, GROUP p, GROUP q) {
  W(signs)(watch, G(bits_or)(p, q));
}

INLINE MASK NAME(total_variation_distance, special)(GROUP p, GROUP q, const fe_params *params) {
  (void)params;
  return M(or)(G(less)(p, G(set)(0)), G(less)(q, G(set)(0)));
}

#define MEASURE total_variation_distance
#define OPERANDS 2
#define FAST 1
#define WEIGHTED 0
#define SMALL_TERMS 1 /* the half of a subnormal number loses its last bit */
#define VARIANT(params, p, q, count) 0
#define WATCH_LIMIT(params) MIN_NORMAL
#define LEAST_SHARE __builtin_inf() /* in double every share's last digit counts */
#include "../reduce.h"

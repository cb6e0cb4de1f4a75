/* cross_entropy.h - CE(p, q) = -sum_j p_j max(log q_j, log_floor), two distributions a row.
 *
 * Edge cases: p = 0 contributes 0, also where q = 0; p > 0 = q costs p * -log_floor (+inf without
 *   a floor); a negative p or q makes the row NaN and sets FE_INVALID; NaN in either makes it NaN,
 *   also where p = 0; an empty row is 0.
 * Accumulation: p * log q with the residual of product and sum, as entropy.
 */

#if REAL == 64
INLINE void CAREFUL_NAME(cross_entropy)(sum64 *sum, const entry64 *entry, const fe_params *params,
                                        unsigned *status) {
  const pair64 p = entry->p, q = entry->q;
  const g64 zero = g64_set(0), nan = g64_set(__builtin_nan(""));
  const unsigned bits = params->flags & FE_BITS;
  const m64 negative = m64_or(g64_less(p.high, zero), g64_less(q.high, zero));
  if (m64_any(negative)) *status |= FE_INVALID;
  const double unit = bits ? FE_INVERSE_LN2 : 1;
  g64 log_q = g64_fma(q.low, g64_set(unit), g64_log_full(q.high, bits));
  log_q = g64_max(g64_set(params->log_floor * unit), log_q); /* NaN passes */
  const m64 nothing = m64_and(g64_equal(p.high, zero), g64_equal(q.high, q.high));
  log_q = g64_select(nothing, zero, log_q);
  sum64_subtract_product(sum, g64_mul(p.high, entry->scale), g64_select(negative, nan, log_q));
}
#endif

INLINE GROUP NAME(cross_entropy, factor)(GROUP p, GROUP q, const fe_params *params, int bits) {
  (void)p;
  const double floor = params->log_floor * (bits ? FE_INVERSE_LN2 : 1);
  return G(max)(G(log)(q, bits), G(set)((compute)floor));
}

INLINE void NAME(cross_entropy, watch)(WATCH *watch, GROUP p, GROUP q) {
  W(minimum)(watch, q);
  W(signs)(watch, p);
  W(poison)(watch, q);
}

INLINE MASK NAME(cross_entropy, special)(GROUP p, GROUP q, const fe_params *params) {
  (void)params;
  const GROUP zero = G(set)(0);
  const MASK finite = G(less)(q, G(set)((compute)__builtin_inf())); /* and no NaN */
  const MASK weightless = M(and)(G(equal)(p, zero), M(not)(G(less)(q, zero)));
  const MASK normal = M(not)(G(less)(q, G(set)(MIN_NORMAL)));
  return M(or)(M(not)(M(and)(finite, M(or)(normal, weightless))), G(less)(p, zero));
}

#define MEASURE cross_entropy
#define OPERANDS 2
#define FAST 1
#define WEIGHTED 1
#define HEAD_START 128 /* above the default floor of 100 */
#define VARIANT(params, p, q, count) (((params)->flags & FE_BITS) != 0)
#define WATCH_LIMIT(params) MIN_NORMAL
#define LEAST_SHARE 0x1p-7 /* as entropy */
#include "../reduce.h"

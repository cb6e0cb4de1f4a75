/* hellinger_distance.h - sqrt(sum_j (sqrt p_j - sqrt q_j)^2 / 2), two distributions a row.
 *
 *     (sqrt p - sqrt q)^2 = (p - q)^2/(p + q + 2 sqrt(p q))
 *
 * keeps its digits where p and q are close, and has fewer roundings than the quotient by sqrt p +
 * sqrt q: that was up to 2.3 ulp of a float. p q is made in a unit, so that it is normal; entries
 * above 1 are left to the careful form, which has no such product.
 *
 * Edge cases: 0 in both contributes 0. A negative p or q makes the row NaN and sets FE_INVALID; NaN
 *   in either makes it NaN.
 * Accumulation: terms >= 0 with the residual of the sum, whose root is taken at the end.
 */

#if REAL == 64
INLINE void CAREFUL_NAME(hellinger_distance)(sum64 *sum, const entry64 *entry,
                                             const fe_params *params, unsigned *status) {
  (void)params;
  const g64 zero = g64_set(0), p = entry->p.high, q = entry->q.high;
  const m64 negative = m64_or(g64_less(p, zero), g64_less(q, zero));
  if (m64_any(negative)) *status |= FE_INVALID;
  const g64 roots = g64_max(g64_add(g64_sqrt(p), g64_sqrt(q)), g64_set(FE_MIN_NORMAL_F64));
  const g64 apart = g64_div(entry->difference, roots);
  const g64 half = g64_mul(entry->scale, g64_set(0.5));
  const g64 term = g64_mul(apart, g64_mul(apart, half));
  sum64_add(sum, g64_select(negative, g64_set(__builtin_nan("")), term));
}
#endif

INLINE GROUP NAME(hellinger_distance, factor)(GROUP p, GROUP q, const fe_params *params,
                                              int variant) {
  (void)params, (void)variant;
  const GROUP unit = G(set)(0x1p50), half = G(set)(0.5), difference = G(sub)(p, q);
  const GROUP root = G(sqrt)(G(mul)(G(mul)(p, unit), G(mul)(q, unit)));
  const GROUP sum = G(fma)(root, G(set)(0x1p-49), G(add)(p, q));              /* 2 sqrt(p q) */
  const GROUP quotient = G(div)(difference, G(max)(sum, G(set)(MIN_NORMAL))); /* 0/0 is 0 */
  return G(mul)(G(mul)(difference, half), quotient);
}

INLINE void NAME(hellinger_distance, watch)(WATCH *watch, GROUP p, GROUP q) {
  W(signs)(watch, G(bits_or)(p, q));
  W(maximum)(watch, p);
  W(maximum)(watch, q);
}

INLINE MASK NAME(hellinger_distance, special)(GROUP p, GROUP q, const fe_params *params) {
  (void)params;
  const GROUP zero = G(set)(0), one = G(set)(1);
  const MASK negative = M(or)(G(less)(p, zero), G(less)(q, zero));
  return M(or)(negative, M(or)(G(less)(one, p), G(less)(one, q)));
}

#define MEASURE hellinger_distance
#define OPERANDS 2
#define FAST 1
#define WEIGHTED 0
#define SQUARES 1
#define VARIANT(params, p, q, count) 0
#define WATCH_LIMIT(params) MIN_NORMAL
#define LEAST_SHARE __builtin_inf() /* in double every share's last digit counts */
#include "../reduce.h"

/* hellinger_distance.h - sqrt(sum_j (sqrt p_j - sqrt q_j)^2 / 2), two distributions a row.
 *
 *     (sqrt p - sqrt q)^2 = (p - q)^2/(p + q + 2 sqrt(p q))
 *
 * keeps its digits where p and q are close. With d + l = |p - q|, d rounded, and Q = d/S + r/S the
 * quotient by the rounded S, r its remainder,
 *
 *     (d + l)^2/S = d Q + Q (r + 2 l) + ...
 *
 * is rounded once but for S, whose p + q and sqrt(p q) have half the weight: with the root at the
 * end at most 1.7 ulp, where the plain quotient's term was up to 2.3 ulp of a float. p q is made in
 * a unit, so that it is normal for all normal p and q; entries above 1 are left to the careful
 * form, which has no such product.
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
  /* entries above 1 are made smaller, so that neither p + q nor the remainder overflows */
  const m64 large = m64_or(g64_less(g64_set(1), p), g64_less(g64_set(1), q));
  const g64 down = g64_select(large, g64_set(0x1p-64), g64_set(1));
  const g64 up = g64_select(large, g64_set(0x1p63), g64_set(0.5)); /* and by half */
  const g64 a = g64_mul(p, down), b = g64_mul(q, down);
  const g64 d = g64_mul(entry->difference.high, down), l = g64_mul(entry->difference.low, down);
  const g64 roots = g64_mul(g64_sqrt(a), g64_sqrt(b));
  g64 beyond;
  const g64 parts = g64_two_sum(g64_add(a, b), g64_add(roots, roots), &beyond);
  const g64 divisor = g64_max(parts, g64_set(FE_MIN_NORMAL_F64)); /* 0/0 is 0 */
  const g64 quotient = g64_div(d, divisor);
  g64 remainder = g64_sub(g64_remainder(d, divisor, quotient), g64_mul(quotient, beyond));
  remainder = g64_add(remainder, g64_add(l, l));
  const g64 weighed = g64_mul(quotient, g64_mul(up, entry->scale));
  const g64 term = g64_fma(d, weighed, g64_mul(weighed, remainder));
  sum64_add(sum, g64_select(negative, g64_set(__builtin_nan("")), term));
}
#endif

#define ROOT_UNIT (REAL == 32 ? 0x1p63 : 0x1p511) /* squared, still below the largest number */

INLINE GROUP NAME(hellinger_distance, factor)(GROUP p, GROUP q, const fe_params *params,
                                              int variant) {
  (void)params, (void)variant;
  const GROUP unit = G(set)(ROOT_UNIT), two = G(set)(2), half = G(set)(0.5);
  const GROUP larger = G(max)(p, q), smaller = G(min)(p, q);
  const GROUP difference = G(sub)(larger, smaller);
  const GROUP lost = G(sub)(G(sub)(larger, difference), smaller); /* by the difference: exact */
  const GROUP entries = G(add)(p, q), doubled = G(set)(2 / ROOT_UNIT);
  const GROUP root = G(sqrt)(G(mul)(G(mul)(p, unit), G(mul)(q, unit)));
  const GROUP sum = G(fma)(root, doubled, entries);
  const GROUP beyond = G(fma)(root, doubled, G(sub)(entries, sum)); /* what the sum lost */
  const GROUP quotient = G(div)(difference, G(max)(sum, G(set)(MIN_NORMAL))); /* 0/0 is 0 */
  const GROUP remainder = G(fnma)(quotient, beyond, G(fnma)(quotient, sum, difference));
  const GROUP halved = G(mul)(quotient, half);
  return G(fma)(difference, halved, G(mul)(halved, G(fma)(two, lost, remainder)));
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

#undef ROOT_UNIT

#define MEASURE hellinger_distance
#define OPERANDS 2
#define FAST 1
#define WEIGHTED 0
#define SMALL_TERMS 1
#define VARIANT(params, p, q, count) 0
#define WATCH_LIMIT(params) MIN_NORMAL
#define LEAST_SHARE __builtin_inf() /* in double every share's last digit counts */
#include "../reduce.h"

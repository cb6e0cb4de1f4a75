/* js_divergence.h - JS(p, q) = (KL(p || m) + KL(q || m))/2 with m = (p + q)/2, of rows p and q.
 *
 *     = sum_j (phi(p_j, m_j) + phi(q_j, m_j))/2          phi of kl_divergence.h
 *
 * since the terms p - m and q - m of phi cancel. m is rounded; p - m = (p - q)/2 is not, and phi's
 * two have their minimum in m together, so that a rounding e of it changes their sum by e^2 m.
 *
 * Edge cases: an entry that is 0 in both contributes 0, in one of them log(2)/2 of the other. A
 *   negative p or q makes the row NaN and sets FE_INVALID; NaN in either makes it NaN.
 * Accumulation: terms >= 0 with the residual of the sum.
 */

#if REAL == 64
INLINE void CAREFUL_NAME(js_divergence)(sum64 *sum, const entry64 *entry, const fe_params *params,
                                        unsigned *status) {
  const g64 half = g64_set(0.5), zero = g64_set(0);
  const fe_params no_floor = {.probability_floor = 0, .flags = params->flags};
  pair64 middle, judged;
  g64 rest;
  middle.high = g64_mul(g64_two_sum(entry->p.high, entry->q.high, &rest), half);
  middle.low = g64_mul(g64_add(rest, g64_add(entry->p.low, entry->q.low)), half);
  const g64 apart = g64_mul(entry->difference.high, half), scale = g64_mul(entry->scale, half);
  const entry64 of_p = {entry->p, middle, {apart, zero}, scale};
  const entry64 of_q = {entry->q, middle, {g64_sub(zero, apart), zero}, scale};
  const g64 one = FE_JOIN(kl_divergence, phi, f64, FE_ISA)(&of_p, &judged, &no_floor, status);
  const g64 other = FE_JOIN(kl_divergence, phi, f64, FE_ISA)(&of_q, &judged, &no_floor, status);
  sum64_add(sum, g64_add(one, other));
}
#endif

INLINE GROUP NAME(js_divergence, factor)(GROUP p, GROUP q, const fe_params *params, int variant) {
  (void)params, (void)variant;
  const GROUP half = G(set)(0.5), middle = G(mul)(G(add)(p, q), half);
  const GROUP apart = G(mul)(G(sub)(p, q), half), back = G(mul)(G(sub)(q, p), half);
  const GROUP sum = G(add)(NAME(kl_divergence, fast)(p, middle, apart, 1),
                           NAME(kl_divergence, fast)(q, middle, back, 1));
  return G(mul)(sum, half);
}

INLINE void NAME(js_divergence, watch)(WATCH *watch, GROUP p, GROUP q) {
  W(minimum)(watch, p);
  W(minimum)(watch, q);
  W(poison)(watch, G(add)(p, q));
}

/* Where an entry is 0 the fast form is right; it wants m normal, and what is halved, and finite. */
INLINE MASK NAME(js_divergence, special)(GROUP p, GROUP q, const fe_params *params) {
  (void)params;
  const GROUP zero = G(set)(0), least = G(set)(4 * MIN_NORMAL);
  const MASK p_bad = M(and)(G(less)(p, least), M(not)(G(equal)(p, zero)));
  const MASK q_bad = M(and)(G(less)(q, least), M(not)(G(equal)(q, zero)));
  const MASK finite = G(less)(G(add)(p, q), G(set)((compute)__builtin_inf()));
  return M(or)(M(or)(p_bad, q_bad), M(not)(finite));
}

#define MEASURE js_divergence
#define OPERANDS 2
#define FAST 1
#define WEIGHTED 0
#define SMALL_TERMS 1
#define VARIANT(params, p, q, count) 0
#define WATCH_LIMIT(params) (4 * MIN_NORMAL)
#define LEAST_SHARE 0x1p-6 /* d times sum p |log(p/m)| + q |log(q/m)|, over two: 3e-15 there */
#include "../reduce.h"

/* jeffreys_divergence.h - KL(p || q) + KL(q || p) = sum_j (p_j - q_j) log(p_j/q_j), two
 * distributions a row; and the population stability index, which is that of shares with something
 * added to each.
 *
 * With v and R as in kl_divergence.h, log(p/q) = k log 2 + 2v + v w R(w), of the sign of p - q.
 *
 * Edge cases: where p or q is below the floor, phi(p, q) + phi(q, p) of kl_divergence.h, each with
 *   what it judges clamped. 0 in both contributes 0. A negative p or q makes the row NaN and sets
 *   FE_INVALID; NaN in either makes it NaN. The index has no floor: without an addition, a share of
 *   0 beside another makes it infinite.
 * Accumulation: terms >= 0 with the residual of the sum.
 */

#if REAL == 64
INLINE void CAREFUL_NAME(jeffreys_divergence)(sum64 *sum, const entry64 *entry,
                                              const fe_params *params, unsigned *status) {
  pair64 judged;
  const pair64 difference = {g64_sub(g64_set(0), entry->difference.high), g64_set(0)};
  const entry64 back = {entry->q, entry->p, difference, entry->scale};
  const g64 one = FE_JOIN(kl_divergence, phi, f64, FE_ISA)(entry, &judged, params, status);
  const g64 other = FE_JOIN(kl_divergence, phi, f64, FE_ISA)(&back, &judged, params, status);
  sum64_add(sum, g64_add(one, other));
}

/* The sum of both is exact, and so is the difference, which it leaves as it was. */
INLINE void CAREFUL_NAME(population_stability_index)(sum64 *sum, const entry64 *entry,
                                                     const fe_params *params, unsigned *status) {
  const fe_params no_floor = {.probability_floor = 0, .flags = params->flags};
  const g64 zero = g64_set(0), added = g64_set(params->order);
  const m64 negative = m64_or(g64_less(entry->p.high, zero), g64_less(entry->q.high, zero));
  entry64 raised = *entry;
  g64 rest;
  raised.p.high = g64_two_sum(entry->p.high, added, &rest);
  raised.p.low = g64_add(rest, entry->p.low);
  raised.q.high = g64_two_sum(entry->q.high, added, &rest);
  raised.q.low = g64_add(rest, entry->q.low);
  raised.p.high = g64_select(negative, g64_set(-1), raised.p.high);
  CAREFUL_NAME(jeffreys_divergence)(sum, &raised, &no_floor, status);
}
#endif

INLINE GROUP NAME(jeffreys_divergence, factor)(GROUP p, GROUP q, const fe_params *params,
                                               int variant) {
  (void)params, (void)variant;
  GROUP k;
  const GROUP scaled = G(ratio_split)(p, q, &k);
  /* the maximum turns 0/0 into 0 */
  const GROUP v = G(div)(G(sub)(scaled, q), G(max)(G(add)(scaled, q), G(set)(MIN_NORMAL)));
  const GROUP log = G(fma)(v, G(ratio_tail)(G(mul)(v, v)), G(add)(v, v));
  return G(mul)(G(sub)(p, q), G(fma)(k, G(set)((compute)FE_LN2), log));
}

INLINE void NAME(jeffreys_divergence, watch)(WATCH *watch, GROUP p, GROUP q) {
  W(minimum)(watch, p);
  W(minimum)(watch, q);
  W(poison)(watch, G(add)(p, q));
}

/* What is scaled to a little less than q has to be normal. */
#define JEFFREYS_LIMIT(params) \
  ((params)->probability_floor > 2 * MIN_NORMAL ? (params)->probability_floor : 2 * MIN_NORMAL)

INLINE MASK NAME(jeffreys_divergence, special)(GROUP p, GROUP q, const fe_params *params) {
  const GROUP zero = G(set)(0), least = G(set)((compute)JEFFREYS_LIMIT(params));
  const MASK both = M(and)(G(equal)(p, zero), G(equal)(q, zero));
  const MASK low = M(and)(M(or)(G(less)(p, least), G(less)(q, least)), M(not)(both));
  return M(or)(low, M(not)(G(less)(G(add)(p, q), G(set)((compute)__builtin_inf()))));
}

#define MEASURE jeffreys_divergence
#define OPERANDS 2
#define FAST 1
#define WEIGHTED 0
#define SMALL_TERMS 1
#define VARIANT(params, p, q, count) 0
#define WATCH_LIMIT JEFFREYS_LIMIT
#define LEAST_SHARE 0x1p-4 /* d times sum (p + q) |log(p/q)| + 2 |p - q|: 5e-15 of it there */
#include "../reduce.h"
#undef JEFFREYS_LIMIT

#define MEASURE population_stability_index
#define OPERANDS 2
#define FAST 0
#define QUICK jeffreys_divergence
#define ADDED(params) (params)->order
#define LEAST_SHARE 0x1p-4
#include "../reduce.h"

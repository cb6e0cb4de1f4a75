/* kl_divergence.h - KL(p || q) = sum_j phi(p_j, q_j),  phi(p, q) = p log(p/q) - p + q >= 0.
 *
 * For rows that sum to 1 this is the textbook sum p log(p/q); near equality it keeps its digits
 * where that sum is noise. With v = (p - q)/(p + q), w = v^2 and R as in vmath.h,
 *
 *     phi = (p - q) v + p v w R(w)                                     p near q
 *     phi = 2 p' ... = 2 p v - (p - q) + p (v w R(w) + k log 2)        p = 2^k p', v of p' and q
 *
 * (Loader's binomial deviance is the same idea). p near q is k = 0, and k log 2 vanishes there, so
 * one selection joins the two.
 *
 * Edge cases: phi = q where p = 0; +inf where the judged q is 0 < p. The judged q is q where
 *   log q >= log_floor, else max(q, min(p, e^log_floor)). A negative p or q makes the row NaN and
 *   sets FE_INVALID; NaN in either makes it NaN.
 * Accumulation: terms >= 0 with the residual of the sum.
 */

#if REAL == 64
/* phi times the entry's scale, and the judged q. */
HEAVY g64 FE_JOIN(kl_divergence, phi, f64, FE_ISA)(const entry64 *entry, pair64 *judged,
                                                   const fe_params *params, unsigned *status) {
  const g64 zero = g64_set(0), floor = g64_set(params->probability_floor);
  const pair64 p = entry->p;
  pair64 q = entry->q;
  const m64 negative = m64_or(g64_less(p.high, zero), g64_less(q.high, zero));
  if (m64_any(negative)) *status |= FE_INVALID;
  const m64 clamped = g64_less(q.high, floor);
  q.high = g64_select(clamped, g64_max(q.high, g64_min(p.high, floor)), q.high);
  q.low = g64_select(clamped, g64_select(g64_equal(q.high, p.high), p.low, zero), q.low);
  *judged = q;
  const g64 raised = g64_add(g64_sub(p.high, q.high), g64_sub(p.low, q.low));
  const g64 difference = g64_select(clamped, raised, entry->difference.high);
  /* phi(c p, c q) = c phi(p, q): out of the subnormal numbers, and back. */
  const g64 small = g64_set(0x1p-900), one = g64_set(1);
  const m64 tiny = m64_or(g64_less(p.high, small), g64_less(q.high, small));
  const g64 up = g64_select(tiny, g64_set(0x1p120), one);
  const g64 down = g64_select(tiny, g64_set(0x1p-120), one);
  const g64 a = g64_mul(p.high, up), b = g64_mul(q.high, up), diff = g64_mul(difference, up);
  g64 k;
  const g64 scaled = g64_ratio_split(a, b, &k);
  const m64 near = g64_equal(k, zero);
  const g64 above = g64_select(near, diff, g64_sub(scaled, b));
  const g64 v = g64_div(above, g64_max(g64_add(scaled, b), g64_set(FE_MIN_NORMAL_F64)));
  const g64 tail = g64_mul(v, g64_ratio_tail(g64_mul(v, v)));
  const g64 far_lead = g64_sub(g64_mul(g64_add(a, a), v), diff);
  const g64 lead = g64_select(near, g64_mul(diff, v), far_lead);
  g64 phi = g64_add(g64_mul(a, g64_add(g64_mul(k, g64_set(FE_LN2)), tail)), lead);
  phi = g64_mul(phi, g64_mul(entry->scale, down));
  const m64 infinite = m64_and(g64_equal(b, zero), g64_less(zero, a));
  phi = g64_select(infinite, g64_set(__builtin_inf()), phi);
  return g64_select(negative, g64_set(__builtin_nan("")), phi);
}

INLINE void CAREFUL_NAME(kl_divergence)(sum64 *sum, const entry64 *entry, const fe_params *params,
                                        unsigned *status) {
  pair64 q;
  sum64_add(sum, FE_JOIN(kl_divergence, phi, f64, FE_ISA)(entry, &q, params, status));
}

/* The plain sum p log(p/q) = sum phi + sum (p - q), the difference without a rounding. */
INLINE void CAREFUL_NAME(kl_divergence_plain)(sum64 *sum, const entry64 *entry,
                                              const fe_params *params, unsigned *status) {
  pair64 q;
  const g64 phi = FE_JOIN(kl_divergence, phi, f64, FE_ISA)(entry, &q, params, status);
  const g64 scale = entry->scale, minus_q = g64_sub(g64_set(0), q.high);
  g64 rest;
  const g64 high = g64_two_sum(g64_mul(entry->p.high, scale), g64_mul(minus_q, scale), &rest);
  sum64_add_signed(sum, phi);
  sum64_add_signed(sum, high);
  const g64 low = g64_mul(g64_sub(entry->p.low, q.low), scale);
  sum->residual = g64_add(sum->residual, g64_add(rest, low));
}
#endif

/* The ratio is scaled to a little less than q, which has to be normal. */
#define LEAST_Q (2 * MIN_NORMAL)

/* phi of p and q from LEAST_Q up, of which p may be 0; diff is p - q, and where `finer` better than
 * p - q itself, of a q that has been rounded. */
INLINE GROUP NAME(kl_divergence, fast)(GROUP p, GROUP q, GROUP diff, const int finer) {
  GROUP k;
  const GROUP scaled = G(ratio_split)(p, q, &k);
  const MASK close = G(equal)(k, G(set)(0));
  GROUP above = G(sub)(scaled, q);
  if (finer) above = G(select)(close, diff, above);
  /* the maximum turns 0/0 into 0 */
  const GROUP v = G(div)(above, G(max)(G(add)(scaled, q), G(set)(MIN_NORMAL)));
  const GROUP tail = G(mul)(v, G(ratio_tail)(G(mul)(v, v)));
  const GROUP near = G(mul)(diff, v), far = G(fms)(G(add)(p, p), v, diff);
  const GROUP lead = G(select)(close, near, far);
  return G(fma)(p, G(fma)(k, G(set)((compute)FE_LN2), tail), lead);
}

INLINE GROUP NAME(kl_divergence, factor)(GROUP p, GROUP q, const fe_params *params, int bits) {
  (void)params, (void)bits;
  return NAME(kl_divergence, fast)(p, q, G(sub)(p, q), 0);
}

INLINE void NAME(kl_divergence, watch)(WATCH *watch, GROUP p, GROUP q) {
  W(minimum)(watch, p);
  W(minimum)(watch, q);
}

/* Where p = 0 the fast form gives q, where q = 0 too it gives 0: both right. */
INLINE MASK NAME(kl_divergence, special)(GROUP p, GROUP q, const fe_params *params) {
  const GROUP zero = G(set)(0), normal = G(set)(LEAST_Q);
  const MASK p_zero = G(equal)(p, zero), q_zero = G(equal)(q, zero);
  const MASK p_bad = M(and)(G(less)(p, normal), M(not)(p_zero));
  const MASK q_bad = M(and)(G(less)(q, normal), M(not)(q_zero));
  const MASK q_low = G(less)(q, G(max)(normal, G(set)((compute)params->probability_floor)));
  return M(or)(M(or)(p_bad, q_bad), M(and)(q_low, M(not)(p_zero)));
}

#define MEASURE kl_divergence
#define OPERANDS 2
#define FAST 1
#define WEIGHTED 0
#define VARIANT(params, p, q, count) 0
#define WATCH_LIMIT(params) \
  ((params)->probability_floor > LEAST_Q ? (params)->probability_floor : LEAST_Q)
/* d times sum p |log(p/q)| + |p - q| <= 3 sqrt(2 KL), and d of sum p and sum q: 7e-15 of it there
 */
#define LEAST_SHARE 0x1p-3
#include "../reduce.h"
#undef LEAST_Q

#define MEASURE kl_divergence_plain
#define OPERANDS 2
#define FAST 0
#include "../reduce.h"

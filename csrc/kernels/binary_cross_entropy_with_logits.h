/* binary_cross_entropy_with_logits.h - -t log s - (1 - t) log(1 - s) of s = 1/(1 + e^-x): one loss
 * an element, and its sum over a row of any length.
 *
 *     |x| w + log(1 + E),   E = e^-|x|,   w = 1 - t where x > 0, else t
 *
 * Neither term is negative, so nothing cancels.
 *
 * Edge cases: an infinite x is certainty: 0 where the target agrees, else +inf; t outside [0, 1]
 *   gives NaN and sets FE_INVALID; NaN in either gives NaN. No floor.
 * Accumulation of the sum: |x| w as they are; of the logarithms a product 1 + s of all 1 + E,
 *   s <- s + (s E + E), which keeps the digits of tiny E: one logarithm a leaf, in which 1 + s
 *   stays below 2^256. Both for 16 elements of a lane, then in double. Nothing is negative, so an
 *   addition costs at most half a unit of the last place of what there is by then: of equal terms,
 *   the worst case, (1 + ... + 16)/16 = 8.5 of them beside the sum of a lane, 5.1e-7 in float.
 */

#if REAL == 64
/* w; -|x|, 0 where w is 0; and whether t is no probability. */
INLINE g64 FE_JOIN(logits, weight, f64, FE_ISA)(g64 t, g64 x, g64 *minus, unsigned *status) {
  const g64 zero = g64_set(0), one = g64_set(1), minus_x = g64_sub(zero, x);
  const m64 outside = m64_or(g64_less(t, zero), g64_less(one, t));
  if (m64_any(outside)) *status |= FE_INVALID;
  const g64 w = g64_select(g64_less(zero, x), g64_sub(one, t), t);
  const m64 nothing = m64_and(g64_equal(w, zero), g64_equal(x, x));
  *minus = g64_select(nothing, zero, g64_min(x, minus_x));
  return g64_select(outside, g64_set(__builtin_nan("")), w);
}

INLINE void CAREFUL_NAME(binary_cross_entropy_with_logits_sum)(sum64 *sum, const entry64 *entry,
                                                               const fe_params *params,
                                                               unsigned *status) {
  (void)params;
  const g64 x = entry->q.high;
  g64 minus;
  const g64 w = FE_JOIN(logits, weight, f64, FE_ISA)(entry->p.high, x, &minus, status);
  const g64 zero = g64_set(0), e = g64_exp_pair(g64_min(x, g64_sub(zero, x)), zero);
  sum64_subtract_product(sum, g64_mul(w, entry->scale), minus);
  sum64_add_signed(sum, g64_mul(g64_log1p(e), entry->scale));
}
#endif

/* A loss of E alone is rounded once, also where E itself is subnormal. */
INLINE g64 NAME(binary_cross_entropy_with_logits, element)(g64 t, g64 x, const fe_params *params,
                                                           unsigned *status) {
  const g64 zero = g64_set(0), scale = g64_set(params->scale_high);
  g64 minus, k;
  const g64 w = FE_JOIN(logits, weight, f64, FE_ISA)(t, x, &minus, status);
  const pair64 y = g64_exp_parts_pair(g64_min(x, g64_sub(zero, x)), zero, &k);
  const g64 e = g64_scale_binary(g64_add(y.high, y.low), k);
  g64 lost, rest;
  const g64 linear = g64_two_product(w, g64_sub(zero, minus), &lost);
  const m64 alone = m64_and(g64_equal(linear, zero), g64_less(e, g64_set(0x1p-60)));
  const g64 sum = g64_two_sum(linear, g64_log1p(e), &rest);
  rest = g64_add(rest, lost); /* of infinite and of the largest numbers there is none */
  rest = g64_select(g64_equal(g64_sub(rest, rest), zero), rest, zero);
  const m64 in_reach = g64_less(sum, g64_set(0x1p990)); /* of the products' residuals */
  const g64 exact = g64_scale_sum((pair64){sum, rest}, params);
  const g64 loss = g64_select(in_reach, exact, g64_mul(sum, scale));
  return g64_select(alone, g64_scale_binary(g64_scale_sum(y, params), k), loss);
}

/* ---- the sum ----------------------------------------------------------------------------------
 */

#define LEAST_LOGIT (REAL == 32 && FE_FMA ? -87 : -708) /* e^x is a normal number from here up */

#define CHAIN 16 /* elements of a lane that are added before they go to double */

typedef struct {
  GROUP linear, s; /* of a chain */
  g64 linears, product;
  int count;
} NAME(binary_cross_entropy_with_logits_sum, state);

INLINE NAME(binary_cross_entropy_with_logits_sum, state)
    NAME(binary_cross_entropy_with_logits_sum, begin)(void) {
  const GROUP zero = G(set)(0);
  return (NAME(binary_cross_entropy_with_logits_sum, state)){zero, zero, g64_set(0), g64_set(0), 0};
}

INLINE void NAME(binary_cross_entropy_with_logits_sum,
                 flush)(NAME(binary_cross_entropy_with_logits_sum, state) * state) {
  const GROUP zero = G(set)(0);
  const g64 s = WIDEN(state->s);
  state->linears = g64_add(state->linears, WIDEN(state->linear));
  state->product = g64_fma(state->product, g64_add(g64_set(1), s), s);
  state->linear = state->s = zero;
  state->count = 0;
}

INLINE void NAME(binary_cross_entropy_with_logits_sum,
                 term)(NAME(binary_cross_entropy_with_logits_sum, state) * state, GROUP t, GROUP x,
                       const fe_params *params, int variant) {
  (void)params, (void)variant;
  const GROUP zero = G(set)(0), one = G(set)(1), minus = G(min)(x, G(sub)(zero, x));
  const GROUP e = G(exp_normal)(minus);
  state->s = G(add)(state->s, G(fma)(state->s, e, e));
  const GROUP w = G(select)(G(less)(zero, x), G(sub)(one, t), t);
  state->linear = G(fnma)(w, minus, state->linear);
  if (++state->count == CHAIN) NAME(binary_cross_entropy_with_logits_sum, flush)(state);
}

INLINE sum64 NAME(binary_cross_entropy_with_logits_sum,
                  end)(const NAME(binary_cross_entropy_with_logits_sum, state) * state) {
  NAME(binary_cross_entropy_with_logits_sum, state) whole = *state;
  NAME(binary_cross_entropy_with_logits_sum, flush)(&whole);
  sum64 sum = {whole.linears, g64_set(0)};
  sum64_add_signed(&sum, g64_log1p(whole.product));
  return sum;
}

INLINE void NAME(binary_cross_entropy_with_logits_sum, watch)(WATCH *watch, GROUP t, GROUP x) {
  W(minimum)(watch, G(min)(x, G(sub)(G(set)(0), x)));
  W(signs)(watch, t);
  W(signs)(watch, G(sub)(G(set)(1), t));
}

INLINE MASK NAME(binary_cross_entropy_with_logits_sum, special)(GROUP t, GROUP x,
                                                                const fe_params *params) {
  (void)params;
  const GROUP zero = G(set)(0), minus = G(min)(x, G(sub)(zero, x));
  const MASK outside = M(or)(G(less)(t, zero), G(less)(G(set)(1), t));
  return M(or)(outside, G(less)(minus, G(set)(LEAST_LOGIT)));
}

#define MEASURE binary_cross_entropy_with_logits_sum
#define OPERANDS 2
#define FAST 1
#define STATE NAME(binary_cross_entropy_with_logits_sum, state)
#define PAD (-__builtin_inf()) /* beside a target of 0: no loss */
#define VARIANT(params, p, q, count) 0
#define WATCH_LIMIT(params) LEAST_LOGIT
#include "../reduce.h"
#undef LEAST_LOGIT
#undef CHAIN

#define MEASURE binary_cross_entropy_with_logits
#define OPERANDS 2
#include "../map.h"

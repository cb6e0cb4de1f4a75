/* brier_score.h - sum_j (p_j - t_j)^2 of probabilities p and their targets t; operand 0 is t.
 *
 * Edge cases: a negative t or p makes the row NaN and sets FE_INVALID; NaN in either makes it NaN.
 *   Above 1 they are used as they are.
 * Accumulation: terms >= 0 with the residual of the sum. A term is rounded once, floats' in double:
 *   three roundings of it, and those of the sum, would be 2.02 ulp of a float and 2.53 of a double.
 */

#if REAL == 64
INLINE void CAREFUL_NAME(brier_score)(sum64 *sum, const entry64 *entry, const fe_params *params,
                                      unsigned *status) {
  (void)params;
  const g64 zero = g64_set(0), difference = entry->difference.high;
  const m64 negative = m64_or(g64_less(entry->p.high, zero), g64_less(entry->q.high, zero));
  if (m64_any(negative)) *status |= FE_INVALID;
  const g64 square = g64_mul(difference, g64_mul(difference, entry->scale));
  sum64_add(sum, g64_select(negative, g64_set(__builtin_nan("")), square));
}
#endif

/* d^2 + 2 d e with d + e = p - t exactly. */
#if REAL == 64
INLINE g64 FE_JOIN(brier_score, square, f64, FE_ISA)(g64 p, g64 t) {
  g64 e;
  const g64 d = g64_two_sum(p, g64_sub(g64_set(0), t), &e);
  return g64_fma(d, d, g64_mul(g64_add(d, d), e));
}
#endif

INLINE GROUP NAME(brier_score, factor)(GROUP t, GROUP p, const fe_params *params, int variant) {
  (void)params, (void)variant;
#if REAL == 32 && FE_FMA
  const g64 wide = g64_sub(g64_from_g32(p), g64_from_g32(t));
  float squares[FE_LANES];
  g64_store_float(squares, g64_mul(wide, wide));
  return g32_load(squares);
#else
  return FE_JOIN(brier_score, square, f64, FE_ISA)(p, t);
#endif
}

INLINE void NAME(brier_score, watch)(WATCH *watch, GROUP t, GROUP p) {
  W(signs)(watch, G(bits_or)(t, p));
  W(poison)(watch, G(add)(t, p));
}

INLINE MASK NAME(brier_score, special)(GROUP t, GROUP p, const fe_params *params) {
  (void)params;
  const MASK finite = G(less)(G(add)(t, p), G(set)((compute)__builtin_inf()));
  return M(or)(M(or)(G(less)(t, G(set)(0)), G(less)(p, G(set)(0))), M(not)(finite));
}

#define MEASURE brier_score
#define OPERANDS 2
#define FAST 1
#define WEIGHTED 0
#define SMALL_TERMS 1
#define VARIANT(params, p, q, count) 0
#define WATCH_LIMIT(params) MIN_NORMAL
#define LEAST_SHARE __builtin_inf() /* in double every share's last digit counts */
#include "../reduce.h"

/* binary_cross_entropy.h - -t max(log x, floor) - (1 - t) max(log(1 - x), floor): one loss an
 * element, and its sum over a row of any length (the whole input, for reductions).
 *
 * 1 - x is y + correction, both exact in the type of x: log(1 - x) = log y + correction/y keeps
 * its digits where x is tiny and y rounds to 1.
 *
 * Edge cases: a weight of 0 (t = 0 or 1) contributes 0 whatever its logarithm; t or x outside
 *   [0, 1] gives NaN and sets FE_INVALID; NaN in either gives NaN.
 * Accumulation of the sum: products with the residual of product and sum. A leaf whose targets are
 *   all 0 or 1 needs one logarithm an element: that of x or of 1 - x.
 */

#if REAL == 64
/* log(1 - x) for x in [0, 1]: y = 1 - x rounded, and what y could not hold. */
INLINE g64 FE_JOIN(one_minus, split, f64, FE_ISA)(g64 x, g64 *correction) {
  const g64 y = g64_sub(g64_set(1), x);
  *correction = g64_sub(g64_sub(g64_set(1), y), x);
  return y;
}

INLINE m64 FE_JOIN(outside, unit, f64, FE_ISA)(g64 t, g64 x) {
  const g64 zero = g64_set(0), one = g64_set(1);
  const m64 low = m64_or(g64_less(t, zero), g64_less(x, zero));
  return m64_or(low, m64_or(g64_less(one, t), g64_less(one, x)));
}

INLINE void CAREFUL_NAME(binary_cross_entropy_sum)(sum64 *sum, pair64 t, pair64 x,
                                                   const fe_params *params, unsigned *status) {
  const g64 zero = g64_set(0), one = g64_set(1), floor = g64_set(params->log_floor);
  const m64 outside = FE_JOIN(outside, unit, f64, FE_ISA)(t.high, x.high);
  if (m64_any(outside)) *status |= FE_INVALID;
  g64 correction;
  const g64 y = FE_JOIN(one_minus, split, f64, FE_ISA)(x.high, &correction);
  const g64 rest = g64_sub(one, t.high);
  const g64 inverse = g64_select(g64_equal(y, zero), zero, g64_div(correction, y));
  g64 log_x = g64_max(floor, g64_log_full(x.high, 0)); /* NaN passes */
  g64 log_y = g64_max(floor, g64_add(g64_log_full(y, 0), inverse));
  const m64 number = g64_equal(x.high, x.high);
  log_x = g64_select(m64_and(g64_equal(t.high, zero), number), zero, log_x);
  log_y = g64_select(m64_and(g64_equal(rest, zero), number), zero, log_y);
  log_x = g64_select(outside, g64_set(__builtin_nan("")), log_x);
  sum64_subtract_product(sum, t.high, log_x);
  sum64_subtract_product(sum, rest, log_y);
}

/* One element in float64: logarithms as pairs, products with their residuals; 1.3 ulp. */
INLINE g64 FE_JOIN(binary_cross_entropy, element, f64,
                   FE_ISA)(g64 t, g64 x, const fe_params *params, unsigned *status) {
  const g64 zero = g64_set(0), one = g64_set(1), floor = g64_set(params->log_floor);
  const m64 outside = FE_JOIN(outside, unit, f64, FE_ISA)(t, x);
  if (m64_any(outside)) *status |= FE_INVALID;
  g64 correction, low[4];
  const g64 y = FE_JOIN(one_minus, split, f64, FE_ISA)(x, &correction);
  const g64 rest = g64_two_sum(one, g64_sub(zero, t), &low[0]);
  pair64 log_x = g64_log_pair_full(x), log_y = g64_log_pair_full(y);
  const g64 inverse = g64_select(g64_equal(y, zero), zero, g64_div(correction, y));
  log_y.low = g64_add(log_y.low, inverse);
  const m64 skip_x = g64_equal(t, zero), skip_y = g64_equal(rest, zero);
  const m64 keep_x = g64_less(floor, log_x.high), keep_y = g64_less(floor, log_y.high);
  log_x.low = g64_select(m64_and(keep_x, m64_not(skip_x)), log_x.low, zero);
  log_y.low = g64_select(m64_and(keep_y, m64_not(skip_y)), log_y.low, zero);
  log_x.high = g64_select(skip_x, zero, g64_max(floor, log_x.high));
  log_y.high = g64_select(skip_y, zero, g64_max(floor, log_y.high));
  const g64 part_x = g64_two_product(t, log_x.high, &low[1]);
  const g64 part_y = g64_two_product(rest, log_y.high, &low[2]);
  const g64 high = g64_two_sum(part_x, part_y, &low[3]);
  g64 all = g64_add(g64_add(low[1], low[2]), low[3]);
  all = g64_fma(t, log_x.low, g64_fma(rest, log_y.low, all));
  all = g64_fma(low[0], log_y.high, all);
  const g64 loss = g64_scale_pair((pair64){high, all}, params);
  const m64 number = g64_equal(x, x);
  return g64_select(m64_and(number, m64_not(outside)), loss, g64_set(__builtin_nan("")));
}

/* One element of float32 input, in double: half an ulp of float and 1 in 10^8 of the next. */
INLINE g64 FE_JOIN(binary_cross_entropy, element, f32,
                   FE_ISA)(g64 t, g64 x, const fe_params *params, unsigned *status) {
  sum64 sum = {g64_set(0), g64_set(0)};
  CAREFUL_NAME(binary_cross_entropy_sum)
  (&sum, (pair64){t, g64_set(0)}, (pair64){x, g64_set(0)}, params, status);
  return g64_mul(sum.sum, g64_set(params->scale_high));
}
#endif

/* ---- the sum: all targets 0 or 1 (HARD), or any --------------------------------------------- */

static int NAME(binary_cross_entropy_sum, hard)(const real *t, size_t count) {
  const GROUP zero = G(set)(0), one = G(set)(1);
  MASK soft = G(less)(one, zero);
  for (size_t i = 0; i < count; i += FE_LANES) {
    const GROUP x = LOAD_UP_TO(t + i, count - i, 1);
    soft = M(or)(soft, M(not)(M(or)(G(equal)(x, zero), G(equal)(x, one))));
  }
  return !M(any)(soft);
}

INLINE void NAME(binary_cross_entropy_sum, term)(SUM *sum, GROUP t, GROUP x,
                                                 const fe_params *params, int hard) {
  const GROUP one = G(set)(1), floor = G(set)((compute)params->log_floor);
  const GROUP rest = G(sub)(one, t);
  const GROUP y = G(sub)(one, x);
  GROUP correction = G(sub)(G(sub)(one, y), x);
  correction = G(fma)(correction, x, correction); /* / y, to first order; 0 from x = 1/2 up */
  if (hard) {
    const GROUP judged = G(select)(G(equal)(t, one), x, y);
    const GROUP l = G(fma)(correction, rest, G(log)(judged, 0));
    S(add)(sum, G(sub)(G(set)(0), G(max)(floor, l)));
  } else {
    S(subtract_product)(sum, t, G(max)(floor, G(log)(x, 0)));
    S(subtract_product)(sum, rest, G(max)(floor, G(add)(correction, G(log)(y, 0))));
  }
}

INLINE void NAME(binary_cross_entropy_sum, watch)(WATCH *watch, GROUP t, GROUP x) {
  const GROUP one = G(set)(1);
  W(minimum)(watch, x);
  W(minimum)(watch, G(sub)(one, x));
  W(signs)(watch, t);
  W(signs)(watch, G(sub)(one, t));
}

INLINE MASK NAME(binary_cross_entropy_sum, special)(GROUP t, GROUP x, const fe_params *params) {
  (void)params;
  const GROUP zero = G(set)(0), one = G(set)(1);
  const MASK low = M(or)(G(less)(t, zero), G(less)(x, zero));
  const MASK high = M(or)(G(less)(one, t), G(less)(one, x));
  const MASK log_x = M(and)(G(less)(x, G(set)(MIN_NORMAL)), M(not)(G(equal)(t, zero)));
  const MASK log_y = M(and)(G(equal)(x, one), M(not)(G(equal)(t, one)));
  return M(or)(M(or)(low, high), M(or)(log_x, log_y));
}

#define MEASURE binary_cross_entropy_sum
#define OPERANDS 2
#define FAST 1
#define VARIANT(params, p, q, count) NAME(binary_cross_entropy_sum, hard)(p, count)
#define WATCH_LIMIT(params) MIN_NORMAL
#include "../reduce.h"

#define MEASURE binary_cross_entropy
#define OPERANDS 2
#include "../map.h"

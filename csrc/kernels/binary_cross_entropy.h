/* binary_cross_entropy.h - -t max(log x, floor) - (1 - t) max(log(1 - x), floor): one loss an
 * element, and its sum over a row of any length (the whole input, for reductions).
 *
 * 1 - x is y + correction, both exact in the type of x: log(1 - x) = log y + correction/y keeps
 * its digits where x is tiny and y rounds to 1.
 *
 * Edge cases: a weight of 0 (t = 0 or 1) contributes 0 whatever its logarithm; t or x outside
 *   [0, 1] gives NaN and sets FE_INVALID; NaN in either gives NaN.
 * Accumulation of the sum: products with the residual of product and sum; a leaf whose targets are
 *   all 0 or 1 needs products of probabilities only, see below.
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

/* Subtracts scale (t log x + rest log(1 - x)), logarithms of a weight of 0 left out. */
INLINE void FE_JOIN(subtract, logarithms, f64, FE_ISA)(sum64 *sum, g64 t, g64 rest, g64 scale,
                                                       g64 x, m64 outside,
                                                       const fe_params *params) {
  const g64 zero = g64_set(0), floor = g64_set(params->log_floor);
  g64 correction;
  const g64 y = FE_JOIN(one_minus, split, f64, FE_ISA)(x, &correction);
  const g64 inverse = g64_select(g64_equal(y, zero), zero, g64_div(correction, y));
  g64 log_x = g64_max(floor, g64_log_full(x, 0)); /* NaN passes */
  g64 log_y = g64_max(floor, g64_add(g64_log_full(y, 0), inverse));
  const m64 number = g64_equal(x, x);
  log_x = g64_select(m64_and(g64_equal(t, zero), number), zero, log_x);
  log_y = g64_select(m64_and(g64_equal(rest, zero), number), zero, log_y);
  log_x = g64_select(outside, g64_set(__builtin_nan("")), log_x);
  sum64_subtract_product(sum, g64_mul(t, scale), log_x);
  sum64_subtract_product(sum, g64_mul(rest, scale), log_y);
}

INLINE void CAREFUL_NAME(binary_cross_entropy_sum)(sum64 *sum, const entry64 *entry,
                                                   const fe_params *params, unsigned *status) {
  const g64 t = entry->p.high, x = entry->q.high;
  const m64 outside = FE_JOIN(outside, unit, f64, FE_ISA)(t, x);
  if (m64_any(outside)) *status |= FE_INVALID;
  const g64 rest = g64_sub(g64_set(1), t);
  FE_JOIN(subtract, logarithms, f64, FE_ISA)(sum, t, rest, entry->scale, x, outside, params);
}

/* Weights are taken times 2^120, so that no product of tiny ones is rounded to a subnormal before
 * the end. */
#define WEIGHT_SCALE 0x1p120

/* -t log x - rest log(1 - x) in float64: logarithms as pairs, products with their residuals. The
 * weights are pairs times WEIGHT_SCALE; that of log x has a low part if it is `weighted`. */
INLINE g64 FE_JOIN(weighed, logarithms, f64, FE_ISA)(pair64 t, pair64 rest, const int weighted,
                                                     g64 x, m64 outside, const fe_params *params) {
  const g64 zero = g64_set(0), floor = g64_set(params->log_floor);
  g64 correction, low[3];
  const g64 y = FE_JOIN(one_minus, split, f64, FE_ISA)(x, &correction);
  pair64 log_x = g64_log_pair_full(x), log_y = g64_log_pair_full(y);
  const g64 inverse = g64_select(g64_equal(y, zero), zero, g64_div(correction, y));
  log_y.low = g64_add(log_y.low, inverse);
  const m64 skip_x = g64_equal(t.high, zero), skip_y = g64_equal(rest.high, zero);
  const m64 keep_x = g64_less(floor, log_x.high), keep_y = g64_less(floor, log_y.high);
  log_x.low = g64_select(m64_and(keep_x, m64_not(skip_x)), log_x.low, zero);
  log_y.low = g64_select(m64_and(keep_y, m64_not(skip_y)), log_y.low, zero);
  log_x.high = g64_select(skip_x, zero, g64_max(floor, log_x.high));
  log_y.high = g64_select(skip_y, zero, g64_max(floor, log_y.high));
  const g64 part_x = g64_two_product(t.high, log_x.high, &low[0]);
  const g64 part_y = g64_two_product(rest.high, log_y.high, &low[1]);
  const g64 high = g64_two_sum(part_x, part_y, &low[2]);
  g64 all = g64_add(g64_add(low[0], low[1]), low[2]);
  if (weighted) { /* while the sum is small; a smoothed 1 - t is rounded whatever t is */
    const g64 smoothed = g64_set(params->smoothing > 0);
    all = g64_fma(t.low, log_x.high, all);
    all = g64_fma(g64_mul(rest.low, smoothed), log_y.low, all);
  }
  all = g64_fma(t.high, log_x.low, g64_fma(rest.high, log_y.low, all));
  all = g64_fma(rest.low, log_y.high, all);
  all = g64_select(g64_less(g64_set(-__builtin_inf()), high), all, zero);
  const g64 rounded = g64_add(high, all);
  const pair64 sum = {rounded, g64_add(g64_sub(high, rounded), all)};
  const g64 loss = g64_mul(g64_scale_pair(sum, params), g64_set(1 / WEIGHT_SCALE));
  const m64 number = g64_equal(x, x);
  return g64_select(m64_and(number, m64_not(outside)), loss, g64_set(__builtin_nan("")));
}

INLINE g64 FE_JOIN(binary_cross_entropy, element, f64,
                   FE_ISA)(g64 t, g64 x, const fe_params *params, unsigned *status) {
  const m64 outside = FE_JOIN(outside, unit, f64, FE_ISA)(t, x);
  if (m64_any(outside)) *status |= FE_INVALID;
  const g64 zero = g64_set(0), up = g64_set(WEIGHT_SCALE);
  g64 low;
  const g64 rest = g64_two_sum(g64_set(1), g64_sub(zero, t), &low);
  const pair64 weight_x = {g64_mul(t, up), zero}, weight_y = {g64_mul(rest, up), g64_mul(low, up)};
  return FE_JOIN(weighed, logarithms, f64, FE_ISA)(weight_x, weight_y, 0, x, outside, params);
}

/* One element of float32 input, in double: half an ulp of a float, nearly always. */
INLINE g64 FE_JOIN(binary_cross_entropy, element, f32,
                   FE_ISA)(g64 t, g64 x, const fe_params *params, unsigned *status) {
  sum64 sum = {g64_set(0), g64_set(0)};
  const entry64 entry = {{t, sum.sum}, {x, sum.sum}, {sum.sum, sum.sum}, g64_set(1)};
  CAREFUL_NAME(binary_cross_entropy_sum)(&sum, &entry, params, status);
  return g64_mul(sum.sum, g64_set(params->scale_high));
}
#endif

/* ---- the sum, targets all 0 or 1: one logarithm a leaf ------------------------------------------
 *
 * The judged probability is f = |u - x| with u = 1 - t: x where t = 1, 1 - x where t = 0. Per lane,
 * in double, a product of them as a pair: with f = d + r, d rounded and r exactly what that
 * dropped, P C <- P d,  C d + (what P d dropped) + P r and -log(P + C) = -log P - C/P. The pair
 * keeps the digits of losses of any size: 1 - 1e-20 is P = 1, C = -1e-20. P's exponent is moved out
 * every RENORM factors: each is at least 2^-169, for a floor of -117 or more. Where f is clamped
 * (below 1/2), r is 0: so the floor has to be below log(1/2). Returns 0 where the leaf holds
 * anything else than labels and probabilities. */
#define RENORM 6

static int NAME(binary_cross_entropy_sum, labels)(const real *t, const real *x, size_t count,
                                                  const fe_ahead *ahead, const fe_params *params,
                                                  double *high, double *low) {
  if (!(params->log_floor >= -117 && params->log_floor < -0.7)) return 0;
  const g64 zero = g64_set(0), floor = g64_set(params->probability_floor);
  const g64 magnitude = g64_bits(~(1ull << 63));
  const GROUP one = G(set)(1);
  const GROUP first = LOAD_UP_TO(t, count, 1);
  if (M(any)(M(not)(G(equal)(G(mul)(first, first), first)))) return 0;
  g64 product = g64_set(1), exponents = zero, n;
  sum64 rests = {zero, zero};
  WATCH watch = W(new)();
  size_t i = 0;
  while (i < count) {
    g64 rest = zero;
    for (int k = 0; k < RENORM && i < count; k++, i += FE_LANES) {
      fe_fetch(ahead[0].next + i * ahead[0].size, FE_LANES * sizeof(real));
      fe_fetch(ahead[1].next + i * ahead[1].size, FE_LANES * sizeof(real));
      const GROUP target = LOAD_UP_TO(t + i, count - i, 1);
      const GROUP prob = LOAD_UP_TO(x + i, count - i, 1);
      const GROUP other = G(sub)(one, target);
      W(bits)(&watch, G(mul)(target, other)); /* 0 for 0 and 1 alone */
      W(minimum)(&watch, prob);
      W(maximum)(&watch, prob);
      const g64 u = WIDEN(other), judged = WIDEN(prob);
      const g64 d = g64_sub(u, judged), r = g64_sub(g64_sub(u, d), judged);
      const g64 f = g64_max(floor, g64_bits_and(d, magnitude)); /* NaN passes */
      g64 dropped;
      const g64 next = g64_two_product(product, f, &dropped);
      rest = g64_fma(product, r, g64_fma(rest, f, dropped));
      product = next;
    }
    sum64_add(&rests, g64_div(rest, product));
    product = g64_split(product, &n);
    exponents = g64_add(exponents, n);
  }
  const m64 number = g64_equal(rests.sum, rests.sum); /* no NaN came by */
  if (W(touched)(&watch, 0) || m64_any(m64_not(number))) return 0;
  sum64 sum = {g64_sub(zero, rests.sum), g64_sub(zero, rests.residual)};
  sum64_add_signed(&sum, g64_sub(zero, g64_log_reduced(product, exponents, 0)));
  sum64_collect(&sum, high, low);
  return 1;
}

/* ---- the sum, any targets, float64: one logarithm an element -----------------------------------
 *
 * With a <= b the two of x and 1 - x, and w the weight of a (t or 1 - t), the loss is
 *     -log b - w log(a/b)                  neither term negative
 * The first goes to a product as above, of factors of 1/2 and more: 256 of them stay normal; what
 * 1 - x dropped, over it (r + r x will do), goes to the sum. The second is one logarithm of a
 * ratio. The judged log a is clamped as log(a/b), the same where
 * e^floor is nothing beside 1. */
#if REAL == 64
typedef struct {
  sum64 sum;
  g64 product, rest;
} NAME(binary_cross_entropy_sum, state);

/* Floors for which that clamp is right, and right too for zeros, which count as 2^-1023. */
INLINE int NAME(binary_cross_entropy_sum, usual)(const fe_params *params) {
  return params->log_floor >= -700 && params->log_floor <= -40;
}

INLINE NAME(binary_cross_entropy_sum, state) NAME(binary_cross_entropy_sum, begin)(void) {
  const g64 zero = g64_set(0);
  return (NAME(binary_cross_entropy_sum, state)){{zero, zero}, g64_set(1), zero};
}

INLINE void NAME(binary_cross_entropy_sum, term)(NAME(binary_cross_entropy_sum, state) * s, g64 t,
                                                 g64 prob, const fe_params *params, int variant) {
  (void)variant;
  const g64 one = g64_set(1), floor = g64_set(params->log_floor);
  const g64 x = g64_add(prob, g64_set(0)); /* -0 becomes 0, whose bits count as 2^-1023 */
  const g64 y = g64_sub(one, x), minus_r = g64_sub(x, g64_sub(one, y)); /* 0 where b = x */
  const g64 a = g64_min(x, y), b = g64_max(x, y);
  g64 dropped, k;
  const g64 next = g64_two_product(s->product, b, &dropped);
  s->rest = g64_fma(s->rest, b, dropped);
  s->product = next;
  const g64 minus_scaled = g64_ratio_split_below(a, b, &k);
  const g64 minus_v = g64_div(g64_add(minus_scaled, b), g64_sub(b, minus_scaled));
  const g64 factor = g64_add(g64_set(2), g64_ratio_tail(g64_mul(minus_v, minus_v)));
  const g64 near = g64_fnma(minus_v, factor, g64_mul(k, g64_set(FE_LN2_LOW)));
  const g64 log_ratio = g64_fma(k, g64_set(FE_LN2_HIGH), near); /* that product is exact */
  const g64 w = g64_select(g64_less(x, y), t, g64_sub(one, t));
  const g64 minus_r_over_b = g64_fma(minus_r, x, minus_r);
#if FE_FMA
  sum64_add(&s->sum, g64_fnma(w, g64_max(floor, log_ratio), minus_r_over_b));
#else /* which would round twice */
  sum64_subtract_product(&s->sum, w, g64_max(floor, log_ratio));
  sum64_add_signed(&s->sum, minus_r_over_b);
#endif
}

INLINE sum64 NAME(binary_cross_entropy_sum, end)(const NAME(binary_cross_entropy_sum, state) * s) {
  sum64 sum = s->sum;
  sum64_add_signed(&sum, g64_sub(g64_set(0), g64_log(s->product, 0)));
  sum.residual = g64_sub(sum.residual, g64_div(s->rest, s->product));
  return sum;
}
#define STATE NAME(binary_cross_entropy_sum, state)
#define WATCH_LIMIT(params) \
  (NAME(binary_cross_entropy_sum, usual)(params) ? 0 : 2) /* 2: every entry */

/* ---- the sum, any targets, float32: two logarithms, cheaper than a product in double -----------
 */
#else
INLINE void NAME(binary_cross_entropy_sum, term)(SUM *sum, GROUP t, GROUP x,
                                                 const fe_params *params, int variant) {
  (void)variant;
  const GROUP one = G(set)(1), floor = G(set)((compute)params->log_floor);
  const GROUP y = G(sub)(one, x);
  GROUP correction = G(sub)(G(sub)(one, y), x);
  correction = G(fma)(correction, x, correction); /* / y, to first order; 0 from x = 1/2 up */
  S(subtract_product)(sum, t, G(max)(floor, G(log)(x, 0)));
  const GROUP log_y = G(max)(floor, G(add)(correction, G(log)(y, 0)));
  S(subtract_product)(sum, G(sub)(one, t), log_y);
}

INLINE int NAME(binary_cross_entropy_sum, usual)(const fe_params *params) {
  (void)params;
  return 0;
}
#define WATCH_LIMIT(params) MIN_NORMAL
#endif

INLINE void NAME(binary_cross_entropy_sum, watch)(WATCH *watch, GROUP t, GROUP x) {
  const GROUP one = G(set)(1);
  W(minimum)(watch, G(min)(x, G(sub)(one, x)));
  W(signs)(watch, t);
  W(signs)(watch, G(sub)(one, t));
}

INLINE MASK NAME(binary_cross_entropy_sum, special)(GROUP t, GROUP x, const fe_params *params) {
  const GROUP zero = G(set)(0), one = G(set)(1);
  const MASK low = M(or)(G(less)(t, zero), G(less)(x, zero));
  const MASK high = M(or)(G(less)(one, t), G(less)(one, x));
  if (NAME(binary_cross_entropy_sum, usual)(params)) return M(or)(low, high);
  if (REAL == 64 && params->log_floor > -40) return G(equal)(one, one);
  const MASK log_x = M(and)(G(less)(x, G(set)(MIN_NORMAL)), M(not)(G(equal)(t, zero)));
  const MASK log_y = M(and)(G(equal)(x, one), M(not)(G(equal)(t, one)));
  return M(or)(M(or)(low, high), M(or)(log_x, log_y));
}

#define MEASURE binary_cross_entropy_sum
#define OPERANDS 2
#define FAST 1
#define SHORTCUT NAME(binary_cross_entropy_sum, labels)
#define VARIANT(params, p, q, count) 0
#include "../reduce.h"
#undef RENORM

#define MEASURE binary_cross_entropy
#define OPERANDS 2
#include "../map.h"

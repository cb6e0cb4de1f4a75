/* logits_state.h - what is known of a row of logits x, and how it changes; once a dtype.
 *
 *   FE_LARGEST   m, the largest so far; -inf before the first
 *   FE_HIGH+LOW  R, the sum of e^((x - s)/T) over all entries but one m, T the temperature
 *   FE_DISTANCE  sum of e^((x - s)/T) (m - x), or sum of t (m - x) where targets t are given
 *   FE_WEIGHT    sum of t
 *   FE_COUNT     entries above -inf, or above the label's, where they are counted
 *   FE_RUNNER_UP the largest entry but one, FE_PLACE of m: where they are kept
 *
 * s is no rounded difference's m but s = k T log 2, with k the integer next to m/(T log 2). An
 * entry is reduced as for any exponential, x = (n T log 2) + r T with |r| <= log(2)/2, and
 *
 *     e^((x - s)/T) = 2^(n - k) e^r
 *
 * so nothing is rounded on the way but r itself: x - m, rounded, would cost |x - m| ulp. A larger
 * m later multiplies sums by a power of two, which is exact. The entry m is left out, so that
 * log(1 + R) keeps the digits of rows whose largest entry is nearly all.
 *
 * Rows with |m| so large that k is no small integer are worked on as x - m, with s = 0 instead:
 * what is within reach of such an m differs from it exactly.
 *
 * Sums of exponentials are multiplied by 2^500, to reach farther down; made in float they have
 * 2^LOGITS_HEAD = 2^60 at first, which reaches e^-128.
 *
 * LOGITS_EXP is for exponentials that are results themselves. LOGITS_EXP_SUM, shorter, is for those
 * that are summed for a bound of 1e-6 or 1e-13: its own error is 1e-7 and 3e-16.
 */
#undef LOGITS_LEAF
#undef LOGITS_HEAD
#undef LOGITS_LIFT
#undef LOGITS_BIAS
#undef LOGITS_MAGIC
#undef LOGITS_EXP
#undef LOGITS_EXP_COUNT
#undef LOGITS_EXP_SUM
#undef LOGITS_EXP_SUM_COUNT
#define LOGITS_LEAF (FE_LOGITS_LEAF_BYTES / sizeof(real)) /* entries */
#define LOGITS_FAR 0x1p18 /* of k: integers up to there, times T log 2 to 32 bits, are exact */
#if REAL == 32 && FE_FMA
#define LOGITS_HEAD 60
#define LOGITS_LIFT 0x1p440 /* to 2^500 */
#define LOGITS_BIAS 127
#define LOGITS_MAGIC 0x1.8p23
#define LOGITS_EXP FE_EXP_F32
#define LOGITS_EXP_COUNT 5
#define LOGITS_EXP_SUM FE_EXP_SUM_F32
#define LOGITS_EXP_SUM_COUNT 4
#else
#define LOGITS_HEAD 500
#define LOGITS_LIFT 1.0
#define LOGITS_BIAS 1023
#define LOGITS_MAGIC 0x1.8p52
#define LOGITS_EXP FE_EXP_F64
#define LOGITS_EXP_COUNT 11
#define LOGITS_EXP_SUM FE_EXP_SUM_F64
#define LOGITS_EXP_SUM_COUNT 9
#endif

#ifndef FE_LOGITS_STATE_H
#define FE_LOGITS_STATE_H
/* 1/(T log 2); T log 2 = high + low, high of 32 bits; 1/T. */
typedef struct {
  double inverse, high, low, rate;
} logits_unit;

INLINE logits_unit logits_unit_of(const fe_params *params) {
  const double temperature = params->temperature;
  g64 residual;
  const double product =
      g64_two_product(g64_set(temperature), g64_set(FE_LN2_HIGH), &residual).v[0][0];
  uint64_t bits;
  memcpy(&bits, &product, sizeof bits);
  bits &= ~((UINT64_C(1) << 21) - 1);
  logits_unit unit = {FE_INVERSE_LN2 / temperature, 0, 0, 1 / temperature};
  memcpy(&unit.high, &bits, sizeof bits);
  unit.low = (product - unit.high) + (residual.v[0][0] + temperature * FE_LN2_LOW);
  return unit;
}

/* Where m is too large for a k; and k, 0 there. */
INLINE m64 logits_far(g64 m, const logits_unit *unit) {
  const g64 k = g64_mul(m, g64_set(unit->inverse));
  return m64_not(g64_less(g64_max(k, g64_sub(g64_set(0), k)), g64_set(LOGITS_FAR)));
}
INLINE g64 logits_exponent(g64 m, m64 far, const logits_unit *unit) {
  const g64 magic = g64_set(0x1.8p52); /* adding it rounds to an integer */
  const g64 k = g64_sub(g64_fma(m, g64_set(unit->inverse), magic), magic);
  return g64_select(far, g64_set(0), k);
}

/* (m - s)/T as a pair, |it| <= log(2)/2; 0 where m is far. */
INLINE pair64 logits_rest(g64 m, g64 k, m64 far, const logits_unit *unit) {
  const g64 rate = g64_set(unit->rate), k_low = g64_mul(k, g64_set(unit->low));
  const g64 r_high = g64_fnma(k, g64_set(unit->high), m); /* exact */
  const g64 r = g64_sub(r_high, k_low), r_low = g64_sub(g64_sub(r_high, r), k_low);
  pair64 rest;
  g64 residual;
  rest.high = g64_two_product(r, rate, &residual);
  rest.low = g64_fma(r_low, rate, residual);
  return (pair64){g64_select(far, g64_set(0), rest.high), g64_select(far, g64_set(0), rest.low)};
}

/* The states of sixteen rows. */
typedef struct {
  g64 largest;
  pair64 sum, distance, weight;
  g64 count;
} logits64;

INLINE logits64 logits64_load(const fe_state *state, size_t r) {
  return (logits64){
      g64_load(state->part[FE_LARGEST] + r),
      {g64_load(state->part[FE_HIGH] + r), g64_load(state->part[FE_LOW] + r)},
      {g64_load(state->part[FE_DISTANCE_HIGH] + r), g64_load(state->part[FE_DISTANCE_LOW] + r)},
      {g64_load(state->part[FE_WEIGHT_HIGH] + r), g64_load(state->part[FE_WEIGHT_LOW] + r)},
      g64_load(state->part[FE_COUNT] + r)};
}

INLINE void logits64_store(const logits64 *row, const fe_state *state, size_t r) {
  g64_store(state->part[FE_LARGEST] + r, row->largest);
  g64_store(state->part[FE_HIGH] + r, row->sum.high);
  g64_store(state->part[FE_LOW] + r, row->sum.low);
  g64_store(state->part[FE_DISTANCE_HIGH] + r, row->distance.high);
  g64_store(state->part[FE_DISTANCE_LOW] + r, row->distance.low);
  g64_store(state->part[FE_WEIGHT_HIGH] + r, row->weight.high);
  g64_store(state->part[FE_WEIGHT_LOW] + r, row->weight.low);
  g64_store(state->part[FE_COUNT] + r, row->count);
}

/* e^((m - s)/T) 2^500 as a pair, the term that is left out; 0 before the first entry. */
INLINE pair64 logits_first(g64 m, g64 k, m64 far, const logits_unit *unit) {
  const pair64 rest = logits_rest(m, k, far, unit);
  const m64 none = g64_equal(m, g64_set(-__builtin_inf()));
  const g64 zero = g64_set(0), head = g64_set(0x1p500);
  g64 residual;
  const g64 sum = g64_fast_two_sum(g64_set(1), rest.high, &residual);
  const g64 tail = g64_add(residual, g64_exp_tail(rest));
  return (pair64){g64_select(none, zero, g64_mul(sum, head)),
                  g64_select(none, zero, g64_mul(tail, head))};
}

/* The same rounded, as doubles' exponentials are that are kept; 2^500 before the first entry. */
INLINE g64 logits_first_rounded(g64 m, g64 k, m64 far, const logits_unit *unit) {
  const g64 one = g64_set(1), near = g64_fnma(k, g64_set(unit->high), m); /* exact */
  g64 r = g64_mul(g64_fnma(k, g64_set(unit->low), near), g64_set(unit->rate));
  r = g64_select(far, g64_set(0), r);
  const g64 q = g64_polynomial(r, FE_EXP_F64, 11);
  return g64_mul(g64_fma(g64_fma(q, r, one), r, one), g64_set(0x1p500));
}

INLINE void pair64_add(pair64 *sum, g64 term) {
  g64 residual;
  sum->high = g64_two_sum(sum->high, term, &residual);
  sum->low = g64_add(sum->low, residual);
}
#endif

/* The state for another largest entry, m: sums times e^((s - s')/T), with the term that was left
 * out. Before the first entry, and where m is the old one, nothing changes. */
INLINE void NAME(logits, raise)(logits64 *row, g64 m, const int targets, const logits_unit *unit) {
  const g64 zero = g64_set(0), one = g64_set(1), old = row->largest;
  const m64 raised = m64_and(g64_less(g64_set(-__builtin_inf()), old), g64_less(old, m));
  row->largest = g64_max(m, old);
  if (!m64_any(raised)) return;
  const m64 far_old = logits_far(old, unit), far_new = logits_far(m, unit);
  const m64 far = m64_or(far_old, far_new);
  const g64 k = logits_exponent(old, far_old, unit), k_new = logits_exponent(m, far_new, unit);
  const g64 by = g64_min(g64_sub(m, old), g64_set(0x1p400)); /* infinite: times a factor of 0 */
  g64 factor = g64_scale_binary(one, g64_max(g64_sub(k, k_new), g64_set(-2000)));
  if (m64_any(far)) {
    const pair64 from = logits_rest(old, k, far_old, unit);
    const pair64 to = logits_rest(m, k_new, far_new, unit);
    const g64 x = g64_sub(g64_sub(to.high, from.high), g64_mul(by, g64_set(unit->rate)));
    factor = g64_select(far, g64_exp_pair(x, g64_sub(to.low, from.low)), factor);
  }
  factor = g64_select(raised, factor, one);
  const g64 distance = g64_select(raised, by, zero);
  const pair64 first = logits_first(old, k, far_old, unit);
  pair64_add(&row->sum, g64_select(raised, first.high, zero));
  pair64_add(&row->sum, g64_select(raised, first.low, zero));
  if (targets) {
    pair64_add(&row->distance, g64_mul(row->weight.high, distance));
  } else {
    pair64_add(&row->distance, g64_mul(row->sum.high, distance));
    row->distance.high = g64_mul(row->distance.high, factor);
    row->distance.low = g64_mul(row->distance.low, factor);
  }
  row->sum.high = g64_mul(row->sum.high, factor);
  row->sum.low = g64_mul(row->sum.low, factor);
}

/* One state after another, of the same rows. Where both have the same largest entry, one of the
 * two has to be counted. */
INLINE void NAME(logits, join)(const fe_state *state, const fe_state *more, size_t rows,
                               const int targets, const fe_params *params) {
  const logits_unit unit = logits_unit_of(params);
  for (size_t r = 0; r < rows; r += FE_LANES) {
    logits64 row = logits64_load(state, r), later = logits64_load(more, r);
    const g64 m = g64_max(row.largest, later.largest);
    const m64 twice = g64_equal(row.largest, later.largest), far = logits_far(m, &unit);
    NAME(logits, raise)(&row, m, targets, &unit);
    NAME(logits, raise)(&later, m, targets, &unit);
    const pair64 first = logits_first(m, logits_exponent(m, far, &unit), far, &unit);
    pair64_add(&row.sum, g64_select(twice, first.high, g64_set(0)));
    pair64_add(&row.sum, g64_select(twice, first.low, g64_set(0)));
    pair64_add(&row.sum, later.sum.high);
    pair64_add(&row.distance, later.distance.high);
    pair64_add(&row.weight, later.weight.high);
    row.count = g64_add(row.count, later.count);
    row.sum.low = g64_add(row.sum.low, later.sum.low);
    row.distance.low = g64_add(row.distance.low, later.distance.low);
    row.weight.low = g64_add(row.weight.low, later.weight.low);
    logits64_store(&row, state, r);
  }
}

static void NAME(logits, combine)(const fe_state *state, const fe_state *more, size_t rows,
                                  const fe_params *params) {
  NAME(logits, join)(state, more, rows, 0, params);
}

static void NAME(logits_and_ranks, combine)(const fe_state *state, const fe_state *more,
                                            size_t rows, const fe_params *params) {
  for (size_t r = 0; r < rows; r += FE_LANES) {
    const g64 m = g64_load(state->part[FE_LARGEST] + r), n = g64_load(more->part[FE_LARGEST] + r);
    const g64 place = g64_load(state->part[FE_PLACE] + r), runner_up = g64_min(m, n);
    const g64 seconds =
        g64_max(g64_load(state->part[FE_RUNNER_UP] + r), g64_load(more->part[FE_RUNNER_UP] + r));
    g64_store(state->part[FE_PLACE] + r,
              g64_select(g64_less(m, n), g64_load(more->part[FE_PLACE] + r), place));
    g64_store(state->part[FE_RUNNER_UP] + r, g64_max(runner_up, seconds));
  }
  NAME(logits, join)(state, more, rows, 0, params);
}

static void NAME(logits_and_targets, combine)(const fe_state *state, const fe_state *more,
                                              size_t rows, const fe_params *params) {
  NAME(logits, join)(state, more, rows, 1, params);
}

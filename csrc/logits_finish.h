/* logits_finish.h - from the states of rows of logits to results; once a dtype.
 *
 *   logsumexp              m/T + log(1 + R')
 *   softmax_entropy        log(1 + R') + D'/(1 + R')
 *   softmax_cross_entropy  (m - x_label)/T + log(1 + R'); of targets, D/T + W log(1 + R')
 *   score_logits           both, and what the ranks say
 *
 * with R' = R e^((s - m)/T) and D' = D e^((s - m)/T)/T: sums over what the largest entry's term is
 * 1 of. No term is negative but in logsumexp, so no digit is lost. Rows without an entry above
 * -inf, and with several +inf, are NaN; their logsumexp is infinite.
 */

typedef struct {
  g64 largest, sum;    /* m, R' */
  g64 distance, total; /* D/T and S, in the unit of the state's sums */
  pair64 log_sum;      /* log(1 + R') */
  m64 nothing;         /* no distribution */
} NAME(logits, ending);

INLINE m64 NAME(logits, nothing)(const logits64 *row) {
  const g64 infinity = g64_set(__builtin_inf()), zero = g64_set(0);
  const m64 several = m64_and(g64_equal(row->largest, infinity), g64_less(zero, row->sum.high));
  return m64_or(several, g64_equal(row->largest, g64_sub(zero, infinity)));
}

/* log(1 + R') rounded is right within some 4e-16 of itself, whatever its size. Exactly, it is a
 * pair, for sums with what has another sign. */
INLINE NAME(logits, ending) NAME(logits, end_as)(const fe_state *state, size_t r,
                                                 const logits_unit *unit, const int exact) {
  const logits64 row = logits64_load(state, r);
  const g64 m = row.largest, rest = g64_add(row.sum.high, row.sum.low);
  const m64 far = logits_far(m, unit);
  const g64 k = logits_exponent(m, far, unit);
  NAME(logits, ending) end;
  end.largest = m;
  end.nothing = NAME(logits, nothing)(&row);
  end.distance = g64_mul(g64_add(row.distance.high, row.distance.low), g64_set(unit->rate));
  if (exact) {
    pair64 first = logits_first(m, k, far, unit);
    first.high = g64_select(g64_equal(first.high, g64_set(0)), g64_set(1), first.high);
    end.total = g64_add(first.high, rest);
    end.sum = g64_div(rest, g64_add(first.high, first.low));
    g64 low;
    const g64 product = g64_two_product(end.sum, first.high, &low);
    g64 dropped = g64_add(g64_sub(g64_sub(row.sum.high, product), low), row.sum.low);
    dropped = g64_div(g64_fnma(end.sum, first.low, dropped), first.high);
    end.log_sum = g64_log1p_pair(end.sum, dropped);
  } else {
    const g64 first = logits_first_rounded(m, k, far, unit);
    end.total = g64_add(first, rest);
    end.sum = g64_div(rest, first);
    end.log_sum = (pair64){g64_log1p_rounded(end.sum), g64_set(0)};
  }
  end.log_sum.high = g64_select(g64_equal(end.sum, end.sum), end.log_sum.high, end.sum); /* NaN */
  return end;
}

INLINE NAME(logits, ending)
    NAME(logits, end)(const fe_state *state, size_t r, const logits_unit *unit) {
  return NAME(logits, end_as)(state, r, unit, 0);
}

/* x/T */
INLINE g64 NAME(logits, tempered)(g64 x, const fe_params *params) {
  const double temperature = params->temperature;
  return temperature < 1 || temperature > 1 ? g64_div(x, g64_set(temperature)) : x;
}

INLINE g64 NAME(logits, scaled)(m64 nothing, pair64 y, const fe_params *params) {
  const g64 scaled = params->scale_high == 1 && params->scale_low == 0 ? g64_add(y.high, y.low)
                                                                       : g64_scale_sum(y, params);
  return g64_select(nothing, g64_set(__builtin_nan("")), scaled);
}

INLINE void NAME(logits, put)(real *result, size_t left, m64 nothing, pair64 y,
                              const fe_params *params) {
  NAME(finish, store)(result, left, NAME(logits, scaled)(nothing, y, params));
}

/* a + b, whose residual is none where the sum is infinite. */
INLINE pair64 NAME(logits, both)(g64 a, pair64 b) {
  pair64 sum;
  sum.high = g64_two_sum(a, b.high, &sum.low);
  sum.low = g64_add(sum.low, b.low);
  sum.low = g64_select(g64_equal(sum.low, sum.low), sum.low, g64_set(0));
  return sum;
}

static void NAME(logsumexp, finish)(const fe_state *state, size_t rows, const fe_params *params,
                                    void *out) {
  const logits_unit unit = logits_unit_of(params);
  const m64 never = g64_less(g64_set(0), g64_set(0));
  const g64 temperature = g64_set(params->temperature);
  g64 residual;
  for (size_t r = 0; r < rows; r += FE_LANES) {
    const NAME(logits, ending) end = NAME(logits, end_as)(state, r, &unit, 1);
    const g64 m = g64_div(end.largest, temperature);
    const g64 product = g64_two_product(m, temperature, &residual);
    const g64 rest = g64_div(g64_sub(g64_sub(end.largest, product), residual), temperature);
    const g64 none = g64_mul(g64_set(0), end.sum);
    const pair64 log_sum = {g64_select(end.nothing, none, end.log_sum.high),
                            g64_select(end.nothing, none, g64_add(end.log_sum.low, rest))};
    const pair64 y = NAME(logits, both)(m, log_sum);
    NAME(logits, put)((real *)out + r, rows - r, never, y, params);
  }
}

INLINE pair64 NAME(logits, entropy)(const NAME(logits, ending) * end) {
  return NAME(logits, both)(g64_div(end->distance, end->total), end->log_sum);
}

static void NAME(softmax_entropy, finish)(const fe_state *state, size_t rows,
                                          const fe_params *params, void *out) {
  const logits_unit unit = logits_unit_of(params);
  for (size_t r = 0; r < rows; r += FE_LANES) {
    const NAME(logits, ending) end = NAME(logits, end)(state, r, &unit);
    NAME(logits, put)((real *)out + r, rows - r, end.nothing, NAME(logits, entropy)(&end), params);
  }
}

/* The sum of targets times distances, whose residual is none where it is infinite. */
INLINE g64 NAME(logits, distance)(const logits64 *row) {
  const g64 low = row->distance.low;
  return g64_add(row->distance.high, g64_select(g64_equal(low, low), low, g64_set(0)));
}

/* -log p of an entry x. */
INLINE pair64 NAME(logits, surprisal)(const NAME(logits, ending) * end, g64 x,
                                      const fe_params *params) {
  const g64 m = end->largest;
  const g64 far = g64_select(g64_equal(m, x), g64_set(0), g64_sub(m, x));
  return NAME(logits, both)(NAME(logits, tempered)(far, params), end->log_sum);
}

static void NAME(softmax_cross_entropy, finish)(const fe_state *state, size_t rows,
                                                const fe_params *params, void *out) {
  const logits_unit unit = logits_unit_of(params);
  for (size_t r = 0; r < rows; r += FE_LANES) {
    const NAME(logits, ending) end = NAME(logits, end)(state, r, &unit);
    const g64 x = g64_load(state->part[FE_TARGET] + r);
    const pair64 y = NAME(logits, surprisal)(&end, x, params);
    NAME(logits, put)((real *)out + r, rows - r, end.nothing, y, params);
  }
}

INLINE pair64 NAME(logits, loss_of_targets)(const fe_state *state, size_t r,
                                            const NAME(logits, ending) * end,
                                            const fe_params *params) {
  const logits64 row = logits64_load(state, r);
  const g64 distance = NAME(logits, distance)(&row);
  const g64 weight = g64_add(row.weight.high, row.weight.low);
  const pair64 curved = {g64_mul(weight, g64_add(end->log_sum.high, end->log_sum.low)), g64_set(0)};
  const g64 linear = NAME(logits, tempered)(distance, params);
  return NAME(logits, both)(linear, curved);
}

static void NAME(softmax_cross_entropy_of_targets, finish)(const fe_state *state, size_t rows,
                                                           const fe_params *params, void *out) {
  const logits_unit unit = logits_unit_of(params);
  for (size_t r = 0; r < rows; r += FE_LANES) {
    const NAME(logits, ending) end = NAME(logits, end)(state, r, &unit);
    const pair64 y = NAME(logits, loss_of_targets)(state, r, &end, params);
    NAME(logits, put)((real *)out + r, rows - r, end.nothing, y, params);
  }
}

/* With targets that are the weights of the classes: the share e of the loss goes to all K classes
 * above -inf alike,
 *
 *     (1 - e) w_label (-log p_label) + (e/K) sum_j w_j (-log p_j)
 */
INLINE pair64 NAME(logits, loss_of_classes)(const fe_state *state, size_t r,
                                            const NAME(logits, ending) * end,
                                            const fe_params *params) {
  const g64 zero = g64_set(0), smoothing = g64_set(params->smoothing);
  const g64 rest = g64_set(1 - params->smoothing);
  const logits64 row = logits64_load(state, r);
  const g64 m = end->largest, x = g64_load(state->part[FE_TARGET] + r);
  const g64 label_weight = g64_load(state->part[FE_TARGET_WEIGHT] + r); /* NaN without labels */
  const g64 label = g64_select(g64_equal(rest, zero), zero, g64_mul(rest, label_weight));
  const m64 unused = m64_or(g64_equal(m, x), g64_equal(label, zero));
  const g64 share = g64_div(smoothing, g64_max(row.count, g64_set(1)));
  const g64 far = g64_mul(label, g64_select(unused, zero, g64_sub(m, x)));
  const g64 spread = g64_mul(share, NAME(logits, distance)(&row));
  const g64 weight = g64_fma(share, g64_add(row.weight.high, row.weight.low), label);
  const pair64 curved = {g64_mul(weight, g64_add(end->log_sum.high, end->log_sum.low)), zero};
  const g64 linear = NAME(logits, tempered)(g64_add(far, spread), params);
  return NAME(logits, both)(linear, curved);
}

static void NAME(softmax_cross_entropy_of_classes, finish)(const fe_state *state, size_t rows,
                                                           const fe_params *params, void *out) {
  const logits_unit unit = logits_unit_of(params);
  for (size_t r = 0; r < rows; r += FE_LANES) {
    const NAME(logits, ending) end = NAME(logits, end)(state, r, &unit);
    const pair64 y = NAME(logits, loss_of_classes)(state, r, &end, params);
    NAME(logits, put)((real *)out + r, rows - r, end.nothing, y, params);
  }
}

/* 1 - e^-x of x >= 0, a few units of the last digit: 2^k e^r with k <= 0. */
INLINE g64 NAME(logits, one_less)(g64 x) {
  const g64 one = g64_set(1), zero = g64_set(0);
  g64 k;
  const pair64 r = g64_exp_reduce(g64_max(g64_sub(zero, x), g64_set(-40)), zero, &k);
  const g64 power = g64_power_of_two(k), more = g64_add(r.high, g64_exp_tail(r)); /* e^r - 1 */
  const g64 y = g64_fnma(power, more, g64_sub(one, power));
  return g64_select(g64_equal(x, zero), zero, y); /* and no -0 */
}

/* Everything about a row: of 1 + R' = S, of the runner-up x_2,
 *
 *     confidence = 1/S,   margin = (1 - e^((x_2 - m)/T))/S
 *
 * A row that is no distribution has NaN, and -1 for a place and a rank. */
static void NAME(score_logits, finish)(const fe_state *state, size_t rows, const fe_params *params,
                                       void *out) {
  const logits_unit unit = logits_unit_of(params);
  const g64 zero = g64_set(0), one = g64_set(1), nan = g64_set(__builtin_nan(""));
  for (size_t r = 0; r < rows; r += FE_LANES) {
    const NAME(logits, ending) end = NAME(logits, end)(state, r, &unit);
    const g64 x = g64_load(state->part[FE_TARGET] + r), m = end.largest;
    const m64 bad = m64_or(end.nothing, m64_not(g64_equal(end.sum, end.sum)));
    const m64 unranked = m64_or(bad, m64_not(g64_equal(x, x)));
    const g64 confidence = g64_div(one, g64_add(one, end.sum));
    const g64 second = g64_load(state->part[FE_RUNNER_UP] + r);
    const g64 ahead = g64_select(g64_equal(m, second), zero, g64_sub(m, second));
    const g64 margin =
        g64_mul(confidence, NAME(logits, one_less)(NAME(logits, tempered)(ahead, params)));
    const g64 above = g64_load(state->part[FE_COUNT] + r);
    double *to = (double *)out + r;
    g64_store(to, NAME(logits, scaled)(bad, NAME(logits, surprisal)(&end, x, params), params));
    to += FE_BLOCK_ROWS;
    g64_store(to, NAME(logits, scaled)(bad, NAME(logits, entropy)(&end), params));
    to += FE_BLOCK_ROWS;
    g64_store(to, g64_select(bad, nan, confidence));
    to += FE_BLOCK_ROWS;
    g64_store(to, g64_select(bad, nan, margin));
    to += FE_BLOCK_ROWS;
    g64_store(to, g64_select(bad, g64_set(-1), g64_load(state->part[FE_PLACE] + r)));
    to += FE_BLOCK_ROWS;
    g64_store(to, g64_select(unranked, g64_set(-1), above));
  }
}

/* What every log-probability of a row needs: (m - x)/T + log S of an entry x. */
static void NAME(top_log_probs, finish)(const fe_state *state, size_t rows, const fe_params *params,
                                        void *out) {
  const logits_unit unit = logits_unit_of(params);
  for (size_t r = 0; r < rows; r += FE_LANES) {
    const NAME(logits, ending) end = NAME(logits, end)(state, r, &unit);
    const g64 log_sum = g64_add(end.log_sum.high, end.log_sum.low);
    double *to = (double *)out + r;
    g64_store(to, NAME(logits, scaled)(end.nothing, NAME(logits, entropy)(&end), params));
    g64_store(to + FE_BLOCK_ROWS, end.largest);
    g64_store(to + 2 * FE_BLOCK_ROWS, g64_select(end.nothing, g64_set(__builtin_nan("")), log_sum));
  }
}

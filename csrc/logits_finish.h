/* logits_finish.h - from the states of rows of logits to results; once a dtype.
 *
 *   logsumexp              m/T + log(1 + R')
 *   softmax_entropy        log(1 + R') + D'/(1 + R')
 *   softmax_cross_entropy  (m - x_label)/T + log(1 + R'); of targets, D/T + W log(1 + R')
 *
 * with R' = R e^((s - m)/T) and D' = D e^((s - m)/T)/T: sums over what the largest entry's term is
 * 1 of. No term is negative but in logsumexp, so no digit is lost. Rows without an entry above
 * -inf, and with several +inf, are NaN; their logsumexp is infinite.
 */

typedef struct {
  g64 largest, sum, distance;
  pair64 log_sum; /* log(1 + sum) */
  m64 nothing;    /* no distribution */
} NAME(logits, ending);

INLINE NAME(logits, ending)
    NAME(logits, end)(const fe_state *state, size_t r, const logits_unit *unit) {
  const logits64 row = logits64_load(state, r);
  const g64 m = row.largest, zero = g64_set(0), infinity = g64_set(__builtin_inf());
  const m64 far = logits_far(m, unit);
  const g64 one = g64_set(1);
  pair64 first = logits_first(m, logits_exponent(m, far, unit), far, unit);
  first.high = g64_select(g64_equal(first.high, zero), one, first.high);
  NAME(logits, ending) end;
  end.largest = m;
  end.sum = g64_div(g64_add(row.sum.high, row.sum.low), g64_add(first.high, first.low));
  g64 low;
  const g64 product = g64_two_product(end.sum, first.high, &low);
  g64 dropped = g64_add(g64_sub(g64_sub(row.sum.high, product), low), row.sum.low);
  dropped = g64_div(g64_fnma(end.sum, first.low, dropped), first.high);
  end.log_sum = g64_log1p_pair(end.sum, dropped);
  end.log_sum.high = g64_select(g64_equal(end.sum, end.sum), end.log_sum.high, end.sum); /* NaN */
  end.distance =
      g64_div(g64_add(row.distance.high, row.distance.low), g64_add(first.high, first.low));
  end.distance = g64_mul(end.distance, g64_set(unit->rate));
  const m64 several = m64_and(g64_equal(m, infinity), g64_less(zero, end.sum));
  end.nothing = m64_or(several, g64_equal(m, g64_sub(zero, infinity)));
  return end;
}

INLINE void NAME(logits, put)(real *result, size_t left, m64 nothing, pair64 y,
                              const fe_params *params) {
  const g64 scaled = params->scale_high == 1 && params->scale_low == 0 ? g64_add(y.high, y.low)
                                                                       : g64_scale_sum(y, params);
  NAME(finish, store)(result, left, g64_select(nothing, g64_set(__builtin_nan("")), scaled));
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
    const NAME(logits, ending) end = NAME(logits, end)(state, r, &unit);
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

static void NAME(softmax_entropy, finish)(const fe_state *state, size_t rows,
                                          const fe_params *params, void *out) {
  const logits_unit unit = logits_unit_of(params);
  for (size_t r = 0; r < rows; r += FE_LANES) {
    const NAME(logits, ending) end = NAME(logits, end)(state, r, &unit);
    const g64 mean = g64_div(end.distance, g64_add(g64_set(1), end.sum));
    const pair64 y = NAME(logits, both)(mean, end.log_sum);
    NAME(logits, put)((real *)out + r, rows - r, end.nothing, y, params);
  }
}

static void NAME(softmax_cross_entropy, finish)(const fe_state *state, size_t rows,
                                                const fe_params *params, void *out) {
  const logits_unit unit = logits_unit_of(params);
  for (size_t r = 0; r < rows; r += FE_LANES) {
    const NAME(logits, ending) end = NAME(logits, end)(state, r, &unit);
    const g64 m = end.largest, x = g64_load(state->part[FE_TARGET] + r);
    const g64 far = g64_select(g64_equal(m, x), g64_set(0), g64_sub(m, x));
    const g64 linear = g64_div(far, g64_set(params->temperature));
    const pair64 y = NAME(logits, both)(linear, end.log_sum);
    NAME(logits, put)((real *)out + r, rows - r, end.nothing, y, params);
  }
}

INLINE void NAME(logits, finish_targets)(const fe_state *state, size_t rows, const int shared,
                                         const fe_params *params, void *out) {
  const logits_unit unit = logits_unit_of(params);
  for (size_t r = 0; r < rows; r += FE_LANES) {
    const NAME(logits, ending) end = NAME(logits, end)(state, r, &unit);
    const logits64 row = logits64_load(state, r);
    const g64 number = shared ? g64_max(row.count, g64_set(1)) : g64_set(1);
    const g64 rest =
        g64_select(g64_equal(row.distance.low, row.distance.low), row.distance.low, g64_set(0));
    const g64 distance = g64_div(g64_add(row.distance.high, rest), number);
    const g64 weight = g64_div(g64_add(row.weight.high, row.weight.low), number);
    const pair64 curved = {g64_mul(weight, g64_add(end.log_sum.high, end.log_sum.low)), g64_set(0)};
    const g64 linear = g64_div(distance, g64_set(params->temperature));
    const pair64 y = NAME(logits, both)(linear, curved);
    NAME(logits, put)((real *)out + r, rows - r, end.nothing, y, params);
  }
}

static void NAME(softmax_cross_entropy_of_targets, finish)(const fe_state *state, size_t rows,
                                                           const fe_params *params, void *out) {
  NAME(logits, finish_targets)(state, rows, 0, params, out);
}

static void NAME(softmax_cross_entropy_of_classes, finish)(const fe_state *state, size_t rows,
                                                           const fe_params *params, void *out) {
  NAME(logits, finish_targets)(state, rows, 1, params, out);
}

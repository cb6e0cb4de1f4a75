/* softmax.h - the softmax of a row of logits x, and its logarithm; an entry for each of the row's.
 *
 *     p_j = e^(x_j/T) / sum_i e^(x_i/T),     log p_j = (x_j - m)/T - log S,   S = sum_i e^((x_i -
 * m)/T)
 *
 * The sum comes from logsumexp's state. p_j is the exponential that was summed, a pair that is kept
 * or made again, times the reciprocal of the sum, a pair too: rounded once, but for a hair. The two
 * terms of log p_j have one sign.
 *
 * Edge cases: -inf is a probability of 0, whose logarithm is -inf; one +inf is certainty; a row
 *   without an entry above -inf, with several +inf, or with NaN is NaN throughout. FE_INDEFINITE
 * has other ones. Accumulation: logsumexp's.
 */

#define MEASURE softmax
#define OPERANDS 1
#define EXACT 1
#define KEPT 2
#define PLAIN logsumexp
#include "../logits.h"

/* e^((s - m)/T)/S as a pair, in units of e^((x - s)/T). */
INLINE pair64 NAME(softmax, inverse)(const logits64 *row, g64 k, m64 far, const logits_unit *unit) {
#if REAL == 32 /* a double is exact enough */
  const g64 rest = g64_add(row->sum.high, row->sum.low);
  const g64 sum = g64_add(logits_first_rounded(row->largest, k, far, unit), rest);
  return (pair64){g64_div(g64_set(1), g64_mul(sum, g64_set(0x1p-500))), g64_set(0)};
#else
  const pair64 first = logits_first(row->largest, k, far, unit);
  const g64 unscale = g64_set(0x1p-500), one = g64_set(1);
  pair64 total = {g64_mul(first.high, unscale), g64_mul(first.low, unscale)};
  pair64_add(&total, g64_mul(row->sum.high, unscale));
  total.low = g64_add(total.low, g64_mul(row->sum.low, unscale)); /* tails: not small at all */
  total.high = g64_two_sum(total.high, total.low, &total.low);
  const g64 inverse = g64_div(one, total.high);
  g64 residual;
  const g64 product = g64_two_product(inverse, total.high, &residual);
  const g64 rest = g64_sub(g64_sub(g64_sub(one, product), residual), g64_mul(inverse, total.low));
  return (pair64){inverse, g64_mul(rest, inverse)};
#endif
}

/* A finished state of softmax: FE_HIGH + FE_LOW = the inverse; FE_COUNT = k. Of log_softmax:
 * FE_HIGH + FE_LOW = log S. */
static void NAME(softmax, finish)(const fe_state *state, size_t rows, const fe_params *params,
                                  void *out) {
  const logits_unit unit = logits_unit_of(params);
  (void)out;
  for (size_t r = 0; r < rows; r += FE_LANES) {
    const logits64 row = logits64_load(state, r);
    const m64 far = logits_far(row.largest, &unit);
    const g64 k = logits_exponent(row.largest, far, &unit);
    const pair64 inverse = NAME(softmax, inverse)(&row, k, far, &unit);
    const g64 nan = g64_set(__builtin_nan("")); /* alone: the low part's may have another sign */
    const m64 infinite = g64_equal(row.largest, g64_set(__builtin_inf()));
    m64 nothing = NAME(logits, nothing)(&row);
    if (params->flags & FE_INDEFINITE) nothing = m64_or(nothing, infinite);
    g64_store(state->part[FE_HIGH] + r, g64_select(nothing, nan, inverse.high));
    g64_store(state->part[FE_LOW] + r, g64_select(nothing, g64_set(0), inverse.low));
    g64_store(state->part[FE_COUNT] + r, k);
  }
}

static void NAME(log_softmax, finish)(const fe_state *state, size_t rows, const fe_params *params,
                                      void *out) {
  const logits_unit unit = logits_unit_of(params);
  (void)out;
  for (size_t r = 0; r < rows; r += FE_LANES) {
    const NAME(logits, ending) end = NAME(logits, end_as)(state, r, &unit, REAL == 64);
    const g64 nan = g64_set(__builtin_nan(""));
    g64 high = g64_select(end.nothing, nan, end.log_sum.high), low = end.log_sum.low;
    if (params->flags & FE_INDEFINITE) { /* whatever log S is, if it is a number */
      const m64 infinite = g64_equal(end.largest, g64_set(__builtin_inf()));
      const g64 none = g64_sub(end.sum, end.sum);
      high = g64_select(infinite, none, high), low = g64_select(infinite, none, low);
    }
    g64_store(state->part[FE_HIGH] + r, high);
    g64_store(state->part[FE_LOW] + r, low);
  }
}

static void NAME(softmax, spread)(const fe_block *block, const fe_params *params,
                                  const fe_state *state, void *out, ptrdiff_t stride) {
  NAME(spread, rows)(block, params, state, NAME(spread, exact), out, stride);
}

/* What stands for x - m where x is m: +inf may be no certainty. */
INLINE g64 NAME(log_softmax, at_m)(g64 m, const fe_params *params) {
  const g64 zero = g64_set(0), nan = g64_set(__builtin_nan(""));
  if (!(params->flags & FE_INDEFINITE)) return zero;
  return g64_select(g64_equal(m, g64_set(__builtin_inf())), nan, zero);
}

/* (x - m)/T - log S of sixteen entries. */
INLINE g64 NAME(log_softmax, of)(g64 x, g64 m, g64 at_m, g64 high, g64 low,
                                 const fe_params *params) {
  const g64 d = g64_select(g64_equal(x, m), at_m, g64_sub(x, m));
  return g64_sub(g64_sub(NAME(logits, tempered)(d, params), low), high);
}

/* Sixteen short rows from r on, a lane each. */
static void NAME(log_softmax, sixteen)(const fe_block *block, const fe_params *params,
                                       const fe_state *state, size_t r, char *out,
                                       ptrdiff_t stride) {
  real x[FE_LANES * (FE_LANE_ROWS + FE_CHUNK)], y[FE_LANES * FE_LANE_ROWS];
  const size_t n = block->columns, rows = block->rows - r, left = rows < FE_LANES ? rows : FE_LANES;
  const int overrun = (rows - left) * n >= FE_CHUNK - 1; /* entries behind these */
  const g64 m = g64_load(state->part[FE_LARGEST] + r), at_m = NAME(log_softmax, at_m)(m, params);
  const g64 high = g64_load(state->part[FE_HIGH] + r), low = g64_load(state->part[FE_LOW] + r);
  COLUMNS((const real *)block->operand[0] + r * n, left, n, overrun, x);
  for (size_t j = 0; j < n * FE_LANES; j += FE_LANES)
    STORE_WIDE(y + j, NAME(log_softmax, of)(LOAD_WIDE(x + j), m, at_m, high, low, params));
  ROWS(y, left, n, out + (ptrdiff_t)r * stride, stride);
}

static void NAME(log_softmax, spread)(const fe_block *block, const fe_params *params,
                                      const fe_state *state, void *out, ptrdiff_t stride) {
  if (block->row_length <= FE_LANE_ROWS) {
    for (size_t r = 0; r < block->rows; r += FE_LANES)
      NAME(log_softmax, sixteen)(block, params, state, r, out, stride);
    return;
  }
  for (size_t r = 0; r < block->rows; r++) {
    const ptrdiff_t at = (ptrdiff_t)r;
    const char *from = (const char *)block->operand[0] + at * block->stride[0];
    const real *x = (const real *)(const void *)from;
    real *to = (real *)(void *)((char *)out + at * stride);
    const g64 m = g64_set(state->part[FE_LARGEST][r]), at_m = NAME(log_softmax, at_m)(m, params);
    const g64 high = g64_set(state->part[FE_HIGH][r]), low = g64_set(state->part[FE_LOW][r]);
    for (size_t i = 0; i < block->columns; i += FE_LANES) {
      const size_t left = block->columns - i;
      const g64 a = LOAD_WIDE_UP_TO(x + i, left, 0);
      const g64 y = NAME(log_softmax, of)(a, m, at_m, high, low, params);
      NAME(finish, store)(to + i, left, y);
    }
  }
}

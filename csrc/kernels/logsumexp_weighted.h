/* logsumexp_weighted.h - log |S| and the sign of S = sum_j b_j e^(x_j), of weights b of either
 * sign; two results a row.
 *
 *     log |S| = m + log |sum_j b_j e^(x_j - m)|,    m the largest x_j whose weight is not 0
 *
 * Differences from m keep what their rounding drops, exponentials 1 + r + ... stay pairs, and so do
 * products and sums: what cancels beside m keeps its digits.
 *
 * Edge cases: a weight of 0 counts for nothing, whatever its x; so does -inf. Where another weight
 *   or x is infinite or NaN, S is what IEEE 754 makes of b e^x and their sum. -inf and 0 of S = 0,
 *   and of an empty row.
 * Accumulation: of a block of each row by itself, m first; then joined. Short rows a lane each.
 * State: FE_LARGEST m, FE_HIGH + FE_LOW the sum, FE_COUNT that of the infinite terms.
 */

#if REAL == 64
typedef struct {
  g64 largest;
  sum64 sum;
  g64 odd;
} FE_JOIN(logsumexp_weighted, terms, f64, FE_ISA);
#define TERMS FE_JOIN(logsumexp_weighted, terms, f64, FE_ISA)

INLINE TERMS FE_JOIN(logsumexp_weighted, begin, f64, FE_ISA)(void) {
  const g64 zero = g64_set(0);
  return (TERMS){g64_set(-__builtin_inf()), {zero, zero}, zero};
}

INLINE g64 FE_JOIN(logsumexp_weighted, raise, f64, FE_ISA)(g64 largest, g64 b, g64 x) {
  const m64 counts =
      m64_and(m64_not(g64_equal(b, g64_set(0))), g64_less(x, g64_set(__builtin_inf())));
  return g64_max(g64_select(counts, x, largest), largest);
}

INLINE void FE_JOIN(logsumexp_weighted, add, f64, FE_ISA)(TERMS *terms, g64 b, g64 x) {
  const g64 zero = g64_set(0), one = g64_set(1), infinity = g64_set(__builtin_inf());
  const g64 lowest = g64_sub(zero, infinity);
  const m64 some = m64_not(g64_equal(b, zero));
  const m64 finite = m64_and(g64_equal(g64_sub(b, b), zero), g64_less(x, infinity));
  const m64 odd = m64_and(some, m64_not(finite));
  const m64 usual = m64_and(m64_and(some, finite), g64_less(lowest, x));
  if (m64_any(odd)) {
    g64 e = g64_select(g64_less(x, infinity), one, x); /* +inf and NaN */
    e = g64_select(g64_equal(x, lowest), zero, e);
    terms->odd = g64_add(terms->odd, g64_select(odd, g64_mul(b, e), zero));
  }
  const g64 m = g64_select(usual, terms->largest, zero);
  g64 dropped, low, lost, k;
  const g64 d = g64_two_sum(g64_select(usual, x, zero), g64_sub(zero, m), &dropped);
  const pair64 y = g64_exp_parts_pair(d, dropped, &k);
  const g64 high = g64_fast_two_sum(y.high, y.low, &low);
  const g64 weight = g64_scale_binary(g64_select(usual, b, zero), k);
  sum64_add_signed(&terms->sum, g64_two_product(weight, high, &lost));
  terms->sum.residual = g64_add(terms->sum.residual, g64_fma(weight, low, lost));
}

/* A sum from one largest entry to another, `to`. */
INLINE pair64 FE_JOIN(logsumexp_weighted, seen, f64, FE_ISA)(pair64 sum, g64 from, g64 to) {
  const g64 zero = g64_set(0);
  const m64 same = g64_equal(from, to);
  g64 dropped, low, lost, k;
  const g64 d = g64_two_sum(g64_select(same, zero, from), g64_select(same, zero, g64_sub(zero, to)),
                            &dropped);
  const m64 none = g64_equal(from, g64_set(-__builtin_inf()));
  const pair64 y = g64_exp_parts_pair(d, g64_select(none, zero, dropped), &k);
  const g64 high = g64_fast_two_sum(y.high, y.low, &low);
  const g64 product = g64_two_product(sum.high, high, &lost);
  const g64 rest = g64_fma(sum.high, low, g64_fma(sum.low, high, lost));
  const pair64 seen = {g64_scale_binary(product, k), g64_scale_binary(rest, k)};
  return (pair64){g64_select(same, sum.high, seen.high), g64_select(same, sum.low, seen.low)};
}

/* What is known of sixteen rows from r on, and of later entries of theirs. */
INLINE void FE_JOIN(logsumexp_weighted, join, f64, FE_ISA)(const fe_state *state, size_t r,
                                                           g64 largest, pair64 sum, g64 odd) {
  const g64 before = g64_load(state->part[FE_LARGEST] + r), m = g64_max(before, largest);
  const pair64 known = {g64_load(state->part[FE_HIGH] + r), g64_load(state->part[FE_LOW] + r)};
  pair64 all = FE_JOIN(logsumexp_weighted, seen, f64, FE_ISA)(known, before, m);
  const pair64 more = FE_JOIN(logsumexp_weighted, seen, f64, FE_ISA)(sum, largest, m);
  g64 residual;
  all.high = g64_two_sum(all.high, more.high, &residual);
  all.low = g64_add(g64_add(all.low, more.low), residual);
  g64_store(state->part[FE_LARGEST] + r, m);
  g64_store(state->part[FE_HIGH] + r, g64_fast_two_sum(all.high, all.low, &residual));
  g64_store(state->part[FE_LOW] + r, residual);
  g64_store(state->part[FE_COUNT] + r, g64_add(g64_load(state->part[FE_COUNT] + r), odd));
}
#endif

/* A piece of a row, into entry r of arrays of sixteen. */
static void NAME(logsumexp_weighted, piece)(const real *b, const real *x, size_t n,
                                            double parts[4][FE_LANES], size_t r) {
  double lanes[FE_LANES];
  TERMS terms = FE_JOIN(logsumexp_weighted, begin, f64, FE_ISA)();
  for (size_t i = 0; i < n; i += FE_LANES)
    terms.largest = FE_JOIN(logsumexp_weighted, raise, f64, FE_ISA)(
        terms.largest, LOAD_WIDE_UP_TO(b + i, n - i, 0), LOAD_WIDE_UP_TO(x + i, n - i, 0));
  g64_store(lanes, terms.largest);
  for (size_t i = 1; i < FE_LANES; i++) lanes[0] = lanes[i] > lanes[0] ? lanes[i] : lanes[0];
  terms.largest = g64_set(parts[0][r] = lanes[0]);
  for (size_t i = 0; i < n; i += FE_LANES) FE_JOIN(logsumexp_weighted, add, f64, FE_ISA)
  (&terms, LOAD_WIDE_UP_TO(b + i, n - i, 0), LOAD_WIDE_UP_TO(x + i, n - i, 0));
  sum64_collect(&terms.sum, &parts[1][r], &parts[2][r]);
  g64_store(lanes, terms.odd);
  for (size_t i = 0; i < FE_LANES; i++) parts[3][r] += lanes[i];
}

/* Sixteen rows that were turned. */
static void NAME(logsumexp_weighted, lanes)(const real *b, const real *x, size_t n,
                                            const fe_state *state, size_t r) {
  TERMS terms = FE_JOIN(logsumexp_weighted, begin, f64, FE_ISA)();
  for (size_t i = 0; i < n * FE_LANES; i += FE_LANES)
    terms.largest = FE_JOIN(logsumexp_weighted, raise, f64, FE_ISA)(terms.largest, LOAD_WIDE(b + i),
                                                                    LOAD_WIDE(x + i));
  for (size_t i = 0; i < n * FE_LANES; i += FE_LANES)
    FE_JOIN(logsumexp_weighted, add, f64, FE_ISA)(&terms, LOAD_WIDE(b + i), LOAD_WIDE(x + i));
  const pair64 sum = {terms.sum.sum, terms.sum.residual};
  FE_JOIN(logsumexp_weighted, join, f64, FE_ISA)(state, r, terms.largest, sum, terms.odd);
}

#define SHORT_ROW 32 /* columns */

static unsigned NAME(logsumexp_weighted, accumulate)(const fe_block *block, const fe_params *params,
                                                     const fe_state *state) {
  const size_t n = block->columns, rows = block->rows;
  (void)params;
  for (size_t r = 0; n > 0 && r < rows; r += FE_LANES) {
    const size_t left = rows - r < FE_LANES ? rows - r : FE_LANES;
    if (block->row_length <= SHORT_ROW) { /* which follow each other */
      real b[FE_LANES * (SHORT_ROW + FE_CHUNK)] __attribute__((aligned(64)));
      real x[FE_LANES * (SHORT_ROW + FE_CHUNK)] __attribute__((aligned(64)));
      const int overrun = (rows - r - left) * n >= FE_CHUNK - 1; /* entries behind these */
      COLUMNS((const real *)block->operand[0] + r * n, left, n, overrun, b);
      COLUMNS((const real *)block->operand[1] + r * n, left, n, overrun, x);
      NAME(logsumexp_weighted, lanes)(b, x, n, state, r);
      continue;
    }
    double parts[4][FE_LANES] = {{0}};
    for (size_t i = 0; i < FE_LANES; i++) parts[0][i] = -__builtin_inf();
    for (size_t i = 0; i < left; i++) {
      const ptrdiff_t row = (ptrdiff_t)(r + i);
      const char *b = (const char *)block->operand[0] + row * block->stride[0];
      const char *x = (const char *)block->operand[1] + row * block->stride[1];
      NAME(logsumexp_weighted, piece)
      ((const real *)(const void *)b, (const real *)(const void *)x, n, parts, i);
    }
    const pair64 sum = {g64_load(parts[1]), g64_load(parts[2])};
    FE_JOIN(logsumexp_weighted, join, f64, FE_ISA)
    (state, r, g64_load(parts[0]), sum, g64_load(parts[3]));
  }
  return 0;
}
#undef SHORT_ROW

static void NAME(logsumexp_weighted, combine)(const fe_state *state, const fe_state *more,
                                              size_t rows, const fe_params *params) {
  (void)params;
  for (size_t r = 0; r < rows; r += FE_LANES) {
    const pair64 sum = {g64_load(more->part[FE_HIGH] + r), g64_load(more->part[FE_LOW] + r)};
    FE_JOIN(logsumexp_weighted, join, f64, FE_ISA)
    (state, r, g64_load(more->part[FE_LARGEST] + r), sum, g64_load(more->part[FE_COUNT] + r));
  }
}

static void NAME(logsumexp_weighted, finish)(const fe_state *state, size_t rows,
                                             const fe_params *params, void *out) {
  const g64 zero = g64_set(0), one = g64_set(1), sign_bit = g64_set(-0.0);
  (void)params;
  for (size_t r = 0; r < rows; r += FE_LANES) {
    const g64 m = g64_load(state->part[FE_LARGEST] + r), odd = g64_load(state->part[FE_COUNT] + r);
    const g64 high = g64_load(state->part[FE_HIGH] + r), low = g64_load(state->part[FE_LOW] + r);
    const m64 finite = g64_equal(odd, zero);
    const g64 sum = g64_select(finite, high, odd);
    const g64 size = g64_select(g64_less(sum, zero), g64_bits_xor(sum, sign_bit), sum);
    pair64 log_sum = g64_log_pair_full(size);
    const g64 rest = g64_div(low, high); /* NaN at 0 */
    log_sum.low = g64_add(log_sum.low, g64_select(g64_equal(rest, rest), rest, zero));
    const pair64 y = NAME(logits, both)(m, log_sum);
    const g64 usual = g64_add(y.high, y.low);
    g64 sign = g64_select(g64_less(zero, sum), one, g64_mul(sum, sum)); /* +0, NaN */
    sign = g64_select(g64_less(sum, zero), g64_set(-1), sign);
    double *to = (double *)out + r;
    g64_store(to, g64_select(finite, usual, size));
    g64_store(to + FE_BLOCK_ROWS, sign);
  }
}
#if REAL == 32
#undef TERMS
#endif

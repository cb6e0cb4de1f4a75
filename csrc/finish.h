/* finish.h - from the double-double sums of rows to results; once a dtype.
 *
 *   scaled       sum * (1/log(base)), rounded once
 *   exponential  e^sum, for perplexities
 *   to_log_2     sum * (1/log(base)), of sums that are at most log 2 but for roundings
 *   root_to_log_2, root_to_1: the square root of that, and of sums at most 1
 */

INLINE void NAME(finish, store)(real *result, size_t left, g64 y) {
  if (left >= FE_LANES) {
    STORE_WIDE(result, y);
    return;
  }
  real last[FE_LANES];
  STORE_WIDE(last, y);
  memcpy(result, last, left * sizeof(real));
}

/* What a sum lost; an infinite sum has lost nothing. */
INLINE g64 NAME(finish, rest)(const double *low) {
  const g64 rest = g64_load(low);
  return g64_select(g64_equal(rest, rest), rest, g64_set(0));
}

static void NAME(scaled, finish)(const fe_state *state, size_t rows, const fe_params *params,
                                 void *out) {
  const double *high = state->part[FE_HIGH], *low = state->part[FE_LOW];
  real *result = out;
  if (params->scale_high == 1 && params->scale_low == 0) {
    for (size_t r = 0; r < rows; r += FE_LANES) {
      const g64 y = g64_add(g64_load(high + r), NAME(finish, rest)(low + r));
      NAME(finish, store)(result + r, rows - r, y);
    }
    return;
  }
  for (size_t r = 0; r < rows; r += FE_LANES) {
    /* sums near the subnormal numbers are scaled up, so that only the last step rounds to them */
    const g64 sum = g64_load(high + r), small = g64_set(FE_TINY_SUM);
    const m64 tiny = m64_and(g64_less(sum, small), g64_less(g64_sub(g64_set(0), small), sum));
    const g64 up = g64_select(tiny, g64_set(FE_TINY_SCALE), g64_set(1));
    const g64 down = g64_select(tiny, g64_set(1 / FE_TINY_SCALE), g64_set(1));
    const pair64 scaled = {g64_mul(sum, up), g64_mul(NAME(finish, rest)(low + r), up)};
    NAME(finish, store)(result + r, rows - r, g64_mul(g64_scale_sum(scaled, params), down));
  }
}

static void NAME(exponential, finish)(const fe_state *state, size_t rows, const fe_params *params,
                                      void *out) {
  const double *high = state->part[FE_HIGH], *low = state->part[FE_LOW];
  (void)params;
  real *result = out;
  for (size_t r = 0; r < rows; r += FE_LANES) {
    const g64 y = g64_exp_pair(g64_load(high + r), NAME(finish, rest)(low + r));
    NAME(finish, store)(result + r, rows - r, y);
  }
}

/* A sum that exceeds its greatest value by no more than roundings of the entries is that value: the
 * excess is within the measure's bound, 1e-6 or 1e-14, or 2 ulp. */
INLINE g64 NAME(finish, capped)(g64 sum, double greatest, double excess) {
  const g64 cap = g64_set(greatest);
  const m64 above = m64_and(g64_less(cap, sum), g64_less(sum, g64_set(greatest * (1 + excess))));
  return g64_select(above, cap, sum);
}

INLINE void NAME(finish, bounded)(const fe_state *state, size_t rows, const fe_params *params,
                                  double greatest, double excess, const int root, real *result) {
  for (size_t r = 0; r < rows; r += FE_LANES) {
    const g64 sum =
        g64_add(g64_load(state->part[FE_HIGH] + r), NAME(finish, rest)(state->part[FE_LOW] + r));
    g64 y = NAME(finish, capped)(sum, greatest, excess);
    y = g64_mul(y, g64_set(params->scale_high + params->scale_low));
    NAME(finish, store)(result + r, rows - r, root ? g64_sqrt(y) : y);
  }
}

#define LOG_2_EXCESS (REAL == 32 ? 0x1p-20 : 0x1p-47)
static void NAME(to_log_2, finish)(const fe_state *state, size_t rows, const fe_params *params,
                                   void *out) {
  NAME(finish, bounded)(state, rows, params, FE_LN2, LOG_2_EXCESS, 0, out);
}

static void NAME(root_to_log_2, finish)(const fe_state *state, size_t rows, const fe_params *params,
                                        void *out) {
  NAME(finish, bounded)(state, rows, params, FE_LN2, LOG_2_EXCESS, 1, out);
}

static void NAME(root_to_1, finish)(const fe_state *state, size_t rows, const fe_params *params,
                                    void *out) {
  NAME(finish, bounded)(state, rows, params, 1, REAL == 32 ? 0x1p-22 : 0x1p-51, 1, out);
}
#undef LOG_2_EXCESS

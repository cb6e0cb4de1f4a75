/* finish.h - from the double-double sums of rows to results; once a dtype.
 *
 *   scaled       sum * (1/log(base)), rounded once
 *   exponential  e^sum, for perplexities
 */

static void NAME(scaled, finish)(const double *high, const double *low, size_t rows,
                                 const fe_params *params, void *out) {
  real *result = out;
  for (size_t r = 0; r < rows; r += FE_LANES) {
    const g64 y = g64_scale_sum((pair64){g64_load(high + r), g64_load(low + r)}, params);
    if (rows - r >= FE_LANES) {
      STORE_WIDE(result + r, y);
    } else {
      real last[FE_LANES];
      STORE_WIDE(last, y);
      memcpy(result + r, last, (rows - r) * sizeof(real));
    }
  }
}

static void NAME(exponential, finish)(const double *high, const double *low, size_t rows,
                                      const fe_params *params, void *out) {
  (void)params;
  real *result = out;
  for (size_t r = 0; r < rows; r += FE_LANES) {
    const g64 rest = g64_load(low + r);
    const g64 y =
        g64_exp_pair(g64_load(high + r), g64_select(g64_equal(rest, rest), rest, g64_set(0)));
    real last[FE_LANES];
    STORE_WIDE(last, y);
    memcpy(result + r, last, (rows - r < FE_LANES ? rows - r : FE_LANES) * sizeof(real));
  }
}

/* reduce_short.h - part of reduce.h: short rows, sixteen at a time, a lane each.
 *
 * A batch of rows is worked on in two steps, so that what is stored by the first is there for the
 * second: weighted measures are turned, then summed; of others the terms are made, turned and
 * added. What comes later in memory is fetched a line at a time beside the arithmetic: bursts of it
 * stall.
 */
#define SHORT_BUFFER (FE_LANES * (FE_SHORT + FE_CHUNK))

/* A smaller sum is made anew, but for the 0 of equal rows. */
INLINE double ROW(short_least)(size_t n) {
#if WEIGHTED
  return S(short_least)(n, HEAD_START);
#else
  (void)n;
  return ROW(tiny)();
#endif
}

/* The sums of sixteen rows whose columns lie x_step and y_step entries apart; what is to be fetched
 * ahead lies so many bytes apart. */
INLINE sum64 ROW(group)(const real *x, size_t x_step, const real *y, size_t y_step, size_t n,
                        const char *next_p, size_t next_p_step, const char *next_q,
                        size_t next_q_step, const fe_params *params, const int variant,
                        WATCH *watch) {
#if WEIGHTED
  sum64 sum = S(short_start)(HEAD_START);
#else
  SUM sum = {G(set)(0), G(set)(0)};
#endif
  for (size_t j = 0; j < n; j++) {
    fe_fetch(next_p + j * next_p_step, FE_LANES * sizeof(real));
    if (OPERANDS == 2) fe_fetch(next_q + j * next_q_step, FE_LANES * sizeof(real));
    const GROUP a = LOAD(x + j * x_step), b = OPERANDS == 1 ? a : LOAD(y + j * y_step);
    ROW(watch)(watch, a, b);
    const GROUP factor = ROW(factor)(a, b, params, variant);
#if WEIGHTED
    S(short_subtract)(&sum, LOAD_WIDE(x + j * x_step), factor);
#else
    S(add)(&sum, factor);
#endif
  }
#if WEIGHTED
  S(short_end)(&sum, HEAD_START);
  return sum;
#else
  return S(widen)(&sum);
#endif
}

#if WEIGHTED
INLINE m64 ROW(batch)(const real *p, const real *q, size_t rows, size_t n, size_t more,
                      const fe_ahead *ahead, const fe_params *params, const int variant,
                      WATCH *watch, double *high, double *low) {
  real x[SHORT_BUFFER] __attribute__((aligned(64))), y[SHORT_BUFFER] __attribute__((aligned(64)));
  m64 small = g64_less(g64_set(0), g64_set(0));
  const double least = ROW(short_least)(n);
  for (size_t r = 0; r < rows; r += FE_LANES) {
    const size_t left = rows - r < FE_LANES ? rows - r : FE_LANES;
    const int overrun = more + (rows - r - left) * n >= FE_CHUNK - 1; /* entries behind these */
    COLUMNS(p + r * n, left, n, overrun, x + r * n);
    if (OPERANDS == 2) COLUMNS(q + r * n, left, n, overrun, y + r * n);
  }
  for (size_t r = 0; r < rows; r += FE_LANES) {
    const char *next_p = ahead[0].next + r * n * ahead[0].size;
    const char *next_q = ahead[1].next + r * n * ahead[1].size;
    const sum64 sum =
        ROW(group)(x + r * n, FE_LANES, y + r * n, FE_LANES, n, next_p, FE_LANES * ahead[0].size,
                   next_q, FE_LANES * ahead[1].size, params, variant, watch);
    g64_store(high + r, sum.sum);
    g64_store(low + r, sum.residual);
    if (least > 0) small = m64_or(small, sum64_small(&sum, least, SMALL_TERMS));
  }
  return small;
}
#else
INLINE m64 ROW(batch)(const real *p, const real *q, size_t rows, size_t n, size_t more,
                      const fe_ahead *ahead, const fe_params *params, const int variant,
                      WATCH *watch, double *high, double *low) {
  compute terms[SHORT_BUFFER] __attribute__((aligned(64))),
      x[SHORT_BUFFER] __attribute__((aligned(64)));
  m64 small = g64_less(g64_set(0), g64_set(0));
  const double least = ROW(short_least)(n);
  (void)more;
  for (size_t i = 0; i < rows * n; i += FE_LANES) {
    fe_fetch(ahead[0].next + i * ahead[0].size, FE_LANES * sizeof(real));
    if (OPERANDS == 2) fe_fetch(ahead[1].next + i * ahead[1].size, FE_LANES * sizeof(real));
    const GROUP a = LOAD_UP_TO(p + i, rows * n - i, 1);
    const GROUP b = OPERANDS == 1 ? a : LOAD_UP_TO(q + i, rows * n - i, 1);
    ROW(watch)(watch, a, b);
    G(store)(terms + i, ROW(factor)(a, b, params, variant));
  }
  for (size_t r = 0; r < rows; r += FE_LANES) {
    SUM sum = {G(set)(0), G(set)(0)};
    COLUMNS_COMPUTE(terms + r * n, rows - r < FE_LANES ? rows - r : FE_LANES, n, 1, x);
    for (size_t j = 0; j < n; j++) S(add)(&sum, G(load)(x + FE_LANES * j));
    const sum64 wide = S(widen)(&sum);
    g64_store(high + r, wide.sum);
    g64_store(low + r, wide.residual);
    if (least > 0) small = m64_or(small, sum64_small(&wide, least, SMALL_TERMS));
  }
  return small;
}
#endif

/* Some rows of a group are special, or their sums small: those anew by the careful form. */
static unsigned ROW(short_again)(const real *p, const real *q, size_t rows, size_t n,
                                 const fe_params *params, double *high, double *low) {
  unsigned status = 0;
  for (size_t r = 0; r < rows; r++, p += n, q += n) {
    if (ROW(is_small)(p, 1, q, 1, n, high[r], ROW(short_least)(n)) ||
        ROW(is_special)(p, q, n, params)) {
      high[r] = low[r] = 0;
      status |= ROW(leaf_careful)(p, q, n, NULL, NULL, 1, params, high + r, low + r);
    }
    ROW(tiny_sum)(p, 1, q, 1, n, params, high + r, low + r);
  }
  return status;
}

static unsigned ROW(short_rows)(const fe_block *block, const fe_params *params, double *high,
                                double *low) {
  const real *p = block->operand[0], *q = block->operand[OPERANDS - 1];
  const size_t rows = block->rows, n = block->columns;
  const size_t batch = FE_LANES * (n < SHORT_COLUMNS ? SHORT_COLUMNS / n : 1);
  const size_t distance =
      batch * n * sizeof(real) + 2048; /* the next batch, and 2 KiB of another */
  const int variant = VARIANT(params, p, q, n);
  unsigned status = 0;
  for (size_t r = 0; r < rows; r += batch, p += batch * n, q += batch * n) {
    const size_t count = rows - r < batch ? rows - r : batch;
    const size_t more = (rows - r - count) * n;
    const fe_ahead ahead[2] = {fe_ahead_of(&block->ahead[0], p, r * n, distance, sizeof(real)),
                               fe_ahead_of(&block->ahead[1], q, r * n, distance, sizeof(real))};
    WATCH watch = W(new)();
    m64 small;
    if (variant)
      small = ROW(batch)(p, q, count, n, more, ahead, params, 1, &watch, high + r, low + r);
    else small = ROW(batch)(p, q, count, n, more, ahead, params, 0, &watch, high + r, low + r);
    if (W(touched)(&watch, WATCH_LIMIT(params)) || (ROW(short_least)(n) > 0 && m64_any(small)))
      status |= ROW(short_again)(p, q, count, n, params, high + r, low + r);
  }
  return status;
}

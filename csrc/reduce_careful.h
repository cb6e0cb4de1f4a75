/* reduce_careful.h - part of reduce.h: the complete form of a leaf, for every input, and what rows
 * of special entries or tiny sums need. */

/* Adds the terms of a group; y is q's where there are two operands. */
INLINE void ROW(group_careful)(sum64 *sum, g64 x, g64 y, const divisor64 *by_p,
                               const divisor64 *by_q, double scale, const fe_params *params,
                               unsigned *status) {
  const pair64 a = share64(x, by_p);
#if OPERANDS == 2
  const pair64 b = share64(y, by_q);
  const pair64 difference = share64_difference(x, y, a, b, by_p, by_q);
  const entry64 entry = {a, b, difference, g64_set(scale)};
#else
  (void)y, (void)by_q;
  const entry64 entry = {a, a, {g64_set(0), g64_set(0)}, g64_set(scale)};
#endif
  CAREFUL_NAME(MEASURE)(sum, &entry, params, status);
}

static unsigned ROW(leaf_careful)(const real *p, const real *q, size_t count,
                                  const double *inverse_p, const double *inverse_q, double scale,
                                  const fe_params *params, double *high, double *low) {
  const divisor64 by_p = divisor64_of_row(inverse_p), by_q = divisor64_of_row(inverse_q);
  unsigned status = 0;
  sum64 sum = {g64_set(0), g64_set(0)};
  for (size_t i = 0; i < count; i += FE_LANES) {
    const g64 x = LOAD_WIDE_UP_TO(p + i, count - i, 0);
    const g64 y = OPERANDS == 1 ? x : LOAD_WIDE_UP_TO(q + i, count - i, PAD);
    ROW(group_careful)(&sum, x, y, &by_p, &by_q, scale, params, &status);
  }
  sum64_collect(&sum, high, low);
  return status;
}

/* The sums of sixteen short rows, a lane each. */
static unsigned ROW(lanes_careful)(const real *x, const real *y, size_t n, const divisor64 *by_p,
                                   const divisor64 *by_q, const fe_params *params, sum64 *sum) {
  unsigned status = 0;
  *sum = (sum64){g64_set(0), g64_set(0)};
  for (size_t j = 0; j < n; j++) {
    const g64 a = LOAD_WIDE(x + FE_LANES * j);
    const g64 b = OPERANDS == 1 ? a : LOAD_WIDE(y + FE_LANES * j);
    ROW(group_careful)(sum, a, b, by_p, by_q, 1, params, &status);
  }
  sum64_short_end(sum, 0);
  return status;
}

/* A row whose entries lie apart, or some of it, made contiguous. */
INLINE const real *ROW(one_row)(const real *p, size_t step, size_t n, real *row) {
  for (size_t j = 0; j < n; j++) row[j] = p[j * step];
  return row;
}

/* A sum below the normal numbers has lost up to half their spacing at every term: it is made anew,
 * scaled, and rounded once. Floats are summed in double: their terms alone may be too small, by
 * half of 2^-149 each, nothing beside 2^-100. */
INLINE double ROW(tiny)(void) { return REAL == 64 ? FE_TINY_SUM : SMALL_TERMS ? 0x1p-100 : 0; }

static void ROW(scaled_sum)(const real *p, size_t p_step, const real *q, size_t q_step, size_t n,
                            const fe_params *params, double *high, double *low) {
  double sum = 0, rest = 0;
  real x[FE_LEAF], y[FE_LEAF];
  for (size_t i = 0; i < n; i += FE_LEAF) {
    const size_t count = n - i < FE_LEAF ? n - i : FE_LEAF;
    ROW(one_row)(p + i * p_step, p_step, count, x);
    if (OPERANDS == 2) ROW(one_row)(q + i * q_step, q_step, count, y);
    ROW(leaf_careful)(x, OPERANDS == 2 ? y : x, count, NULL, NULL, FE_TINY_SCALE, params, &sum,
                      &rest);
  }
  *high = (sum + rest) / FE_TINY_SCALE;
  *low = 0;
}

/* Whether a sum of these rows is below `least` without being 0, as that of equal rows is. */
INLINE int ROW(is_small)(const real *p, size_t p_step, const real *q, size_t q_step, size_t n,
                         double sum, double least) {
  if (!(__builtin_fabs(sum) < least)) return 0;
  if (sum != 0) return 1;
  for (size_t j = 0; SMALL_TERMS && j < n; j++)
    if (p[j * p_step] != q[j * q_step]) return 1;
  return 0;
}

INLINE void ROW(tiny_sum)(const real *p, size_t p_step, const real *q, size_t q_step, size_t n,
                          const fe_params *params, double *high, double *low) {
  if (ROW(is_small)(p, p_step, q, q_step, n, *high, ROW(tiny)()))
    ROW(scaled_sum)(p, p_step, q, q_step, n, params, high, low);
}

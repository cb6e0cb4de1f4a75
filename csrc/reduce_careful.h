/* reduce_careful.h - part of reduce.h: the complete form of a leaf, for every input, and what rows
 * of special entries or tiny sums need. */

/* p / sum as a pair, exactly 1 where p is the sum; NULL stands for a sum of 1. */
INLINE pair64 ROW(scaled)(g64 p, const double *inverse) {
  if (inverse == NULL) return (pair64){p, g64_set(0)};
  const g64 x = g64_mul(p, g64_set(inverse[0])), sum = g64_set(inverse[1]);
  pair64 a;
  g64 residual;
  a.high = g64_div(x, sum);
  const g64 product = g64_two_product(a.high, sum, &residual);
  const g64 rest =
      g64_sub(g64_sub(g64_sub(x, product), residual), g64_mul(a.high, g64_set(inverse[2])));
  a.low = g64_mul(rest, g64_set(inverse[3]));
  return a;
}

#if OPERANDS == 2
/* p/P - q/Q. Where p and q are close, so are P and Q, and with e = p - q, E = P - Q, both exact,
 *     p/P - q/Q = (e P - p E) / (P Q)
 * keeps the digits that two quotients lose. */
INLINE g64 ROW(difference)(g64 p, g64 q, pair64 a, pair64 b, const double *inverse_p,
                           const double *inverse_q) {
  const g64 direct = g64_add(g64_sub(a.high, b.high), g64_sub(a.low, b.low));
  if (inverse_p == NULL || inverse_p[0] != inverse_q[0]) return direct;
  double rest;
  const double sums = fe_two_sum(inverse_p[1], -inverse_q[1], &rest);
  rest += inverse_p[2] - inverse_q[2];
  const g64 x = g64_mul(p, g64_set(inverse_p[0])), y = g64_mul(q, g64_set(inverse_p[0]));
  const g64 e = g64_sub(x, y);
  g64 low_1, low_2, low_3;
  const g64 high_1 = g64_two_product(e, g64_set(inverse_p[1]), &low_1);
  const g64 high_2 = g64_two_product(x, g64_set(sums), &low_2);
  low_1 = g64_add(low_1, g64_mul(e, g64_set(inverse_p[2])));
  const g64 high_3 = g64_two_product(x, g64_set(rest), &low_3);
  const g64 low = g64_sub(low_1, g64_add(low_2, low_3));
  const g64 product = g64_add(g64_sub(g64_sub(high_1, high_2), high_3), low);
  const g64 exact = g64_mul(product, g64_set(inverse_p[3] * inverse_q[3]));
  const g64 half = g64_set(0.5), two = g64_set(2);
  const m64 close = m64_and(g64_less(g64_mul(x, half), y), g64_less(y, g64_mul(x, two)));
  return g64_select(close, exact, direct);
}
#endif

static unsigned ROW(leaf_careful)(const real *p, const real *q, size_t count,
                                  const double *inverse_p, const double *inverse_q, double scale,
                                  const fe_params *params, double *high, double *low) {
  unsigned status = 0;
  sum64 sum = {g64_set(0), g64_set(0)};
  for (size_t i = 0; i < count; i += FE_LANES) {
    const g64 x = LOAD_WIDE_UP_TO(p + i, count - i, 0);
    const pair64 a = ROW(scaled)(x, inverse_p);
#if OPERANDS == 2
    const g64 y = LOAD_WIDE_UP_TO(q + i, count - i, PAD);
    const pair64 b = ROW(scaled)(y, inverse_q);
    const g64 difference = ROW(difference)(x, y, a, b, inverse_p, inverse_q);
    const entry64 entry = {a, b, difference, g64_set(scale)};
#else
    (void)q, (void)inverse_q;
    const entry64 entry = {a, a, g64_set(0), g64_set(scale)};
#endif
    CAREFUL_NAME(MEASURE)(&sum, &entry, params, &status);
  }
  sum64_collect(&sum, high, low);
  return status;
}

/* A row whose entries lie apart, or some of it, made contiguous. */
INLINE const real *ROW(one_row)(const real *p, size_t step, size_t n, real *row) {
  for (size_t j = 0; j < n; j++) row[j] = p[j * step];
  return row;
}

/* A sum below the normal numbers has lost up to half their spacing at every term: it is made anew,
 * scaled, and rounded once. (Floats summed in double never come here.) */
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

INLINE void ROW(tiny_sum)(const real *p, size_t p_step, const real *q, size_t q_step, size_t n,
                          const fe_params *params, double *high, double *low) {
  if (REAL == 64 && __builtin_fabs(*high) < FE_TINY_SUM && *high != 0)
    ROW(scaled_sum)(p, p_step, q, q_step, n, params, high, low);
}

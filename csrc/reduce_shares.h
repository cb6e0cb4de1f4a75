/* reduce_shares.h - part of reduce.h: rows that are divided by their sums.
 *
 * The careful form knows every share as a pair. The quick form rounds shares to double, wrong by at
 * most d = 3/2 units, and sums them as the fast form does those of a row that needs no division. A
 * row, or segment of one, keeps its quick sum if that is at least the measure's LEAST_SHARE times
 * the shares in it: there d is within the measure's bound for float64. For float32 the sums that
 * double has no digits for are beyond 2^-26.
 *
 * Where ADDED is defined so much is added to every share, and QUICK is the measure of what results.
 */
#ifdef LEAST_SHARE
#ifndef QUICK
#define QUICK MEASURE
#define ADDED(params) 0
#endif
#define QUICK_PART(part) FE_JOIN(QUICK, part, f64, FE_ISA)

INLINE double ROW(least)(void) { return REAL == 64 ? LEAST_SHARE : 0x1p-26; }

/* The shares of a leaf; returns their sum. */
INLINE double ROW(leaf_shares)(const real *x, size_t count, const double *inverse, double added,
                               double *shares) {
  const divisor64 by = divisor64_of_row(inverse);
  double lanes[FE_LANES], all = 0;
  g64 sum = g64_set(0);
  for (size_t i = 0; i < count; i += FE_LANES) {
    const g64 share = share64_rounded(LOAD_WIDE_UP_TO(x + i, count - i, 0), &by);
    g64_store(shares + i, g64_add(share, g64_set(added)));
    sum = g64_add(sum, share);
  }
  g64_store(lanes, sum);
  for (int i = 0; i < FE_LANES; i++) all += lanes[i];
  return all;
}

/* Some columns of one long row; 0 if its sum is not good enough. */
static int ROW(row_quick)(const real *p, const real *q, size_t n, const double *inverse_p,
                          const double *inverse_q, const fe_params *params, unsigned *status,
                          double *high, double *low) {
  double a[FE_LEAF], b[FE_LEAF], shares = 0, sum = 0, rest = 0;
  for (size_t i = 0; i < n; i += FE_LEAF) {
    const size_t count = n - i < FE_LEAF ? n - i : FE_LEAF;
    shares += ROW(leaf_shares)(p + i, count, inverse_p, ADDED(params), a);
    if (OPERANDS == 2) ROW(leaf_shares)(q + i, count, inverse_q, ADDED(params), b);
    const fe_ahead ahead[2] = {{(const char *)a, 0}, {(const char *)b, 0}};
    *status |= QUICK_PART(leaf)(a, OPERANDS == 2 ? b : a, count, ahead, params, &sum, &rest);
  }
  if (sum < ROW(least)() * shares) return 0;
  fe_add(high, low, sum, rest);
  return 1;
}

/* The same of the columns of sixteen short rows: which are not good enough. */
INLINE m64 ROW(lanes_quick)(const real *x, const real *y, size_t rows, size_t n,
                            const divisor64 *by_p, const divisor64 *by_q, const fe_params *params,
                            unsigned *status, sum64 *sum) {
  double a[FE_LANES * FE_LANE_ROWS], b[FE_LANES * FE_LANE_ROWS], high[FE_LANES], low[FE_LANES];
  const g64 added = g64_set(ADDED(params));
  for (size_t j = 0; j < FE_LANES * n; j += FE_LANES) {
    g64_store(a + j, g64_add(share64_rounded(LOAD_WIDE(x + j), by_p), added));
    if (OPERANDS == 2) g64_store(b + j, g64_add(share64_rounded(LOAD_WIDE(y + j), by_q), added));
  }
  const fe_block block = {.operand = {a, OPERANDS == 2 ? b : a},
                          .step = {FE_LANES, FE_LANES},
                          .rows = rows,
                          .columns = n,
                          .row_length = n};
  *status |= QUICK_PART(short_columns)(&block, params, high, low);
  *sum = (sum64){g64_load(high), g64_load(low)};
  return g64_less(sum->sum, g64_set(ROW(least)()));
}
#endif

/* Short rows, sixteen at a time, a lane each. */
static unsigned ROW(short_shares)(const fe_block *block, const fe_params *params, double *high,
                                  double *low) {
  const real *p = block->operand[0], *q = block->operand[OPERANDS - 1];
  const double *inverse_p = block->inverse[0], *inverse_q = block->inverse[OPERANDS - 1];
  const size_t rows = block->rows, n = block->columns;
  unsigned status = 0;
  for (size_t r = 0; r < rows; r += FE_LANES, p += FE_LANES * n, q += FE_LANES * n) {
    real x[FE_LANES * (FE_LANE_ROWS + FE_CHUNK)], y[FE_LANES * (FE_LANE_ROWS + FE_CHUNK)];
    const size_t left = rows - r < FE_LANES ? rows - r : FE_LANES;
    const int overrun = (rows - r - left) * n >= FE_CHUNK - 1; /* entries behind these */
    const divisor64 by_p = divisor64_of_rows(inverse_p ? inverse_p + r : NULL, left);
    const divisor64 by_q = divisor64_of_rows(inverse_p ? inverse_q + r : NULL, left);
    sum64 sum;
    COLUMNS(p, left, n, overrun, x);
    if (OPERANDS == 2) COLUMNS(q, left, n, overrun, y);
#ifdef LEAST_SHARE
    if (ROW(least)() < __builtin_inf()) {
      const m64 bad = ROW(lanes_quick)(x, y, left, n, &by_p, &by_q, params, &status, &sum);
      if (m64_any(bad)) {
        sum64 careful;
        status |= ROW(lanes_careful)(x, y, n, &by_p, &by_q, params, &careful);
        sum.sum = g64_select(bad, careful.sum, sum.sum);
        sum.residual = g64_select(bad, careful.residual, sum.residual);
      }
      g64_store(high + r, sum.sum);
      g64_store(low + r, sum.residual);
      continue;
    }
#endif
    status |= ROW(lanes_careful)(x, y, n, &by_p, &by_q, params, &sum);
    g64_store(high + r, sum.sum);
    g64_store(low + r, sum.residual);
  }
  return status;
}
#undef QUICK_PART

/* reduce_shares.h - part of reduce.h: rows that are divided by their sums.
 *
 * The careful form knows every share as a pair. The quick form rounds shares to double, wrong by at
 * most d = 3/2 units, and sums them as the fast form does those of a row that needs no division. A
 * row, or segment of one, keeps its quick sum if that is at least the measure's LEAST_SHARE times
 * the shares in it: there d is within the measure's bound for float64. For float32 the sums that
 * double has no digits for are beyond 2^-26; where LEAST_SHARE_F32 is defined, those from there on
 * have their digits with shares, and logarithms, in float too.
 *
 * Where ADDED is defined so much is added to every share, and QUICK is the measure of what results.
 */
#ifdef LEAST_SHARE
#ifndef QUICK
#define QUICK MEASURE
#define ADDED(params) 0
#endif
#define IN 64
#include "reduce_quick.h"
#if REAL == 32 && FE_FMA && defined(LEAST_SHARE_F32)
#define IN 32
#include "reduce_quick.h"
#define QUICK_IN_FLOAT 1
#define FLOAT_COLUMNS 4 /* of sixteen shorter rows one is too small for floats nearly always */
#else
#define QUICK_IN_FLOAT 0
#endif

INLINE int ROW(is_quick)(void) { return REAL == 32 || LEAST_SHARE < __builtin_inf(); }

/* The careful form of some rows of sixteen, or of none; `bad` says which. */
INLINE unsigned ROW(lanes_anew)(const real *x, const real *y, size_t n, m64 bad,
                                const divisor64 *by_p, const divisor64 *by_q,
                                const fe_params *params, sum64 *sum) {
  if (!m64_any(bad)) return 0;
  sum64 careful;
  const unsigned status = ROW(lanes_careful)(x, y, n, by_p, by_q, params, &careful);
  sum->sum = g64_select(bad, careful.sum, sum->sum);
  sum->residual = g64_select(bad, careful.residual, sum->residual);
  return status;
}

/* The sums of sixteen short rows. */
INLINE unsigned ROW(lanes_quickly)(const real *x, const real *y, size_t rows, size_t n,
                                   const divisor64 *by_p, const divisor64 *by_q,
                                   const fe_params *params, sum64 *sum) {
  unsigned status = 0;
#if QUICK_IN_FLOAT
  sum64 first = {g64_set(0), g64_set(0)};
  m64 again = g64_equal(first.sum, first.sum);
  if (n >= FLOAT_COLUMNS)
    again = ROW(lanes_quick_in_32)(x, y, rows, n, by_p, by_q, params, &status, &first);
  *sum = first;
  if (!m64_any(again)) return status;
#endif
  const m64 bad = ROW(lanes_quick_in_64)(x, y, rows, n, by_p, by_q, params, &status, sum);
  status |= ROW(lanes_anew)(x, y, n, bad, by_p, by_q, params, sum);
#if QUICK_IN_FLOAT
  sum->sum = g64_select(again, sum->sum, first.sum);
  sum->residual = g64_select(again, sum->residual, first.residual);
#endif
  return status;
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
    const divisor64 by_q =
        OPERANDS == 1 ? by_p : divisor64_of_rows(inverse_p ? inverse_q + r : NULL, left);
    sum64 sum;
    COLUMNS(p, left, n, overrun, x);
    if (OPERANDS == 2) COLUMNS(q, left, n, overrun, y);
#ifdef LEAST_SHARE
    if (ROW(is_quick)()) {
      status |= ROW(lanes_quickly)(x, y, left, n, &by_p, &by_q, params, &sum);
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

/* reduce_quick.h - part of reduce_shares.h: sums of shares that are rounded, in doubles or in
 * floats; a template by inclusion, IN of 64 or 32 bits.
 *
 * Shares are summed as the fast form sums entries of a row that needs no division.
 */

#define QUICK_NAME(part) QUICK_JOIN(part, IN)
#define QUICK_JOIN(part, in) QUICK_JOIN_(part, in)
#define QUICK_JOIN_(part, in) ROW(part##_in_##in)
#if IN == 32
#define number float
#define SHARES g32
#define H(operation) g32_##operation
#define QUICK_PART(part) FE_JOIN(QUICK, part, f32, FE_ISA)
#define QUICK_LEAST LEAST_SHARE_F32
#define ENTRIES(p, left) LOAD_UP_TO(p, left, 0)
#else
#define number double
#define SHARES g64
#define H(operation) g64_##operation
#define QUICK_PART(part) FE_JOIN(QUICK, part, f64, FE_ISA)
#define QUICK_LEAST (REAL == 64 ? LEAST_SHARE : 0x1p-26)
#define ENTRIES(p, left) LOAD_WIDE_UP_TO(p, left, 0)
#endif

/* Two factors: neither the sum's inverse nor a share leaves the range of doubles. Floats have one,
 * or none if it might leave theirs. */
typedef struct {
  SHARES scale, inverse;
  m64 none;
} QUICK_NAME(factors);

INLINE QUICK_NAME(factors) QUICK_NAME(factors_of)(const divisor64 *by) {
#if IN == 32
  float lanes[FE_LANES];
  const g64 factor = g64_mul(by->scale, by->inverse);
  const m64 inside = m64_and(g64_less(g64_set(0x1p-90), factor), g64_less(factor, g64_set(0x1p90)));
  g64_store_float(lanes, factor);
  return (QUICK_NAME(factors)){g32_set(1), g32_load(lanes), m64_not(inside)};
#else
  return (QUICK_NAME(factors)){by->scale, by->inverse, g64_less(by->scale, g64_set(0))};
#endif
}

INLINE SHARES QUICK_NAME(shares)(const real *p, size_t left, const QUICK_NAME(factors) * by) {
  const SHARES x = ENTRIES(p, left);
  return H(mul)(IN == 32 ? x : H(mul)(x, by->scale), by->inverse);
}

/* The shares of a leaf, with what is to be added; returns their sum. */
INLINE double QUICK_NAME(leaf_shares)(const real *x, size_t count, const QUICK_NAME(factors) * by,
                                      double added, number *shares) {
  number lanes[FE_LANES];
  double all = 0;
  SHARES sum = H(set)(0);
  for (size_t i = 0; i < count; i += FE_LANES) {
    const SHARES share = QUICK_NAME(shares)(x + i, count - i, by);
    H(store)(shares + i, H(add)(share, H(set)((number)added)));
    sum = H(add)(sum, share);
  }
  H(store)(lanes, sum);
  for (int i = 0; i < FE_LANES; i++) all += (double)lanes[i];
  return all;
}

/* Some columns of one long row; 0 if its sum is not good enough. */
static int QUICK_NAME(row_quick)(const real *p, const real *q, size_t n, const double *inverse_p,
                                 const double *inverse_q, const fe_params *params, unsigned *status,
                                 double *high, double *low) {
  number a[FE_LEAF], b[FE_LEAF];
  double shares = 0, sum = 0, rest = 0;
  const divisor64 of_p = divisor64_of_row(inverse_p), of_q = divisor64_of_row(inverse_q);
  const QUICK_NAME(factors) by_p = QUICK_NAME(factors_of)(&of_p);
  const QUICK_NAME(factors) by_q = QUICK_NAME(factors_of)(&of_q);
  if (m64_any(m64_or(by_p.none, by_q.none))) return 0;
  for (size_t i = 0; i < n; i += FE_LEAF) {
    const size_t count = n - i < FE_LEAF ? n - i : FE_LEAF;
    shares += QUICK_NAME(leaf_shares)(p + i, count, &by_p, ADDED(params), a);
    if (OPERANDS == 2) QUICK_NAME(leaf_shares)(q + i, count, &by_q, ADDED(params), b);
    const fe_ahead ahead[2] = {{(const char *)a, 0}, {(const char *)b, 0}};
    *status |= QUICK_PART(leaf)(a, OPERANDS == 2 ? b : a, count, ahead, params, &sum, &rest);
  }
  if (sum < QUICK_LEAST * shares) return 0;
  fe_add(high, low, sum, rest);
  return 1;
}

/* The same of the columns of sixteen short rows: which are not good enough. */
INLINE m64 QUICK_NAME(lanes_quick)(const real *x, const real *y, size_t rows, size_t n,
                                   const divisor64 *of_p, const divisor64 *of_q,
                                   const fe_params *params, unsigned *status, sum64 *sum) {
  number a[FE_LANES * FE_LANE_ROWS], b[FE_LANES * FE_LANE_ROWS];
  double high[FE_LANES], low[FE_LANES];
  const QUICK_NAME(factors) by_p = QUICK_NAME(factors_of)(of_p);
  const QUICK_NAME(factors) by_q = QUICK_NAME(factors_of)(of_q);
  const SHARES added = H(set)((number)ADDED(params));
  for (size_t j = 0; j < FE_LANES * n; j += FE_LANES) {
    H(store)(a + j, H(add)(QUICK_NAME(shares)(x + j, FE_LANES, &by_p), added));
    if (OPERANDS == 2) H(store)(b + j, H(add)(QUICK_NAME(shares)(y + j, FE_LANES, &by_q), added));
  }
  const fe_block block = {.operand = {a, OPERANDS == 2 ? b : a},
                          .step = {FE_LANES, FE_LANES},
                          .rows = rows,
                          .columns = n,
                          .row_length = n};
  *status |= QUICK_PART(short_columns)(&block, params, high, low);
  *sum = (sum64){g64_load(high), g64_load(low)};
  return m64_or(m64_or(by_p.none, by_q.none), g64_less(sum->sum, g64_set(QUICK_LEAST)));
}

#undef QUICK_NAME
#undef QUICK_JOIN
#undef QUICK_JOIN_
#undef QUICK_PART
#undef QUICK_LEAST
#undef ENTRIES
#undef SHARES
#undef number
#undef H
#undef IN

/* shares.h - entries divided by the sum of their row, as pairs, and differences of such. */
#ifndef FE_SHARES_H
#define FE_SHARES_H

#include "exact.h"
#include "fastent.h"

/* Rows of at most so many columns are worked on sixteen at a time, a lane each. Longer ones are
 * fast enough one by one, and a single row would take as long as sixteen. */
#define FE_LANE_ROWS 32

/* What a group of entries is divided by: of one row, or of sixteen, a lane each (FE_INVERSE in
 * fastent.h says what these numbers are); or `nothing`, if rows are used as they are. */
typedef struct {
  int nothing;
  g64 scale, sum, low, inverse;
} divisor64;

/* `inverse` is NULL, or points to the row's first number. */
INLINE divisor64 divisor64_of_row(const double *inverse) {
  if (inverse == NULL) return (divisor64){1, g64_set(1), g64_set(1), g64_set(0), g64_set(1)};
  return (divisor64){0, g64_set(inverse[0]), g64_set(inverse[FE_BLOCK_ROWS]),
                     g64_set(inverse[2 * FE_BLOCK_ROWS]), g64_set(inverse[3 * FE_BLOCK_ROWS])};
}

/* Of so many rows from there on, at most sixteen; lanes without one are divided by 1. */
INLINE divisor64 divisor64_of_rows(const double *inverse, size_t rows) {
  double lanes[4][FE_LANES];
  if (inverse == NULL) return divisor64_of_row(NULL);
  if (rows >= FE_LANES)
    return (divisor64){0, g64_load(inverse), g64_load(inverse + FE_BLOCK_ROWS),
                       g64_load(inverse + 2 * FE_BLOCK_ROWS),
                       g64_load(inverse + 3 * FE_BLOCK_ROWS)};
  for (size_t k = 0; k < 4; k++)
    for (size_t r = 0; r < FE_LANES; r++)
      lanes[k][r] = r < rows ? inverse[k * FE_BLOCK_ROWS + r] : k != 2;
  return (divisor64){0, g64_load(lanes[0]), g64_load(lanes[1]), g64_load(lanes[2]),
                     g64_load(lanes[3])};
}

/* p / sum, exactly 1 where p is the sum. */
HEAVY pair64 share64(g64 p, const divisor64 *by) {
  if (by->nothing) return (pair64){p, g64_set(0)};
  const g64 x = g64_mul(p, by->scale);
  pair64 a;
  g64 residual;
  a.high = g64_div(x, by->sum);
  const g64 product = g64_two_product(a.high, by->sum, &residual);
  const g64 rest = g64_sub(g64_sub(g64_sub(x, product), residual), g64_mul(a.high, by->low));
  a.low = g64_mul(rest, by->inverse);
  return a;
}

/* The same, rounded: wrong by at most 3/2 of a unit, for 1/sum is by 1. */
INLINE g64 share64_rounded(g64 p, const divisor64 *by) {
  return g64_mul(g64_mul(p, by->scale), by->inverse);
}

/* p/P - q/Q of shares a and b. Where p and q are close, so are P and Q, and with e = p - q,
 * E = P - Q, both exact,
 *     p/P - q/Q = (e P - p E) / (P Q)
 * keeps the digits that two quotients lose. */
HEAVY pair64 share64_difference(g64 p, g64 q, pair64 a, pair64 b, const divisor64 *by_p,
                                const divisor64 *by_q) {
  const g64 zero = g64_set(0);
  pair64 apart, near, difference;
  apart.high = g64_two_sum(a.high, g64_sub(zero, b.high), &apart.low);
  if (by_p->nothing) return apart;
  apart.low = g64_add(apart.low, g64_sub(a.low, b.low));
  g64 rest, low_1, low_2, low_3, low_4;
  const g64 sums = g64_two_sum(by_p->sum, g64_sub(zero, by_q->sum), &rest);
  rest = g64_add(rest, g64_sub(by_p->low, by_q->low));
  const g64 x = g64_mul(p, by_p->scale), y = g64_mul(q, by_p->scale);
  const g64 e = g64_sub(x, y);
  const g64 high_1 = g64_two_product(e, by_p->sum, &low_1);
  const g64 high_2 = g64_two_product(x, sums, &low_2);
  const g64 high_3 = g64_two_product(x, rest, &low_3);
  g64 lost_1, lost_2;
  const g64 most = g64_two_sum(high_1, g64_sub(zero, high_2), &lost_1);
  const g64 numerator = g64_two_sum(most, g64_sub(zero, high_3), &lost_2);
  low_1 = g64_sub(g64_add(low_1, g64_mul(e, by_p->low)), g64_add(low_2, low_3));
  low_1 = g64_add(low_1, g64_add(lost_1, lost_2));
  const g64 product = g64_two_product(by_p->sum, by_q->sum, &low_4); /* P Q */
  low_4 = g64_add(low_4, g64_add(g64_mul(by_p->sum, by_q->low), g64_mul(by_p->low, by_q->sum)));
  const g64 inverse = g64_mul(by_p->inverse, by_q->inverse);
  near.high = g64_mul(numerator, inverse);
  near.low = g64_add(g64_remainder(numerator, product, near.high), low_1);
  near.low = g64_mul(g64_sub(near.low, g64_mul(near.high, low_4)), inverse);
  const g64 half = g64_set(0.5), two = g64_set(2);
  m64 close = m64_and(g64_less(g64_mul(x, half), y), g64_less(y, g64_mul(x, two)));
  close = m64_and(close, g64_equal(by_p->scale, by_q->scale));
  const g64 high = g64_select(close, near.high, apart.high);
  difference.high = g64_two_sum(high, g64_select(close, near.low, apart.low), &difference.low);
  return difference;
}

#endif

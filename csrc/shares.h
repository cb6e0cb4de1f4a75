/* shares.h - entries divided by the sum of their row, as pairs, and differences of such.
 *
 * `inverse` holds FE_INVERSE numbers (fastent.h); NULL stands for a sum of 1.
 */
#ifndef FE_SHARES_H
#define FE_SHARES_H

#include "exact.h"

/* p / sum, exactly 1 where p is the sum. */
INLINE pair64 share64(g64 p, const double *inverse) {
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

/* p/P - q/Q of shares a and b. Where p and q are close, so are P and Q, and with e = p - q,
 * E = P - Q, both exact,
 *     p/P - q/Q = (e P - p E) / (P Q)
 * keeps the digits that two quotients lose. */
INLINE g64 share64_difference(g64 p, g64 q, pair64 a, pair64 b, const double *inverse_p,
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

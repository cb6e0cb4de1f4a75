/* powers_quick.h - the sums of powers.h of the rows that most are: of entries that are 0 or normal
 * numbers up to 1, of an order up to 64 or infinite, and of powers that double holds as they are.
 * Everything else, and what rounded shares have no digits for, is left to the careful form.
 *
 *     e^u = 2^k (1 + m),  e^u - 1 = 2^k m + (2^k - 1),  m = r + r^2 q(r),  u = k log 2 + r
 *
 * is both the power and, of u near 0, the change. Of order 0 positive entries are counted, of two
 * distributions their q added; of order 2 both are products; of order 1 the change is that of u,
 * and of order infinity the largest entry says it all.
 */
#ifndef FE_POWERS_QUICK_H
#define FE_POWERS_QUICK_H

#include "powers.h"
#include "shares.h"

enum { POWERS_ANY, POWERS_ZERO, POWERS_ONE, POWERS_TWO, POWERS_INFINITE, POWERS_CAREFUL };

INLINE int powers_kind(double order) {
  if (order == 0) return POWERS_ZERO;
  if (order == 1) return POWERS_ONE;
  if (order == 2) return POWERS_TWO;
  if (order == __builtin_inf()) return POWERS_INFINITE;
  return order <= 64 ? POWERS_ANY : POWERS_CAREFUL;
}

/* What is known of sixteen lanes. `apart` is the sum of p - q. */
typedef struct {
  g64 change, power, total, largest;
  sum64 apart;
  m64 bad; /* lanes with an entry that the quick form gets wrong */
} powers_lanes;

INLINE powers_lanes powers_no_lanes(void) {
  const g64 zero = g64_set(0), none = g64_sub(zero, g64_set(__builtin_inf()));
  return (powers_lanes){zero, zero, zero, none, {zero, zero}, g64_less(zero, zero)};
}

/* Neither 0 nor normal by a binade (kl_divergence.h). NaN and infinity show in the sums. */
INLINE m64 powers_odd(g64 x) {
  return m64_and(g64_less(x, g64_set(2 * FE_MIN_NORMAL_F64)), m64_not(g64_equal(x, g64_set(0))));
}

/* e^u, and what it is without 1, and without 1 + u. */
typedef struct {
  g64 all, less_1, less_2;
} powers_exponential;

/* `exact` is 0 for float32: terms below 1e-9 are left out. */
HEAVY powers_exponential powers_exp(g64 u, const int exact) {
  const g64 one = g64_set(1), magic = g64_set(0x1.8p52);
  const g64 inside = g64_max(g64_min(u, g64_set(709)), g64_set(-700));
  const g64 k = g64_sub(g64_fma(inside, g64_set(FE_INVERSE_LN2), magic), magic);
  const g64 near = g64_sub(inside, g64_mul(k, g64_set(FE_LN2_HIGH))); /* exact */
  const g64 r = g64_fnma(k, g64_set(FE_LN2_LOW), near), scale = g64_power_of_two(k);
  const g64 square = g64_mul(g64_mul(r, r), g64_polynomial(r, FE_EXP_F64, exact ? 11 : 7));
  const g64 m = g64_mul(scale, g64_add(r, square));
  powers_exponential y = {g64_add(m, scale), g64_add(m, g64_sub(scale, one)), square};
  y.less_2 = g64_select(g64_equal(k, g64_set(0)), square, g64_sub(y.less_1, u));
  return y;
}

HEAVY g64 powers_log_normal(g64 x, const int exact) {
  g64 n;
  const g64 m = g64_split(x, &n), f = g64_sub(m, g64_set(1));
  const g64 s = g64_div(f, g64_add(m, g64_set(1))), z = g64_mul(s, s);
  const g64 r = g64_polynomial(z, FE_LOG_F64, exact ? 7 : 5);
  return g64_fma(n, g64_set(FE_LN2), g64_fnma(s, g64_fnma(z, r, f), f));
}

/* Adds entries of a distribution. */
INLINE void powers_entropy_term(powers_lanes *sums, g64 p, double e, const int kind,
                                const int exact) {
  const g64 one = g64_set(1);
  sums->bad = m64_or(sums->bad, m64_or(powers_odd(p), g64_less(one, p)));
  sums->total = g64_add(sums->total, p);
  if (kind == POWERS_INFINITE) {
    sums->largest = g64_max(p, sums->largest);
  } else if (kind == POWERS_ZERO) {
    const g64 one_each = g64_select(g64_equal(p, g64_set(0)), g64_set(0), one);
    sums->change = g64_add(sums->change, g64_sub(p, one_each));
    sums->power = g64_add(sums->power, one_each);
  } else if (kind == POWERS_TWO) {
    sums->change = g64_fma(p, g64_sub(p, one), sums->change);
    sums->power = g64_fma(p, p, sums->power);
  } else {
    const g64 l = powers_log_normal(p, exact);
    if (kind == POWERS_ONE) {
      sums->change = g64_fma(p, l, sums->change);
      return;
    }
    const powers_exponential y = powers_exp(g64_mul(l, g64_set(e)), exact);
    sums->change = g64_fma(p, y.less_1, sums->change);
    sums->power = g64_fma(p, y.all, sums->power);
  }
}

/* Adds entries of two distributions, where `differ` their differences too: of shares they add up
 * to 0. A term of the change is phi(p, q) of kl_divergence.h and p (e^u - 1 - u)/e. */
INLINE void powers_divergence_term(powers_lanes *sums, g64 p, g64 q, double e, const int kind,
                                   const int differ, const int exact) {
  const g64 zero = g64_set(0), difference = g64_sub(p, q);
  g64 rest;
  if (kind == POWERS_ZERO) {
    const g64 judged = g64_select(g64_equal(p, zero), g64_mul(q, zero), q); /* NaN stays */
    sums->bad = m64_or(sums->bad, m64_or(powers_odd(p), powers_odd(q)));
    sums->total = g64_add(sums->total, p);
    sums->power = g64_add(sums->power, judged);
    sum64_add_signed(&sums->apart, g64_two_sum(p, g64_sub(zero, judged), &rest));
    sums->apart.residual = g64_add(sums->apart.residual, rest);
    return;
  }
  const m64 impossible = m64_and(g64_equal(q, zero), m64_not(g64_equal(p, zero)));
  sums->bad = m64_or(sums->bad, m64_or(m64_or(powers_odd(p), powers_odd(q)), impossible));
  sums->total = g64_add(sums->total, p);
  if (differ) {
    sum64_add_signed(&sums->apart, g64_two_sum(p, g64_sub(zero, q), &rest));
    sums->apart.residual = g64_add(sums->apart.residual, rest);
  }
  g64 k;
  const g64 scaled = g64_ratio_split(p, q, &k);
  const m64 near = g64_equal(k, zero);
  const g64 v = g64_div(g64_sub(scaled, q),
                        g64_max(g64_add(scaled, q), g64_set(FE_MIN_NORMAL_F64))); /* 0/0 is 0 */
  const g64 w = g64_mul(v, v);
  const g64 tail = g64_fma(k, g64_set(FE_LN2), g64_mul(v, g64_ratio_tail(w)));
  const g64 far_lead = g64_fms(g64_add(p, p), v, difference);
  const g64 phi = g64_fma(p, tail, g64_select(near, g64_mul(difference, v), far_lead));
  sums->change = g64_add(sums->change, phi);
  if (kind == POWERS_ONE) return;
  const g64 u = g64_mul(g64_add(g64_add(v, v), tail), g64_set(e));
  const m64 huge = m64_and(g64_less(g64_set(709), u), g64_less(zero, p));
  sums->bad = m64_or(sums->bad, huge);
  const powers_exponential y = powers_exp(u, exact);
  sums->change = g64_fma(g64_mul(p, y.less_2), g64_set(1 / e), sums->change);
  sums->power = g64_fma(p, y.all, sums->power);
}

/* Which of these sums, of rows or of lanes of one, are good. */
INLINE m64 powers_good(const powers_lanes *sums, const int kind) {
  const g64 least = g64_set(1e-250), most = g64_set(1e250), total = sums->total;
  const g64 change = sums->change, minus = g64_sub(g64_set(0), change);
  m64 good = m64_and(g64_less(least, total), g64_less(total, most));
  good = m64_and(good, m64_and(g64_less(change, most), g64_less(minus, most)));
  if (kind != POWERS_ONE && kind != POWERS_INFINITE)
    good = m64_and(good, m64_and(g64_less(least, sums->power), g64_less(sums->power, most)));
  return m64_and(good, m64_not(sums->bad));
}

/* Of shares: whether the change is so large that their roundings are nothing beside it. */
INLINE m64 powers_large(g64 change, g64 total, double least) {
  const g64 size = g64_max(change, g64_sub(g64_set(0), change));
  return m64_not(g64_less(size, g64_mul(total, g64_set(least))));
}

#endif

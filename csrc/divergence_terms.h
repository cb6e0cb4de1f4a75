/* divergence_terms.h - the terms of softmax_kl_divergence.h, of sixteen entries at a time, and the
 * state that sums of them make. In doubles, for either dtype.
 */
#ifndef FE_DIVERGENCE_TERMS_H
#define FE_DIVERGENCE_TERMS_H

#include "divergence_state.h"

#define DIVERGENCE_NEAR 300 /* |w| and -t up to there: every product stays in range */

/* What entries are seen from. */
typedef struct {
  g64 level;
  pair64 centre;
  g64 exponent; /* of 2, that far terms are divided by */
} divergence_origin;

/* Sums of E, E w, E phi(w), and of what is too far for that. */
typedef struct {
  g64 mass, moment, curve, far;
} divergence_sums;

INLINE divergence_sums divergence_no_sums(void) {
  const g64 zero = g64_set(0);
  return (divergence_sums){zero, zero, zero, zero};
}

INLINE void divergence_add(divergence_sums *sums, const divergence_sums *more) {
  sums->mass = g64_add(sums->mass, more->mass);
  sums->moment = g64_add(sums->moment, more->moment);
  sums->curve = g64_add(sums->curve, more->curve);
  sums->far = g64_add(sums->far, more->far);
}

/* The terms of lanes where a or b is -inf or the exponentials are out of range. The sum of E e^w
 * takes the exponential of b itself; where w is small it is left to phi. What q has lost counts
 * for nothing here: divergence_of judges it. */
OUTLINE void FE_JOIN(divergence, odd, f64,
                     FE_ISA)(g64 a, g64 b, pair64 t, g64 w, g64 phi, const divergence_origin *from,
                             const divergence_unit *unit, divergence_sums *term, m64 odd) {
  const g64 zero = g64_set(0), minus = g64_set(-__builtin_inf());
  const g64 limit = g64_set(DIVERGENCE_NEAR);
  const m64 masked = g64_equal(a, minus), gone = g64_equal(b, minus);
  const m64 nothing = m64_or(masked, gone);
  const g64 exponential =
      g64_exp_pair(g64_select(nothing, zero, t.high), g64_select(nothing, zero, t.low));
  const g64 e = g64_select(nothing, zero, exponential);
  const g64 w_high = g64_select(nothing, zero, w);
  const g64 width = g64_max(w_high, g64_sub(zero, w_high));
  const m64 out = m64_or(g64_less(limit, width), g64_less(t.high, g64_set(-700)));
  const m64 far = m64_and(m64_or(out, masked), m64_not(gone));
  const pair64 base = {from->level, zero};
  const pair64 other = {g64_select(gone, zero, b), zero};
  pair64 u = divergence_difference(divergence_difference(other, base), from->centre);
  u = divergence_rest(divergence_scaled(u, unit, 1), from->exponent);
  const g64 f = g64_select(far, g64_exp_pair(u.high, u.low), zero);
  const g64 less = g64_sub(zero, g64_fma(e, w_high, e));
  const g64 curve = g64_select(far, less, g64_mul(e, phi));
  const m64 number = m64_and(g64_equal(a, a), g64_equal(b, b));
  const g64 nan = g64_set(__builtin_nan(""));
  term->mass = g64_select(odd, e, term->mass);
  term->moment = g64_select(odd, g64_mul(e, w_high), term->moment);
  term->curve = g64_select(odd, g64_select(gone, zero, curve), term->curve);
  term->curve = g64_select(number, term->curve, nan);
  term->far = g64_select(odd, f, zero);
}

/* Adds the terms of sixteen entries. Of floats, differences are exact enough as they are. */
INLINE void divergence_term(divergence_sums *sums, g64 a, g64 b, const divergence_origin *from,
                            const divergence_unit *unit, const int tempered, const int floats) {
  const g64 zero = g64_set(0), one = g64_set(1), limit = g64_set(DIVERGENCE_NEAR);
  const g64 minus_limit = g64_set(-DIVERGENCE_NEAR);
  pair64 t = {g64_sub(a, from->level), zero}, w = {zero, zero};
  if (floats) {
    w.high = g64_sub(g64_sub(g64_sub(b, a), from->centre.high), from->centre.low);
  } else {
    g64 lost;
    t.high = g64_two_sum(a, g64_sub(zero, from->level), &t.low);
    const g64 d = g64_two_sum(b, g64_sub(zero, a), &w.low);
    w.high = g64_two_sum(d, g64_sub(zero, from->centre.high), &lost);
    w.low = g64_add(g64_sub(w.low, from->centre.low), lost);
  }
  t = divergence_scaled(t, unit, tempered);
  w = divergence_scaled(w, unit, tempered);
  const divergence_parts of_t = divergence_reduce(t), of_w = divergence_reduce(w);
  const g64 e = g64_mul(g64_add(one, g64_add(of_t.r, of_t.curved)), of_t.power);
  const g64 phi = divergence_phi(of_w.r, of_w.curved, of_w.n, of_w.power);
  const g64 width = floats && !tempered ? w.high : g64_add(w.high, w.low);
  divergence_sums term = {e, g64_mul(e, width), g64_mul(e, phi), zero};
  const m64 odd = m64_or(m64_or(g64_less(t.high, minus_limit), g64_less(width, minus_limit)),
                         m64_or(g64_less(limit, width), m64_not(g64_equal(width, width))));
  if (m64_any(odd))
    FE_JOIN(divergence, odd, f64, FE_ISA)(a, b, t, width, phi, from, unit, &term, odd);
  divergence_add(sums, &term);
}

/* The state that sums around an origin make, and in `*worse` where it should be made again around
 * its own mean. */
OUTLINE divergence64 divergence_state(const divergence_sums *sums, const divergence_origin *from,
                                      g64 largest, double temperature, double limit, m64 *worse) {
  const g64 zero = g64_set(0), one = g64_set(1), minus = g64_set(-1);
  const m64 massive = g64_less(zero, sums->mass);
  const g64 mean = g64_select(massive, g64_div(sums->moment, sums->mass), zero);
  const m64 near = m64_and(g64_less(mean, one), g64_less(minus, mean));
  const g64 inside = g64_select(near, mean, zero);
  const divergence_parts parts = divergence_reduce((pair64){inside, zero});
  const g64 phi = divergence_phi(parts.r, parts.curved, parts.n, parts.power);
  /* C about the mean: e^-mean (C - P phi(mean)), or e^-mean (C + P + P mean) - P */
  const g64 minus_phi = g64_sub(zero, g64_mul(sums->mass, phi));
  const g64 rest = g64_select(near, minus_phi, g64_add(sums->mass, sums->moment));
  /* of a far row, whose far terms may all have been lost beside one that is farther still */
  const m64 apart = g64_less(zero, from->exponent);
  const g64 far = g64_select(apart, g64_max(sums->far, g64_set(0x1p-1000)), sums->far);
  const wide64 curve = {sums->curve, zero}, rests = {rest, zero};
  const g64 before = g64_add(wide64_at(curve, from->exponent), far);
  const g64 value = g64_add(before, wide64_at(rests, from->exponent));
  const wide64 factor = wide64_exp((pair64){g64_sub(zero, mean), zero});
  const g64 exponent = g64_max(g64_add(factor.exponent, from->exponent), zero);
  const wide64 moved = {g64_mul(value, factor.value), g64_add(factor.exponent, from->exponent)};
  const wide64 old = {g64_mul(before, factor.value), moved.exponent};
  const wide64 plain = {g64_select(near, zero, sums->mass), zero};
  const g64 result = g64_sub(wide64_at(moved, exponent), wide64_at(plain, exponent));
  const g64 least = g64_mul(g64_set(limit), result);
  *worse = m64_and(massive, g64_less(least, wide64_at(old, exponent)));
  divergence64 row = {largest, sums->mass, from->centre, {result, exponent}};
  row.curve = wide64_normal((wide64){g64_max(zero, result), exponent});
  row.curve.value = g64_select(g64_equal(result, result), row.curve.value, result);
  g64 residual;
  const g64 offset = g64_two_product(mean, g64_set(temperature), &residual);
  row.centre.high = g64_two_sum(from->centre.high, offset, &row.centre.low);
  row.centre.low = g64_add(row.centre.low, g64_add(from->centre.low, residual));
  return row;
}

/* How far above the largest a, seen from the centre, the largest b is: its exponent, where that is
 * too much for a double. */
INLINE g64 divergence_exponent(g64 largest_q, const divergence_origin *from,
                               const divergence_unit *unit) {
  const g64 above = g64_sub(g64_sub(largest_q, from->level), from->centre.high);
  const g64 by = g64_mul(above, g64_set(unit->rate));
  const m64 far = g64_less(g64_set(DIVERGENCE_NEAR), by);
  return g64_select(far, divergence_binary(g64_select(far, by, g64_set(0))), g64_set(0));
}

#endif

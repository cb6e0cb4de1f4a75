/* powers.h - sums of powers of a row's entries: what Renyi's and Tsallis' measures of an order are
 * made of. With the order a and e = a - 1,
 *
 *     change      sum_j p_j (e^(e l_j) - 1)/e      l = log p; the limit at e = 0 is sum p l
 *     power       sum_j p_j e^(e l_j) = sum_j e^y_j, in units of its largest term
 *     total       sum_j p_j
 *
 * so that log(sum p^a / sum p) is log1p(e change/total), which keeps its digits near order 1 and
 * for rows that are all but certain, or log(power/total), which keeps them everywhere else. Of two
 * distributions l is log(p/q), and a term of `change` is added as p - q and the rest, which has one
 * sign in all terms:
 *
 *     p ((e^(e l) - 1)/e + (e^-l - 1)) = p l^2 (e k(e l) + k(-l)),     k(x) = (e^x - 1 - x)/x^2
 *
 * All of it in double. A leaf's logarithms are kept, so that its largest is known before powers are
 * made.
 */
#ifndef FE_POWERS_H
#define FE_POWERS_H

#include "sum.h"

/* Entries are summed in this unit, so that products of subnormal ones keep their digits; it goes
 * with the quotient. */
#define POWERS_UNIT 0x1p100

/* Sums of a row, or some of it. `largest` is the largest y; of order infinity, the largest l. */
typedef struct {
  double change, change_low, largest, power, power_low, total, total_low;
} powers;

INLINE powers powers_load(const fe_state *state, size_t r) {
  return (powers){state->part[FE_HIGH][r],         state->part[FE_LOW][r],
                  state->part[FE_LARGEST][r],      state->part[FE_DISTANCE_HIGH][r],
                  state->part[FE_DISTANCE_LOW][r], state->part[FE_WEIGHT_HIGH][r],
                  state->part[FE_WEIGHT_LOW][r]};
}

INLINE void powers_store(const fe_state *state, size_t r, const powers *row) {
  state->part[FE_HIGH][r] = row->change;
  state->part[FE_LOW][r] = row->change_low;
  state->part[FE_LARGEST][r] = row->largest;
  state->part[FE_DISTANCE_HIGH][r] = row->power;
  state->part[FE_DISTANCE_LOW][r] = row->power_low;
  state->part[FE_WEIGHT_HIGH][r] = row->total;
  state->part[FE_WEIGHT_LOW][r] = row->total_low;
}

INLINE double powers_scalar_exp(double x) {
  double y[FE_LANES];
  g64_store(y, g64_exp_pair(g64_set(x), g64_set(0)));
  return y[0];
}

/* What a power of the smaller of two logarithms is in units of that of the larger. */
INLINE double powers_factor(double smaller, double larger) {
  if (smaller == larger) return 1;
  return smaller == -__builtin_inf() ? 0 : powers_scalar_exp(smaller - larger);
}

/* Adds more of the row. */
INLINE void powers_join(powers *row, const powers *more) {
  const double largest = more->largest > row->largest ? more->largest : row->largest;
  const double own = powers_factor(row->largest, largest);
  const double other = powers_factor(more->largest, largest);
  fe_add(&row->change, &row->change_low, more->change, more->change_low);
  fe_add(&row->total, &row->total_low, more->total, more->total_low);
  row->power *= own, row->power_low *= own;
  fe_add(&row->power, &row->power_low, more->power * other, more->power_low * other);
  row->largest = largest;
}

INLINE double powers_largest(g64 logs) {
  double lanes[FE_LANES], largest = -__builtin_inf();
  g64_store(lanes, logs);
  for (int i = 0; i < FE_LANES; i++) largest = lanes[i] > largest ? lanes[i] : largest;
  return largest;
}

/* p (e^(e l) - 1)/e; e = 0: p l. Where e^(e l) overflows p may be small: two roots are multiplied
 * with it, one after the other. */
HEAVY g64 powers_change(g64 p, g64 l, double e) {
  if (e == 0) return g64_mul(p, l);
  const g64 el = g64_mul(l, g64_set(e));
  const g64 root = g64_exp_pair(g64_mul(el, g64_set(0.5)), g64_set(0));
  const m64 huge = g64_less(g64_set(700), el);
  const g64 power = g64_sub(g64_mul(g64_mul(p, root), root), p);
  return g64_div(g64_select(huge, power, g64_mul(p, g64_expm1(el))), g64_set(e));
}

/* Adds the powers of a leaf whose y are known. */
INLINE void powers_add(powers *leaf, const double *y, size_t count) {
  const g64 zero = g64_set(0), none = g64_set(-__builtin_inf()), largest = g64_set(leaf->largest);
  sum64 power = {zero, zero};
  for (size_t i = 0; i < count; i += FE_LANES) {
    const g64 each = g64_load(y + i);
    const g64 term = g64_exp_pair(g64_sub(each, largest), g64_set(0));
    const m64 kept = g64_less(none, each);
    sum64_add(&power, g64_select(kept, g64_mul(term, g64_set(POWERS_UNIT)), zero));
  }
  sum64_collect(&power, &leaf->power, &leaf->power_low);
}

/* log(p/q) of p, q > 0 whose difference is known better than from both. */
HEAVY g64 powers_log_ratio(g64 p, g64 q, g64 difference) {
  const g64 small = g64_set(0x1p-900), one = g64_set(1), zero = g64_set(0);
  const m64 tiny_p = g64_less(p, small), tiny_q = g64_less(q, small);
  const g64 up_p = g64_select(tiny_p, g64_set(0x1p120), one);
  const g64 up_q = g64_select(tiny_q, g64_set(0x1p120), one);
  const g64 a = g64_mul(p, up_p), b = g64_mul(q, up_q);
  g64 k;
  const g64 scaled = g64_ratio_split(a, b, &k);
  const m64 same = m64_or(m64_and(tiny_p, tiny_q), m64_not(m64_or(tiny_p, tiny_q)));
  const m64 near = m64_and(g64_equal(k, zero), same);
  const g64 above = g64_select(near, g64_mul(difference, up_p), g64_sub(scaled, b));
  const g64 v = g64_div(above, g64_add(scaled, b));
  const g64 log = g64_fma(v, g64_ratio_tail(g64_mul(v, v)), g64_add(v, v));
  const g64 lifted = g64_set(120); /* powers of two, of either alone */
  k = g64_sub(k, g64_select(tiny_p, lifted, zero));
  k = g64_add(k, g64_select(tiny_q, lifted, zero));
  return g64_fma(k, g64_set(FE_LN2), log);
}

/* ---- leaves ---------------------------------------------------------------------------------- */

/* The sums of a leaf, group by group, but for its powers. */
typedef struct {
  sum64 change, total;
  g64 largest;
} powers_sums;

INLINE powers_sums powers_begin(void) {
  const sum64 none = {g64_set(0), g64_set(0)};
  return (powers_sums){none, none, g64_set(-__builtin_inf())};
}

INLINE powers powers_end(const powers_sums *sums) {
  powers row = {.largest = powers_largest(sums->largest)};
  sum64_collect(&sums->change, &row.change, &row.change_low);
  sum64_collect(&sums->total, &row.total, &row.total_low);
  return row;
}

static inline void powers_combine(const fe_state *state, const fe_state *more, size_t rows,
                                  const fe_params *params) {
  (void)params;
  for (size_t r = 0; r < rows; r++) {
    powers row = powers_load(state, r);
    const powers rest = powers_load(more, r);
    powers_join(&row, &rest);
    powers_store(state, r, &row);
  }
}

/* ---- results --------------------------------------------------------------------------------- */

/* log(sum p^a / sum p)/e of finished sums, or what it is in the limits of order 1 and infinity; 0
 * of a row without a positive entry, of which there are no shares. */
HEAVY g64 powers_log(const fe_state *state, size_t r, const fe_params *params) {
  const double e = params->order - 1;
  const int shares = (params->flags & FE_NORMALIZE) != 0;
  const g64 zero = g64_set(0), unit = g64_set(POWERS_UNIT), half = g64_set(0.5);
  const g64 sum =
      g64_add(g64_load(state->part[FE_WEIGHT_HIGH] + r), g64_load(state->part[FE_WEIGHT_LOW] + r));
  const g64 total = shares ? g64_select(g64_equal(sum, sum), unit, sum) : sum;
  const g64 change = g64_add(g64_load(state->part[FE_HIGH] + r), g64_load(state->part[FE_LOW] + r));
  const g64 mean = g64_div(change, total), largest = g64_load(state->part[FE_LARGEST] + r);
  g64 result;
  if (e == 0) {
    result = mean;
  } else if (e == __builtin_inf()) {
    result = largest;
  } else {
    const g64 z = g64_mul(mean, g64_set(e));
    const m64 small = m64_and(g64_less(z, half), g64_less(g64_sub(zero, half), z));
    const g64 near = g64_log1p(g64_select(small, z, zero));
    const g64 power = g64_add(g64_load(state->part[FE_DISTANCE_HIGH] + r),
                              g64_load(state->part[FE_DISTANCE_LOW] + r));
    const g64 ratio = g64_div(power, total), most = g64_set(__builtin_inf());
    const g64 apart = g64_sub(g64_log_full(power, 0), g64_log_full(total, 0));
    const g64 log_ratio = g64_select(g64_less(ratio, most), g64_log_full(ratio, 0), apart);
    const g64 far = g64_add(largest, log_ratio);
    result = g64_div(g64_select(small, near, far), g64_set(e));
  }
  const g64 nothing = g64_set(shares ? __builtin_nan("") : 0);
  result = g64_select(g64_equal(sum, zero), nothing, result);
  return g64_select(g64_equal(total, total), result, total);
}

#endif

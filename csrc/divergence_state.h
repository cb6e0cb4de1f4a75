/* divergence_state.h - what is known of two rows of logits, a of p and b of q, and how such states
 * are joined.
 *
 *   FE_LARGEST     m, the largest a; -inf before the first
 *   FE_MASS        P, the sum of E_j = e^((a_j - m)/T)
 *   FE_CENTRE      c, a pair: the mean of d_j = b_j - a_j under the weights E_j
 *   FE_CURVE       C, the sum of E_j phi(w_j), w_j = (d_j - c)/T, phi(w) = e^w - 1 - w >= 0
 *   FE_EXPONENT    C is to be multiplied by 2 to this power: 0 but for rows that are far apart
 *   FE_LOST        the largest a_j where b_j = -inf: that p has, and q has not
 *   FE_LARGEST_Q   the largest b below +inf, or any where all are finite and near
 *   FE_CERTAIN_P   number of a_j = +inf, FE_CERTAIN_Q of b_j = +inf
 *   FE_AT_CERTAIN  1 for each b_j = +inf where a_j is finite, 2 where a_j = +inf
 *
 * Since the w_j have mean 0, the sum of E_j e^(w_j) is P + C, and
 *
 *     KL(p || q) = log((1/P) sum_j E_j e^(w_j)) = log(1 + C/P)
 *
 * Another m multiplies P and C. Another centre, d away, makes of C, whatever d,
 *
 *     C' = e^d C + P phi(d) = e^d (C + P) - P (1 + d),   d = (c - c')/T
 *
 * where the first form has no negative term and the second does without large ones that cancel.
 * Where P = 0 next to the largest a, and where there is none above -inf, only the product of
 * e^((m + c)/T) and P + C matters, the sum of e^(b_j/T).
 */
#ifndef FE_DIVERGENCE_STATE_H
#define FE_DIVERGENCE_STATE_H

#include "sum.h"

enum {
  FE_MASS = FE_HIGH,
  FE_EXPONENT = FE_LOW,
  FE_CENTRE_HIGH = FE_DISTANCE_HIGH,
  FE_CENTRE_LOW = FE_DISTANCE_LOW,
  FE_CURVE = FE_WEIGHT_HIGH,
  FE_AT_CERTAIN = FE_WEIGHT_LOW,
  FE_CERTAIN_P = FE_COUNT,
  FE_LOST = FE_RUNNER_UP,
  FE_CERTAIN_Q = FE_PLACE
};

/* 1/T = rate + rate_low. */
typedef struct {
  double rate, rate_low;
  int tempered;
  logits_unit logits;
} divergence_unit;

INLINE divergence_unit divergence_unit_of(const fe_params *params) {
  const double rate = 1 / params->temperature;
  g64 residual;
  const g64 product = g64_two_product(g64_set(rate), g64_set(params->temperature), &residual);
  const double rest = (1 - product.v[0][0]) - residual.v[0][0];
  return (divergence_unit){rate, rest * rate, params->temperature != 1, logits_unit_of(params)};
}

/* x/T */
INLINE pair64 divergence_scaled(pair64 x, const divergence_unit *unit, const int tempered) {
  if (!tempered) return x;
  const g64 rate = g64_set(unit->rate);
  g64 residual;
  const g64 product = g64_two_product(x.high, rate, &residual);
  const g64 low = g64_fma(x.high, g64_set(unit->rate_low), residual);
  return (pair64){product, g64_fma(x.low, rate, low)};
}

/* ---- numbers of any size: value 2^exponent ---------------------------------------------------
 */

typedef struct {
  g64 value, exponent;
} wide64;

/* A double next to x/log 2 without a fraction: 256 times one where x is large. */
INLINE g64 divergence_binary(g64 x) {
  const g64 magic = g64_set(0x1.8p52), y = g64_mul(x, g64_set(FE_INVERSE_LN2));
  const g64 limit = g64_set(0x1p50), by = g64_set(256), part = g64_mul(y, g64_set(1. / 256));
  const m64 near = m64_and(g64_less(y, limit), g64_less(g64_sub(g64_set(0), limit), y));
  const g64 far_k = g64_mul(g64_sub(g64_add(part, magic), magic), by);
  return g64_select(near, g64_sub(g64_add(y, magic), magic), far_k);
}

/* What is left of x after k log 2; nothing to speak of beside a large x. */
INLINE pair64 divergence_rest(pair64 x, g64 k) {
  g64 residual; /* of a product that is not exact, as k may be large */
  const g64 product = g64_two_product(k, g64_set(FE_LN2_HIGH), &residual);
  const g64 high = g64_sub(x.high, product);
  const g64 low = g64_fnma(k, g64_set(FE_LN2_LOW), g64_sub(x.low, residual));
  pair64 rest;
  rest.high = g64_two_sum(high, low, &rest.low);
  rest.high = g64_max(g64_min(rest.high, g64_set(700)), g64_set(-746));
  return rest;
}

OUTLINE wide64 wide64_exp(pair64 x) {
  const g64 k = divergence_binary(x.high);
  const pair64 rest = divergence_rest(x, k);
  const g64 inside = g64_max(rest.high, g64_set(-700)); /* not 0, however large x is */
  return (wide64){g64_exp_pair(inside, rest.low), k};
}

/* x.value at another exponent, which is not smaller. */
INLINE g64 wide64_at(wide64 x, g64 exponent) {
  const g64 by = g64_max(g64_sub(x.exponent, exponent), g64_set(-2000));
  return g64_scale_binary(x.value, by);
}

/* With exponent 0 up to 2^400, beyond with a value from 1 to 2. x.value >= 0. */
INLINE wide64 wide64_normal(wide64 x) {
  const g64 biased = g64_sub(g64_bits_or(g64_exponent(x.value), g64_set(TWO_52)), g64_set(TWO_52));
  const g64 size = g64_add(g64_sub(biased, g64_set(1023)), x.exponent);
  const g64 exponent = g64_select(g64_less(g64_set(400), size), size, g64_set(0));
  return (wide64){g64_scale_binary(x.value, g64_sub(x.exponent, exponent)), exponent};
}

/* e^x - 1 - x of x = n log 2 + r, with power = 2^n and curved = e^r - 1 - r,
 *
 *     power curved + ((power - 1) r + (power - 1 - n log 2))
 *
 * whose last part is exact for small n but for the end of log 2; they cancel to a third at most. */
INLINE g64 divergence_phi(g64 r, g64 curved, g64 n, g64 power) {
  const g64 rest = g64_sub(power, g64_set(1)), high = g64_fnma(n, g64_set(FE_LN2_HIGH), rest);
  const g64 bracket = g64_fma(rest, r, g64_fnma(n, g64_set(FE_LN2_LOW), high));
  return g64_fma(curved, power, bracket);
}

/* x = n log 2 + r; power = 2^n; curved = e^r - 1 - r. For |n| < 1022. */
typedef struct {
  g64 n, power, r, curved;
} divergence_parts;

INLINE divergence_parts divergence_reduce(pair64 x) {
  const g64 magic = g64_set(0x1.8p52 + 1023); /* makes n the exponent of a power of two */
  const g64 shifted = g64_fma(x.high, g64_set(FE_INVERSE_LN2), magic);
  divergence_parts parts;
  parts.n = g64_sub(shifted, magic);
  parts.power = g64_as_exponent(shifted);
  const pair64 rest = {g64_fnma(parts.n, g64_set(FE_LN2_HIGH), x.high),
                       g64_fnma(parts.n, g64_set(FE_LN2_LOW), x.low)};
  parts.r = g64_add(rest.high, rest.low);
  parts.curved = g64_mul(g64_mul(parts.r, parts.r), g64_polynomial(parts.r, FE_EXP_F64, 11));
  return parts;
}

/* ---- states of sixteen rows ------------------------------------------------------------------
 */

typedef struct {
  g64 largest, mass;
  pair64 centre;
  wide64 curve;
} divergence64;

INLINE divergence64 divergence64_load(const fe_state *state, size_t r) {
  return (divergence64){
      g64_load(state->part[FE_LARGEST] + r),
      g64_load(state->part[FE_MASS] + r),
      {g64_load(state->part[FE_CENTRE_HIGH] + r), g64_load(state->part[FE_CENTRE_LOW] + r)},
      {g64_load(state->part[FE_CURVE] + r), g64_load(state->part[FE_EXPONENT] + r)}};
}

INLINE void divergence64_store(const divergence64 *row, const fe_state *state, size_t r) {
  g64_store(state->part[FE_LARGEST] + r, row->largest);
  g64_store(state->part[FE_MASS] + r, row->mass);
  g64_store(state->part[FE_CENTRE_HIGH] + r, row->centre.high);
  g64_store(state->part[FE_CENTRE_LOW] + r, row->centre.low);
  g64_store(state->part[FE_CURVE] + r, row->curve.value);
  g64_store(state->part[FE_EXPONENT] + r, row->curve.exponent);
}

/* Of no entry. */
INLINE divergence64 divergence64_none(void) {
  const g64 zero = g64_set(0);
  return (divergence64){g64_set(-__builtin_inf()), zero, {zero, zero}, {zero, zero}};
}

/* Row r in every lane. */
INLINE divergence64 divergence64_spread(const fe_state *state, size_t r) {
  return (divergence64){
      g64_set(state->part[FE_LARGEST][r]),
      g64_set(state->part[FE_MASS][r]),
      {g64_set(state->part[FE_CENTRE_HIGH][r]), g64_set(state->part[FE_CENTRE_LOW][r])},
      {g64_set(state->part[FE_CURVE][r]), g64_set(state->part[FE_EXPONENT][r])}};
}

/* Row `at` of a state becomes row r of another. */
INLINE void divergence64_copy(const fe_state *from, size_t at, const fe_state *state, size_t r) {
  static const int parts[] = {FE_LARGEST,    FE_MASS,  FE_CENTRE_HIGH,
                              FE_CENTRE_LOW, FE_CURVE, FE_EXPONENT};
  for (int k = 0; k < 6; k++) state->part[parts[k]][r] = from->part[parts[k]][at];
}

/* States of sixteen rows that are in nobody's block yet. */
typedef struct {
  double part[FE_SCORE_PARTS][FE_LANES];
} divergence_lanes;

INLINE fe_state divergence_lanes_state(divergence_lanes *lanes) {
  fe_state state;
  for (int k = 0; k < FE_PARTS; k++) state.part[k] = lanes->part[k < FE_SCORE_PARTS ? k : 0];
  return state;
}

INLINE divergence64 divergence64_select(m64 m, const divergence64 *a, const divergence64 *b) {
  return (divergence64){
      g64_select(m, a->largest, b->largest),
      g64_select(m, a->mass, b->mass),
      {g64_select(m, a->centre.high, b->centre.high), g64_select(m, a->centre.low, b->centre.low)},
      {g64_select(m, a->curve.value, b->curve.value),
       g64_select(m, a->curve.exponent, b->curve.exponent)}};
}

/* m, or 0 where that is infinite: where exponentials are counted from. */
INLINE g64 divergence_level(g64 m) {
  const g64 zero = g64_set(0), infinity = g64_set(__builtin_inf());
  const m64 finite = m64_and(g64_less(m, infinity), g64_less(g64_sub(zero, infinity), m));
  return g64_select(finite, m, zero);
}

/* a - b of pairs. */
INLINE pair64 divergence_difference(pair64 a, pair64 b) {
  g64 lost;
  const g64 high = g64_two_sum(a.high, g64_sub(g64_set(0), b.high), &lost);
  return (pair64){high, g64_add(lost, g64_sub(a.low, b.low))};
}

/* The state for another largest entry: its mass, and `by`, the logarithm of the factor. */
OUTLINE pair64 divergence_raise(divergence64 *row, g64 m, const divergence_unit *unit) {
  const g64 zero = g64_set(0);
  const pair64 old = {divergence_level(row->largest), zero}, new = {divergence_level(m), zero};
  const pair64 by = divergence_scaled(divergence_difference(old, new), unit, 1);
  const m64 same = g64_equal(row->largest, m);
  const m64 nothing = m64_or(g64_equal(row->largest, g64_set(-__builtin_inf())),
                             g64_equal(m, g64_set(__builtin_inf())));
  const g64 factor = g64_select(same, g64_set(1), g64_exp_pair(by.high, by.low));
  row->mass = g64_select(m64_and(nothing, m64_not(same)), zero, g64_mul(row->mass, factor));
  row->largest = m;
  return by;
}

/* What a state's curve becomes for a centre `shift` away, whose mass has been raised by `by` from
 * `mass`, without P (1 + shift), or P phi(shift), which `*rest` takes. */
OUTLINE wide64 divergence_moved(const divergence64 *row, g64 mass, pair64 by, pair64 shift,
                                g64 *rest) {
  const g64 zero = g64_set(0), one = g64_set(1), by_now = g64_add(shift.high, shift.low);
  const m64 massive = g64_less(zero, row->mass);
  const m64 near = m64_and(m64_and(g64_less(by_now, one), g64_less(g64_set(-1), by_now)), massive);
  const pair64 inside = {g64_select(near, shift.high, zero), g64_select(near, shift.low, zero)};
  const divergence_parts parts = divergence_reduce(inside);
  const g64 phi = divergence_phi(parts.r, parts.curved, parts.n, parts.power);
  const g64 far_rest = g64_sub(zero, g64_add(one, by_now));
  *rest = g64_mul(row->mass, g64_select(near, phi, far_rest));
  *rest = g64_select(massive, *rest, zero);
  const wide64 plain = {mass, zero};
  const g64 whole = g64_add(row->curve.value, wide64_at(plain, row->curve.exponent));
  const g64 value = g64_select(near, row->curve.value, whole);
  const pair64 back = {g64_sub(zero, shift.high), g64_sub(zero, shift.low)};
  const wide64 factor = wide64_exp(divergence_difference(by, back));
  const g64 power = g64_add(row->curve.exponent, factor.exponent);
  return (wide64){g64_mul(value, factor.value), g64_select(g64_equal(value, zero), zero, power)};
}

/* A share of a pair. */
INLINE pair64 divergence_share(pair64 x, g64 share) {
  g64 residual;
  const g64 product = g64_two_product(x.high, share, &residual);
  return (pair64){product, g64_fma(x.low, share, residual)};
}

/* One state after another, of the same rows. */
OUTLINE divergence64 divergence64_join(divergence64 row, divergence64 more,
                                       const divergence_unit *unit) {
  const g64 zero = g64_set(0), m = g64_max(row.largest, more.largest);
  const g64 masses[2] = {row.mass, more.mass};
  const pair64 by = divergence_raise(&row, m, unit), more_by = divergence_raise(&more, m, unit);
  const g64 mass = g64_add(row.mass, more.mass);
  const g64 share = g64_select(g64_less(zero, more.mass), g64_div(more.mass, mass), zero);
  const m64 alone = m64_and(g64_less(zero, more.mass), g64_equal(row.mass, zero));
  const pair64 gap = divergence_difference(more.centre, row.centre);
  divergence64 both = {m, mass, row.centre, row.curve};
  const pair64 moved = divergence_share(gap, share);
  both.centre.high = g64_two_sum(row.centre.high, moved.high, &both.centre.low);
  both.centre.low = g64_add(both.centre.low, g64_add(moved.low, row.centre.low));
  both.centre.high = g64_select(alone, more.centre.high, both.centre.high);
  both.centre.low = g64_select(alone, more.centre.low, both.centre.low);
  /* the shifts are shares of the gap: not differences of rounded centres */
  const pair64 width = divergence_scaled(gap, unit, 1);
  const g64 minus_share = g64_sub(zero, share), rest_share = g64_sub(g64_set(1), share);
  const g64 left = g64_select(g64_less(zero, mass), g64_div(row.mass, mass), rest_share);
  const pair64 shift = divergence_share(width, minus_share);
  const pair64 more_shift = divergence_share(width, left);
  g64 rest, more_rest;
  const wide64 a = divergence_moved(&row, masses[0], by, shift, &rest);
  const wide64 b = divergence_moved(&more, masses[1], more_by, more_shift, &more_rest);
  const g64 exponent = g64_max(g64_max(a.exponent, b.exponent), zero);
  const wide64 rests = {g64_add(rest, more_rest), zero};
  const g64 sum = g64_add(wide64_at(a, exponent), wide64_at(b, exponent));
  const g64 value = g64_add(sum, wide64_at(rests, exponent));
  both.curve = wide64_normal((wide64){g64_max(zero, value), exponent});
  /* NaN, which a maximum drops */
  both.curve.value = g64_select(g64_equal(value, value), both.curve.value, value);
  return both;
}

static void FE_JOIN(divergence, join, f64, FE_ISA)(const fe_state *state, const fe_state *more,
                                                   size_t rows, const divergence_unit *unit) {
  for (size_t r = 0; r < rows; r += FE_LANES) {
    const divergence64 joined =
        divergence64_join(divergence64_load(state, r), divergence64_load(more, r), unit);
    divergence64_store(&joined, state, r);
  }
  for (size_t r = 0; r < rows; r++) {
    double *lost = state->part[FE_LOST] + r, *largest = state->part[FE_LARGEST_Q] + r;
    if (more->part[FE_LOST][r] > *lost) *lost = more->part[FE_LOST][r];
    if (more->part[FE_LARGEST_Q][r] > *largest) *largest = more->part[FE_LARGEST_Q][r];
    state->part[FE_CERTAIN_P][r] += more->part[FE_CERTAIN_P][r];
    state->part[FE_CERTAIN_Q][r] += more->part[FE_CERTAIN_Q][r];
    state->part[FE_AT_CERTAIN][r] += more->part[FE_AT_CERTAIN][r];
  }
}

/* The divergence of what the sums say, in nats. */
OUTLINE pair64 divergence64_value(const divergence64 *row) {
  const g64 zero = g64_set(0), one = g64_set(1);
  const m64 empty = m64_not(g64_less(zero, row->mass));
  const g64 mass = g64_select(empty, one, row->mass), far = row->curve.exponent;
  const m64 near = g64_equal(far, zero);
  const wide64 plain = {mass, zero};
  const g64 whole = g64_add(row->curve.value, wide64_at(plain, far));
  const pair64 log_near = g64_log1p_pair(g64_div(row->curve.value, mass), zero);
  const pair64 log_far = g64_log_pair(g64_div(whole, mass));
  g64 residual;
  const g64 sum = g64_two_sum(g64_mul(far, g64_set(FE_LN2)), log_far.high, &residual);
  const pair64 value = {g64_select(near, log_near.high, sum),
                        g64_select(near, log_near.low, g64_add(residual, log_far.low))};
  const g64 check = g64_add(row->curve.value, row->mass); /* NaN passes */
  return (pair64){g64_select(g64_equal(check, check), value.high, check), value.low};
}

/* Whether certain, lost or missing classes say what the sums do not: the divergence of row r, or
 * `value`. */
INLINE double divergence_of(const fe_state *state, size_t r, double value) {
  const double m = state->part[FE_LARGEST][r], infinity = __builtin_inf(), nan = __builtin_nan("");
  const double certain_p = state->part[FE_CERTAIN_P][r], certain_q = state->part[FE_CERTAIN_Q][r];
  const double at_certain = state->part[FE_AT_CERTAIN][r], lost = state->part[FE_LOST][r];
  const int any_p = m > -infinity || at_certain > 0;
  if (value != value || certain_p > 1 || certain_q > 1 || !any_p) return nan;
  if (certain_q == 1) {
    const int elsewhere = certain_p == 1 ? at_certain < 2 : m > -infinity;
    return elsewhere ? infinity : 0;
  }
  if (state->part[FE_LARGEST_Q][r] == -infinity) return lost > -infinity ? nan : 0; /* no entry */
  return lost > -infinity && (certain_p == 0 || lost == infinity) ? infinity : value;
}
#endif

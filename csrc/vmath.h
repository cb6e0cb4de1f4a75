/* vmath.h - log, log1p, exp, expm1 and the logarithm of a ratio on groups of 16 lanes.
 *
 * Reduction:  x = 2^n m with m in [0.67676, 1.35352), by integer operations on the bits.
 * Logarithm:  f = m - 1, s = f/(m + 1), z = s^2,  log m = 2s + s z R(z) = f - s (f - z R(z)),
 *             since 2s = f - s f. One division, no table: vector gathers cost more than either.
 * R and its fit: coefficients.h, made by make_coefficients.py.
 *
 * The reduction takes positive normal numbers. Zero comes out as 2^-1023 (2^-127 for floats),
 * which is right wherever it is multiplied by that zero. What else can come is listed at each
 * function. Errors in ulps are estimates from the operations' own; what is promised, and tested,
 * stands in measures.def.
 */
#ifndef FE_VMATH_H
#define FE_VMATH_H

#include "coefficients.h"
#include "exact.h"

#define FE_MIN_NORMAL_F64 0x1p-1022
#define FE_MIN_NORMAL_F32 0x1p-126f

#define MANTISSA_START_F64 0x3fe5a80000000000u /* 0.67676: f^2 stays below 1/8 */
#define MANTISSA_START_F32 0x3f2d4000u
#define MANTISSA_F64 0x000fffffffffffffu
#define MANTISSA_F32 0x007fffffu
#define ONE_F64 0x3ff0000000000000u
#define TWO_52 0x1p52 /* the bits of 2^52 + k end in the integer k */

/* ---- float64 -------------------------------------------------------------------------------- */

/* x = 2^n m, x normal or zero. Six operations. */
INLINE g64 g64_split(g64 x, g64 *n) {
  const g64 t = g64_bits_add(x, g64_bits(ONE_F64 - MANTISSA_START_F64));
  *n = g64_sub(g64_bits_or(g64_exponent(t), g64_set(TWO_52)), g64_set(TWO_52 + 1023));
  return g64_bits_add(g64_bits_and(t, g64_bits(MANTISSA_F64)), g64_bits(MANTISSA_START_F64));
}

/* As g64_split, subnormals too. */
INLINE g64 g64_split_subnormal(g64 x, g64 *n) {
  const m64 tiny = g64_less(x, g64_set(FE_MIN_NORMAL_F64));
  const g64 m = g64_split(g64_select(tiny, g64_mul(x, g64_set(0x1p54)), x), n);
  *n = g64_select(tiny, g64_sub(*n, g64_set(54)), *n);
  return m;
}

#define HORNER(G, z, table, count)                                      \
  G sum = G##_set((table)[(count) - 1]);                                \
  _Pragma("GCC unroll 16") for (int i = (count) - 2; i >= 0; i--) sum = \
      G##_fma(sum, z, G##_set((table)[i]));                             \
  return sum;

INLINE g64 g64_polynomial(g64 z, const double *table, const int count){HORNER(g64, z, table, count)}

/* n log 2 + log m in nats, n + log2 m in bits. About 1.3 ulp, 1.8 without FMA. */
HEAVY g64 g64_log_reduced(g64 m, g64 n, const unsigned bits) {
  const g64 f = g64_sub(m, g64_set(1));
  const g64 s = g64_div(f, g64_add(m, g64_set(1)));
  const g64 z = g64_mul(s, s);
  const g64 r = g64_polynomial(z, FE_LOG_F64, 7);
  const g64 log_m = g64_fnma(s, g64_fnma(z, r, f), f);
  return bits ? g64_fma(log_m, g64_set(FE_INVERSE_LN2), n) : g64_fma(n, g64_set(FE_LN2), log_m);
}

/* Normal numbers; zero gives a finite value. NaN and infinity give a finite value too: they reach
 * the sum through p in p * log(p). */
INLINE g64 g64_log(g64 x, const unsigned bits) {
  g64 n;
  const g64 m = g64_split(x, &n);
  return g64_log_reduced(m, n, bits);
}

/* All numbers: subnormals right, 0 -> -inf, +inf -> +inf, negative and NaN -> NaN. */
INLINE g64 g64_log_full(g64 x, const unsigned bits) {
  g64 n;
  const g64 m = g64_split_subnormal(x, &n);
  g64 y = g64_log_reduced(m, n, bits);
  y = g64_select(g64_less(x, g64_set(__builtin_inf())), y, x); /* +inf and NaN pass */
  y = g64_select(g64_equal(x, g64_set(0)), g64_set(-__builtin_inf()), y);
  return g64_select(g64_less(x, g64_set(0)), g64_set(__builtin_nan("")), y);
}

/* log x of a positive x as a pair. Bound once rounded 0.85 ulp, worst known 0.617 at
 * 0x1.5f15f982dbd6dp-1 (without FMA 0.611). M form of the logarithm,
 *     log m = f - h/2 + s (h/2 + z R),   h = f^2,
 * with f, h/2 and the first of the two pieces of n log 2 added exactly. */
HEAVY pair64 g64_log_pair(g64 x) {
  g64 n, lost[3];
  const g64 m = g64_split_subnormal(x, &n);
  const g64 f = g64_sub(m, g64_set(1));
  const g64 s = g64_div(f, g64_add(m, g64_set(1)));
  const g64 z = g64_mul(s, s);
  const g64 minus_half = g64_two_product(g64_mul(f, g64_set(-0.5)), f, &lost[0]);
  const g64 tail = g64_fms(z, g64_polynomial(z, FE_LOG_PAIR_F64, 8), minus_half);
  /* |n log 2| > |f| or n = 0; their sum exceeds h/2 */
  g64 high = g64_fast_two_sum(g64_mul(n, g64_set(FE_LN2_HIGH)), f, &lost[1]);
  high = g64_fast_two_sum(high, minus_half, &lost[2]);
  g64 low = g64_fma(n, g64_set(FE_LN2_LOW), g64_add(g64_add(lost[0], lost[1]), lost[2]));
  low = g64_fma(s, tail, low);
  g64 rest;
  const g64 rounded = g64_fast_two_sum(high, low, &rest);
  return (pair64){rounded, rest};
}

/* n log 2 + log m = high + low within 0.3 ulp, for what is multiplied yet: high is n log 2 + f, and
 * low, up to a fifth of it, -s (f - z R). Of m + c, where there is a c below 2^-52, low has c/m
 * too, with m = (1 + s)/(1 - s) to the third order. */
INLINE pair64 g64_log_sum(g64 m, g64 n, const int with_c, g64 c) {
  const g64 one = g64_set(1), f = g64_sub(m, one), s = g64_div(f, g64_add(m, one));
  const g64 z = g64_mul(s, s), r = g64_polynomial(z, FE_LOG_F64, 7);
  g64 lost;
  const g64 high = g64_fast_two_sum(g64_mul(n, g64_set(FE_LN2_HIGH)), f, &lost);
  if (with_c) {
    const g64 less = g64_sub(one, s);
    lost = g64_fma(c, g64_mul(less, g64_add(less, z)), lost);
  }
  const g64 low = g64_fma(n, g64_set(FE_LN2_LOW), lost);
  return (pair64){high, g64_fnma(s, g64_fnma(z, r, f), low)};
}

/* The same of a number x: normal, else some finite numbers; or `subnormal` too. */
INLINE pair64 g64_log_sum_of(g64 x, const int subnormal) {
  g64 n;
  const g64 m = subnormal ? g64_split_subnormal(x, &n) : g64_split(x, &n);
  return g64_log_sum(m, n, 0, m);
}

/* As g64_log_pair for all numbers: 0 -> -inf, +inf -> +inf, negative and NaN -> NaN. */
INLINE pair64 g64_log_pair_full(g64 x) {
  pair64 y = g64_log_pair(x);
  const g64 zero = g64_set(0), infinity = g64_set(__builtin_inf());
  const m64 positive = m64_and(g64_less(zero, x), g64_less(x, infinity));
  g64 limit = g64_select(g64_equal(x, zero), g64_sub(zero, infinity), x); /* +inf, NaN pass */
  limit = g64_select(g64_less(x, zero), g64_set(__builtin_nan("")), limit);
  return (pair64){g64_select(positive, y.high, limit), g64_select(positive, y.low, zero)};
}

/* log(1 + x + low) as a pair, for x > -1 and |low| << x. With y = 1 + x rounded and c what that
 * dropped, it is log y + (c + low)/y up to ((c + low)/y)^2. */
HEAVY pair64 g64_log1p_pair(g64 x, g64 low) {
  g64 c;
  const g64 y = g64_two_sum(g64_set(1), x, &c);
  const pair64 log_y = g64_log_pair(y);
  return (pair64){log_y.high, g64_add(log_y.low, g64_div(g64_add(c, low), y))};
}

/* log(1 + x) of x >= 0, not infinite, within an ulp. */
INLINE g64 g64_log1p_rounded(g64 x) {
  g64 n, c;
  const g64 y = g64_fast_two_sum(g64_set(1), x, &c);
  const g64 m = g64_split(y, &n);
  c = g64_select(g64_equal(n, g64_set(0)), c, g64_set(0)); /* nothing beside a logarithm of 2 */
  const pair64 sum = g64_log_sum(m, n, 1, c);
  return g64_add(sum.high, sum.low);
}

/* log(1 + x) for all x: -inf at -1, NaN below. Bound 0.85 ulp, worst known 0.660 at
 * -0x1.9fffb4d05fccap-53. */
HEAVY g64 g64_log1p(g64 x) {
  const g64 one = g64_set(1), zero = g64_set(0), infinity = g64_set(__builtin_inf());
  const g64 y = g64_add(one, x);
  const pair64 log_y = g64_log1p_pair(x, zero);
  g64 result = g64_add(log_y.high, log_y.low);
  result = g64_select(g64_less(x, infinity), result, x); /* +inf and NaN pass */
  result = g64_select(g64_equal(y, zero), g64_sub(zero, infinity), result);
  return g64_select(g64_less(y, zero), g64_set(__builtin_nan("")), result);
}

/* x + low = k log 2 + r for |low| << 1 and -1270 <= k <= 1025: r as a pair, |r| <= log(2)/2. */
INLINE pair64 g64_exp_reduce(g64 x, g64 low, g64 *k) {
  const g64 magic = g64_set(0x1.8p52); /* adding it rounds to an integer */
  *k = g64_sub(g64_fma(x, g64_set(FE_INVERSE_LN2), magic), magic);
  const g64 r_high = g64_sub(x, g64_mul(*k, g64_set(FE_LN2_HIGH))); /* exact */
  const g64 k_low = g64_mul(*k, g64_set(FE_LN2_LOW));
  const g64 r = g64_sub(r_high, k_low);
  return (pair64){r, g64_add(g64_sub(g64_sub(r_high, r), k_low), low)};
}

/* e^r - 1 - r.high */
INLINE g64 g64_exp_tail(pair64 r) {
  const g64 q = g64_polynomial(r.high, FE_EXP_F64, 11);
  return g64_fma(g64_mul(r.high, r.high), q, g64_fma(r.low, r.high, r.low));
}

/* 2^k for an integer |k| <= 1022: k + 1023 in the last bits, moved into the exponent's. */
INLINE g64 g64_power_of_two(g64 k) { return g64_as_exponent(g64_add(k, g64_set(TWO_52 + 1023))); }

/* y 2^k in two factors, so that neither 2^k nor a subnormal result is lost on the way. */
INLINE g64 g64_scale_binary(g64 y, g64 k) {
  const g64 magic = g64_set(0x1.8p52);
  const g64 half_k = g64_sub(g64_add(g64_mul(k, g64_set(0.5)), magic), magic);
  return g64_mul(g64_mul(y, g64_power_of_two(half_k)), g64_power_of_two(g64_sub(k, half_k)));
}

/* e^(x + low) = (y.high + y.low) 2^k for |low| << 1, all x but NaN (of 710 and more, and -880 and
 * less, those of 710 and -880): not rounded, since 1 + r is kept with its residual. e^-880 is 0 as
 * a double, and still is times 2^127, the largest weight of a class. */
HEAVY pair64 g64_exp_parts_pair(g64 x, g64 low, g64 *k) {
  const g64 inside = g64_max(g64_min(x, g64_set(710)), g64_set(-880)); /* NaN goes to 710 */
  const pair64 r = g64_exp_reduce(inside, low, k);
  g64 residual;
  const g64 one_and_r = g64_fast_two_sum(g64_set(1), r.high, &residual);
  return (pair64){one_and_r, g64_add(residual, g64_exp_tail(r))};
}

/* The same y within 0.6 ulp. NaN passes. */
INLINE g64 g64_exp_parts(g64 x, g64 low, g64 *k) {
  const pair64 y = g64_exp_parts_pair(x, low, k);
  return g64_select(g64_equal(x, x), g64_add(y.high, y.low), x);
}

/* The same as one number: inf above 709.78, 0 below -745. Bound 0.85 ulp; subnormal results,
 * rounded twice, have the worst known: 0.759 at -0x1.625627ac53592p+9. */
HEAVY g64 g64_exp_pair(g64 x, g64 low) {
  g64 k;
  const g64 y = g64_exp_parts(x, low, &k);
  return g64_scale_binary(y, k);
}

/* e^x where it is a normal number: no clamps, and 2^k by adding k to the exponent. 1 ulp. */
HEAVY g64 g64_exp_normal(g64 x) {
  const g64 magic = g64_set(0x1.8p52);
  const g64 shifted = g64_fma(x, g64_set(FE_INVERSE_LN2), magic), k = g64_sub(shifted, magic);
  const g64 r_high = g64_sub(x, g64_mul(k, g64_set(FE_LN2_HIGH))); /* exact */
  const g64 r = g64_fnma(k, g64_set(FE_LN2_LOW), r_high);
  const g64 q = g64_polynomial(r, FE_EXP_F64, 11);
  const g64 y = g64_add(g64_set(1), g64_fma(g64_mul(r, r), q, r));
  return g64_bits_add(y, g64_as_exponent(shifted));
}

/* e^x - 1 for all x, = 2^k ((1 - 2^-k) + r + r^2/2 + rest), |rest| < 0.008. Where k = 1 the bracket
 * cancels r, so both are added exactly, and r^2/2 too. Bound 0.85 ulp, worst known 0.582 at
 * 0x1.63bcb77c348dp-2 (without FMA 0.593). */
HEAVY g64 g64_expm1(g64 x) {
  const g64 inside = g64_max(g64_min(x, g64_set(710)), g64_set(-40)); /* below: -1 */
  g64 k, lost[4];
  const pair64 r = g64_exp_reduce(inside, g64_set(0), &k);
  const g64 least = g64_min(k, g64_set(60)); /* 2^-60 is nothing beside 1 */
  const g64 inverse = g64_power_of_two(g64_sub(g64_set(0), least));
  const g64 bracket = g64_two_sum(g64_set(1), g64_sub(g64_set(0), inverse), &lost[0]);
  const g64 half_square = g64_two_product(g64_mul(r.high, g64_set(0.5)), r.high, &lost[1]);
  const g64 cube = g64_mul(g64_mul(r.high, r.high), r.high);
  const g64 rest = g64_fma(cube, g64_polynomial(r.high, FE_EXP_F64 + 1, 10),
                           g64_fma(r.low, r.high, g64_add(r.low, lost[1])));
  g64 sum = g64_two_sum(bracket, r.high, &lost[2]);
  sum = g64_two_sum(sum, half_square, &lost[3]);
  const g64 y = g64_add(sum, g64_add(g64_add(g64_add(lost[2], lost[3]), lost[0]), rest));
  return g64_select(g64_equal(x, x), g64_scale_binary(y, k), x);
}

/* p 2^-k with k the exponent of p/q, rounded towards 0 from 3/4 up: p' / q stays within
 * (4/7, 7/4), and k = 0 while p and q differ by less than 3/4 of a binade. Normal p and q; a zero
 * counts as 2^-1023. */
HEAVY g64 g64_ratio_split(g64 p, g64 q, g64 *k) {
  const g64 quarter_up = g64_bits(1ull << 50); /* floor(d + 1/4) for d >= 0 */
  const g64 quarter_down = g64_bits((1ull << 52) - 1 - (1ull << 51)); /* ceil(d - 1/4) for d < 0 */
  const g64 d = g64_bits_sub(p, q);
  const g64 sign = g64_sign(d);
  const g64 t = g64_bits_add(g64_bits_add(d, quarter_up), g64_bits_and(sign, quarter_down));
  const g64 k_bits = g64_bits_and(t, g64_bits(~(uint64_t)MANTISSA_F64));
  const g64 biased = g64_exponent(g64_bits_xor(k_bits, g64_bits(1ull << 63)));
  *k = g64_sub(g64_bits_or(biased, g64_set(TWO_52)), g64_set(TWO_52 + 2048));
  return g64_bits_sub(p, k_bits);
}

/* The same for p <= q in fewer operations, and the sign of p' with it: -p'. (The bias that makes
 * the exponent of k positive is 2^63, which in p's bits is the sign.) */
INLINE g64 g64_ratio_split_below(g64 p, g64 q, g64 *k) {
  const g64 down = g64_bits((1ull << 63) + (1ull << 52) - 1 - (1ull << 51)); /* ceil(d - 1/4) */
  const g64 t = g64_bits_add(g64_bits_sub(p, q), down);
  const g64 k_bits = g64_bits_and(t, g64_bits(~(uint64_t)MANTISSA_F64));
  *k = g64_sub(g64_bits_or(g64_exponent(k_bits), g64_set(TWO_52)), g64_set(TWO_52 + 2048));
  return g64_bits_sub(p, k_bits);
}

/* (log(p'/q) - 2 v) / v for v = (p' - q)/(p' + q), |v| <= 3/11, w = v^2. */
HEAVY g64 g64_ratio_tail(g64 w) { return g64_mul(w, g64_polynomial(w, FE_RATIO_F64, 8)); }

/* k log 2 + log(p/q) = high + low, as g64_log_sum, for p and q from 2^-900 to 2^900, and `more`
 * added to the k of vmath's ratio: 2 v + v w R(w) + k log 2, with what was lost of p + q and of the
 * quotient v kept. The sum p + q loses at most 2^-55 more, where p > q. */
INLINE pair64 g64_log_ratio_sum(g64 p, g64 q, g64 more) {
  g64 k, dropped, lost;
  const g64 scaled = g64_ratio_split(p, q, &k);
  k = g64_add(k, more);
  const g64 above = g64_sub(scaled, q), below = g64_fast_two_sum(q, scaled, &dropped);
  const g64 inverse = g64_div(g64_set(1), below), v = g64_mul(above, inverse);
  const g64 remainder = g64_fnma(v, dropped, g64_remainder(above, below, v));
  const g64 v_low = g64_mul(remainder, inverse), tail = g64_mul(v, g64_ratio_tail(g64_mul(v, v)));
  const g64 high = g64_fast_two_sum(g64_mul(k, g64_set(FE_LN2_HIGH)), g64_add(v, v), &lost);
  const g64 low = g64_fma(k, g64_set(FE_LN2_LOW), g64_add(g64_add(v_low, v_low), tail));
  return (pair64){high, g64_add(low, lost)};
}

/* ---- float32: only where the machine has FMA; elsewhere floats are computed as doubles ---------
 */

#if FE_FMA
INLINE g32 g32_polynomial(g32 z, const float *table, const int count){HORNER(g32, z, table, count)}

/* x = 2^n m, x normal, or zero or negative: then m and n are finite. */
INLINE g32 g32_split(g32 x, g32 *n) {
  const g32 t = g32_bits_sub(x, g32_bits(MANTISSA_START_F32));
  *n = g32_exponent(t);
  return g32_bits_add(g32_bits_and(t, g32_bits(MANTISSA_F32)), g32_bits(MANTISSA_START_F32));
}

/* Normal numbers, as g64_log: about 0.95 ulp. */
INLINE g32 g32_log(g32 x, const unsigned bits) {
  g32 n;
  const g32 m = g32_split(x, &n);
  const g32 f = g32_sub(m, g32_set(1));
  const g32 s = g32_div(f, g32_add(m, g32_set(1)));
  const g32 z = g32_mul(s, s);
  const g32 r = g32_polynomial(z, FE_LOG_F32, 3);
  const g32 log_m = g32_fnma(s, g32_fnma(z, r, f), f);
  return bits ? g32_fma(log_m, g32_set((float)FE_INVERSE_LN2), n)
              : g32_fma(n, g32_set((float)FE_LN2), log_m);
}

/* As g64_exp_normal. */
INLINE g32 g32_exp_normal(g32 x) {
  const g32 magic = g32_set(0x1.8p23f);
  const g32 shifted = g32_fma(x, g32_set((float)FE_INVERSE_LN2), magic);
  const g32 k = g32_sub(shifted, magic);
  const g32 r_high = g32_fnma(k, g32_set((float)FE_LN2_HIGH_F32), x); /* exact */
  const g32 r = g32_fnma(k, g32_set((float)FE_LN2_LOW_F32), r_high);
  const g32 q = g32_polynomial(r, FE_EXP_F32, 5);
  const g32 y = g32_add(g32_set(1), g32_fma(g32_mul(r, r), q, r));
  return g32_bits_add(y, g32_as_exponent(shifted));
}

/* As g64_log_sum, of a normal x: within 0.4 ulp. */
INLINE pair32 g32_log_sum(g32 x) {
  g32 n, lost;
  const g32 m = g32_split(x, &n), one = g32_set(1), f = g32_sub(m, one);
  const g32 s = g32_div(f, g32_add(m, one)), z = g32_mul(s, s);
  const g32 r = g32_polynomial(z, FE_LOG_F32, 3);
  const g32 high = g32_fast_two_sum(g32_mul(n, g32_set((float)FE_LN2_HIGH_F32)), f, &lost);
  const g32 low = g32_fma(n, g32_set((float)FE_LN2_LOW_F32), lost);
  return (pair32){high, g32_fnma(s, g32_fnma(z, r, f), low)};
}

/* As g64_log_pair, of a normal x: within 0.15 ulp. */
INLINE pair32 g32_log_pair(g32 x) {
  g32 n, lost, more;
  const g32 m = g32_split(x, &n), one = g32_set(1), f = g32_sub(m, one);
  const g32 s = g32_div(f, g32_add(m, one)), z = g32_mul(s, s), half = g32_mul(f, g32_set(-0.5f));
  const g32 minus_half = g32_mul(half, f), dropped = g32_fms(half, f, minus_half);
  const g32 tail = g32_fms(z, g32_polynomial(z, FE_LOG_F32, 3), minus_half);
  const g32 whole = g32_fast_two_sum(g32_mul(n, g32_set((float)FE_LN2_HIGH_F32)), f, &lost);
  const g32 high = g32_fast_two_sum(whole, minus_half, &more);
  const g32 rest = g32_add(g32_add(dropped, lost), more);
  const g32 low = g32_fma(n, g32_set((float)FE_LN2_LOW_F32), rest);
  return (pair32){high, g32_fma(s, tail, low)};
}

/* e^x as a pair within 0.15 ulp, for |x| <= 60: both parts are normal numbers. 1 + r and r keep
 * what they drop. */
INLINE pair32 g32_exp_pair(g32 x) {
  const g32 one = g32_set(1), magic = g32_set(0x1.8p23f), k_low = g32_set((float)FE_LN2_LOW_F32);
  const g32 shifted = g32_fma(x, g32_set((float)FE_INVERSE_LN2), magic);
  const g32 k = g32_sub(shifted, magic);
  const g32 r_high = g32_fnma(k, g32_set((float)FE_LN2_HIGH_F32), x); /* exact */
  const g32 r = g32_fnma(k, k_low, r_high), r_low = g32_fnma(k, k_low, g32_sub(r_high, r));
  g32 dropped, low;
  const g32 sum = g32_fast_two_sum(one, r, &dropped);
  const g32 q = g32_polynomial(r, FE_EXP_F32, 5);
  const g32 tail = g32_fma(g32_mul(r, r), q, g32_add(dropped, r_low));
  const g32 high = g32_fast_two_sum(sum, tail, &low);
  const g32 scale = g32_bits_add(one, g32_as_exponent(shifted)); /* 2^k */
  return (pair32){g32_mul(high, scale), g32_mul(low, scale)};
}

/* As g64_ratio_split. */
INLINE g32 g32_ratio_split(g32 p, g32 q, g32 *k) {
  const g32 quarter_up = g32_bits(1u << 21);
  const g32 quarter_down = g32_bits((1u << 23) - 1 - (1u << 22));
  const g32 d = g32_bits_sub(p, q);
  const g32 t = g32_bits_add(g32_bits_add(d, quarter_up), g32_bits_and(g32_sign(d), quarter_down));
  *k = g32_exponent(t);
  return g32_bits_sub(p, g32_bits_and(t, g32_bits(~MANTISSA_F32)));
}

INLINE g32 g32_ratio_tail(g32 w) { return g32_mul(w, g32_polynomial(w, FE_RATIO_F32, 3)); }
/* The same to the last digit of v^2 too, where 2 v cancels. */
INLINE g32 g32_ratio_tail_long(g32 w) {
  return g32_mul(w, g32_polynomial(w, FE_RATIO_LONG_F32, 4));
}
#endif

#endif

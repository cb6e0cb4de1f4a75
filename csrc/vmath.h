/* vmath.h - logarithm, logarithm of a ratio, and exp on groups of 16 lanes.
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
#include "simd.h"

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
INLINE g64 g64_log_reduced(g64 m, g64 n, const unsigned bits) {
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

/* An unevaluated sum high + low with |low| <= ulp(high). */
typedef struct {
  g64 high, low;
} pair64;

/* log x of a positive x as a pair: below 0.7 ulp once rounded. M form of the logarithm,
 *     log m = f - (h/2 - s (h/2 + z R)),   h = f^2,
 * whose leading part f is exact; n log 2 comes in two pieces, the first of them exact. */
INLINE pair64 g64_log_pair(g64 x) {
  g64 n;
  const g64 m = g64_split_subnormal(x, &n);
  const g64 f = g64_sub(m, g64_set(1));
  const g64 s = g64_div(f, g64_add(m, g64_set(1)));
  const g64 z = g64_mul(s, s);
  const g64 half = g64_mul(g64_mul(f, f), g64_set(0.5));
  const g64 tail = g64_fma(z, g64_polynomial(z, FE_LOG_PAIR_F64, 8), half);
  const g64 n_high = g64_mul(n, g64_set(FE_LN2_HIGH));
  const g64 high = g64_add(n_high, f); /* exact with its residual: |n log 2| > |f| or n = 0 */
  const g64 residual = g64_sub(f, g64_sub(high, n_high));
  g64 low = g64_fma(n, g64_set(FE_LN2_LOW), residual);
  low = g64_sub(low, g64_sub(half, g64_mul(s, tail)));
  const g64 rounded = g64_add(high, low);
  return (pair64){rounded, g64_add(g64_sub(high, rounded), low)};
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

/* e^(x + low) for |low| << 1: about 1 ulp. Overflows to inf above 709.78, is 0 below -745. */
INLINE g64 g64_exp_pair(g64 x, g64 low) {
  const g64 inside = g64_max(g64_min(x, g64_set(710)), g64_set(-746)); /* NaN goes to 710 */
  const g64 magic = g64_set(0x1.8p52); /* adding it rounds to an integer, held in the last bits */
  const g64 shifted = g64_fma(inside, g64_set(FE_INVERSE_LN2), magic);
  const g64 k = g64_sub(shifted, magic);
  const g64 r_high = g64_sub(inside, g64_mul(k, g64_set(FE_LN2_HIGH))); /* exact */
  const g64 k_low = g64_mul(k, g64_set(FE_LN2_LOW));
  const g64 r = g64_sub(r_high, k_low);
  const g64 r_low = g64_add(g64_sub(g64_sub(r_high, r), k_low), low);
  const g64 q = g64_polynomial(r, FE_EXP_F64, 11);
  const g64 y =
      g64_add(g64_set(1), g64_add(r, g64_fma(g64_mul(r, r), q, g64_fma(r_low, r, r_low))));
  /* 2^k in two factors, so that neither it nor a subnormal result is lost on the way. */
  const g64 half_k = g64_sub(g64_add(g64_mul(k, g64_set(0.5)), magic), magic);
  const g64 rest_k = g64_sub(k, half_k);
  const g64 bias = g64_set(TWO_52 + 1023);
  g64 scale_1 = g64_add(half_k, bias), scale_2 = g64_add(rest_k, bias);
  for (int i = 0; i < G64_REGISTERS; i++) { /* integer k + 1023 into the exponent field */
    scale_1.v[i] = (v64)((i64)scale_1.v[i] << 52);
    scale_2.v[i] = (v64)((i64)scale_2.v[i] << 52);
  }
  const g64 result = g64_mul(g64_mul(y, scale_1), scale_2);
  return g64_select(g64_equal(x, x), result, x);
}

/* p 2^-k with k the exponent of p/q, rounded towards 0 from 3/4 up: p' / q stays within
 * (4/7, 7/4), and k = 0 while p and q differ by less than 3/4 of a binade. Normal p and q; a zero
 * counts as 2^-1023. */
INLINE g64 g64_ratio_split(g64 p, g64 q, g64 *k) {
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

/* (log(p'/q) - 2 v) / v for v = (p' - q)/(p' + q), |v| <= 3/11, w = v^2. */
INLINE g64 g64_ratio_tail(g64 w) { return g64_mul(w, g64_polynomial(w, FE_RATIO_F64, 8)); }

/* ---- float32: only where the machine has FMA; elsewhere floats are computed as doubles ---------
 */

#if FE_FMA
INLINE g32 g32_polynomial(g32 z, const float *table, const int count){HORNER(g32, z, table, count)}

/* Normal numbers, as g64_log: about 0.95 ulp. */
INLINE g32 g32_log(g32 x, const unsigned bits) {
  const g32 t = g32_bits_sub(x, g32_bits(MANTISSA_START_F32));
  const g32 n = g32_exponent(t);
  const g32 m = g32_bits_add(g32_bits_and(t, g32_bits(MANTISSA_F32)), g32_bits(MANTISSA_START_F32));
  const g32 f = g32_sub(m, g32_set(1));
  const g32 s = g32_div(f, g32_add(m, g32_set(1)));
  const g32 z = g32_mul(s, s);
  const g32 r = g32_polynomial(z, FE_LOG_F32, 3);
  const g32 log_m = g32_fnma(s, g32_fnma(z, r, f), f);
  return bits ? g32_fma(log_m, g32_set((float)FE_INVERSE_LN2), n)
              : g32_fma(n, g32_set((float)FE_LN2), log_m);
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
#endif

#endif

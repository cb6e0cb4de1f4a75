/* sum.h - sums that keep what rounding drops.
 *
 * A running sum is S + E: S the rounded sum, E the residuals of its roundings.
 *
 *   product:  P = fma(p, L, S),  D = P - S,  E += fms(p, L, D),  S = P
 *             recovers the rounding of the product and of the addition in four operations
 *             (exact where |S| >= |p L|; where a term exceeds S, S at least doubles, so that the
 *             inexact steps of a whole row cost about one unit together).
 *   term:     P = S + t,  E += t - (P - S),  S = P
 *
 * Sixteen lanes are joined by a fixed tree: lane l with l + 8, then l + 4, l + 2, l + 1.
 */
#ifndef FE_SUM_H
#define FE_SUM_H

#include "vmath.h"

#define FE_TINY_SUM 0x1p-1000
#define FE_TINY_SCALE 0x1p500

/* Four doubles on every instruction set: the tree's last levels and the rows of fe_short. */
typedef double q64 __attribute__((vector_size(32)));
typedef double q64_memory __attribute__((vector_size(32), aligned(8), may_alias));
typedef float q32_memory __attribute__((vector_size(16), aligned(4), may_alias));
typedef struct {
  g64 sum, residual;
} sum64;
typedef struct {
  q64 sum, residual;
} sum_q64;

/* What a careful form sees of a group: entries as pairs, p - q, and what to multiply terms with. */
typedef struct {
  pair64 p, q;
  g64 difference, scale;
} entry64;

INLINE double fe_two_sum(double a, double b, double *residual) {
  const double sum = a + b, b_part = sum - a;
  *residual = (a - (sum - b_part)) + (b - b_part);
  return sum;
}

/* ---- exact products ------------------------------------------------------------------------- */

/* a * b = product + residual, exactly (barring overflow of the split above 2^996). */
INLINE g64 g64_two_product(g64 a, g64 b, g64 *residual) {
  const g64 product = g64_mul(a, b);
#if FE_FMA
  *residual = g64_fms(a, b, product);
#else /* Dekker's product of Veltkamp's halves: 27 + 26 bits */
  const g64 splitter = g64_set(0x1p27 + 1);
  const g64 a_scaled = g64_mul(splitter, a), b_scaled = g64_mul(splitter, b);
  const g64 a_high = g64_sub(a_scaled, g64_sub(a_scaled, a)), a_low = g64_sub(a, a_high);
  const g64 b_high = g64_sub(b_scaled, g64_sub(b_scaled, b)), b_low = g64_sub(b, b_high);
  g64 rest = g64_sub(product, g64_mul(a_high, b_high));
  rest = g64_sub(rest, g64_mul(a_low, b_high));
  rest = g64_sub(rest, g64_mul(a_high, b_low));
  *residual = g64_sub(g64_mul(a_low, b_low), rest);
#endif
  return product;
}

INLINE g64 g64_two_sum(g64 a, g64 b, g64 *residual) {
  const g64 sum = g64_add(a, b);
  const g64 b_part = g64_sub(sum, a);
  *residual = g64_add(g64_sub(a, g64_sub(sum, b_part)), g64_sub(b, b_part));
  return sum;
}

/* (y.high + y.low) * scale, rounded once. An infinite y.high passes. */
INLINE g64 g64_scale_sum(pair64 y, const fe_params *params) {
  g64 residual;
  const g64 scale = g64_set(params->scale_high);
  const g64 product = g64_two_product(y.high, scale, &residual);
  residual = g64_fma(y.high, g64_set(params->scale_low), residual);
  const g64 result = g64_add(product, g64_fma(y.low, scale, residual));
  const g64 infinity = g64_set(__builtin_inf());
  const m64 finite =
      m64_and(g64_less(product, infinity), g64_less(g64_sub(g64_set(0), infinity), product));
  return g64_select(finite, result, product);
}

/* -y * scale: from a logarithm to an information; a certain event costs +0, never -0. */
INLINE g64 g64_scale_pair(pair64 y, const fe_params *params) {
  return g64_sub(g64_set(0), g64_scale_sum(y, params));
}

/* ---- running sums of groups -------------------------------------------------------------------
 */

INLINE void sum64_add(sum64 *s, g64 term) {
  const g64 sum = g64_add(s->sum, term);
  s->residual = g64_add(s->residual, g64_sub(term, g64_sub(sum, s->sum)));
  s->sum = sum;
}

/* Terms of either sign and any order: TwoSum. */
INLINE void sum64_add_signed(sum64 *s, g64 term) {
  g64 residual;
  s->sum = g64_two_sum(s->sum, term, &residual);
  s->residual = g64_add(s->residual, residual);
}

/* Subtracts p * l: measures are sums of -p log(...), and every term is positive. */
INLINE void sum64_subtract_product(sum64 *s, g64 p, g64 l) {
#if FE_FMA
  const g64 sum = g64_fnma(p, l, s->sum);
  const g64 added = g64_sub(s->sum, sum);
  s->residual = g64_sub(s->residual, g64_fms(p, l, added));
  s->sum = sum;
#else
  g64 residual;
  const g64 product = g64_two_product(g64_sub(g64_set(0), p), l, &residual);
  sum64_add_signed(s, product);
  s->residual = g64_add(s->residual, residual);
#endif
}

#if FE_FMA
typedef struct {
  g32 sum, residual;
} sum32;

INLINE void sum32_add(sum32 *s, g32 term) {
  const g32 sum = g32_add(s->sum, term);
  s->residual = g32_add(s->residual, g32_sub(term, g32_sub(sum, s->sum)));
  s->sum = sum;
}

INLINE void sum32_subtract_product(sum32 *s, g32 p, g32 l) {
  const g32 sum = g32_fnma(p, l, s->sum);
  const g32 added = g32_sub(s->sum, sum);
  s->residual = g32_sub(s->residual, g32_fms(p, l, added));
  s->sum = sum;
}

/* Each lane's sum and residual together fit a double. An infinite sum has a NaN residual. */
INLINE sum64 sum32_widen(const sum32 *s) {
  float lanes[2][FE_LANES];
  g32_store(lanes[0], s->sum);
  const m32 ordered = g32_equal(s->residual, s->residual);
  g32_store(lanes[1], g32_select(ordered, s->residual, g32_set(0)));
  return (sum64){g64_add(g64_load_float(lanes[0]), g64_load_float(lanes[1])), g64_set(0)};
}
#endif

INLINE sum64 sum64_widen(const sum64 *s) { return *s; }

/* ---- double-double scalars and the tree -------------------------------------------------------
 */

/* (*high, *low) += (high_2, low_2). An infinite or NaN sum stays what it is. */
INLINE void fe_add(double *high, double *low, double high_2, double low_2) {
  const double sum = *high + high_2;
  if (!(__builtin_fabs(sum) < __builtin_inf())) {
    *high = sum;
    *low = 0;
    return;
  }
  const double part = sum - *high;
  const double residual = (*high - (sum - part)) + (high_2 - part) + (*low + low_2);
  *high = sum + residual;
  *low = residual - (*high - sum);
}

INLINE q64 q64_two_sum(q64 a, q64 b, q64 *residual) {
  const q64 sum = a + b;
  const q64 b_part = sum - a;
  *residual = (a - (sum - b_part)) + (b - b_part);
  return sum;
}

/* Lanes l, l + 8, l + 4 (and 12 with it) of a group joined: four are left. */
INLINE sum_q64 sum64_quarter(const sum64 *s) {
  double lanes[2][FE_LANES];
  q64 sum[4], rest[4], residual;
#if FE_BYTES == 32
  (void)lanes;
  for (int i = 0; i < 4; i++) sum[i] = (q64)s->sum.v[i], rest[i] = (q64)s->residual.v[i];
#else
  g64_store(lanes[0], s->sum);
  g64_store(lanes[1], s->residual);
  for (int i = 0; i < 4; i++) {
    sum[i] = *(const q64_memory *)(const void *)(lanes[0] + 4 * i);
    rest[i] = *(const q64_memory *)(const void *)(lanes[1] + 4 * i);
  }
#endif
  sum[0] = q64_two_sum(sum[0], sum[2], &residual);
  rest[0] = rest[0] + rest[2] + residual;
  sum[1] = q64_two_sum(sum[1], sum[3], &residual);
  rest[1] = rest[1] + rest[3] + residual;
  sum[0] = q64_two_sum(sum[0], sum[1], &residual);
  rest[0] = rest[0] + rest[1] + residual;
  return (sum_q64){sum[0], rest[0]};
}

/* Adds all lanes of s to (*high, *low). */
INLINE void sum64_collect(const sum64 *s, double *high, double *low) {
  const sum_q64 four = sum64_quarter(s);
  double h0 = four.sum[0], l0 = four.residual[0], h1 = four.sum[1], l1 = four.residual[1];
  fe_add(&h0, &l0, four.sum[2], four.residual[2]);
  fe_add(&h1, &l1, four.sum[3], four.residual[3]);
  fe_add(&h0, &l0, h1, l1);
  fe_add(high, low, h0, l0);
}

/* Which sums are so small that they may have lost digits to the subnormal numbers. */
typedef int64_t mask_q64 __attribute__((vector_size(32)));
INLINE mask_q64 q64_tiny(q64 sum) {
  return (sum < FE_TINY_SUM) & (sum > -FE_TINY_SUM) & (sum != 0);
}

/* Four entries of a short row; or its last `count` < 4 and zeros, touching nothing behind them. */
INLINE q64 q64_load_f64(const double *p) { return *(const q64_memory *)(const void *)p; }
INLINE q64 q64_load_f32(const float *p) {
  return __builtin_convertvector(*(const q32_memory *)(const void *)p, q64);
}
#if defined(__AVX2__)
INLINE q64 q64_load_rest_f64(const double *p, size_t count) {
  const int64_t *lanes = FE_LANE_MASK_64 + FE_LANES - count;
  return (q64)_mm256_maskload_pd(p, _mm256_loadu_si256((const __m256i *)(const void *)lanes));
}
INLINE q64 q64_load_rest_f32(const float *p, size_t count) {
  const int32_t *lanes = FE_LANE_MASK_32 + FE_LANES - count;
  return (q64)_mm256_cvtps_pd(
      _mm_maskload_ps(p, _mm_loadu_si128((const __m128i *)(const void *)lanes)));
}
#else
INLINE q64 q64_load_rest_f64(const double *p, size_t count) {
  return (q64){p[0], count > 1 ? p[1] : 0, count > 2 ? p[2] : 0, 0};
}
INLINE q64 q64_load_rest_f32(const float *p, size_t count) {
  return (q64){p[0], count > 1 ? p[1] : 0, count > 2 ? p[2] : 0, 0};
}
#endif
#define Q64_LOAD(p) _Generic(*(p), float: q64_load_f32, double: q64_load_f64)((const void *)(p))
#define Q64_LOAD_REST(p, count) \
  _Generic(*(p), float: q64_load_rest_f32, double: q64_load_rest_f64)((const void *)(p), count)

INLINE void sum_q64_add(sum_q64 *s, q64 term) {
  const q64 sum = s->sum + term;
  s->residual += term - (sum - s->sum);
  s->sum = sum;
}

INLINE void sum_q64_subtract_product(sum_q64 *s, q64 p, q64 l) {
#if FE_FMA
  const q64 sum = (q64)_mm256_fnmadd_pd((__m256d)p, (__m256d)l, (__m256d)s->sum);
  const q64 added = s->sum - sum;
  s->residual -= (q64)_mm256_fmsub_pd((__m256d)p, (__m256d)l, (__m256d)added);
  s->sum = sum;
#else
  g64 residual, a, b;
  a.v[0] = (v64)(-p), b.v[0] = (v64)l;
  for (int i = 1; i < G64_REGISTERS; i++) a.v[i] = b.v[i] = (v64){0};
  const g64 product = g64_two_product(a, b, &residual);
  q64 rest;
  s->sum = q64_two_sum(s->sum, (q64)product.v[0], &rest);
  s->residual += rest;
  s->residual += (q64)residual.v[0];
#endif
}

/* Factors that are floats carry errors far above a double's: plain sums will do. */
INLINE void sum_q64_add_plain(sum_q64 *s, q64 term) { s->sum += term; }
INLINE void sum_q64_subtract_product_plain(sum_q64 *s, q64 p, q64 l) {
#if FE_FMA
  s->sum = (q64)_mm256_fnmadd_pd((__m256d)p, (__m256d)l, (__m256d)s->sum);
#else
  s->sum -= p * l;
#endif
}

/* The sums of four rows from four sums of four lanes: lanes (0 + 1) + (2 + 3) of each row. */
INLINE sum_q64 q64_transpose_sum(const sum_q64 row[4]) {
  q64 residual;
#define EVEN(a, b) __builtin_shufflevector(a, b, 0, 4, 2, 6)
#define ODD(a, b) __builtin_shufflevector(a, b, 1, 5, 3, 7)
#define LOW(a, b) __builtin_shufflevector(a, b, 0, 1, 4, 5)
#define HIGH(a, b) __builtin_shufflevector(a, b, 2, 3, 6, 7)
  const q64 sum_01 =
      q64_two_sum(EVEN(row[0].sum, row[1].sum), ODD(row[0].sum, row[1].sum), &residual);
  const q64 rest_01 =
      EVEN(row[0].residual, row[1].residual) + ODD(row[0].residual, row[1].residual) + residual;
  const q64 sum_23 =
      q64_two_sum(EVEN(row[2].sum, row[3].sum), ODD(row[2].sum, row[3].sum), &residual);
  const q64 rest_23 =
      EVEN(row[2].residual, row[3].residual) + ODD(row[2].residual, row[3].residual) + residual;
  const q64 sum = q64_two_sum(LOW(sum_01, sum_23), HIGH(sum_01, sum_23), &residual);
  const q64 rest = LOW(rest_01, rest_23) + HIGH(rest_01, rest_23) + residual;
  return (sum_q64){sum, rest};
}

INLINE sum_q64 q64_transpose_sum_plain(const sum_q64 row[4]) {
  const q64 sum_01 = EVEN(row[0].sum, row[1].sum) + ODD(row[0].sum, row[1].sum);
  const q64 sum_23 = EVEN(row[2].sum, row[3].sum) + ODD(row[2].sum, row[3].sum);
  return (sum_q64){LOW(sum_01, sum_23) + HIGH(sum_01, sum_23), {0, 0, 0, 0}};
}
#undef EVEN
#undef ODD
#undef LOW
#undef HIGH

#endif

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

/* Four doubles on every instruction set: the tree's last levels. */
typedef double q64 __attribute__((vector_size(32)));
typedef double q64_memory __attribute__((vector_size(32), aligned(8), may_alias));
typedef struct {
  g64 sum, residual;
} sum64;
typedef struct {
  q64 sum, residual;
} sum_q64;

/* What a careful form sees of a group: entries and p - q as pairs, and what terms are multiplied
 * with. */
typedef struct {
  pair64 p, q, difference;
  g64 scale;
} entry64;

/* ---- scaling --------------------------------------------------------------------------------- */

/* (y.high + y.low) * scale, rounded once. An infinite y.high passes. */
HEAVY g64 g64_scale_sum(pair64 y, const fe_params *params) {
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

/* Sums of short rows, where a term may well exceed the sum so far: they start at `head`, which
 * terms seldom exceed, so that every residual is exact; taken away at the end, it leaves a pair. n
 * residuals below ulp(head) are themselves rounded: by less than 1/20 ulp of a sum of
 * n^2 head 2^-49. A smaller one is made anew by other means. */
INLINE sum64 sum64_short_start(double head) {
  return (sum64){g64_set(FE_FMA ? head : 0), g64_set(0)};
}
INLINE void sum64_short_subtract(sum64 *s, g64 p, g64 l) { sum64_subtract_product(s, p, l); }
INLINE void sum64_short_end(sum64 *s, double head) {
  const m64 number = g64_equal(s->residual, s->residual); /* that of an infinite sum is none */
  const g64 rest = g64_select(number, s->residual, g64_set(0));
  s->sum = g64_two_sum(g64_sub(s->sum, g64_set(FE_FMA ? head : 0)), rest, &s->residual);
}
INLINE double sum64_short_least(size_t n, double head) {
  return FE_FMA ? (double)(n * n) * head * 0x1p-49 : FE_TINY_SUM;
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

/* Of floats: products are exact in double, and sums of a few of them nearly so. */
INLINE sum64 sum32_short_start(double head) {
  (void)head;
  return (sum64){g64_set(0), g64_set(0)};
}
INLINE void sum32_short_subtract(sum64 *s, g64 p, g32 l) {
  s->sum = g64_fnma(p, g64_from_g32(l), s->sum);
}
INLINE void sum32_short_end(sum64 *s, double head) { (void)s, (void)head; }
INLINE double sum32_short_least(size_t n, double head) {
  (void)n, (void)head;
  return 0;
}

/* Each lane's sum and residual together fit a double. An infinite sum has a NaN residual. */
INLINE sum64 sum32_widen(const sum32 *s) {
  const m32 ordered = g32_equal(s->residual, s->residual);
  const g32 residual = g32_select(ordered, s->residual, g32_set(0));
  return (sum64){g64_add(g64_from_g32(s->sum), g64_from_g32(residual)), g64_set(0)};
}
#endif

INLINE sum64 sum64_widen(const sum64 *s) { return *s; }

/* Which sums are below `least`, and not 0 unless `zeros`: too small to have kept their digits. */
INLINE m64 sum64_small(const sum64 *s, double least, const int zeros) {
  const g64 limit = g64_set(least), zero = g64_set(0);
  const m64 small = m64_and(g64_less(s->sum, limit), g64_less(g64_sub(zero, limit), s->sum));
  return zeros ? small : m64_and(small, m64_not(g64_equal(s->sum, zero)));
}

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

/* All lanes, by the same tree without residuals. */
INLINE double g64_total(g64 x) {
  double lanes[FE_LANES];
  q64 sum[4];
#if FE_BYTES == 32
  (void)lanes;
  for (int i = 0; i < 4; i++) sum[i] = (q64)x.v[i];
#else
  g64_store(lanes, x);
  for (int i = 0; i < 4; i++) sum[i] = *(const q64_memory *)(const void *)(lanes + 4 * i);
#endif
  const q64 four = (sum[0] + sum[2]) + (sum[1] + sum[3]);
  return (four[0] + four[2]) + (four[1] + four[3]);
}

/* Adds all lanes of s to (*high, *low). */
HEAVY void sum64_collect(const sum64 *s, double *high, double *low) {
  const sum_q64 four = sum64_quarter(s);
  double h0 = four.sum[0], l0 = four.residual[0], h1 = four.sum[1], l1 = four.residual[1];
  fe_add(&h0, &l0, four.sum[2], four.residual[2]);
  fe_add(&h1, &l1, four.sum[3], four.residual[3]);
  fe_add(&h0, &l0, h1, l1);
  fe_add(high, low, h0, l0);
}

#endif

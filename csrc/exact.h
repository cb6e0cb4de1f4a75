/* exact.h - sums and products together with what rounding takes from them.
 *
 *   TwoSum (Knuth)            a + b = sum + residual, any a and b
 *   Fast2Sum (Dekker)         the same in half the operations where |a| >= |b| or a = 0
 *   TwoProduct                a * b = product + residual; by FMA, or by Veltkamp's halves
 */
#ifndef FE_EXACT_H
#define FE_EXACT_H

#include "simd.h"

/* An unevaluated sum high + low with |low| <= ulp(high). */
typedef struct {
  g64 high, low;
} pair64;

/* a * b = product + residual, exactly (barring overflow of the split above 2^996). */
HEAVY g64 g64_two_product(g64 a, g64 b, g64 *residual) {
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

/* a - b quotient, exactly, of a quotient a/b that was rounded once or twice. */
INLINE g64 g64_remainder(g64 a, g64 b, g64 quotient) {
#if FE_FMA
  return g64_fnma(b, quotient, a);
#else
  g64 residual;
  const g64 product = g64_two_product(b, quotient, &residual);
  return g64_sub(g64_sub(a, product), residual);
#endif
}

/* a (b + c), rounded about once, for |c| below |b| or b = 0, all of them finite. By halves of 26
 * bits and 27, cut off where they lie, so that nothing overflows before the result. */
INLINE g64 g64_times_sum(g64 a, g64 b, g64 c) {
#if FE_FMA
  return g64_fma(a, b, g64_mul(a, c));
#else
  const g64 zero = g64_set(0), one = g64_set(1), upper = g64_bits(~((1ull << 27) - 1));
  const g64 magnitude = g64_bits(~(1ull << 63)), size = g64_bits_and(a, magnitude);
  /* nearer to 1, and back: neither subnormal nor infinite on the way */
  const m64 small = g64_less(g64_bits_and(g64_mul(a, b), magnitude), g64_set(0x1p-900));
  const m64 tiny = m64_and(small, g64_less(size, g64_set(0x1p500)));
  const m64 huge = g64_less(g64_set(0x1p800), size);
  const g64 lower = g64_select(huge, g64_set(0x1p-200), one);
  const g64 up = g64_select(tiny, g64_set(0x1p200), lower);
  const g64 down = g64_select(tiny, g64_set(0x1p-200), g64_select(huge, g64_set(0x1p200), one));
  const g64 x = g64_mul(a, up), x_high = g64_bits_and(x, upper), x_low = g64_sub(x, x_high);
  const g64 b_high = g64_bits_and(b, upper), b_low = g64_sub(b, b_high);
  const g64 middle = g64_add(g64_mul(x_high, b_low), g64_mul(x_low, b_high));
  const g64 rest = g64_add(middle, g64_add(g64_mul(x_low, b_low), g64_mul(x, c)));
  const g64 product = g64_mul(x_high, b_high);
  const m64 counts = m64_and(g64_equal(g64_sub(rest, rest), zero), m64_not(g64_equal(rest, zero)));
  return g64_mul(g64_select(counts, g64_add(product, rest), product), down); /* -0 stays */
#endif
}

INLINE g64 g64_two_sum(g64 a, g64 b, g64 *residual) {
  const g64 sum = g64_add(a, b);
  const g64 b_part = g64_sub(sum, a);
  *residual = g64_add(g64_sub(a, g64_sub(sum, b_part)), g64_sub(b, b_part));
  return sum;
}

#if FE_FMA
/* The same of floats. */
typedef struct {
  g32 high, low;
} pair32;

INLINE g32 g32_fast_two_sum(g32 a, g32 b, g32 *residual) {
  const g32 sum = g32_add(a, b);
  *residual = g32_sub(b, g32_sub(sum, a));
  return sum;
}

INLINE g32 g32_two_difference(g32 a, g32 b, g32 *residual) {
  const g32 difference = g32_sub(a, b);
  const g32 b_part = g32_sub(difference, a);
  *residual = g32_sub(g32_sub(a, g32_sub(difference, b_part)), g32_add(b, b_part));
  return difference;
}
#endif

INLINE double fe_two_sum(double a, double b, double *residual) {
  const double sum = a + b, b_part = sum - a;
  *residual = (a - (sum - b_part)) + (b - b_part);
  return sum;
}

INLINE g64 g64_fast_two_sum(g64 a, g64 b, g64 *residual) {
  const g64 sum = g64_add(a, b);
  *residual = g64_sub(b, g64_sub(sum, a));
  return sum;
}

#endif

/* xlogy.h - x log y, and xlog1py: x log(1 + y); one an element, as in SciPy.
 *
 * Edge cases: 0 where x = 0, whatever y but NaN; the logarithm is -inf at 0 and NaN below it (of
 *   1 + y), and times x as IEEE 754 has it. No status.
 * The logarithm is a sum of two, so that little more than one rounding is left. Floats are computed
 * in double, but those of xlogy from 2^-60 to 2^100, and 0, in float.
 */

#if REAL == 64
/* 0 where x is 0 and y a number, else the result. */
INLINE g64 FE_JOIN(xlogy, unless_zero, f64, FE_ISA)(g64 x, g64 y, g64 result) {
  const m64 nothing = m64_and(g64_equal(x, g64_set(0)), g64_equal(y, y));
  return g64_select(nothing, g64_set(0), result);
}

/* x times a sum, of which either may be infinite: then the low part has nothing to add. A zero has
 * the sign of the product of x and `sign`. */
INLINE g64 FE_JOIN(xlogy, product, f64, FE_ISA)(g64 x, pair64 log_y, g64 sign) {
  const g64 zero = g64_set(0), plain = g64_mul(x, log_y.high);
  const m64 finite = g64_equal(g64_mul(g64_mul(x, zero), log_y.high), zero);
  const g64 sum = g64_times_sum(x, log_y.high, log_y.low);
  const g64 result = g64_select(finite, sum, plain);
  const g64 signed_zero = g64_bits_and(g64_bits_xor(x, sign), g64_set(-0.0));
  return g64_select(g64_equal(result, zero), signed_zero, result);
}

/* Whether a result needs care: of another logarithm, NaN, or a zero whose sign may be wrong. Where
 * x = 0 it is put right here. */
INLINE int FE_JOIN(xlogy, needs_care, f64, FE_ISA)(g64 x, m64 normal, g64 *result) {
  const g64 zero = g64_set(0);
  const m64 some = g64_less(zero, g64_bits_and(*result, g64_bits(~(1ull << 63))));
  if (!m64_any(m64_not(m64_and(normal, some)))) return 0;
  const m64 nothing = g64_equal(x, zero);
  *result = g64_select(nothing, zero, *result);
  return m64_any(m64_not(m64_and(normal, m64_or(some, nothing))));
}

OUTLINE g64 FE_JOIN(xlogy, careful, f64, FE_ISA)(g64 x, g64 y) {
  const g64 zero = g64_set(0), infinity = g64_set(__builtin_inf());
  const m64 positive = m64_and(g64_less(zero, y), g64_less(y, infinity));
  pair64 log_y = g64_log_sum_of(y, 1);
  log_y.high = g64_select(positive, log_y.high, g64_log_full(y, 0));
  log_y.low = g64_select(positive, log_y.low, zero);
  const g64 sign = g64_sub(y, g64_set(1));
  const g64 result = FE_JOIN(xlogy, product, f64, FE_ISA)(x, log_y, sign);
  return FE_JOIN(xlogy, unless_zero, f64, FE_ISA)(x, y, result);
}

INLINE g64 FE_JOIN(xlogy, element, f64, FE_ISA)(g64 x, g64 y, const fe_params *params,
                                                unsigned *status) {
  (void)params, (void)status;
  const m64 normal =
      m64_and(g64_less(g64_set(FE_MIN_NORMAL_F64), y), g64_less(y, g64_set(__builtin_inf())));
  const pair64 log_y = g64_log_sum_of(y, 0);
  g64 result = g64_times_sum(x, log_y.high, log_y.low);
  if (FE_JOIN(xlogy, needs_care, f64, FE_ISA)(x, normal, &result))
    return FE_JOIN(xlogy, careful, f64, FE_ISA)(x, y);
  return result;
}

INLINE g64 FE_JOIN(xlogy, element, f32, FE_ISA)(g64 x, g64 y, const fe_params *params,
                                                unsigned *status) {
  (void)params, (void)status;
  const g64 zero = g64_set(0), infinity = g64_set(__builtin_inf());
  const m64 normal = m64_and(g64_less(zero, y), g64_less(y, infinity));
  if (m64_any(m64_not(normal)))
    return FE_JOIN(xlogy, unless_zero, f64, FE_ISA)(x, y, g64_mul(x, g64_log_full(y, 0)));
  return g64_select(g64_equal(x, zero), zero, g64_mul(x, g64_log(y, 0)));
}

/* ---- xlog1py -----------------------------------------------------------------------------------
 */

/* log(1 + y) of y > -1: 1 + y = 2^n (m + c), in which c of a large n is nothing. */
INLINE pair64 FE_JOIN(xlog1py, logarithm, f64, FE_ISA)(g64 y) {
  g64 c, n;
  const g64 m = g64_split(g64_two_sum(g64_set(1), y, &c), &n);
  const g64 least = g64_min(n, g64_set(1000));
  c = g64_mul(c, g64_power_of_two(g64_sub(g64_set(0), least)));
  return g64_log_sum(m, n, 1, c);
}

OUTLINE g64 FE_JOIN(xlog1py, careful, f64, FE_ISA)(g64 x, g64 y) {
  const g64 zero = g64_set(0), infinity = g64_set(__builtin_inf());
  const g64 sum = g64_add(g64_set(1), y);
  const m64 finite = m64_and(g64_less(zero, sum), g64_less(y, infinity));
  pair64 log_sum = FE_JOIN(xlog1py, logarithm, f64, FE_ISA)(g64_select(finite, y, zero));
  /* of a tiny y, which is in the low part, and an infinite x */
  const m64 alone = m64_and(g64_equal(log_sum.high, zero), m64_not(g64_equal(g64_sub(x, x), zero)));
  log_sum.high = g64_select(alone, log_sum.low, log_sum.high);
  log_sum.low = g64_select(alone, zero, log_sum.low);
  log_sum.high = g64_select(finite, log_sum.high, g64_log_full(sum, 0));
  const g64 result = FE_JOIN(xlogy, product, f64, FE_ISA)(x, log_sum, y);
  return FE_JOIN(xlogy, unless_zero, f64, FE_ISA)(x, y, result);
}

INLINE g64 FE_JOIN(xlog1py, element, f64, FE_ISA)(g64 x, g64 y, const fe_params *params,
                                                  unsigned *status) {
  (void)params, (void)status;
  const m64 finite = m64_and(g64_less(g64_set(-1), y), g64_less(y, g64_set(__builtin_inf())));
  const pair64 log_sum = FE_JOIN(xlog1py, logarithm, f64, FE_ISA)(y);
  g64 result = g64_times_sum(x, log_sum.high, log_sum.low);
  if (FE_JOIN(xlogy, needs_care, f64, FE_ISA)(x, finite, &result))
    return FE_JOIN(xlog1py, careful, f64, FE_ISA)(x, y);
  return result;
}

/* What 1 + y drops is y itself, or far less than it: floats have 24 digits. */
INLINE g64 FE_JOIN(xlog1py, element, f32, FE_ISA)(g64 x, g64 y, const fe_params *params,
                                                  unsigned *status) {
  (void)params, (void)status;
  const g64 zero = g64_set(0), one = g64_set(1), sum = g64_add(one, y);
  const m64 finite = m64_and(g64_less(zero, sum), g64_less(y, g64_set(__builtin_inf())));
  g64 log_sum = g64_add(g64_log(sum, 0), g64_sub(y, g64_sub(sum, one)));
  if (!m64_any(m64_not(m64_and(finite, m64_not(g64_equal(y, zero))))))
    return g64_select(g64_equal(x, zero), zero, g64_mul(x, log_sum));
  log_sum = g64_select(finite, log_sum, g64_log_full(sum, 0));
  log_sum = g64_select(g64_equal(y, zero), y, log_sum); /* -0 */
  return FE_JOIN(xlogy, unless_zero, f64, FE_ISA)(x, y, g64_mul(x, log_sum));
}
#endif

#if REAL == 32 && FE_FMA
INLINE g32 FE_JOIN(xlogy, narrow, f32, FE_ISA)(g32 x, g32 y, m32 *beyond) {
  const g32 zero = g32_set(0), size = g32_max(x, g32_sub(zero, x));
  const m32 nothing = g32_equal(x, zero);
  const m32 small = m32_and(m32_not(g32_less(g32_set(0x1p-60f), size)), m32_not(nothing));
  const m32 large = m32_not(g32_less(g32_max(size, y), g32_set(0x1p100f)));
  const m32 no_number = m32_not(m32_and(g32_less(g32_set(FE_MIN_NORMAL_F32), y), g32_equal(x, x)));
  *beyond = m32_or(m32_or(small, large), no_number);
  const pair32 log_y = g32_log_sum(y);
  return g32_select(nothing, zero, g32_fma(x, log_y.high, g32_mul(x, log_y.low)));
}
#endif

#define MEASURE xlogy
#define OPERANDS 2
#define NARROW 1
#define PAD 2
#include "../map.h"

#define MEASURE xlog1py
#define OPERANDS 2
#include "../map.h"

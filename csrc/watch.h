/* watch.h - what the fast forms note about the entries that went by, at an operation each.
 *
 *   minimum   below the limit (the smallest normal number, or more): a zero, a subnormal, a
 *             negative entry (not NaN)
 *   maximum   above 1 (not NaN)
 *   signs     sign bit set where an entry was negative (or -0)
 *   bits      not zero where an entry was not
 *   poison    NaN where an entry was NaN or infinite
 * A measure updates those that it needs; the others cost nothing. One register each, into which the
 * registers of a group go one after the other: a register for each would leave AVX2, which has
 * sixteen, too few for the arithmetic. */
#ifndef FE_WATCH_H
#define FE_WATCH_H

#include "vmath.h"

#define DEFINE_WATCH(G, V, VECTOR, MASKS, real, REGISTERS)                                        \
  typedef struct {                                                                                \
    VECTOR minimum, maximum, signs, bits, poison;                                                 \
  } watch_##G;                                                                                    \
  INLINE watch_##G watch_##G##_new(void) {                                                        \
    const VECTOR zero = {0};                                                                      \
    return (watch_##G){zero + 1, zero, zero, zero, zero};                                         \
  }                                                                                               \
  INLINE void watch_##G##_minimum(watch_##G *w, G x) {                                            \
    for (int i = 0; i < REGISTERS; i++) w->minimum = V##_MIN(x.v[i], w->minimum);                 \
  }                                                                                               \
  INLINE void watch_##G##_maximum(watch_##G *w, G x) {                                            \
    for (int i = 0; i < REGISTERS; i++) w->maximum = V##_MAX(x.v[i], w->maximum);                 \
  }                                                                                               \
  INLINE void watch_##G##_signs(watch_##G *w, G x) {                                              \
    for (int i = 0; i < REGISTERS; i++) w->signs = V##_BITS_OR(w->signs, x.v[i]);                 \
  }                                                                                               \
  INLINE void watch_##G##_bits(watch_##G *w, G x) {                                               \
    for (int i = 0; i < REGISTERS; i++) w->bits = V##_BITS_OR(w->bits, x.v[i]);                   \
  }                                                                                               \
  INLINE void watch_##G##_poison(watch_##G *w, G x) {                                             \
    const VECTOR zero = {0};                                                                      \
    for (int i = 0; i < REGISTERS; i++) w->poison = V##_FMA(x.v[i], zero, w->poison);             \
  }                                                                                               \
  INLINE int watch_##G##_touched(const watch_##G *w, double limit) {                              \
    const VECTOR zero = {0}, one = zero + 1, least = V##_MIN(w->minimum, V_SUB(one, w->maximum)); \
    const VECTOR sign = V##_BITS_OR(V##_BITS_AND(w->signs, -zero), one); /* -1 or 1 */            \
    const VECTOR poison = w->poison;                                                              \
    const MASKS low = V_MASK_OR(V##_LESS(w->minimum, (real)limit + zero), V##_LESS(least, zero)); \
    const MASKS zeros = V_MASK_AND(V##_EQUAL(w->bits, zero), V##_EQUAL(poison, poison));          \
    const MASKS touched = V_MASK_OR(V_MASK_OR(low, V##_LESS(sign, zero)), V_MASK_NOT(zeros));     \
    return V##_ANY(touched);                                                                      \
  }

DEFINE_WATCH(g64, V64, v64, k64, double, G64_REGISTERS)
DEFINE_WATCH(g32, V32, v32, k32, float, G32_REGISTERS)

#endif

/* watch.h - what the fast forms note about the entries that went by, at an operation each.
 *
 *   minimum   below the limit (the smallest normal number, or more): a zero, a subnormal, a
 *             negative entry (not NaN)
 *   signs     sign bit set where an entry was negative (or -0)
 *   poison    NaN where an entry was NaN or infinite
 * A measure updates those that it needs; the others cost nothing. */
#ifndef FE_WATCH_H
#define FE_WATCH_H

#include "vmath.h"

#define DEFINE_WATCH(G, M, type)                                                              \
  typedef struct {                                                                            \
    G minimum, signs, poison;                                                                 \
  } watch_##G;                                                                                \
  INLINE watch_##G watch_##G##_new(void) {                                                    \
    return (watch_##G){G##_set(1), G##_set(0), G##_set(0)};                                   \
  }                                                                                           \
  INLINE void watch_##G##_minimum(watch_##G *w, G x) { w->minimum = G##_min(x, w->minimum); } \
  INLINE void watch_##G##_signs(watch_##G *w, G x) { w->signs = G##_bits_or(w->signs, x); }   \
  INLINE void watch_##G##_poison(watch_##G *w, G x) {                                         \
    w->poison = G##_fma(x, G##_set(0), w->poison);                                            \
  }                                                                                           \
  INLINE int watch_##G##_touched(const watch_##G *w, double limit) {                          \
    const M low = G##_less(w->minimum, G##_set((type)limit));                                 \
    const G sign = G##_bits_and(w->signs, G##_set((type) - 0.0));                             \
    const M negative = G##_less(G##_bits_or(sign, G##_set(1)), G##_set(0));                   \
    const M unordered = M##_not(G##_equal(w->poison, w->poison));                             \
    return M##_any(M##_or(M##_or(low, negative), unordered));                                 \
  }

DEFINE_WATCH(g64, m64, double)
DEFINE_WATCH(g32, m32, float)

#endif

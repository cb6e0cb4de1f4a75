/* binary_entropy.h - -p log p - (1 - p) log(1 - p): the entropy of a yes-or-no event.
 *
 * It is the binary cross entropy of p with itself, without a floor.
 * Edge cases: 0 at p = 0 and p = 1; p outside [0, 1] gives NaN and sets FE_INVALID.
 */

#if REAL == 64
INLINE g64 FE_JOIN(binary_entropy, element, f64, FE_ISA)(g64 p, g64 q, const fe_params *params,
                                                         unsigned *status) {
  (void)q;
  return FE_JOIN(binary_cross_entropy, element, f64, FE_ISA)(p, p, params, status);
}

INLINE g64 FE_JOIN(binary_entropy, element, f32, FE_ISA)(g64 p, g64 q, const fe_params *params,
                                                         unsigned *status) {
  (void)q;
  return FE_JOIN(binary_cross_entropy, element, f32, FE_ISA)(p, p, params, status);
}
#endif

#define MEASURE binary_entropy
#define OPERANDS 1
#include "../map.h"

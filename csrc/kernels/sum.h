/* sum.h - sum_j x_j of any signs: what reductions of results are made with.
 *
 * Accumulation: in double, with every residual (TwoSum), so that no order of magnitudes hurts.
 */

#if REAL == 64
INLINE void CAREFUL_NAME(sum)(sum64 *sum, const entry64 *entry, const fe_params *params,
                              unsigned *status) {
  (void)params, (void)status;
  sum64_add_signed(sum, g64_mul(entry->p.high, entry->scale));
}
#endif

#define MEASURE sum
#define OPERANDS 1
#define FAST 0
#include "../reduce.h"

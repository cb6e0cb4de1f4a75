/* total.h - sum_j p_j: what normalize=True divides by and what check=True compares with 1.
 *
 * Edge cases: a negative entry makes the row NaN and sets FE_INVALID; NaN makes it NaN.
 * Accumulation: in double, with every residual: normalised rows that are nearly equal have a
 *   divergence of the order of the square of their distance, and an error of their sums enters it
 *   squared as well.
 */

#if REAL == 64
INLINE void CAREFUL_NAME(total)(sum64 *sum, const entry64 *entry, const fe_params *params,
                                unsigned *status) {
  (void)params;
  const g64 p = entry->p.high;
  const m64 negative = g64_less(p, g64_set(0));
  if (m64_any(negative)) *status |= FE_INVALID;
  sum64_add_signed(sum, g64_select(negative, g64_set(__builtin_nan("")), g64_mul(p, entry->scale)));
}
#endif

#define MEASURE total
#define OPERANDS 1
#define FAST 0
#include "../reduce.h"

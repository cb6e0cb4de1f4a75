/* weighted_sum.h - sum_j w_j x_j of any signs: what weighted reductions of results are made with.
 *
 * Accumulation: in double, with every residual of product and sum.
 */

#if REAL == 64
INLINE void CAREFUL_NAME(weighted_sum)(sum64 *sum, const entry64 *entry, const fe_params *params,
                                       unsigned *status) {
  (void)params, (void)status;
  g64 residual;
  const g64 weight = g64_mul(entry->p.high, entry->scale);
  const g64 product = g64_two_product(weight, entry->q.high, &residual);
  const m64 finite = g64_equal(residual, residual); /* an infinite product has none */
  sum64_add_signed(sum, product);
  sum->residual = g64_add(sum->residual, g64_select(finite, residual, g64_set(0)));
}
#endif

#define MEASURE weighted_sum
#define OPERANDS 2
#define FAST 0
#include "../reduce.h"

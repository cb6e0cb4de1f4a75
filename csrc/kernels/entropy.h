/* entropy.h - H(p) = -sum_j p_j log p_j, one distribution a row.
 *
 * Edge cases: p = 0 contributes 0; p < 0 makes the row NaN and sets FE_INVALID; NaN makes it NaN;
 *   p > 1 is used as it is; an empty row is 0.
 * Accumulation: p * log p with the residual of product and sum (sum.h); float32 lanes move to
 *   double every leaf.
 * Normalised rows, a = p/sum(p) = a.high + a.low: log a = log(a.high) + a.low/a.high (in nats),
 * where the second term matters only beside a.high = 1, so a.low alone will do.
 */

#if REAL == 64
INLINE void CAREFUL_NAME(entropy)(sum64 *sum, const entry64 *entry, const fe_params *params,
                                  unsigned *status) {
  const pair64 p = entry->p;
  if (m64_any(g64_less(p.high, g64_set(0)))) *status |= FE_INVALID;
  const unsigned bits = params->flags & FE_BITS;
  const g64 unit = g64_set(bits ? FE_INVERSE_LN2 : 1);
  const g64 log_p = g64_fma(p.low, unit, g64_log_full(p.high, bits));
  const m64 zero = g64_equal(p.high, g64_set(0));
  sum64_subtract_product(sum, g64_mul(p.high, entry->scale), g64_select(zero, g64_set(0), log_p));
}
#endif

INLINE GROUP NAME(entropy, factor)(GROUP p, GROUP q, const fe_params *params, int bits) {
  (void)q, (void)params;
  return G(log)(p, bits);
}

INLINE void NAME(entropy, watch)(WATCH *watch, GROUP p, GROUP q) {
  (void)q;
  W(minimum)(watch, p);
}

/* The fast logarithm of a zero is finite, so zeros are right; subnormals and negatives are not. */
INLINE MASK NAME(entropy, special)(GROUP p, GROUP q, const fe_params *params) {
  (void)q, (void)params;
  return M(and)(G(less)(p, G(set)(MIN_NORMAL)), M(not)(G(equal)(p, G(set)(0))));
}

#define MEASURE entropy
#define OPERANDS 1
#define FAST 1
#define WEIGHTED 1
#define HEAD_START 8 /* log2 of FE_SHORT: no entropy of a distribution is larger */
#define VARIANT(params, p, q, count) (((params)->flags & FE_BITS) != 0)
#define WATCH_LIMIT(params) MIN_NORMAL
#define LEAST_SHARE 0x1p-7 /* sum p d (1 + |log p|) = d (1 + H): 4e-14 of it there */
/* The same of floats, and a unit for the logarithms: 5.1e-7; of 1/4 bit, less than 1/4, 6.7e-7. */
#define LEAST_SHARE_F32 0x1p-2
#include "../reduce.h"

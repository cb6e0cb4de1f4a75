/* surprisal.h - -max(log p, log_floor), the information content of an event; one an element.
 *
 * Edge cases: +inf at p = 0 (the floor's negative where there is one); p > 1 is used as it is;
 *   p < 0 gives NaN and sets FE_INVALID; NaN gives NaN; a certain event costs +0.
 * The logarithm is a pair, and 1/log(base) too: one rounding at the end, and base 2 is exact at
 * powers of two.
 */

#if REAL == 64
INLINE g64 FE_JOIN(surprisal, element, f64, FE_ISA)(g64 p, g64 q, const fe_params *params,
                                                    unsigned *status) {
  (void)q;
  if (m64_any(g64_less(p, g64_set(0)))) *status |= FE_INVALID;
  const g64 floor = g64_set(params->log_floor);
  pair64 y = g64_log_pair_full(p);
  y.low = g64_select(g64_less(floor, y.high), y.low, g64_set(0));
  y.high = g64_max(floor, y.high); /* NaN passes */
  return g64_scale_pair(y, params);
}

INLINE g64 FE_JOIN(surprisal, element, f32, FE_ISA)(g64 p, g64 q, const fe_params *params,
                                                    unsigned *status) {
  (void)q;
  if (m64_any(g64_less(p, g64_set(0)))) *status |= FE_INVALID;
  const g64 y = g64_max(g64_set(params->log_floor), g64_log_full(p, 0));
  return g64_sub(g64_set(0), g64_mul(y, g64_set(params->scale_high)));
}
#endif

#define MEASURE surprisal
#define OPERANDS 1
#include "../map.h"

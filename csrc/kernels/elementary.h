/* elementary.h - log x, log(1 + x), e^x, e^x - 1, one an element: what other kernels are made of.
 *
 * In the table so that one test proves them all; no public function of their own. Floats are
 * computed in double: correctly rounded but for one in some 10^8.
 * Edge cases: as IEEE 754 has them, without its flags; a zero result is +0.
 */

INLINE g64 NAME(log, element)(g64 x, g64 y, const fe_params *params, unsigned *status) {
  (void)y, (void)params, (void)status;
  return g64_log_pair_full(x).high;
}
INLINE g64 NAME(log1p, element)(g64 x, g64 y, const fe_params *params, unsigned *status) {
  (void)y, (void)params, (void)status;
  return g64_log1p(x);
}
INLINE g64 NAME(exp, element)(g64 x, g64 y, const fe_params *params, unsigned *status) {
  (void)y, (void)params, (void)status;
  return g64_exp_pair(x, g64_set(0));
}
INLINE g64 NAME(expm1, element)(g64 x, g64 y, const fe_params *params, unsigned *status) {
  (void)y, (void)params, (void)status;
  return g64_expm1(x);
}

#define MEASURE log
#define OPERANDS 1
#include "../map.h"
#define MEASURE log1p
#define OPERANDS 1
#include "../map.h"
#define MEASURE exp
#define OPERANDS 1
#include "../map.h"
#define MEASURE expm1
#define OPERANDS 1
#include "../map.h"

/* logsumexp.h - log sum_j e^(x_j/T) of a row of logits.
 *
 * Edge cases: -inf is a probability of 0; all -inf, or no entry, gives -inf, a +inf gives +inf; NaN
 *   gives NaN.
 * Accumulation: the sum of exponentials without the largest (logits_state.h), with residuals.
 */

#define MEASURE logsumexp
#define OPERANDS 1
#define EXACT 1
#include "../logits.h"

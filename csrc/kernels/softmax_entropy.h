/* softmax_entropy.h - the entropy of p_j = e^(x_j/T) / sum_i e^(x_i/T), from the logits x of a row.
 *
 *     H = log S + (1/S) sum_j e^((x_j - m)/T) (m - x_j)/T,   S = sum_j e^((x_j - m)/T)
 *
 * Both terms are positive, which keeps the digits of peaked rows; log S - sum p x/T would not.
 *
 * Edge cases: -inf is a probability of 0 and contributes 0; one +inf is certainty; several, no
 *   entry above -inf and no entry give NaN, but a row of length 0 gives 0; NaN gives NaN.
 * Accumulation: as logsumexp, and the distances m - x_j times their terms likewise.
 */

#define MEASURE softmax_entropy
#define OPERANDS 1
#define DISTANCES 1
#include "../logits.h"

/* softmax_cross_entropy.h - the cross entropy of the softmax p of a row of logits x, of a label or
 * of targets t.
 *
 *     -log p_label = (m - x_label)/T + log S,          S = sum_j e^((x_j - m)/T)
 *     -sum t log p = sum_j t_j (m - x_j)/T + log(S) sum_j t_j
 *
 * with m the largest logit: no term is negative, so peaked rows keep their digits.
 *
 * Edge cases: +inf where the label's logit is -inf, NaN where no logit is above that, or several
 *   are +inf. t_j = 0 contributes 0, also where x_j = -inf; t_j > 0 there gives +inf; t_j < 0 makes
 *   the row NaN and sets FE_INVALID; NaN in either makes it NaN.
 * Accumulation: a sum of exponentials without the largest (logits_state.h), of sixteen a lane in
 *   float, then in double; products of targets and distances, and targets, likewise.
 */

#define MEASURE softmax_cross_entropy
#define OPERANDS 1
#include "../logits.h"

#define MEASURE softmax_cross_entropy_of_targets
#define OPERANDS 2
#define DISTANCES 1
#include "../logits.h"

/* With weights of classes that multiply the targets. */
#define MEASURE softmax_cross_entropy_of_weighted_targets
#define OPERANDS 3
#define DISTANCES 1
#include "../logits.h"

/* Of class weights t: what label smoothing gives to every class that is not masked. */
#define MEASURE softmax_cross_entropy_of_classes
#define OPERANDS 2
#define DISTANCES 1
#define MASKED 1
#include "../logits.h"

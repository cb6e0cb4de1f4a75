/* score_logits.h - what is asked of a row of logits, all at once: cross entropy of a label,
 * entropy, the largest probability, its distance to the next, its class, and the rank of the label.
 *
 *     as softmax_cross_entropy.h and softmax_entropy.h say; of the runner-up x_2 of the row
 *     confidence = 1/S,  margin = (1 - e^((x_2 - m)/T))/S,  rank = number of x_j > x_label
 *
 * Edge cases: of equal entries the first is the largest; a row that is no distribution (see there)
 *   has NaN, and class and rank -1; so has the rank of a row without a label.
 * Accumulation: as softmax_entropy; ranks as logits_ranks.h says.
 */

#define MEASURE score_logits
#define OPERANDS 1
#define DISTANCES 1
#define RANKED 1
#include "../logits.h"

/* renyi_entropy.h - log(sum_j p_j^a / sum_j p_j)/(1 - a), Renyi's entropy of order a, and Tsallis'
 * (sum p - sum p^a)/((a - 1) sum p); one distribution a row.
 *
 * Of the sums of powers.h, with l = log p and e = a - 1, they are -log(sum p^a / sum p)/e and
 * -change/total. At order 1 both are the entropy over sum p; at infinity -log of the largest entry,
 * and 0.
 *
 * Edge cases: an entry of 0 contributes nothing, at order 0 too. A negative one makes the row NaN
 *   and sets FE_INVALID; NaN makes it NaN. A row of zeros has 0.
 * Accumulation: powers.h's, in double.
 */

INLINE unsigned NAME(renyi_entropy, leaf)(const real *p, size_t count, const double *inverse,
                                          const fe_params *params, powers *row) {
  const double order = params->order, e = order - 1;
  const divisor64 by = divisor64_of_row(inverse);
  const g64 zero = g64_set(0), none = g64_set(-__builtin_inf()), nan = g64_set(__builtin_nan(""));
  const g64 unit = g64_set(POWERS_UNIT);
  double logs[FE_LEAF];
  powers_sums sums = powers_begin();
  unsigned status = 0;
  for (size_t i = 0; i < count; i += FE_LANES) {
    const pair64 a = share64(LOAD_WIDE_UP_TO(p + i, count - i, 0), &by);
    const m64 negative = g64_less(a.high, zero), kept = g64_less(zero, a.high);
    if (m64_any(negative)) status |= FE_INVALID;
    const g64 x = g64_select(kept, a.high, g64_set(1));
    g64 l = g64_log_full(x, 0);
    if (inverse != NULL) l = g64_add(l, g64_div(g64_select(kept, a.low, zero), x));
    const g64 term = powers_change(g64_mul(x, unit), l, e);
    sum64_add_signed(&sums.change, g64_select(kept, term, zero));
    const g64 y = g64_select(kept, order < __builtin_inf() ? g64_mul(l, g64_set(order)) : l, none);
    sums.largest = g64_max(y, sums.largest);
    sum64_add(&sums.total, g64_select(negative, nan, g64_mul(a.high, unit)));
    g64_store(logs + i, y);
  }
  powers leaf = powers_end(&sums);
  powers_add(&leaf, logs, count);
  powers_join(row, &leaf);
  return status;
}

#define MEASURE renyi_entropy
#define OPERANDS 1
#include "../powers_rows.h"

static void NAME(renyi_entropy, finish)(const fe_state *state, size_t rows, const fe_params *params,
                                        void *out) {
  const g64 zero = g64_set(0);
  for (size_t r = 0; r < rows; r += FE_LANES) {
    const pair64 entropy = {g64_sub(zero, powers_log(state, r, params)), zero};
    NAME(finish, store)((real *)out + r, rows - r, g64_add(g64_scale_sum(entropy, params), zero));
  }
}

static void NAME(tsallis_entropy, finish)(const fe_state *state, size_t rows,
                                          const fe_params *params, void *out) {
  const g64 zero = g64_set(0);
  const int shares = (params->flags & FE_NORMALIZE) != 0;
  for (size_t r = 0; r < rows; r += FE_LANES) {
    const g64 change =
        g64_add(g64_load(state->part[FE_HIGH] + r), g64_load(state->part[FE_LOW] + r));
    const g64 sum = g64_add(g64_load(state->part[FE_WEIGHT_HIGH] + r),
                            g64_load(state->part[FE_WEIGHT_LOW] + r));
    const m64 number = g64_equal(sum, sum);
    g64 y = g64_div(change, shares ? g64_set(POWERS_UNIT) : sum);
    if (params->order == __builtin_inf()) y = zero;
    y = g64_select(g64_equal(sum, zero), shares ? g64_set(__builtin_nan("")) : zero, y);
    NAME(finish, store)((real *)out + r, rows - r, g64_select(number, g64_sub(zero, y), sum));
  }
}

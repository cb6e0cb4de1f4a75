/* renyi_divergence.h - log(sum_j p_j^a q_j^(1 - a) / sum_j p_j)/(a - 1), Renyi's divergence of
 * order a, two distributions a row.
 *
 * Of the sums of powers.h, with l = log(p/q) and e = a - 1, it is log(sum p^a q^(1-a) / sum p)/e.
 * At order 1 it is KL without its terms q - p, over sum p; at infinity log of the largest p/q.
 *
 * Edge cases: an entry p = 0 contributes nothing; p > 0 = q makes it +inf from order 1 on, and
 *   contributes nothing below. A negative entry makes the row NaN and sets FE_INVALID; NaN makes it
 *   NaN. A row p of zeros has 0.
 * Accumulation: powers.h's, in double.
 */

/* p ((e^(e l) - 1)/e + (e^-l - 1)), of which p (e^-l - 1) is q - p. */
#if REAL == 64
INLINE g64 FE_JOIN(renyi_divergence, term, f64, FE_ISA)(g64 p, g64 difference, g64 l, double e) {
  const g64 near = g64_set(0.34), zero = g64_set(0), el = g64_mul(l, g64_set(e));
  const g64 size = g64_max(g64_max(l, g64_sub(zero, l)), g64_max(el, g64_sub(zero, el)));
  const m64 close = g64_less(size, near);
  const g64 x = g64_select(close, l, zero);
  const g64 of_e = g64_polynomial(g64_mul(x, g64_set(e)), FE_EXP_F64, 11);
  const g64 of_1 = g64_polynomial(g64_sub(zero, x), FE_EXP_F64, 11);
  const g64 sum = g64_mul(g64_mul(x, x), g64_fma(of_e, g64_set(e), of_1));
  const g64 direct = g64_sub(powers_change(p, l, e), difference);
  return g64_select(close, g64_mul(p, sum), direct);
}
#endif

INLINE unsigned NAME(renyi_divergence, leaf)(const real *p, const real *q, size_t count,
                                             const double *inverse_p, const double *inverse_q,
                                             const fe_params *params, powers *row) {
  const double e = params->order - 1;
  const g64 zero = g64_set(0), one = g64_set(1), infinity = g64_set(__builtin_inf());
  const g64 unit = g64_set(POWERS_UNIT), none = g64_sub(zero, infinity),
            nan = g64_set(__builtin_nan(""));
  const divisor64 by_p = divisor64_of_row(inverse_p), by_q = divisor64_of_row(inverse_q);
  double logs[FE_LEAF];
  powers_sums sums = powers_begin();
  unsigned status = 0;
  for (size_t i = 0; i < count; i += FE_LANES) {
    const g64 x = LOAD_WIDE_UP_TO(p + i, count - i, 0), y = LOAD_WIDE_UP_TO(q + i, count - i, 0);
    const pair64 a = share64(x, &by_p), b = share64(y, &by_q);
    const g64 difference = share64_difference(x, y, a, b, &by_p, &by_q).high;
    const m64 negative = m64_or(g64_less(a.high, zero), g64_less(b.high, zero));
    if (m64_any(negative)) status |= FE_INVALID;
    const m64 kept = g64_less(zero, a.high), judged = g64_less(zero, b.high);
    const m64 both = m64_and(kept, judged);
    g64 l = powers_log_ratio(g64_select(both, a.high, one), g64_select(both, b.high, one),
                             g64_select(both, difference, zero));
    l = g64_select(m64_and(kept, m64_not(judged)), infinity, l);
    const g64 weight = g64_mul(a.high, unit), other = g64_mul(b.high, unit);
    const g64 term =
        FE_JOIN(renyi_divergence, term, f64, FE_ISA)(weight, g64_mul(difference, unit), l, e);
    g64 rest;
    sum64_add_signed(&sums.change, g64_select(kept, term, other));
    if (inverse_p == NULL) { /* of shares p - q is 0 altogether */
      sum64_add_signed(&sums.change, g64_two_sum(weight, g64_sub(zero, other), &rest));
      sums.change.residual = g64_add(sums.change.residual, rest);
    }
    g64 power = l;
    if (e < __builtin_inf()) power = g64_fma(l, g64_set(e), g64_log_full(a.high, 0));
    power = g64_select(kept, power, none);
    sums.largest = g64_max(power, sums.largest);
    const m64 number = g64_equal(b.high, b.high);
    const g64 total = g64_select(number, weight, b.high);
    sum64_add(&sums.total, g64_select(negative, nan, total));
    g64_store(logs + i, power);
  }
  powers leaf = powers_end(&sums);
  powers_add(&leaf, logs, count);
  powers_join(row, &leaf);
  return status;
}

#define MEASURE renyi_divergence
#define OPERANDS 2
#include "../powers_rows.h"

static void NAME(renyi_divergence, finish)(const fe_state *state, size_t rows,
                                           const fe_params *params, void *out) {
  const double e = params->order - 1;
  const g64 zero = g64_set(0), infinity = g64_set(__builtin_inf());
  for (size_t r = 0; r < rows; r += FE_LANES) {
    g64 y = powers_log(state, r, params);
    /* where an entry is impossible under q, the powers are no numbers */
    const m64 apart = g64_equal(g64_load(state->part[FE_LARGEST] + r), infinity);
    const m64 number = g64_equal(g64_load(state->part[FE_WEIGHT_HIGH] + r),
                                 g64_load(state->part[FE_WEIGHT_HIGH] + r));
    if (e >= 0) y = g64_select(m64_and(apart, number), infinity, y);
    const pair64 result = {y, zero};
    NAME(finish, store)((real *)out + r, rows - r, g64_add(g64_scale_sum(result, params), zero));
  }
}

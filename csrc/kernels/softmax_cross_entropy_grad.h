/* softmax_cross_entropy_grad.h - the derivatives of a cross entropy of the softmax p of a row of
 * logits x; a number for every entry, and the cross entropy.
 *
 *     d/dx_j sum_i t_i (-log p_i) = (W p_j - t_j)/T,   W = sum_i t_i
 *
 * of targets t; of a label y, t is 1 there; of classes with weights w and label smoothing e, it is
 * (1 - e) w_y there, and (e/K) w_j more at each of the K entries above -inf. All of it times a
 * factor of the row.
 *
 * At the label 1 - p_y is needed: it is R'/(1 + R') where x_y is the largest entry, with R' the sum
 * over the others (logits_finish.h), so that what is left to learn of a confident row has digits.
 *
 * Edge cases: the softmax's. Rows of an ignored label are 0, whatever their logits are.
 * Accumulation: that of the cross entropy, which keeps the exponentials.
 */

#define MEASURE softmax_cross_entropy_grad
#define PLAIN softmax_cross_entropy
#define OPERANDS 1
#define KEPT 1
#include "../logits.h"

#define MEASURE softmax_cross_entropy_grad_of_targets
#define PLAIN softmax_cross_entropy_of_targets
#define OPERANDS 2
#define DISTANCES 1
#define KEPT 1
#include "../logits.h"

#define MEASURE softmax_cross_entropy_grad_of_classes
#define PLAIN softmax_cross_entropy_of_classes
#define OPERANDS 2
#define DISTANCES 1
#define MASKED 1
#define KEPT 1
#include "../logits.h"

/* Of the row, put there by whoever knows them: its factor, and its label. */
#define GRADIENT_FACTOR FE_RUNNER_UP
#define GRADIENT_LABEL FE_PLACE
#define GRADIENT_IGNORED (-2) /* for a label */

/* The finished state of sixteen rows whose softmax is to be multiplied by `weight`, times the
 * factor and 1/T, and of which `share` times operand 0 is to be taken away; with the entry at the
 * label. */
INLINE void NAME(gradient, store)(const fe_state *state, size_t r, const NAME(logits, ending) * end,
                                  g64 weight, g64 share, g64 at_label, const logits_unit *unit,
                                  const fe_params *params) {
  const logits64 row = logits64_load(state, r);
  const m64 far = logits_far(row.largest, unit);
  const g64 k = logits_exponent(row.largest, far, unit);
  const pair64 inverse = NAME(softmax, inverse)(&row, k, far, unit);
  const g64 scale =
      g64_mul(g64_load(state->part[GRADIENT_FACTOR] + r),
              g64_set((params->scale_high + params->scale_low) / params->temperature));
  const g64 by = g64_mul(weight, scale), nan = g64_set(__builtin_nan(""));
  g64 residual;
  const g64 high = g64_two_product(inverse.high, by, &residual);
  const m64 bad = m64_or(end->nothing, m64_not(g64_equal(end->sum, end->sum)));
  g64_store(state->part[FE_HIGH] + r, g64_select(bad, nan, high));
  g64_store(state->part[FE_LOW] + r,
            g64_select(bad, g64_set(0), g64_fma(inverse.low, by, residual)));
  g64_store(state->part[FE_COUNT] + r, k);
  g64_store(state->part[FE_DISTANCE_HIGH] + r, g64_mul(share, scale));
  g64_store(state->part[FE_DISTANCE_LOW] + r, g64_select(bad, nan, g64_mul(at_label, scale)));
}

/* p at the label, and 1 - p. */
typedef struct {
  g64 probability, rest;
} NAME(gradient, label);

INLINE NAME(gradient, label)
    NAME(gradient, label_of)(const fe_state *state, size_t r, const NAME(logits, ending) * end,
                             const fe_params *params) {
  const g64 x = g64_load(state->part[FE_TARGET] + r), m = end->largest, one = g64_set(1);
  const m64 first = g64_equal(m, x);
  const g64 total = g64_add(one, end->sum);
  const g64 y = g64_div(g64_sub(x, m), g64_set(params->temperature)), least = g64_set(-700);
  const g64 near = g64_exp_normal(g64_max(y, least)); /* inf - inf and no label too: unused */
  const g64 e = g64_select(first, one, g64_select(g64_less(y, least), g64_set(0), near));
  const g64 part = g64_div(g64_select(first, end->sum, e), total);
  return (NAME(gradient, label)){g64_div(e, total), g64_select(first, part, g64_sub(one, part))};
}

static void NAME(softmax_cross_entropy_grad, finish)(const fe_state *state, size_t rows,
                                                     const fe_params *params, void *out) {
  const logits_unit unit = logits_unit_of(params);
  const g64 zero = g64_set(0), one = g64_set(1);
  for (size_t r = 0; r < rows; r += FE_LANES) {
    const NAME(logits, ending) end = NAME(logits, end)(state, r, &unit);
    const NAME(gradient, label) label = NAME(gradient, label_of)(state, r, &end, params);
    if (out != NULL) {
      const g64 x = g64_load(state->part[FE_TARGET] + r);
      const pair64 loss = NAME(logits, surprisal)(&end, x, params);
      g64_store((double *)out + r, NAME(logits, scaled)(end.nothing, loss, params));
    }
    NAME(gradient, store)(state, r, &end, one, zero, g64_sub(zero, label.rest), &unit, params);
  }
}

/* At the label, with B = (1 - e) w_y, C = e/K and W the sum of w: C (W p_y - w_y) - B (1 - p_y). */
static void NAME(softmax_cross_entropy_grad_of_classes,
                 finish)(const fe_state *state, size_t rows, const fe_params *params, void *out) {
  const logits_unit unit = logits_unit_of(params);
  const g64 smoothing = g64_set(params->smoothing), rest = g64_set(1 - params->smoothing);
  for (size_t r = 0; r < rows; r += FE_LANES) {
    const NAME(logits, ending) end = NAME(logits, end)(state, r, &unit);
    const NAME(gradient, label) label = NAME(gradient, label_of)(state, r, &end, params);
    const logits64 row = logits64_load(state, r);
    if (out != NULL) {
      const pair64 loss = NAME(logits, loss_of_classes)(state, r, &end, params);
      g64_store((double *)out + r, NAME(logits, scaled)(end.nothing, loss, params));
    }
    const g64 own = g64_load(state->part[FE_TARGET_WEIGHT] + r), b = g64_mul(rest, own);
    const g64 share = g64_div(smoothing, g64_max(row.count, g64_set(1)));
    const g64 weight = g64_add(row.weight.high, row.weight.low);
    const g64 spread = g64_mul(share, g64_fma(weight, label.probability, g64_sub(g64_set(0), own)));
    const g64 at_label = g64_fnma(b, label.rest, spread);
    NAME(gradient, store)(state, r, &end, g64_fma(share, weight, b), share, at_label, &unit,
                          params);
  }
}

static void NAME(softmax_cross_entropy_grad_of_targets,
                 finish)(const fe_state *state, size_t rows, const fe_params *params, void *out) {
  const logits_unit unit = logits_unit_of(params);
  for (size_t r = 0; r < rows; r += FE_LANES) {
    const NAME(logits, ending) end = NAME(logits, end)(state, r, &unit);
    const logits64 row = logits64_load(state, r);
    if (out != NULL) {
      const pair64 loss = NAME(logits, loss_of_targets)(state, r, &end, params);
      g64_store((double *)out + r, NAME(logits, scaled)(end.nothing, loss, params));
    }
    const g64 weight = g64_add(row.weight.high, row.weight.low), one = g64_set(1);
    NAME(gradient, store)(state, r, &end, weight, one, one, &unit, params);
  }
}

/* Puts the entry of each row's label in its place, and zeros into rows that are ignored. */
static void NAME(gradient, mend)(const fe_block *block, const fe_state *state, void *out,
                                 ptrdiff_t stride) {
  for (size_t r = 0; r < block->rows; r++) {
    real *to = (real *)(void *)((char *)out + (ptrdiff_t)r * stride);
    const double label = state->part[GRADIENT_LABEL][r] - (double)block->column;
    if (state->part[GRADIENT_LABEL][r] == GRADIENT_IGNORED)
      memset(to, 0, block->columns * sizeof(real));
    else if (label >= 0 && label < (double)block->columns)
      to[(size_t)label] = (real)state->part[FE_DISTANCE_LOW][r];
  }
}

static void NAME(softmax_cross_entropy_grad, spread)(const fe_block *block, const fe_params *params,
                                                     const fe_state *state, void *out,
                                                     ptrdiff_t stride) {
  NAME(spread, rows)(block, params, state, NAME(spread, factor), out, stride);
  NAME(gradient, mend)(block, state, out, stride);
}

static void NAME(softmax_cross_entropy_grad_of_classes,
                 spread)(const fe_block *block, const fe_params *params, const fe_state *state,
                         void *out, ptrdiff_t stride) {
  NAME(spread, rows)(block, params, state, NAME(spread, less_unmasked), out, stride);
  NAME(gradient, mend)(block, state, out, stride);
}

static void NAME(softmax_cross_entropy_grad_of_targets,
                 spread)(const fe_block *block, const fe_params *params, const fe_state *state,
                         void *out, ptrdiff_t stride) {
  NAME(spread, rows)(block, params, state, NAME(spread, less), out, stride);
}

#undef GRADIENT_FACTOR
#undef GRADIENT_LABEL
#undef GRADIENT_IGNORED

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

/* What a row is divided by, in units of 2^500 e^(s/T): the term of the largest entry m, and R. */
typedef struct {
  g64 largest, k, first, rest, total, inverse;
  m64 bad; /* no distribution, or NaN */
} NAME(gradient, row);

INLINE NAME(gradient, row)
    NAME(gradient, row_of)(const fe_state *state, size_t r, const logits_unit *unit) {
  const logits64 row = logits64_load(state, r);
  const m64 far = logits_far(row.largest, unit);
  NAME(gradient, row) of;
  of.largest = row.largest;
  of.k = logits_exponent(row.largest, far, unit);
  of.first = logits_first_rounded(row.largest, of.k, far, unit);
  of.rest = g64_add(row.sum.high, row.sum.low);
  of.total = g64_add(of.first, of.rest);
  of.inverse = g64_div(g64_set(1), of.total);
  of.bad = m64_or(NAME(logits, nothing)(&row), m64_not(g64_equal(of.rest, of.rest)));
  return of;
}

/* The finished state of sixteen rows whose softmax is to be multiplied by `weight`, times the
 * factor and 1/T, and of which `share` times operand 0 is to be taken away; with the entry at the
 * label. */
INLINE void NAME(gradient, store)(const fe_state *state, size_t r, const NAME(gradient, row) * row,
                                  g64 weight, g64 share, g64 at_label, const fe_params *params) {
  const g64 scale =
      g64_mul(g64_load(state->part[GRADIENT_FACTOR] + r),
              g64_set((params->scale_high + params->scale_low) / params->temperature));
  const g64 nan = g64_set(__builtin_nan("")), unit = g64_set(0x1p500);
  const g64 factor = g64_mul(g64_mul(row->inverse, unit), g64_mul(weight, scale));
  g64_store(state->part[FE_HIGH] + r, g64_select(row->bad, nan, factor));
  g64_store(state->part[FE_LOW] + r, g64_set(0));
  g64_store(state->part[FE_COUNT] + r, row->k);
  g64_store(state->part[FE_DISTANCE_HIGH] + r, g64_mul(share, scale));
  g64_store(state->part[FE_DISTANCE_LOW] + r, g64_select(row->bad, nan, g64_mul(at_label, scale)));
}

/* p at the label, and 1 - p. */
typedef struct {
  g64 probability, rest;
} NAME(gradient, label);

INLINE NAME(gradient, label)
    NAME(gradient, label_of)(const fe_state *state, size_t r, const NAME(gradient, row) * row,
                             const fe_params *params) {
  const g64 x = g64_load(state->part[FE_TARGET] + r), m = row->largest, one = g64_set(1);
  const m64 first = g64_equal(m, x);
  const g64 y = NAME(logits, tempered)(g64_sub(x, m), params), least = g64_set(-700);
  const g64 near = g64_exp_normal(g64_max(y, least)); /* inf - inf and no label too: unused */
  const g64 e = g64_select(first, one, g64_select(g64_less(y, least), g64_set(0), near));
  const g64 p = g64_div(g64_mul(e, row->first), row->total); /* 1, if the others are nothing */
  return (NAME(gradient, label)){
      p, g64_select(first, g64_mul(row->rest, row->inverse), g64_sub(one, p))};
}

static void NAME(softmax_cross_entropy_grad, finish)(const fe_state *state, size_t rows,
                                                     const fe_params *params, void *out) {
  const logits_unit unit = logits_unit_of(params);
  const g64 zero = g64_set(0), one = g64_set(1);
  for (size_t r = 0; r < rows; r += FE_LANES) {
    const NAME(gradient, row) row = NAME(gradient, row_of)(state, r, &unit);
    const NAME(gradient, label) label = NAME(gradient, label_of)(state, r, &row, params);
    if (out != NULL) {
      const NAME(logits, ending) end = NAME(logits, end)(state, r, &unit);
      const g64 x = g64_load(state->part[FE_TARGET] + r);
      const pair64 loss = NAME(logits, surprisal)(&end, x, params);
      g64_store((double *)out + r, NAME(logits, scaled)(end.nothing, loss, params));
    }
    NAME(gradient, store)(state, r, &row, one, zero, g64_sub(zero, label.rest), params);
  }
}

/* At the label, with B = (1 - e) w_y, C = e/K and W the sum of w: C (W p_y - w_y) - B (1 - p_y). */
static void NAME(softmax_cross_entropy_grad_of_classes,
                 finish)(const fe_state *state, size_t rows, const fe_params *params, void *out) {
  const logits_unit unit = logits_unit_of(params);
  const g64 smoothing = g64_set(params->smoothing), rest = g64_set(1 - params->smoothing);
  for (size_t r = 0; r < rows; r += FE_LANES) {
    const NAME(gradient, row) row = NAME(gradient, row_of)(state, r, &unit);
    const NAME(gradient, label) label = NAME(gradient, label_of)(state, r, &row, params);
    const logits64 sums = logits64_load(state, r);
    if (out != NULL) {
      const NAME(logits, ending) end = NAME(logits, end)(state, r, &unit);
      const pair64 loss = NAME(logits, loss_of_classes)(state, r, &end, params);
      g64_store((double *)out + r, NAME(logits, scaled)(end.nothing, loss, params));
    }
    const g64 own = g64_load(state->part[FE_TARGET_WEIGHT] + r), b = g64_mul(rest, own);
    const g64 share = g64_div(smoothing, g64_max(sums.count, g64_set(1)));
    const g64 weight = g64_add(sums.weight.high, sums.weight.low);
    const g64 spread = g64_mul(share, g64_fma(weight, label.probability, g64_sub(g64_set(0), own)));
    const g64 at_label = g64_fnma(b, label.rest, spread);
    NAME(gradient, store)(state, r, &row, g64_fma(share, weight, b), share, at_label, params);
  }
}

static void NAME(softmax_cross_entropy_grad_of_targets,
                 finish)(const fe_state *state, size_t rows, const fe_params *params, void *out) {
  const logits_unit unit = logits_unit_of(params);
  for (size_t r = 0; r < rows; r += FE_LANES) {
    const NAME(gradient, row) row = NAME(gradient, row_of)(state, r, &unit);
    const logits64 sums = logits64_load(state, r);
    if (out != NULL) {
      const NAME(logits, ending) end = NAME(logits, end)(state, r, &unit);
      const pair64 loss = NAME(logits, loss_of_targets)(state, r, &end, params);
      g64_store((double *)out + r, NAME(logits, scaled)(end.nothing, loss, params));
    }
    const g64 weight = g64_add(sums.weight.high, sums.weight.low), one = g64_set(1);
    NAME(gradient, store)(state, r, &row, weight, one, one, params);
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

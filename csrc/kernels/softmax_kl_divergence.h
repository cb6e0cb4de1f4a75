/* softmax_kl_divergence.h - KL(p || q) of p_j = e^(a_j/T) / sum_i e^(a_i/T), and q likewise of b.
 *
 *     KL = log(1 + sum_j p_j phi(w_j)),   w_j = (b_j - a_j)/T - c,   phi(w) = e^w - 1 - w >= 0
 *
 * with c the mean of (b - a)/T under p: neither sum of exponentials is needed, nothing cancels, and
 * where a and b are close the divergence has all its digits (sum p log(p/q) has none).
 *
 * Edge cases: -inf is a probability of 0: it contributes 0 to p where it stands in a, and +inf
 *   where it stands in b alone; one +inf is certainty; several, no entry above -inf, and NaN give
 *   NaN; but rows of length 0 give 0.
 * Accumulation: leaf by leaf around a mean; divergence_state.h says how leaves are joined. In
 *   doubles (divergence_doubles.h), floats too where divergence_floats.h cannot do with less.
 */

#define DIVERGENCE_LEAF 1024 /* entries: at most 16 KiB of both rows */
#define DIVERGENCE_CHAIN 16  /* groups that are summed before they go to the sum of the leaf */
#define DIVERGENCE_FLOATS (REAL == 32 && FE_FMA)
#define DIVERGENCE_AHEAD (REAL == 32 ? 16384 : 8192) /* bytes: a leaf */

#include "../divergence_terms.h"

/* A leaf, or a row by itself; of short rows sixteen, turned. */
typedef struct {
  const real *a, *b;
  size_t count;      /* of entries */
  fe_ahead ahead[2]; /* of a and of b */
} NAME(divergence, operands);

#include "../divergence_doubles.h"
#if DIVERGENCE_FLOATS
#include "../divergence_floats.h"
#endif

/* ---- states of rows ---------------------------------------------------------------------------
 */

/* Adds row `at` of a state to row r, which has `q` among its b. */
static void NAME(divergence, add)(const fe_state *found, size_t at, double q,
                                  const divergence_unit *unit, const fe_state *state, size_t r) {
  const int first = state->part[FE_LARGEST][r] == -__builtin_inf() &&
                    state->part[FE_MASS][r] == 0 && state->part[FE_CURVE][r] == 0;
  if (first) {
    divergence64_copy(found, at, state, r);
  } else {
    divergence_lanes lanes;
    const fe_state joined = divergence_lanes_state(&lanes);
    const divergence64 row =
        divergence64_join(divergence64_spread(state, r), divergence64_spread(found, at), unit);
    divergence64_store(&row, &joined, 0);
    divergence64_copy(&joined, 0, state, r);
  }
  if (q > state->part[FE_LARGEST_Q][r]) state->part[FE_LARGEST_Q][r] = q;
}

/* Adds entries of row r in doubles. */
static void NAME(divergence, add_doubles)(const NAME(divergence, operands) * of,
                                          const divergence_unit *unit, double temperature,
                                          const fe_state *state, size_t r) {
  for (size_t i = 0; i < of->count; i += DIVERGENCE_LEAF) {
    const size_t left = of->count - i, n = left < DIVERGENCE_LEAF ? left : DIVERGENCE_LEAF;
    NAME(divergence, operands) leaf = {of->a + i, of->b + i, n, {of->ahead[0], of->ahead[1]}};
    for (int k = 0; k < 2; k++) leaf.ahead[k].next += (ptrdiff_t)i * leaf.ahead[k].size;
    divergence_lanes lanes;
    const fe_state found = divergence_lanes_state(&lanes);
    double q;
    const divergence64 row =
        NAME(divergence, leaf_of_doubles)(&leaf, unit, temperature, state, r, &q);
    divergence64_store(&row, &found, 0);
    NAME(divergence, add)(&found, 0, q, unit, state, r);
  }
}

/* ---- short rows -------------------------------------------------------------------------------
 */

/* The states of sixteen rows whose columns are a and b. */
INLINE NAME(divergence, lanes)
    NAME(divergence, columns)(const real *a, const real *b, size_t n, const divergence_unit *unit,
                              double temperature) {
#if DIVERGENCE_FLOATS
  NAME(divergence, lanes) near;
  const m64 left =
      NAME(divergence, lanes_of_floats)(a, b, n, unit, temperature, &near.state, &near.largest_q);
  near.apart = g64_less(g64_set(0), g64_set(0));
  if (!m64_any(left)) return near;
  NAME(divergence, lanes) rows = NAME(divergence, sixteen)(a, b, n, unit, temperature);
  rows.state = divergence64_select(left, &rows.state, &near.state);
  rows.largest_q = g64_select(left, rows.largest_q, near.largest_q);
  rows.apart = m64_and(left, rows.apart);
  return rows;
#else
  return NAME(divergence, sixteen)(a, b, n, unit, temperature);
#endif
}

/* Some of sixteen rows one by one. */
static void NAME(divergence, rows_apart)(const fe_block *block, size_t r, size_t rows, m64 apart,
                                         const divergence_unit *unit, double temperature,
                                         const fe_state *state) {
  const size_t n = block->columns;
  double lanes[FE_LANES];
  g64_store(lanes, g64_select(apart, g64_set(1), g64_set(0)));
  for (size_t i = 0; i < rows; i++) {
    if (lanes[i] == 0) continue;
    const size_t at = (r + i) * n;
    const real *a = (const real *)block->operand[0] + at, *b = (const real *)block->operand[1] + at;
    const fe_ahead nowhere = {(const char *)a, 0};
    const NAME(divergence, operands) row = {a, b, n, {nowhere, nowhere}};
    NAME(divergence, add_doubles)(&row, unit, temperature, state, r + i);
  }
}

static void NAME(divergence, short_rows)(const fe_block *block, const divergence_unit *unit,
                                         double temperature, const fe_state *state) {
  const size_t n = block->columns;
  const real *a = block->operand[0], *b = block->operand[1];
  for (size_t r = 0; r < block->rows; r += FE_LANES) {
    real x[FE_LANES * (FE_SHORT + FE_CHUNK)] __attribute__((aligned(64)));
    real y[FE_LANES * (FE_SHORT + FE_CHUNK)] __attribute__((aligned(64)));
    const size_t left = block->rows - r < FE_LANES ? block->rows - r : FE_LANES;
    const int overrun = (block->rows - r - left) * n >= FE_CHUNK - 1; /* entries behind these */
    COLUMNS(a + r * n, left, n, overrun, x);
    COLUMNS(b + r * n, left, n, overrun, y);
    const NAME(divergence, lanes) rows = NAME(divergence, columns)(x, y, n, unit, temperature);
    divergence64_store(&rows.state, state, r);
    g64_store(state->part[FE_LARGEST_Q] + r, rows.largest_q);
    if (m64_any(rows.apart))
      NAME(divergence, rows_apart)(block, r, left, rows.apart, unit, temperature, state);
  }
}

/* ---- the row functions ------------------------------------------------------------------------
 */

/* Up to `size` entries of row r of a block, from i on. */
INLINE NAME(divergence, operands)
    NAME(divergence, leaf_at)(const fe_block *block, size_t r, size_t i, size_t size) {
  const size_t left = block->columns - i, position = r * block->columns + i;
  const real *operand[2];
  fe_ahead ahead[2];
  for (int k = 0; k < 2; k++) {
    const char *row = (const char *)block->operand[k] + (ptrdiff_t)r * block->stride[k];
    operand[k] = (const real *)(const void *)row + i;
    ahead[k] = fe_ahead_of(&block->ahead[k], operand[k], position, DIVERGENCE_AHEAD, sizeof(real));
  }
  return (NAME(divergence, operands)){
      operand[0], operand[1], left < size ? left : size, {ahead[0], ahead[1]}};
}

#if DIVERGENCE_FLOATS
/* Some leaves, and what the passes have found of them. */
typedef struct {
  NAME(divergence, operands) leaf[FE_LANES];
  size_t row[FE_LANES], count;
  divergence_found found;
} divergence_leaves;

/* Adds leaves to the states of their rows. */
static void NAME(divergence, add_leaves)(divergence_leaves *leaves, const divergence_unit *unit,
                                         double temperature, const fe_state *state) {
  divergence_lanes lanes;
  const fe_state found = divergence_lanes_state(&lanes);
  double apart[FE_LANES];
  m64 left;
  const divergence64 rows = divergence_of_found(&leaves->found, unit, temperature, &left);
  divergence64_store(&rows, &found, 0);
  g64_store(apart, g64_select(left, g64_set(1), g64_set(0)));
  for (size_t i = 0; i < leaves->count; i++) {
    const size_t r = leaves->row[i];
    if (apart[i] != 0) NAME(divergence, add_doubles)(&leaves->leaf[i], unit, temperature, state, r);
    else NAME(divergence, add)(&found, i, leaves->found.some_q[i], unit, state, r);
  }
  leaves->count = 0;
}
#endif

static void NAME(divergence, long_rows)(const fe_block *block, const divergence_unit *unit,
                                        double temperature, const fe_state *state) {
  const size_t n = block->columns;
#if DIVERGENCE_FLOATS
  divergence_leaves leaves = {.count = 0};
  for (size_t r = 0; r < block->rows; r++)
    for (size_t i = 0; i < n; i += FLOATS_LEAF) {
      const size_t at = leaves.count++;
      leaves.leaf[at] = NAME(divergence, leaf_at)(block, r, i, FLOATS_LEAF);
      leaves.row[at] = r;
      NAME(divergence, leaf_of_floats)(&leaves.leaf[at], unit, &leaves.found, at);
      if (leaves.count == FE_LANES) NAME(divergence, add_leaves)(&leaves, unit, temperature, state);
    }
  if (leaves.count > 0) NAME(divergence, add_leaves)(&leaves, unit, temperature, state);
#else
  for (size_t r = 0; r < block->rows; r++) {
    const NAME(divergence, operands) row = NAME(divergence, leaf_at)(block, r, 0, n);
    NAME(divergence, add_doubles)(&row, unit, temperature, state, r);
  }
#endif
}

static unsigned NAME(softmax_kl_divergence, accumulate)(const fe_block *block,
                                                        const fe_params *params,
                                                        const fe_state *state) {
  const divergence_unit unit = divergence_unit_of(params);
  if (block->columns == 0 || block->rows == 0) return 0;
  if (block->row_length <= FE_SHORT)
    NAME(divergence, short_rows)(block, &unit, params->temperature, state);
  else NAME(divergence, long_rows)(block, &unit, params->temperature, state);
  return 0;
}

static void NAME(divergences, combine)(const fe_state *state, const fe_state *more, size_t rows,
                                       const fe_params *params) {
  const divergence_unit unit = divergence_unit_of(params);
  FE_JOIN(divergence, join, f64, FE_ISA)(state, more, rows, &unit);
}

/* The divergences of sixteen rows as doubles, scaled. */
INLINE void NAME(divergence, finish)(const fe_state *state, size_t r, const fe_params *params,
                                     double *to) {
  const divergence64 row = divergence64_load(state, r);
  const pair64 value = divergence64_value(&row);
  g64_store(to, NAME(logits, scaled)(g64_less(g64_set(0), g64_set(0)), value, params));
  for (size_t i = 0; i < FE_LANES; i++) to[i] = divergence_of(state, r + i, to[i]);
}

static void NAME(softmax_kl_divergence, finish)(const fe_state *state, size_t rows,
                                                const fe_params *params, void *out) {
  for (size_t r = 0; r < rows; r += FE_LANES) {
    double lanes[FE_LANES];
    NAME(divergence, finish)(state, r, params, lanes);
    NAME(finish, store)((real *)out + r, rows - r, g64_load(lanes));
  }
}

#undef DIVERGENCE_LEAF
#undef DIVERGENCE_CHAIN
#undef DIVERGENCE_FLOATS
#undef DIVERGENCE_AHEAD

/* reduce.h - the row functions of a measure that is a sum of terms; a template by inclusion.
 *
 * The including kernel file defines MEASURE, OPERANDS (1 or 2), FAST (0: it has no fast form),
 * VARIANT (which of two fast forms a leaf takes: an expression of params, p, q, count), WATCH_LIMIT
 * (entries below it touch the watch) and these functions:
 *
 *   careful  adds the terms of a group, times `scale`, to a sum, in double: complete, for every
 *            input, and for normalised rows, whose entries come as pairs high + low
 *   term     the fast form: right for positive normal entries
 *   watch    notes, in an operation or two a group, whether anything else came by
 *   special  the exact question: does this group hold an entry that the fast form gets wrong?
 * Groups that are not whole are padded: with ones for the fast form, with zeros for the careful
 * one, terms of 0 in most measures. Where PAD is defined, the second operand beside a first of 0
 * for the careful form, the fast form has no such entry, and the careful form takes what is left.
 *
 * A leaf is summed by the fast form. Only if the watch was touched is it read again to ask
 * `special`, and only then summed anew by the careful form: no branch a vector, and the decision
 * depends on nothing but the row itself.
 *
 * The fast form of a leaf runs in a SUM, or where STATE is defined in one of those, with functions
 * `begin` and `end` (its sum) to go with it. SHORTCUT, where defined, is tried first: it sums a
 * leaf of a common kind, or returns 0. Where WEIGHTED is defined the term is made here from
 * `factor` (1: -p * factor, seldom above HEAD_START; 0: factor), and short rows are worked on many
 * at a time. LEAST_SHARE, where defined, says which sums of normalised rows may be made of rounded
 * shares (reduce_shares.h). Where SMALL_TERMS is defined, terms of floats may be subnormal, or
 * nothing, where the entries are not (squares of what differs, halves): sums that small, and those
 * of 0 but of equal rows, are made anew in double.
 */

#define ROW(part) NAME(MEASURE, part)
#ifndef PAD
#define PAD 0
#define PADDED 1
#else
#define PADDED 0
#endif
#ifndef SMALL_TERMS
#define SMALL_TERMS 0
#endif
#define SHORT_COLUMNS 32 /* turned at a time, if rows are shorter: 4 or 8 KiB, in L1 */

#include "reduce_careful.h"
#if FAST
#include "reduce_leaf.h"
#ifdef WEIGHTED
#include "reduce_short.h"
#include "reduce_columns.h"
#endif
#endif
#include "reduce_shares.h"

enum {
#if FAST && defined(WEIGHTED)
  ROW(takes_columns) = 2
#else
  ROW(takes_columns) = 0
#endif
};

/* ---- the row function ------------------------------------------------------------------------ */

static unsigned ROW(accumulate)(const fe_block *block, const fe_params *params,
                                const fe_state *state) {
  double *high = state->part[FE_HIGH], *low = state->part[FE_LOW];
  const size_t n = block->columns;
  const int normalize = block->inverse[0] != NULL;
  unsigned status = 0;
  if (n == 0) return status;
#if FAST && defined(WEIGHTED)
  if (block->step[0] != 0 && block->row_length <= FE_SHORT)
    return ROW(short_columns)(block, params, high, low);
  if (block->step[0] != 0) return ROW(long_columns)(block, params, high, low);
  if (block->row_length <= FE_SHORT && !normalize) return ROW(short_rows)(block, params, high, low);
#endif
  if (block->row_length <= FE_LANE_ROWS && (normalize || !FAST))
    return ROW(short_shares)(block, params, high, low);
  for (size_t r = 0; r < block->rows; r++) {
    const ptrdiff_t row = (ptrdiff_t)r;
    const real *p = (const void *)((const char *)block->operand[0] + row * block->stride[0]);
    const real *q = OPERANDS == 1
                        ? p
                        : (const void *)((const char *)block->operand[1] + row * block->stride[1]);
    const double *inverse_p = normalize ? block->inverse[0] + r : NULL;
    const double *inverse_q = normalize && OPERANDS == 2 ? block->inverse[1] + r : inverse_p;
#ifdef LEAST_SHARE
#if QUICK_IN_FLOAT
    if (normalize &&
        ROW(row_quick_in_32)(p, q, n, inverse_p, inverse_q, params, &status, high + r, low + r))
      continue;
#endif
    if (normalize && ROW(is_quick)() &&
        ROW(row_quick_in_64)(p, q, n, inverse_p, inverse_q, params, &status, high + r, low + r))
      continue;
#endif
    for (size_t i = 0; i < n; i += FE_LEAF) {
      const size_t count = n - i < FE_LEAF ? n - i : FE_LEAF;
#if FAST
      if (!normalize) {
        const fe_ahead ahead[2] = {fe_ahead_of(&block->ahead[0], p + i, r * n + i,
                                               FE_PREFETCH_BYTES / OPERANDS, sizeof(real)),
                                   fe_ahead_of(&block->ahead[1], q + i, r * n + i,
                                               FE_PREFETCH_BYTES / OPERANDS, sizeof(real))};
        status |= ROW(leaf)(p + i, q + i, count, ahead, params, high + r, low + r);
        continue;
      }
#endif
      status |= ROW(leaf_careful)(p + i, q + i, count, inverse_p, inverse_q, 1, params, high + r,
                                  low + r);
    }
    if (!normalize) ROW(tiny_sum)(p, 1, q, 1, n, params, high + r, low + r);
  }
  return status;
}

#undef ROW
#undef SHORT_COLUMNS
#undef SHORT_BUFFER
#undef STRIP
#undef PANEL
#undef STRETCH
#undef STRIDES_AHEAD
#undef MEASURE
#undef OPERANDS
#undef FAST
#undef WEIGHTED
#undef HEAD_START
#undef VARIANT
#undef SHORTCUT
#undef STATE
#undef PAD
#undef PADDED
#undef SMALL_TERMS
#undef LEAST_SHARE
#undef LEAST_SHARE_F32
#undef QUICK_IN_FLOAT
#undef FLOAT_COLUMNS
#undef QUICK
#undef ADDED
#undef WATCH_LIMIT

/* compare_logits.h - what two rows of logits, a of p and b of q, have in common: KL(p || q), both
 * entropies, whether the largest entry is the same, and log q - log p of a label t.
 *
 *     log q_t - log p_t = w_t - KL(p || q),   w_t = (b_t - a_t)/T - c  of softmax_kl_divergence.h,
 *
 * which keeps its digits where p and q are close.
 *
 * Edge cases: as softmax_kl_divergence.h, softmax_entropy.h and score_logits.h say. Where p or q is
 *   certain, or q has lost a class of p, the change is the difference of both log-probabilities.
 * Accumulation: as in these files, bit for bit, piece by piece, so that what one has read is still
 *   in cache for the others.
 */

#define COMPARED 4096       /* entries of a piece: a multiple of every leaf */
#define COMPARED_LEAST 1024 /* a leaf */

INLINE fe_state NAME(compare_logits, set)(const fe_state *state, int set, size_t row) {
  fe_state part;
  for (int k = 0; k < FE_PARTS; k++)
    part.part[k] = state->part[k < FE_SET ? set * FE_SET + k : 0] + row;
  return part;
}

/* A part of a block: rows from r on, columns from i on; of one operand, or of both. */
INLINE fe_block NAME(compare_logits, piece)(const fe_block *block, size_t r, size_t rows, size_t i,
                                            size_t columns, int first, int operands) {
  fe_block piece = *block;
  piece.rows = rows, piece.columns = columns, piece.column = block->column + i;
  for (int k = 0; k < operands; k++) {
    const char *row =
        (const char *)block->operand[first + k] + (ptrdiff_t)r * block->stride[first + k];
    piece.operand[k] = (const real *)(const void *)row + i;
    piece.stride[k] = block->stride[first + k];
    piece.ahead[k] = (fe_ahead){NULL, 0};
  }
  return piece;
}

static unsigned NAME(compare_logits, accumulate)(const fe_block *block, const fe_params *params,
                                                 const fe_state *state) {
  const int whole = block->row_length <= FE_SHORT;
  const size_t rows = whole ? block->rows : 1, columns = whole ? block->columns : COMPARED;
  for (size_t r = 0; r < block->rows; r++) /* no ranks are asked for */
    state->part[FE_TARGET][r] = state->part[FE_SET + FE_TARGET][r] = __builtin_nan("");
  for (size_t r = 0; r < block->rows; r += rows)
    for (size_t i = 0, n; i < block->columns; i += n) {
      n = block->columns - i; /* a leaf that is not whole stays with the one before it */
      if (n > columns && n - columns >= COMPARED_LEAST) n = columns;
      for (int set = 0; set < 3; set++) {
        const fe_state part = NAME(compare_logits, set)(state, set, r);
        const fe_block piece =
            NAME(compare_logits, piece)(block, r, rows, i, n, set == 1, set == 2 ? 2 : 1);
        if (set == 2) NAME(softmax_kl_divergence, accumulate)(&piece, params, &part);
        else NAME(score_logits, accumulate)(&piece, params, &part);
      }
    }
  return 0;
}

static void NAME(compare_logits, combine)(const fe_state *state, const fe_state *more, size_t rows,
                                          const fe_params *params) {
  for (int set = 0; set < 3; set++) {
    const fe_state part = NAME(compare_logits, set)(state, set, 0);
    const fe_state other = NAME(compare_logits, set)(more, set, 0);
    if (set == 2) NAME(divergences, combine)(&part, &other, rows, params);
    else NAME(logits_and_ranks, combine)(&part, &other, rows, params);
  }
}

/* log q - log p of the labels of sixteen rows. */
INLINE void NAME(compare_logits, change)(const fe_state *state, size_t r,
                                         const NAME(logits, ending) ends[2],
                                         const fe_params *params, double *to) {
  const divergence_unit unit = divergence_unit_of(params);
  const g64 zero = g64_set(0), infinity = g64_set(__builtin_inf());
  const g64 a = g64_load(state->part[FE_TARGET] + r);
  const g64 b = g64_load(state->part[FE_TARGET_WEIGHT] + r);
  const divergence64 row = divergence64_load(state, r);
  const pair64 kl = divergence64_value(&row);
  const pair64 base = {a, zero}, other = {b, zero};
  const pair64 d = divergence_difference(divergence_difference(other, base), row.centre);
  const pair64 w = divergence_difference(divergence_scaled(d, &unit, 1), kl);
  const m64 nothing = m64_or(ends[0].nothing, ends[1].nothing);
  const m64 finite = m64_and(g64_less(g64_sub(zero, infinity), a), g64_less(a, infinity));
  const pair64 of_p = NAME(logits, surprisal)(&ends[0], a, params);
  const pair64 of_q = NAME(logits, surprisal)(&ends[1], b, params);
  double lanes[FE_LANES], differences[FE_LANES];
  g64_store(lanes, NAME(logits, scaled)(nothing, w, params));
  const pair64 apart = {g64_sub(of_p.high, of_q.high), zero};
  g64_store(differences, NAME(logits, scaled)(nothing, apart, params));
  double usable[FE_LANES];
  g64_store(usable, g64_select(finite, g64_set(1), zero));
  for (size_t i = 0; i < FE_LANES; i++) {
    const int certain =
        state->part[FE_CERTAIN_P][r + i] > 0 || state->part[FE_CERTAIN_Q][r + i] > 0;
    const int lost = state->part[FE_LOST][r + i] > -__builtin_inf();
    to[i] = certain || lost || usable[i] == 0 ? differences[i] : lanes[i];
  }
}

static void NAME(compare_logits, finish)(const fe_state *state, size_t rows,
                                         const fe_params *params, void *out) {
  const logits_unit unit = logits_unit_of(params);
  const fe_state sets[3] = {NAME(compare_logits, set)(state, 0, 0),
                            NAME(compare_logits, set)(state, 1, 0),
                            NAME(compare_logits, set)(state, 2, 0)};
  for (size_t r = 0; r < rows; r += FE_LANES) {
    double *to = (double *)out + r;
    NAME(logits, ending) ends[2];
    for (int k = 0; k < 2; k++) {
      ends[k] = NAME(logits, end)(&sets[k], r, &unit);
      const m64 sum = g64_equal(ends[k].sum, ends[k].sum);
      ends[k].nothing = m64_or(ends[k].nothing, m64_not(sum));
      const pair64 entropy = NAME(logits, entropy)(&ends[k]);
      g64_store(to + (2 + k) * FE_BLOCK_ROWS,
                NAME(logits, scaled)(ends[k].nothing, entropy, params));
    }
    NAME(compare_logits, change)(&sets[2], r, ends, params, to);
    NAME(divergence, finish)(&sets[2], r, params, to + FE_BLOCK_ROWS);
    const m64 nothing = m64_or(ends[0].nothing, ends[1].nothing);
    const m64 same = m64_and(m64_not(nothing), g64_equal(g64_load(sets[0].part[FE_PLACE] + r),
                                                         g64_load(sets[1].part[FE_PLACE] + r)));
    g64_store(to + 4 * FE_BLOCK_ROWS, g64_select(same, g64_set(1), g64_set(0)));
  }
}

#undef COMPARED
#undef COMPARED_LEAST

/* powers_rows.h - the row function of a measure of powers; a template by inclusion.
 *
 * The including kernel file defines MEASURE, OPERANDS and the careful form of a leaf,
 *
 *   leaf  adds entries to the sums of a row (powers.h); it takes as many arrays, and what they are
 *         divided by
 *
 * Short rows are worked on sixteen at a time, a lane each, leaves of longer ones as a whole: by the
 * quick form of powers_quick.h, and what that is not good for by the careful one.
 */
#define ROW(part) NAME(MEASURE, part)

/* What the change of rounded shares must be, in shares: of d = 3/2 units of each, d (1 + 1/change)
 * of it is lost, of two distributions a few times d/sqrt(change) and d of their sums. */
INLINE double ROW(least_change)(double order) {
  if (REAL == 32) return 0x1p-26;
  return OPERANDS == 1 ? 0x1p-7 : order > 1 ? 0x1p-3 * order : 0x1p-3;
}

INLINE void ROW(quick_term)(powers_lanes *sums, g64 x, g64 y, const divisor64 *by_p,
                            const divisor64 *by_q, double e, const int kind) {
  const g64 p = share64_rounded(x, by_p);
#if OPERANDS == 2
  powers_divergence_term(sums, p, share64_rounded(y, by_q), e, kind, by_p->nothing, REAL == 64);
#else
  (void)y, (void)by_q;
  powers_entropy_term(sums, p, e, kind, REAL == 64);
#endif
}

/* The sums of entries in sixteen lanes. */
INLINE powers_lanes ROW(quick_groups)(const real *p, const real *q, size_t count,
                                      const divisor64 *by_p, const divisor64 *by_q, double e,
                                      const int kind) {
  powers_lanes sums = powers_no_lanes();
  for (size_t i = 0; i < count; i += FE_LANES) {
    const g64 x = LOAD_WIDE_UP_TO(p + i, count - i, 0);
    const g64 y = OPERANDS == 1 ? x : LOAD_WIDE_UP_TO(q + i, count - i, 0);
    ROW(quick_term)(&sums, x, y, by_p, by_q, e, kind);
  }
  return sums;
}

/* The same of the kind that the order asks for. */
static powers_lanes ROW(quick)(const real *p, const real *q, size_t count, const divisor64 *by_p,
                               const divisor64 *by_q, double order) {
  const double e = order - 1;
  const int kind = powers_kind(order);
  powers_lanes sums;
  if (kind == POWERS_ONE) sums = ROW(quick_groups)(p, q, count, by_p, by_q, e, POWERS_ONE);
  else if (kind == POWERS_ZERO) sums = ROW(quick_groups)(p, q, count, by_p, by_q, e, POWERS_ZERO);
  else if (OPERANDS == 1 && kind == POWERS_TWO)
    sums = ROW(quick_groups)(p, q, count, by_p, by_q, e, POWERS_TWO);
  else if (OPERANDS == 1 && kind == POWERS_INFINITE)
    sums = ROW(quick_groups)(p, q, count, by_p, by_q, e, POWERS_INFINITE);
  else sums = ROW(quick_groups)(p, q, count, by_p, by_q, e, POWERS_ANY);
  if (OPERANDS == 1 && kind == POWERS_ANY) sums.change = g64_mul(sums.change, g64_set(1 / e));
  return sums;
}

/* Which lanes are good. */
INLINE m64 ROW(good)(const powers_lanes *sums, double order, int shares) {
  const m64 good = powers_good(sums, powers_kind(order));
  if (!shares) return good;
  return m64_and(good, powers_large(sums->change, sums->total, ROW(least_change)(order)));
}

/* Whether the quick form may be tried. */
INLINE int ROW(may_be_quick)(double order) {
  const int kind = powers_kind(order);
  return kind != POWERS_CAREFUL && (OPERANDS == 1 || kind != POWERS_INFINITE);
}

INLINE unsigned ROW(careful)(const real *p, const real *q, size_t count, const double *inverse_p,
                             const double *inverse_q, const fe_params *params, powers *row) {
#if OPERANDS == 2
  return ROW(leaf)(p, q, count, inverse_p, inverse_q, params, row);
#else
  (void)q, (void)inverse_q;
  return ROW(leaf)(p, count, inverse_p, params, row);
#endif
}

/* A leaf of one row; 0 if it is not good. */
static int ROW(leaf_quick)(const real *p, const real *q, size_t count, const double *inverse_p,
                           const double *inverse_q, const fe_params *params, powers *row) {
  const divisor64 by_p = divisor64_of_row(inverse_p), by_q = divisor64_of_row(inverse_q);
  const g64 unit = g64_set(POWERS_UNIT), zero = g64_set(0);
  powers_lanes sums = ROW(quick)(p, q, count, &by_p, &by_q, params->order);
  powers leaf = {0, 0, -__builtin_inf(), 0, 0, 0, 0};
  const sum64 change = {g64_mul(sums.change, unit), g64_mul(sums.apart.residual, unit)};
  const sum64 apart = {g64_mul(sums.apart.sum, unit), zero};
  const sum64 power = {g64_mul(sums.power, unit), zero}, total = {g64_mul(sums.total, unit), zero};
  sum64_collect(&change, &leaf.change, &leaf.change_low);
  sum64_collect(&apart, &leaf.change, &leaf.change_low);
  sum64_collect(&power, &leaf.power, &leaf.power_low);
  sum64_collect(&total, &leaf.total, &leaf.total_low);
  if (leaf.total == 0 && leaf.change < 1e250 && !m64_any(sums.bad)) { /* nothing but zeros */
    powers_join(row, &leaf);
    return 1;
  }
  leaf.largest = 0;
  if (powers_kind(params->order) == POWERS_INFINITE)
    leaf.largest = powers_largest(g64_log_full(sums.largest, 0));
  const double down = 1 / POWERS_UNIT;
  sums.change = g64_set(leaf.change * down), sums.power = g64_set(leaf.power * down);
  sums.total = g64_set(leaf.total * down);
  const m64 good = ROW(good)(&sums, params->order, inverse_p != NULL);
  if (m64_any(m64_not(good)) || m64_any(sums.bad)) return 0;
  powers_join(row, &leaf);
  return 1;
}

/* Short rows: x and y are their columns. */
static unsigned ROW(short_rows)(const fe_block *block, const fe_params *params,
                                const fe_state *state) {
  const real *p = block->operand[0], *q = block->operand[OPERANDS - 1];
  const double *inverse_p = block->inverse[0], *inverse_q = block->inverse[OPERANDS - 1];
  const size_t rows = block->rows, n = block->columns;
  const g64 unit = g64_set(POWERS_UNIT), zero = g64_set(0);
  const int kind = powers_kind(params->order);
  unsigned status = 0;
  for (size_t r = 0; r < rows; r += FE_LANES, p += FE_LANES * n, q += FE_LANES * n) {
    real x[FE_LANES * (FE_LANE_ROWS + FE_CHUNK)], y[FE_LANES * (FE_LANE_ROWS + FE_CHUNK)];
    const size_t left = rows - r < FE_LANES ? rows - r : FE_LANES;
    const int overrun = (rows - r - left) * n >= FE_CHUNK - 1; /* entries behind these */
    const double *of_p = inverse_p ? inverse_p + r : NULL, *of_q = inverse_p ? inverse_q + r : NULL;
    const divisor64 by_p = divisor64_of_rows(of_p, left), by_q = divisor64_of_rows(of_q, left);
    double good_lanes[FE_LANES];
    COLUMNS(p, left, n, overrun, x);
    if (OPERANDS == 2) COLUMNS(q, left, n, overrun, y);
    const powers_lanes sums = ROW(quick)(x, y, FE_LANES * n, &by_p, &by_q, params->order);
    const m64 good = ROW(good)(&sums, params->order, inverse_p != NULL);
    const g64 change = g64_add(g64_add(sums.change, sums.apart.residual), sums.apart.sum);
    const g64 largest = kind == POWERS_INFINITE ? g64_log_full(sums.largest, 0) : zero;
    g64_store(state->part[FE_HIGH] + r, g64_mul(change, unit));
    g64_store(state->part[FE_LOW] + r, zero);
    g64_store(state->part[FE_LARGEST] + r, largest);
    g64_store(state->part[FE_DISTANCE_HIGH] + r, g64_mul(sums.power, unit));
    g64_store(state->part[FE_DISTANCE_LOW] + r, zero);
    g64_store(state->part[FE_WEIGHT_HIGH] + r, g64_mul(sums.total, unit));
    g64_store(state->part[FE_WEIGHT_LOW] + r, zero);
    g64_store(good_lanes, g64_select(good, g64_set(1), zero));
    for (size_t i = 0; i < left; i++) {
      if (good_lanes[i] != 0) continue;
      powers row = {0, 0, -__builtin_inf(), 0, 0, 0, 0};
      status |= ROW(careful)(p + i * n, q + i * n, n, of_p ? of_p + i : NULL,
                             of_q ? of_q + i : NULL, params, &row);
      powers_store(state, r + i, &row);
    }
  }
  return status;
}

static unsigned ROW(accumulate)(const fe_block *block, const fe_params *params,
                                const fe_state *state) {
  const int quick = ROW(may_be_quick)(params->order);
  unsigned status = 0;
  if (block->columns == 0) return status;
  if (quick && block->row_length <= FE_LANE_ROWS) return ROW(short_rows)(block, params, state);
  for (size_t r = 0; r < block->rows; r++) {
    const ptrdiff_t at = (ptrdiff_t)r;
    const char *p = (const char *)block->operand[0] + at * block->stride[0];
    const char *q = (const char *)block->operand[OPERANDS - 1] + at * block->stride[OPERANDS - 1];
    const double *inverse_p = block->inverse[0], *inverse_q = block->inverse[OPERANDS - 1];
    if (inverse_p != NULL) inverse_p += r, inverse_q += r;
    powers row = powers_load(state, r);
    for (size_t i = 0; i < block->columns; i += FE_LEAF) {
      const size_t left = block->columns - i, count = left < FE_LEAF ? left : FE_LEAF;
      const real *a = (const real *)(const void *)p + i, *b = (const real *)(const void *)q + i;
      if (quick && ROW(leaf_quick)(a, b, count, inverse_p, inverse_q, params, &row)) continue;
      status |= ROW(careful)(a, b, count, inverse_p, inverse_q, params, &row);
    }
    powers_store(state, r, &row);
  }
  return status;
}

#undef ROW
#undef MEASURE
#undef OPERANDS

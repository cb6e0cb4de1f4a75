/* logits_short.h - part of logits.h: short rows, sixteen at a time, a lane each; and where a leaf
 * of a long row is.
 *
 * Rows that lie one after the other are turned first (columns.h); of rows that are neighbours in
 * memory, sixteen entries of a column are a group as they stand. The largest entry of a lane is
 * left out by comparison, and others of the same size put back by their number.
 */
#define SHORT_COLUMNS 32 /* turned at a time, if rows are shorter */
#define SHORT_BUFFER (FE_LANES * (FE_SHORT + FE_CHUNK))

INLINE ROW(leaf) ROW(leaf_at)(const fe_block *block, size_t r, size_t i) {
  const size_t left = block->columns - i, last = OPERANDS - 1;
  const ptrdiff_t row = (ptrdiff_t)r;
  ROW(leaf) leaf;
  leaf.x =
      (const real *)(const void *)((const char *)block->operand[last] + row * block->stride[last]) +
      i;
  leaf.t = (const real *)(const void *)((const char *)block->operand[TARGETS ? last - 1 : 0] +
                                        row * block->stride[TARGETS ? last - 1 : 0]) +
           i;
  leaf.c =
      (const real *)(const void *)((const char *)block->operand[0] + row * block->stride[0]) + i;
  leaf.first = block->column + i;
  if (KEPT) {
    real *kept = (real *)block->kept + r * FE_KEPT_ROW(block->row_length, KEPT);
    leaf.kept = kept + KEPT * leaf.first;
    leaf.exponent = kept + FE_KEPT_ROW(block->row_length, KEPT) - 1 - leaf.first / LEAF;
  } else {
    leaf.kept = leaf.exponent = NULL;
  }
  leaf.count = left < LEAF ? left : LEAF;
  const size_t distance = LEAF * sizeof(real) + AHEAD, position = r * block->columns + i;
  leaf.ahead[0] =
      fe_ahead_of(&block->ahead[TARGETS ? last - 1 : 0], leaf.t, position, distance, sizeof(real));
  leaf.ahead[1] = fe_ahead_of(&block->ahead[last], leaf.x, position, distance, sizeof(real));
  return leaf;
}

/* Rows whose entries lie x_step and t_step apart, `left` of them to be kept. */
typedef struct {
  const real *x, *t;
  size_t x_step, t_step, n, left;
  real *kept;
  const char *next_x, *next_t; /* to be fetched, so many bytes apart */
  size_t next_x_step, next_t_step;
} ROW(lanes);

/* Of sixteen rows: the largest entries, how many equal them, the first of those; the largest but
 * them; the labels' logits, and how many entries are above. */
typedef struct {
  GROUP largest, count, place, second, label, above;
} ROW(ranks);

INLINE void ROW(rank)(ROW(ranks) * ranks, GROUP x, MASK first, size_t j) {
  const GROUP zero = G(set)(0), one = G(set)(1), none = G(set)((compute)-__builtin_inf());
  ranks->place = G(min)(G(select)(first, G(set)((compute)j), ranks->place), ranks->place);
  ranks->second = G(max)(G(select)(first, none, x), ranks->second);
  ranks->above = G(add)(ranks->above, G(select)(G(less)(ranks->label, x), one, zero));
}

INLINE void ROW(lane_terms)(const ROW(lanes) * rows, GROUP magic, GROUP lowest,
                            const NAME(logits, shift) * s, const int tempered, const int clamped,
                            ROW(sums) * sums, ROW(ranks) * ranks) {
  const GROUP zero = G(set)(0), one = G(set)(1), largest = ranks->largest;
  ROW(chain) chain = ROW(new_chain)();
  for (size_t j = 0; j < rows->n;) {
    const size_t end = rows->n - j < CHAIN ? rows->n : j + CHAIN;
    for (; j < end; j++) {
      const GROUP x = LOAD(rows->x + j * rows->x_step);
      const GROUP t = TARGETS ? LOAD(rows->t + j * rows->t_step) : zero;
      const MASK first = G(equal)(x, largest);
      ranks->count = G(add)(ranks->count, G(select)(first, one, zero));
      if (RANKED) ROW(rank)(ranks, x, first, j);
      if (TARGETS) {
        /* its distance is 0, and its target counts */
        sums->target = G(min)(t, sums->target);
        chain.weight = G(add)(chain.weight, G(select)(first, t, zero));
      }
      ROW(term)(&chain, x, TARGETS ? G(select)(first, zero, t) : zero, largest, magic, lowest, s,
                tempered, clamped, &first, rows->kept + KEPT * FE_LANES * j);
    }
    ROW(flush)(sums, &chain);
    chain = ROW(new_chain)();
  }
}

/* The states of sixteen rows. */
static unsigned ROW(sixteen)(const ROW(lanes) * rows, const logits_unit *unit,
                             const fe_state *state, size_t r) {
  const GROUP infinity = G(set)((compute)__builtin_inf());
  const GROUP none = G(sub)(G(set)(0), infinity);
  GROUP largest = none, smallest = infinity;
  for (size_t j = 0; j < rows->n; j++) {
    fe_fetch(rows->next_x + j * rows->next_x_step, FE_LANES * sizeof(real));
    if (TARGETS) fe_fetch(rows->next_t + j * rows->next_t_step, FE_LANES * sizeof(real));
    const GROUP x = LOAD(rows->x + j * rows->x_step);
    largest = G(max)(x, largest);
    smallest = G(min)(x, smallest);
  }
  const g64 m = WIDEN(largest);
  const m64 far = logits_far(m, unit);
  const g64 k = logits_exponent(m, far, unit);
  const NAME(logits, shift) s = NAME(logits, shift_of)(0, 0, unit);
  const GROUP magic = NAME(logits, magic_of)(k);
  const GROUP lowest = NAME(logits, lowest_of)(k, unit);
  ROW(sums) sums = ROW(no_sums)();
  ROW(ranks) ranks = {largest, G(set)(0), G(set)(FE_SHORT), none, none, G(set)(0)};
  if (RANKED) ranks.label = NAME(logits, narrow)(g64_load(state->part[FE_TARGET] + r));
  if (s.rate < 1 || s.rate > 1) ROW(lane_terms)(rows, magic, lowest, &s, 1, 1, &sums, &ranks);
  else if (M(any)(G(less)(smallest, lowest)))
    ROW(lane_terms)(rows, magic, lowest, &s, 0, 1, &sums, &ranks);
  else ROW(lane_terms)(rows, magic, lowest, &s, 0, 0, &sums, &ranks);
  const g64 lift = g64_set(LOGITS_LIFT);
  sums.sum.sum = g64_mul(sums.sum.sum, lift);
  if (!TARGETS) sums.distance = g64_mul(sums.distance, lift);
  if (RANKED) {
    const GROUP second = G(select)(G(less)(G(set)(1), ranks.count), largest, ranks.second);
    g64_store(state->part[FE_RUNNER_UP] + r, WIDEN(second));
    g64_store(state->part[FE_PLACE] + r, WIDEN(ranks.place));
    sums.count = WIDEN(ranks.above);
  }
  const g64 zero = g64_set(0), others = g64_sub(WIDEN(ranks.count), g64_set(1));
  if (m64_any(g64_less(zero, others))) {
    const pair64 first = logits_first(m, k, far, unit);
    const g64 number = g64_max(others, zero);
    pair64 sum = {sums.sum.sum, sums.sum.residual};
    g64 residual;
    pair64_add(&sum, g64_two_product(number, first.high, &residual));
    sums.sum.residual = g64_add(sum.low, g64_fma(number, first.low, residual));
    sums.sum.sum = sum.high;
  }
  const logits64 row = {
      m, {sums.sum.sum, sums.sum.residual}, {sums.distance, zero}, {sums.weight, zero}, sums.count};
  logits64_store(&row, state, r);
  if (!m64_any(far) && (!TARGETS || !M(any)(G(less)(sums.target, G(set)(0))))) return 0;
  unsigned status = 0;
  for (size_t i = 0; i < rows->left; i++) { /* one by one, as leaves of long rows */
    real x[FE_SHORT], t[FE_SHORT], c[FE_SHORT], unused[FE_KEPT_ROW(FE_SHORT, 2)];
    for (size_t j = 0; j < rows->n; j++) {
      c[j] = 1; /* t is weighted already */
      x[j] = rows->x[j * rows->x_step + i];
      t[j] = TARGETS ? rows->t[j * rows->t_step + i] : 0;
    }
    const fe_ahead nowhere = {(const char *)x, 0};
    real *const end = unused + 2 * FE_SHORT;
    const ROW(leaf) leaf = {x, t, c, rows->n, 0, {nowhere, nowhere}, unused, end},
                    nothing = {x, t, c, 0, 0, {nowhere, nowhere}, unused, end};
    ROW(bounds) bounds = ROW(new_bounds)(&leaf);
    double lanes[FE_PARTS][FE_LANES] = {{0}};
    fe_state one;
    for (int part = 0; part < FE_PARTS; part++) one.part[part] = lanes[part];
    lanes[FE_LARGEST][0] = lanes[FE_RUNNER_UP][0] = -__builtin_inf();
    if (RANKED) lanes[FE_TARGET][0] = state->part[FE_TARGET][r + i];
    const int invalid = (int)ROW(add_leaf)(&leaf, &nothing, &bounds, unit, &one, 0);
    status |= (unsigned)invalid;
    const double k_i = state->part[FE_LARGEST][r + i] * unit->inverse;
    if (!invalid && __builtin_fabs(k_i) < LOGITS_FAR) continue;
    for (int part = 0; part < FE_SCORE_PARTS; part++)
      if (RANKED || part < FE_TARGET) state->part[part][r + i] = lanes[part][0];
  }
  return status;
}

static unsigned ROW(short_rows)(const fe_block *block, const fe_params *params,
                                const logits_unit *unit, const fe_state *state) {
  const size_t n = block->columns, rows = block->rows;
  const size_t last = OPERANDS - 1, before = TARGETS ? last - 1 : 0;
  const real *x = block->operand[last], *t = block->operand[before];
  const int turned = block->step[last] == 0;
  const size_t batch = turned ? FE_LANES * (n < SHORT_COLUMNS ? SHORT_COLUMNS / n : 1) : FE_LANES;
  const size_t distance = batch * n * sizeof(real) + 2048;
  unsigned status = 0;
  (void)params;
  for (size_t r = 0; r < rows; r += batch) {
    real a[SHORT_BUFFER] __attribute__((aligned(64))), b[SHORT_BUFFER] __attribute__((aligned(64)));
    const size_t count = rows - r < batch ? rows - r : batch;
    for (size_t i = 0; turned && i < count; i += FE_LANES) {
      const size_t left = count - i < FE_LANES ? count - i : FE_LANES, at = (r + i) * n;
      const int overrun = (rows - r - i - left) * n >= FE_CHUNK - 1; /* entries behind these */
      COLUMNS(x + at, left, n, overrun, a + i * n);
      if (TARGETS) COLUMNS(t + at, left, n, overrun, b + i * n);
#if OPERANDS == 3
      real weights[SHORT_BUFFER] __attribute__((aligned(64)));
      COLUMNS((const real *)block->operand[0] + at, left, n, overrun, weights);
      for (size_t j = 0; j < n * FE_LANES; j++) b[i * n + j] *= weights[j];
#endif
    }
    for (size_t i = 0; i < count; i += FE_LANES) {
      const size_t left = count - i < FE_LANES ? count - i : FE_LANES;
      real *const kept = KEPT ? (real *)block->kept + (r + i) * n * KEPT : NULL;
      ROW(lanes)
      lanes = {a + i * n, b + i * n, FE_LANES, FE_LANES, n, left, kept, NULL, NULL, 0, 0};
      if (turned) {
        const size_t at = (r + i) * n;
        const fe_ahead on_x = fe_ahead_of(&block->ahead[last], x + at, at, distance, sizeof(real));
        const fe_ahead on_t =
            fe_ahead_of(&block->ahead[before], t + at, at, distance, sizeof(real));
        lanes.next_x = on_x.next, lanes.next_x_step = FE_LANES * (size_t)on_x.size;
        lanes.next_t = on_t.next, lanes.next_t_step = FE_LANES * (size_t)on_t.size;
      } else {
        const size_t x_step = block->step[last], t_step = block->step[before];
        lanes.next_x = (const char *)(x + r + 4 * FE_LANES);
        lanes.next_t = (const char *)(t + r + 4 * FE_LANES);
        lanes.next_x_step = x_step * sizeof(real), lanes.next_t_step = t_step * sizeof(real);
        if (left == FE_LANES) {
          lanes.x = x + r, lanes.x_step = x_step;
          lanes.t = t + r, lanes.t_step = t_step;
        } else { /* padded with ones */
          for (size_t j = 0; j < n * FE_LANES; j++) {
            const size_t column = j / FE_LANES, lane = j % FE_LANES;
            a[j] = lane < left ? x[column * x_step + r + lane] : 1;
            if (TARGETS) b[j] = lane < left ? t[column * t_step + r + lane] : 1;
          }
        }
      }
      if (RANKED) ROW(read_labels)(block, r + i, left, 0, state);
      status |= ROW(sixteen)(&lanes, unit, state, r + i);
    }
  }
  return status;
}

#undef SHORT_COLUMNS
#undef SHORT_BUFFER

/* logits_spread.h - a result for each entry x_j of a row of logits, from its finished state; once a
 * dtype.
 *
 *     y_j = e^((x_j - s)/T) f - a t_j,   f = FE_HIGH + FE_LOW,  s = k T log 2,  k = FE_COUNT
 *
 * with a = FE_DISTANCE_HIGH, t_j of operand 0. The exponentials were kept when they were summed, in
 * units of 2^-LOGITS_HEAD; in groups of 16, each followed by the 16 tails if they are pairs:
 *
 *   short rows  sixteen at a time, a group for each entry j
 *   others      row after row, each followed by the k that the exponentials of each leaf are for,
 *               that of the first leaf last: f is then multiplied by 2^(k_leaf - k)
 *
 * They are made again, of the logits, where none are kept: in rows of too many entries, and where
 * floats are worked on as doubles; where the k of a leaf is so far below that of its row that
 * 2^(k_leaf - k) is no normal float; and where m is so large that there is no k.
 */

/* The softmax, rounded to the last digits; or, less exactly, what a gradient has of it: that alone,
 * or less a share of t_j, or less a share of t_j where x_j is above -inf. */
typedef enum {
  NAME(spread, exact),
  NAME(spread, factor),
  NAME(spread, less),
  NAME(spread, less_unmasked)
} NAME(spread, kind);

#define SPREAD_UNIT ((compute)(LOGITS_HEAD == 60 ? 0x1p-60 : 0x1p-500)) /* of exponentials */
#define SPREAD_LEAST (-60.0)                                            /* of k_leaf - k */

/* Some entries of a row. */
typedef struct {
  const real *x, *t, *kept;
  size_t n;
  compute high, low, share, unit; /* f, a, what exponentials are multiplied by beside f */
  compute largest;
  NAME(logits, shift) shift;
} NAME(spread, part);

/* Stores the first `left` of a group. */
INLINE void NAME(spread, put)(real *out, size_t left, GROUP y) {
  if (left >= FE_LANES) {
    STORE(out, y);
    return;
  }
  real last[FE_LANES];
  STORE(last, y);
  memcpy(out, last, left * sizeof(real));
}

/* Less the share of t_j. */
INLINE GROUP NAME(spread, less_share)(GROUP y, GROUP x, GROUP t, GROUP share,
                                      const NAME(spread, kind) kind) {
  if (kind < NAME(spread, less)) return y;
  const GROUP masked = G(set)((compute)-__builtin_inf());
  if (kind == NAME(spread, less_unmasked)) t = G(select)(G(equal)(x, masked), G(set)(0), t);
  return G(fnma)(t, share, y);
}

/* Exponentials times f, in two steps, of which neither leaves the range before the result does. */
INLINE GROUP NAME(spread, multiplied)(GROUP e, GROUP tail, GROUP high, GROUP low, GROUP unit,
                                      const NAME(spread, kind) kind) {
  GROUP y = G(mul)(e, high);
  if (kind == NAME(spread, exact)) y = G(fma)(e, high, G(fma)(e, low, G(mul)(tail, high)));
  return G(mul)(y, unit); /* subnormal here alone */
}

/* The same of a group that is kept. */
INLINE GROUP NAME(spread, of_kept)(const real *kept, GROUP high, GROUP low, GROUP unit,
                                   const NAME(spread, kind) kind) {
  const GROUP e = LOAD(kept), tail = kind == NAME(spread, exact) ? LOAD(kept + FE_LANES) : e;
  return NAME(spread, multiplied)(e, tail, high, low, unit, kind);
}

/* From what is kept. */
INLINE void NAME(spread, from_kept)(const NAME(spread, part) * of, const NAME(spread, kind) kind,
                                    real *out) {
  const GROUP high = G(set)(of->high), low = G(set)(of->low), unit = G(set)(of->unit);
  const GROUP share = G(set)(of->share);
  const size_t whole = of->n / FE_LANES * FE_LANES, left = of->n - whole;
  const int last = kind >= NAME(spread, less);
  const size_t each = kind == NAME(spread, exact) ? 2 : 1;
  for (size_t i = 0; i < whole; i += FE_LANES) {
    const GROUP x = last ? LOAD(of->x + i) : share, t = last ? LOAD(of->t + i) : share;
    const GROUP y = NAME(spread, of_kept)(of->kept + each * i, high, low, unit, kind);
    STORE(out + i, NAME(spread, less_share)(y, x, t, share, kind));
  }
  if (left == 0) return;
  const GROUP x = last ? LOAD_PARTIAL(of->x + whole, left, 0) : share;
  const GROUP t = last ? LOAD_PARTIAL(of->t + whole, left, 0) : share;
  const GROUP y = NAME(spread, of_kept)(of->kept + each * whole, high, low, unit, kind);
  NAME(spread, put)(out + whole, left, NAME(spread, less_share)(y, x, t, share, kind));
}

/* From exponentials that are made again. */
INLINE void NAME(spread, again_as)(const NAME(spread, part) * of, const int tempered, const int far,
                                   const NAME(spread, kind) kind, real *out) {
  const GROUP zero = G(set)(0), high = G(set)(of->high), low = G(set)(of->low);
  const GROUP unit = G(set)(SPREAD_UNIT);
  const GROUP magic = G(set)(of->shift.magic), lowest = G(set)(of->shift.lowest);
  const GROUP m = G(set)(of->largest), share = G(set)(of->share);
  const NAME(logits, use) use =
      kind == NAME(spread, exact) ? NAME(logits, exact) : NAME(logits, kept);
  for (size_t i = 0; i < of->n; i += FE_LANES) {
    const size_t left = of->n - i;
    const GROUP x = LOAD_UP_TO(of->x + i, left, 0);
    GROUP a = x, scale, tail, t = zero;
    if (far) a = G(select)(G(equal)(a, m), zero, G(sub)(a, m));
    const GROUP e = NAME(logits, exponential)(G(max)(lowest, a), magic, &of->shift, tempered, use,
                                              &scale, &tail);
    scale = G(select)(G(less)(a, lowest), zero, scale);
    const GROUP y =
        NAME(spread, multiplied)(G(mul)(e, scale), G(mul)(tail, scale), high, low, unit, kind);
    if (kind >= NAME(spread, less)) t = LOAD_UP_TO(of->t + i, left, 0);
    NAME(spread, put)(out + i, left, NAME(spread, less_share)(y, x, t, share, kind));
  }
}

INLINE void NAME(spread, again)(const NAME(spread, part) * of, int far,
                                const NAME(spread, kind) kind, real *out) {
  const int tempered = of->shift.rate < 1 || of->shift.rate > 1;
  if (far) NAME(spread, again_as)(of, 1, 1, kind, out);
  else if (tempered) NAME(spread, again_as)(of, 1, 0, kind, out);
  else NAME(spread, again_as)(of, 0, 0, kind, out);
}

/* ---- rows -------------------------------------------------------------------------------------
 */

/* Row r of a block, of which the last operand is logits; nothing kept. */
INLINE NAME(spread, part)
    NAME(spread, part_of)(const fe_block *block, const fe_state *state, size_t r,
                          const logits_unit *unit, const NAME(spread, kind) kind, int *far) {
  const int last = kind >= NAME(spread, less);
  const ptrdiff_t at = (ptrdiff_t)r;
  const char *x = (const char *)block->operand[last] + at * block->stride[last];
  const char *t = (const char *)block->operand[0] + at * block->stride[0];
  const double m = state->part[FE_LARGEST][r], inverse = state->part[FE_HIGH][r];
  *far = !(__builtin_fabs(m * unit->inverse) < LOGITS_FAR);
  NAME(spread, part) part;
  part.x = (const real *)(const void *)x;
  part.t = (const real *)(const void *)t;
  part.kept = NULL;
  part.n = block->columns;
  part.high = (compute)inverse;
  part.low = (compute)((inverse - (double)part.high) + state->part[FE_LOW][r]);
  part.share = (compute)state->part[FE_DISTANCE_HIGH][r];
  part.unit = SPREAD_UNIT;
  part.largest = *far ? (compute)m : 0;
  part.shift = NAME(logits, shift_of)(0, state->part[FE_COUNT][r], unit);
  return part;
}

/* Row r, leaf by leaf. */
INLINE void NAME(spread, long_row)(const fe_block *block, const fe_state *state, size_t r,
                                   const logits_unit *unit, const NAME(spread, kind) kind,
                                   real *out) {
  int far;
  const NAME(spread, part) row = NAME(spread, part_of)(block, state, r, unit, kind, &far);
  if (!NAME(logits, keeps)(block) || far) {
    NAME(spread, again)(&row, far, kind, out);
    return;
  }
  const size_t each = kind == NAME(spread, exact) ? 2 : 1;
  const size_t room = FE_KEPT_ROW(block->row_length, each);
  const real *kept = (const real *)block->kept + r * room;
  const real *exponent = kept + room - 1 - block->column / LOGITS_LEAF;
  for (size_t i = 0; i < row.n; i += LOGITS_LEAF, exponent--) {
    NAME(spread, part) leaf = row;
    const double fall = (double)*exponent - state->part[FE_COUNT][r];
    leaf.x += i, leaf.t += i;
    leaf.n = row.n - i < LOGITS_LEAF ? row.n - i : LOGITS_LEAF;
    leaf.kept = kept + each * (block->column + i);
    if (fall >= SPREAD_LEAST) {
      leaf.unit = (compute)g64_power_of_two(g64_set(fall)).v[0][0] * leaf.unit;
      NAME(spread, from_kept)(&leaf, kind, out + i);
    } else {
      NAME(spread, again)(&leaf, 0, kind, out + i);
    }
  }
}

/* Sixteen short rows from r on, a lane each. */
INLINE void NAME(spread, sixteen)(const fe_block *block, const fe_state *state, size_t r,
                                  const logits_unit *unit, const NAME(spread, kind) kind, char *out,
                                  ptrdiff_t stride) {
  real y[FE_LANES * FE_SHORT] __attribute__((aligned(64)));
  real x[FE_LANES * (FE_SHORT + FE_CHUNK)], t[FE_LANES * (FE_SHORT + FE_CHUNK)];
  const size_t n = block->columns, rows = block->rows - r, left = rows < FE_LANES ? rows : FE_LANES;
  const int last = kind >= NAME(spread, less);
  const size_t each = kind == NAME(spread, exact) ? 2 : 1;
  const real *kept = (const real *)block->kept + each * r * n;
  if (last) {
    const int overrun = (rows - left) * n >= FE_CHUNK - 1; /* entries behind these */
    COLUMNS((const real *)block->operand[0] + r * n, left, n, overrun, t);
    COLUMNS((const real *)block->operand[1] + r * n, left, n, overrun, x);
  }
  const g64 inverse = g64_load(state->part[FE_HIGH] + r);
  const GROUP high = NAME(logits, narrow)(inverse);
  const g64 rest = g64_sub(inverse, WIDEN(high));
  const GROUP low = NAME(logits, narrow)(g64_add(rest, g64_load(state->part[FE_LOW] + r)));
  const GROUP share = NAME(logits, narrow)(g64_load(state->part[FE_DISTANCE_HIGH] + r));
  const GROUP step = G(set)(SPREAD_UNIT);
  for (size_t j = 0; j < n * FE_LANES; j += FE_LANES) {
    const GROUP e = NAME(spread, of_kept)(kept + each * j, high, low, step, kind);
    const GROUP logits = last ? LOAD(x + j) : e, target = last ? LOAD(t + j) : e;
    STORE(y + j, NAME(spread, less_share)(e, logits, target, share, kind));
  }
  const int any_far = m64_any(logits_far(g64_load(state->part[FE_LARGEST] + r), unit));
  for (size_t i = 0; any_far && i < left; i++) {
    int far;
    const NAME(spread, part) row = NAME(spread, part_of)(block, state, r + i, unit, kind, &far);
    if (!far) continue;
    real one[FE_SHORT];
    NAME(spread, again)(&row, far, kind, one);
    for (size_t j = 0; j < n; j++) y[j * FE_LANES + i] = one[j];
  }
  ROWS(y, left, n, out + (ptrdiff_t)r * stride, stride);
}

/* The rows of a block. */
INLINE void NAME(spread, rows)(const fe_block *block, const fe_params *params,
                               const fe_state *state, const NAME(spread, kind) kind, void *out,
                               ptrdiff_t stride) {
  const logits_unit unit = logits_unit_of(params);
  if (NAME(logits, keeps)(block) && block->row_length <= FE_SHORT) {
    for (size_t r = 0; r < block->rows; r += FE_LANES)
      NAME(spread, sixteen)(block, state, r, &unit, kind, out, stride);
    return;
  }
  for (size_t r = 0; r < block->rows; r++)
    NAME(spread, long_row)(block, state, r, &unit, kind,
                           (real *)(void *)((char *)out + (ptrdiff_t)r * stride));
}

#undef SPREAD_UNIT
#undef SPREAD_LEAST

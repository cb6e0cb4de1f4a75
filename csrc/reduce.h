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
 *
 * A leaf is summed by the fast form. Only if the watch was touched is it read again to ask
 * `special`, and only then summed anew by the careful form: no branch a vector, and the decision
 * depends on nothing but the row itself.
 *
 * SHORTCUT, where defined, is tried first: it sums a leaf of a common kind, or returns 0.
 * Where WEIGHTED is defined the term is made here from `factor` (1: -p * factor; 0: factor), and
 * short rows are worked on many at a time.
 */

#define ROW(part) NAME(MEASURE, part)
#define SHORT_COLUMNS 32 /* turned at a time, if rows are shorter: 4 or 8 KiB, in L1 */

/* ---- careful: up to a leaf of one row ---------------------------------------------------------
 */

/* p / sum as a pair, exactly 1 where p is the sum; NULL stands for a sum of 1. */
INLINE pair64 ROW(scaled)(g64 p, const double *inverse) {
  if (inverse == NULL) return (pair64){p, g64_set(0)};
  const g64 x = g64_mul(p, g64_set(inverse[0])), sum = g64_set(inverse[1]);
  pair64 a;
  g64 residual;
  a.high = g64_div(x, sum);
  const g64 product = g64_two_product(a.high, sum, &residual);
  const g64 rest =
      g64_sub(g64_sub(g64_sub(x, product), residual), g64_mul(a.high, g64_set(inverse[2])));
  a.low = g64_mul(rest, g64_set(inverse[3]));
  return a;
}

#if OPERANDS == 2
/* p/P - q/Q. Where p and q are close, so are P and Q, and with e = p - q, E = P - Q, both exact,
 *     p/P - q/Q = (e P - p E) / (P Q)
 * keeps the digits that two quotients lose. */
INLINE g64 ROW(difference)(g64 p, g64 q, pair64 a, pair64 b, const double *inverse_p,
                           const double *inverse_q) {
  const g64 direct = g64_add(g64_sub(a.high, b.high), g64_sub(a.low, b.low));
  if (inverse_p == NULL || inverse_p[0] != inverse_q[0]) return direct;
  double rest;
  const double sums = fe_two_sum(inverse_p[1], -inverse_q[1], &rest);
  rest += inverse_p[2] - inverse_q[2];
  const g64 x = g64_mul(p, g64_set(inverse_p[0])), y = g64_mul(q, g64_set(inverse_p[0]));
  const g64 e = g64_sub(x, y);
  g64 low_1, low_2, low_3;
  const g64 high_1 = g64_two_product(e, g64_set(inverse_p[1]), &low_1);
  const g64 high_2 = g64_two_product(x, g64_set(sums), &low_2);
  low_1 = g64_add(low_1, g64_mul(e, g64_set(inverse_p[2])));
  const g64 high_3 = g64_two_product(x, g64_set(rest), &low_3);
  const g64 low = g64_sub(low_1, g64_add(low_2, low_3));
  const g64 product = g64_add(g64_sub(g64_sub(high_1, high_2), high_3), low);
  const g64 exact = g64_mul(product, g64_set(inverse_p[3] * inverse_q[3]));
  const g64 half = g64_set(0.5), two = g64_set(2);
  const m64 close = m64_and(g64_less(g64_mul(x, half), y), g64_less(y, g64_mul(x, two)));
  return g64_select(close, exact, direct);
}
#endif

static unsigned ROW(leaf_careful)(const real *p, const real *q, size_t count,
                                  const double *inverse_p, const double *inverse_q, double scale,
                                  const fe_params *params, double *high, double *low) {
  unsigned status = 0;
  sum64 sum = {g64_set(0), g64_set(0)};
  for (size_t i = 0; i < count; i += FE_LANES) {
    const g64 x = LOAD_WIDE_UP_TO(p + i, count - i, 0);
    const pair64 a = ROW(scaled)(x, inverse_p);
#if OPERANDS == 2
    const g64 y = LOAD_WIDE_UP_TO(q + i, count - i, 0);
    const pair64 b = ROW(scaled)(y, inverse_q);
    const g64 difference = ROW(difference)(x, y, a, b, inverse_p, inverse_q);
    const entry64 entry = {a, b, difference, g64_set(scale)};
#else
    (void)q, (void)inverse_q;
    const entry64 entry = {a, a, g64_set(0), g64_set(scale)};
#endif
    CAREFUL_NAME(MEASURE)(&sum, &entry, params, &status);
  }
  sum64_collect(&sum, high, low);
  return status;
}

/* A sum below the normal numbers has lost up to half their spacing at every term: it is made anew,
 * scaled, and rounded once. (Floats summed in double never come here.) */
static void ROW(scaled_sum)(const real *p, const real *q, size_t n, const fe_params *params,
                            double *high, double *low) {
  double sum = 0, rest = 0;
  for (size_t i = 0; i < n; i += FE_LEAF) {
    const size_t count = n - i < FE_LEAF ? n - i : FE_LEAF;
    ROW(leaf_careful)(p + i, q + i, count, NULL, NULL, FE_TINY_SCALE, params, &sum, &rest);
  }
  *high = (sum + rest) / FE_TINY_SCALE;
  *low = 0;
}

INLINE void ROW(tiny_sum)(const real *p, const real *q, size_t n, const fe_params *params,
                          double *high, double *low) {
  if (REAL == 64 && __builtin_fabs(*high) < FE_TINY_SUM && *high != 0)
    ROW(scaled_sum)(p, q, n, params, high, low);
}

#if FAST
#ifdef WEIGHTED
INLINE void ROW(term)(SUM *sum, GROUP p, GROUP q, const fe_params *params, const int variant) {
  const GROUP factor = ROW(factor)(p, q, params, variant);
  if (WEIGHTED) S(subtract_product)(sum, p, factor);
  else S(add)(sum, factor);
}
#endif

static int ROW(is_special)(const real *p, const real *q, size_t count, const fe_params *params) {
  for (size_t i = 0; i < count; i += FE_LANES) {
    const GROUP x = LOAD_UP_TO(p + i, count - i, 1);
    const GROUP y = OPERANDS == 1 ? x : LOAD_UP_TO(q + i, count - i, 1);
    if (M(any)(ROW(special)(x, y, params))) return 1;
  }
  return 0;
}

/* ---- fast: up to a leaf of one row ------------------------------------------------------------
 */

INLINE void ROW(leaf_fast)(const real *p, const real *q, size_t count, const fe_params *params,
                           const int variant, SUM *sum, WATCH *watch) {
  size_t i = 0;
  for (; i + FE_LANES <= count; i += FE_LANES) {
    fe_prefetch(p + i, FE_LANES * sizeof(real));
    if (OPERANDS == 2) fe_prefetch(q + i, FE_LANES * sizeof(real));
    const GROUP x = LOAD(p + i), y = OPERANDS == 1 ? x : LOAD(q + i);
    ROW(watch)(watch, x, y);
    ROW(term)(sum, x, y, params, variant);
  }
  if (i < count) { /* padded with ones: terms of 0 in every measure */
    const GROUP x = LOAD_PARTIAL(p + i, count - i, 1);
    const GROUP y = OPERANDS == 1 ? x : LOAD_PARTIAL(q + i, count - i, 1);
    ROW(watch)(watch, x, y);
    ROW(term)(sum, x, y, params, variant);
  }
}

static unsigned ROW(leaf)(const real *p, const real *q, size_t count, const fe_params *params,
                          double *high, double *low) {
#ifdef SHORTCUT
  if (SHORTCUT(p, q, count, params, high, low)) return 0;
#endif
  SUM sum = {G(set)(0), G(set)(0)};
  WATCH watch = W(new)();
  if (VARIANT(params, p, q, count)) ROW(leaf_fast)(p, q, count, params, 1, &sum, &watch);
  else ROW(leaf_fast)(p, q, count, params, 0, &sum, &watch);
  if (W(touched)(&watch, WATCH_LIMIT(params)) && ROW(is_special)(p, q, count, params))
    return ROW(leaf_careful)(p, q, count, NULL, NULL, 1, params, high, low);
  const sum64 wide = S(widen)(&sum);
  sum64_collect(&wide, high, low);
  return 0;
}

#ifndef SHORTCUT
/* ---- short rows: sixteen at a time, a lane each ------------------------------------------------
 *
 * A batch of rows is worked on in two steps, so that what is stored by the first is there for the
 * second: weighted measures are turned, then summed; of others the terms are made, turned and
 * added. What comes later in memory is fetched a line at a time beside the arithmetic: bursts of it
 * stall.
 */
#define SHORT_BUFFER (FE_LANES * (FE_SHORT + FE_CHUNK))

/* The sums of sixteen rows whose columns lie x_step and y_step entries apart. */
INLINE sum64 ROW(group)(const real *x, size_t x_step, const real *y, size_t y_step, size_t n,
                        const real *next_p, size_t next_p_step, const real *next_q,
                        size_t next_q_step, const fe_params *params, const int variant,
                        WATCH *watch) {
#if WEIGHTED
  sum64 sum = {g64_set(0), g64_set(0)};
#else
  SUM sum = {G(set)(0), G(set)(0)};
#endif
  for (size_t j = 0; j < n; j++) {
    fe_fetch(next_p + j * next_p_step, FE_LANES * sizeof(real));
    if (OPERANDS == 2) fe_fetch(next_q + j * next_q_step, FE_LANES * sizeof(real));
    const GROUP a = LOAD(x + j * x_step), b = OPERANDS == 1 ? a : LOAD(y + j * y_step);
    ROW(watch)(watch, a, b);
    const GROUP factor = ROW(factor)(a, b, params, variant);
#if WEIGHTED
    S(subtract_any)(&sum, LOAD_WIDE(x + j * x_step), factor);
#else
    S(add)(&sum, factor);
#endif
  }
#if WEIGHTED
  return sum;
#else
  return S(widen)(&sum);
#endif
}

#if WEIGHTED
INLINE m64 ROW(batch)(const real *p, const real *q, size_t rows, size_t n, int more, size_t ahead,
                      const fe_params *params, const int variant, WATCH *watch, double *high,
                      double *low) {
  real x[SHORT_BUFFER] __attribute__((aligned(64))), y[SHORT_BUFFER] __attribute__((aligned(64)));
  m64 tiny = g64_less(g64_set(0), g64_set(0));
  for (size_t r = 0; r < rows; r += FE_LANES) {
    const size_t left = rows - r < FE_LANES ? rows - r : FE_LANES;
    const int overrun = more || r + FE_LANES < rows;
    COLUMNS(p + r * n, left, n, overrun, x + r * n);
    if (OPERANDS == 2) COLUMNS(q + r * n, left, n, overrun, y + r * n);
  }
  for (size_t r = 0; r < rows; r += FE_LANES) {
    const real *next_p = p + ahead + r * n, *next_q = q + ahead + r * n;
    const sum64 sum = ROW(group)(x + r * n, FE_LANES, y + r * n, FE_LANES, n, next_p, FE_LANES,
                                 next_q, FE_LANES, params, variant, watch);
    g64_store(high + r, sum.sum);
    g64_store(low + r, sum.residual);
    tiny = m64_or(tiny, sum64_tiny(&sum));
  }
  return tiny;
}
#else
INLINE m64 ROW(batch)(const real *p, const real *q, size_t rows, size_t n, int more, size_t ahead,
                      const fe_params *params, const int variant, WATCH *watch, double *high,
                      double *low) {
  compute terms[SHORT_BUFFER] __attribute__((aligned(64))),
      x[SHORT_BUFFER] __attribute__((aligned(64)));
  m64 tiny = g64_less(g64_set(0), g64_set(0));
  (void)more;
  for (size_t i = 0; i < rows * n; i += FE_LANES) {
    fe_fetch(p + ahead + i, FE_LANES * sizeof(real));
    if (OPERANDS == 2) fe_fetch(q + ahead + i, FE_LANES * sizeof(real));
    const GROUP a = LOAD_UP_TO(p + i, rows * n - i, 1);
    const GROUP b = OPERANDS == 1 ? a : LOAD_UP_TO(q + i, rows * n - i, 1);
    ROW(watch)(watch, a, b);
    G(store)(terms + i, ROW(factor)(a, b, params, variant));
  }
  for (size_t r = 0; r < rows; r += FE_LANES) {
    SUM sum = {G(set)(0), G(set)(0)};
    COLUMNS_COMPUTE(terms + r * n, rows - r < FE_LANES ? rows - r : FE_LANES, n, 1, x);
    for (size_t j = 0; j < n; j++) S(add)(&sum, G(load)(x + FE_LANES * j));
    const sum64 wide = S(widen)(&sum);
    g64_store(high + r, wide.sum);
    g64_store(low + r, wide.residual);
    tiny = m64_or(tiny, sum64_tiny(&wide));
  }
  return tiny;
}
#endif

/* Some rows of a group are special, or their sums tiny: those anew by the careful form. */
static unsigned ROW(short_again)(const real *p, const real *q, size_t rows, size_t n,
                                 const fe_params *params, double *high, double *low) {
  unsigned status = 0;
  for (size_t r = 0; r < rows; r++, p += n, q += n) {
    if (ROW(is_special)(p, q, n, params)) {
      high[r] = low[r] = 0;
      status |= ROW(leaf_careful)(p, q, n, NULL, NULL, 1, params, high + r, low + r);
    }
    ROW(tiny_sum)(p, q, n, params, high + r, low + r);
  }
  return status;
}

static unsigned ROW(short_rows)(const real *p, const real *q, size_t rows, size_t n,
                                const fe_params *params, double *high, double *low) {
  const size_t batch = FE_LANES * (n < SHORT_COLUMNS ? SHORT_COLUMNS / n : 1);
  const size_t ahead = batch * n + 2048 / sizeof(real); /* the next batch, and 2 KiB of another */
  const int variant = VARIANT(params, p, q, n);
  unsigned status = 0;
  for (size_t r = 0; r < rows; r += batch, p += batch * n, q += batch * n) {
    const size_t count = rows - r < batch ? rows - r : batch;
    const int more = count < rows - r;
    WATCH watch = W(new)();
    m64 tiny;
    if (variant)
      tiny = ROW(batch)(p, q, count, n, more, ahead, params, 1, &watch, high + r, low + r);
    else tiny = ROW(batch)(p, q, count, n, more, ahead, params, 0, &watch, high + r, low + r);
    if (W(touched)(&watch, WATCH_LIMIT(params)) || (REAL == 64 && m64_any(tiny)))
      status |= ROW(short_again)(p, q, count, n, params, high + r, low + r);
  }
  return status;
}

/* Entry j of rows r .. r + 16 for the careful forms, from rows that are neighbours in memory. */
INLINE const real *ROW(one_row)(const real *p, size_t step, size_t n, real *row) {
  for (size_t j = 0; j < n; j++) row[j] = p[j * step];
  return row;
}

/* Rows that are neighbours in memory: nothing needs turning. Four groups ahead is fetched. */
static unsigned ROW(short_columns)(const real *p, size_t p_step, const real *q, size_t q_step,
                                   size_t rows, size_t n, const fe_params *params, double *high,
                                   double *low) {
  const int variant = VARIANT(params, p, q, n);
  unsigned status = 0;
  for (size_t r = 0; r < rows; r += FE_LANES, p += FE_LANES, q += FE_LANES) {
    real x[SHORT_BUFFER], y[SHORT_BUFFER];
    const real *a = p, *b = q, *next_p = p + 4 * FE_LANES, *next_q = q + 4 * FE_LANES;
    size_t a_step = p_step, b_step = q_step;
    const size_t left = rows - r < FE_LANES ? rows - r : FE_LANES;
    if (left < FE_LANES) { /* padded with ones */
      for (size_t j = 0; j < n; j++)
        for (size_t i = 0; i < FE_LANES; i++) {
          x[FE_LANES * j + i] = i < left ? p[j * p_step + i] : 1;
          y[FE_LANES * j + i] = i < left ? q[j * q_step + i] : 1;
        }
      a = x, b = y, a_step = b_step = FE_LANES;
    }
    WATCH watch = W(new)();
    sum64 sum;
    if (variant)
      sum = ROW(group)(a, a_step, b, b_step, n, next_p, p_step, next_q, q_step, params, 1, &watch);
    else
      sum = ROW(group)(a, a_step, b, b_step, n, next_p, p_step, next_q, q_step, params, 0, &watch);
    g64_store(high + r, sum.sum);
    g64_store(low + r, sum.residual);
    if (!W(touched)(&watch, WATCH_LIMIT(params)) && !(REAL == 64 && m64_any(sum64_tiny(&sum))))
      continue;
    for (size_t i = 0; i < left; i++) {
      const real *row = ROW(one_row)(p + i, p_step, n, x);
      const real *other = OPERANDS == 1 ? row : ROW(one_row)(q + i, q_step, n, y);
      status |= ROW(short_again)(row, other, 1, n, params, high + r + i, low + r + i);
    }
  }
  return status;
}
#undef SHORT_BUFFER
#endif
#endif

enum {
  ROW(takes_columns) = FAST
#ifdef SHORTCUT
                       && 0
#endif
};

/* ---- the row function ------------------------------------------------------------------------ */

static unsigned ROW(accumulate)(const fe_block *block, const fe_params *params, double *high,
                                double *low) {
  const size_t n = block->columns;
  const int normalize = block->inverse[0] != NULL;
  unsigned status = 0;
  if (n == 0) return status;
#if FAST && !defined(SHORTCUT)
  if (block->step[0] != 0)
    return ROW(short_columns)(block->operand[0], block->step[0], block->operand[OPERANDS - 1],
                              block->step[OPERANDS - 1], block->rows, n, params, high, low);
  if (block->row_length <= FE_SHORT && !normalize)
    return ROW(short_rows)(block->operand[0], block->operand[OPERANDS - 1], block->rows, n, params,
                           high, low);
#endif
  for (size_t r = 0; r < block->rows; r++) {
    const ptrdiff_t row = (ptrdiff_t)r;
    const real *p = (const void *)((const char *)block->operand[0] + row * block->stride[0]);
    const real *q = OPERANDS == 1
                        ? p
                        : (const void *)((const char *)block->operand[1] + row * block->stride[1]);
    const double *inverse_p = normalize ? block->inverse[0] + FE_INVERSE * r : NULL;
    const double *inverse_q =
        normalize && OPERANDS == 2 ? block->inverse[1] + FE_INVERSE * r : inverse_p;
    for (size_t i = 0; i < n; i += FE_LEAF) {
      const size_t count = n - i < FE_LEAF ? n - i : FE_LEAF;
#if FAST
      if (!normalize) {
        status |= ROW(leaf)(p + i, q + i, count, params, high + r, low + r);
        continue;
      }
#endif
      status |= ROW(leaf_careful)(p + i, q + i, count, inverse_p, inverse_q, 1, params, high + r,
                                  low + r);
    }
    if (!normalize) ROW(tiny_sum)(p, q, n, params, high + r, low + r);
  }
  return status;
}

#undef ROW
#undef SHORT_COLUMNS
#undef MEASURE
#undef OPERANDS
#undef FAST
#undef WEIGHTED
#undef VARIANT
#undef SHORTCUT
#undef WATCH_LIMIT

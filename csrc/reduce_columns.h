/* reduce_columns.h - part of reduce.h: rows that are neighbours in memory, their entries apart.
 *
 * A lane holds a row: nothing is turned, and nothing added across lanes. Long rows keep the order
 * of long rows, so each has sixteen sums, for its columns mod 16. Strips of four groups of rows
 * share the walk from column to column, their sums in the first cache; a panel of strips shares
 * stretches of columns that fit the second cache, so that memory is read in long pieces.
 */
#define STRIP 4                                 /* groups */
#define PANEL 16                                /* groups */
#define STRETCH ((size_t)(1024 / sizeof(real))) /* columns: 256 KiB an operand */
#define STRIDES_AHEAD (16 / OPERANDS)           /* columns that are fetched ahead */

/* ---- short rows: four groups ahead is fetched ------------------------------------------------ */

static unsigned ROW(short_columns)(const fe_block *block, const fe_params *params, double *high,
                                   double *low) {
  const real *p = block->operand[0], *q = block->operand[OPERANDS - 1];
  const size_t p_step = block->step[0], q_step = block->step[OPERANDS - 1];
  const size_t rows = block->rows, n = block->columns;
  const int variant = VARIANT(params, p, q, n);
  unsigned status = 0;
  for (size_t r = 0; r < rows; r += FE_LANES, p += FE_LANES, q += FE_LANES) {
    real x[SHORT_BUFFER], y[SHORT_BUFFER];
    const real *a = p, *b = q;
    const char *next_p = (const char *)(p + 4 * FE_LANES);
    const char *next_q = (const char *)(q + 4 * FE_LANES);
    const size_t next_p_step = p_step * sizeof(real), next_q_step = q_step * sizeof(real);
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
      sum = ROW(group)(a, a_step, b, b_step, n, next_p, next_p_step, next_q, next_q_step, params, 1,
                       &watch);
    else
      sum = ROW(group)(a, a_step, b, b_step, n, next_p, next_p_step, next_q, next_q_step, params, 0,
                       &watch);
    g64_store(high + r, sum.sum);
    g64_store(low + r, sum.residual);
    const double least = ROW(short_least)(n);
    const int small = least > 0 && m64_any(sum64_small(&sum, least, SMALL_TERMS));
    if (!small && !W(touched)(&watch, WATCH_LIMIT(params))) continue;
    for (size_t i = 0; i < left; i++) {
      const real *row = ROW(one_row)(p + i, p_step, n, x);
      const real *other = OPERANDS == 1 ? row : ROW(one_row)(q + i, q_step, n, y);
      status |= ROW(short_again)(row, other, 1, n, params, high + r + i, low + r + i);
    }
  }
  return status;
}

/* ---- long rows ------------------------------------------------------------------------------- */

/* Some columns of some groups of neighbouring rows: sums[g][l] is lane l of the rows of group g. */
INLINE void ROW(strip_fast)(const real *p, size_t p_step, const real *q, size_t q_step,
                            size_t count, const fe_params *params, const int variant,
                            const size_t groups, SUM (*sums)[FE_LANES], WATCH *watch) {
  WATCH seen = *watch;
  for (size_t j = 0; j < count; j++, p += p_step, q += q_step) {
    const size_t lane = j % FE_LANES;
    for (size_t g = 0; g < groups; g++) {
      fe_fetch(p + STRIDES_AHEAD * p_step + g * FE_LANES, FE_LANES * sizeof(real));
      if (OPERANDS == 2)
        fe_fetch(q + STRIDES_AHEAD * q_step + g * FE_LANES, FE_LANES * sizeof(real));
      const GROUP x = LOAD(p + g * FE_LANES), y = OPERANDS == 1 ? x : LOAD(q + g * FE_LANES);
      ROW(watch)(&seen, x, y);
      ROW(term)(&sums[g][lane], x, y, params, variant);
    }
  }
  *watch = seen;
}

static void ROW(strip)(const real *p, size_t p_step, const real *q, size_t q_step, size_t count,
                       const fe_params *params, size_t groups, SUM (*sums)[FE_LANES],
                       WATCH *watch) {
  const int variant = VARIANT(params, p, q, count);
#define STRIP_OF(variant, groups) \
  ROW(strip_fast)(p, p_step, q, q_step, count, params, variant, groups, sums, watch)
  if (groups == STRIP && variant) STRIP_OF(1, STRIP);
  else if (groups == STRIP) STRIP_OF(0, STRIP);
  else if (variant) STRIP_OF(1, 1);
  else STRIP_OF(0, 1);
#undef STRIP_OF
}

/* One leaf of one row, whose entries lie apart. */
static unsigned ROW(leaf_apart)(const real *p, size_t p_step, const real *q, size_t q_step,
                                size_t count, const fe_params *params, double *high, double *low) {
  real x[FE_LEAF], y[FE_LEAF];
  const real *row = ROW(one_row)(p, p_step, count, x);
  const real *other = OPERANDS == 1 ? row : ROW(one_row)(q, q_step, count, y);
  const fe_ahead ahead[2] = {{(const char *)row, 0}, {(const char *)other, 0}};
  return ROW(leaf)(row, other, count, ahead, params, high, low);
}

/* Adds the sums of a leaf of one group of rows, from row `first` on, to high and low. Rows of
 * entries that the fast form gets wrong are made anew. */
static unsigned ROW(collect_group)(const real *p, size_t p_step, const real *q, size_t q_step,
                                   size_t count, const fe_params *params, const SUM *sums,
                                   int touched, size_t first, double *high, double *low) {
  GROUP any = G(set)(0);
  compute special[FE_LANES];
  double lanes[2][FE_LANES][FE_LANES], row[2][FE_LANES];
  unsigned status = 0;
  for (size_t j = 0; j < count && touched; j++) {
    const GROUP x = LOAD(p + j * p_step), y = OPERANDS == 1 ? x : LOAD(q + j * q_step);
    any = G(select)(ROW(special)(x, y, params), G(set)(1), any);
  }
  G(store)(special, any);
  for (size_t l = 0; l < FE_LANES; l++) {
    const sum64 wide = S(widen)(&sums[l]);
    g64_store(lanes[0][l], wide.sum);
    g64_store(lanes[1][l], wide.residual);
  }
  for (size_t r = first; r < FE_LANES; r++) {
    if (special[r] != 0) {
      status |= ROW(leaf_apart)(p + r, p_step, q + r, q_step, count, params, high + r, low + r);
      continue;
    }
    for (size_t l = 0; l < FE_LANES; l++) row[0][l] = lanes[0][l][r], row[1][l] = lanes[1][l][r];
    const sum64 sum = {g64_load(row[0]), g64_load(row[1])};
    sum64_collect(&sum, high + r, low + r);
  }
  return status;
}

/* A leaf of a panel: 16 to 256 rows. The last group may overlap the one before. */
static unsigned ROW(panel_leaf)(const real *p, size_t p_step, const real *q, size_t q_step,
                                size_t rows, size_t count, const fe_params *params, double *high,
                                double *low) {
  SUM sums[PANEL][FE_LANES];
  WATCH watches[PANEL];
  const size_t groups = (rows + FE_LANES - 1) / FE_LANES, whole = rows / FE_LANES;
  unsigned status = 0;
  memset(sums, 0, groups * sizeof sums[0]);
  for (size_t g = 0; g < groups; g++) watches[g] = W(new)();
  /* columns in pages of their own are not read in pieces */
  const size_t stretch = p_step * sizeof(real) < 4096 ? STRETCH : FE_LEAF;
  for (size_t j = 0; j < count; j += stretch)
    for (size_t g = 0, part; g < groups; g += part) {
      part = g + STRIP <= whole ? STRIP : 1;
      const size_t r = g < whole ? g * FE_LANES : rows - FE_LANES;
      ROW(strip)(p + j * p_step + r, p_step, q + j * q_step + r, q_step,
                 count - j < stretch ? count - j : stretch, params, part, sums + g, watches + g);
    }
  int touched = 0;
  for (size_t g = 0; g < groups; g++) touched |= W(touched)(&watches[g], WATCH_LIMIT(params));
  for (size_t g = 0; g < groups; g++) {
    const size_t r = g < whole ? g * FE_LANES : rows - FE_LANES;
    status |= ROW(collect_group)(p + r, p_step, q + r, q_step, count, params, sums[g], touched,
                                 g * FE_LANES - r, high + r, low + r);
  }
  return status;
}

static unsigned ROW(long_columns)(const fe_block *block, const fe_params *params, double *high,
                                  double *low) {
  const real *p = block->operand[0], *q = block->operand[OPERANDS - 1];
  const size_t p_step = block->step[0], q_step = block->step[OPERANDS - 1];
  const size_t n = block->columns;
  unsigned status = 0;
  for (size_t r = 0, rows; r < block->rows; r += rows) {
    rows = block->rows - r < PANEL * FE_LANES ? block->rows - r : PANEL * FE_LANES;
    for (size_t i = 0; i < n; i += FE_LEAF) {
      const size_t count = n - i < FE_LEAF ? n - i : FE_LEAF;
      const real *a = p + r + i * p_step, *b = q + r + i * q_step;
      if (rows >= FE_LANES) {
        status |= ROW(panel_leaf)(a, p_step, b, q_step, rows, count, params, high + r, low + r);
        continue;
      }
      for (size_t k = 0; k < rows; k++)
        status |=
            ROW(leaf_apart)(a + k, p_step, b + k, q_step, count, params, high + r + k, low + r + k);
    }
  }
  for (size_t r = 0; r < block->rows; r++)
    ROW(tiny_sum)(p + r, p_step, q + r, q_step, n, params, high + r, low + r);
  return status;
}

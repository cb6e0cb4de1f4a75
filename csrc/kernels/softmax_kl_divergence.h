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
 * Accumulation: leaf by leaf around the mean so far, or d of the largest a; divergence_state.h says
 *   how leaves are joined. A leaf whose mean is so far away that two bits would be lost is done
 *   again around its own. Everything is in doubles, which is what float32 needs here as well.
 */

#define DIVERGENCE_LEAF 1024 /* entries: at most 16 KiB of both rows */
#define DIVERGENCE_CHAIN 16  /* groups that are summed before they go to the sum of the leaf */
/* A sum of curves may be this many times what is left of it about its mean: floats have digits to
 * spare. */
#define DIVERGENCE_WORSE (REAL == 32 ? 0x1p20 : 4)

#include "../divergence_terms.h"

/* ---- a leaf of a long row, or a row by itself -------------------------------------------------
 */

INLINE divergence_sums NAME(divergence, terms)(const real *a, const real *b, size_t n,
                                               const divergence_origin *from,
                                               const divergence_unit *unit, const int tempered) {
  const real none = -(real)__builtin_inf();
  divergence_sums sums = divergence_no_sums();
  for (size_t i = 0; i < n;) {
    const size_t chain = DIVERGENCE_CHAIN * FE_LANES, end = n - i < chain ? n : i + chain;
    divergence_sums part = divergence_no_sums();
    for (; i < end; i += FE_LANES) {
      const g64 x = LOAD_WIDE_UP_TO(a + i, n - i, none), y = LOAD_WIDE_UP_TO(b + i, n - i, none);
      divergence_term(&part, x, y, from, unit, tempered, REAL == 32);
    }
    divergence_add(&sums, &part);
  }
  return sums;
}

/* b - a; of floats as divergence_term has it. */
INLINE pair64 NAME(divergence, distance)(g64 a, g64 b) {
  const g64 zero = g64_set(0);
  if (REAL == 32) return (pair64){g64_sub(b, a), zero};
  return divergence_difference((pair64){b, zero}, (pair64){a, zero});
}

/* The sums of all lanes, in each. */
INLINE g64 NAME(divergence, total)(g64 lanes) {
  const sum64 sum = {lanes, g64_set(0)};
  double high = 0, low = 0;
  sum64_collect(&sum, &high, &low);
  return g64_set(high + low);
}

OUTLINE divergence64 NAME(divergence, around)(const real *a, const real *b, size_t n, double level,
                                              pair64 centre, double largest, double largest_q,
                                              const divergence_unit *unit, double temperature,
                                              m64 *worse) {
  divergence_origin from = {g64_set(level), centre, g64_set(0)};
  from.exponent = divergence_exponent(g64_set(largest_q), &from, unit);
  divergence_sums sums = unit->tempered ? NAME(divergence, terms)(a, b, n, &from, unit, 1)
                                        : NAME(divergence, terms)(a, b, n, &from, unit, 0);
  sums.mass = NAME(divergence, total)(sums.mass);
  sums.moment = NAME(divergence, total)(sums.moment);
  sums.curve = NAME(divergence, total)(sums.curve);
  sums.far = NAME(divergence, total)(sums.far);
  return divergence_state(&sums, &from, g64_set(largest), temperature, DIVERGENCE_WORSE, worse);
}

/* The largest of some entries, and whether the smallest is -inf. */
OUTLINE double NAME(divergence, largest)(const real *x, size_t n, int *none) {
  const g64 infinity = g64_set(__builtin_inf()), minus = g64_sub(g64_set(0), infinity);
  g64 largest = minus, smallest = infinity;
  double lanes[FE_LANES];
  for (size_t i = 0; i < n; i += FE_LANES) {
    const g64 y = LOAD_WIDE_UP_TO(x + i, n - i, x[i]);
    largest = g64_max(y, largest); /* NaN is left out */
    smallest = g64_min(y, smallest);
  }
  *none = m64_any(g64_equal(smallest, minus));
  g64_store(lanes, largest);
  for (int i = 1; i < FE_LANES; i++) lanes[0] = lanes[i] > lanes[0] ? lanes[i] : lanes[0];
  return lanes[0];
}

/* Copies entries without those of +inf, which the state takes; returns whether p is certain. */
static int NAME(divergence, certain)(const real *a, const real *b, size_t n, real *to_a, real *to_b,
                                     const fe_state *state, size_t r) {
  const real infinity = (real)__builtin_inf();
  int certain = 0;
  for (size_t i = 0; i < n; i++) {
    to_a[i] = a[i], to_b[i] = b[i];
    if (b[i] == infinity) {
      state->part[FE_CERTAIN_Q][r]++;
      state->part[FE_AT_CERTAIN][r] += a[i] == infinity ? 2 : a[i] > -infinity;
      to_a[i] = to_b[i] = -infinity;
    }
    if (a[i] == infinity) state->part[FE_CERTAIN_P][r]++, certain |= b[i] < infinity;
  }
  for (size_t i = 0; certain && i < n; i++) to_a[i] = to_a[i] == infinity ? 0 : -infinity;
  return certain;
}

/* Adds a leaf to the state of row r. */
static void NAME(divergence, leaf)(const real *a, const real *b, size_t n,
                                   const divergence_unit *unit, double temperature,
                                   const fe_state *state, size_t r) {
  const double infinity = __builtin_inf();
  int none, lost;
  double m = NAME(divergence, largest)(a, n, &none), q = NAME(divergence, largest)(b, n, &lost);
  real copies[2][DIVERGENCE_LEAF];
  int certain = 0;
  if (m == infinity || q == infinity) {
    certain = NAME(divergence, certain)(a, b, n, copies[0], copies[1], state, r);
    a = copies[0], b = copies[1];
    m = NAME(divergence, largest)(a, n, &none), q = NAME(divergence, largest)(b, n, &lost);
  }
  const double level = m == -infinity ? 0 : m;
  pair64 centre = {g64_set(state->part[FE_CENTRE_HIGH][r]), g64_set(state->part[FE_CENTRE_LOW][r])};
  if (certain || !(state->part[FE_MASS][r] > 0)) {
    size_t place = 0;
    while (place < n && !((double)a[place] == m)) place++;
    const int found = place < n && m > -infinity && (double)b[place] > -infinity;
    const double to = found ? (double)b[place] : q, by = found ? (double)a[place] : 0;
    centre = NAME(divergence, distance)(g64_set(by), g64_set(to > -infinity ? to : 0));
  }
  for (size_t i = 0; lost && i < n; i++) {
    const double given = certain && a[i] == 0 ? infinity : (double)a[i];
    if ((double)b[i] == -infinity && given > state->part[FE_LOST][r])
      state->part[FE_LOST][r] = given;
  }
  const double largest = certain ? infinity : m;
  m64 worse;
  divergence64 more =
      NAME(divergence, around)(a, b, n, level, centre, largest, q, unit, temperature, &worse);
  if (m64_any(worse)) {
    centre = more.centre;
    more = NAME(divergence, around)(a, b, n, level, centre, largest, q, unit, temperature, &worse);
  }
  double lanes[FE_SCORE_PARTS][FE_LANES];
  fe_state one;
  for (int k = 0; k < FE_TARGET; k++) {
    one.part[k] = lanes[k];
    for (int i = 0; i < FE_LANES; i++) lanes[k][i] = state->part[k][r];
  }
  const divergence64 joined = divergence64_join(divergence64_load(&one, 0), more, unit);
  divergence64_store(&joined, &one, 0);
  for (int k = 0; k < FE_TARGET; k++)
    if (k != FE_AT_CERTAIN && k != FE_CERTAIN_P) state->part[k][r] = lanes[k][0];
  if (q > state->part[FE_LARGEST_Q][r]) state->part[FE_LARGEST_Q][r] = q;
}

/* ---- short rows, sixteen at a time, a lane each -----------------------------------------------
 */

typedef struct {
  divergence64 state;
  g64 largest_q;
  m64 apart; /* rows that have to be done by themselves */
} NAME(divergence, lanes);

INLINE divergence_sums NAME(divergence, lane_terms)(const real *a, const real *b, size_t n,
                                                    const divergence_origin *from,
                                                    const divergence_unit *unit,
                                                    const int tempered) {
  divergence_sums sums = divergence_no_sums();
  for (size_t j = 0; j < n;) {
    const size_t end = n - j < DIVERGENCE_CHAIN ? n : j + DIVERGENCE_CHAIN;
    divergence_sums part = divergence_no_sums();
    for (; j < end; j++)
      divergence_term(&part, LOAD_WIDE(a + j * FE_LANES), LOAD_WIDE(b + j * FE_LANES), from, unit,
                      tempered, REAL == 32);
    divergence_add(&sums, &part);
  }
  return sums;
}

OUTLINE divergence64 NAME(divergence, lanes_around)(const real *a, const real *b, size_t n,
                                                    divergence_origin *from, g64 largest,
                                                    g64 largest_q, const divergence_unit *unit,
                                                    double temperature, m64 *worse) {
  from->exponent = divergence_exponent(largest_q, from, unit);
  const divergence_sums sums = unit->tempered
                                   ? NAME(divergence, lane_terms)(a, b, n, from, unit, 1)
                                   : NAME(divergence, lane_terms)(a, b, n, from, unit, 0);
  return divergence_state(&sums, from, largest, temperature, DIVERGENCE_WORSE, worse);
}

INLINE NAME(divergence, lanes)
    NAME(divergence, sixteen)(const real *a, const real *b, size_t n, const divergence_unit *unit,
                              double temperature) {
  const g64 infinity = g64_set(__builtin_inf()), minus = g64_sub(g64_set(0), infinity);
  g64 m = minus, q = minus, smallest = infinity;
  pair64 centre = {g64_set(0), g64_set(0)};
  for (size_t j = 0; j < n; j++) {
    const g64 x = LOAD_WIDE(a + j * FE_LANES), y = LOAD_WIDE(b + j * FE_LANES);
    const pair64 d = NAME(divergence, distance)(x, y);
    const m64 raised = g64_less(m, x);
    centre.high = g64_select(raised, d.high, centre.high);
    centre.low = g64_select(raised, d.low, centre.low);
    m = g64_max(x, m);
    q = g64_max(y, q);
    smallest = g64_min(g64_min(x, y), smallest);
  }
  NAME(divergence, lanes) rows = {.largest_q = q};
  rows.apart =
      m64_or(m64_or(g64_equal(m, infinity), g64_equal(q, infinity)), g64_equal(smallest, minus));
  divergence_origin from = {m, centre, g64_set(0)};
  m64 worse, still;
  rows.state = NAME(divergence, lanes_around)(a, b, n, &from, m, q, unit, temperature, &worse);
  if (m64_any(worse)) {
    from.centre = rows.state.centre;
    const divergence64 again =
        NAME(divergence, lanes_around)(a, b, n, &from, m, q, unit, temperature, &still);
    divergence64 *state = &rows.state;
    state->mass = g64_select(worse, again.mass, state->mass);
    state->centre.high = g64_select(worse, again.centre.high, state->centre.high);
    state->centre.low = g64_select(worse, again.centre.low, state->centre.low);
    state->curve.value = g64_select(worse, again.curve.value, state->curve.value);
    state->curve.exponent = g64_select(worse, again.curve.exponent, state->curve.exponent);
  }
  return rows;
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
    const NAME(divergence, lanes) rows = NAME(divergence, sixteen)(x, y, n, unit, temperature);
    double apart[FE_LANES];
    g64_store(apart, g64_select(rows.apart, g64_set(1), g64_set(0)));
    double lanes[FE_SCORE_PARTS + 1][FE_LANES];
    fe_state one;
    for (int k = 0; k < FE_SCORE_PARTS + 1; k++) one.part[k] = lanes[k];
    divergence64_store(&rows.state, &one, 0);
    g64_store(lanes[FE_LARGEST_Q], rows.largest_q);
    for (size_t i = 0; i < left; i++) {
      if (apart[i] != 0) {
        NAME(divergence, leaf)(a + (r + i) * n, b + (r + i) * n, n, unit, temperature, state,
                               r + i);
        continue;
      }
      for (int k = 0; k < FE_TARGET; k++)
        if (k != FE_AT_CERTAIN && k != FE_CERTAIN_P) state->part[k][r + i] = lanes[k][i];
      state->part[FE_LARGEST_Q][r + i] = lanes[FE_LARGEST_Q][i];
    }
  }
}

/* ---- the row functions ------------------------------------------------------------------------
 */

static unsigned NAME(softmax_kl_divergence, accumulate)(const fe_block *block,
                                                        const fe_params *params,
                                                        const fe_state *state) {
  const divergence_unit unit = divergence_unit_of(params);
  const size_t n = block->columns;
  if (n == 0 || block->rows == 0) return 0;
  if (block->row_length <= FE_SHORT) {
    NAME(divergence, short_rows)(block, &unit, params->temperature, state);
    return 0;
  }
  for (size_t r = 0; r < block->rows; r++)
    for (size_t i = 0; i < n; i += DIVERGENCE_LEAF) {
      const size_t left = n - i < DIVERGENCE_LEAF ? n - i : DIVERGENCE_LEAF;
      const char *a = (const char *)block->operand[0] + (ptrdiff_t)r * block->stride[0];
      const char *b = (const char *)block->operand[1] + (ptrdiff_t)r * block->stride[1];
      NAME(divergence, leaf)((const real *)(const void *)a + i, (const real *)(const void *)b + i,
                             left, &unit, params->temperature, state, r);
    }
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
#undef DIVERGENCE_WORSE

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
 *   how leaves are joined. A leaf whose mean is so far away that three bits would be lost is done
 *   again around its own. Everything is in doubles, which is what float32 needs here as well.
 */

#define DIVERGENCE_LEAF 1024 /* entries: at most 16 KiB of both rows */
#define DIVERGENCE_CHAIN 16  /* groups that are summed before they go to the sum of the leaf */
#define DIVERGENCE_NEAR 300  /* |w| and -t up to there: every product stays in range */
/* A sum of curves may be this many times what is left of it about its mean: floats have digits to
 * spare. */
#define DIVERGENCE_WORSE (REAL == 32 ? 0x1p20 : 4)

#if REAL == 64
#include "../divergence_state.h"

/* What entries are seen from. */
typedef struct {
  g64 level;
  pair64 centre;
  g64 exponent; /* of 2, that far terms are divided by */
} divergence_origin;

/* Sums of E, E w, E phi(w), and of what is too far for that. */
typedef struct {
  g64 mass, moment, curve, far;
} divergence_sums;

INLINE divergence_sums divergence_no_sums(void) {
  const g64 zero = g64_set(0);
  return (divergence_sums){zero, zero, zero, zero};
}

INLINE void divergence_add(divergence_sums *sums, const divergence_sums *more) {
  sums->mass = g64_add(sums->mass, more->mass);
  sums->moment = g64_add(sums->moment, more->moment);
  sums->curve = g64_add(sums->curve, more->curve);
  sums->far = g64_add(sums->far, more->far);
}

/* The terms of lanes where a or b is -inf or the exponentials are out of range. The sum of E e^w
 * takes the exponential of b itself; where w is small it is left to phi. What q has lost counts
 * for nothing here: divergence_of judges it. */
static void FE_JOIN(divergence, odd, f64,
                    FE_ISA)(g64 a, g64 b, pair64 t, g64 w, g64 phi, const divergence_origin *from,
                            const divergence_unit *unit, divergence_sums *term, m64 odd) {
  const g64 zero = g64_set(0), minus = g64_set(-__builtin_inf());
  const g64 limit = g64_set(DIVERGENCE_NEAR);
  const m64 masked = g64_equal(a, minus), gone = g64_equal(b, minus);
  const m64 nothing = m64_or(masked, gone);
  const g64 exponential =
      g64_exp_pair(g64_select(nothing, zero, t.high), g64_select(nothing, zero, t.low));
  const g64 e = g64_select(nothing, zero, exponential);
  const g64 w_high = g64_select(nothing, zero, w);
  const g64 width = g64_max(w_high, g64_sub(zero, w_high));
  const m64 out = m64_or(g64_less(limit, width), g64_less(t.high, g64_set(-700)));
  const m64 far = m64_and(m64_or(out, masked), m64_not(gone));
  const pair64 base = {from->level, zero};
  const pair64 other = {g64_select(gone, zero, b), zero};
  pair64 u = divergence_difference(divergence_difference(other, base), from->centre);
  u = divergence_rest(divergence_scaled(u, unit, 1), from->exponent);
  const g64 f = g64_select(far, g64_exp_pair(u.high, u.low), zero);
  const g64 less = g64_sub(zero, g64_fma(e, w_high, e));
  const g64 curve = g64_select(far, less, g64_mul(e, phi));
  const m64 number = m64_and(g64_equal(a, a), g64_equal(b, b));
  const g64 nan = g64_set(__builtin_nan(""));
  term->mass = g64_select(odd, e, term->mass);
  term->moment = g64_select(odd, g64_mul(e, w_high), term->moment);
  term->curve = g64_select(odd, g64_select(gone, zero, curve), term->curve);
  term->curve = g64_select(number, term->curve, nan);
  term->far = g64_select(odd, f, zero);
}

/* Adds the terms of sixteen entries. Of floats, differences are exact enough as they are. */
INLINE void divergence_term(divergence_sums *sums, g64 a, g64 b, const divergence_origin *from,
                            const divergence_unit *unit, const int tempered, const int floats) {
  const g64 zero = g64_set(0), one = g64_set(1), limit = g64_set(DIVERGENCE_NEAR);
  const g64 minus_limit = g64_set(-DIVERGENCE_NEAR);
  pair64 t = {g64_sub(a, from->level), zero}, w = {zero, zero};
  if (floats) {
    w.high = g64_sub(g64_sub(g64_sub(b, a), from->centre.high), from->centre.low);
  } else {
    g64 lost;
    t.high = g64_two_sum(a, g64_sub(zero, from->level), &t.low);
    const g64 d = g64_two_sum(b, g64_sub(zero, a), &w.low);
    w.high = g64_two_sum(d, g64_sub(zero, from->centre.high), &lost);
    w.low = g64_add(g64_sub(w.low, from->centre.low), lost);
  }
  t = divergence_scaled(t, unit, tempered);
  w = divergence_scaled(w, unit, tempered);
  const divergence_parts of_t = divergence_reduce(t), of_w = divergence_reduce(w);
  const g64 e = g64_mul(g64_add(one, g64_add(of_t.r, of_t.curved)), of_t.power);
  const g64 phi = divergence_phi(of_w.r, of_w.curved, of_w.n, of_w.power);
  const g64 width = floats && !tempered ? w.high : g64_add(w.high, w.low);
  divergence_sums term = {e, g64_mul(e, width), g64_mul(e, phi), zero};
  const m64 odd = m64_or(m64_or(g64_less(t.high, minus_limit), g64_less(width, minus_limit)),
                         m64_or(g64_less(limit, width), m64_not(g64_equal(width, width))));
  if (m64_any(odd))
    FE_JOIN(divergence, odd, f64, FE_ISA)(a, b, t, width, phi, from, unit, &term, odd);
  divergence_add(sums, &term);
}

/* The state that sums around an origin make, and in `*worse` where it should be made again around
 * its own mean. */
INLINE divergence64 divergence_state(const divergence_sums *sums, const divergence_origin *from,
                                     g64 largest, double temperature, double limit, m64 *worse) {
  const g64 zero = g64_set(0), one = g64_set(1), minus = g64_set(-1);
  const m64 massive = g64_less(zero, sums->mass);
  const g64 mean = g64_select(massive, g64_div(sums->moment, sums->mass), zero);
  const m64 near = m64_and(g64_less(mean, one), g64_less(minus, mean));
  const g64 inside = g64_select(near, mean, zero);
  const divergence_parts parts = divergence_reduce((pair64){inside, zero});
  const g64 phi = divergence_phi(parts.r, parts.curved, parts.n, parts.power);
  /* C about the mean: e^-mean (C - P phi(mean)), or e^-mean (C + P + P mean) - P */
  const g64 minus_phi = g64_sub(zero, g64_mul(sums->mass, phi));
  const g64 rest = g64_select(near, minus_phi, g64_add(sums->mass, sums->moment));
  /* of a far row, whose far terms may all have been lost beside one that is farther still */
  const m64 apart = g64_less(zero, from->exponent);
  const g64 far = g64_select(apart, g64_max(sums->far, g64_set(0x1p-1000)), sums->far);
  const wide64 curve = {sums->curve, zero}, rests = {rest, zero};
  const g64 before = g64_add(wide64_at(curve, from->exponent), far);
  const g64 value = g64_add(before, wide64_at(rests, from->exponent));
  const wide64 factor = wide64_exp((pair64){g64_sub(zero, mean), zero});
  const g64 exponent = g64_max(g64_add(factor.exponent, from->exponent), zero);
  const wide64 moved = {g64_mul(value, factor.value), g64_add(factor.exponent, from->exponent)};
  const wide64 old = {g64_mul(before, factor.value), moved.exponent};
  const wide64 plain = {g64_select(near, zero, sums->mass), zero};
  const g64 result = g64_sub(wide64_at(moved, exponent), wide64_at(plain, exponent));
  const g64 least = g64_mul(g64_set(limit), result);
  *worse = m64_and(massive, g64_less(least, wide64_at(old, exponent)));
  divergence64 row = {largest, sums->mass, from->centre, {result, exponent}};
  row.curve = wide64_normal((wide64){g64_max(zero, result), exponent});
  row.curve.value = g64_select(g64_equal(result, result), row.curve.value, result);
  g64 residual;
  const g64 offset = g64_two_product(mean, g64_set(temperature), &residual);
  row.centre.high = g64_two_sum(from->centre.high, offset, &row.centre.low);
  row.centre.low = g64_add(row.centre.low, g64_add(from->centre.low, residual));
  return row;
}

/* How far above the largest a, seen from the centre, the largest b is: its exponent, where that is
 * too much for a double. */
INLINE g64 divergence_exponent(g64 largest_q, const divergence_origin *from,
                               const divergence_unit *unit) {
  const g64 above = g64_sub(g64_sub(largest_q, from->level), from->centre.high);
  const g64 by = g64_mul(above, g64_set(unit->rate));
  const m64 far = g64_less(g64_set(DIVERGENCE_NEAR), by);
  return g64_select(far, divergence_binary(g64_select(far, by, g64_set(0))), g64_set(0));
}
#endif

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

INLINE divergence64 NAME(divergence, around)(const real *a, const real *b, size_t n, double level,
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
INLINE double NAME(divergence, largest)(const real *x, size_t n, int *none) {
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
    if (k != FE_AT_CERTAIN && k != FE_COUNT) state->part[k][r] = lanes[k][0];
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
  for (size_t j = 0; j < n; j++)
    divergence_term(&sums, LOAD_WIDE(a + j * FE_LANES), LOAD_WIDE(b + j * FE_LANES), from, unit,
                    tempered, REAL == 32);
  return sums;
}

INLINE divergence64 NAME(divergence, lanes_around)(const real *a, const real *b, size_t n,
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
        if (k != FE_AT_CERTAIN && k != FE_COUNT) state->part[k][r + i] = lanes[k][i];
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
#undef DIVERGENCE_NEAR
#undef DIVERGENCE_WORSE

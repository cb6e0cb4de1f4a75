/* divergence_doubles.h - part of softmax_kl_divergence.h: leaves and sixteen short rows in double
 * arithmetic, whatever is in them.
 *
 * Sums are about the mean so far, or d of the largest a. A leaf whose mean is so far away that two
 * bits would be lost is done again around its own.
 *
 * d of the largest a is where a leaf begins that comes first, or whose largest entry is nearly all
 * of the row so far: w of that entry is then 0. About any other origin, rounded, it would be 1e-36,
 * and its curve more than a divergence of 1e-83 that all other entries have together.
 */

#define DIVERGENCE_ABOVE 32 /* times T: e^-32 is all that comes before, of each entry */

/* A sum of curves may be this many times what is left of it about its mean: floats have digits to
 * spare. */
#define DIVERGENCE_WORSE (REAL == 32 ? 0x1p20 : 4)

/* ---- a leaf of a long row, or a row by itself -------------------------------------------------
 */

INLINE divergence_sums NAME(divergence, terms)(const NAME(divergence, operands) * of,
                                               const divergence_origin *from,
                                               const divergence_unit *unit, const int tempered) {
  const real none = -(real)__builtin_inf(), *a = of->a, *b = of->b;
  const size_t n = of->count;
  divergence_sums sums = divergence_no_sums();
  for (size_t i = 0; i < n;) {
    const size_t chain = DIVERGENCE_CHAIN * FE_LANES, end = n - i < chain ? n : i + chain;
    divergence_sums part = divergence_no_sums();
    for (; i < end; i += FE_LANES) {
      for (int k = 0; k < 2; k++)
        fe_fetch(of->ahead[k].next + (ptrdiff_t)i * of->ahead[k].size, FE_LANES * sizeof(real));
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

OUTLINE divergence64 NAME(divergence, around)(const NAME(divergence, operands) * of, double level,
                                              pair64 centre, double largest, double largest_q,
                                              const divergence_unit *unit, double temperature,
                                              m64 *worse) {
  divergence_origin from = {g64_set(level), centre, g64_set(0)};
  from.exponent = divergence_exponent(g64_set(largest_q), &from, unit);
  divergence_sums sums = unit->tempered ? NAME(divergence, terms)(of, &from, unit, 1)
                                        : NAME(divergence, terms)(of, &from, unit, 0);
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

/* The state of a leaf in doubles, with its largest b; what is certain or lost goes to row r. */
static divergence64 NAME(divergence, leaf_of_doubles)(const NAME(divergence, operands) * leaf,
                                                      const divergence_unit *unit,
                                                      double temperature, const fe_state *state,
                                                      size_t r, double *largest_q) {
  const double infinity = __builtin_inf();
  const real *a = leaf->a, *b = leaf->b;
  const size_t n = leaf->count;
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
  const int above = m - state->part[FE_LARGEST][r] > DIVERGENCE_ABOVE * temperature;
  if (certain || above || !(state->part[FE_MASS][r] > 0)) {
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
  const NAME(divergence, operands) used = {a, b, n, {leaf->ahead[0], leaf->ahead[1]}};
  const double largest = certain ? infinity : m;
  m64 worse;
  divergence64 found =
      NAME(divergence, around)(&used, level, centre, largest, q, unit, temperature, &worse);
  if (m64_any(worse)) {
    centre = found.centre;
    found = NAME(divergence, around)(&used, level, centre, largest, q, unit, temperature, &worse);
  }
  *largest_q = q;
  return found;
}

/* ---- short rows, sixteen at a time, a lane each -----------------------------------------------
 */

typedef struct {
  divergence64 state;
  g64 largest_q;
  m64 apart; /* rows that have to be done by themselves: nothing is known of them yet */
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
    rows.state = divergence64_select(worse, &again, &rows.state);
  }
  const divergence64 nothing = divergence64_none();
  rows.state = divergence64_select(rows.apart, &nothing, &rows.state);
  rows.largest_q = g64_select(rows.apart, minus, rows.largest_q);
  return rows;
}

#undef DIVERGENCE_WORSE

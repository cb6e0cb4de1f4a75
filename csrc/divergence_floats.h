/* divergence_floats.h - part of softmax_kl_divergence.h: rows of floats that are not far apart, in
 * float arithmetic. Twice over a leaf, or over sixteen short rows, while it is in the first cache:
 *
 *   1. E_j = e^((a_j - s)/T), of logits_exponential.h, kept; and the mean c of b - a under them
 *   2. w_j = (b_j - a_j)/T - c as a pair, and the sums of E w and E phi(w)
 *
 * The mean needs few digits: the sum of E w says what it misses, and divergence_state moves C.
 * phi(w) is r^2 times a polynomial for |w| <= log(2)/2, with its own relative error; beyond, of
 * w = n log 2 + r, as divergence_phi has it. In units of 2^-24, what E, phi, and the sums of eight
 * terms may be wrong by is about 3, 6 and 3; the bound is 16.
 *
 * What sums say of a leaf is made a state of sixteen leaves at a time.
 *
 * What has entries far apart, infinite or no numbers is left to doubles.
 */
#define FLOATS_LEAF 4096       /* entries: with those kept, 48 KiB */
#define FLOATS_CHAIN 8         /* terms a lane before they go to double */
#define FLOATS_WIDE 40         /* of |w|: 2^60 e^40 for 1024 entries is a float */
#define FLOATS_MAGIC 0x1.8p23f /* adding it and 127 makes an integer the exponent of a float */
#define FLOATS_WORSE 1.5       /* C about c may be so many times C about the mean */

/* What is known before the passes: the magic of logits_exponential.h, and some b - a. */
typedef struct {
  GROUP magic, origin;
} divergence_view;

/* What the passes find of sixteen leaves, or short rows, a lane each. */
typedef struct {
  double mass[FE_LANES], moment[FE_LANES], curve[FE_LANES];
  double high[FE_LANES], low[FE_LANES]; /* the centre */
  double largest[FE_LANES], k[FE_LANES];
  double most[FE_LANES], least[FE_LANES]; /* the bounds of w */
  double some_q[FE_LANES];
} divergence_found;

INLINE pair32 pair32_difference(g32 a, g32 b) {
  pair32 difference;
  difference.high = g32_two_difference(a, b, &difference.low);
  return difference;
}

/* A double rounded, and the rest. */
INLINE pair32 pair32_of(g64 x) {
  const GROUP high = NAME(logits, narrow)(x);
  return (pair32){high, NAME(logits, narrow)(g64_sub(x, WIDEN(high)))};
}

/* Pass 1: sums of E and of E (b - a - origin). */
INLINE divergence_sums NAME(divergence, masses)(const NAME(divergence, operands) * of,
                                                const divergence_view *view,
                                                const NAME(logits, shift) * s, const int tempered,
                                                real *masses) {
  divergence_sums sums = divergence_no_sums();
  for (size_t i = 0; i < of->count;) {
    const size_t chain = FLOATS_CHAIN * FE_LANES;
    const size_t end = of->count - i < chain ? of->count : i + chain;
    GROUP mass = G(set)(0), moment = mass;
    for (; i < end; i += FE_LANES) {
      const size_t left = of->count - i;
      fe_fetch(of->ahead[0].next + (ptrdiff_t)i * of->ahead[0].size, FE_LANES * sizeof(real));
      const GROUP x = LOAD_UP_TO(of->a + i, left, of->a[i]);
      const GROUP y = LOAD_UP_TO(of->b + i, left, of->b[i]);
      GROUP scale, rest;
      GROUP e =
          NAME(logits, exponential)(x, view->magic, s, tempered, NAME(logits, kept), &scale, &rest);
      e = G(mul)(e, scale);
      STORE(masses + i, e);
      if (left < FE_LANES) {
        memset(masses + i + left, 0, (FE_LANES - left) * sizeof(real));
        e = LOAD(masses + i);
      }
      mass = G(add)(mass, e);
      moment = G(fma)(e, G(sub)(G(sub)(y, x), view->origin), moment);
    }
    sums.mass = g64_add(sums.mass, WIDEN(mass));
    sums.moment = g64_add(sums.moment, WIDEN(moment));
  }
  return sums;
}

/* Pass 2: sums of E w and E phi(w) into those that pass 1 has made, and the bounds of w. */
INLINE void NAME(divergence, curves)(const NAME(divergence, operands) * of, pair32 centre,
                                     const divergence_unit *unit, const int tempered,
                                     const real *masses, divergence_sums *sums, GROUP *most,
                                     GROUP *least) {
  const GROUP zero = G(set)(0), one = G(set)(1), magic = G(set)(FLOATS_MAGIC + 127);
  const GROUP log2_high = G(set)((float)FE_LN2_HIGH_F32), log2_low = G(set)((float)FE_LN2_LOW_F32);
  const GROUP inverse = G(set)((float)FE_INVERSE_LN2), rate = G(set)((float)unit->rate);
  const GROUP rate_low = G(set)((float)(unit->rate - (double)(float)unit->rate));
  GROUP largest = zero, smallest = zero;
  sums->moment = g64_set(0);
  for (size_t i = 0; i < of->count;) {
    const size_t chain = FLOATS_CHAIN * FE_LANES;
    const size_t end = of->count - i < chain ? of->count : i + chain;
    GROUP moment = zero, curve = zero;
    for (; i < end; i += FE_LANES) {
      const size_t left = of->count - i;
      fe_fetch(of->ahead[1].next + (ptrdiff_t)i * of->ahead[1].size, FE_LANES * sizeof(real));
      const GROUP x = LOAD_UP_TO(of->a + i, left, of->a[i]);
      const GROUP y = LOAD_UP_TO(of->b + i, left, of->b[i]);
      const GROUP e = LOAD(masses + i);
      const pair32 d = pair32_difference(y, x);
      pair32 w = pair32_difference(d.high, centre.high);
      w.low = G(add)(w.low, G(sub)(d.low, centre.low));
      if (tempered) {
        const GROUP product = G(mul)(w.high, rate), lost = G(fms)(w.high, rate, product);
        w.low = G(fma)(w.low, rate, G(fma)(w.high, rate_low, lost));
        w.high = product;
      }
      const GROUP shifted = G(fma)(w.high, inverse, magic), n = G(sub)(shifted, magic);
      const GROUP power = G(as_exponent)(shifted), rest = G(sub)(power, one);
      const GROUP near = G(fnma)(n, log2_high, w.high);
      const GROUP r = G(add)(near, G(fnma)(n, log2_low, w.low));
      const GROUP curved = G(mul)(G(mul)(r, r), G(polynomial)(r, FE_PHI_F32, 6));
      const GROUP bracket = G(fma)(rest, r, G(fnma)(n, log2_high, rest));
      const GROUP phi = G(fma)(curved, power, G(fnma)(n, log2_low, bracket));
      const GROUP width = G(add)(w.high, w.low);
      moment = G(fma)(e, width, moment);
      curve = G(fma)(e, phi, curve);
      largest = G(max)(width, largest);
      smallest = G(min)(width, smallest);
    }
    sums->moment = g64_add(sums->moment, WIDEN(moment));
    sums->curve = g64_add(sums->curve, WIDEN(curve));
  }
  *most = largest;
  *least = smallest;
}

/* Lanes as they are, of sixteen rows; or what they are together, of a leaf, in lane `at`. */
INLINE void NAME(divergence, note)(double *lanes, g64 value, const int leaf, size_t at) {
  double sum[FE_LANES];
  g64_store(leaf ? sum : lanes, value);
  if (!leaf) return;
  for (int step = FE_LANES / 2; step > 0; step /= 2)
    for (int i = 0; i < step; i++) sum[i] += sum[i + step];
  lanes[at] = sum[0];
}
INLINE void NAME(divergence, note_largest)(double *lanes, GROUP value, const int leaf, size_t at) {
  double all[FE_LANES];
  g64_store(leaf ? all : lanes, WIDEN(value));
  if (!leaf) return;
  for (int step = FE_LANES / 2; step > 0; step /= 2)
    for (int i = 0; i < step; i++) all[i] = all[i] > all[i + step] ? all[i] : all[i + step];
  lanes[at] = all[0];
}

/* Both passes, over a leaf or over columns of sixteen rows. */
INLINE void NAME(divergence, passes)(const NAME(divergence, operands) * of,
                                     const divergence_view *view, const NAME(logits, shift) * s,
                                     const divergence_unit *unit, const int tempered,
                                     const int leaf, divergence_found *found, size_t at) {
  real masses[FE_LANES * FE_SHORT > FLOATS_LEAF ? FE_LANES * FE_SHORT : FLOATS_LEAF];
  divergence_sums sums = NAME(divergence, masses)(of, view, s, tempered, masses);
  NAME(divergence, note)(found->mass, sums.mass, leaf, at);
  NAME(divergence, note)(found->moment, sums.moment, leaf, at);
  const g64 mass = leaf ? g64_set(found->mass[at]) : sums.mass;
  const g64 moment = leaf ? g64_set(found->moment[at]) : sums.moment;
  const pair32 centre = pair32_of(g64_add(WIDEN(view->origin), g64_div(moment, mass)));
  GROUP most, least;
  NAME(divergence, curves)(of, centre, unit, tempered, masses, &sums, &most, &least);
  NAME(divergence, note)(found->moment, sums.moment, leaf, at);
  NAME(divergence, note)(found->curve, sums.curve, leaf, at);
  NAME(divergence, note_largest)(found->most, most, leaf, at);
  NAME(divergence, note_largest)(found->least, G(sub)(G(set)(0), least), leaf, at);
  if (leaf) {
    found->high[at] = WIDEN(centre.high).v[0][0];
    found->low[at] = WIDEN(centre.low).v[0][0];
  } else {
    g64_store(found->high, WIDEN(centre.high));
    g64_store(found->low, WIDEN(centre.low));
  }
}

/* The states of sixteen rows or leaves, and in `*left` which are left to doubles. */
OUTLINE divergence64 divergence_of_found(const divergence_found *found, const divergence_unit *unit,
                                         double temperature, m64 *left) {
  const g64 zero = g64_set(0), wide = g64_set(FLOATS_WIDE), m = g64_load(found->largest);
  const pair64 rest = logits_rest(m, g64_load(found->k), g64_less(zero, zero), &unit->logits);
  /* e^((s - m)/T) 2^-LOGITS_HEAD */
  const g64 level = g64_exp_pair(g64_sub(zero, rest.high), g64_sub(zero, rest.low));
  const g64 factor = g64_mul(level, g64_set(0x1p-60));
  const divergence_sums sums = {g64_mul(g64_load(found->mass), factor),
                                g64_mul(g64_load(found->moment), factor),
                                g64_mul(g64_load(found->curve), factor), zero};
  const divergence_origin from = {m, {g64_load(found->high), g64_load(found->low)}, zero};
  m64 worse;
  const divergence64 state = divergence_state(&sums, &from, m, temperature, FLOATS_WORSE, &worse);
  const g64 most = g64_load(found->most), least = g64_load(found->least);
  const m64 near = m64_and(g64_less(most, wide), g64_less(least, wide));
  const m64 number = g64_less(g64_add(sums.mass, sums.curve), g64_set(__builtin_inf()));
  *left = m64_or(worse, m64_not(m64_and(near, number)));
  return state;
}

/* ---- leaves of long rows ----------------------------------------------------------------------
 */

/* Notes a leaf; a lane that is left to doubles has no number for its mass. */
OUTLINE void NAME(divergence, leaf_of_floats)(const NAME(divergence, operands) * leaf,
                                              const divergence_unit *unit, divergence_found *found,
                                              size_t at) {
  GROUP largest = G(set)(-__builtin_inff()), smallest = G(set)(__builtin_inff());
  for (size_t i = 0; i < leaf->count; i += FE_LANES) {
    const GROUP x = LOAD_UP_TO(leaf->a + i, leaf->count - i, leaf->a[i]);
    largest = G(max)(x, largest);
    smallest = G(min)(x, smallest);
  }
  NAME(divergence, note_largest)(found->largest, largest, 1, at);
  NAME(divergence, note_largest)(found->least, G(sub)(G(set)(0), smallest), 1, at);
  const double m = found->largest[at];
  const int far = !(__builtin_fabs(m * unit->logits.inverse) < LOGITS_FAR);
  const g64 k = logits_exponent(g64_set(m), g64_less(g64_set(0), g64_set(0)), &unit->logits);
  const NAME(logits, shift) s = NAME(logits, shift_of)(m, k.v[0][0], &unit->logits);
  found->k[at] = far ? 0 : k.v[0][0];
  found->some_q[at] = (double)leaf->b[0];
  found->mass[at] = __builtin_nan("");
  if (far || !(-found->least[at] >= (double)s.lowest)) return;
  const divergence_view view = {G(set)(s.magic), G(set)(leaf->b[0] - leaf->a[0])};
  if (unit->tempered) NAME(divergence, passes)(leaf, &view, &s, unit, 1, 1, found, at);
  else NAME(divergence, passes)(leaf, &view, &s, unit, 0, 1, found, at);
}

/* ---- short rows -------------------------------------------------------------------------------
 */

/* The states of sixteen rows whose columns are a and b, and some b of each; returns which are left
 * to doubles. */
OUTLINE m64 NAME(divergence, lanes_of_floats)(const real *a, const real *b, size_t n,
                                              const divergence_unit *unit, double temperature,
                                              divergence64 *state, g64 *some_q) {
  GROUP largest = LOAD(a), smallest = largest;
  for (size_t j = 0; j < n; j++) {
    largest = G(max)(LOAD(a + j * FE_LANES), largest);
    smallest = G(min)(LOAD(a + j * FE_LANES), smallest);
  }
  const g64 m = WIDEN(largest);
  const m64 far = logits_far(m, &unit->logits);
  const g64 k = logits_exponent(m, far, &unit->logits);
  const g64 lowest = WIDEN(NAME(logits, lowest_of)(k, &unit->logits));
  const NAME(logits, shift) s = NAME(logits, shift_of)(0, 0, &unit->logits);
  const divergence_view view = {NAME(logits, magic_of)(k), G(sub)(LOAD(b), LOAD(a))};
  const fe_ahead nowhere[2] = {{(const char *)a, 0}, {(const char *)b, 0}};
  const NAME(divergence, operands) columns = {a, b, n * FE_LANES, {nowhere[0], nowhere[1]}};
  divergence_found found;
  g64_store(found.largest, m);
  g64_store(found.k, k);
  if (unit->tempered) NAME(divergence, passes)(&columns, &view, &s, unit, 1, 0, &found, 0);
  else NAME(divergence, passes)(&columns, &view, &s, unit, 0, 0, &found, 0);
  m64 left;
  *state = divergence_of_found(&found, unit, temperature, &left);
  *some_q = WIDEN(LOAD(b));
  return m64_or(left, m64_or(far, g64_less(WIDEN(smallest), lowest)));
}

#undef FLOATS_CHAIN
#undef FLOATS_WIDE
#undef FLOATS_MAGIC
#undef FLOATS_WORSE

/* logits.h - the row functions of a measure that comes from a sum of exponentials of logits; a
 * template by inclusion.
 *
 * The including kernel file defines MEASURE, OPERANDS (1: logits; 2: targets, logits; 3: weights of
 * classes that multiply the targets, targets, logits) and, as 1, what it needs of
 *
 *   DISTANCES  distances to the largest logit are summed too; logits_state.h
 *   EXACT      with the residuals of the sum of exponentials
 *   MASKED     entries above -inf are counted, and no others' targets
 *   RANKED     runner-up, place of the largest, number of entries above the label's
 *   KEPT       exponentials are kept for logits_spread.h, so many numbers an entry: 2, if EXACT;
 *              where there is no room for them, the measure PLAIN accumulates the same
 *
 * A row is read once, in leaves that fit the first cache. What has to be known of a leaf before its
 * exponentials, its largest and smallest entry, is found while those of the leaf before are made:
 * one after the other, arithmetic would wait for memory. Of a leaf that holds a new largest entry
 * one of that size is left out.
 *
 * Two forms: where the smallest entry is near enough, every exponential is a normal number; else
 * what lies below the range counts as 0 (clamped).
 */

#define ROW(part) NAME(MEASURE, part)
#define LEAF LOGITS_LEAF /* entries */
#define CHAIN 16 /* groups, or columns of short rows, that are summed before they go to double */
#define RUN (CHAIN * FE_LANES)
#define RUNS (LEAF / RUN)
/* What is fetched lies so many bytes behind an entry of the next leaf. With registers of 64 bytes
 * floats are worked on as fast as they come: 0.87 of the time, if from farther away. */
#if REAL == 32 && FE_BYTES == 64
#define AHEAD 16384
#define FETCH fe_fetch_far
#else
#define AHEAD 4096
#define FETCH fe_fetch
#endif
#define TARGETS (OPERANDS >= 2)
#define PAIRED (EXACT && REAL == 64) /* a float's sum is exact enough as a double */
#ifndef DISTANCES
#define DISTANCES 0
#endif
#ifndef EXACT
#define EXACT 0
#endif
#ifndef MASKED
#define MASKED 0
#endif
#ifndef RANKED
#define RANKED 0
#endif
#ifndef KEPT
#define KEPT 0
#endif

enum { ROW(takes_columns) = OPERANDS < 3 };

typedef struct {
  sum64 sum;
  g64 distance, weight, count;
  GROUP excluded;         /* how many */
  GROUP target, smallest; /* the smallest target, and entry of the next leaf */
} ROW(sums);

INLINE ROW(sums) ROW(no_sums)(void) {
  const g64 zero = g64_set(0);
  const GROUP infinity = G(set)((compute)__builtin_inf());
  return (ROW(sums)){{zero, zero}, zero, zero, zero, G(set)(0), infinity, infinity};
}

typedef struct {
  GROUP sum, residual, distance, weight, count;
} ROW(chain);

INLINE ROW(chain) ROW(new_chain)(void) {
  const GROUP zero = G(set)(0);
  return (ROW(chain)){zero, zero, zero, zero, zero};
}

/* An exponential is e + tail, times scale; of x, or the least that is in range. */
typedef struct {
  GROUP inside, e, tail, scale;
} ROW(exponential);

INLINE ROW(exponential)
    ROW(exponential_of)(GROUP x, GROUP magic, GROUP lowest, const NAME(logits, shift) * s,
                        const int tempered, const int clamped) {
  const NAME(logits, use) use = EXACT  ? NAME(logits, exact)
                                : KEPT ? NAME(logits, kept)
                                       : NAME(logits, summed);
  ROW(exponential) of;
  of.inside = clamped ? G(max)(lowest, x) : x;
  of.e = NAME(logits, exponential)(of.inside, magic, s, tempered, use, &of.scale, &of.tail);
  if (clamped) of.scale = G(select)(G(less)(x, lowest), G(set)(0), of.scale);
  return of;
}

INLINE void ROW(keep)(const ROW(exponential) * of, real *kept) {
  STORE(kept, G(mul)(of->e, of->scale));
  if (EXACT) STORE(kept + FE_LANES, G(mul)(of->tail, of->scale));
}

/* Adds a group of entries, of which some may be left out. */
INLINE void ROW(term)(ROW(chain) * chain, GROUP x, GROUP t, GROUP largest, GROUP magic,
                      GROUP lowest, const NAME(logits, shift) * s, const int tempered,
                      const int clamped, const MASK *left_out, real *kept) {
  const GROUP zero = G(set)(0);
  const ROW(exponential) of = ROW(exponential_of)(x, magic, lowest, s, tempered, clamped);
  const GROUP e = of.e, tail = of.tail;
  if (KEPT) ROW(keep)(&of, kept);
  const GROUP scale = left_out ? G(select)(*left_out, zero, of.scale) : of.scale;
  if (DISTANCES && !TARGETS) {
    const GROUP term = G(mul)(e, scale);
    chain->sum = G(add)(chain->sum, term);
    chain->distance = G(fma)(term, G(sub)(largest, of.inside), chain->distance);
  } else if (EXACT) { /* times a power of two: exact; added as sum.h adds terms */
    const GROUP term = G(mul)(e, scale), sum = G(add)(chain->sum, term);
    const GROUP residual = G(sub)(term, G(sub)(sum, chain->sum));
    chain->residual = G(add)(chain->residual, G(fma)(tail, scale, residual));
    chain->sum = sum;
  } else {
    chain->sum = G(fma)(e, scale, chain->sum);
  }
  if (MASKED) {
    const MASK masked = G(equal)(x, G(set)((compute)-__builtin_inf()));
    const GROUP one = G(set)(1);
    chain->count = G(add)(chain->count, clamped ? G(select)(masked, zero, one) : one);
    if (clamped) t = G(select)(masked, zero, t);
  }
  if (TARGETS) {
    GROUP far = G(sub)(largest, x);
    if (clamped) far = G(select)(G(equal)(t, zero), zero, far);
    chain->distance = G(fma)(t, far, chain->distance);
    chain->weight = G(add)(chain->weight, t);
  }
}

INLINE void ROW(flush)(ROW(sums) * sums, const ROW(chain) * chain) {
  const g64 sum = WIDEN(chain->sum);
  if (PAIRED) {
    g64 residual;
    sums->sum.sum = g64_two_sum(sums->sum.sum, sum, &residual);
    sums->sum.residual = g64_add(sums->sum.residual, g64_add(residual, WIDEN(chain->residual)));
  } else {
    const g64 whole = EXACT ? g64_add(sum, WIDEN(chain->residual)) : sum;
    sums->sum.sum = g64_add(sums->sum.sum, whole);
  }
  if (DISTANCES) sums->distance = g64_add(sums->distance, WIDEN(chain->distance));
  if (TARGETS) sums->weight = g64_add(sums->weight, WIDEN(chain->weight));
  if (MASKED) sums->count = g64_add(sums->count, WIDEN(chain->count));
}

/* ---- leaves -----------------------------------------------------------------------------------
 */

typedef struct {
  const real *x, *t, *c; /* logits, targets, weights of classes */
  size_t count, first;   /* and which entry of the row is the first */
  fe_ahead ahead[2];
  real *kept, *exponent; /* exponentials, and what k they are for: NaN, if for none */
} ROW(leaf);

typedef struct {
  compute largest; /* of the entries that are no NaN */
  size_t run;      /* the first that holds it */
  GROUP smallest;
  /* For ranks: */
  size_t holders, lane; /* how many runs hold the largest, and in which lane the first does */
  GROUP others;         /* which may be the runner-up */
} ROW(bounds);

#include "logits_ranks.h"

/* The bounds of a leaf, of which so many groups have been noted: their smallest entries, and the
 * largest of each run. */
INLINE ROW(bounds)
    ROW(bounds_of)(const ROW(leaf) * leaf, size_t noted, GROUP smallest, GROUP *largest) {
  const size_t count = leaf->count, runs = (count + RUN - 1) / RUN;
  const GROUP infinity = G(set)((compute)__builtin_inf()), none = G(sub)(G(set)(0), infinity);
  ROW(bounds) bounds = {0, 0, noted > 0 ? smallest : infinity, 0, 0, none};
  GROUP all = none, second = none;
  for (size_t j = 0; j < runs; j++) {
    const int known = noted > j * CHAIN;
    const size_t end = count - j * RUN < RUN ? count : (j + 1) * RUN;
    GROUP high = known ? largest[j] : none;
    for (size_t i = known ? noted * FE_LANES : j * RUN; i < end; i += FE_LANES) {
      const GROUP a = LOAD_UP_TO(leaf->x + i, count - i, leaf->x[i]);
      high = G(max)(RANKED ? LOAD_UP_TO(leaf->x + i, count - i, -__builtin_inf()) : a, high);
      bounds.smallest = G(min)(a, bounds.smallest);
    }
    largest[j] = high;
    if (RANKED) second = G(max)(G(min)(high, all), second);
    all = G(max)(high, all);
  }
  bounds.largest = G(largest)(all);
  for (size_t j = 0; j < runs; j++) {
    bounds.holders += (size_t)M(any)(G(equal)(largest[j], G(set)(bounds.largest)));
    bounds.run += bounds.holders == 0;
  }
  if (RANKED && bounds.holders > 0) ROW(find_lane)(&bounds, all, second, largest[bounds.run]);
  return bounds;
}

/* Those of a leaf of which nothing is known. */
INLINE ROW(bounds) ROW(new_bounds)(const ROW(leaf) * leaf) {
  GROUP runs[RUNS];
  for (size_t j = 0; j < RUNS; j++) runs[j] = G(set)(0); /* or some compilers take them for unset */
  return ROW(bounds_of)(leaf, 0, runs[0], runs);
}

#include "logits_leaf.h"
#include "logits_run.h"

/* What was summed of a leaf, added to row r. */
INLINE void ROW(collect)(const ROW(sums) * sums, const fe_state *state, size_t r) {
  double *const *part = state->part, lift = LOGITS_LIFT;
  if (PAIRED) sum64_collect(&sums->sum, part[FE_HIGH] + r, part[FE_LOW] + r);
  else fe_add(part[FE_HIGH] + r, part[FE_LOW] + r, lift * g64_total(sums->sum.sum), 0);
  if (DISTANCES) {
    const double distance = g64_total(sums->distance);
    fe_add(part[FE_DISTANCE_HIGH] + r, part[FE_DISTANCE_LOW] + r,
           TARGETS ? distance : lift * distance, 0);
  }
  if (TARGETS)
    fe_add(part[FE_WEIGHT_HIGH] + r, part[FE_WEIGHT_LOW] + r, g64_total(sums->weight), 0);
  if (MASKED) part[FE_COUNT][r] += g64_total(sums->count);
}

/* Entries as large as the one that is left out, so many, put back. */
static void ROW(put_back)(double number, double k, int far, const logits_unit *unit,
                          const fe_state *state, size_t r) {
  const g64 zero = g64_set(0), m = g64_set(state->part[FE_LARGEST][r]);
  const m64 is_far = far ? g64_equal(zero, zero) : g64_less(zero, zero);
  const pair64 first = logits_first(m, g64_set(k), is_far, unit);
  g64 residual;
  const g64 product = g64_two_product(g64_set(number), first.high, &residual);
  residual = g64_fma(g64_set(number), first.low, residual);
  fe_add(state->part[FE_HIGH] + r, state->part[FE_LOW] + r, product.v[0][0], residual.v[0][0]);
}

/* Adds a leaf to the state of row r, and finds the bounds of the next. */
static unsigned ROW(add_leaf)(const ROW(leaf) * given, const ROW(leaf) * next, ROW(bounds) * bounds,
                              const logits_unit *unit, const fe_state *state, size_t r) {
  double *largest = state->part[FE_LARGEST] + r;
  const double before = *largest;
  const ROW(leaf) *leaf = given;
  ROW(sums) sums = ROW(no_sums)();
  ROW(leaf) other;
  size_t peak = RUNS, noted = 0;
  int twins = bounds->holders > 1, counted = 0;
  GROUP above = ROW(none_above)();
  unsigned status = 0;
  real differences[LEAF];
  GROUP runs[RUNS]; /* of the next leaf: their largest entries */
#if OPERANDS == 3
  real products[LEAF];
  for (size_t i = 0; i < leaf->count; i++) products[i] = leaf->t[i] * leaf->c[i];
  ROW(leaf) weighted = *given;
  weighted.t = products;
  given = leaf = &weighted;
#endif
  if (bounds->largest > *largest) {
    ROW(raise_one)(state, r, bounds->largest, unit);
    peak = bounds->run;
  }
  if (KEPT) *leaf->exponent = (real)__builtin_nan("");
  if (*largest > -__builtin_inf()) {
    const double m = *largest, scaled = m * unit->inverse;
    const int far = !(__builtin_fabs(scaled) < LOGITS_FAR);
    const double k =
        far ? 0 : logits_exponent(g64_set(m), g64_less(g64_set(0), g64_set(0)), unit).v[0][0];
    const NAME(logits, shift) s = NAME(logits, shift_of)(far ? 0 : m, k, unit);
    const int clamped = far || M(any)(G(less)(bounds->smallest, G(set)(s.lowest)));
    if (far) {
      for (size_t i = 0; i < leaf->count; i++)
        differences[i] = leaf->x[i] == (real)m ? 0 : leaf->x[i] - (real)m;
      other = *leaf;
      other.x = differences;
      leaf = &other;
    }
    if (KEPT && !far) *leaf->exponent = (real)k;
    const compute label = RANKED ? (compute)(state->part[FE_TARGET][r] + 0.0) : 0; /* -0 is 0 */
    noted = ROW(add_terms)(leaf, peak, next, &s, clamped, label, &sums, &above, runs);
    ROW(collect)(&sums, state, r);
    const double others = g64_total(WIDEN(sums.excluded)) - 1;
    if (others > 0) ROW(put_back)(others, k, far, unit, state, r);
    twins |= others > 0;
    counted = RANKED && !far && !(label <= -__builtin_inf());
    const int behind = MASKED || (counted && (compute)(real)s.lowest > label);
    if (behind && !clamped) /* what stood behind the end was counted */
      state->part[FE_COUNT][r] -= (double)((FE_LANES - leaf->count % FE_LANES) % FE_LANES);
  } else {
    ROW(nothing)(leaf, state, r);
  }
  if (TARGETS && M(any)(G(less)(sums.target, G(set)(0))))
    state->part[FE_HIGH][r] = __builtin_nan(""), status = FE_INVALID;
  if (RANKED) ROW(rank_leaf)(given, bounds, twins, before, counted, above, state, r);
  *bounds = ROW(bounds_of)(next, noted, sums.smallest, runs);
  return status;
}

#include "logits_short.h"

/* ---- the row function -------------------------------------------------------------------------
 */

static unsigned ROW(accumulate)(const fe_block *block, const fe_params *params,
                                const fe_state *state) {
#if KEPT
  if (!NAME(logits, keeps)(block)) return NAME(PLAIN, accumulate)(block, params, state);
#endif
  const logits_unit unit = logits_unit_of(params);
  const size_t n = block->columns;
  unsigned status = 0;
  if (n == 0 || block->rows == 0) return status;
  if (block->row_length <= FE_SHORT) return ROW(short_rows)(block, params, &unit, state);
  ROW(leaf) leaves[2] = {ROW(leaf_at)(block, 0, 0)}, *leaf = leaves, *next = leaves + 1;
  ROW(bounds) bounds = ROW(new_bounds)(leaf);
  for (size_t r = 0, i = 0; r < block->rows;) {
    const size_t row = r;
    if (RANKED && i == 0) ROW(read_labels)(block, row, 1, LABELS_AHEAD, state);
    i += LEAF;
    if (i >= n) i = 0, r++;
    if (r < block->rows) *next = ROW(leaf_at)(block, r, i);
    else next->x = leaf->x, next->count = 0;
    status |= ROW(add_leaf)(leaf, next, &bounds, &unit, state, row);
    ROW(leaf) *const last = leaf;
    leaf = next;
    next = last;
  }
  return status;
}

#undef ROW
#undef LEAF
#undef CHAIN
#undef RUN
#undef RUNS
#undef LABELS_AHEAD
#undef PAIRED
#undef AHEAD
#undef FETCH
#undef TARGETS
#undef MEASURE
#undef OPERANDS
#undef DISTANCES
#undef EXACT
#undef MASKED
#undef RANKED
#undef KEPT
#undef PLAIN

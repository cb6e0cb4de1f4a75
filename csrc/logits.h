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
 * the first of its kind is left out.
 *
 * Two forms: where the smallest entry is near enough, every exponential is a normal number; else
 * what lies below the range counts as 0 (clamped).
 */

#define ROW(part) NAME(MEASURE, part)
#define LEAF FE_LOGITS_LEAF /* entries: 4 or 8 KiB */
#define CHAIN 16 /* groups, or columns of short rows, that are summed before they go to double */
#define RUN (CHAIN * FE_LANES)
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
  GROUP largest, smallest; /* of the next leaf */
  GROUP target;            /* the smallest */
} ROW(sums);

INLINE ROW(sums) ROW(no_sums)(void) {
  const g64 zero = g64_set(0);
  const GROUP infinity = G(set)((compute)__builtin_inf());
  const GROUP none = G(sub)(G(set)(0), infinity);
  return (ROW(sums)){{zero, zero}, zero, zero, zero, none, infinity, infinity};
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

/* ---- the loop ---------------------------------------------------------------------------------
 */

/* A run: at most CHAIN groups, and as many of the next leaf, `step` entries apart. */
typedef struct {
  const real *x, *t, *next;
  real *kept;
  size_t groups, step;
  fe_ahead ahead[2];
} ROW(run);

/* Its terms, and the bounds of the groups of the next leaf. */
INLINE void ROW(groups)(const ROW(run) * given, const NAME(logits, shift) * shift,
                        const int tempered, const int clamped, ROW(sums) * sums) {
  const ROW(run) copy = *given, *run = &copy; /* which what is kept cannot write over */
  const NAME(logits, shift) same = *shift, *s = &same;
  const GROUP magic = G(set)(s->magic), lowest = G(set)(s->lowest);
  const GROUP largest = G(set)(s->largest);
  const fe_ahead on_t = run->ahead[0], on_x = run->ahead[TARGETS];
  GROUP next_largest = sums->largest, next_smallest = sums->smallest, target = sums->target;
  ROW(chain) chain = ROW(new_chain)();
  for (size_t group = 0; group < run->groups; group++) {
    const size_t i = group * FE_LANES;
    FETCH(on_x.next + (ptrdiff_t)i * on_x.size, FE_LANES * sizeof(real));
    if (TARGETS) FETCH(on_t.next + (ptrdiff_t)i * on_t.size, FE_LANES * sizeof(real));
    const GROUP other = LOAD(run->next + group * run->step), y = TARGETS ? LOAD(run->t + i) : other;
    ROW(term)(&chain, LOAD(run->x + i), y, largest, magic, lowest, s, tempered, clamped, NULL,
              run->kept + KEPT * i);
    if (TARGETS) target = G(min)(y, target);
    next_largest = G(max)(other, next_largest);
    next_smallest = G(min)(other, next_smallest);
  }
  ROW(flush)(sums, &chain);
  sums->largest = next_largest;
  sums->smallest = next_smallest;
  sums->target = target;
}

#if PAIRED /* of all registers these alone take more than there are */
OUTLINE
#else
static
#endif
void ROW(terms)(const ROW(run) * run, const NAME(logits, shift) * s, int clamped,
                ROW(sums) * sums) {
  const int tempered = s->rate < 1 || s->rate > 1;
  if (tempered && clamped) ROW(groups)(run, s, 1, 1, sums);
  else if (tempered) ROW(groups)(run, s, 1, 0, sums);
  else if (clamped) ROW(groups)(run, s, 0, 1, sums);
  else ROW(groups)(run, s, 0, 0, sums);
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
  compute largest, smallest; /* of the entries that are no NaN */
} ROW(bounds);

/* The bounds of a leaf of which the sums have noted the groups before `from`. */
INLINE ROW(bounds) ROW(bounds_of)(const ROW(leaf) * leaf, size_t from, const ROW(sums) * sums) {
  GROUP largest = sums->largest, smallest = sums->smallest;
  compute high[FE_LANES], low[FE_LANES];
  for (size_t i = from * FE_LANES; i < leaf->count; i += FE_LANES) {
    const GROUP a = LOAD_UP_TO(leaf->x + i, leaf->count - i, leaf->x[i]);
    largest = G(max)(a, largest);
    smallest = G(min)(a, smallest);
  }
  G(store)(high, largest);
  G(store)(low, smallest);
  _Pragma("GCC unroll 4") for (int step = FE_LANES / 2; step > 0; step /= 2) {
    _Pragma("GCC unroll 8") for (int i = 0; i < step; i++) {
      high[i] = high[i] > high[i + step] ? high[i] : high[i + step];
      low[i] = low[i] < low[i + step] ? low[i] : low[i + step];
    }
  }
  return (ROW(bounds)){high[0], low[0]};
}

#include "logits_leaf.h"

/* The terms of a leaf but `excluded`. Returns how many groups of the next leaf have been noted.
 *
 * In place of what is left out stands the least that a form takes: -inf where it is clamped, else
 * what is as small as 2^-(bias + LOGITS_HEAD) beside the largest term, and nothing in any result.
 */
static size_t ROW(add_terms)(const ROW(leaf) * leaf, size_t excluded, const ROW(leaf) * next,
                             const NAME(logits, shift) * s, int clamped, ROW(sums) * sums) {
  const real nothing = clamped ? (real)-__builtin_inf() : (real)s->lowest;
  const size_t both = next->count / FE_LANES;
  size_t noted = 0;
  ROW(patch) patch;
  for (size_t first = 0; first < leaf->count; first += RUN) {
    const size_t count = leaf->count - first < RUN ? leaf->count - first : RUN;
    const size_t groups = (count + FE_LANES - 1) / FE_LANES, begin = first / FE_LANES;
    ROW(run)
    run = {leaf->x + first,
           leaf->t + first,
           leaf->x + first,
           leaf->kept + KEPT * first,
           groups,
           FE_LANES,
           {leaf->ahead[0], leaf->ahead[1]}};
    run.ahead[0].next += (ptrdiff_t)first * run.ahead[0].size;
    run.ahead[1].next += (ptrdiff_t)first * run.ahead[1].size;
    if (excluded - first < count || count % FE_LANES != 0)
      ROW(patch_run)(&patch, &run, count, excluded - first, nothing);
    if (begin + groups <= both) run.next = next->x + first, noted = begin + groups;
    else run.next = both > 0 ? next->x : run.x, run.step = 0;
    ROW(terms)(&run, s, clamped, sums);
  }
  return noted;
}

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

/* The exponentials of the group in which an entry was left out, to be kept too. */
INLINE void ROW(keep_excluded)(const ROW(leaf) * leaf, size_t excluded,
                               const NAME(logits, shift) * s, int clamped) {
  const size_t first = excluded / FE_LANES * FE_LANES, left = leaf->count - first;
  const GROUP x = LOAD_UP_TO(leaf->x + first, left, (real)s->lowest);
  const GROUP magic = G(set)(s->magic), lowest = G(set)(s->lowest);
  const ROW(exponential) of = ROW(exponential_of)(x, magic, lowest, s, 1, clamped);
  ROW(keep)(&of, leaf->kept + KEPT * first);
}

/* Adds a leaf to the state of row r, and finds the bounds of the next. */
static unsigned ROW(add_leaf)(const ROW(leaf) * given, const ROW(leaf) * next, ROW(bounds) * bounds,
                              const logits_unit *unit, const fe_state *state, size_t r) {
  double *largest = state->part[FE_LARGEST] + r;
  const double before = *largest;
  ROW(sums) sums = ROW(no_sums)();
  ROW(leaf) leaf = *given;
  size_t excluded = given->count, noted = 0;
  unsigned status = 0;
  real differences[LEAF];
#if OPERANDS == 3
  real products[LEAF];
  for (size_t i = 0; i < leaf.count; i++) products[i] = leaf.t[i] * leaf.c[i];
  leaf.t = products;
  const ROW(leaf) weighted = leaf;
  given = &weighted;
#endif
  if (bounds->largest > *largest) {
    ROW(raise_one)(state, r, bounds->largest, unit);
    excluded = ROW(place_of)(given, bounds->largest);
    if (TARGETS) state->part[FE_WEIGHT_HIGH][r] += (double)given->t[excluded];
    if (MASKED) state->part[FE_COUNT][r]++;
  }
  if (KEPT) *leaf.exponent = (real)__builtin_nan("");
  if (*largest > -__builtin_inf()) {
    const double m = *largest, scaled = m * unit->inverse;
    const int far = !(__builtin_fabs(scaled) < LOGITS_FAR);
    const double k =
        far ? 0 : logits_exponent(g64_set(m), g64_less(g64_set(0), g64_set(0)), unit).v[0][0];
    const NAME(logits, shift) s = NAME(logits, shift_of)(far ? 0 : m, k, unit);
    const int clamped = far || !(bounds->smallest >= s.lowest);
    if (far) {
      for (size_t i = 0; i < leaf.count; i++)
        differences[i] = leaf.x[i] == (real)m ? 0 : leaf.x[i] - (real)m;
      leaf.x = differences;
    }
    if (KEPT && !far) *leaf.exponent = (real)k;
    noted = ROW(add_terms)(&leaf, excluded, next, &s, clamped, &sums);
    if (KEPT && excluded < leaf.count) ROW(keep_excluded)(&leaf, excluded, &s, clamped);
    ROW(collect)(&sums, state, r);
    if (MASKED && !clamped) { /* what was left out was counted */
      const size_t groups = (leaf.count + FE_LANES - 1) / FE_LANES;
      state->part[FE_COUNT][r] -= (double)(groups * FE_LANES - leaf.count);
      if (excluded < leaf.count) state->part[FE_COUNT][r]--;
    }
  } else {
    ROW(nothing)(given, state, r);
  }
  if (TARGETS) {
    int negative = M(any)(G(less)(sums.target, G(set)(0)));
    if (excluded < given->count) negative |= given->t[excluded] < 0;
    if (negative) state->part[FE_HIGH][r] = __builtin_nan(""), status = FE_INVALID;
  }
  if (RANKED) ROW(rank_leaf)(given, bounds->largest, before, excluded, state, r);
  if (noted == 0) sums = ROW(no_sums)();
  *bounds = ROW(bounds_of)(next, noted, &sums);
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
  ROW(leaf) leaf = ROW(leaf_at)(block, 0, 0);
  ROW(sums) none = ROW(no_sums)();
  ROW(bounds) bounds = ROW(bounds_of)(&leaf, 0, &none);
  for (size_t r = 0, i = 0; r < block->rows;) {
    const size_t row = r;
    i += LEAF;
    if (i >= n) i = 0, r++;
    ROW(leaf) next = leaf;
    next.count = 0;
    if (r < block->rows) next = ROW(leaf_at)(block, r, i);
    status |= ROW(add_leaf)(&leaf, &next, &bounds, &unit, state, row);
    leaf = next;
  }
  return status;
}

#undef ROW
#undef LEAF
#undef CHAIN
#undef RUN
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

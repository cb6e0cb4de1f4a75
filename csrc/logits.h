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
 * what lies below the range counts as 0.
 */

#define ROW(part) NAME(MEASURE, part)
#define LEAF FE_LOGITS_LEAF /* entries: 4 or 8 KiB */
#define CHAIN 16   /* groups, or columns of short rows, that are summed before they go to double */
#define AHEAD 4096 /* bytes behind an entry of the next leaf that are fetched */
#define TARGETS (OPERANDS >= 2)
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
  g64 sum, low, distance, weight, count;
  GROUP largest, smallest; /* of the next leaf */
  GROUP target;            /* the smallest */
} ROW(sums);

INLINE ROW(sums) ROW(no_sums)(void) {
  const g64 zero = g64_set(0);
  const GROUP infinity = G(set)((compute)__builtin_inf());
  return (ROW(sums)){zero, zero, zero, zero, zero, G(sub)(G(set)(0), infinity), infinity, infinity};
}

typedef struct {
  GROUP sum, residual, distance, weight, count;
} ROW(chain);

INLINE ROW(chain) ROW(new_chain)(void) {
  const GROUP zero = G(set)(0);
  return (ROW(chain)){zero, zero, zero, zero, zero};
}

/* Adds a group of entries, of which some may be left out. */
INLINE void ROW(term)(ROW(chain) * chain, GROUP x, GROUP t, GROUP largest, GROUP magic,
                      GROUP lowest, const NAME(logits, shift) * s, const int tempered,
                      const int clamped, const MASK *left_out, real *kept) {
  const GROUP zero = G(set)(0), inside = clamped ? G(max)(lowest, x) : x;
  GROUP scale, tail,
      e = NAME(logits, exponential)(inside, magic, s, tempered, EXACT, &scale, &tail);
  if (KEPT) {
    if (clamped) scale = G(select)(G(less)(x, lowest), zero, scale);
    STORE(kept, G(mul)(e, scale));
    if (EXACT) STORE(kept + FE_LANES, G(mul)(tail, scale));
    if (left_out) scale = G(select)(*left_out, zero, scale);
  } else if (clamped) {
    const MASK low = G(less)(x, lowest);
    scale = G(select)(left_out ? M(or)(low, *left_out) : low, zero, scale);
  }
  if (DISTANCES && !TARGETS) {
    const GROUP term = G(mul)(e, scale);
    chain->sum = G(add)(chain->sum, term);
    chain->distance = G(fma)(term, G(sub)(largest, inside), chain->distance);
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

INLINE void ROW(flush)(ROW(sums) * sums, ROW(chain) * chain) {
  const g64 sum = WIDEN(chain->sum);
  if (EXACT) {
    g64 residual;
    sums->sum = g64_two_sum(sums->sum, sum, &residual);
    sums->low = g64_add(sums->low, g64_add(residual, WIDEN(chain->residual)));
  } else {
    sums->sum = g64_add(sums->sum, sum);
  }
  if (DISTANCES) sums->distance = g64_add(sums->distance, WIDEN(chain->distance));
  if (TARGETS) sums->weight = g64_add(sums->weight, WIDEN(chain->weight));
  if (MASKED) sums->count = g64_add(sums->count, WIDEN(chain->count));
  *chain = ROW(new_chain)();
}

/* To what a state has. */
INLINE void ROW(lift)(ROW(sums) * sums) {
  const g64 lift = g64_set(LOGITS_LIFT);
  sums->sum = g64_mul(sums->sum, lift);
  sums->low = g64_mul(sums->low, lift);
  if (!TARGETS) sums->distance = g64_mul(sums->distance, lift);
}

/* ---- the loop ---------------------------------------------------------------------------------
 */

/* The terms of some groups, and the bounds of as many of the next leaf, `step` entries apart. */
INLINE void ROW(groups)(const real *x, const real *t, real *kept, size_t groups,
                        const fe_ahead *ahead, const real *next, size_t step,
                        const NAME(logits, shift) * s, const int tempered, const int clamped,
                        ROW(sums) * sums) {
  const GROUP magic = G(set)(s->magic), lowest = G(set)(s->lowest);
  const GROUP largest = G(set)(s->largest);
  GROUP next_largest = sums->largest, next_smallest = sums->smallest, target = sums->target;
  ROW(chain) chain = ROW(new_chain)();
  for (size_t done = 0; done < groups;) {
    const size_t end = groups - done < CHAIN ? groups : done + CHAIN;
    for (; done < end; done++) {
      const size_t i = done * FE_LANES;
      fe_fetch(ahead[TARGETS].next + (ptrdiff_t)i * ahead[TARGETS].size, FE_LANES * sizeof(real));
      if (TARGETS) fe_fetch(ahead[0].next + (ptrdiff_t)i * ahead[0].size, FE_LANES * sizeof(real));
      const GROUP other = LOAD(next + done * step), y = TARGETS ? LOAD(t + i) : other;
      ROW(term)(&chain, LOAD(x + i), y, largest, magic, lowest, s, tempered, clamped, NULL,
                kept + KEPT * i);
      if (TARGETS) target = G(min)(y, target);
      next_largest = G(max)(other, next_largest);
      next_smallest = G(min)(other, next_smallest);
    }
    ROW(flush)(sums, &chain);
  }
  sums->largest = next_largest;
  sums->smallest = next_smallest;
  sums->target = target;
}

static void ROW(terms)(const real *x, const real *t, real *kept, size_t groups,
                       const fe_ahead *ahead, const real *next, size_t step,
                       const NAME(logits, shift) * s, int clamped, ROW(sums) * sums) {
  const int tempered = s->rate < 1 || s->rate > 1;
  if (tempered && clamped) ROW(groups)(x, t, kept, groups, ahead, next, step, s, 1, 1, sums);
  else if (tempered) ROW(groups)(x, t, kept, groups, ahead, next, step, s, 1, 0, sums);
  else if (clamped) ROW(groups)(x, t, kept, groups, ahead, next, step, s, 0, 1, sums);
  else ROW(groups)(x, t, kept, groups, ahead, next, step, s, 0, 0, sums);
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
  for (int step = FE_LANES / 2; step > 0; step /= 2)
    for (int i = 0; i < step; i++) {
      high[i] = high[i] > high[i + step] ? high[i] : high[i + step];
      low[i] = low[i] < low[i + step] ? low[i] : low[i + step];
    }
  return (ROW(bounds)){high[0], low[0]};
}

/* Groups from .. to of a leaf, and those of the next leaf, of which `both` are whole. */
INLINE void ROW(piece)(const ROW(leaf) * leaf, size_t from, size_t to, const ROW(leaf) * next,
                       const NAME(logits, shift) * s, int clamped, ROW(sums) * sums) {
  const size_t both = next->count / FE_LANES;
  while (from < to) {
    const size_t end = from < both && both < to ? both : to, i = from * FE_LANES;
    const real *other = from < both ? next->x + i : both > 0 ? next->x : leaf->x + i;
    const fe_ahead ahead[2] = {
        {leaf->ahead[0].next + (ptrdiff_t)i * leaf->ahead[0].size, leaf->ahead[0].size},
        {leaf->ahead[1].next + (ptrdiff_t)i * leaf->ahead[1].size, leaf->ahead[1].size}};
    ROW(terms)(leaf->x + i, leaf->t + i, leaf->kept + KEPT * i, end - from, ahead, other,
               from < both ? FE_LANES : 0, s, clamped, sums);
    from = end;
  }
}

/* A group that is not whole, or of which an entry is left out. */
INLINE void ROW(odd_group)(const ROW(leaf) * leaf, size_t group, size_t excluded,
                           const ROW(leaf) * next, const NAME(logits, shift) * s,
                           ROW(sums) * sums) {
  real x[2 * FE_LANES], t[FE_LANES];
  const size_t first = group * FE_LANES, left = leaf->count - first, both = next->count / FE_LANES;
  STORE(x, LOAD_UP_TO(leaf->x + first, left, (real)-__builtin_inf()));
  STORE(t, TARGETS ? LOAD_UP_TO(leaf->t + first, left, 0) : G(set)(0));
  if (excluded - first < FE_LANES)
    x[excluded - first] = (real)-__builtin_inf(), t[excluded - first] = 0;
  const fe_ahead nowhere[2] = {{(const char *)x, 0}, {(const char *)x, 0}};
  const real *other = group < both ? next->x + first : both > 0 ? next->x : x;
  real *const kept = leaf->kept + KEPT * first;
  ROW(terms)(x, t, kept, 1, nowhere, other, 0, s, 1, sums);
  if (KEPT) { /* what is left out too */
    ROW(sums) unused = ROW(no_sums)();
    STORE(x, LOAD_UP_TO(leaf->x + first, left, (real)-__builtin_inf()));
    ROW(terms)(x, t, kept, 1, nowhere, x, 0, s, 1, &unused);
  }
}

#include "logits_leaf.h"

/* Adds a leaf to the state of row r, and finds the bounds of the next. */
static unsigned ROW(add_leaf)(const ROW(leaf) * given, const ROW(leaf) * next, ROW(bounds) * bounds,
                              const logits_unit *unit, const fe_state *state, size_t r) {
  const size_t groups = given->count / FE_LANES;
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
    const size_t odd = excluded / FE_LANES;
    ROW(piece)(&leaf, 0, odd < groups ? odd : groups, next, &s, clamped, &sums);
    if (excluded < leaf.count) ROW(odd_group)(&leaf, odd, excluded, next, &s, &sums);
    ROW(piece)(&leaf, odd + 1, groups, next, &s, clamped, &sums);
    if (groups * FE_LANES < leaf.count && !(odd == groups && excluded < leaf.count))
      ROW(odd_group)(&leaf, groups, leaf.count, next, &s, &sums);
    noted = next->count / FE_LANES < groups ? next->count / FE_LANES : groups;
    ROW(lift)(&sums);
    const sum64 sum = {sums.sum, sums.low};
    sum64_collect(&sum, state->part[FE_HIGH] + r, state->part[FE_LOW] + r);
    if (DISTANCES) {
      const sum64 distance = {sums.distance, g64_set(0)};
      sum64_collect(&distance, state->part[FE_DISTANCE_HIGH] + r, state->part[FE_DISTANCE_LOW] + r);
    }
    if (TARGETS) {
      const sum64 weight = {sums.weight, g64_set(0)};
      sum64_collect(&weight, state->part[FE_WEIGHT_HIGH] + r, state->part[FE_WEIGHT_LOW] + r);
    }
    if (MASKED) {
      const sum64 count = {sums.count, g64_set(0)};
      double rest = 0;
      sum64_collect(&count, state->part[FE_COUNT] + r, &rest);
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
#undef AHEAD
#undef TARGETS
#undef MEASURE
#undef OPERANDS
#undef DISTANCES
#undef EXACT
#undef MASKED
#undef RANKED
#undef KEPT
#undef PLAIN

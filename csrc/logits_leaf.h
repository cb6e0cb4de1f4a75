/* logits_leaf.h - part of logits.h: what a leaf of a long row does to the state beside its sums.
 *
 * Ranks: the place of the largest entry, the runner-up, and how many entries are larger than the
 * label's. Each needs another look at a leaf only where the largest entry of the leaf says so: in a
 * row of many leaves, few raise the maximum, and few hold an entry above a likely label's.
 */

/* Where the first entry is, not before `first`, that equals the largest; there is one. */
INLINE size_t ROW(place_of)(const ROW(leaf) * leaf, size_t first, compute largest) {
  const GROUP wanted = G(set)(largest);
  size_t i = first;
  while (i + FE_LANES <= leaf->count && !M(any)(G(equal)(LOAD(leaf->x + i), wanted))) i += FE_LANES;
  while (!((compute)leaf->x[i] >= largest)) i++;
  return i;
}

/* A state whose largest entry is to be another. */
static void ROW(raise_one)(const fe_state *state, size_t r, double m, const logits_unit *unit) {
  if (state->part[FE_LARGEST][r] > -__builtin_inf()) {
    double lanes[FE_PARTS][FE_LANES];
    fe_state one;
    for (int k = 0; k < FE_TARGET; k++) {
      one.part[k] = lanes[k];
      for (int i = 0; i < FE_LANES; i++) lanes[k][i] = state->part[k][r];
    }
    logits64 row = logits64_load(&one, 0);
    NAME(logits, raise)(&row, g64_set(m), TARGETS, unit);
    logits64_store(&row, &one, 0);
    for (int k = 0; k < FE_TARGET; k++) state->part[k][r] = lanes[k][0];
  }
  state->part[FE_LARGEST][r] = m;
}

/* A leaf without an entry above -inf. */
static void ROW(nothing)(const ROW(leaf) * leaf, const fe_state *state, size_t r) {
  for (size_t i = 0; i < leaf->count; i++) {
    if (!(leaf->x[i] <= 0)) state->part[FE_HIGH][r] = __builtin_nan("");
    if (!TARGETS || MASKED || leaf->t[i] == 0) continue;
    state->part[FE_DISTANCE_HIGH][r] += (double)leaf->t[i] * __builtin_inf();
    state->part[FE_WEIGHT_HIGH][r] += (double)leaf->t[i];
  }
}

/* The largest of so many entries, and of a group of others; two at a time, for each maximum waits
 * for the one before. */
INLINE GROUP ROW(largest_of)(const real *x, size_t count, GROUP one) {
  const compute none = (compute)-__builtin_inf();
  GROUP other = one;
  size_t i = 0;
  for (; i + 2 * FE_LANES <= count; i += 2 * FE_LANES) {
    one = G(max)(LOAD(x + i), one);
    other = G(max)(LOAD(x + i + FE_LANES), other);
  }
  for (; i < count; i += FE_LANES) one = G(max)(LOAD_UP_TO(x + i, count - i, none), one);
  return G(max)(one, other);
}

/* Of some entries: the largest, and how many are above the label's. */
typedef struct {
  GROUP largest, above;
} ROW(ranks);

INLINE void ROW(rank_groups)(const real *x, size_t count, GROUP target, ROW(ranks) * ranks) {
  const compute none = (compute)-__builtin_inf();
  const GROUP one = G(set)(1), zero = G(set)(0);
  ROW(ranks) odd = {G(set)(none), zero}; /* every second group: two chains, not to wait for one */
  size_t i = 0;
  for (; i + 2 * FE_LANES <= count; i += 2 * FE_LANES) {
    const GROUP a = LOAD(x + i), b = LOAD(x + i + FE_LANES);
    ranks->largest = G(max)(a, ranks->largest);
    ranks->above = G(add)(ranks->above, G(select)(G(less)(target, a), one, zero));
    odd.largest = G(max)(b, odd.largest);
    odd.above = G(add)(odd.above, G(select)(G(less)(target, b), one, zero));
  }
  for (; i < count; i += FE_LANES) {
    const GROUP a = LOAD_UP_TO(x + i, count - i, none);
    ranks->largest = G(max)(a, ranks->largest);
    ranks->above = G(add)(ranks->above, G(select)(G(less)(target, a), one, zero));
  }
  ranks->largest = G(max)(odd.largest, ranks->largest);
  ranks->above = G(add)(odd.above, ranks->above);
}

/* Of all entries of a leaf but that which is left out, if one is. */
INLINE ROW(ranks) ROW(ranks_of)(const ROW(leaf) * leaf, size_t excluded, compute target) {
  const compute none = (compute)-__builtin_inf();
  const size_t group = excluded / FE_LANES * FE_LANES, end = group + FE_LANES;
  ROW(ranks) ranks = {G(set)(none), G(set)(0)};
  if (excluded >= leaf->count) {
    ROW(rank_groups)(leaf->x, leaf->count, G(set)(target), &ranks);
    return ranks;
  }
  real odd[FE_LANES];
  for (size_t i = 0; i < FE_LANES; i++) {
    const int inside = group + i < leaf->count && group + i != excluded;
    odd[i] = inside ? leaf->x[group + i] : (real)none;
  }
  ROW(rank_groups)(leaf->x, group, G(set)(target), &ranks);
  ROW(rank_groups)(odd, FE_LANES, G(set)(target), &ranks);
  if (end < leaf->count) ROW(rank_groups)(leaf->x + end, leaf->count - end, G(set)(target), &ranks);
  return ranks;
}

/* After a leaf whose largest entry is `best`, where the largest before was `before`. */
INLINE void ROW(rank_leaf)(const ROW(leaf) * leaf, const ROW(bounds) * bounds, double before,
                           const fe_state *state, size_t r) {
  double *runner_up = state->part[FE_RUNNER_UP] + r;
  const double target = state->part[FE_TARGET][r], best = bounds->largest;
  const int raised = best > before, above = best > target;
  if (!raised && best > *runner_up) *runner_up = best;
  if (!raised && !above) return;
  const size_t excluded =
      raised ? ROW(place_of)(leaf, bounds->run * RUN, bounds->largest) : leaf->count;
  const ROW(ranks) ranks = ROW(ranks_of)(leaf, excluded, (compute)target);
  compute largest[FE_LANES], counts[FE_LANES];
  double number = raised && above; /* what is left out */
  G(store)(largest, ranks.largest);
  G(store)(counts, ranks.above);
  for (int i = 0; i < FE_LANES; i++) {
    largest[0] = largest[i] > largest[0] ? largest[i] : largest[0];
    number += counts[i];
  }
  if (above) state->part[FE_COUNT][r] += number;
  if (!raised) return;
  *runner_up = (double)largest[0] > before ? (double)largest[0] : before;
  state->part[FE_PLACE][r] = (double)(leaf->first + excluded);
}

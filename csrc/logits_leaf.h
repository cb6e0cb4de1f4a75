/* logits_leaf.h - part of logits.h: what a leaf of a long row does to the state beside its sums.
 *
 * Ranks: the place of the largest entry, the runner-up, and how many entries are larger than the
 * label's. Each needs another look at a leaf only where the largest entry of the leaf says so: in a
 * row of many leaves, few raise the maximum, and few hold an entry above a likely label's.
 */

/* Where the first entry is that equals the largest. */
INLINE size_t ROW(place_of)(const ROW(leaf) * leaf, compute largest) {
  const GROUP wanted = G(set)(largest);
  size_t i = 0;
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

/* The largest entry of a leaf but that which is left out. */
INLINE double ROW(second_of)(const ROW(leaf) * leaf, size_t excluded) {
  const compute none = (compute)-__builtin_inf();
  real odd[FE_LANES];
  const size_t group = excluded / FE_LANES * FE_LANES;
  for (size_t i = 0; i < FE_LANES; i++) {
    const int inside = group + i < leaf->count && group + i != excluded;
    odd[i] = inside ? leaf->x[group + i] : (real)none;
  }
  const size_t behind = group + FE_LANES < leaf->count ? group + FE_LANES : leaf->count;
  GROUP second = ROW(largest_of)(leaf->x, group, LOAD(odd));
  second = ROW(largest_of)(leaf->x + behind, leaf->count - behind, second);
  compute lanes[FE_LANES];
  G(store)(lanes, second);
  for (int i = 1; i < FE_LANES; i++) lanes[0] = lanes[i] > lanes[0] ? lanes[i] : lanes[0];
  return lanes[0];
}

/* How many entries of a leaf are larger than the label's. */
INLINE double ROW(number_above)(const ROW(leaf) * leaf, compute target) {
  const GROUP one = G(set)(1), zero = G(set)(0), limit = G(set)(target);
  GROUP count = zero, other = zero;
  size_t i = 0;
  for (; i + 2 * FE_LANES <= leaf->count; i += 2 * FE_LANES) {
    const GROUP x = LOAD(leaf->x + i), y = LOAD(leaf->x + i + FE_LANES);
    count = G(add)(count, G(select)(G(less)(limit, x), one, zero));
    other = G(add)(other, G(select)(G(less)(limit, y), one, zero));
  }
  for (; i < leaf->count; i += FE_LANES) {
    const GROUP x = LOAD_UP_TO(leaf->x + i, leaf->count - i, (compute)-__builtin_inf());
    count = G(add)(count, G(select)(G(less)(limit, x), one, zero));
  }
  count = G(add)(count, other);
  compute lanes[FE_LANES];
  double sum = 0;
  G(store)(lanes, count);
  for (int k = 0; k < FE_LANES; k++) sum += lanes[k];
  return sum;
}

/* After a leaf whose largest entry is `best`, where the largest before was `before`. */
INLINE void ROW(rank_leaf)(const ROW(leaf) * leaf, double best, double before, size_t excluded,
                           const fe_state *state, size_t r) {
  double *runner_up = state->part[FE_RUNNER_UP] + r;
  const double target = state->part[FE_TARGET][r];
  if (best > before) {
    const double second = ROW(second_of)(leaf, excluded);
    *runner_up = second > before ? second : before;
    state->part[FE_PLACE][r] = (double)(leaf->first + excluded);
  } else if (best > *runner_up) {
    *runner_up = best;
  }
  if (best > target) state->part[FE_COUNT][r] += ROW(number_above)(leaf, (compute)target);
}

/* logits_ranks.h - part of logits.h: ranks of long rows: the place of the largest entry, the
 * runner-up, and how many entries are larger than the label's.
 *
 *     x > label, where the sign of label - x is set
 *
 * A subtraction, a shift and an addition of integers: on Zen, where the loop over the entries waits
 * for the ports that multiply and compare, none of these needs them. They are right where the label
 * is finite and no -0. Places and runners-up come from the bounds of a leaf, which are known: of
 * entries only those are looked at that share the lane and the run of the largest.
 */
#define LABELS_AHEAD 4 /* rows of more than 256 entries: some 1000 cycles */

/* The first lane that is set; one is. */
INLINE size_t ROW(first_of)(MASK lanes) { return (size_t)__builtin_ctz(M(bits)(lanes)); }

/* Where the largest entry is, if it is one alone, and what else may be the runner-up; of the
 * largest and second largest of each lane over all runs, and the largest of the first run that
 * holds it. */
INLINE void ROW(find_lane)(ROW(bounds) * bounds, GROUP largest, GROUP second, GROUP run) {
  const GROUP best = G(set)(bounds->largest);
  bounds->others = G(select)(G(equal)(largest, best), second, largest);
  bounds->lane = ROW(first_of)(G(equal)(run, best));
}

/* The logits of the labels of some rows; of those that come `ahead` rows later they are fetched. */
INLINE void ROW(read_labels)(const fe_block *block, size_t first, size_t count, size_t ahead,
                             const fe_state *state) {
  const void *const *const entries = block->labelled;
  if (entries == NULL) return;
  for (size_t r = first; r < first + count; r++) {
    if (ahead > 0 && r + ahead < block->rows) __builtin_prefetch(entries[r + ahead]);
    state->part[FE_TARGET][r] = entries[r] ? (double)*(const real *)entries[r] : __builtin_nan("");
  }
}

/* How many are above the label: the last bits of a number that has room for them. */
INLINE GROUP ROW(none_above)(void) { return G(set)((compute)LOGITS_MAGIC); }

INLINE void ROW(add_above)(GROUP *above, GROUP x, GROUP label) {
  *above = G(bits_add)(*above, G(sign_bit)(G(sub)(label, x)));
}

/* Where the first entry is, not before `first`, that equals the largest; there is one. */
INLINE size_t ROW(place_of)(const ROW(leaf) * leaf, size_t first, compute largest) {
  const GROUP wanted = G(set)(largest);
  size_t i = first;
  while (i + FE_LANES <= leaf->count && !M(any)(G(equal)(LOAD(leaf->x + i), wanted))) i += FE_LANES;
  while (!((compute)leaf->x[i] >= largest)) i++;
  return i;
}

/* The largest entry of a leaf is the largest of the row now, where `before` was. */
INLINE void ROW(rank_raised)(const ROW(leaf) * leaf, const ROW(bounds) * bounds, int twins,
                             double before, const fe_state *state, size_t r) {
  const compute none = (compute)-__builtin_inf(), best = bounds->largest;
  const size_t start = bounds->run * RUN, first = start + bounds->lane;
  size_t place;
  compute second = best;
  if (twins) {
    place = ROW(place_of)(leaf, start, best);
  } else {
    compute lane[CHAIN];
    if (start + RUN <= leaf->count)
      _Pragma("GCC unroll 16") for (size_t i = 0; i < CHAIN; i++) lane[i] =
          (compute)leaf->x[first + i * FE_LANES];
    else
      for (size_t i = 0; i < CHAIN; i++)
        lane[i] =
            first + i * FE_LANES < leaf->count ? (compute)leaf->x[first + i * FE_LANES] : none;
    const GROUP entries = G(load)(lane);
    const MASK largest = G(equal)(entries, G(set)(best));
    second = G(largest)(G(max)(G(select)(largest, G(set)(none), entries), bounds->others));
    place = first + FE_LANES * ROW(first_of)(largest);
  }
  state->part[FE_RUNNER_UP][r] = (double)second > before ? (double)second : before;
  state->part[FE_PLACE][r] = (double)(leaf->first + place);
}

/* How many entries of a leaf are above the label's, whatever that is. */
static double ROW(number_above)(const ROW(leaf) * leaf, compute label) {
  const GROUP target = G(set)(label), one = G(set)(1), zero = G(set)(0);
  GROUP above = zero;
  for (size_t i = 0; i < leaf->count; i += FE_LANES) {
    const GROUP x = LOAD_UP_TO(leaf->x + i, leaf->count - i, (real)label);
    above = G(add)(above, G(select)(G(less)(target, x), one, zero));
  }
  return g64_total(WIDEN(above));
}

/* After a leaf: `above` was counted, if so. */
INLINE void ROW(rank_leaf)(const ROW(leaf) * leaf, const ROW(bounds) * bounds, int twins,
                           double before, int counted, GROUP above, const fe_state *state,
                           size_t r) {
  double *const runner_up = state->part[FE_RUNNER_UP] + r, best = bounds->largest;
  const double label = state->part[FE_TARGET][r];
  if (counted) state->part[FE_COUNT][r] += g64_total(WIDEN(G(sub)(above, ROW(none_above)())));
  else if (best > label) state->part[FE_COUNT][r] += ROW(number_above)(leaf, (compute)label);
  if (best > before) ROW(rank_raised)(leaf, bounds, twins, before, state, r);
  else if (best > *runner_up) *runner_up = best;
}

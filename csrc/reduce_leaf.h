/* reduce_leaf.h - part of reduce.h: the fast form of a leaf of one row. */

#ifdef WEIGHTED
INLINE void ROW(term)(SUM *sum, GROUP p, GROUP q, const fe_params *params, const int variant) {
  const GROUP factor = ROW(factor)(p, q, params, variant);
  if (WEIGHTED) S(subtract_product)(sum, p, factor);
  else S(add)(sum, factor);
}
#endif

#ifndef STATE
#define STATE SUM
INLINE STATE ROW(begin)(void) { return (SUM){G(set)(0), G(set)(0)}; }
INLINE sum64 ROW(end)(const STATE *state) { return S(widen)(state); }
#endif

static int ROW(is_special)(const real *p, const real *q, size_t count, const fe_params *params) {
  for (size_t i = 0; i < count; i += FE_LANES) {
    const GROUP x = LOAD_UP_TO(p + i, count - i, 1);
    const GROUP y = OPERANDS == 1 ? x : LOAD_UP_TO(q + i, count - i, 1);
    if (M(any)(ROW(special)(x, y, params))) return 1;
  }
  return 0;
}

INLINE void ROW(leaf_fast)(const real *p, const real *q, size_t count, const fe_ahead *ahead,
                           const fe_params *params, const int variant, STATE *state, WATCH *watch) {
  size_t i = 0;
  for (; i + FE_LANES <= count; i += FE_LANES) {
    fe_fetch(ahead[0].next + i * ahead[0].size, FE_LANES * sizeof(real));
    if (OPERANDS == 2) fe_fetch(ahead[1].next + i * ahead[1].size, FE_LANES * sizeof(real));
    const GROUP x = LOAD(p + i), y = OPERANDS == 1 ? x : LOAD(q + i);
    ROW(watch)(watch, x, y);
    ROW(term)(state, x, y, params, variant);
  }
  if (i < count) { /* padded with ones: terms of 0 in every measure */
    const GROUP x = LOAD_PARTIAL(p + i, count - i, 1);
    const GROUP y = OPERANDS == 1 ? x : LOAD_PARTIAL(q + i, count - i, 1);
    ROW(watch)(watch, x, y);
    ROW(term)(state, x, y, params, variant);
  }
}

static unsigned ROW(leaf)(const real *p, const real *q, size_t count, const fe_ahead *ahead,
                          const fe_params *params, double *high, double *low) {
#ifdef SHORTCUT
  if (SHORTCUT(p, q, count, ahead, params, high, low)) return 0;
#endif
  const size_t whole = PADDED ? count : count / FE_LANES * FE_LANES;
  STATE state = ROW(begin)();
  WATCH watch = W(new)();
  if (VARIANT(params, p, q, count)) ROW(leaf_fast)(p, q, whole, ahead, params, 1, &state, &watch);
  else ROW(leaf_fast)(p, q, whole, ahead, params, 0, &state, &watch);
  if (W(touched)(&watch, WATCH_LIMIT(params)) && ROW(is_special)(p, q, count, params))
    return ROW(leaf_careful)(p, q, count, NULL, NULL, 1, params, high, low);
  const sum64 wide = ROW(end)(&state);
  sum64_collect(&wide, high, low);
  if (whole == count) return 0;
  return ROW(leaf_careful)(p + whole, q + whole, count - whole, NULL, NULL, 1, params, high, low);
}

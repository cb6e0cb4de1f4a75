/* logits_leaf.h - part of logits.h: what a leaf of a long row does to the state beside its sums. */

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

/* select.h - offers a run of entries to the largest of their row; once a dtype.
 *
 * Once as many are kept as are wanted, a group is looked at lane by lane only if one of its entries
 * is larger than the smallest kept.
 */
static void NAME(fe, select)(const void *entries, size_t count, size_t first, fe_top *top) {
  const real *x = entries;
  for (size_t i = 0; i < count; i += FE_LANES) {
    const size_t left = count - i, number = left < FE_LANES ? left : FE_LANES;
    const GROUP a = LOAD_UP_TO(x + i, left, (compute)-__builtin_inf());
    if (top->count == top->room && !M(any)(G(less)(G(set)((compute)top->values[0]), a))) continue;
    for (size_t j = 0; j < number; j++)
      fe_top_offer(top, (double)x[i + j], (int64_t)(first + i + j));
  }
}

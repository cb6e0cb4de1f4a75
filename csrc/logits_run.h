/* logits_run.h - part of logits.h: the loop over the entries of a run, a part of a leaf.
 *
 * While the terms of a run are made, the bounds of the same run of the next leaf are found. The
 * largest entry of a row is left out of its sums: in the run that holds it every entry is compared
 * with it, which costs less than finding its place; others of the same size are put back by their
 * number.
 */

/* A run: at most CHAIN groups, and the first `noted` of as many of the next leaf, `step` entries
 * apart. Groups before number `plain` are whole, and nothing of them is left out; of others entries
 * equal to `excluded` are, and behind the last entry stands `nothing`. */
typedef struct {
  const real *x, *t, *next;
  real *kept;
  size_t count, noted, step, plain;
  compute excluded, label;
  real nothing;
  fe_ahead ahead[2];
} ROW(run);

/* What the loop goes by, and what it makes. */
typedef struct {
  GROUP magic, lowest, largest, excluded, label;
} ROW(constants);
typedef struct {
  ROW(chain) chain;
  GROUP excluded;                  /* how many */
  GROUP target, smallest, largest; /* the smallest target; bounds of the next run */
  GROUP above;                     /* the label's: how many */
} ROW(made);

/* A group's terms, and the bounds of one of the next leaf. */
INLINE void ROW(group)(const ROW(run) * run, size_t group, const ROW(constants) * of,
                       const NAME(logits, shift) * s, const int tempered, const int clamped,
                       const int plain, ROW(made) * made) {
  const size_t i = group * FE_LANES, left = run->count - i;
  const real *const next = run->next + (plain || group < run->noted ? group * run->step : 0);
  const fe_ahead on_t = run->ahead[0], on_x = run->ahead[TARGETS];
  FETCH(on_x.next + (ptrdiff_t)i * on_x.size, FE_LANES * sizeof(real));
  if (TARGETS) FETCH(on_t.next + (ptrdiff_t)i * on_t.size, FE_LANES * sizeof(real));
  const GROUP other = LOAD(next), zero = G(set)(0);
  const GROUP x = plain ? LOAD(run->x + i) : LOAD_UP_TO(run->x + i, left, run->nothing);
  GROUP t = !TARGETS ? other : plain ? LOAD(run->t + i) : LOAD_UP_TO(run->t + i, left, 0);
  if (RANKED) ROW(add_above)(&made->above, x, of->label);
  if (TARGETS) made->target = G(min)(t, made->target);
  MASK excluded;
  if (!plain) {
    excluded = G(equal)(x, of->excluded);
    made->excluded = G(add)(made->excluded, G(select)(excluded, G(set)(1), zero));
    if (TARGETS) { /* their distance is 0, and their targets count */
      made->chain.weight = G(add)(made->chain.weight, G(select)(excluded, t, zero));
      t = G(select)(excluded, zero, t);
    }
  }
  ROW(term)(&made->chain, x, t, of->largest, of->magic, of->lowest, s, tempered, clamped,
            plain ? NULL : &excluded, run->kept + KEPT * i);
  made->largest = G(max)(other, made->largest);
  made->smallest = G(min)(other, made->smallest);
}

/* The terms of a run, and the bounds of that of the next leaf: its largest entries by themselves.
 */
INLINE void ROW(groups)(const ROW(run) * given, const NAME(logits, shift) * shift,
                        const int tempered, const int clamped, ROW(sums) * sums, GROUP *above,
                        GROUP *largest) {
  const ROW(run) copy = *given, *run = &copy; /* which what is kept cannot write over */
  const NAME(logits, shift) same = *shift, *s = &same;
  const ROW(constants) of = {G(set)(s->magic), G(set)(s->lowest), G(set)(s->largest),
                             G(set)(run->excluded), G(set)(run->label)};
  const GROUP none = G(set)((compute)-__builtin_inf());
  const size_t groups = (run->count + FE_LANES - 1) / FE_LANES;
  ROW(made) made = {ROW(new_chain)(), sums->excluded, sums->target, sums->smallest, none, *above};
  for (size_t group = 0; group < run->plain; group++)
    ROW(group)(run, group, &of, s, tempered, clamped, 1, &made);
  for (size_t group = run->plain; group < groups; group++)
    ROW(group)(run, group, &of, s, tempered, clamped, 0, &made);
  ROW(flush)(sums, &made.chain);
  sums->excluded = made.excluded;
  sums->target = made.target;
  sums->smallest = made.smallest;
  *largest = made.largest;
  *above = made.above;
}

#if PAIRED /* of all registers these alone take more than there are */
OUTLINE
#else
static
#endif
void ROW(terms)(const ROW(run) * run, const NAME(logits, shift) * s, int clamped, ROW(sums) * sums,
                GROUP *above, GROUP *largest) {
  const int tempered = s->rate < 1 || s->rate > 1;
  if (tempered && clamped) ROW(groups)(run, s, 1, 1, sums, above, largest);
  else if (tempered) ROW(groups)(run, s, 1, 0, sums, above, largest);
  else if (clamped) ROW(groups)(run, s, 0, 1, sums, above, largest);
  else ROW(groups)(run, s, 0, 0, sums, above, largest);
}

/* The terms of a leaf but the largest entries of run number `peak`, and what is noted of the next:
 * returns of how many groups.
 *
 * Run `peak` comes late, and the last one last: so which it is need not be known when the first
 * begins, and what is fetched is fetched in order. Behind the end stands the least that a form
 * takes: -inf where it is clamped, else what is as small as 2^-(bias + LOGITS_HEAD) beside the
 * largest term, and nothing in any result.
 */
static size_t ROW(add_terms)(const ROW(leaf) * leaf, size_t peak, const ROW(leaf) * next,
                             const NAME(logits, shift) * s, int clamped, compute label,
                             ROW(sums) * sums, GROUP *above, GROUP *largest) {
  static const real nowhere[FE_LANES];
  const real nothing = clamped ? (real)-__builtin_inf() : (real)s->lowest;
  const size_t runs = (leaf->count + RUN - 1) / RUN,
               groups = (leaf->count + FE_LANES - 1) / FE_LANES;
  const size_t both = next->count / FE_LANES < groups ? next->count / FE_LANES : groups;
  const size_t noted = both >= leaf->count / FE_LANES ? both : both / CHAIN * CHAIN;
  for (size_t turn = 0; turn < runs; turn++) {
    const int early = turn + 1 < runs && peak + 1 < runs;
    const size_t j = !early ? turn : turn + 2 == runs ? peak : turn + (turn >= peak);
    const size_t first = j * RUN, known = j * CHAIN < noted ? noted - j * CHAIN : 0;
    const size_t count = leaf->count - first < RUN ? leaf->count - first : RUN;
    ROW(run)
    run = {leaf->x + first,
           leaf->t + first,
           known > 0  ? next->x + first
           : both > 0 ? next->x
                      : nowhere,
           leaf->kept + KEPT * first,
           count,
           known,
           known > 0 ? FE_LANES : 0,
           j == peak ? 0 : count / FE_LANES,
           j == peak ? s->largest : (compute)__builtin_nan(""),
           label,
           nothing,
           {leaf->ahead[0], leaf->ahead[1]}};
    run.ahead[0].next += (ptrdiff_t)(turn * RUN) * run.ahead[0].size;
    run.ahead[1].next += (ptrdiff_t)(turn * RUN) * run.ahead[1].size;
    ROW(terms)(&run, s, clamped, sums, above, largest + j);
  }
  return noted;
}

/* prove_samples.c - pointwise kernels at hard cases and at samples of every regime.
 *
 *   prove_samples [samples] [threads] [seed] [function ...]
 *
 * float64 for all functions, float32 for those of several operands; prove_float32.c takes the
 * others. Hard cases come first: numbers beside powers of two, 1 and 1/2, the smallest and largest,
 * beside roots, extrema, the floor e^-100 and the seams of the kernels; each target with each
 * input. Samples depend on the seed alone, whatever the threads. What is printed, and when it ends
 * non-zero: as for prove_float32.c. */
#include "prove.h"

#define E_TO_MINUS_100 0x1.a8c1f14e2af5dp-145
#define LOG_2 0x1.62e42fefa39efp-1
#define SEAM 0x1.5a8p-1 /* where the kernels' significand starts, see vmath.h */

/* Roots, extrema and seams: 1/e, where -p log p is largest, and its complement; the square root of
 * 1/2. */
static const double points[] = {0x1.78b56362cef38p-2,
                                0x1.43a54e4e98864p-1,
                                0x1.6a09e667f3bcdp-1,
                                SEAM,
                                E_TO_MINUS_100,
                                LOG_2,
                                0.5 * LOG_2,
                                0.1,
                                1.0 / 16,
                                1.0 / 3,
                                0.75};
#define POINTS (sizeof points / sizeof *points)

/* Of exponentials: where results overflow, become subnormal, 0 or -1 (digits times log 2), in
 * doubles and in floats. */
static const double limits[] = {0x1.62e42fefa39efp+9,
                                -0x1.6232bdd7abcd2p+9,
                                -0x1.74910d52d3052p+9,
                                0x1.62e42fefa39efp+6,
                                -0x1.5d589f2fe5107p+6,
                                -0x1.9fe3682cd3be4p+6,
                                -0x1.25e4f7b2737fap+5,
                                -40,
                                709,
                                710,
                                -745,
                                -746};

/* ---- hard cases ------------------------------------------------------------------------------ */

typedef struct {
  double *list;
  size_t count, size;
} numbers;

typedef struct {
  uint64_t seed, samples;
  numbers hard;
} plan;

static void append(numbers *to, double x) {
  if (to->count == to->size) {
    to->size = 2 * to->size + 1024;
    to->list = realloc(to->list, to->size * sizeof *to->list);
    if (!to->list) exit(2);
  }
  to->list[to->count++] = x;
}

/* x as a number of the dtype, some neighbours on both sides, and all of them negated. */
static void append_around(numbers *to, fe_real real, double x, int neighbours) {
  for (int sign = -1; sign <= 1; sign += 2) {
    double y = real == FE_F32 ? (float)x : x;
    for (int i = 0; i < neighbours; i++)
      y = real == FE_F32 ? nextafterf((float)y, -INFINITY) : nextafter(y, -INFINITY);
    for (int i = 0; i <= 2 * neighbours; i++) {
      append(to, sign * y);
      y = real == FE_F32 ? nextafterf((float)y, INFINITY) : nextafter(y, INFINITY);
    }
  }
}

/* Numbers of one operand: 8 ulps each side of everything. */
static void append_many(numbers *to, const function *f, fe_real real) {
  const format *form = &formats[real];
  for (int k = form->lowest; k <= form->highest; k++) {
    append_around(to, real, ldexp(1, k), 8);
    append_around(to, real, ldexp(SEAM, k), 2);
  }
  for (int k = 1; k <= form->digits + 1; k++) {
    append_around(to, real, 1 - ldexp(1, -k), 8);
    append_around(to, real, 1 + ldexp(1, -k), 8);
    append_around(to, real, 0.5 - ldexp(1, -k), 8);
    append_around(to, real, 0.5 + ldexp(1, -k), 8);
  }
  for (size_t i = 0; i < POINTS; i++) append_around(to, real, points[i], 64);
  if (f->x != ANY) return;
  for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
    append_around(to, real, limits[i], 64);
  for (int k = 1; k <= 750; k++) append_around(to, real, k, 2);
  for (int k = 1; k <= -2 * form->lowest + 2; k++) /* where the exponent of the result changes */
    append_around(to, real, 0.5 * k * LOG_2, 8);
}

/* Numbers of each of two operands: all pairs are taken, so fewer. */
static void append_few(numbers *to, fe_real real) {
  const format *form = &formats[real];
  for (int k = form->lowest; k <= 0; k++)
    if (k >= -8 || k % 16 == 0 || k < form->lowest + 2) append_around(to, real, ldexp(1, k), 2);
  append_around(to, real, ldexp(1, form->lowest + form->digits - 1), 2);
  for (int k = 2; k <= form->digits + 1; k += k < 8 ? 1 : 5) {
    append_around(to, real, 1 - ldexp(1, -k), 1);
    append_around(to, real, 0.5 - ldexp(1, -k), 1);
    append_around(to, real, 0.5 + ldexp(1, -k), 1);
  }
  for (size_t i = 0; i < POINTS; i++) append_around(to, real, points[i], 3);
  append_around(to, real, E_TO_MINUS_100, 64); /* an ulp of the logarithm is a hundred of these */
}

static numbers hard_cases(const function *f, fe_real real) {
  numbers all = {NULL, 0, 0};
  const double extremes[] = {0, INFINITY, real == FE_F32 ? FLT_MAX : DBL_MAX};
  for (int i = 0; i < 3; i++) append(&all, extremes[i]), append(&all, -extremes[i]);
  append(&all, NAN);
  if (f->operands > 1) append_few(&all, real);
  else append_many(&all, f, real);
  return all;
}

/* ---- samples --------------------------------------------------------------------------------- */

/* SplitMix64: G. L. Steele, D. Lea, C. H. Flood, "Fast splittable pseudorandom number generators",
 * OOPSLA 2014; these constants are of S. Vigna's splitmix64.c, which is in the public domain. */
static inline uint64_t draw(uint64_t *state) {
  uint64_t z = *state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static inline double unit(uint64_t *state) { return (double)(draw(state) >> 11) * 0x1p-53; }

/* Of an even share in each binade of exponents first to last. */
static double log_uniform(uint64_t *state, int first, int last) {
  const int k = first + (int)(draw(state) % (uint64_t)(last - first + 1));
  return (1 + unit(state)) * power_of_two(k / 2) * power_of_two(k - k / 2);
}

/* u 2^-k, with k up to somewhat more than a significand has digits. */
static double small(uint64_t *state, const format *form) {
  const int k = (int)(draw(state) % (uint64_t)(form->digits + 2));
  return unit(state) * power_of_two(-k);
}

static double with_sign(uint64_t *state, double x) { return draw(state) >> 63 ? x : -x; }

static double near(uint64_t *state, const format *form, double x) {
  return x * (1 + with_sign(state, small(state, form)));
}

/* From 0 to 1, an eighth of each kind. */
static double probability(uint64_t *state, const format *form) {
  const uint64_t kind = draw(state);
  double x;
  switch (kind & 7) {
    case 0:
      return unit(state);
    case 1:
      return log_uniform(state, form->lowest, -1);
    case 2:
      return log_uniform(state, -64, -1);
    case 3:
      return log_uniform(state, -8, -1);
    case 4:
      return 1 - small(state, form);
    case 5:
      return 0.5 * near(state, form, 1);
    case 6: /* of few digits */
      x = power_of_two((int)(kind >> 8 & 15));
      return floor(unit(state) * (x + 1)) / x;
    default:
      x = kind >> 8 & 1 ? points[(kind >> 16) % POINTS] : power_of_two(-(int)(kind >> 16 & 63));
      return fmin(1, near(state, form, x));
  }
}

static double positive(uint64_t *state, const format *form) {
  switch (draw(state) & 3) {
    case 0:
      return near(state, form, 1);
    case 1:
      return log_uniform(state, 0, form->highest);
    default:
      return probability(state, form);
  }
}

/* For exponentials: both signs, mostly where the result is neither infinity nor 0 nor 1. */
static double any_number(uint64_t *state, const format *form) {
  const double low = (form->lowest - 1) * LOG_2, high = (form->highest + 2) * LOG_2;
  switch (draw(state) & 7) {
    case 0:
      return with_sign(state, unit(state));
    case 1:
      return 80 * unit(state) - 40;
    case 2:
      return with_sign(state, log_uniform(state, -64, 9));
    case 3:
      return with_sign(state, log_uniform(state, form->lowest, form->highest));
    case 4: /* where the exponent of the result, or the kernel's own, changes */
      return near(state, form, floor((low + (high - low) * unit(state)) / LOG_2 * 2) / 2 * LOG_2);
    default:
      return low + (high - low) * unit(state);
  }
}

static double sample(uint64_t *state, const format *form, domain inputs) {
  switch (inputs) {
    case PROBABILITY:
      return probability(state, form);
    case POSITIVE:
      return positive(state, form);
    case ABOVE_MINUS_ONE:
      return draw(state) >> 63 ? positive(state, form) : -probability(state, form);
    default:
      return any_number(state, form);
  }
}

/* A target and what is judged. A probability: half of them by themselves, half one beside the
 * other, where the loss is smallest, or its complement, or both near 0 or 1, or a target of 0 or 1.
 */
static void sample_pair(uint64_t *state, const format *form, const function *f, double *t,
                        double *x) {
  const uint64_t kind = draw(state);
  const domain judged = f->x;
  if (f->t != PROBABILITY) { /* numbers of two domains: half of the second beside the first, or 1 */
    *t = sample(state, form, f->t), *x = sample(state, form, judged);
    if ((kind & 1) && judged == POSITIVE) *x = near(state, form, f->t == POSITIVE ? *t : 1);
    return;
  }
  *t = probability(state, form), *x = probability(state, form);
  if (judged == ANY) {
    *x = any_number(state, form);
    if (kind & 1) *t = (double)(kind >> 8 & 1);
    return;
  }
  switch (kind & 7) {
    case 0:
      *x = fmin(1, near(state, form, *t));
      return;
    case 1:
      *x = fmin(1, near(state, form, 1 - *t));
      return;
    case 2:
      *t = (double)(kind >> 8 & 1);
      return;
    case 3:
      *t = small(state, form), *x = small(state, form);
      if (kind >> 8 & 1) *t = 1 - *t;
      if (kind >> 9 & 1) *x = 1 - *x;
      return;
    default:
      return;
  }
}

static size_t hard_count(const plan *all, const function *f) {
  return f->operands > 1 ? all->hard.count * all->hard.count : all->hard.count;
}

static size_t fill(const proof *p, uint64_t block, double *t, double *x) {
  const plan *all = p->context;
  const function *f = p->f;
  const format *form = &formats[p->real];
  const uint64_t hard = hard_count(all, f), start = block * BLOCK, end = hard + all->samples;
  uint64_t state = all->seed + (uint64_t)(2 * (f - functions) + p->real);
  state = draw(&state) + block;
  state = draw(&state);
  size_t n = 0;
  for (; n < BLOCK && start + n < end; n++) {
    const uint64_t i = start + n;
    t[n] = f->target;
    if (i < hard) {
      x[n] = all->hard.list[i % all->hard.count];
      if (f->operands > 1) t[n] = all->hard.list[i / all->hard.count];
    } else if (f->operands > 1) {
      sample_pair(&state, form, f, &t[n], &x[n]);
    } else {
      x[n] = sample(&state, form, f->x);
    }
    if (p->real == FE_F32) t[n] = (float)t[n], x[n] = (float)x[n];
  }
  return n;
}

int main(int argc, char **argv) {
  plan all = {.samples = argc > 1 ? (uint64_t)strtod(argv[1], NULL) : 10000000};
  const int threads = argc > 2 ? atoi(argv[2]) : 2, count = argc > 4 ? argc - 4 : 0;
  all.seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
  int failed = check_request(threads, argv + 4, count);
  printf("hard cases and %llu samples, seed %llu\n", (unsigned long long)all.samples,
         (unsigned long long)all.seed);
  print_heading();
  for (size_t j = 0; j < FUNCTIONS; j++) {
    const function *f = &functions[j];
    if (!(f->programs & (FLOATS | DOUBLES)) || !wanted(f, argv + 4, count)) continue;
    for (int real = 0; real < FE_REALS; real++) {
      if (!(f->programs & (real == FE_F32 ? FLOATS : DOUBLES))) continue;
      all.hard = hard_cases(f, real);
      const uint64_t inputs = hard_count(&all, f) + all.samples;
      failed |= prove(f, real, (inputs + BLOCK - 1) / BLOCK, fill, &all, threads);
      free(all.hard.list);
    }
  }
  return failed;
}

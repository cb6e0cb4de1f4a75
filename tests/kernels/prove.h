/* prove.h - what the programs that prove pointwise kernels share: the functions and their exact
 * values, the judging of a block of inputs on every instruction set, and the table printed.
 *
 * The reference for doubles is the C library in long double: 64 bits on x86-64 with an error of two
 * or three of its own ulps, so 0.002 of a double's. For floats it is the C library in double, and
 * long double where that might decide how a result rounds. One reference serves all instruction
 * sets. NaN is due outside the domain, and nowhere else. */
#ifndef PROVE_H
#define PROVE_H

#include <float.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tgmath.h>
#include <time.h>

#include "fastent.h"

#define BLOCK 1024
#define MOST_ISAS 4
#define MOST_THREADS 64

typedef long double wide;

/* ---- what is proved -------------------------------------------------------------------------- */

/* The exact value, in double and in long double: of x, or of a target t and a probability x, with a
 * weight w between them. No sum here has terms of both signs, but for what curve() is there. */
#define EXACT(name, ...)                                     \
  static double name(double t, double w, double x) {         \
    return (void)t, (void)w, (void)x, (double)(__VA_ARGS__); \
  }                                                          \
  static wide name##_wide(wide t, wide w, wide x) {          \
    return (void)t, (void)w, (void)x, (wide)(__VA_ARGS__);   \
  }

/* Of functions with weights: the smoothing of targets, and the weights that are taken in turn. */
#define SMOOTHING 0.1
static const double weights[] = {1, 0, 3.7, 1e38, 1e-42, 0x1p-1060, 1.0 / 3};
#define WEIGHTS (sizeof weights / sizeof *weights)
#define SMOOTHED(t) ((t) * (1 - (wide)SMOOTHING) + 0.5 * SMOOTHING)

EXACT(exact_surprisal, -log(x))
EXACT(exact_surprisal_2, -log2(x))
EXACT(exact_surprisal_10, -log10(x))
EXACT(exact_entropy, (x == 0 ? 0 : -x * log(x)) - (x == 1 ? 0 : (1 - x) * log1p(-x)))
EXACT(exact_loss,
      (t == 0 ? 0 : t * fmin(100, -log(x))) + (t == 1 ? 0 : (1 - t) * fmin(100, -log1p(-x))))
EXACT(exact_sigmoid, x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x)))
EXACT(exact_logit_loss,
      (x > 0 ? (t == 1 ? 0 : (1 - t) * x) : (t == 0 ? 0 : -t * x)) + log1p(exp(-fabs(x))))
EXACT(exact_weighted_loss, (w == 0 ? 0 : w * SMOOTHED(t) * fmin(100, -log(x))) +
                               SMOOTHED(1 - (wide)t) * fmin(100, -log1p(-x)))
EXACT(exact_weighted_logit_loss,
      (w == 0 ? 0 : w * SMOOTHED(t) * (fmax(-x, 0) + log1p(exp(-fabs(x))))) +
          SMOOTHED(1 - (wide)t) * (fmax(x, 0) + log1p(exp(-fabs(x)))))
/* d - log(1 + d), by its series where that would cancel. */
static wide curve(wide d) {
  if (fabs(d) >= 0x1p-6) return d - log1p(d);
  wide sum = 0;
  for (int n = 14; n >= 2; n--) sum = (n % 2 ? -1 : 1) / (wide)n + d * sum;
  return d * d * sum;
}
#define NEAR(t, x) (fabs((t) - (x)) < 0.25 * (x))
EXACT(exact_entr, x == 0 ? 0 : -x * log(x))
EXACT(exact_rel_entr, t == 0 ? 0 : t * (NEAR(t, x) ? log1p((t - x) / x) : log(t / x)))
EXACT(exact_kl_div, t == 0       ? x
                    : NEAR(t, x) ? t * curve(((wide)x - t) / t)
                                 : t * log((wide)t / x) - ((wide)t - x))
EXACT(exact_xlogy, t == 0 ? 0 : t * log(x))
EXACT(exact_xlog1py, t == 0 ? 0 : t * log1p(x))
EXACT(exact_log_expit, x > 0 ? -log1p(exp(-x)) : x - log1p(exp(x)))
EXACT(exact_log, log(x))
EXACT(exact_log1p, log1p(x))
EXACT(exact_exp, exp(x))
EXACT(exact_expm1, expm1(x))

typedef enum { PROBABILITY, POSITIVE, ABOVE_MINUS_ONE, ANY } domain;
static const double least[] = {0, 0, -1, -INFINITY}, most[] = {1, INFINITY, INFINITY, INFINITY};

/* Which programs take a function: all floats, sampled floats, sampled doubles. */
enum { EVERY_FLOAT = 1, FLOATS = 2, DOUBLES = 4 };

typedef struct {
  const char *name, *measure;
  int operands, programs;
  domain x;
  double target; /* the first of several operands, where it is not sampled */
  double scale_high, scale_low, floor;
  double (*exact)(double t, double w, double x);
  wide (*exact_wide)(wide t, wide w, wide x);
  domain t;
  int limits; /* outside the domain it is no NaN but what tests/test_special.py says */
} function;

#define ONE 1, 0
#define BASE_2 0x1.71547652b82fep+0, 0x1.777d0ffda0d24p-56 /* 1/log 2 */
#define BASE_10 0x1.bcb7b1526e50ep-2, 0x1.95355baaafad3p-57
#define NO_FLOOR (-INFINITY)
#define BY(name) name, name##_wide, PROBABILITY, 0
#define OF(t, name) name, name##_wide, t, 1

static const function functions[] = {
    {"surprisal", "surprisal", 1, EVERY_FLOAT | DOUBLES, POSITIVE, 0, ONE, NO_FLOOR,
     BY(exact_surprisal)},
    {"surprisal base 2", "surprisal", 1, EVERY_FLOAT | DOUBLES, POSITIVE, 0, BASE_2, NO_FLOOR,
     BY(exact_surprisal_2)},
    {"surprisal base 10", "surprisal", 1, EVERY_FLOAT | DOUBLES, POSITIVE, 0, BASE_10, NO_FLOOR,
     BY(exact_surprisal_10)},
    {"binary_entropy", "binary_entropy", 1, EVERY_FLOAT | DOUBLES, PROBABILITY, 0, ONE, NO_FLOOR,
     BY(exact_entropy)},
    {"binary_cross_entropy of 1", "binary_cross_entropy", 2, EVERY_FLOAT, PROBABILITY, 1, ONE, -100,
     BY(exact_loss)},
    {"binary_cross_entropy of 0", "binary_cross_entropy", 2, EVERY_FLOAT, PROBABILITY, 0, ONE, -100,
     BY(exact_loss)},
    {"binary_cross_entropy", "binary_cross_entropy", 2, FLOATS | DOUBLES, PROBABILITY, 0, ONE, -100,
     BY(exact_loss)},
    {"sigmoid", "sigmoid", 1, EVERY_FLOAT | DOUBLES, ANY, 0, ONE, NO_FLOOR, BY(exact_sigmoid)},
    {"binary_cross_entropy_with_logits of 1", "binary_cross_entropy_with_logits", 2, EVERY_FLOAT,
     ANY, 1, ONE, NO_FLOOR, BY(exact_logit_loss)},
    {"binary_cross_entropy_with_logits of 0", "binary_cross_entropy_with_logits", 2, EVERY_FLOAT,
     ANY, 0, ONE, NO_FLOOR, BY(exact_logit_loss)},
    {"binary_cross_entropy_with_logits", "binary_cross_entropy_with_logits", 2, FLOATS | DOUBLES,
     ANY, 0, ONE, NO_FLOOR, BY(exact_logit_loss)},
    {"binary_cross_entropy_weighted of 1", "binary_cross_entropy_weighted", 3, EVERY_FLOAT,
     PROBABILITY, 1, ONE, -100, BY(exact_weighted_loss)},
    {"binary_cross_entropy_weighted", "binary_cross_entropy_weighted", 3, FLOATS | DOUBLES,
     PROBABILITY, 0, ONE, -100, BY(exact_weighted_loss)},
    {"binary_cross_entropy_with_logits_weighted of 1", "binary_cross_entropy_with_logits_weighted",
     3, EVERY_FLOAT, ANY, 1, ONE, NO_FLOOR, BY(exact_weighted_logit_loss)},
    {"binary_cross_entropy_with_logits_weighted", "binary_cross_entropy_with_logits_weighted", 3,
     FLOATS | DOUBLES, ANY, 0, ONE, NO_FLOOR, BY(exact_weighted_logit_loss)},
    {"entr", "entr", 1, EVERY_FLOAT | DOUBLES, POSITIVE, 0, ONE, NO_FLOOR,
     OF(PROBABILITY, exact_entr)},
    {"rel_entr", "rel_entr", 2, FLOATS | DOUBLES, POSITIVE, 0, ONE, NO_FLOOR,
     OF(POSITIVE, exact_rel_entr)},
    {"kl_div", "kl_div", 2, FLOATS | DOUBLES, POSITIVE, 0, ONE, NO_FLOOR,
     OF(POSITIVE, exact_kl_div)},
    {"xlogy", "xlogy", 2, FLOATS | DOUBLES, POSITIVE, 0, ONE, NO_FLOOR, OF(ANY, exact_xlogy)},
    {"xlog1py", "xlog1py", 2, FLOATS | DOUBLES, ABOVE_MINUS_ONE, 0, ONE, NO_FLOOR,
     OF(ANY, exact_xlog1py)},
    {"expit", "expit", 1, EVERY_FLOAT | DOUBLES, ANY, 0, ONE, NO_FLOOR, BY(exact_sigmoid)},
    {"log_expit", "log_expit", 1, EVERY_FLOAT | DOUBLES, ANY, 0, ONE, NO_FLOOR,
     BY(exact_log_expit)},
    {"log", "log", 1, EVERY_FLOAT | DOUBLES, POSITIVE, 0, ONE, NO_FLOOR, BY(exact_log)},
    {"log1p", "log1p", 1, EVERY_FLOAT | DOUBLES, ABOVE_MINUS_ONE, 0, ONE, NO_FLOOR,
     BY(exact_log1p)},
    {"exp", "exp", 1, EVERY_FLOAT | DOUBLES, ANY, 0, ONE, NO_FLOOR, BY(exact_exp)},
    {"expm1", "expm1", 1, EVERY_FLOAT | DOUBLES, ANY, 0, ONE, NO_FLOOR, BY(exact_expm1)},
};
#define FUNCTIONS (sizeof functions / sizeof *functions)

typedef struct {
  int digits, lowest, highest; /* bits of a significand; exponents of the least and largest */
  wide beyond;                 /* 2^(highest + 1) */
} format;
static const format formats[FE_REALS] = {{24, -149, 127, 0x1p128L}, {53, -1074, 1023, 0x1p1024L}};

/* ---- judging --------------------------------------------------------------------------------- */

typedef struct {
  wide exact;
  double nearest, nearest_error; /* the best result there is, and its error in ulps */
  double ulps, ulps_more;        /* 1/ulp as two factors: for subnormals it is no double */
} truth;

typedef struct {
  double t, w, x;
} inputs;

typedef struct {
  double worst;
  inputs worst_at;
  uint64_t misrounded, misplaced;
  inputs misplaced_at;
} tally;

static inline double power_of_two(int k) { /* of normal size */
  const uint64_t bits = (uint64_t)(1023 + k) << 52;
  double y;
  memcpy(&y, &bits, sizeof y);
  return y;
}

static inline wide clamp(wide y, wide most_of_it) {
  return y > most_of_it ? most_of_it : y < -most_of_it ? -most_of_it : y;
}

/* In ulps. Infinity counts as the power of two beyond the largest number: an overflow too early or
 * too late has the error that it would have with one more exponent. */
static inline double error_of(const truth *y, const format *form, double got) {
  const wide error = clamp(got, form->beyond) - clamp(y->exact, form->beyond);
  return (double)(fabs(error) * y->ulps * y->ulps_more);
}

static void set_exact(truth *y, const format *form, wide exact) {
  y->exact = exact;
  y->nearest = form->digits == 24 ? (double)(float)exact : (double)exact;
  const double down = fabs(y->nearest); /* towards 0: has the exponent of the exact value */
  uint64_t bits;
  memcpy(&bits, &down, sizeof bits);
  if (down > fabs(exact)) bits--;
  int exponent = (int)(bits >> 52) - 1023;
  const int normal = form->lowest + form->digits - 1;
  if (exponent < normal) exponent = normal;
  if (exponent > form->highest) exponent = form->highest;
  y->ulps = power_of_two(-exponent / 2);
  y->ulps_more = power_of_two(form->digits - 1 - exponent - -exponent / 2);
  y->nearest_error = error_of(y, form, y->nearest);
}

static void find_truth(truth *y, const function *f, fe_real real, inputs at) {
  if (!(at.x >= least[f->x] && at.x <= most[f->x] && at.t >= least[f->t] && at.t <= most[f->t])) {
    y->nearest = NAN;
    return;
  }
  if (real == FE_F32) {
    set_exact(y, &formats[real], f->exact(at.t, at.w, at.x));
    if (y->nearest_error < 0.499999) return;
  }
  set_exact(y, &formats[real], f->exact_wide(at.t, at.w, at.x));
}

/* Of equal errors the least input counts: what is printed does not depend on the threads. */
static inline void raise_worst(tally *sum, double error, inputs at) {
  const inputs *worst = &sum->worst_at;
  if (error < sum->worst) return;
  if (error == sum->worst && (at.x > worst->x || (at.x == worst->x && at.t >= worst->t))) return;
  sum->worst = error, sum->worst_at = at;
}

static inline void judge(const truth *y, const format *form, double got, inputs at, tally *sum) {
  double error = y->nearest_error;
  if (got != y->nearest) { /* or one of them is NaN */
    if (isnan(y->nearest) && isnan(got)) return;
    if (isnan(y->nearest) || isnan(got) || isinf(y->exact)) {
      if (sum->misplaced++ == 0) sum->misplaced_at = at;
      return;
    }
    error = error_of(y, form, got);
    sum->misrounded += error > y->nearest_error;
  }
  raise_worst(sum, error, at);
}

/* ---- the work, cut into blocks that any thread may take ----------------------------------------
 */

typedef struct proof proof;
/* Writes the inputs of a block, each a number of the dtype; returns how many, at most BLOCK. */
typedef size_t (*filler)(const proof *p, uint64_t block, double *t, double *x);

struct proof {
  const function *f;
  fe_real real;
  uint64_t blocks;
  filler fill;
  const void *context;
  atomic_uint_fast64_t next, samples; /* samples: those in the domain */
  pthread_mutex_t lock;
  tally tallies[MOST_ISAS];
};

static const fe_measure *measure_of(const fe_isa *isa, const char *name) {
  for (int i = 0; i < fe_measure_count; i++)
    if (strcmp(isa->measures[i].name, name) == 0) return &isa->measures[i];
  return NULL;
}

static void join(tally *sum, const tally *more) {
  raise_worst(sum, more->worst, more->worst_at);
  if (sum->misplaced == 0) sum->misplaced_at = more->misplaced_at;
  sum->misrounded += more->misrounded, sum->misplaced += more->misplaced;
}

static void *work(void *argument) {
  static _Thread_local double t[BLOCK], w[BLOCK], x[BLOCK], out[BLOCK];
  static _Thread_local float short_t[BLOCK], short_w[BLOCK], short_x[BLOCK], short_out[BLOCK];
  static _Thread_local truth truths[BLOCK];
  proof *p = argument;
  const function *f = p->f;
  const format *form = &formats[p->real];
  const fe_params params = {f->scale_high,
                            f->scale_low,
                            f->floor,
                            exp(f->floor),
                            1,
                            f->operands == 3 ? SMOOTHING : 0,
                            0,
                            0};
  const int is_short = p->real == FE_F32;
  const void *target = is_short ? (void *)short_t : t, *input = is_short ? (void *)short_x : x;
  const void *operands[FE_OPERANDS] = {f->operands > 1 ? target : input, input, input};
  if (f->operands == 3) operands[1] = is_short ? (void *)short_w : w;
  tally tallies[MOST_ISAS];
  for (int k = 0; k < MOST_ISAS; k++) tallies[k] = (tally){.worst = -1};
  uint64_t samples = 0;
  for (uint64_t block; (block = atomic_fetch_add(&p->next, 1)) < p->blocks;) {
    const size_t n = p->fill(p, block, t, x);
    for (size_t i = 0; i < n; i++) {
      w[i] = weights[(block + i) % WEIGHTS];
      short_t[i] = (float)t[i], short_w[i] = (float)w[i], short_x[i] = (float)x[i];
      if (is_short) w[i] = (double)short_w[i];
      find_truth(&truths[i], f, p->real, (inputs){t[i], w[i], x[i]});
      samples += !isnan(truths[i].nearest);
    }
    for (int k = 0; k < fe_isa_count; k++) {
      if (!fe_isas[k].available()) continue;
      const fe_map map = measure_of(&fe_isas[k], f->measure)->map[p->real];
      map(operands, n, &params, is_short ? (void *)short_out : out);
      for (size_t i = 0; i < n; i++) {
        if (f->limits && isnan(truths[i].nearest)) continue;
        judge(&truths[i], form, is_short ? (double)short_out[i] : out[i],
              (inputs){t[i], w[i], x[i]}, &tallies[k]);
      }
    }
  }
  atomic_fetch_add(&p->samples, samples);
  pthread_mutex_lock(&p->lock);
  for (int k = 0; k < MOST_ISAS; k++) join(&p->tallies[k], &tallies[k]);
  pthread_mutex_unlock(&p->lock);
  return NULL;
}

/* ---- the table --------------------------------------------------------------------------------
 */

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void print_heading(void) {
  printf("%-46s %-8s %-9s %11s %8s %6s %10s %8s  %s\n", "function", "dtype", "isa", "samples",
         "worst", "bound", "misrounded", "seconds", "worst at");
}

static void print_inputs(const function *f, inputs at) {
  if (f->operands > 1) printf("%a, ", at.t);
  if (f->operands > 2) printf("%a, ", at.w);
  printf("%a", at.x);
}

/* Prints a line for each instruction set; returns whether a bound is broken. */
static int print_proof(const proof *p, double seconds) {
  int broken = 0;
  const double samples = (double)p->samples;
  for (int k = 0; k < fe_isa_count; k++) {
    if (!fe_isas[k].available()) continue;
    const tally *sum = &p->tallies[k];
    double bound = measure_of(&fe_isas[k], p->f->measure)->bound[p->real];
    if (bound < 0.5) bound *= power_of_two(formats[p->real].digits - 1); /* of a relative error */
    const int bad = sum->worst > bound || sum->misplaced > 0;
    broken |= bad;
    printf("%-46s %-8s %-9s %11.0f ", p->f->name, p->real == FE_F32 ? "float32" : "float64",
           fe_isas[k].name, samples);
    printf(sum->worst < 10 ? "%8.6f" : "%8.3g", sum->worst);
    printf(" %6.2f %10.2g %8.1f  ", bound, (double)sum->misrounded / samples, seconds);
    print_inputs(p->f, sum->worst_at);
    puts(bad ? "  BROKEN" : "");
    if (!sum->misplaced) continue;
    printf("  NaN or infinity misplaced %llu times, as at ", (unsigned long long)sum->misplaced);
    print_inputs(p->f, sum->misplaced_at);
    puts("");
  }
  fflush(stdout);
  return broken;
}

/* Runs all blocks on some threads; returns whether a bound is broken. */
static int prove(const function *f, fe_real real, uint64_t blocks, filler fill, const void *context,
                 int threads) {
  proof p = {.f = f, .real = real, .blocks = blocks, .fill = fill, .context = context};
  pthread_t ids[MOST_THREADS];
  const double begin = now();
  for (int k = 0; k < MOST_ISAS; k++) p.tallies[k].worst = -1;
  pthread_mutex_init(&p.lock, NULL);
  for (int i = 0; i < threads; i++) pthread_create(&ids[i], NULL, work, &p);
  for (int i = 0; i < threads; i++) pthread_join(ids[i], NULL);
  pthread_mutex_destroy(&p.lock);
  return print_proof(&p, now() - begin);
}

/* ---- what a command asks for ------------------------------------------------------------------
 */

static int is_called(const function *f, const char *name) {
  return strcmp(f->name, name) == 0 || strcmp(f->measure, name) == 0;
}

/* Whether a function is to be proved: it is named, or none is; and the kernels have it. */
static int wanted(const function *f, char **names, int count) {
  int named = count == 0;
  for (int i = 0; i < count; i++) named |= is_called(f, names[i]);
  if (!named || measure_of(&fe_isas[0], f->measure)) return named;
  printf("%s: skipped, measures.def has no %s\n", f->name, f->measure);
  return 0;
}

/* Ends the program where nothing can be proved; says which measures have no line above. */
static int check_request(int threads, char **names, int count) {
  if (LDBL_MANT_DIG < 64) {
    fputs("long double is no wider than double here: there is nothing to prove against\n", stderr);
    exit(2);
  }
  if (threads < 1 || threads > MOST_THREADS) {
    fprintf(stderr, "threads must be 1 to %d\n", MOST_THREADS);
    exit(2);
  }
  for (int i = 0; i < count; i++) {
    size_t j = 0;
    while (j < FUNCTIONS && !is_called(&functions[j], names[i])) j++;
    if (j < FUNCTIONS) continue;
    fprintf(stderr, "no function is called %s; there are:", names[i]);
    for (j = 0; j < FUNCTIONS; j++) fprintf(stderr, "%s %s", j ? "," : "", functions[j].name);
    fputs("\n", stderr);
    exit(2);
  }
  int missing = 0;
  for (int i = 0; i < fe_measure_count; i++) {
    const fe_measure *m = &fe_isas[0].measures[i];
    size_t j = 0;
    while (j < FUNCTIONS && strcmp(functions[j].measure, m->name) != 0) j++;
    if (m->shape != FE_MAP || j < FUNCTIONS) continue;
    printf("%s: a pointwise measure without a line in tests/kernels/prove.h\n", m->name);
    missing = 1;
  }
  return missing;
}

#endif

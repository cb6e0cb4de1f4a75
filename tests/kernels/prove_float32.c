/* prove_float32.c - every float there is through every pointwise kernel of every instruction set.
 *
 *   ./prove [step] [threads]   all 2^32 inputs, or every step-th
 *
 * The reference is the C library's logarithm in double, whose error is below 2^-29 units of a
 * float's last place; where that might decide how a result rounds, it is that in long double. For
 * each function and instruction set: the largest error in units of the last place, the input that
 * has it, and how many results are not the nearest float. Ends non-zero if a bound of measures.def
 * is broken, or a NaN or an infinity stands elsewhere than it should. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fastent.h"

#define BLOCK 4096
#define MOST_ISAS 4
#define MOST_THREADS 64

typedef long double wide;

/* ---- what is proved: the exact value of each function ---------------------------------------- */

static double surprisal(double x) { return -log(x); }
static wide surprisal_wide(wide x) { return -logl(x); }
static double entropy(double x) {
  return (x == 0 ? 0 : -x * log(x)) - (x == 1 ? 0 : (1 - x) * log1p(-x));
}
static wide entropy_wide(wide x) {
  return (x == 0 ? 0 : -x * logl(x)) - (x == 1 ? 0 : (1 - x) * log1pl(-x));
}
static double loss_of_1(double x) { return x == 0 ? 100 : fmin(100, -log(x)); }
static wide loss_of_1_wide(wide x) { return x == 0 ? 100 : fminl(100, -logl(x)); }
static double loss_of_0(double x) { return x == 1 ? 100 : -log1p(-x); }
static wide loss_of_0_wide(wide x) { return x == 1 ? 100 : -log1pl(-x); }

typedef struct {
  const char *name, *measure;
  int judged; /* operand that takes the inputs */
  float target, most;
  double (*exact)(double);
  wide (*exact_wide)(wide);
  double floor;
} function;

static const function functions[] = {
    {"surprisal", "surprisal", 0, 0, INFINITY, surprisal, surprisal_wide, -INFINITY},
    {"binary_entropy", "binary_entropy", 0, 0, 1, entropy, entropy_wide, -INFINITY},
    {"binary_cross_entropy of 1", "binary_cross_entropy", 1, 1, 1, loss_of_1, loss_of_1_wide, -100},
    {"binary_cross_entropy of 0", "binary_cross_entropy", 1, 0, 1, loss_of_0, loss_of_0_wide, -100},
};
#define FUNCTIONS (sizeof functions / sizeof *functions)

/* ---- the walk -------------------------------------------------------------------------------- */

typedef struct {
  double worst;
  uint32_t input;
  uint64_t misrounded, misplaced;
} tally;

typedef struct {
  const function *f;
  uint64_t first, end, step;
  tally tallies[MOST_ISAS];
} share;

static float from_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static double ulp_of(double y) {
  int exponent;
  frexp(y, &exponent);
  return ldexp(1, exponent < -125 ? -149 : exponent - 24);
}

static void compare(const function *f, float x, float got, tally *t, uint32_t bits) {
  if (!(x >= 0 && x <= f->most)) { /* NaN in or out of the domain */
    t->misplaced += !isnan(got);
    return;
  }
  const double y = f->exact(x);
  if (isinf(y)) {
    t->misplaced += got != y;
    return;
  }
  const double ulp = ulp_of(y), error = fabs(got - y) / ulp;
  if (!(error <= t->worst)) t->worst = error, t->input = bits;
  if (error < 0.499999) return;
  const wide exact = f->exact_wide(x);
  t->misrounded += fabsl(got - exact) > fabsl(nextafterf(got, INFINITY) - exact) ||
                   fabsl(got - exact) > fabsl(nextafterf(got, -INFINITY) - exact);
}

static void *walk(void *argument) {
  share *s = argument;
  static _Thread_local float x[BLOCK], target[BLOCK], out[BLOCK];
  const function *f = s->f;
  for (size_t i = 0; i < BLOCK; i++) target[i] = f->target;
  for (uint64_t start = s->first; start < s->end; start += BLOCK * s->step) {
    size_t n = 0;
    for (; n < BLOCK && start + n * s->step < s->end; n++)
      x[n] = from_bits((uint32_t)(start + n * s->step));
    for (int k = 0; k < fe_isa_count; k++) {
      if (!fe_isas[k].available()) continue;
      const fe_measure *m = fe_isas[k].measures;
      while (strcmp(m->name, f->measure) != 0) m++;
      const fe_params params = {1, 0, f->floor, exp(f->floor), 0};
      const void *operands[2] = {f->judged == 0 ? x : target, x};
      m->map[FE_F32](operands, n, &params, out);
      for (size_t i = 0; i < n; i++)
        compare(f, x[i], out[i], &s->tallies[k], (uint32_t)(start + i * s->step));
    }
  }
  return NULL;
}

int main(int argc, char **argv) {
  const uint64_t step = argc > 1 ? strtoull(argv[1], NULL, 10) : 1, all = (uint64_t)1 << 32;
  const int threads = argc > 2 ? atoi(argv[2]) : 2;
  int failed = 0;
  printf("%-26s %-9s %9s  %-15s %11s %9s\n", "float32, inputs: all / step", "isa", "worst ulp",
         "at", "misrounded", "seconds");
  for (size_t j = 0; j < FUNCTIONS; j++) {
    static share shares[MOST_THREADS];
    pthread_t ids[MOST_THREADS];
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    memset(shares, 0, sizeof shares);
    for (int i = 0; i < threads; i++) { /* interleaved: the negative half takes no time */
      shares[i].f = &functions[j];
      shares[i].first = (uint64_t)i * step;
      shares[i].end = all;
      shares[i].step = step * (uint64_t)threads;
      pthread_create(&ids[i], NULL, walk, &shares[i]);
    }
    for (int i = 0; i < threads; i++) pthread_join(ids[i], NULL);
    clock_gettime(CLOCK_MONOTONIC, &end);
    for (int k = 0; k < fe_isa_count; k++) {
      if (!fe_isas[k].available()) continue;
      tally sum = shares[0].tallies[k];
      for (int i = 1; i < threads; i++) {
        const tally *t = &shares[i].tallies[k];
        if (t->worst > sum.worst) sum.worst = t->worst, sum.input = t->input;
        sum.misrounded += t->misrounded, sum.misplaced += t->misplaced;
      }
      const fe_measure *m = fe_isas[k].measures;
      while (strcmp(m->name, functions[j].measure) != 0) m++;
      const int bad = sum.worst > m->bound[FE_F32] || sum.misplaced > 0;
      failed |= bad;
      printf("%-26s %-9s %9.6f  %-15a %11llu %9.1f%s\n", functions[j].name, fe_isas[k].name,
             sum.worst, (double)from_bits(sum.input), (unsigned long long)sum.misrounded,
             (double)(end.tv_sec - begin.tv_sec) + 1e-9 * (double)(end.tv_nsec - begin.tv_nsec),
             bad ? "  BROKEN" : "");
      if (sum.misplaced)
        printf("  %llu NaN or infinities misplaced\n", (unsigned long long)sum.misplaced);
    }
    fflush(stdout);
  }
  return failed;
}

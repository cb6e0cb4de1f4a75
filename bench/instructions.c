/* instructions.c - one call of every kernel, for valgrind to count the instructions of.
 *
 * instructions ISA... - [MEASURE...]      without measures: all of them
 *
 * Prints a line a call: measure, dtype, shape, instruction set, entries. bench/instructions.py has
 * callgrind collect inside `counted` alone and dump after each call of it, so that the n-th dump
 * belongs to the n-th line: names of functions are enough, and no header of valgrind is needed.
 *
 * Measures come from the table of csrc/measures.def; those of two-class models, whose names begin
 * with "binary_", get probabilities or logits of their own, and of their targets hard and soft
 * ones. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fastent.h"

typedef struct shape {
  const char *name;
  size_t rows, columns;
  int by_columns; /* rows are neighbours in memory */
  int elements;   /* the shape of pointwise measures */
} shape;

/* Rows as many as the library passes at a time, or enough for what a call costs to be small. */
static const shape shapes[] = {
    {"2", 512, 2, 0, 0},       {"3", 512, 3, 0, 0},     {"10", 512, 10, 0, 0},
    {"32", 256, 32, 0, 0},     {"100", 128, 100, 0, 0}, {"1000", 32, 1000, 0, 0},
    {"20000", 1, 20000, 0, 0}, {"10@0", 512, 10, 1, 0}, {"1000@0", 64, 1000, 1, 0},
    {"-", 1, 8192, 0, 1},
};
#define MOST_ROWS 512
#define MOST (64 * 1000) /* entries of a shape */
#define PAGE 4096

/* What operands hold: distributions twice, probabilities, their logits, targets of both kinds. */
enum { FIRST, SECOND, PROBABILITIES, LOGITS, HARD, SOFT, ARRAYS };
static char *arrays[ARRAYS], *results;
static double parts[FE_PARTS][MOST_ROWS + FE_LANES];

/* ---- data ------------------------------------------------------------------------------------ */

static uint64_t state = 88172645463325252u;
static double uniform(void) { /* xorshift64 (Marsaglia, 2003) */
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return (double)(state >> 11) * 0x1p-53;
}

/* The sum of twelve uniform numbers is close to normal, and never far out. */
static double normal(void) {
  double sum = -6;
  for (int i = 0; i < 12; i++) sum += uniform();
  return sum;
}

static double probability(double logit) { return 1 / (1 + exp(-logit)); }

static void put(char *array, fe_real real, size_t i, double x) {
  if (real == FE_F32) ((float *)(void *)array)[i] = (float)x;
  else ((double *)(void *)array)[i] = x;
}

/* Rows like those of a softmax: no zeros, and they sum to 1. */
static void fill_distributions(char *array, const shape *s, fe_real real) {
  static double weights[MOST];
  for (size_t r = 0; r < s->rows; r++) {
    double sum = 0;
    for (size_t j = 0; j < s->columns; j++) sum += weights[j] = exp(2 * normal());
    for (size_t j = 0; j < s->columns; j++)
      put(array, real, s->by_columns ? j * s->rows + r : r * s->columns + j, weights[j] / sum);
  }
}

static void fill(const shape *s, fe_real real) {
  fill_distributions(arrays[FIRST], s, real);
  fill_distributions(arrays[SECOND], s, real);
  for (size_t i = 0; i < s->rows * s->columns; i++) {
    const double logit = 2 * normal(), x = probability(logit);
    put(arrays[LOGITS], real, i, logit);
    put(arrays[PROBABILITIES], real, i, x);
    put(arrays[HARD], real, i, uniform() < x);
    put(arrays[SOFT], real, i, probability(2 * normal()));
  }
}

/* ---- calls ----------------------------------------------------------------------------------- */

/* All that is counted: external, so that its name and its call stay. */
void counted(const fe_measure *m, fe_real real, const fe_block *block, const fe_params *params,
             const fe_state *rows);
__attribute__((noinline)) void counted(const fe_measure *m, fe_real real, const fe_block *block,
                                       const fe_params *params, const fe_state *rows) {
  if (m->shape == FE_MAP) {
    m->map[real](block->operand, block->columns, params, results);
  } else if (m->shape == FE_PAIRS_OF_ELEMENTS) {
    void *both[2] = {results, results + MOST * sizeof(double) / 2};
    m->map[real](block->operand, block->columns, params, both);
  } else {
    m->accumulate[real](block, params, rows);
    m->finish[real](rows, block->rows, params, results);
    if (m->spread[real] != NULL) m->spread[real](block, params, rows, results, block->stride[0]);
  }
  __asm__ volatile("" ::: "memory"); /* no jump out of here in place of the last call */
}

static void call(const fe_isa *isa, const fe_measure *m, fe_real real, const shape *s, int first,
                 int second, const char *data) {
  const size_t size = real == FE_F32 ? sizeof(float) : sizeof(double);
  const fe_params params = {1, 0, -100, exp(-100), 1, 0, 0, 2};
  fe_block block = {.operand = {arrays[first], arrays[second], arrays[second]},
                    .rows = s->rows,
                    .columns = s->columns,
                    .row_length = s->columns};
  for (int i = 0; i < FE_OPERANDS; i++) {
    block.stride[i] = (ptrdiff_t)(s->by_columns ? size : s->columns * size);
    block.step[i] = s->by_columns ? s->rows : 0;
  }
  fe_state rows;
  for (int k = 0; k < FE_PARTS; k++) rows.part[k] = parts[k];
  memset(parts, 0, sizeof parts);
  fe_begin(m, &rows, s->rows); /* the label's logit is 0, as good as any */
  counted(m, real, &block, &params, &rows);
  printf("%s%s float%d %s %s %zu\n", m->name, data, real == FE_F32 ? 32 : 64, s->name, isa->name,
         s->rows * s->columns);
}

static void call_each(const fe_isa *isa, const fe_measure *m, fe_real real, const shape *s) {
  if (s->elements != (m->shape == FE_MAP || m->shape == FE_PAIRS_OF_ELEMENTS) ||
      (s->by_columns && m->takes_columns <= (s->columns > FE_SHORT)))
    return;
  const int binary = strncmp(m->name, "binary_", 7) == 0;
  if (binary && m->operands == 2) {
    const int judged = strstr(m->name, "_with_logits") ? LOGITS : PROBABILITIES;
    call(isa, m, real, s, HARD, judged, " hard");
    call(isa, m, real, s, SOFT, judged, " soft");
  } else if (m->shape == FE_LOGITS) { /* they are the last operand */
    call(isa, m, real, s, m->operands == 2 ? FIRST : LOGITS, LOGITS, "");
  } else if (binary || m->shape == FE_MAP) {
    call(isa, m, real, s, PROBABILITIES, SOFT, "");
  } else {
    call(isa, m, real, s, FIRST, SECOND, "");
  }
}

static int named(const char *name, char **names, int count) {
  for (int i = 0; i < count; i++)
    if (strcmp(names[i], name) == 0) return 1;
  return 0;
}

static void call_all(char **isas, int isa_count, char **measures, int measure_count) {
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
    for (fe_real real = FE_F32; real < FE_REALS; real++) {
      fill(&shapes[i], real);
      for (int k = 0; k < fe_isa_count; k++) {
        const fe_isa *isa = &fe_isas[k];
        if (!named(isa->name, isas, isa_count) || !isa->available()) continue;
        for (int j = 0; j < fe_measure_count; j++)
          if (measure_count == 0 || named(isa->measures[j].name, measures, measure_count))
            call_each(isa, &isa->measures[j], real, &shapes[i]);
      }
    }
}

static int known(const char *measure) {
  for (int j = 0; j < fe_measure_count; j++)
    if (strcmp(fe_isas[0].measures[j].name, measure) == 0) return 1;
  return 0;
}

int main(int argc, char **argv) {
  int dash = 1;
  while (dash < argc && strcmp(argv[dash], "-") != 0) dash++;
  for (int i = dash + 1; i < argc; i++)
    if (!known(argv[i])) {
      fprintf(stderr, "no measure in csrc/measures.def is called %s\n", argv[i]);
      return 2;
    }
  for (int i = 0; i < ARRAYS; i++) arrays[i] = aligned_alloc(PAGE, MOST * sizeof(double));
  results = aligned_alloc(PAGE, MOST * sizeof(double));
  for (int i = 0; i < ARRAYS; i++)
    if (arrays[i] == NULL || results == NULL) return 3;
  call_all(argv + 1, dash - 1, argv + dash + 1, dash < argc ? argc - dash - 1 : 0);
  return 0;
}

/* prove_float32.c - every float there is through every pointwise kernel of every instruction set.
 *
 *   prove_float32 [step] [threads] [function ...]     all 2^32 inputs, or every step-th
 *
 * A target is fixed: 0 or 1. For each function and instruction set: the largest
 * error in units of the last place, the input that has it, and the share of results that are not
 * the nearest float. Ends non-zero if a bound of measures.def is broken, or a NaN or an infinity
 * stands elsewhere than it should. */
#include "prove.h"

#define ALL_FLOATS ((uint64_t)1 << 32)

static size_t every_float(const proof *p, uint64_t block, double *t, double *x) {
  const uint64_t step = *(const uint64_t *)p->context;
  uint64_t bits = block * BLOCK * step;
  size_t n = 0;
  for (; n < BLOCK && bits < ALL_FLOATS; n++, bits += step) {
    const uint32_t short_bits = (uint32_t)bits;
    float number;
    memcpy(&number, &short_bits, sizeof number);
    t[n] = p->f->target, x[n] = number;
  }
  return n;
}

int main(int argc, char **argv) {
  const uint64_t step = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
  const int threads = argc > 2 ? atoi(argv[2]) : 2, count = argc > 3 ? argc - 3 : 0;
  int failed = check_request(threads, argv + 3, count);
  if (step < 1) return fputs("step must be at least 1\n", stderr), 2;
  printf("every float, step %llu\n", (unsigned long long)step);
  print_heading();
  const uint64_t inputs = (ALL_FLOATS + step - 1) / step, blocks = (inputs + BLOCK - 1) / BLOCK;
  for (size_t j = 0; j < FUNCTIONS; j++) {
    const function *f = &functions[j];
    if (!(f->programs & EVERY_FLOAT) || !wanted(f, argv + 3, count)) continue;
    failed |= prove(f, FE_F32, blocks, every_float, &step, threads);
  }
  return failed;
}

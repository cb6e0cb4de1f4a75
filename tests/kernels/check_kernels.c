/* check_kernels.c - every kernel of every instruction set that this machine runs, held against the
 * portable one and against itself.
 *
 *   against portable  results within twice the measure's bound, NaN and infinities in the same
 * places against itself    one row alone, in a batch, at any alignment, by columns: the same bits
 *   against its twin  AVX-512, in its registers or in pairs of AVX2's, against AVX2: the same bits
 *   memory            operands end where a page begins that may not be touched, or begin where one
 *                     ends; every number of columns from 0 to 130, and some around each limit
 *
 * Built and run by tests/test_kernels.py: as a library, which is given the kernels of the installed
 * extension; with kernels of its own, sanitized, and for aarch64 under an emulator. An argument of
 * k checks every k-th number of columns. Prints one line an instruction set, with a
 * digest of all its results; ends non-zero at the first difference, which it prints. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fastent.h"

static const fe_isa *isas; /* what is checked */

#define MOST (3 * 4096 + 40) /* entries of a row */
#define MOST_ROWS 19
#define PAGES ((size_t)4 << 20)

static size_t rows_at_once = MOST_ROWS; /* 17 to 19: what is left of groups of 16 */
#define SEED 88172645463325252u
static uint64_t state = SEED;
static double uniform(void) { /* xorshift64 (Marsaglia, 2003) */
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return (double)(state >> 11) * 0x1p-53;
}

static size_t size_of(fe_real real) { return real == FE_F32 ? sizeof(float) : sizeof(double); }

static void put(void *array, fe_real real, size_t i, double x) {
  if (real == FE_F32) ((float *)array)[i] = (float)x;
  else ((double *)array)[i] = x;
}
static double get(const void *array, fe_real real, size_t i) {
  return real == FE_F32 ? (double)((const float *)array)[i] : ((const double *)array)[i];
}

/* ---- memory between pages that may not be touched -------------------------------------------- */

static char *guarded(void) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE);
  char *start =
      mmap(NULL, PAGES + 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED || mprotect(start, page, PROT_NONE) != 0 ||
      mprotect(start + page + PAGES, page, PROT_NONE) != 0) {
    perror("guard pages");
    exit(2);
  }
  return start + page;
}

/* ---- data ------------------------------------------------------------------------------------ */

/* Entries of kind 0: in (0, 1); 1: some zeros; 2: a few of everything. */
static double entry(int kind, fe_real real) {
  const double x = uniform(), tiny = real == FE_F32 ? 0x1p-140 : 0x1p-1060;
  if (kind == 0) return x * x * x + 1e-9;
  if (kind == 1) return x < 0.3 ? 0 : x;
  if (uniform() < 0.98) return x;
  const double odd[] = {0, 1, -0.0, -0.5, 2, tiny, 1e-44, INFINITY, NAN, 0x1p-1000};
  return odd[(size_t)(uniform() * 10)];
}

static void fail(const char *what, const fe_isa *isa, const fe_measure *m, fe_real real, size_t n,
                 double got, double want) {
  printf("%s: %s of %s, %s, %zu columns: %.17g, not %.17g\n", what, m->name, isa->name,
         real == FE_F32 ? "float" : "double", n, got, want);
  exit(1);
}

/* All results of an instruction set as one number, to compare with those of another machine. */
static uint64_t digest;
static void note(double x) {
  uint64_t bits = 0;
  if (!isnan(x)) memcpy(&bits, &x, sizeof bits);
  digest = (digest ^ bits) * 1099511628211u, digest ^= digest >> 29; /* FNV-1a's prime */
}

/* The same bits, zeros' signs too; any NaN is as good as another: which operand's a result takes
 * over is the compiler's choice. */
static int same(double a, double b) {
  return isnan(a) ? isnan(b) : a == b && !signbit(a) == !signbit(b);
}

/* A perplexity e^H has the bound of H, times H, and that of e^x. Where terms have both signs (of
 * kind 2, whose entries exceed 1) the bound is one of their magnitudes: below 2 each. */
static int near(double a, double b, const fe_measure *m, fe_real real, double magnitudes) {
  if (same(a, b)) return 1;
  double bound = m->bound[real];
  if (strcmp(m->name, "perplexity") == 0) bound += 2.5 * fabs(log(b));
  const double epsilon = real == FE_F32 ? 0x1p-23 : 0x1p-52;
  const double least = real == FE_F32 ? 0x1p-149 : 0x1p-1074;
  const double relative = bound < 0.5 ? bound : bound * epsilon;
  return fabs(a - b) <= 2 * relative * fmax(magnitudes, fmax(fabs(a), fabs(b))) + 4 * least;
}

/* Instruction sets with FMA give the same bits: those after avx2, which come later in the list. */
static const fe_measure *twin_of(const fe_isa *isa, const fe_measure *m) {
  for (int k = 0; &isas[k] < isa; k++)
    if (strcmp(isas[k].name, "avx2") == 0) return &isas[k].measures[m - isa->measures];
  return NULL;
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* A number for every entry, and one more. */
static int gradient(const fe_measure *m) { return m->results == 2 && m->spread[0] != NULL; }

/* How many each row has. */
static size_t results_of(const fe_measure *m, size_t n) {
  if (gradient(m)) return n + 1;
  return m->results > 0 ? (size_t)m->results : n;
}

/* What was there before does not matter, but what callers put there. */
static void spoil(const fe_measure *m, double parts[][MOST_ROWS + 32]) {
  for (int k = 0; k < m->parts; k++)
    for (int r = 0; k != FE_TARGET && k != FE_TARGET_WEIGHT && r < MOST_ROWS + 32; r++)
      parts[k][r] = NAN;
}

static void results(const fe_measure *m, fe_real real, const void *p, const void *q, size_t rows,
                    size_t n, const size_t *steps, const fe_params *params, void *out) {
  double parts[FE_PARTS][MOST_ROWS + 32] = {{0}};
  fe_state state;
  for (int k = 0; k < FE_PARTS; k++) state.part[k] = parts[k];
  if (m->begins && n > 0 && n <= FE_SHORT) spoil(m, parts);
  else fe_begin(m, &state, rows);
  const void *labelled[MOST_ROWS + 32];
  /* the last operand of three, as of two, is q */
  fe_block block = {.operand = {p, q}, .rows = rows, .columns = n, .row_length = n};
  if (m->operands == 3) block.operand[1] = p, block.operand[2] = q;
  for (int i = 0; i < m->operands; i++) {
    block.stride[i] = (ptrdiff_t)(n * size_of(real));
    if (steps != NULL) block.step[i] = steps[i], block.stride[i] = (ptrdiff_t)size_of(real);
    for (size_t r = 0; m->picks[i] && n > 0 && r < rows; r++) { /* the same label for all */
      const size_t at = steps == NULL ? r * n + n / 2 : r + n / 2 * steps[i];
      parts[m->picks[i]][r] = get(block.operand[i], real, at);
      labelled[r] = (const char *)block.operand[i] + at * size_of(real);
      if (m->ranks && n % 2 == 1) block.labelled = labelled, parts[m->picks[i]][r] = NAN;
    }
  }
  /* exponentials are kept, but for one number of columns in four */
  static double kept[(MOST_ROWS + 16) * FE_KEPT_ROW(MOST, 2)];
  if (m->keeps && n % 4 != 2) block.kept = kept;
  m->accumulate[real](&block, params, &state);
  if (m->results == 1) {
    m->finish[real](&state, rows, params, out);
    return;
  }
  double several[FE_RESULTS][FE_BLOCK_ROWS];
  for (size_t r = 0; gradient(m) && r < rows; r++) { /* factors and labels; some are ignored */
    parts[FE_RUNNER_UP][r] = 0.5;
    parts[FE_PLACE][r] = m->picks[m->operands - 1] == 0 ? -1 : n % 7 == 6 ? -2 : (double)(n / 2);
  }
  m->finish[real](&state, rows, params, several);
  const size_t each = results_of(m, n);
  if (m->spread[real] != NULL)
    m->spread[real](&block, params, &state, out, (ptrdiff_t)(each * size_of(real)));
  for (size_t r = 0; r < rows; r++)
    for (size_t i = m->spread[real] != NULL ? n : 0; i < each; i++)
      put(out, real, r * each + i, several[gradient(m) ? 0 : i][r]);
}

/* Of results of both signs, what their bound is relative to: of the change of a log-probability,
 * which compare_logits puts first, the largest difference of the logits, over T and log(base); of a
 * gradient, what is added up. */
static double magnitude_of(const fe_measure *m, int kind, fe_real real, const void *p,
                           const void *q, size_t n, size_t result) {
  if (kind == 2 || gradient(m)) return 2.0 * (double)n;
  if (strcmp(m->name, "compare_logits") != 0 || result % (size_t)m->results != 0) return 0;
  double widest = 0;
  for (size_t i = result / (size_t)m->results * n, end = i + n; i < end; i++)
    widest = fmax(widest, fabs(get(q, real, i) - get(p, real, i)));
  return 2 * widest;
}

static void check_rows(const fe_isa *isa, const fe_measure *m, const fe_measure *portable,
                       fe_real real, size_t n, int kind, const fe_params *params, char **memory) {
  const size_t bytes = rows_at_once * n * size_of(real);
  const size_t each = results_of(m, n), count = rows_at_once * each;
  static double want[MOST_ROWS * (MOST + 1)], out[MOST_ROWS * (MOST + 1) + 32];
  char *p = memory[0] + PAGES - bytes, *q = memory[1] + PAGES - bytes; /* end at the guard */
  for (size_t i = 0; i < rows_at_once * n; i++) {
    put(p, real, i, entry(kind, real));
    put(q, real, i,
        kind == 0 && i % 3 ? get(p, real, i) * (1 + 1e-3 * uniform()) : entry(kind, real));
  }
  results(portable, real, p, q, rows_at_once, n, NULL, params, out);
  for (size_t r = 0; r < count; r++) want[r] = get(out, real, r);
  results(m, real, p, q, rows_at_once, n, NULL, params, out);
  for (size_t r = 0; r < count; r++) {
    const double got = get(out, real, r);
    if (!near(got, want[r], m, real, magnitude_of(m, kind, real, p, q, n, r)))
      fail("portable", isa, m, real, n, got, want[r]);
    note(want[r] = got);
  }
  const fe_measure *twin = twin_of(isa, m);
  if (twin != NULL) results(twin, real, p, q, rows_at_once, n, NULL, params, out);
  for (size_t r = 0; twin != NULL && r < count; r++)
    if (!same(get(out, real, r), want[r]))
      fail("twin", isa, m, real, n, get(out, real, r), want[r]);
  for (size_t r = 0; r < rows_at_once; r++) { /* alone */
    const size_t from = r * n * size_of(real);
    results(m, real, p + from, q + from, 1, n, NULL, params, out);
    for (size_t i = 0; i < each; i++)
      if (!same(get(out, real, i), want[r * each + i]))
        fail("alone", isa, m, real, n, get(out, real, i), want[r * each + i]);
  }
  for (size_t offset = 0; offset < 64; offset += size_of(real)) { /* from the guard on */
    memcpy(memory[2] + offset, p, bytes), memcpy(memory[3] + 64 - offset, q, bytes);
    results(m, real, memory[2] + offset, memory[3] + 64 - offset, rows_at_once, n, NULL, params,
            out);
    for (size_t r = 0; r < count; r++)
      if (!same(get(out, real, r), want[r]))
        fail("aligned", isa, m, real, n, get(out, real, r), want[r]);
    if (n > 64 && offset > 0) break;
  }
  if (m->takes_columns <= (n > FE_SHORT) || n < 2) return;
  char *a = memory[2] + PAGES - bytes, *b = memory[3] + PAGES - bytes;
  for (size_t r = 0; r < rows_at_once; r++)
    for (size_t j = 0; j < n; j++) {
      put(a, real, j * rows_at_once + r, get(p, real, r * n + j));
      put(b, real, j * rows_at_once + r, get(q, real, r * n + j));
    }
  results(m, real, a, b, rows_at_once, n, (size_t[]){rows_at_once, rows_at_once}, params, out);
  for (size_t r = 0; r < count; r++)
    if (!same(get(out, real, r), want[r]))
      fail("by columns", isa, m, real, n, get(out, real, r), want[r]);
}

/* ---- elements -------------------------------------------------------------------------------- */

/* One result an element, or two: all the first, then all the second. */
static void map_elements(const fe_measure *m, fe_real real, const void *const *operands, size_t n,
                         const fe_params *params, char *out) {
  void *both[2] = {out, out + n * size_of(real)};
  m->map[real](operands, n, params, m->shape == FE_MAP ? (void *)out : (void *)both);
}

static void check_elements(const fe_isa *isa, const fe_measure *m, const fe_measure *portable,
                           fe_real real, size_t n, const fe_params *params, char **memory) {
  const size_t bytes = n * size_of(real), count = m->shape == FE_MAP ? n : 2 * n;
  char *out = memory[FE_OPERANDS] + PAGES - count * size_of(real);
  char *alone = memory[FE_OPERANDS];
  const void *operands[FE_OPERANDS], *one[FE_OPERANDS];
  double want[512];
  for (int k = 0; k < m->operands; k++) {
    char *x = memory[k] + PAGES - bytes; /* ends at the guard */
    for (size_t i = 0; i < n; i++) put(x, real, i, entry(2, real));
    operands[k] = x;
  }
  map_elements(portable, real, operands, n, params, out);
  for (size_t i = 0; i < count; i++) want[i] = get(out, real, i);
  map_elements(m, real, operands, n, params, out);
  for (size_t i = 0; i < count; i++) {
    const double got = get(out, real, i);
    /* a first derivative is relative to its terms, which the second exceeds, or to the weights */
    const double size = count > n && i < n ? 2 + fabs(want[n + i]) : 0;
    if (!near(got, want[i], m, real, size)) fail("portable", isa, m, real, n, got, want[i]);
    note(got);
  }
  for (size_t i = 0; i < count; i++) want[i] = get(out, real, i);
  const fe_measure *twin = twin_of(isa, m);
  if (twin != NULL) map_elements(twin, real, operands, n, params, out);
  for (size_t i = 0; twin != NULL && i < count; i++)
    if (!same(get(out, real, i), want[i]))
      fail("twin", isa, m, real, n, get(out, real, i), want[i]);
  for (size_t i = 0; i < n; i++) {
    for (int k = 0; k < m->operands; k++) one[k] = (const char *)operands[k] + i * size_of(real);
    map_elements(m, real, one, 1, params, alone);
    for (size_t j = 0; j < count / n; j++)
      if (!same(get(alone, real, j), want[j * n + i]))
        fail("alone", isa, m, real, n, get(alone, real, j), want[j * n + i]);
  }
}

/* ---- reading and gathering ------------------------------------------------------------------- */

static void check_reads(const fe_isa *isa, char **memory) {
  const size_t sizes[FE_KINDS] = {1, 1, 1, 2, 2, 4, 4, 8, 8, 2, 2, 4, 8};
  for (int kind = 0; kind < FE_KINDS; kind++)
    for (int swapped = 0; swapped < 2; swapped++)
      for (fe_real real = FE_F32; real < FE_REALS; real++)
        for (size_t n = 1; n < 70; n++) {
          const fe_read read = isa->read[(kind * 2 + swapped) * 2 + real];
          const fe_read one = isas[0].read[(kind * 2 + swapped) * 2 + real];
          char *from = memory[0] + PAGES - n * sizes[kind],
               *out = memory[1] + PAGES - n * size_of(real);
          char *back = memory[2] + PAGES - n * size_of(real);
          for (size_t i = 0; i < n * sizes[kind]; i++) from[i] = (char)(uniform() * 256);
          read(from, (ptrdiff_t)sizes[kind], n, out);
          read(from + (n - 1) * sizes[kind], -(ptrdiff_t)sizes[kind], n, back);
          for (size_t i = 0; i < n; i++) {
            one(from + i * sizes[kind], 0, 1, memory[3]);
            const double want = get(memory[3], real, 0);
            if (!same(get(out, real, i), want) || !same(get(back, real, n - 1 - i), want)) {
              printf("reading kind %d, swapped %d, real %d, %zu: %.17g, not %.17g\n", kind, swapped,
                     (int)real, n, get(out, real, i), want);
              exit(1);
            }
          }
        }
}

static void check_gathers(const fe_isa *isa, char **memory) {
  for (fe_real real = FE_F32; real < FE_REALS; real++)
    for (size_t rows = 1; rows < 40; rows++)
      for (size_t n = 1; n < 40; n++) {
        const size_t step = rows + 3, size = size_of(real);
        char *from = memory[0] + PAGES - ((n - 1) * step + rows) * size;
        char *out = memory[1] + PAGES - rows * n * size;
        for (size_t i = 0; i < (n - 1) * step + rows; i++) put(from, real, i, (double)i);
        isa->gather[real](from, rows, n, step, out);
        for (size_t r = 0; r < rows; r++)
          for (size_t j = 0; j < n; j++)
            if (get(out, real, r * n + j) != (double)(j * step + r)) {
              printf("gathering %zu rows of %zu: entry %zu of row %zu\n", rows, n, j, r);
              exit(1);
            }
      }
}

/* Checks numbers of columns that are `every` apart. */
int check_kernels(const fe_isa *table, int isa_count, int measure_count, int every);
int check_kernels(const fe_isa *table, int isa_count, int measure_count, int every) {
  const size_t more[] = {255, 256, 257, 1000, 4095, 4096, 4097, MOST};
  const double floors[] = {-100, -INFINITY, -3};
  const double orders[] = {0, 0.5, 1, 1 + 1e-7, 2, 30, INFINITY};
  char *memory[4];
  for (int i = 0; i < 4; i++) memory[i] = guarded();
  isas = table;
  for (int k = 0; k < isa_count; k++) {
    const fe_isa *isa = &isas[k];
    if (!isa->available()) continue;
    long checked = 0;
    state = SEED, digest = 0; /* the same data for all */
    check_reads(isa, memory);
    check_gathers(isa, memory);
    for (int i = 0; i < measure_count; i++)
      for (fe_real real = FE_F32; real < FE_REALS; real++)
        for (size_t c = 0; c < 131 + sizeof more / sizeof *more; c += (size_t)every)
          for (int kind = 0; kind < 3; kind++) {
            const fe_measure *m = &isa->measures[i], *portable = &isas[0].measures[i];
            const size_t n = c < 131 ? c : more[c - 131];
            rows_at_once = 17 + (c + (size_t)kind) % 3;
            const double floor = floors[(c + (size_t)kind) % 3];
            const int elements = m->shape == FE_MAP || m->shape == FE_PAIRS_OF_ELEMENTS;
            const double smoothing = elements && c % 4 == 1 ? 0.1 : 0;
            const double temperature = c % 3 == 2 ? 0.7 : 1, order = orders[c % 7];
            fe_params params = {1, 0, floor, exp(floor), temperature, smoothing, 0, order};
            if (m->bits && c % 2) params.flags = FE_BITS;
            else if (c % 5 == 1)
              params.scale_high = 1.4426950408889634, params.scale_low = 2.03e-17;
            if (m->shape == FE_ROWS || m->shape == FE_LOGITS)
              check_rows(isa, m, portable, real, n, kind, &params, memory);
            else if (n <= 256) check_elements(isa, m, portable, real, n, &params, memory);
            checked++;
          }
    printf("%s: %ld, %016llx\n", isa->name, checked, (unsigned long long)digest);
  }
  return 0;
}

#ifndef CHECK_LOADED
int main(int argc, char **argv) {
  return check_kernels(fe_isas, fe_isa_count, fe_measure_count, argc > 1 ? atoi(argv[1]) : 1);
}
#endif

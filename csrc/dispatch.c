/* dispatch.c - which instruction sets this build has and which of them this machine can run; and
 * the floating-point mode that kernels want. Compiled with the baseline's flags. */
#include "fastent.h"

#if defined(__FAST_MATH__)
#error "fastent's accuracy needs IEEE arithmetic: build without -ffast-math (look at CFLAGS)"
#endif
#if defined(__x86_64__) && defined(__AVX__)
#error "the baseline must run on every x86-64: build without -march=native (look at CFLAGS)"
#endif

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* What the file of an instruction set has, and its record. */
#define KERNELS_OF(isa)                        \
  extern const fe_measure fe_measures_##isa[]; \
  extern const fe_gather fe_gathers_##isa[];   \
  extern const fe_select fe_selects_##isa[];   \
  extern const fe_read fe_reads_##isa[FE_KINDS][2][FE_REALS];
#define RECORD_OF(isa, available)                                                             \
  {#isa,     fe_measures_##isa, fe_gathers_##isa, fe_selects_##isa, &fe_reads_##isa[0][0][0], \
   available},

KERNELS_OF(portable)
static int always(void) { return 1; }

#if defined(FE_BUILD_AVX2)
KERNELS_OF(avx2)
static int has_avx2(void) { /* and F16C, as every processor of the x86-64-v3 level */
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
#endif

#if defined(FE_BUILD_AVX512)
KERNELS_OF(avx512)
static int has_avx512(void) {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}
#endif

#if defined(FE_BUILD_AVX512_PAIRS) /* by the tests alone */
KERNELS_OF(avx512_pairs)
#endif

#if defined(FE_BUILD_NEON)
KERNELS_OF(neon)
#endif

/* clang-format off */
const fe_isa fe_isas[] = {
    RECORD_OF(portable, always)
#if defined(FE_BUILD_AVX2)
    RECORD_OF(avx2, has_avx2)
#endif
#if defined(FE_BUILD_AVX512)
    RECORD_OF(avx512, has_avx512)
#endif
#if defined(FE_BUILD_AVX512_PAIRS)
    RECORD_OF(avx512_pairs, has_avx2)
#endif
#if defined(FE_BUILD_NEON)
    RECORD_OF(neon, always)
#endif
};
/* clang-format on */
const int fe_isa_count = sizeof fe_isas / sizeof fe_isas[0];

#define FE_MAP_MEASURE(...) +1
#define FE_UFUNC_MEASURE(...) +1
#define FE_PAIR_MEASURE(...) +1
#define FE_LABELLED_MEASURE(...) +1
#define FE_POWERS_MEASURE(...) +1
#define FE_ROW_MEASURE(...) +1
#define FE_LOGITS_MEASURE(...) +1
#define FE_SPREAD_MEASURE(...) +1
#define FE_GRADIENT_MEASURE(...) +1
#define FE_SCORE_MEASURE(...) +1
#define FE_DIVERGENCE_MEASURE(...) +1
const int fe_measure_count = 0
#include "measures.def"
    ;

#if defined(__x86_64__)
#define MXCSR_DEFAULT 0x1f80u /* round to nearest, no flush to zero, all exceptions masked */
#define MXCSR_INVALID 1u
#define MXCSR_FLAGS 0x3fu
fe_mode fe_enter(void) {
  const fe_mode mode = {_mm_getcsr(), 0};
  if (((unsigned)mode.control & ~MXCSR_FLAGS) != MXCSR_DEFAULT) _mm_setcsr(MXCSR_DEFAULT);
  return mode;
}
void fe_leave(fe_mode mode, unsigned status) {
  _mm_setcsr((unsigned)mode.control | (status & FE_INVALID ? MXCSR_INVALID : 0));
}
#elif defined(__aarch64__)
#define FPSR_INVALID 1u
fe_mode fe_enter(void) {
  fe_mode mode;
  __asm__ volatile("mrs %0, fpcr\n\tmrs %1, fpsr" : "=r"(mode.control), "=r"(mode.status));
  __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)0));
  return mode;
}
void fe_leave(fe_mode mode, unsigned status) {
  mode.status |= status & FE_INVALID ? FPSR_INVALID : 0;
  __asm__ volatile("msr fpcr, %0\n\tmsr fpsr, %1" : : "r"(mode.control), "r"(mode.status));
}
#else
#error "fastent is written for x86-64 and aarch64"
#endif

/* simd.h - the few vector operations that the kernels are written in.
 *
 * A kernel works on groups of FE_LANES = 16 lanes, whatever the machine's registers hold: term j
 * of a row belongs to lane j mod 16, on every instruction set. A group is a struct of registers;
 * each operation is written out register by register, so that independent chains stand next to
 * each other in the instruction stream: that interleaving is what hides the latency of a
 * logarithm.
 *
 *   g64, g32      16 doubles, 16 floats          m64, m32   what comparisons give
 *   g64_fma(...)  an operation on doubles        g32_fma(...) on floats
 *
 * Registers are GCC/clang vector types, so + - * / and comparisons need no intrinsic. What remains
 * (fused multiply-add, minimum, select, partial load, conversion) is written once for each
 * instruction set below.  Add an operation only when two kernels need it.
 */
#ifndef FE_SIMD_H
#define FE_SIMD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "fastent.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(FE_NEON)
#include <arm_neon.h>
#endif

#define INLINE static inline __attribute__((always_inline))
#define OUTLINE static __attribute__((noinline)) /* what is called seldom: the compiler's time */

/* The portable path uses 32-byte vectors as well: the compiler splits them as the machine needs. */
#if defined(__AVX512F__) || defined(FE_PAIRS)
#define FE_BYTES 64
#elif defined(FE_NEON)
#define FE_BYTES 16
#else
#define FE_BYTES 32
#endif
#if defined(__FMA__) || defined(FE_NEON)
#define FE_FMA 1
#define HEAVY INLINE
#else
#define FE_FMA 0
/* Without FMA a product with its residual takes 17 operations, and there are 16 registers for the
 * 32 that two groups fill: calls cost little, and spare most of the code and of the compiler's
 * time. */
#define HEAVY static __attribute__((noinline, unused))
#endif

typedef double v64 __attribute__((vector_size(FE_BYTES)));
typedef float v32 __attribute__((vector_size(FE_BYTES)));
typedef int64_t i64 __attribute__((vector_size(FE_BYTES)));
typedef int32_t i32 __attribute__((vector_size(FE_BYTES)));
typedef uint64_t u64 __attribute__((vector_size(FE_BYTES)));
typedef uint32_t u32 __attribute__((vector_size(FE_BYTES)));
/* Unaligned views of memory; may_alias, since the same bytes are read as integers too. */
typedef double v64_memory __attribute__((vector_size(FE_BYTES), aligned(8), may_alias));
typedef float v32_memory __attribute__((vector_size(FE_BYTES), aligned(4), may_alias));
/* As many floats as a register holds doubles, in a register or memory. */
typedef float half32 __attribute__((vector_size(FE_BYTES / 2), aligned(4), may_alias));

/* ---- one register -------------------------------------------------------------------------- */

#define V_ADD(a, b) ((a) + (b))
#define V_SUB(a, b) ((a) - (b))
#define V_MUL(a, b) ((a) * (b))
#define V_DIV(a, b) ((a) / (b))
#define V64_BITS_ADD(a, b) ((v64)((u64)(a) + (u64)(b)))
#define V64_BITS_SUB(a, b) ((v64)((u64)(a) - (u64)(b)))
#define V64_BITS_AND(a, b) ((v64)((i64)(a) & (i64)(b)))
#define V64_BITS_OR(a, b) ((v64)((i64)(a) | (i64)(b)))
#define V64_BITS_XOR(a, b) ((v64)((i64)(a) ^ (i64)(b)))
#define V64_EXPONENT(a) ((v64)((u64)(a) >> 52))
#define V64_AS_EXPONENT(a) ((v64)((u64)(a) << 52))
#define V64_SIGN(a) ((v64)((i64)(a) < 0))
#define V64_SIGN_BIT(a) ((v64)((u64)(a) >> 63))
#define V32_BITS_ADD(a, b) ((v32)((u32)(a) + (u32)(b)))
#define V32_BITS_SUB(a, b) ((v32)((u32)(a) - (u32)(b)))
#define V32_BITS_AND(a, b) ((v32)((i32)(a) & (i32)(b)))
#define V32_BITS_OR(a, b) ((v32)((i32)(a) | (i32)(b)))
#define V32_EXPONENT(a) (__builtin_convertvector((i32)(a) >> 23, v32))
#define V32_AS_EXPONENT(a) ((v32)((u32)(a) << 23))
#define V32_SIGN(a) ((v32)((i32)(a) >> 31))
#define V32_SIGN_BIT(a) ((v32)((u32)(a) >> 31))
#define V_MASK_AND(a, b) ((a) & (b))
#define V_MASK_OR(a, b) ((a) | (b))
#define V_MASK_NOT(a) (~(a))

/* Masks: k64, k32, one register's; registers of their own where the machine has them. */
#if FE_BYTES != 64
typedef i64 k64;
typedef i32 k32;
#define V64_LESS(a, b) ((k64)((a) < (b)))
#define V64_EQUAL(a, b) ((k64)((a) == (b)))
#define V32_LESS(a, b) ((k32)((a) < (b)))
#define V32_EQUAL(a, b) ((k32)((a) == (b)))
#endif

#if defined(__AVX512F__)
#include "simd/avx512.h"
#elif defined(FE_PAIRS)
#include "simd/avx512_pairs.h"
#elif defined(__AVX2__)
#include "simd/avx2.h"
#elif defined(FE_NEON)
#include "simd/neon.h"
#else
#include "simd/portable.h"
#endif

/* ---- groups of 16 lanes --------------------------------------------------------------------- */

#define G64_REGISTERS (FE_LANES * 8 / FE_BYTES)
#define G32_REGISTERS (FE_LANES * 4 / FE_BYTES)
typedef struct {
  v64 v[G64_REGISTERS];
} g64;
typedef struct {
  v32 v[G32_REGISTERS];
} g32;
typedef struct {
  k64 v[G64_REGISTERS];
} m64;
typedef struct {
  k32 v[G32_REGISTERS];
} m32;

/* EACH(op, a, b, c): the operation on every register of a group; INDEX(op): on their numbers. */
#define FE_INDEX_1(op) op(0)
#define FE_INDEX_2(op) op(0), op(1)
#define FE_INDEX_4(op) FE_INDEX_2(op), op(2), op(3)
#define FE_INDEX_8(op) FE_INDEX_4(op), op(4), op(5), op(6), op(7)
#define FE_INDEX_16(op) FE_INDEX_8(op), op(8), op(9), op(10), op(11), op(12), op(13), op(14), op(15)
#define FE_AT_1(op, a, i) op(a.v[i])
#define FE_AT_2(op, a, b, i) op(a.v[i], b.v[i])
#define FE_AT_3(op, a, b, c, i) op(a.v[i], b.v[i], c.v[i])
#define FE_EACH_1(at, ...) at(__VA_ARGS__, 0)
#define FE_EACH_2(at, ...) at(__VA_ARGS__, 0), at(__VA_ARGS__, 1)
#define FE_EACH_4(at, ...) FE_EACH_2(at, __VA_ARGS__), at(__VA_ARGS__, 2), at(__VA_ARGS__, 3)
#define FE_EACH_8(at, ...)                                                                \
  FE_EACH_4(at, __VA_ARGS__), at(__VA_ARGS__, 4), at(__VA_ARGS__, 5), at(__VA_ARGS__, 6), \
      at(__VA_ARGS__, 7)
#if FE_BYTES == 64
#define INDEX64 FE_INDEX_2
#define INDEX32 FE_INDEX_1
#define FE_EACH_64 FE_EACH_2
#define FE_EACH_32 FE_EACH_1
#elif FE_BYTES == 32
#define INDEX64 FE_INDEX_4
#define INDEX32 FE_INDEX_2
#define FE_EACH_64 FE_EACH_4
#define FE_EACH_32 FE_EACH_2
#else
#define INDEX64 FE_INDEX_8
#define INDEX32 FE_INDEX_4
#define FE_EACH_64 FE_EACH_8
#define FE_EACH_32 FE_EACH_4
#endif
#define EACH64_1(op, a) FE_EACH_64(FE_AT_1, op, a)
#define EACH64_2(op, a, b) FE_EACH_64(FE_AT_2, op, a, b)
#define EACH64_3(op, a, b, c) FE_EACH_64(FE_AT_3, op, a, b, c)
#define EACH32_1(op, a) FE_EACH_32(FE_AT_1, op, a)
#define EACH32_2(op, a, b) FE_EACH_32(FE_AT_2, op, a, b)
#define EACH32_3(op, a, b, c) FE_EACH_32(FE_AT_3, op, a, b, c)

#define DEFINE_1(result, name, argument, each, op) \
  INLINE result name(argument a) { return (result){{each(op, a)}}; }
#define DEFINE_2(result, name, argument, each, op) \
  INLINE result name(argument a, argument b) { return (result){{each(op, a, b)}}; }
#define DEFINE_3(result, name, argument, each, op) \
  INLINE result name(argument a, argument b, argument c) { return (result){{each(op, a, b, c)}}; }

#define DEFINE_GROUP(G, M, V, EACH_1, EACH_2, EACH_3)                                         \
  DEFINE_2(G, G##_add, G, EACH_2, V_ADD)                                                      \
  DEFINE_2(G, G##_sub, G, EACH_2, V_SUB)                                                      \
  DEFINE_2(G, G##_mul, G, EACH_2, V_MUL)                                                      \
  DEFINE_2(G, G##_div, G, EACH_2, V_DIV)                                                      \
  DEFINE_3(G, G##_fma, G, EACH_3, V##_FMA)   /*  a * b + c */                                 \
  DEFINE_3(G, G##_fnma, G, EACH_3, V##_FNMA) /* -a * b + c */                                 \
  DEFINE_3(G, G##_fms, G, EACH_3, V##_FMS)   /*  a * b - c */                                 \
  DEFINE_2(G, G##_min, G, EACH_2, V##_MIN)   /* b where a is NaN */                           \
  DEFINE_2(G, G##_max, G, EACH_2, V##_MAX)   /* b where a is NaN */                           \
  DEFINE_1(G, G##_sqrt, G, EACH_1, V##_SQRT)                                                  \
  DEFINE_2(G, G##_bits_add, G, EACH_2, V##_BITS_ADD)                                          \
  DEFINE_2(G, G##_bits_sub, G, EACH_2, V##_BITS_SUB)                                          \
  DEFINE_2(G, G##_bits_and, G, EACH_2, V##_BITS_AND)                                          \
  DEFINE_2(G, G##_bits_or, G, EACH_2, V##_BITS_OR)                                            \
  DEFINE_1(G, G##_exponent, G, EACH_1, V##_EXPONENT)                                          \
  DEFINE_1(G, G##_as_exponent, G, EACH_1, V##_AS_EXPONENT) /* the last bits, as those */      \
  DEFINE_1(G, G##_sign, G, EACH_1, V##_SIGN)         /* all ones where the sign bit is set */ \
  DEFINE_1(G, G##_sign_bit, G, EACH_1, V##_SIGN_BIT) /* as the last bit */                    \
  DEFINE_2(M, G##_less, G, EACH_2, V##_LESS)                                                  \
  DEFINE_2(M, G##_equal, G, EACH_2, V##_EQUAL)                                                \
  DEFINE_2(M, M##_and, M, EACH_2, V_MASK_AND)                                                 \
  DEFINE_2(M, M##_or, M, EACH_2, V_MASK_OR)                                                   \
  DEFINE_1(M, M##_not, M, EACH_1, V_MASK_NOT)                                                 \
  INLINE G G##_select(M m, G a, G b) { return (G){{EACH_3(V##_SELECT, m, a, b)}}; }

DEFINE_GROUP(g64, m64, V64, EACH64_1, EACH64_2, EACH64_3)
DEFINE_GROUP(g32, m32, V32, EACH32_1, EACH32_2, EACH32_3)
DEFINE_2(g64, g64_bits_xor, g64, EACH64_2, V64_BITS_XOR)

INLINE g64 g64_set(double x) {
  const v64 all = x - (v64){0};
#define REPEAT(i) all
  return (g64){{INDEX64(REPEAT)}};
}

INLINE g32 g32_set(float x) {
  const v32 all = x - (v32){0};
  return (g32){{INDEX32(REPEAT)}};
#undef REPEAT
}

INLINE g64 g64_bits(uint64_t bits) {
  double x;
  memcpy(&x, &bits, sizeof x);
  return g64_set(x);
}

INLINE g32 g32_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return g32_set(x);
}

#include "simd/lanes.h"

/* ---- memory --------------------------------------------------------------------------------- */

INLINE g64 g64_load(const double *p) {
#define LOAD_AT(i) (v64)((const v64_memory *)(const void *)p)[i]
  return (g64){{INDEX64(LOAD_AT)}};
#undef LOAD_AT
}

INLINE g32 g32_load(const float *p) {
#define LOAD_AT(i) (v32)((const v32_memory *)(const void *)p)[i]
  return (g32){{INDEX32(LOAD_AT)}};
#undef LOAD_AT
}

INLINE void g64_store(double *p, g64 g) {
  for (int i = 0; i < G64_REGISTERS; i++) ((v64_memory *)(void *)p)[i] = g.v[i];
}

INLINE void g32_store(float *p, g32 g) {
  for (int i = 0; i < G32_REGISTERS; i++) ((v32_memory *)(void *)p)[i] = g.v[i];
}

/* The first `count` < 16 lanes from memory, the rest `pad`. Never touches a byte behind them.
 * Masks are read from a table of ones and zeros, at a distance of `count` from its middle. */
static const int64_t FE_LANE_MASK_64[2 * FE_LANES] = {-1, -1, -1, -1, -1, -1, -1, -1,
                                                      -1, -1, -1, -1, -1, -1, -1, -1};
static const int32_t FE_LANE_MASK_32[2 * FE_LANES] = {-1, -1, -1, -1, -1, -1, -1, -1,
                                                      -1, -1, -1, -1, -1, -1, -1, -1};

INLINE g64 g64_load_partial(const double *p, size_t count, double pad) {
#define LOAD_AT(i) V64_LOAD_LANES(p, i, FE_LANE_MASK_64 + FE_LANES - count, pad)
  return (g64){{INDEX64(LOAD_AT)}};
#undef LOAD_AT
}

#if FE_FMA
INLINE g32 g32_load_partial(const float *p, size_t count, float pad) {
#define LOAD_AT(i) V32_LOAD_LANES(p, i, FE_LANE_MASK_32 + FE_LANES - count, pad)
  return (g32){{INDEX32(LOAD_AT)}};
#undef LOAD_AT
}
#endif

/* Floats read as doubles, exactly. */

INLINE g64 g64_load_float(const float *p) {
#define LOAD_AT(i) V64_WIDEN(((const half32 *)(const void *)p)[i])
  return (g64){{INDEX64(LOAD_AT)}};
#undef LOAD_AT
}

INLINE g64 g64_load_float_partial(const float *p, size_t count, float pad) {
  float lanes[FE_LANES];
  for (size_t i = 0; i < FE_LANES; i++) lanes[i] = i < count ? p[i] : pad;
  return g64_load_float(lanes);
}

#if FE_FMA
/* Floats of a group as doubles, exactly. */
INLINE g64 g64_from_g32(g32 x) {
  g64 wide;
  for (int i = 0; i < G32_REGISTERS; i++) {
    wide.v[2 * i] = V64_WIDEN(V32_LOW(x.v[i]));
    wide.v[2 * i + 1] = V64_WIDEN(V32_HIGH(x.v[i]));
  }
  return wide;
}
#endif

/* Doubles rounded once to floats. */
#if FE_FMA
INLINE g32 g32_from_g64(g64 x) {
  g32 narrow;
  for (int i = 0; i < G32_REGISTERS; i++)
    narrow.v[i] = V32_JOIN(V64_NARROW(x.v[2 * i]), V64_NARROW(x.v[2 * i + 1]));
  return narrow;
}
#endif

INLINE void g64_store_float(float *p, g64 g) {
  for (int i = 0; i < G64_REGISTERS; i++) ((half32 *)(void *)p)[i] = V64_NARROW(g.v[i]);
}

INLINE void fe_fetch(const void *p, size_t bytes) {
  _Pragma("GCC unroll 8") for (size_t line = 0; line < bytes; line += 64)
      __builtin_prefetch((const char *)p + line);
}

/* Into the second cache: where arithmetic is about as fast as memory, fetching into the first one
 * from far away takes the places of loads that wait. */
INLINE void fe_fetch_far(const void *p, size_t bytes) {
  _Pragma("GCC unroll 8") for (size_t line = 0; line < bytes; line += 64)
      __builtin_prefetch((const char *)p + line, 0, 2);
}

/* So far ahead, over the operands: a window full of arithmetic does not run far enough ahead of its
 * loads, and what is fetched of all must not push itself out of the first cache. */
#define FE_PREFETCH_BYTES 6144

/* What to fetch while working from p on, which is entry `position` of a block. */
INLINE fe_ahead fe_ahead_of(const fe_ahead *block, const void *p, size_t position, size_t distance,
                            ptrdiff_t size) {
  if (block->next == NULL) return (fe_ahead){(const char *)p + distance, size};
  return (fe_ahead){block->next + position * block->size, block->size};
}

#endif

/* read.h - entries of any dtype, byte order and alignment, `step` bytes apart, as floats or
 * doubles.
 *
 * Kernels know two types. Whatever else users hold is read through these functions, a block that
 * fits the nearest caches at a time: half precision, labels, the other byte order. Conversions are
 * exact, or rounded once (float64 and wide integers to float).
 *
 * The loops are plain: the compiler makes vectors of them, forwards and backwards.
 */
#ifndef FE_READ_H
#define FE_READ_H

#include "simd.h"

/* A half: eleven bits moved to where a float has them are the number times 2^-112, subnormals too;
 * infinity and NaN have all exponent bits set. */
INLINE float fe_decode_f16(uint16_t bits) {
  const uint32_t magnitude = (bits & 0x7fffu) << 13;
  float value;
  memcpy(&value, &magnitude, sizeof value);
  value *= 0x1p112f;
  uint32_t result;
  memcpy(&result, &value, sizeof result);
  result |= magnitude >= 0x0f800000u ? 0x7f800000u : 0;
  result |= (uint32_t)(bits & 0x8000u) << 16;
  memcpy(&value, &result, sizeof value);
  return value;
}

INLINE float fe_decode_bf16(uint16_t bits) {
  const uint32_t wide = (uint32_t)bits << 16;
  float value;
  memcpy(&value, &wide, sizeof value);
  return value;
}

INLINE float fe_decode_f32(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

INLINE double fe_decode_f64(uint64_t bits) {
  double value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

INLINE int fe_decode_bool(uint8_t bits) { return bits != 0; }
INLINE int8_t fe_decode_i8(uint8_t bits) { return (int8_t)bits; }
INLINE uint8_t fe_decode_u8(uint8_t bits) { return bits; }
INLINE int16_t fe_decode_i16(uint16_t bits) { return (int16_t)bits; }
INLINE uint16_t fe_decode_u16(uint16_t bits) { return bits; }
INLINE int32_t fe_decode_i32(uint32_t bits) { return (int32_t)bits; }
INLINE uint32_t fe_decode_u32(uint32_t bits) { return bits; }
INLINE int64_t fe_decode_i64(uint64_t bits) { return (int64_t)bits; }
INLINE uint64_t fe_decode_u64(uint64_t bits) { return bits; }

#define FE_SAME(bits) (bits)
/* In the order of fe_kind; the last is what reads the kind as floats. */
#define FE_EACH_KIND(define)                                                                   \
  define(bool, uint8_t, FE_SAME, fe_read_bool_as_f32) define(                                  \
      i8, uint8_t, FE_SAME, fe_read_i8_as_f32) define(u8, uint8_t, FE_SAME, fe_read_u8_as_f32) \
      define(i16, uint16_t, __builtin_bswap16, fe_read_i16_as_f32)                             \
          define(u16, uint16_t, __builtin_bswap16, fe_read_u16_as_f32)                         \
              define(i32, uint32_t, __builtin_bswap32, fe_read_i32_as_f32)                     \
                  define(u32, uint32_t, __builtin_bswap32, fe_read_u32_as_f32)                 \
                      define(i64, uint64_t, __builtin_bswap64, fe_read_i64_as_f32)             \
                          define(u64, uint64_t, __builtin_bswap64, fe_read_u64_as_f32)         \
                              define(f16, uint16_t, __builtin_bswap16, fe_read_halves) define( \
                                  bf16, uint16_t, __builtin_bswap16, fe_read_bf16_as_f32)      \
                                  define(f32, uint32_t, __builtin_bswap32, fe_read_f32_as_f32) \
                                      define(f64, uint64_t, __builtin_bswap64, fe_read_f64_as_f32)

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC push_options
#pragma GCC optimize("O3")
#endif

#define FE_DEFINE_READ(name, real, raw, decode, swap)                                 \
  static void name(const void *from, ptrdiff_t step, size_t count, void *out) {       \
    const char *p = from;                                                             \
    real *to = out;                                                                   \
    raw bits;                                                                         \
    if (step == (ptrdiff_t)sizeof(raw)) {                                             \
      for (size_t i = 0; i < count; i++) {                                            \
        memcpy(&bits, p + i * sizeof(raw), sizeof(raw));                              \
        to[i] = (real)decode((raw)swap(bits));                                        \
      }                                                                               \
      return;                                                                         \
    }                                                                                 \
    if (step == -(ptrdiff_t)sizeof(raw)) {                                            \
      const char *first = p - (count - 1) * sizeof(raw); /* in the order of memory */ \
      for (size_t i = 0; i < count; i++) {                                            \
        memcpy(&bits, first + (count - 1 - i) * sizeof(raw), sizeof(raw));            \
        to[i] = (real)decode((raw)swap(bits));                                        \
      }                                                                               \
      return;                                                                         \
    }                                                                                 \
    for (size_t i = 0; i < count; i++, p += step) {                                   \
      memcpy(&bits, p, sizeof(raw));                                                  \
      to[i] = (real)decode((raw)swap(bits));                                          \
    }                                                                                 \
  }

#define FE_DEFINE_READS(kind, raw, swap, as_f32)                                      \
  FE_DEFINE_READ(fe_read_##kind##_as_f32, float, raw, fe_decode_##kind, FE_SAME)      \
  FE_DEFINE_READ(fe_read_##kind##_as_f64, double, raw, fe_decode_##kind, FE_SAME)     \
  FE_DEFINE_READ(fe_read_swapped_##kind##_as_f32, float, raw, fe_decode_##kind, swap) \
  FE_DEFINE_READ(fe_read_swapped_##kind##_as_f64, double, raw, fe_decode_##kind, swap)

FE_EACH_KIND(FE_DEFINE_READS)

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC pop_options
#endif

/* Halves have an instruction of their own. */
static void fe_read_halves(const void *from, ptrdiff_t step, size_t count, void *out) {
  size_t i = 0;
#if defined(V32_LOAD_HALVES)
  const char *p = from;
  float *to = out;
  const size_t lanes = FE_BYTES / sizeof(float);
  if (step == 2)
    for (; i + lanes <= count; i += lanes)
      *(v32_memory *)(void *)(to + i) = V32_LOAD_HALVES(p + 2 * i);
#endif
  fe_read_f16_as_f32((const char *)from + 2 * i, step, count - i, (float *)out + i);
}

#define FE_READS(kind, raw, swap, as_f32) \
  {{as_f32, fe_read_##kind##_as_f64},     \
   {fe_read_swapped_##kind##_as_f32, fe_read_swapped_##kind##_as_f64}},

#endif

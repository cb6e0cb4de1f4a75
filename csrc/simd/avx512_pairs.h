/* simd/avx512_pairs.h - the operations of avx512.h on two AVX2 registers as one, so that what the
 * kernels do with 64-byte registers, and with masks of a bit a lane, is tested on machines without
 * AVX-512, bit for bit. Built by the tests alone: speed is no concern. Included by simd.h.
 */
#ifndef FE_SIMD_AVX512_PAIRS_H
#define FE_SIMD_AVX512_PAIRS_H

typedef uint8_t k64;
typedef uint16_t k32;

/* A register as its halves, and the operation on each: `type` names the intrinsics' registers. */
#define DEFINE_PAIRS(v, k, real, integer, type, suffix)                                      \
  typedef union {                                                                            \
    v whole;                                                                                 \
    type half[2];                                                                            \
  } v##_pair;                                                                                \
  INLINE v v##_fma(v a, v b, v c) {                                                          \
    v##_pair x = {a}, y = {b}, z = {c};                                                      \
    for (int i = 0; i < 2; i++)                                                              \
      x.half[i] = _mm256_fmadd_##suffix(x.half[i], y.half[i], z.half[i]);                    \
    return x.whole;                                                                          \
  }                                                                                          \
  INLINE v v##_min(v a, v b) {                                                               \
    v##_pair x = {a}, y = {b};                                                               \
    for (int i = 0; i < 2; i++) x.half[i] = _mm256_min_##suffix(x.half[i], y.half[i]);       \
    return x.whole;                                                                          \
  }                                                                                          \
  INLINE v v##_max(v a, v b) {                                                               \
    v##_pair x = {a}, y = {b};                                                               \
    for (int i = 0; i < 2; i++) x.half[i] = _mm256_max_##suffix(x.half[i], y.half[i]);       \
    return x.whole;                                                                          \
  }                                                                                          \
  INLINE k v##_less(v a, v b) {                                                              \
    const v##_pair x = {(v)(a < b)};                                                         \
    return (k)(_mm256_movemask_##suffix(x.half[0]) | _mm256_movemask_##suffix(x.half[1])     \
                                                         << 32 / sizeof(real));              \
  }                                                                                          \
  INLINE k v##_equal(v a, v b) {                                                             \
    const v##_pair x = {(v)(a == b)};                                                        \
    return (k)(_mm256_movemask_##suffix(x.half[0]) | _mm256_movemask_##suffix(x.half[1])     \
                                                         << 32 / sizeof(real));              \
  }                                                                                          \
  INLINE v v##_select(k mask, v a, v b) {                                                    \
    for (size_t i = 0; i < FE_BYTES / sizeof(real); i++) b[i] = mask >> i & 1 ? a[i] : b[i]; \
    return b;                                                                                \
  }                                                                                          \
  INLINE v v##_load_lanes(const real *p, const integer *lanes, real pad) {                   \
    v a = pad - (v){0};                                                                      \
    for (size_t i = 0; i < FE_BYTES / sizeof(real); i++)                                     \
      if (lanes[i]) a[i] = p[i];                                                             \
    return a;                                                                                \
  }

DEFINE_PAIRS(v64, k64, double, int64_t, __m256d, pd)
DEFINE_PAIRS(v32, k32, float, int32_t, __m256, ps)

#define V64_FMA(a, b, c) v64_fma(a, b, c)
#define V64_FNMA(a, b, c) v64_fma(-(a), b, c)
#define V64_FMS(a, b, c) v64_fma(a, b, -(c))
#define V64_MIN(a, b) v64_min(a, b)
#define V64_MAX(a, b) v64_max(a, b)
#define V64_LESS(a, b) v64_less(a, b)
#define V64_EQUAL(a, b) v64_equal(a, b)
#define V64_SELECT(m, a, b) v64_select(m, a, b)
#define V64_ANY(m) ((m) != 0)
#define V32_FMA(a, b, c) v32_fma(a, b, c)
#define V32_FNMA(a, b, c) v32_fma(-(a), b, c)
#define V32_FMS(a, b, c) v32_fma(a, b, -(c))
#define V32_MIN(a, b) v32_min(a, b)
#define V32_MAX(a, b) v32_max(a, b)
#define V32_LESS(a, b) v32_less(a, b)
#define V32_EQUAL(a, b) v32_equal(a, b)
#define V32_SELECT(m, a, b) v32_select(m, a, b)
#define V32_ANY(m) ((m) != 0)

#define V64_WIDEN(half) __builtin_convertvector(half, v64)
#define V64_NARROW(a) __builtin_convertvector(a, half32)
#define V32_LOW(a) __builtin_shufflevector(a, a, 0, 1, 2, 3, 4, 5, 6, 7)
#define V32_HIGH(a) __builtin_shufflevector(a, a, 8, 9, 10, 11, 12, 13, 14, 15)

#define V64_LOAD_LANES(p, i, lanes, pad) v64_load_lanes((p) + 8 * (i), (lanes) + 8 * (i), pad)
#define V32_LOAD_LANES(p, i, lanes, pad) v32_load_lanes((p) + 16 * (i), (lanes) + 16 * (i), pad)

#endif

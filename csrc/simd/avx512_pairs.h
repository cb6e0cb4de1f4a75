/* simd/avx512_pairs.h - the operations of avx512.h on two AVX2 registers as one, so that what the
 * kernels do with 64-byte registers, and with masks of a bit a lane, is tested on machines without
 * AVX-512, bit for bit. Built by the tests alone: speed is no concern. Included by simd.h.
 */
#ifndef FE_SIMD_AVX512_PAIRS_H
#define FE_SIMD_AVX512_PAIRS_H

typedef uint8_t k64;
typedef uint16_t k32;

/* The bit of each lane in a mask. */
static const i64 v64_lane_bits = {1, 2, 4, 8, 16, 32, 64, 128};
static const i32 v32_lane_bits = {1,   2,   4,    8,    16,   32,   64,    128,
                                  256, 512, 1024, 2048, 4096, 8192, 16384, 32768};

/* A register as its halves, and the operation on each: `type` names the intrinsics' registers.
 * Written out, not in loops: sanitizers would check every index. */
#define DEFINE_PAIRS(v, k, real, integer, type, suffix)                                    \
  typedef union {                                                                          \
    v whole;                                                                               \
    type half[2];                                                                          \
  } v##_pair;                                                                              \
  INLINE v v##_join(type low, type high) { return (v##_pair){.half = {low, high}}.whole; } \
  INLINE v v##_fma(v a, v b, v c) {                                                        \
    const v##_pair x = {a}, y = {b}, z = {c};                                              \
    return v##_join(_mm256_fmadd_##suffix(x.half[0], y.half[0], z.half[0]),                \
                    _mm256_fmadd_##suffix(x.half[1], y.half[1], z.half[1]));               \
  }                                                                                        \
  INLINE v v##_min(v a, v b) {                                                             \
    const v##_pair x = {a}, y = {b};                                                       \
    return v##_join(_mm256_min_##suffix(x.half[0], y.half[0]),                             \
                    _mm256_min_##suffix(x.half[1], y.half[1]));                            \
  }                                                                                        \
  INLINE v v##_max(v a, v b) {                                                             \
    const v##_pair x = {a}, y = {b};                                                       \
    return v##_join(_mm256_max_##suffix(x.half[0], y.half[0]),                             \
                    _mm256_max_##suffix(x.half[1], y.half[1]));                            \
  }                                                                                        \
  INLINE v v##_sqrt(v a) {                                                                 \
    const v##_pair x = {a};                                                                \
    return v##_join(_mm256_sqrt_##suffix(x.half[0]), _mm256_sqrt_##suffix(x.half[1]));     \
  }                                                                                        \
  INLINE k v##_mask(v set) {                                                               \
    const v##_pair x = {set};                                                              \
    return (k)(_mm256_movemask_##suffix(x.half[0]) | _mm256_movemask_##suffix(x.half[1])   \
                                                         << 32 / sizeof(real));            \
  }                                                                                        \
  INLINE v v##_select(k mask, v a, v b) {                                                  \
    const v##_pair x = {a}, y = {b}, set = {(v)(((integer)mask & v##_lane_bits) != 0)};    \
    return v##_join(_mm256_blendv_##suffix(y.half[0], x.half[0], set.half[0]),             \
                    _mm256_blendv_##suffix(y.half[1], x.half[1], set.half[1]));            \
  }                                                                                        \
  INLINE v v##_load_lanes(const real *p, const integer *lanes, real pad) {                 \
    const __m256i low = _mm256_loadu_si256((const void *)lanes);                           \
    const __m256i high = _mm256_loadu_si256((const void *)(lanes + 32 / sizeof(real)));    \
    const v loaded = v##_join(_mm256_maskload_##suffix(p, low),                            \
                              _mm256_maskload_##suffix(p + 32 / sizeof(real), high));      \
    return v##_select(v##_mask(v##_join((type)low, (type)high)), loaded, pad - (v){0});    \
  }

DEFINE_PAIRS(v64, k64, double, int64_t, __m256d, pd)
DEFINE_PAIRS(v32, k32, float, int32_t, __m256, ps)

#define V64_FMA(a, b, c) v64_fma(a, b, c)
#define V64_FNMA(a, b, c) v64_fma(-(a), b, c)
#define V64_FMS(a, b, c) v64_fma(a, b, -(c))
#define V64_MIN(a, b) v64_min(a, b)
#define V64_MAX(a, b) v64_max(a, b)
#define V64_LESS(a, b) v64_mask((v64)((a) < (b)))
#define V64_EQUAL(a, b) v64_mask((v64)((a) == (b)))
#define V64_SELECT(m, a, b) v64_select(m, a, b)
#define V64_SQRT(a) v64_sqrt(a)
#define V64_ANY(m) ((m) != 0)
#define V64_BITS(m) (m)
#define V32_FMA(a, b, c) v32_fma(a, b, c)
#define V32_FNMA(a, b, c) v32_fma(-(a), b, c)
#define V32_FMS(a, b, c) v32_fma(a, b, -(c))
#define V32_MIN(a, b) v32_min(a, b)
#define V32_MAX(a, b) v32_max(a, b)
#define V32_LESS(a, b) v32_mask((v32)((a) < (b)))
#define V32_EQUAL(a, b) v32_mask((v32)((a) == (b)))
#define V32_SELECT(m, a, b) v32_select(m, a, b)
#define V32_SQRT(a) v32_sqrt(a)
#define V32_ANY(m) ((m) != 0)
#define V32_BITS(m) (m)

#define V64_WIDEN(half) __builtin_convertvector(half, v64)
#define V64_NARROW(a) __builtin_convertvector(a, half32)
#define V32_LOW(a) __builtin_shufflevector(a, a, 0, 1, 2, 3, 4, 5, 6, 7)
#define V32_HIGH(a) __builtin_shufflevector(a, a, 8, 9, 10, 11, 12, 13, 14, 15)

#define V32_JOIN(low, high) v32_join((__m256)(low), (__m256)(high))

INLINE v32 v32_load_halves(const char *p) {
  return v32_join(_mm256_cvtph_ps(_mm_loadu_si128((const void *)p)),
                  _mm256_cvtph_ps(_mm_loadu_si128((const void *)(p + 16))));
}
#define V32_LOAD_HALVES(p) v32_load_halves(p)

#define V64_LOAD_LANES(p, i, lanes, pad) v64_load_lanes((p) + 8 * (i), (lanes) + 8 * (i), pad)
#define V32_LOAD_LANES(p, i, lanes, pad) v32_load_lanes((p) + 16 * (i), (lanes) + 16 * (i), pad)

#endif

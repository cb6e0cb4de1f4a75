/* simd/avx2.h - the operations of one 32-byte register: AVX2 and FMA. Included by simd.h. */
#ifndef FE_SIMD_AVX2_H
#define FE_SIMD_AVX2_H

#define V64_FMA(a, b, c) ((v64)_mm256_fmadd_pd((__m256d)(a), (__m256d)(b), (__m256d)(c)))
#define V64_FNMA(a, b, c) ((v64)_mm256_fnmadd_pd((__m256d)(a), (__m256d)(b), (__m256d)(c)))
#define V64_FMS(a, b, c) ((v64)_mm256_fmsub_pd((__m256d)(a), (__m256d)(b), (__m256d)(c)))
#define V64_MIN(a, b) ((v64)_mm256_min_pd((__m256d)(a), (__m256d)(b)))
#define V64_MAX(a, b) ((v64)_mm256_max_pd((__m256d)(a), (__m256d)(b)))
#define V64_SELECT(m, a, b) ((v64)_mm256_blendv_pd((__m256d)(b), (__m256d)(a), (__m256d)(m)))
#define V64_SQRT(a) ((v64)_mm256_sqrt_pd((__m256d)(a)))
#define V64_BITS(m) _mm256_movemask_pd((__m256d)(m))
#define V64_ANY(m) (V64_BITS(m) != 0)
#define V32_FMA(a, b, c) ((v32)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))
#define V32_FNMA(a, b, c) ((v32)_mm256_fnmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))
#define V32_FMS(a, b, c) ((v32)_mm256_fmsub_ps((__m256)(a), (__m256)(b), (__m256)(c)))
#define V32_MIN(a, b) ((v32)_mm256_min_ps((__m256)(a), (__m256)(b)))
#define V32_MAX(a, b) ((v32)_mm256_max_ps((__m256)(a), (__m256)(b)))
#define V32_SELECT(m, a, b) ((v32)_mm256_blendv_ps((__m256)(b), (__m256)(a), (__m256)(m)))
#define V32_SQRT(a) ((v32)_mm256_sqrt_ps((__m256)(a)))
#define V32_BITS(m) _mm256_movemask_ps((__m256)(m))
#define V32_ANY(m) (V32_BITS(m) != 0)

/* Intrinsics: of vector conversions GCC 12 makes six instructions each. */
#define V64_WIDEN(half) ((v64)_mm256_cvtps_pd((__m128)(half)))
#define V64_NARROW(a) ((half32)_mm256_cvtpd_ps((__m256d)(a)))
#define V32_LOW(a) ((half32)_mm256_castps256_ps128((__m256)(a)))
#define V32_HIGH(a) ((half32)_mm256_extractf128_ps((__m256)(a), 1))
#define V32_JOIN(low, high) ((v32)_mm256_set_m128((__m128)(high), (__m128)(low)))
#define V32_LOAD_HALVES(p) ((v32)_mm256_cvtph_ps(_mm_loadu_si128((const void *)(p))))

/* Lanes i .. of p where the mask from memory is set, else pad. */
INLINE v64 v64_load_lanes(const double *p, const int64_t *lanes, double pad) {
  const __m256i mask = _mm256_loadu_si256((const __m256i *)(const void *)lanes);
  return V64_SELECT(mask, (v64)_mm256_maskload_pd(p, mask), pad - (v64){0});
}
INLINE v32 v32_load_lanes(const float *p, const int32_t *lanes, float pad) {
  const __m256i mask = _mm256_loadu_si256((const __m256i *)(const void *)lanes);
  return V32_SELECT(mask, (v32)_mm256_maskload_ps(p, mask), pad - (v32){0});
}
#define V64_LOAD_LANES(p, i, lanes, pad) v64_load_lanes((p) + 4 * (i), (lanes) + 4 * (i), pad)
#define V32_LOAD_LANES(p, i, lanes, pad) v32_load_lanes((p) + 8 * (i), (lanes) + 8 * (i), pad)

#endif

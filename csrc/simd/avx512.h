/* simd/avx512.h - the operations of one 64-byte register: AVX-512 F, DQ, BW and VL. Included by
 * simd.h. */
#ifndef FE_SIMD_AVX512_H
#define FE_SIMD_AVX512_H

typedef __mmask8 k64;
typedef __mmask16 k32;

#define V64_FMA(a, b, c) ((v64)_mm512_fmadd_pd((__m512d)(a), (__m512d)(b), (__m512d)(c)))
#define V64_FNMA(a, b, c) ((v64)_mm512_fnmadd_pd((__m512d)(a), (__m512d)(b), (__m512d)(c)))
#define V64_FMS(a, b, c) ((v64)_mm512_fmsub_pd((__m512d)(a), (__m512d)(b), (__m512d)(c)))
#define V64_MIN(a, b) ((v64)_mm512_min_pd((__m512d)(a), (__m512d)(b)))
#define V64_MAX(a, b) ((v64)_mm512_max_pd((__m512d)(a), (__m512d)(b)))
#define V64_LESS(a, b) _mm512_cmp_pd_mask((__m512d)(a), (__m512d)(b), _CMP_LT_OQ)
#define V64_EQUAL(a, b) _mm512_cmp_pd_mask((__m512d)(a), (__m512d)(b), _CMP_EQ_OQ)
#define V64_SELECT(m, a, b) ((v64)_mm512_mask_blend_pd(m, (__m512d)(b), (__m512d)(a)))
#define V64_SQRT(a) ((v64)_mm512_sqrt_pd((__m512d)(a)))
#define V64_ANY(m) ((m) != 0)
#define V64_BITS(m) (m)
#define V32_FMA(a, b, c) ((v32)_mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c)))
#define V32_FNMA(a, b, c) ((v32)_mm512_fnmadd_ps((__m512)(a), (__m512)(b), (__m512)(c)))
#define V32_FMS(a, b, c) ((v32)_mm512_fmsub_ps((__m512)(a), (__m512)(b), (__m512)(c)))
#define V32_MIN(a, b) ((v32)_mm512_min_ps((__m512)(a), (__m512)(b)))
#define V32_MAX(a, b) ((v32)_mm512_max_ps((__m512)(a), (__m512)(b)))
#define V32_LESS(a, b) _mm512_cmp_ps_mask((__m512)(a), (__m512)(b), _CMP_LT_OQ)
#define V32_EQUAL(a, b) _mm512_cmp_ps_mask((__m512)(a), (__m512)(b), _CMP_EQ_OQ)
#define V32_SELECT(m, a, b) ((v32)_mm512_mask_blend_ps(m, (__m512)(b), (__m512)(a)))
#define V32_SQRT(a) ((v32)_mm512_sqrt_ps((__m512)(a)))
#define V32_ANY(m) ((m) != 0)
#define V32_BITS(m) (m)

#define V64_WIDEN(half) ((v64)_mm512_cvtps_pd((__m256)(half)))
#define V64_NARROW(a) ((half32)_mm512_cvtpd_ps((__m512d)(a)))
#define V32_JOIN(low, high) \
  ((v32)_mm512_insertf32x8(_mm512_castps256_ps512((__m256)(low)), (__m256)(high), 1))
#define V32_LOW(a) ((half32)_mm512_castps512_ps256((__m512)(a)))
#define V32_HIGH(a) ((half32)_mm512_extractf32x8_ps((__m512)(a), 1))
#define V32_LOAD_HALVES(p) ((v32)_mm512_cvtph_ps(_mm256_loadu_si256((const void *)(p))))

/* Lanes i .. of p where the mask from memory is set, else pad. */
#define V64_LOAD_LANES(p, i, lanes, pad) \
  ((v64)_mm512_mask_loadu_pd(            \
      _mm512_set1_pd(pad),               \
      _mm512_movepi64_mask(_mm512_loadu_si512((const void *)((lanes) + 8 * (i)))), (p) + 8 * (i)))
#define V32_LOAD_LANES(p, i, lanes, pad)                                            \
  ((v32)_mm512_mask_loadu_ps(                                                       \
      _mm512_set1_ps(pad),                                                          \
      _mm512_movepi32_mask(_mm512_loadu_si512((const void *)((lanes) + 16 * (i)))), \
      (p) + 16 * (i)))

#endif

/* simd/neon.h - the operations of one 16-byte register: Advanced SIMD of aarch64, FMA with it.
 * Included by simd.h.
 *
 * FMIN and FMAX return NaN where either operand is one, so minima are comparisons and selections.
 */
#ifndef FE_SIMD_NEON_H
#define FE_SIMD_NEON_H

#define V64_FMA(a, b, c) ((v64)vfmaq_f64((float64x2_t)(c), (float64x2_t)(a), (float64x2_t)(b)))
#define V64_FNMA(a, b, c) ((v64)vfmsq_f64((float64x2_t)(c), (float64x2_t)(a), (float64x2_t)(b)))
#define V64_FMS(a, b, c) V64_FMA(a, b, -(c))
#define V64_SELECT(m, a, b) ((v64)vbslq_f64((uint64x2_t)(m), (float64x2_t)(a), (float64x2_t)(b)))
#define V64_MIN(a, b) V64_SELECT((a) < (b), a, b)
#define V64_MAX(a, b) V64_SELECT((a) > (b), a, b)
#define V64_SQRT(a) ((v64)vsqrtq_f64((float64x2_t)(a)))
#define V64_ANY(m) (vmaxvq_u32((uint32x4_t)(m)) != 0)
#define V64_BITS(m) vaddvq_u64((uint64x2_t)((m) & (k64){1, 2}))
#define V32_FMA(a, b, c) ((v32)vfmaq_f32((float32x4_t)(c), (float32x4_t)(a), (float32x4_t)(b)))
#define V32_FNMA(a, b, c) ((v32)vfmsq_f32((float32x4_t)(c), (float32x4_t)(a), (float32x4_t)(b)))
#define V32_FMS(a, b, c) V32_FMA(a, b, -(c))
#define V32_SELECT(m, a, b) ((v32)vbslq_f32((uint32x4_t)(m), (float32x4_t)(a), (float32x4_t)(b)))
#define V32_MIN(a, b) V32_SELECT((a) < (b), a, b)
#define V32_MAX(a, b) V32_SELECT((a) > (b), a, b)
#define V32_SQRT(a) ((v32)vsqrtq_f32((float32x4_t)(a)))
#define V32_ANY(m) (vmaxvq_u32((uint32x4_t)(m)) != 0)
#define V32_BITS(m) vaddvq_u32((uint32x4_t)((m) & (k32){1, 2, 4, 8}))

#define V64_WIDEN(half) ((v64)vcvt_f64_f32((float32x2_t)(half)))
#define V64_NARROW(a) ((half32)vcvt_f32_f64((float64x2_t)(a)))
#define V32_JOIN(low, high) ((v32)vcombine_f32((float32x2_t)(low), (float32x2_t)(high)))
#define V32_LOW(a) ((half32)vget_low_f32((float32x4_t)(a)))
#define V32_HIGH(a) ((half32)vget_high_f32((float32x4_t)(a)))

/* Lanes i .. of p where the mask is set, else pad: there is no masked load. */
INLINE v64 v64_load_lanes(const double *p, const int64_t *lanes, double pad) {
  return (v64){lanes[0] ? p[0] : pad, lanes[1] ? p[1] : pad};
}
INLINE v32 v32_load_lanes(const float *p, const int32_t *lanes, float pad) {
  return (v32){lanes[0] ? p[0] : pad, lanes[1] ? p[1] : pad, lanes[2] ? p[2] : pad,
               lanes[3] ? p[3] : pad};
}
#define V64_LOAD_LANES(p, i, lanes, pad) v64_load_lanes((p) + 2 * (i), (lanes) + 2 * (i), pad)
#define V32_LOAD_LANES(p, i, lanes, pad) v32_load_lanes((p) + 4 * (i), (lanes) + 4 * (i), pad)

#endif

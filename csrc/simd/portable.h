/* simd/portable.h - the operations of one 32-byte register without intrinsics, for any machine; the
 * compiler splits them as it must. Included by simd.h.
 *
 * Without FMA, V_FMA rounds twice; where the residual of a product matters, sum.h splits it. */
#ifndef FE_SIMD_PORTABLE_H
#define FE_SIMD_PORTABLE_H

#define V64_FMA(a, b, c) ((a) * (b) + (c))
#define V64_FNMA(a, b, c) ((c) - (a) * (b))
#define V64_FMS(a, b, c) ((a) * (b) - (c))
#define V64_SELECT(m, a, b) ((v64)(((i64)(m) & (i64)(a)) | (~(i64)(m) & (i64)(b))))
#define V64_MIN(a, b) V64_SELECT((a) < (b), a, b)
#define V64_MAX(a, b) V64_SELECT((a) > (b), a, b)
#define V32_FMA(a, b, c) ((a) * (b) + (c))
#define V32_FNMA(a, b, c) ((c) - (a) * (b))
#define V32_FMS(a, b, c) ((a) * (b) - (c))
#define V32_SELECT(m, a, b) ((v32)(((i32)(m) & (i32)(a)) | (~(i32)(m) & (i32)(b))))
#define V32_MIN(a, b) V32_SELECT((a) < (b), a, b)
#define V32_MAX(a, b) V32_SELECT((a) > (b), a, b)
INLINE v64 v64_sqrt(v64 a) {
  for (int i = 0; i < FE_BYTES / 8; i++) a[i] = __builtin_sqrt(a[i]);
  return a;
}
INLINE v32 v32_sqrt(v32 a) {
  for (int i = 0; i < FE_BYTES / 4; i++) a[i] = __builtin_sqrtf(a[i]);
  return a;
}
#define V64_SQRT(a) v64_sqrt(a)
#define V32_SQRT(a) v32_sqrt(a)
INLINE int fe_any_bits(const void *mask) {
  uint64_t part[FE_BYTES / 8], all = 0;
  memcpy(part, mask, sizeof part);
  for (size_t i = 0; i < FE_BYTES / 8; i++) all |= part[i];
  return all != 0;
}
#define V64_ANY(m) fe_any_bits(&(m))
#define V32_ANY(m) fe_any_bits(&(m))
INLINE unsigned v64_bits(k64 m) {
  unsigned bits = 0;
  for (int i = 0; i < FE_BYTES / 8; i++) bits |= (unsigned)(m[i] & 1) << i;
  return bits;
}
INLINE unsigned v32_bits(k32 m) {
  unsigned bits = 0;
  for (int i = 0; i < FE_BYTES / 4; i++) bits |= (unsigned)(m[i] & 1) << i;
  return bits;
}
#define V64_BITS(m) v64_bits(m)
#define V32_BITS(m) v32_bits(m)

/* The barrier keeps GCC 12 from comparing floats for what is asked of their doubles, which kills
 * it.
 */
INLINE v64 v64_widen(half32 half) {
  v64 wide = __builtin_convertvector(half, v64);
  __asm__("" : "+m"(wide));
  return wide;
}
#define V64_WIDEN(half) v64_widen(half)
#define V64_NARROW(a) __builtin_convertvector(a, half32)

/* Lanes i .. of p where the mask is set, else pad. */
INLINE v64 v64_load_lanes(const double *p, const int64_t *lanes, double pad) {
  return (v64){lanes[0] ? p[0] : pad, lanes[1] ? p[1] : pad, lanes[2] ? p[2] : pad,
               lanes[3] ? p[3] : pad};
}
#define V64_LOAD_LANES(p, i, lanes, pad) v64_load_lanes((p) + 4 * (i), (lanes) + 4 * (i), pad)

#endif

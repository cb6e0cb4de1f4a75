/* simd/lanes.h - what the lanes of a group are together: whether one is set, which, the largest;
 * part of simd.h. */
#ifndef FE_SIMD_LANES_H
#define FE_SIMD_LANES_H

INLINE int m64_any(m64 m) {
  k64 all = m.v[0];
  for (int i = 1; i < G64_REGISTERS; i++) all |= m.v[i];
  return V64_ANY(all);
}

INLINE int m32_any(m32 m) {
  k32 all = m.v[0];
  for (int i = 1; i < G32_REGISTERS; i++) all |= m.v[i];
  return V32_ANY(all);
}

/* A bit for each lane that is set, the first the lowest. */
INLINE unsigned m64_bits(m64 m) {
  unsigned bits = 0;
  for (int i = 0; i < G64_REGISTERS; i++) bits |= (unsigned)V64_BITS(m.v[i]) << FE_BYTES / 8 * i;
  return bits;
}

INLINE unsigned m32_bits(m32 m) {
  unsigned bits = 0;
  for (int i = 0; i < G32_REGISTERS; i++) bits |= (unsigned)V32_BITS(m.v[i]) << FE_BYTES / 4 * i;
  return bits;
}

/* The largest of the lanes, none NaN. Registers are joined, then halves of one, quarters ... */
#ifdef __clang__
#define FE_SHUFFLE(v, integers, ...) __builtin_shufflevector(v, v, __VA_ARGS__)
#else
#define FE_SHUFFLE(v, integers, ...) __builtin_shuffle(v, (integers){__VA_ARGS__})
#endif
#define FE_SWAP_1(i) ((i) ^ 1)
#define FE_SWAP_2(i) ((i) ^ 2)
#define FE_SWAP_4(i) ((i) ^ 4)
#define FE_SWAP_8(i) ((i) ^ 8)
#if FE_BYTES == 64
#define LANES64 FE_INDEX_8
#define LANES32 FE_INDEX_16
#elif FE_BYTES == 32
#define LANES64 FE_INDEX_4
#define LANES32 FE_INDEX_8
#else
#define LANES64 FE_INDEX_2
#define LANES32 FE_INDEX_4
#endif

INLINE double g64_largest(g64 g) {
  v64 v = g.v[0];
  for (int i = 1; i < G64_REGISTERS; i++) v = V64_MAX(g.v[i], v);
#if FE_BYTES == 64
  v = V64_MAX(FE_SHUFFLE(v, i64, LANES64(FE_SWAP_4)), v);
#endif
#if FE_BYTES >= 32
  v = V64_MAX(FE_SHUFFLE(v, i64, LANES64(FE_SWAP_2)), v);
#endif
  return V64_MAX(FE_SHUFFLE(v, i64, LANES64(FE_SWAP_1)), v)[0];
}

INLINE float g32_largest(g32 g) {
  v32 v = g.v[0];
  for (int i = 1; i < G32_REGISTERS; i++) v = V32_MAX(g.v[i], v);
#if FE_BYTES == 64
  v = V32_MAX(FE_SHUFFLE(v, i32, LANES32(FE_SWAP_8)), v);
#endif
#if FE_BYTES >= 32
  v = V32_MAX(FE_SHUFFLE(v, i32, LANES32(FE_SWAP_4)), v);
#endif
  v = V32_MAX(FE_SHUFFLE(v, i32, LANES32(FE_SWAP_2)), v);
  return V32_MAX(FE_SHUFFLE(v, i32, LANES32(FE_SWAP_1)), v)[0];
}

#endif

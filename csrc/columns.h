/* columns.h - sixteen short rows turned into columns: entry j of row r goes to `to[16 j + r]`.
 *
 * Rows follow each other in memory. Sixteen bytes (four floats, two doubles) of each row at a time
 * are transposed within the 16-byte lanes of 32-byte registers, which is where shuffles are
 * cheapest: lane k of register i holds row 4 k + i (floats; 2 k + i doubles), so that the columns
 * come out with their rows in order. 64-byte registers would take more operations to fill.
 *
 * Reads whole chunks of 16 bytes: up to FE_CHUNK - 1 entries behind the last row's end where
 * `overrun` says that they are there, and writes as many columns too many.
 */
#ifndef FE_COLUMNS_H
#define FE_COLUMNS_H

#include "simd.h"

#define FE_CHUNK_F32 4
#define FE_CHUNK_F64 2

typedef float r32 __attribute__((vector_size(32)));
typedef double r64 __attribute__((vector_size(32)));
typedef float r32_memory __attribute__((vector_size(32), aligned(4), may_alias));
typedef double r64_memory __attribute__((vector_size(32), aligned(8), may_alias));
typedef float r32_half __attribute__((vector_size(16), aligned(4), may_alias));
typedef double r64_half __attribute__((vector_size(16), aligned(8), may_alias));

INLINE r32 r32_load_halves(const float *low, const float *high) {
  return __builtin_shufflevector(*(const r32_half *)(const void *)low,
                                 *(const r32_half *)(const void *)high, 0, 1, 2, 3, 4, 5, 6, 7);
}
INLINE r64 r64_load_halves(const double *low, const double *high) {
  return __builtin_shufflevector(*(const r64_half *)(const void *)low,
                                 *(const r64_half *)(const void *)high, 0, 1, 2, 3);
}
#define R32_LOW(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 4, 12, 5, 13)
#define R32_HIGH(a, b) __builtin_shufflevector(a, b, 2, 10, 3, 11, 6, 14, 7, 15)
#define R64_LOW(a, b) __builtin_shufflevector(a, b, 0, 4, 2, 6)
#define R64_HIGH(a, b) __builtin_shufflevector(a, b, 1, 5, 3, 7)

/* Row r lies at ADDRESS(r). */
#define FE_CHUNK_OF_F32(ADDRESS)                                                     \
  _Pragma("GCC unroll 2") for (size_t r = 0; r < FE_LANES; r += 8) {                 \
    const r32 a = r32_load_halves(ADDRESS(r), ADDRESS(r + 4));                       \
    const r32 b = r32_load_halves(ADDRESS(r + 1), ADDRESS(r + 5));                   \
    const r32 c = r32_load_halves(ADDRESS(r + 2), ADDRESS(r + 6));                   \
    const r32 d = r32_load_halves(ADDRESS(r + 3), ADDRESS(r + 7));                   \
    const r64 low_ab = (r64)R32_LOW(a, b), high_ab = (r64)R32_HIGH(a, b);            \
    const r64 low_cd = (r64)R32_LOW(c, d), high_cd = (r64)R32_HIGH(c, d);            \
    float *column = to + r;                                                          \
    *(r32_memory *)(void *)column = (r32)R64_LOW(low_ab, low_cd);                    \
    *(r32_memory *)(void *)(column + to_step) = (r32)R64_HIGH(low_ab, low_cd);       \
    *(r32_memory *)(void *)(column + 2 * to_step) = (r32)R64_LOW(high_ab, high_cd);  \
    *(r32_memory *)(void *)(column + 3 * to_step) = (r32)R64_HIGH(high_ab, high_cd); \
  }
#define FE_CHUNK_OF_F64(ADDRESS)                                     \
  _Pragma("GCC unroll 4") for (size_t r = 0; r < FE_LANES; r += 4) { \
    const r64 a = r64_load_halves(ADDRESS(r), ADDRESS(r + 2));       \
    const r64 b = r64_load_halves(ADDRESS(r + 1), ADDRESS(r + 3));   \
    *(r64_memory *)(void *)(to + r) = R64_LOW(a, b);                 \
    *(r64_memory *)(void *)(to + to_step + r) = R64_HIGH(a, b);      \
  }
#define FE_EVENLY(r) (from + (r) * step)
#define FE_APART(r) (rows[r] + offset)
INLINE void fe_columns_chunk_f32(const float *from, size_t step, float *to,
                                 size_t to_step){FE_CHUNK_OF_F32(FE_EVENLY)} INLINE
    void fe_columns_chunk_f64(const double *from, size_t step, double *to,
                              size_t to_step){FE_CHUNK_OF_F64(FE_EVENLY)} INLINE
    void fe_columns_apart_f32(const float **rows, size_t offset, float *to,
                              size_t to_step){FE_CHUNK_OF_F32(FE_APART)} INLINE
    void fe_columns_apart_f64(const double **rows, size_t offset, double *to,
                              size_t to_step){FE_CHUNK_OF_F64(FE_APART)}
#undef FE_EVENLY
#undef FE_APART

/* Back again: entries j .. of sixteen rows, 16 bytes of each, from columns that are FE_LANES apart.
 */
INLINE void fe_rows_chunk_f32(const float *from, char *to, ptrdiff_t stride) {
  _Pragma("GCC unroll 2") for (ptrdiff_t r = 0; r < FE_LANES; r += 8) {
#define COLUMN(k) (*(const r32_memory *)(const void *)(from + r + (k) * FE_LANES))
    const r32 a = COLUMN(0), b = COLUMN(1), c = COLUMN(2), d = COLUMN(3);
#undef COLUMN
    const r64 low_ab = (r64)R32_LOW(a, b), high_ab = (r64)R32_HIGH(a, b);
    const r64 low_cd = (r64)R32_LOW(c, d), high_cd = (r64)R32_HIGH(c, d);
    const r32 rows[4] = {(r32)R64_LOW(low_ab, low_cd), (r32)R64_HIGH(low_ab, low_cd),
                         (r32)R64_LOW(high_ab, high_cd), (r32)R64_HIGH(high_ab, high_cd)};
    _Pragma("GCC unroll 4") for (ptrdiff_t i = 0; i < 4; i++) { /* of rows r + i and r + i + 4 */
      *(r32_half *)(void *)(to + (r + i) * stride) =
          __builtin_shufflevector(rows[i], rows[i], 0, 1, 2, 3);
      *(r32_half *)(void *)(to + (r + i + 4) * stride) =
          __builtin_shufflevector(rows[i], rows[i], 4, 5, 6, 7);
    }
  }
}
INLINE void fe_rows_chunk_f64(const double *from, char *to, ptrdiff_t stride) {
  _Pragma("GCC unroll 4") for (ptrdiff_t r = 0; r < FE_LANES; r += 4) {
    const r64 a = *(const r64_memory *)(const void *)(from + r);
    const r64 b = *(const r64_memory *)(const void *)(from + r + FE_LANES);
    const r64 rows[2] = {R64_LOW(a, b), R64_HIGH(a, b)};
    _Pragma("GCC unroll 2") for (ptrdiff_t i = 0; i < 2; i++) { /* of rows r + i and r + i + 2 */
      *(r64_half *)(void *)(to + (r + i) * stride) =
          __builtin_shufflevector(rows[i], rows[i], 0, 1);
      *(r64_half *)(void *)(to + (r + i + 2) * stride) =
          __builtin_shufflevector(rows[i], rows[i], 2, 3);
    }
  }
}
#undef R32_LOW
#undef R32_HIGH
#undef R64_LOW
#undef R64_HIGH

/* The columns of `rows` rows, at most 16; where there are fewer the rest is the first row's. */
#define DEFINE_COLUMNS(real, type, chunk)                                                         \
  INLINE void fe_columns_whole_##type(const real *from, size_t count, int overrun, real *to) {    \
    size_t j = 0;                                                                                 \
    for (; j + (overrun ? 1 : chunk) <= count; j += chunk)                                        \
      fe_columns_chunk_##type(from + j, count, to + FE_LANES * j, FE_LANES);                      \
    for (; j < count; j++)                                                                        \
      for (size_t r = 0; r < FE_LANES; r++) to[FE_LANES * j + r] = from[r * count + j];           \
  }                                                                                               \
                                                                                                  \
  OUTLINE void fe_columns_few_##type(const real *from, size_t rows, size_t count, real *to) {     \
    real all[FE_LANES * FE_SHORT];                                                                \
    memcpy(all, from, rows *count * sizeof(real));                                                \
    for (size_t r = rows; r < FE_LANES; r++) memcpy(all + r * count, from, count * sizeof(real)); \
    fe_columns_whole_##type(all, count, 0, to);                                                   \
  }                                                                                               \
                                                                                                  \
  INLINE void fe_columns_##type(const real *from, size_t rows, size_t count, int overrun,         \
                                real *to) {                                                       \
    if (rows < FE_LANES) fe_columns_few_##type(from, rows, count, to);                            \
    else fe_columns_whole_##type(from, count, overrun, to);                                       \
  }

DEFINE_COLUMNS(float, f32, FE_CHUNK_F32)
DEFINE_COLUMNS(double, f64, FE_CHUNK_F64)

/* `rows` rows of the columns, at most 16; the last chunk overlaps the one before. */
#define DEFINE_ROWS(real, type, chunk)                                              \
  INLINE void fe_rows_##type(const real *from, size_t rows, size_t count, char *to, \
                             ptrdiff_t stride) {                                    \
    if (rows == FE_LANES && count >= chunk) {                                       \
      for (size_t j = 0; j < count; j += chunk) {                                   \
        if (count - j < chunk) j = count - chunk;                                   \
        fe_rows_chunk_##type(from + FE_LANES * j, to + j * sizeof(real), stride);   \
      }                                                                             \
      return;                                                                       \
    }                                                                               \
    for (size_t r = 0; r < rows; r++)                                               \
      for (size_t j = 0; j < count; j++)                                            \
        ((real *)(void *)(to + (ptrdiff_t)r * stride))[j] = from[FE_LANES * j + r]; \
  }

DEFINE_ROWS(float, f32, FE_CHUNK_F32)
DEFINE_ROWS(double, f64, FE_CHUNK_F64)

/* The other way round: rows whose entries lie `step` apart, and which are neighbours in memory,
 * made contiguous, sixteen columns at a time; the last sixteen overlap those before. What the next
 * block will read of each column is fetched meanwhile.
 *
 * Of rows shorter than that the last column is repeated: what is written behind a row is
 * overwritten by the next, and the last rows, whose sixteen would end behind the buffer, are
 * copied one by one. */
#define DEFINE_GATHER(real, type, chunk)                                                        \
  INLINE void fe_gather_narrow_##type(const real *from, size_t rows, size_t count, size_t step, \
                                      real *to) {                                               \
    const real *lines[FE_LANES];                                                                \
    const size_t last = (FE_LANES + count - 1) / count;                                         \
    size_t r = 0;                                                                               \
    for (size_t i = 0; i < FE_LANES; i++) lines[i] = from + (i < count ? i : count - 1) * step; \
    for (; r + chunk + last <= rows; r += chunk) {                                              \
      real tile[chunk * FE_LANES];                                                              \
      fe_columns_apart_##type(lines, r, tile, FE_LANES);                                        \
      for (size_t k = 0; k < chunk; k++)                                                        \
        memcpy(to + (r + k) * count, tile + FE_LANES * k, FE_LANES * sizeof(real));             \
    }                                                                                           \
    for (; r < rows; r++)                                                                       \
      for (size_t i = 0; i < count; i++) to[r * count + i] = from[i * step + r];                \
  }                                                                                             \
  static void fe_gather_##type(const void *columns, size_t rows, size_t count, size_t step,     \
                               void *out) {                                                     \
    const real *from = columns;                                                                 \
    real *to = out;                                                                             \
    if (count < FE_LANES) {                                                                     \
      fe_gather_narrow_##type(from, rows, count, step, to);                                     \
      return;                                                                                   \
    }                                                                                           \
    for (size_t j = 0; j < count; j += FE_LANES) {                                              \
      if (count - j < FE_LANES) j = count - FE_LANES;                                           \
      const real *line = from + j * step;                                                       \
      for (size_t r = 0; r < rows; r += 64 / sizeof(real))                                      \
        for (size_t i = 0; i < FE_LANES; i++) __builtin_prefetch(line + i * step + rows + r);   \
      size_t r = 0;                                                                             \
      for (; r + chunk <= rows; r += chunk)                                                     \
        fe_columns_chunk_##type(line + r, step, to + r * count + j, count);                     \
      for (; r < rows; r++)                                                                     \
        for (size_t i = 0; i < FE_LANES; i++) to[r * count + j + i] = line[i * step + r];       \
    }                                                                                           \
  }

DEFINE_GATHER(float, f32, FE_CHUNK_F32) DEFINE_GATHER(double, f64, FE_CHUNK_F64)

#endif

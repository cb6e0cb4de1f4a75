/* floor.c - the least that a pass over memory costs, and gauges of the core it runs on.
 *
 * Plain C with GCC/clang vectors; floor.py compiles it at first use and calls it through ctypes.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#define STEP 256 /* bytes of one stream read in a row: eight vectors */

typedef uint64_t vector __attribute__((vector_size(32)));
typedef uint64_t vector_memory __attribute__((vector_size(32), aligned(1), may_alias));
typedef float reals __attribute__((vector_size(32)));

/* The bits of STEP bytes into eight accumulators that do not wait for each other. */
#define AT(data, i) ((const vector_memory *)(const void *)(data))[i]
#define ADD(data, i) sum[i] ^= AT(data, i)
#define ADD_STEP(data)                                                                \
  ADD(data, 0), ADD(data, 1), ADD(data, 2), ADD(data, 3), ADD(data, 4), ADD(data, 5), \
      ADD(data, 6), ADD(data, 7)

static uint64_t join(const vector *sum) {
  vector all = {0};
  for (int i = 0; i < 8; i++) all ^= sum[i];
  return all[0] ^ all[1] ^ all[2] ^ all[3];
}

/* Reads every byte of one stream, or of two side by side; the result keeps the compiler honest. */
uint64_t floor_read(const char *first, size_t first_bytes, const char *second,
                    size_t second_bytes) {
  vector sum[8] = {{0}};
  uint64_t rest = 0;
  while (first_bytes >= STEP && second_bytes >= STEP) {
    ADD_STEP(first);
    ADD_STEP(second);
    first += STEP, first_bytes -= STEP;
    second += STEP, second_bytes -= STEP;
  }
  for (; first_bytes >= STEP; first += STEP, first_bytes -= STEP) ADD_STEP(first);
  for (; second_bytes >= STEP; second += STEP, second_bytes -= STEP) ADD_STEP(second);
  while (first_bytes > 0) rest += (uint8_t)first[--first_bytes];
  while (second_bytes > 0) rest += (uint8_t)second[--second_bytes];
  return join(sum) ^ rest;
}

/* to = first, or first with the bits of second; streaming stores where the machine has them. */
void floor_copy(char *to, const char *first, const char *second, size_t bytes) {
  size_t i = 0;
#if defined(__SSE2__)
#if defined(__AVX2__)
#define LANES __m256i
#define LOAD(data) _mm256_loadu_si256((const LANES *)(const void *)((data) + i))
#define STREAM(x) _mm256_stream_si256((LANES *)(void *)(to + i), x)
#define XOR _mm256_xor_si256
#else
#define LANES __m128i
#define LOAD(data) _mm_loadu_si128((const LANES *)(const void *)((data) + i))
#define STREAM(x) _mm_stream_si128((LANES *)(void *)(to + i), x)
#define XOR _mm_xor_si128
#endif
  while (i < bytes && (uintptr_t)(to + i) % sizeof(LANES) != 0) {
    to[i] = (char)(first[i] ^ (second ? second[i] : 0));
    i++;
  }
  if (second) {
    for (; i + sizeof(LANES) <= bytes; i += sizeof(LANES)) STREAM(XOR(LOAD(first), LOAD(second)));
  } else {
    for (; i + sizeof(LANES) <= bytes; i += sizeof(LANES)) STREAM(LOAD(first));
  }
  _mm_sfence();
#endif
  if (!second) {
    memcpy(to + i, first + i, bytes - i);
    return;
  }
  for (; i < bytes; i++) to[i] = (char)(first[i] ^ second[i]);
}

/* Reads one entry a row: that of the row's label. */
uint64_t floor_pick(const int64_t *labels, size_t rows, const char *table, size_t row_step,
                    size_t label_step, size_t itemsize) {
  uint64_t sum = 0;
  for (size_t i = 0; i < rows; i++) {
    const char *entry = table + i * row_step + (size_t)labels[i] * label_step;
    if (itemsize == 4) {
      uint32_t bits;
      memcpy(&bits, entry, sizeof bits);
      sum += bits;
    } else {
      uint64_t bits;
      memcpy(&bits, entry, sizeof bits);
      sum += bits;
    }
  }
  return sum;
}

#define OPAQUE(x) __asm__ volatile("" : "+r"(x))

/* `adds` additions (a multiple of 16), each waiting for the one before: one core cycle each. */
uint64_t floor_spin(size_t adds) {
  uint64_t sum = adds, step = 3;
  OPAQUE(step);
  for (size_t i = 0; i < adds; i += 16) {
#define ONE    \
  sum += step; \
  OPAQUE(sum);
    ONE ONE ONE ONE ONE ONE ONE ONE ONE ONE ONE ONE ONE ONE ONE ONE
  }
  return sum;
}

/* Fills the arithmetic units: slower by a third and more when a stranger shares the core. */
float floor_work(size_t rounds) {
  reals x[12], scale, offset;
  uint64_t a = rounds, b = 1, c = 2, d = 3;
  for (int i = 0; i < 8; i++) scale[i] = 0.5F, offset[i] = 1.0F;
  for (int i = 0; i < 12; i++) x[i] = offset * (float)(i + 1);
  for (size_t r = 0; r < rounds; r++) {
#define PUSH(i) x[i] = x[i] * scale + offset
    PUSH(0), PUSH(1), PUSH(2), PUSH(3), PUSH(4), PUSH(5);
    PUSH(6), PUSH(7), PUSH(8), PUSH(9), PUSH(10), PUSH(11);
    a += 1, b += 1, c += 1, d += 1;
    OPAQUE(a);
    OPAQUE(b);
    OPAQUE(c);
    OPAQUE(d);
  }
  reals all = x[0];
  for (int i = 1; i < 12; i++) all += x[i];
  return all[0] + all[7] + (float)((a ^ b ^ c ^ d) & 1);
}

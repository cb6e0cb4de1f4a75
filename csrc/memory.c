/* memory.c - scratch memory of the loops: malloc, counted.
 *
 * Not Python's allocator: under tracemalloc that takes the GIL, for which a thread of the pool
 * would wait for ever while the thread that waits for the pool holds it.
 * And a copy to memory that nobody reads soon: past the caches, a line of which would be read
 * before it is written.
 */
#include <stdlib.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "fastent.h"

static size_t held, peak; /* bytes; atomic */

void *fe_allocate(size_t bytes) {
  void *const p = malloc(bytes > 0 ? bytes : 1);
  if (p == NULL) return NULL;
  const size_t now = __atomic_add_fetch(&held, bytes, __ATOMIC_RELAXED);
  size_t most = __atomic_load_n(&peak, __ATOMIC_RELAXED);
  while (now > most &&
         !__atomic_compare_exchange_n(&peak, &most, now, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
  return p;
}

void fe_release(void *p, size_t bytes) {
  if (p == NULL) return;
  free(p);
  __atomic_sub_fetch(&held, bytes, __ATOMIC_RELAXED);
}

size_t fe_scratch_peak(void) {
  return __atomic_exchange_n(&peak, __atomic_load_n(&held, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
}

void fe_stream(void *to, const void *from, size_t bytes) {
#if defined(__SSE2__)
  const size_t line = 64, before = (line - (uintptr_t)to % line) % line;
  const size_t head = before < bytes ? before : bytes;
  memcpy(to, from, head);
  to = (char *)to + head, from = (const char *)from + head, bytes -= head;
  for (; bytes >= line; bytes -= line, to = (char *)to + line, from = (const char *)from + line)
    for (size_t i = 0; i < line / sizeof(__m128i); i++)
      _mm_stream_si128((__m128i *)to + i, _mm_loadu_si128((const __m128i *)from + i));
  _mm_sfence();
#endif
  memcpy(to, from, bytes);
}

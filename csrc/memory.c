/* memory.c - scratch memory of the loops: malloc, counted.
 *
 * Not Python's allocator: under tracemalloc that takes the GIL, for which a thread of the pool
 * would wait for ever while the thread that waits for the pool holds it.
 */
#include <stdlib.h>

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

/* top.c - the largest entries of a row, as a heap whose root is the first to go. */
#include "fastent.h"

/* Whether entry i of the heap is to be left out before entry j: smaller, or as large but later. */
static int worse(const fe_top *top, size_t i, size_t j) {
  if (top->values[i] < top->values[j]) return 1;
  return top->values[i] == top->values[j] && top->places[i] > top->places[j];
}

static void swap(fe_top *top, size_t i, size_t j) {
  const double value = top->values[i];
  const int64_t place = top->places[i];
  top->values[i] = top->values[j], top->places[i] = top->places[j];
  top->values[j] = value, top->places[j] = place;
}

/* Entry i down to where it belongs among the first `count`. */
static void sink(fe_top *top, size_t i, size_t count) {
  for (;;) {
    size_t next = 2 * i + 1;
    if (next >= count) return;
    if (next + 1 < count && worse(top, next + 1, next)) next++;
    if (!worse(top, next, i)) return;
    swap(top, i, next);
    i = next;
  }
}

void fe_top_offer(fe_top *top, double value, int64_t place) {
  if (top->count == top->room) {
    if (!(value > top->values[0])) return; /* what is as large came earlier */
    top->values[0] = value, top->places[0] = place;
    sink(top, 0, top->count);
    return;
  }
  size_t i = top->count++;
  top->values[i] = value, top->places[i] = place;
  for (; i > 0 && worse(top, i, (i - 1) / 2); i = (i - 1) / 2) swap(top, i, (i - 1) / 2);
}

void fe_top_sort(fe_top *top) {
  for (size_t left = top->count; left > 1; left--) {
    swap(top, 0, left - 1);
    sink(top, 0, left - 1);
  }
}

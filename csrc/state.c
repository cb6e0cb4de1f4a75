/* state.c - states of rows, the same on every instruction set: how they begin, how sums are joined.
 * Compiled with the baseline's flags. */
#include <string.h>

#include "fastent.h"

void fe_begin(const fe_measure *measure, const fe_state *state, size_t rows) {
  for (int k = 0; k < measure->parts; k++) {
    const int part = k % FE_SET;
    if (part == FE_TARGET || part == FE_TARGET_WEIGHT) continue;
    const int largest = part == FE_LARGEST || part == FE_RUNNER_UP || part == FE_LARGEST_Q;
    if (!largest) memset(state->part[k], 0, rows * sizeof(double));
    for (size_t r = 0; largest && r < rows; r++) state->part[k][r] = -__builtin_inf();
  }
}

fe_state fe_state_at(const fe_state *state, size_t row) {
  fe_state at;
  for (int k = 0; k < FE_PARTS; k++) at.part[k] = state->part[k] + row;
  return at;
}

/* TwoSum of the high parts; what that and the low parts lose is below 2^-105. */
void fe_combine_sums(const fe_state *state, const fe_state *more, size_t rows,
                     const fe_params *params) {
  double *high = state->part[FE_HIGH], *low = state->part[FE_LOW];
  const double *more_high = more->part[FE_HIGH], *more_low = more->part[FE_LOW];
  (void)params;
  for (size_t r = 0; r < rows; r++) {
    const double sum = high[r] + more_high[r];
    if (!(__builtin_fabs(sum) < __builtin_inf())) {
      high[r] = sum;
      low[r] = 0;
      continue;
    }
    const double part = sum - high[r];
    const double rest = (high[r] - (sum - part)) + (more_high[r] - part) + (low[r] + more_low[r]);
    high[r] = sum + rest;
    low[r] = rest - (high[r] - sum);
  }
}

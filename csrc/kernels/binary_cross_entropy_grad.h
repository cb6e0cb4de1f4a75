/* binary_cross_entropy_grad.h - the first and second derivatives of binary cross entropies, by the
 * probability x and by the logit x: two results an element.
 *
 * The loss is -A log p - B log(1 - p), with A = w z', B = 1 - z', of a target z smoothed by e,
 *
 *     z' = z (1 - e) + e/2,   1 - z' = (1 - z) (1 - e) + e/2
 *
 * and a weight w of class 1. By the probability, with p and 1 - p no smaller than 1e-12 below:
 *
 *     (B p - A (1 - p)) / max(p (1 - p), 1e-12),   A/p^2 + B/(1 - p)^2
 *
 * as PyTorch has the first. By the logit, p = 1/(1 + e^-x):
 *
 *     B p - A (1 - p),   (A + B) p (1 - p)
 *
 * where p and 1 - p are E/(1 + E) and 1/(1 + E) with E = e^-|x|: both tails keep their digits.
 *
 * Edge cases: z outside [0, 1], p outside [0, 1] and w outside [0, 2^127] give NaN and set
 *   FE_INVALID; NaN in any gives NaN. An infinite logit is certainty.
 */

#if REAL == 64
/* A and B. */
INLINE pair64 FE_JOIN(binary_grad, weights, f64, FE_ISA)(g64 z, g64 w, m64 outside,
                                                         const fe_params *params) {
  const g64 kept = g64_set(1 - params->smoothing), half = g64_set(0.5 * params->smoothing);
  const g64 allowed = g64_select(outside, g64_set(__builtin_nan("")), w);
  return (pair64){g64_mul(allowed, g64_fma(z, kept, half)),
                  g64_fma(g64_sub(g64_set(1), z), kept, half)};
}

/* B p - A q, with what both products lose. */
INLINE g64 FE_JOIN(binary_grad, difference, f64, FE_ISA)(pair64 weights, g64 p, g64 q) {
  g64 more, less, lost;
  const g64 plus = g64_two_product(weights.low, p, &more);
  const g64 minus = g64_two_product(weights.high, q, &less);
  const g64 sum = g64_two_sum(plus, g64_sub(g64_set(0), minus), &lost);
  return g64_add(sum, g64_add(lost, g64_sub(more, less)));
}

INLINE pair64 FE_JOIN(binary_grad, scaled, f64, FE_ISA)(g64 first, g64 second,
                                                        const fe_params *params) {
  const g64 scale = g64_set(params->scale_high + params->scale_low);
  return (pair64){g64_mul(first, scale), g64_mul(second, scale)};
}
#endif

INLINE pair64 NAME(binary_cross_entropy_grad, element)(g64 z, g64 w, g64 p, const fe_params *params,
                                                       unsigned *status) {
  const g64 one = g64_set(1), least = g64_set(1e-12), q = g64_sub(one, p);
  const m64 outside =
      m64_or(FE_JOIN(outside, unit, f64, FE_ISA)(z, p), FE_JOIN(outside, weights, f64, FE_ISA)(w));
  if (m64_any(outside)) *status |= FE_INVALID;
  const pair64 weights = FE_JOIN(binary_grad, weights, f64, FE_ISA)(z, w, outside, params);
  const g64 difference = FE_JOIN(binary_grad, difference, f64, FE_ISA)(weights, p, q);
  const g64 first = g64_div(difference, g64_max(least, g64_mul(p, q)));
  const g64 a = g64_max(least, p), b = g64_max(least, q);
  const g64 second =
      g64_add(g64_div(weights.high, g64_mul(a, a)), g64_div(weights.low, g64_mul(b, b)));
  const g64 number = g64_add(p, second); /* NaN, which a maximum drops */
  return FE_JOIN(binary_grad, scaled, f64, FE_ISA)(
      g64_select(g64_equal(number, number), first, number),
      g64_select(g64_equal(number, number), second, number), params);
}

INLINE pair64 NAME(binary_cross_entropy_with_logits_grad,
                   element)(g64 z, g64 w, g64 x, const fe_params *params, unsigned *status) {
  const g64 zero = g64_set(0), one = g64_set(1);
  const m64 beyond = m64_or(g64_less(z, zero), g64_less(one, z));
  const m64 outside = m64_or(beyond, FE_JOIN(outside, weights, f64, FE_ISA)(w));
  if (m64_any(outside)) *status |= FE_INVALID;
  const pair64 weights = FE_JOIN(binary_grad, weights, f64, FE_ISA)(z, w, outside, params);
#if REAL == 32 /* no pair is needed for a float */
  const g64 minus = g64_min(x, g64_sub(zero, x)), least = g64_set(-700);
  const g64 near = g64_exp_normal(g64_max(least, minus));
  const g64 e = g64_select(g64_less(minus, least), zero, near);
#else
  const g64 e = g64_exp_pair(g64_min(x, g64_sub(zero, x)), zero);
#endif
  const g64 large = g64_div(one, g64_add(one, e)), small = g64_mul(e, large);
  const m64 negative = g64_less(x, zero);
  const g64 p = g64_select(negative, small, large), q = g64_select(negative, large, small);
#if REAL == 32
  const g64 number = g64_fms(weights.low, p, g64_mul(weights.high, q));
  const g64 first = g64_select(g64_equal(x, x), number, x); /* NaN, which a maximum drops */
#else
  const g64 first = FE_JOIN(binary_grad, difference, f64, FE_ISA)(weights, p, q);
#endif
  const g64 sum = g64_add(weights.high, weights.low);
  const g64 second = g64_mul(sum, g64_mul(p, q));
  return FE_JOIN(binary_grad, scaled, f64, FE_ISA)(first, g64_select(g64_equal(x, x), second, x),
                                                   params);
}

#define MEASURE binary_cross_entropy_grad
#define OPERANDS 2
#include "../pairs.h"
#define MEASURE binary_cross_entropy_with_logits_grad
#define OPERANDS 2
#include "../pairs.h"

/* The same with weights. */
#define NAME_OF_WEIGHTED(measure)                                                               \
  INLINE pair64 NAME(measure##_weighted, element)(g64 z, g64 w, g64 x, const fe_params *params, \
                                                  unsigned *status) {                           \
    return NAME(measure, element)(z, w, x, params, status);                                     \
  }
NAME_OF_WEIGHTED(binary_cross_entropy_grad)
NAME_OF_WEIGHTED(binary_cross_entropy_with_logits_grad)
#undef NAME_OF_WEIGHTED
#define MEASURE binary_cross_entropy_grad_weighted
#define OPERANDS 3
#include "../pairs.h"
#define MEASURE binary_cross_entropy_with_logits_grad_weighted
#define OPERANDS 3
#include "../pairs.h"

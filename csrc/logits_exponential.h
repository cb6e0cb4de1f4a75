/* logits_exponential.h - the exponential of a logit; once a dtype.
 *
 *     x = (n log 2 + r) T,   e^((x - s)/T) = 2^(n - k) e^r,   s = k T log 2
 *
 * x is reduced as it is: no difference from the largest logit is rounded. logits_state.h says how k
 * is chosen.
 */

#define LOGITS_LEAST (-(LOGITS_BIAS - 2 + LOGITS_HEAD)) /* of n - k */

/* What the loop over the entries of a row needs. */
typedef struct {
  compute inverse, high, low, rate; /* of x = n (T log 2) + r T */
  compute magic;                    /* that adds to n what makes it the exponent */
  compute lowest;                   /* the exponential is a normal number from here on */
  compute largest;
} NAME(logits, shift);

INLINE NAME(logits, shift)
    NAME(logits, shift_of)(double largest, double k, const logits_unit *unit) {
  const double product = unit->high + unit->low; /* T log 2 */
  const compute high = sizeof(compute) == 4 ? (compute)product : (compute)unit->high;
  NAME(logits, shift) s;
  s.inverse = (compute)unit->inverse;
  s.high = high;
  s.low = (compute)((unit->high - (double)high) + unit->low);
  s.rate = (compute)unit->rate;
  s.magic = (compute)(LOGITS_MAGIC + LOGITS_BIAS + LOGITS_HEAD - k);
  s.lowest = (compute)((k + LOGITS_LEAST) * product);
  s.largest = (compute)largest;
  return s;
}

/* Whether exponentials are kept between the reads of a block: where they are made as doubles, none
 * are kept as floats. */
INLINE int NAME(logits, keeps)(const fe_block *block) {
  return block->kept != NULL && sizeof(compute) == sizeof(real);
}

INLINE GROUP NAME(logits, narrow)(g64 x) {
#if REAL == 32 && FE_FMA
  return g32_from_g64(x);
#else
  return x;
#endif
}

/* The magic and the lowest of rows with a k each. */
INLINE GROUP NAME(logits, magic_of)(g64 k) {
  return NAME(logits, narrow)(g64_sub(g64_set(LOGITS_MAGIC + LOGITS_BIAS + LOGITS_HEAD), k));
}
INLINE GROUP NAME(logits, lowest_of)(g64 k, const logits_unit *unit) {
  const g64 n = g64_add(k, g64_set(LOGITS_LEAST));
  return NAME(logits, narrow)(g64_mul(n, g64_set(unit->high + unit->low)));
}

/* What is lost in a product. */
INLINE GROUP NAME(logits, residual)(GROUP a, GROUP b) {
#if FE_FMA
  return G(fms)(a, b, G(mul)(a, b));
#else
  g64 residual;
  g64_two_product(a, b, &residual);
  return residual;
#endif
}

/* What becomes of exponentials: they are added up, are results too, or are both, as pairs. */
typedef enum { NAME(logits, summed), NAME(logits, kept), NAME(logits, exact) } NAME(logits, use);

/* e^((x - s)/T) 2^LOGITS_HEAD = the result times *scale, to which *tail is to be added if exact. */
INLINE GROUP NAME(logits, exponential)(GROUP x, GROUP magic, const NAME(logits, shift) * s,
                                       const int tempered, const NAME(logits, use) use,
                                       GROUP *scale, GROUP *tail) {
  const int exact = use == NAME(logits, exact);
  const GROUP one = G(set)(1);
  const GROUP shifted = G(fma)(x, G(set)(s->inverse), magic), n = G(sub)(shifted, magic);
  const GROUP rate = G(set)(s->rate);
  const GROUP near = G(fnma)(n, G(set)(s->high), x), low = G(set)(s->low);
  GROUP r = G(fnma)(n, low, near), rest = G(sub)(near, near);
  *scale = G(as_exponent)(shifted);
  if (exact) rest = G(sub)(G(sub)(near, r), G(mul)(n, low));
  if (exact && tempered) rest = G(fma)(rest, rate, NAME(logits, residual)(r, rate));
  if (tempered) r = G(mul)(r, rate);
  const GROUP q = use == NAME(logits, summed)
                      ? G(polynomial)(r, LOGITS_EXP_SUM, LOGITS_EXP_SUM_COUNT)
                      : G(polynomial)(r, LOGITS_EXP, LOGITS_EXP_COUNT);
  if (exact) {
    const GROUP sum = G(add)(one, r), residual = G(sub)(r, G(sub)(sum, one));
    *tail = G(fma)(G(mul)(r, r), q, G(add)(residual, rest));
    return sum;
  }
  *tail = rest;
  return G(fma)(G(fma)(q, r, one), r, one);
}

#undef LOGITS_LEAST

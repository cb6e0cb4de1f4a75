/* Made by csrc/make_coefficients.py; do not edit. */
/* clang-format off */
#ifndef FE_COEFFICIENTS_H
#define FE_COEFFICIENTS_H

#define FE_LN2 0x1.62e42fefa39efp-1 /* log 2 */
#define FE_LN2_HIGH 0x1.62e42fefa3800p-1 /* log 2 to 42 bits: n * this is exact for |n| < 2^11 */
#define FE_LN2_LOW 0x1.ef35793c76730p-45 /* log 2 less FE_LN2_HIGH */
#define FE_INVERSE_LN2 0x1.71547652b82fep+0 /* 1 / log 2 */
#define FE_LN2_HIGH_F32 0x1.62e4000000000p-1 /* log 2 to 15 bits: n * this is exact for |n| < 2^9 */
#define FE_LN2_LOW_F32 0x1.7f7d1cf79abcap-20 /* log 2 less FE_LN2_HIGH_F32 */

/* R(z) for z <= 0.03717; relative error of the fit 2^-28.8. */
static const float FE_LOG_F32[3] = {
    0x1.5555a00000000p-1f,
    0x1.993a960000000p-2f,
    0x1.3589740000000p-2f,
};

/* R(z) for z <= 0.03717; relative error of the fit 2^-56.8. */
static const double FE_LOG_F64[7] = {
    0x1.5555555555697p-1,
    0x1.999999992e2d7p-2,
    0x1.249249858bbecp-2,
    0x1.c71c1ee0a3e9ep-3,
    0x1.746ffea231e70p-3,
    0x1.38b85ae7a7f61p-3,
    0x1.378ac0fcc16e7p-3,
};

/* R(z) for z <= 0.03717; relative error of the fit 2^-63.7. */
static const double FE_LOG_PAIR_F64[8] = {
    0x1.5555555555552p-1,
    0x1.999999999b0d7p-2,
    0x1.24924922e3352p-2,
    0x1.c71c73aa12f0cp-3,
    0x1.745c81d522944p-3,
    0x1.3b2e8fb6ac030p-3,
    0x1.0e47d2cc82909p-3,
    0x1.181fc3ea2f4a5p-3,
};

/* R(z) for z <= 0.07439; relative error of the fit 2^-24.7. */
static const float FE_RATIO_F32[3] = {
    0x1.5557dc0000000p-1f,
    0x1.98052a0000000p-2f,
    0x1.4817ae0000000p-2f,
};

/* R(z) for z <= 0.07439; relative error of the fit 2^-30.7. */
static const float FE_RATIO_LONG_F32[4] = {
    0x1.5555460000000p-1f,
    0x1.99a9480000000p-2f,
    0x1.2222640000000p-2f,
    0x1.0926760000000p-2f,
};

/* R(z) for z <= 0.07439; relative error of the fit 2^-54.4. */
static const double FE_RATIO_F64[8] = {
    0x1.555555555513fp-1,
    0x1.9999999a767fap-2,
    0x1.249248a52f633p-2,
    0x1.c71cb8b516dacp-3,
    0x1.74523329721ccp-3,
    0x1.3c0bc34742d31p-3,
    0x1.0468f378c7df2p-3,
    0x1.473f7df9666fcp-3,
};

/* (e^r - 1 - r)/r^2 for |r| <= log(2)/2; relative error of the fit 2^-28.3. */
static const float FE_EXP_F32[5] = {
    0x1.0000000000000p-1f,
    0x1.55548e0000000p-3f,
    0x1.55545e0000000p-5f,
    0x1.123b540000000p-7f,
    0x1.6db3fc0000000p-10f,
};

/* (e^r - 1 - r)/r^2 for |r| <= log(2)/2; relative error of the fit 2^-23.3. */
static const float FE_EXP_SUM_F32[4] = {
    0x1.fffdc40000000p-2f,
    0x1.55543c0000000p-3f,
    0x1.573b280000000p-5f,
    0x1.126b980000000p-7f,
};

/* (e^r - 1 - r)/r^2 for |r| <= log(2)/2; relative error of the fit 2^-64.0. */
static const double FE_EXP_F64[11] = {
    0x1.0000000000000p-1,
    0x1.555555555555cp-3,
    0x1.555555555555ep-5,
    0x1.111111110ebb2p-7,
    0x1.6c16c16c1356fp-10,
    0x1.a01a01b3bb34ep-13,
    0x1.a01a01b45ab88p-16,
    0x1.71ddef93a5bd9p-19,
    0x1.27e4bf293d562p-22,
    0x1.af6ccd10026d8p-26,
    0x1.1f9df6bb96984p-29,
};

/* (e^r - 1 - r)/r^2 for |r| <= log(2)/2; relative error of the fit 2^-51.6. */
static const double FE_EXP_SUM_F64[9] = {
    0x1.000000000000ep-1,
    0x1.55555555505fap-3,
    0x1.555555554ec92p-5,
    0x1.1111112603f92p-7,
    0x1.6c16c18a5895dp-10,
    0x1.a0198c4d908c0p-13,
    0x1.a019899deda1fp-16,
    0x1.72ea2df99945cp-19,
    0x1.28bc263de5ab0p-22,
};

/* the same, its error relative to itself; relative error of the fit 2^-28.5. */
static const float FE_PHI_F32[6] = {
    0x1.0000000000000p-1f,
    0x1.5555560000000p-3f,
    0x1.5554ea0000000p-5f,
    0x1.11114c0000000p-7f,
    0x1.6d42da0000000p-10f,
    0x1.a072c80000000p-13f,
};

#endif

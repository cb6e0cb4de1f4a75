/* The kernels for AVX-512 in pairs of AVX2 registers: built by tests/building.py alone. */
#define FE_ISA avx512_pairs
#include "isa_body.h"

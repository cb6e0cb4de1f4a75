/* The kernels for the avx512 instruction set; its compiler flags are in setup.py. */
#define FE_ISA avx512
#include "isa_body.h"

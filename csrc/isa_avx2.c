/* The kernels for the avx2 instruction set; its compiler flags are in setup.py. */
#define FE_ISA avx2
#include "isa_body.h"

/* The kernels for the neon instruction set; its compiler flags are in setup.py. */
#define FE_ISA neon
#include "isa_body.h"

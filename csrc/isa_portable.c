/* The kernels for the portable instruction set; its compiler flags are in setup.py. */
#define FE_ISA portable
#include "isa_body.h"

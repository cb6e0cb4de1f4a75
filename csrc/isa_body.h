/* isa_body.h - every kernel for both dtypes, and the table of this instruction set.
 *
 * Each csrc/isa_<name>.c defines FE_ISA and includes this file; setup.py gives it its flags.
 */
#include "columns.h"
#include "fastent.h"
#include "read.h"
#include "sum.h"
#include "watch.h"

#if defined(__FAST_MATH__)
#error "fastent's accuracy needs IEEE arithmetic: build without -ffast-math (look at CFLAGS)"
#endif

#define REAL 64
#include "kernels.h"
#undef REAL
#define REAL 32
#include "kernels.h"
#undef REAL

#define FE_TABLE_(isa) fe_measures_##isa
#define FE_TABLE(isa) FE_TABLE_(isa)
#define FE_BOTH(measure, part) \
  {FE_JOIN(measure, part, f32, FE_ISA), FE_JOIN(measure, part, f64, FE_ISA)}

#define FE_MAP_MEASURE(name, operands, bound_f32, bound_f64)                         \
  {#name,  FE_MAP, operands, 0, 0, 0, 0, {bound_f32, bound_f64}, FE_BOTH(name, map), \
   {NULL}, {NULL}, {NULL}},
#define FE_ROW_MEASURE(name, operands, kernel, ending, bits, bound_f32, bound_f64) \
  {#name,                                                                          \
   FE_ROWS,                                                                        \
   operands,                                                                       \
   bits,                                                                           \
   FE_JOIN(kernel, takes_columns, f64, FE_ISA),                                    \
   FE_SUM_PARTS,                                                                   \
   0,                                                                              \
   {bound_f32, bound_f64},                                                         \
   {NULL},                                                                         \
   FE_BOTH(kernel, accumulate),                                                    \
   {fe_combine_sums, fe_combine_sums},                                             \
   FE_BOTH(ending, finish)},

#define FE_LOGITS_MEASURE(name, operands, kernel, joining, ending, takes_labels, bound_f32, \
                          bound_f64)                                                        \
  {#name,                                                                                   \
   FE_LOGITS,                                                                               \
   operands,                                                                                \
   0,                                                                                       \
   1,                                                                                       \
   FE_PARTS,                                                                                \
   takes_labels,                                                                            \
   {bound_f32, bound_f64},                                                                  \
   {NULL},                                                                                  \
   FE_BOTH(kernel, accumulate),                                                             \
   FE_BOTH(joining, combine),                                                               \
   FE_BOTH(ending, finish)},

extern const fe_measure FE_TABLE(FE_ISA)[];
const fe_measure FE_TABLE(FE_ISA)[] = {
#include "measures.def"
};

#define FE_GATHERS_(isa) fe_gathers_##isa
#define FE_GATHERS(isa) FE_GATHERS_(isa)
extern const fe_gather FE_GATHERS(FE_ISA)[];
const fe_gather FE_GATHERS(FE_ISA)[] = {fe_gather_f32, fe_gather_f64};

#define FE_TABLE_OF_READS_(isa) fe_reads_##isa
#define FE_TABLE_OF_READS(isa) FE_TABLE_OF_READS_(isa)
extern const fe_read FE_TABLE_OF_READS(FE_ISA)[FE_KINDS][2][FE_REALS];
const fe_read FE_TABLE_OF_READS(FE_ISA)[FE_KINDS][2][FE_REALS] = {FE_EACH_KIND(FE_READS)};

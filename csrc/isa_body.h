/* isa_body.h - every kernel for both dtypes, and the table of this instruction set.
 *
 * Each csrc/isa_<name>.c defines FE_ISA and includes this file; setup.py gives it its flags.
 */
#include "columns.h"
#include "fastent.h"
#include "read.h"
#include "shares.h"
#include "sum.h"
#include "watch.h"
#include "powers_quick.h"

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

#define FE_MAP_MEASURE(name_, operands_, bound_f32, bound_f64) \
  {.name = #name_,                                             \
   .shape = FE_MAP,                                            \
   .operands = operands_,                                      \
   .results = 1,                                               \
   .bound = {bound_f32, bound_f64},                            \
   .map = FE_BOTH(name_, map)},
#define FE_UFUNC_MEASURE(name_, operands_, kernel, loops_, identity_, bound_f32, bound_f64) \
  {.name = #name_,                                                                          \
   .shape = FE_MAP,                                                                         \
   .operands = operands_,                                                                   \
   .results = 1,                                                                            \
   .loops = loops_,                                                                         \
   .identity = identity_,                                                                   \
   .bound = {bound_f32, bound_f64},                                                         \
   .map = FE_BOTH(kernel, map)},
#define FE_PAIR_MEASURE(name_, operands_, bound_f32, bound_f64) \
  {.name = #name_,                                              \
   .shape = FE_PAIRS_OF_ELEMENTS,                               \
   .operands = operands_,                                       \
   .results = 2,                                                \
   .bound = {bound_f32, bound_f64},                             \
   .map = FE_BOTH(name_, map)},
#define FE_ROW_MEASURE(name_, operands_, kernel, ending, bits_, bound_f32, bound_f64) \
  {.name = #name_,                                                                    \
   .shape = FE_ROWS,                                                                  \
   .operands = operands_,                                                             \
   .bits = bits_,                                                                     \
   .takes_columns = FE_JOIN(kernel, takes_columns, f64, FE_ISA),                      \
   .parts = FE_SUM_PARTS,                                                             \
   .results = 1,                                                                      \
   .bound = {bound_f32, bound_f64},                                                   \
   .accumulate = FE_BOTH(kernel, accumulate),                                         \
   .combine = {fe_combine_sums, fe_combine_sums},                                     \
   .finish = FE_BOTH(ending, finish)},
#define FE_POWERS_MEASURE(name_, operands_, kernel, bound_f32, bound_f64) \
  {.name = #name_,                                                        \
   .shape = FE_ROWS,                                                      \
   .operands = operands_,                                                 \
   .parts = FE_POWERS_PARTS,                                              \
   .results = 1,                                                          \
   .bound = {bound_f32, bound_f64},                                       \
   .accumulate = FE_BOTH(kernel, accumulate),                             \
   .combine = {powers_combine, powers_combine},                           \
   .finish = FE_BOTH(name_, finish)},
#define FE_LABELLED_MEASURE(name_, kernel, ending, bound_f32, bound_f64) \
  {.name = #name_,                                                       \
   .shape = FE_ROWS,                                                     \
   .operands = 2,                                                        \
   .parts = FE_SUM_PARTS,                                                \
   .results = 1,                                                         \
   .labelled = 1,                                                        \
   .bound = {bound_f32, bound_f64},                                      \
   .accumulate = FE_BOTH(kernel, accumulate),                            \
   .combine = {fe_combine_sums, fe_combine_sums},                        \
   .finish = FE_BOTH(ending, finish)},
#define FE_LOGITS_MEASURE(name_, operands_, kernel, joining, ending, picks_, bound_f32, bound_f64) \
  {.name = #name_,                                                                                 \
   .shape = FE_LOGITS,                                                                             \
   .begins = 1,                                                                                    \
   .operands = operands_,                                                                          \
   .takes_columns = FE_JOIN(kernel, takes_columns, f64, FE_ISA),                                   \
   .parts = FE_LOGITS_PARTS,                                                                       \
   .results = 1,                                                                                   \
   .picks = picks_,                                                                                \
   .bound = {bound_f32, bound_f64},                                                                \
   .accumulate = FE_BOTH(kernel, accumulate),                                                      \
   .combine = FE_BOTH(joining, combine),                                                           \
   .finish = FE_BOTH(ending, finish)},
#define FE_SCORE_MEASURE(name_, operands_, kernel, joining, ending, results_, picks_, bound_f32, \
                         bound_f64)                                                              \
  {.name = #name_,                                                                               \
   .shape = FE_LOGITS,                                                                           \
   .begins = 1,                                                                                  \
   .operands = operands_,                                                                        \
   .takes_columns = FE_JOIN(kernel, takes_columns, f64, FE_ISA),                                 \
   .parts = FE_SCORE_PARTS,                                                                      \
   .results = results_,                                                                          \
   .picks = picks_,                                                                              \
   .ranks = 1,                                                                                   \
   .bound = {bound_f32, bound_f64},                                                              \
   .accumulate = FE_BOTH(kernel, accumulate),                                                    \
   .combine = FE_BOTH(joining, combine),                                                         \
   .finish = FE_BOTH(ending, finish)},
#define FE_SPREAD_MEASURE(name_, kernel, joining, keeps_, bound_f32, bound_f64) \
  {.name = #name_,                                                              \
   .shape = FE_LOGITS,                                                          \
   .begins = 1,                                                                 \
   .operands = 1,                                                               \
   .parts = FE_LOGITS_PARTS,                                                    \
   .keeps = keeps_,                                                             \
   .bound = {bound_f32, bound_f64},                                             \
   .accumulate = FE_BOTH(kernel, accumulate),                                   \
   .combine = FE_BOTH(joining, combine),                                        \
   .finish = FE_BOTH(name_, finish),                                            \
   .spread = FE_BOTH(name_, spread)},
#define FE_GRADIENT_MEASURE(name_, operands_, joining, picks_, bound_f32, bound_f64) \
  {.name = #name_,                                                                   \
   .shape = FE_LOGITS,                                                               \
   .begins = 1,                                                                      \
   .operands = operands_,                                                            \
   .parts = FE_SCORE_PARTS,                                                          \
   .results = 2,                                                                     \
   .keeps = 1,                                                                       \
   .picks = picks_,                                                                  \
   .bound = {bound_f32, bound_f64},                                                  \
   .accumulate = FE_BOTH(name_, accumulate),                                         \
   .combine = FE_BOTH(joining, combine),                                             \
   .finish = FE_BOTH(name_, finish),                                                 \
   .spread = FE_BOTH(name_, spread)},
#define FE_DIVERGENCE_MEASURE(name_, joining, results_, picks_, parts_, bound_f32, bound_f64) \
  {.name = #name_,                                                                            \
   .shape = FE_LOGITS,                                                                        \
   .operands = 2,                                                                             \
   .parts = parts_,                                                                           \
   .results = results_,                                                                       \
   .picks = picks_,                                                                           \
   .bound = {bound_f32, bound_f64},                                                           \
   .accumulate = FE_BOTH(name_, accumulate),                                                  \
   .combine = FE_BOTH(joining, combine),                                                      \
   .finish = FE_BOTH(name_, finish)},

/* What is picked at a row's label. */
#define NO_LABELS {0}
#define LABELS_OF_LOGITS {FE_TARGET}
#define LABELS_OF_CLASSES {FE_TARGET_WEIGHT, FE_TARGET}
#define LABELS_OF_BOTH {2 * FE_SET + FE_TARGET, 2 * FE_SET + FE_TARGET_WEIGHT}

extern const fe_measure FE_TABLE(FE_ISA)[];
const fe_measure FE_TABLE(FE_ISA)[] = {
#include "measures.def"
};

#define FE_GATHERS_(isa) fe_gathers_##isa
#define FE_GATHERS(isa) FE_GATHERS_(isa)
extern const fe_gather FE_GATHERS(FE_ISA)[];
const fe_gather FE_GATHERS(FE_ISA)[] = {fe_gather_f32, fe_gather_f64};

#define FE_SELECTS_(isa) fe_selects_##isa
#define FE_SELECTS(isa) FE_SELECTS_(isa)
extern const fe_select FE_SELECTS(FE_ISA)[];
const fe_select FE_SELECTS(FE_ISA)[] = FE_BOTH(fe, select);

#define FE_TABLE_OF_READS_(isa) fe_reads_##isa
#define FE_TABLE_OF_READS(isa) FE_TABLE_OF_READS_(isa)
extern const fe_read FE_TABLE_OF_READS(FE_ISA)[FE_KINDS][2][FE_REALS];
const fe_read FE_TABLE_OF_READS(FE_ISA)[FE_KINDS][2][FE_REALS] = {FE_EACH_KIND(FE_READS)};

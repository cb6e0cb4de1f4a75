/* fastent.h - the whole contract between the kernels and their callers.
 *
 * A measure is one record: its name, its shape, its error bounds, and its functions for float32
 * and float64. Kernels allocate nothing, start no thread, keep no state of their own and touch no
 * floating-point flag but through the status word they return.
 */
#ifndef FASTENT_H
#define FASTENT_H

#include <stddef.h>
#include <stdint.h>

/* ---- the one order of summation ---------------------------------------------------------------
 * Term j of a row belongs to lane j mod FE_LANES. Lanes run for a leaf of FE_LEAF terms, are joined
 * by a fixed tree, and leaves are added one after the other in double-double. A row longer than
 * FE_SEGMENT columns is cut into segments of that size, each summed by itself and then added in
 * order: so any thread may take any segment. Rows of at most FE_SHORT columns have an order of
 * their own, and of at most FE_LANE_ROWS (shares.h) another where they are divided by their sums or
 * have an order of Renyi's and Tsallis' kind. All of it depends on the row's length alone: a row
 * has the same bits wherever it stands, however it is cut. */
#define FE_LANES 16
#define FE_LEAF 4096
#define FE_SEGMENT 32768
#define FE_SHORT 256

/* Rows of logits longer than FE_SHORT are worked on in leaves of so many bytes. Exponentials are
 * kept between the two reads of a row if they are at most FE_KEPT numbers (500 KiB of doubles): in
 * groups of FE_LANES, and of a row of leaves a number more for each, as many as there are of
 * doubles. */
#define FE_LOGITS_LEAF_BYTES 8192
#define FE_KEPT 64000
#define FE_KEPT_ROW(columns, each)                             \
  (((columns) + FE_LANES - 1) / FE_LANES * FE_LANES * (each) + \
   ((columns) * sizeof(double) + FE_LOGITS_LEAF_BYTES - 1) / FE_LOGITS_LEAF_BYTES)

/* Status bits that a kernel returns. */
#define FE_INVALID 1u /* an entry is no probability: its result is NaN */

/* Flags of a call. */
#define FE_NORMALIZE 1u /* rows are divided by their sums */
#define FE_BITS 2u      /* the logarithm is to base 2 from the start, so powers of two are exact */
/* A logit of +inf is no certainty: the softmax of its row is NaN; the logarithm of that is NaN
 * there and -inf elsewhere. (SciPy's arithmetic.) */
#define FE_INDEFINITE 4u

typedef struct fe_params {
  double scale_high, scale_low; /* result = sum * (scale_high + scale_low): 1/log(base), 1/count */
  double log_floor;             /* the judged logarithm is at least this, in nats; -inf: exact */
  double probability_floor;     /* e^log_floor */
  double temperature;           /* logits are divided by it */
  double smoothing;             /* the share of a target that goes to all classes alike */
  unsigned flags;
  double order; /* of Renyi's and Tsallis' measures; or what is added to every share */
} fe_params;

/* What entries of normalised rows are divided by: a power of two to multiply entry and sum with,
 * that keeps the rest in range; the sum so scaled, high and low; 1/high. Number k of row r is at
 * k * FE_BLOCK_ROWS + r. */
#define FE_BLOCK_ROWS 512
#define FE_INVERSE (4 * FE_BLOCK_ROWS)

/* Where to fetch from ahead of time: while entry k of a block is worked on, next + k * size. */
typedef struct fe_ahead {
  const char *next; /* NULL: some way behind the entry itself */
  ptrdiff_t size;
} fe_ahead;

/* The most arrays that a measure reads. */
#define FE_OPERANDS 3

/* Rows of a block: operand i of row r starts at (char *)operand[i] + r * stride[i]. Entries of a
 * row are contiguous; blocks of short rows are contiguous as a whole. */
typedef struct fe_block {
  const void *operand[FE_OPERANDS];
  ptrdiff_t stride[FE_OPERANDS];
  /* 0; or short rows that are neighbours in memory, their entries this many apart */
  size_t step[FE_OPERANDS];
  size_t rows, columns;
  size_t row_length, column; /* of the whole row, of which this block may be a piece; its first */
  /* of what has been copied to the block, where the next one comes from */
  fe_ahead ahead[FE_OPERANDS];
  const double *inverse[2]; /* NULL, or FE_INVERSE numbers, see above */
  void *kept;               /* NULL, or what accumulate leaves for spread; logits_spread.h */
  /* NULL: FE_TARGET is there; or where the entry of each row's label is, NULL: it has none */
  const void *const *labelled;
} fe_block;

/* What is known of rows after some of their entries: arrays of which row r has entry r. Sums use
 * the first two, sum = high + low; logits.h says what the others hold. */
enum {
  FE_HIGH,
  FE_LOW,
  FE_SUM_PARTS,
  FE_LARGEST = FE_SUM_PARTS,
  FE_DISTANCE_HIGH,
  FE_DISTANCE_LOW,
  FE_WEIGHT_HIGH,
  FE_WEIGHT_LOW,
  FE_POWERS_PARTS, /* powers.h says what those hold there */
  FE_COUNT = FE_POWERS_PARTS,
  FE_TARGET, /* the logit of the row's label, NaN if it has none: put there by whoever reads labels
              */
  FE_TARGET_WEIGHT, /* likewise the weight of its class */
  FE_LOGITS_PARTS,
  FE_RUNNER_UP = FE_LOGITS_PARTS, /* the largest logit but one; or a gradient's factor */
  FE_PLACE,                       /* of the largest; or a label, -1: none, -2: ignored */
  FE_SCORE_PARTS,
  /* of a pair of rows; divergence_state.h says what these hold */
  FE_LARGEST_Q = FE_SCORE_PARTS,
  FE_DIVERGENCE_PARTS,
  /* of a pair of rows and of either: three such sets, one after the other */
  FE_SET = FE_DIVERGENCE_PARTS,
  FE_PARTS = 3 * FE_SET
};
typedef struct fe_state {
  double *part[FE_PARTS];
} fe_state;

/* Adds the entries of a block to the state of its rows. */
typedef unsigned (*fe_accumulate)(const fe_block *block, const fe_params *params,
                                  const fe_state *state);
/* Joins what is known of later entries of the same rows, in this order. */
typedef void (*fe_combine)(const fe_state *state, const fe_state *more, size_t rows,
                           const fe_params *params);
/* Turns the states of `rows` rows into results of the measure's dtype. Of measures with several
 * results a row, into doubles: result i of row r is number i * FE_BLOCK_ROWS + r, and the first is
 * what depends on the row's label. Of measures with as many results as entries, into what
 * fe_spread needs, in the states; a gradient's one result a row is a double too, and is left out
 * where there is no `out`. */
#define FE_RESULTS 6
typedef void (*fe_finish)(const fe_state *state, size_t rows, const fe_params *params, void *out);
/* The results of each entry of a block, from finished states, and from what is kept of it: rows of
 * `out` are `stride` bytes apart, and may begin where what is kept does. */
typedef void (*fe_spread)(const fe_block *block, const fe_params *params, const fe_state *state,
                          void *out, ptrdiff_t stride);
/* A pointwise measure on `count` contiguous elements. */
typedef unsigned (*fe_map)(const void *const operand[FE_OPERANDS], size_t count,
                           const fe_params *params, void *out);

/* FE_LOGITS: as FE_ROWS, but operands are logits (the last), and states more than a sum.
 * FE_PAIRS_OF_ELEMENTS: as FE_MAP, but `out` is where the addresses of two outputs are. */
typedef enum fe_shape { FE_MAP, FE_ROWS, FE_LOGITS, FE_PAIRS_OF_ELEMENTS } fe_shape;
typedef enum fe_real { FE_F32, FE_F64, FE_REALS } fe_real;

/* The identity of a ufunc that has none, as NumPy's PyUFunc_None. */
#define FE_NO_IDENTITY (-1)

typedef struct fe_measure {
  const char *name;
  fe_shape shape;
  int operands;
  int bits;               /* base 2 is computed in base 2 */
  int takes_columns;      /* blocks may have a step: of short rows (1), of all (2) */
  int parts;              /* of a state, that it uses */
  int results;            /* of a row */
  int keeps;              /* numbers an entry that accumulate leaves for spread, if it has room */
  int picks[FE_OPERANDS]; /* the part that takes this operand's entry at the row's label, or 0 */
  int begins;             /* states of rows of 1 to FE_SHORT entries, whatever is there before */
  int ranks;              /* accumulate, too, wants what is picked */
  const char *loops; /* NULL, or the dtypes of a ufunc's loops: NumPy's letters, in its order */
  int identity;      /* of that ufunc */
  int labelled;      /* operand 0 is made of labels: 1 at a row's label, else 0 */
  double bound[FE_REALS]; /* largest error: ulps if at least 0.5, else relative */
  fe_map map[FE_REALS];
  fe_accumulate accumulate[FE_REALS];
  fe_combine combine[FE_REALS];
  fe_finish finish[FE_REALS];
  fe_spread spread[FE_REALS];
} fe_measure;

/* Makes `count` entries of each of `rows` rows contiguous in `out`: rows are neighbours in memory,
 * and the entries of a row lie `step` entries apart. */
typedef void (*fe_gather)(const void *columns, size_t rows, size_t count, size_t step, void *out);

/* The largest entries of a row, at most `room`: the larger first, once sorted, and of equal ones
 * the earlier; top.c. */
typedef struct fe_top {
  double *values;
  int64_t *places;
  size_t room, count;
} fe_top;
void fe_top_offer(fe_top *top, double value, int64_t place);
void fe_top_sort(fe_top *top);
/* Offers a run of entries, of which the first has this place in the row; select.h. */
typedef void (*fe_select)(const void *entries, size_t count, size_t first, fe_top *top);

/* Reads entries of some type, `step` bytes apart, as floats or doubles; read.h. */
typedef void (*fe_read)(const void *from, ptrdiff_t step, size_t count, void *out);
typedef enum fe_kind {
  FE_KIND_BOOL,
  FE_KIND_I8,
  FE_KIND_U8,
  FE_KIND_I16,
  FE_KIND_U16,
  FE_KIND_I32,
  FE_KIND_U32,
  FE_KIND_I64,
  FE_KIND_U64,
  FE_KIND_F16,
  FE_KIND_BF16,
  FE_KIND_F32,
  FE_KIND_F64,
  FE_KINDS
} fe_kind;

typedef struct fe_isa {
  const char *name;
  const fe_measure *measures;
  const fe_gather *gather; /* one a dtype */
  const fe_select *select; /* likewise */
  const fe_read
      *read; /* [FE_KINDS][2][FE_REALS]: a kind, in this byte order or the other, as a dtype */
  int (*available)(void);
} fe_isa;

/* Every instruction set of this build, best last; dispatch.c. */
extern const fe_isa fe_isas[];
extern const int fe_isa_count;
extern const int fe_measure_count;

/* The state of rows before their first entry; what was picked at their labels stays. */
void fe_begin(const fe_measure *measure, const fe_state *state, size_t rows);
/* A state's arrays from entry `row` on. */
fe_state fe_state_at(const fe_state *state, size_t row);
/* How sums are joined: high[r] + low[r] += more's, double-double. */
void fe_combine_sums(const fe_state *state, const fe_state *more, size_t rows,
                     const fe_params *params);

/* The caller's floating-point mode is set aside while kernels run (flush-to-zero set by another
 * library changes no result; flags raised by blended lanes reach nobody) and put back after. */
typedef struct fe_mode {
  uint64_t control;
  uint64_t status;
} fe_mode;
fe_mode fe_enter(void);
void fe_leave(fe_mode mode, unsigned status); /* raises "invalid" if status says so */

/* Runs task(context, i, slot) for each i < count on up to `threads` threads, this one among them;
 * each has a slot of its own, below FE_SLOTS, that of this one is 0. Now and then this thread calls
 * `pause` between two tasks: once that returns nonzero no further task is begun, and nonzero is
 * returned. threads.c. */
#define FE_SLOTS 256
typedef void (*fe_task)(void *context, size_t index, size_t slot);
typedef int (*fe_pause)(void);
int fe_parallel(fe_task task, void *context, size_t count, int threads, fe_pause pause);

/* Scratch memory, counted: NULL where there is none. fe_scratch_peak() returns the most that was
 * held since it was last asked. memory.c. */
void *fe_allocate(size_t bytes);
void fe_release(void *p, size_t bytes);
size_t fe_scratch_peak(void);
/* Copies to where nothing will be read soon: past the caches. memory.c. */
void fe_stream(void *to, const void *from, size_t bytes);

#endif

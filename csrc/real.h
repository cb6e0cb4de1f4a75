/* real.h - the names under which one kernel source serves float32 and float64.
 *
 * Set REAL to 32 or 64 and include. `real` is the type in memory; the arithmetic of the fast path
 * is in GROUP. Without FMA float32 rows are computed in double throughout: FMA's residual is what
 * makes float arithmetic accurate enough.
 */
#undef REAL_NAME
#undef real
#undef GROUP
#undef MASK
#undef SUM
#undef G
#undef M
#undef S
#undef compute
#undef COLUMNS_COMPUTE
#undef WIDEN
#undef LOAD
#undef LOAD_PARTIAL
#undef LOAD_WIDE
#undef LOAD_WIDE_PARTIAL
#undef STORE_WIDE
#undef MIN_NORMAL
#undef WATCH
#undef COLUMNS
#undef ROWS
#undef FE_CHUNK
#undef W
#undef LOAD_UP_TO
#undef STORE
#undef LOAD_WIDE_UP_TO

/* NAME(entropy, leaf) is entropy_leaf_f32_avx2: greppable, and told apart by a profiler. */
#define FE_JOIN_(measure, part, dtype, isa) measure##_##part##_##dtype##_##isa
#define FE_JOIN(measure, part, dtype, isa) FE_JOIN_(measure, part, dtype, isa)
#define NAME(measure, part) FE_JOIN(measure, part, REAL_NAME, FE_ISA)
#define CAREFUL_NAME(measure) FE_JOIN(measure, careful, f64, FE_ISA)

#if REAL == 32
#define real float
#define REAL_NAME f32
#define LOAD_WIDE(p) g64_load_float(p)
#define LOAD_WIDE_PARTIAL(p, count, pad) g64_load_float_partial(p, count, pad)
#define STORE_WIDE(p, g) g64_store_float(p, g)
#define COLUMNS fe_columns_f32
#define ROWS fe_rows_f32
#define FE_CHUNK FE_CHUNK_F32
#else
#define real double
#define REAL_NAME f64
#define LOAD_WIDE(p) g64_load(p)
#define LOAD_WIDE_PARTIAL(p, count, pad) g64_load_partial(p, count, pad)
#define STORE_WIDE(p, g) g64_store(p, g)
#define COLUMNS fe_columns_f64
#define ROWS fe_rows_f64
#define FE_CHUNK FE_CHUNK_F64
#endif

#if REAL == 32 && FE_FMA
#define compute float
#define COLUMNS_COMPUTE fe_columns_f32
#define WIDEN(g) g64_from_g32(g)
#define GROUP g32
#define MASK m32
#define SUM sum32
#define G(operation) g32_##operation
#define M(operation) m32_##operation
#define S(operation) sum32_##operation
#define LOAD(p) g32_load(p)
#define STORE(p, g) g32_store(p, g)
#define LOAD_PARTIAL(p, count, pad) g32_load_partial(p, count, pad)
#define WATCH watch_g32
#define W(part) watch_g32_##part
#define MIN_NORMAL FE_MIN_NORMAL_F32
#else
#define compute double
#define COLUMNS_COMPUTE fe_columns_f64
#define WIDEN(g) (g)
#define GROUP g64
#define MASK m64
#define SUM sum64
#define G(operation) g64_##operation
#define M(operation) m64_##operation
#define S(operation) sum64_##operation
#define LOAD(p) LOAD_WIDE(p)
#define STORE(p, g) STORE_WIDE(p, g)
#define LOAD_PARTIAL(p, count, pad) LOAD_WIDE_PARTIAL(p, count, pad)
#define WATCH watch_g64
#define W(part) watch_g64_##part
#define MIN_NORMAL FE_MIN_NORMAL_F64
#endif

/* A whole group, or the entries that are left of it and `pad` behind them. */
#define LOAD_UP_TO(p, left, pad) ((left) >= FE_LANES ? LOAD(p) : LOAD_PARTIAL(p, left, pad))
#define LOAD_WIDE_UP_TO(p, left, pad) \
  ((left) >= FE_LANES ? LOAD_WIDE(p) : LOAD_WIDE_PARTIAL(p, left, pad))

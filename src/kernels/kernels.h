/* kernels.h - single-thread inner loops in one table. Plain C comes first; each instruction set
 * overrides the members that it has. No allocation, no threads. Chosen at run time.
 *
 * A folder per instruction set: ref/ (plain C), avx2/, avxvnni/, avx512/, avx512vnni/,
 * avx512bf16/, amx/, neon/, dotprod/, i8mm/. Each has a table_*.c with one function that writes
 * its members over those of the set below it, and files named after what they compute. The
 * members are described in matmul_kernels.h, row_kernels.h, train_kernels.h and
 * probe_kernels.h. */
#ifndef GM_KERNELS_H
#define GM_KERNELS_H

#include "matmul_kernels.h"
#include "probe_kernels.h"
#include "row_kernels.h"
#include "status.h"
#include "train_kernels.h"

typedef struct gm_kernels {
  const char *name;     /* "ref", "avx2", "avx512", "neon" */
  const char *features; /* what is used on top of name: "vnni", "dotprod", ...; "" if nothing */

  /* Matrix products, by the type of the weights; NULL where the number is not a type. */
  const gm_matmul *matmul[GM_TYPE_COUNT];
  /* Products of many rows whose factors are both rounded: to bf16, with sums in f32, or to
   * 16-bit integers if their form is GM_TILE_WORDS. For weights in F32, F16 and BF16; NULL for
   * other types. They are less exact than matmul: a factor's relative error is 2^-9 at most, or
   * for words its error is half a step at most; a step is 1/4095 of the largest of its 64. */
  const gm_matmul *rounded[GM_TYPE_COUNT];
  /* Whether operations with weights of this type round their factors so (products of many rows,
   * attention, convolutions). True where that is faster, except for weights in F32. */
  bool rounds[GM_TYPE_COUNT];
  /* Types of weights whose panels are worth keeping on disk (panel_file.h): they are as large
   * as the weights, and products of about 1000 rows gain more than noise by not unpacking. */
  bool keep_panels[GM_TYPE_COUNT];
  /* y[rows, cols] from acc[rows, cols] as the epilogue says; y may be acc. */
  void (*epilogue)(float *y, size_t ldy, const float *acc, size_t ld_acc, size_t rows,
                   size_t cols, const gm_epilogue *e);

  gm_row_kernels rows;

  gm_train_kernels train;

  gm_probe_kernels probe;
} gm_kernels;

/* The best table for this processor, capped by the environment variable GROMATIC_CPU at the
 * first call: ref, avx2 (nothing above AVX2), avxvnni, avx512f (no VNNI), avx512vnni (no BF16),
 * avx512 (no AMX), amx (all that x86 has), neon-base, neon-dotprod, neon (all that ARM has). A
 * name of another architecture gives ref, but amx the best there is; an unknown name sets no
 * cap, see gm_kernels_check. The first call asks the system for AMX's tiles (cpu_tiles.h), if
 * the cap allows them; if it refuses, the best table is that below. avx512
 * is passed over on Intel's processors, whose vdpbf16ps is slower than fp32, unless it is
 * named. */
const gm_kernels *gm_kernels_best(void);
/* The same, but weights in F32 are rounded like the others (see rounds) where that is faster.
 * Then this is another table, with "fast" among its features. */
const gm_kernels *gm_kernels_fast(void);

/* Whether keys and values can be kept in this type: the kernels have a row of it. */
bool gm_is_kv_type(gm_type type);
/* The same, in rows of d elements: whole blocks. */
bool gm_kv_fits(gm_type type, size_t d);

/* GM_ERR_ARGUMENT if GROMATIC_CPU was an unknown name at the first call: someone who wants
 * fewer instructions and misspells the name must not get all of them. */
gm_status gm_kernels_check(gm_error *err);

/* The processor has AMX's tiles, GROMATIC_CPU allows them, and the operating system refused. */
bool gm_kernels_tiles_refused(void);

/* The i-th table that this processor can run, plain C first, whatever GROMATIC_CPU says, but
 * for tiles; NULL past the last. For tests and timing. */
const gm_kernels *gm_kernels_at(size_t i);
/* The i-th instruction set that was compiled in but is missing here; NULL past the last. */
const char *gm_kernels_missing(size_t i);

#endif

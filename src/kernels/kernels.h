/* kernels.h - single-thread inner loops behind one table; plain C first, each instruction set
 * overrides what it has. No allocation, no threads. Chosen at run time. */
#ifndef GM_KERNELS_H
#define GM_KERNELS_H

#include "row_kernels.h"
#include "types.h"

typedef struct gm_kernels {
  const char *name; /* "ref", "avx2", "avx512", "neon" */
  gm_row_kernels rows;
} gm_kernels;

/* The best table for this processor, capped by GROMATIC_CPU=ref|avx2|avx512|neon. */
const gm_kernels *gm_kernels_best(void);

#endif

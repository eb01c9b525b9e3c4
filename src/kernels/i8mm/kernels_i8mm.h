/* kernels_i8mm.h - the kernels for NEON with the int8 matrix product extension. */
#ifndef GM_KERNELS_I8MM_H
#define GM_KERNELS_I8MM_H

#include "kernels.h"

/* The products with block types. */
void gm_use_quant_i8mm(gm_kernels *k);

#endif

/* kernels_dotprod.h - the kernels for NEON with the dot product extension. */
#ifndef GM_KERNELS_DOTPROD_H
#define GM_KERNELS_DOTPROD_H

#include "kernels.h"

/* The products with block types. */
void gm_use_quant_dotprod(gm_kernels *k);

#endif

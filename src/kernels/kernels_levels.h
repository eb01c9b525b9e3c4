/* kernels_levels.h - the functions that fill the table: each instruction set writes its members
 * over those of the set below it. Only kernels.c calls them. */
#ifndef GM_KERNELS_LEVELS_H
#define GM_KERNELS_LEVELS_H

#include "kernels.h"

void gm_kernels_use_ref(gm_kernels *k);
void gm_kernels_use_avx2(gm_kernels *k);
void gm_kernels_use_avxvnni(gm_kernels *k);
void gm_kernels_use_avx512(gm_kernels *k);
void gm_kernels_use_avx512vnni(gm_kernels *k);
void gm_kernels_use_avx512bf16(gm_kernels *k);
void gm_kernels_use_amx(gm_kernels *k);
void gm_kernels_use_neon(gm_kernels *k);
void gm_kernels_use_dotprod(gm_kernels *k);
void gm_kernels_use_i8mm(gm_kernels *k);

#endif

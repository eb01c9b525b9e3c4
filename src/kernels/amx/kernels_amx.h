/* kernels_amx.h - the AMX kernels: products of tiles of 32 rows with panels of 32, each two by
 * two of the processor's tiles of 16 rows of 64 bytes. */
#ifndef GM_KERNELS_AMX_H
#define GM_KERNELS_AMX_H

#include "kernels.h"

enum { GM_MR_AMX = 32, GM_NR_AMX = 32 };

/* Tiles 0 to 3: sums, [half of the rows][half of the columns]. Tiles 4 and 5: those halves of
 * the rows of activations. Tiles 6 and 7: the halves of the columns of weights. All are of 16
 * rows of 64 bytes. */
void gm_begin_amx(void);
void gm_end_amx(void);

/* gm_matmul.pack_x for tiles of GM_TILE_LINES; a row alone is packed as below for blocks of 32
 * or of 256. */
void gm_pack_x32_amx(void *dst, const float *x, size_t ldx, size_t rows, size_t group,
                     size_t k);
void gm_pack_xk_amx(void *dst, const float *x, size_t ldx, size_t rows, size_t group, size_t k);

/* gm_matmul.tile and tile_part. */
void gm_tile_bytes_amx(float *acc, const void *x, const void *panel, size_t k, bool first);
void gm_tile_part_bytes_amx(float *acc, const void *x, const void *panel, size_t k, bool first,
                            size_t rows);
void gm_tile_bf16_amx(float *acc, const void *x, const void *panel, size_t k, bool first);
void gm_tile_part_bf16_amx(float *acc, const void *x, const void *panel, size_t k, bool first,
                           size_t rows);

uint64_t gm_probe_int8_amx(size_t n, int32_t *sink);
uint64_t gm_probe_bf16_amx(size_t n, float *sink);

#endif

/* activations_amx.c - rows of activations in lines of 64 bytes, GM_TILE_LINES of activations.h.
 */
#include "activations_tile.h"
#include "amx/kernels_amx.h"
#include "avx512/kernels_avx512.h"
#include "avx512vnni/pack_xt_avx512vnni.h"

static inline void pack_row(unsigned char *chunk, const float *x, size_t blocks, size_t r,
                            size_t group) {
  gm_pack_xt_row_avx512vnni(chunk, x, blocks, r, group, 2);
  if (blocks % 2 == 0) return;
  memset(chunk + (blocks / 2 * group + r) * 64 + 32, 0, 32);
}

void gm_pack_x32_amx(void *dst, const float *x, size_t ldx, size_t rows, size_t group,
                     size_t k) {
  if (group == 1)
    gm_pack_x32_avx512(dst, x, ldx, rows, group, k);
  else
    gm_pack_tile(dst, x, ldx, rows, group, k, GM_XT_BYTES, pack_row);
}

void gm_pack_xk_amx(void *dst, const float *x, size_t ldx, size_t rows, size_t group,
                    size_t k) {
  if (group == 1)
    gm_pack_xk_avx512(dst, x, ldx, rows, group, k);
  else
    gm_pack_tile(dst, x, ldx, rows, group, k, GM_XT_BYTES, pack_row);
}

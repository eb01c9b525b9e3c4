/* table_amx.c - the members of the kernel table that AMX's tiles compute: the products of many
 * rows of the levels below, with other tiles and the same panels. */
#include "amx/kernels_amx.h"
#include "kernels_levels.h"

/* Written once, when the tables are filled. */
static gm_matmul bytes[GM_TYPE_COUNT], rounded[GM_TYPE_COUNT];

static void use_bytes(gm_kernels *k, gm_type type) {
  gm_matmul *mm = &bytes[type];
  *mm = *k->matmul[type];
  mm->mr = GM_MR_AMX;
  mm->form = GM_TILE_LINES;
  mm->pack_x = mm->block == 256 ? gm_pack_xk_amx : gm_pack_x32_amx;
  mm->tile = gm_tile_bytes_amx;
  mm->tile_part = gm_tile_part_bytes_amx;
  mm->begin = gm_begin_amx;
  mm->end = gm_end_amx;
  k->matmul[type] = mm;
}

static void use_bf16(gm_kernels *k, gm_type type) {
  gm_matmul *mm = &rounded[type];
  *mm = *k->rounded[type];
  mm->mr = GM_MR_AMX;
  mm->tile = gm_tile_bf16_amx;
  mm->tile_part = gm_tile_part_bf16_amx;
  mm->begin = gm_begin_amx;
  mm->end = gm_end_amx;
  k->rounded[type] = mm;
}

void gm_kernels_use_amx(gm_kernels *k) {
  use_bytes(k, GM_TYPE_Q8_0);
  use_bytes(k, GM_TYPE_Q4_0);
  use_bytes(k, GM_TYPE_Q4_K);
  use_bytes(k, GM_TYPE_Q6_K);
  use_bf16(k, GM_TYPE_F32);
  use_bf16(k, GM_TYPE_F16);
  use_bf16(k, GM_TYPE_BF16);
  k->probe.int8 = gm_probe_int8_amx;
  k->probe.bf16 = gm_probe_bf16_amx;
}

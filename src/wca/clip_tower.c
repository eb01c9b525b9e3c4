/* clip_tower.c - see clip_tower.h. */
#include "clip_tower.h"

#include "alignment.h"

#include <assert.h>
#include <stdlib.h>

/* OpenAI's and open_clip's: query, key and value in one matrix. */
static const gm_vit_names fused_names = {
    .norm1_w = "ln_1.weight",
    .norm1_b = "ln_1.bias",
    .out = "attn.out_proj.weight",
    .out_b = "attn.out_proj.bias",
    .norm2_w = "ln_2.weight",
    .norm2_b = "ln_2.bias",
    .fc1 = "mlp.c_fc.weight",
    .fc1_b = "mlp.c_fc.bias",
    .fc2 = "mlp.c_proj.weight",
    .fc2_b = "mlp.c_proj.bias",
    .qkv = "attn.in_proj_weight",
    .qkv_b = "attn.in_proj_bias",
};

static const gm_vit_names separate_names = {
    .norm1_w = "layer_norm1.weight",
    .norm1_b = "layer_norm1.bias",
    .q = "self_attn.q_proj.weight",
    .q_b = "self_attn.q_proj.bias",
    .k = "self_attn.k_proj.weight",
    .k_b = "self_attn.k_proj.bias",
    .v = "self_attn.v_proj.weight",
    .v_b = "self_attn.v_proj.bias",
    .out = "self_attn.out_proj.weight",
    .out_b = "self_attn.out_proj.bias",
    .norm2_w = "layer_norm2.weight",
    .norm2_b = "layer_norm2.bias",
    .fc1 = "mlp.fc1.weight",
    .fc1_b = "mlp.fc1.bias",
    .fc2 = "mlp.fc2.weight",
    .fc2_b = "mlp.fc2.bias",
};

const gm_vit_names *gm_clip_tower_names(bool fused) {
  return fused ? &fused_names : &separate_names;
}

gm_status gm_clip_tower_blocks(gm_vit_block **out, const gm_model_file *file, bool fused,
                               const char *prefix, size_t layers, gm_vit_shape *shape,
                               gm_error *err) {
  const gm_vit_names *names = gm_clip_tower_names(fused);
  gm_vit_block *blocks = calloc(layers, sizeof *blocks);
  *out = blocks;
  if (!blocks) return gm_fail_memory(err, "CLIP's layers", layers * sizeof *blocks);
  for (size_t i = 0; i < layers; i++) {
    gm_weight_loader l = gm_weight_loader_at(file, err, prefix, i);
    if (i == 0) {
      gm_tensor fc1;
      GM_TRY(gm_load_matrix(&l, names->fc1, 0, shape->dim, &fc1));
      shape->hidden = fc1.shape[0];
    }
    GM_TRY(gm_vit_block_load(&blocks[i], &l, names, shape));
  }
  return GM_OK;
}

void gm_clip_tower_fill_table(float *out, const gm_tensor *table) {
  size_t rows = gm_tensor_rows(table), cols = gm_tensor_cols(table);
  for (size_t i = 0; i < rows; i++)
    gm_type_traits_of(table->type)
        ->to_float(out + i * cols, (const unsigned char *)table->data + i * table->row_bytes,
                   cols);
}

gm_status gm_clip_tower_table(float **out, const gm_tensor *table, gm_error *err) {
  size_t rows = gm_tensor_rows(table), cols = gm_tensor_cols(table);
  *out = malloc(rows * cols * sizeof **out);
  if (!*out) return gm_fail_memory(err, "a position table", rows * cols * sizeof **out);
  gm_clip_tower_fill_table(*out, table);
  return GM_OK;
}

gm_status gm_clip_tower_check_heads(const gm_model_file *file, const char *tower, size_t width,
                                    uint32_t heads, gm_error *err) {
  if (width % heads == 0 && width / heads <= GM_MAX_HEAD_DIM) return GM_OK;
  return gm_fail(
      err, GM_ERR_MODEL,
      "%s: the %s tower has width %zu and %u heads; wanted heads that divide it into at "
      "most %d each",
      gm_model_file_name(file), tower, width, heads, (int)GM_MAX_HEAD_DIM);
}

gm_status gm_clip_tower_forward(gm_compute *c, const gm_vit_block *blocks, size_t layers,
                                const gm_vit_shape *shape, float *x, size_t n, size_t tokens,
                                const size_t *at, float *rows) {
  assert(layers >= 1 && shape->hidden > 0);
  for (size_t i = 0; i + 1 < layers; i++) {
    GM_TRY(gm_poll(c));
    GM_TRY(gm_vit_block_forward(c, &blocks[i], shape, x, n, tokens));
  }
  GM_TRY(gm_poll(c));
  return gm_vit_block_rows(c, &blocks[layers - 1], shape, x, n, tokens, at, rows);
}

gm_status gm_clip_tower_features(gm_compute *c, float *x, size_t n, size_t width,
                                 const float *ln_w, const float *ln_b, float eps,
                                 const gm_tensor *projection, float *out) {
  size_t features = projection->shape[0];
  gm_layer_norm(c, x, x, n, width, ln_w, ln_b, eps);
  gm_linear_out project = {.w = projection, .y = out, .ldy = features};
  GM_TRY(gm_linear(c, x, width, n, &project, 1));
  gm_unit_rows(out, n, features);
  return GM_OK;
}

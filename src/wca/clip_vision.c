/* clip_vision.c - see clip_vision.h. */
#include "clip_vision.h"

#include "clip_tower.h"

#include <stdlib.h>
#include <string.h>

enum { GROUP_TOKENS = 1040 }; /* rows computed at once: full tiles, and 16 MB of activations */

static gm_status load_position(gm_clip_vision *w, const gm_tensor *table,
                               const gm_tensor *class_token, gm_error *err) {
  size_t C = w->shape.dim;
  GM_TRY(gm_clip_tower_table(&w->position, table, err));
  float *token;
  GM_TRY(gm_clip_tower_table(&token, class_token, err));
  for (size_t i = 0; i < C; i++) w->position[i] += token[i];
  free(token);
  return GM_OK;
}

gm_status gm_clip_vision_load(gm_clip_vision *w, const gm_model_file *file,
                              const gm_clip_hparams *hparams, gm_error *err) {
  bool fused = hparams->fused;
  size_t grid = hparams->image_size / hparams->patch_size;
  *w = (gm_clip_vision){.image_size = hparams->image_size,
                        .patch_size = hparams->patch_size,
                        .tokens = 1 + grid * grid,
                        .layers = hparams->vision_layers};
  gm_weight_loader l = gm_weight_loader_at(file, err, fused ? "visual." : "vision_model.");
  size_t columns = 3 * w->patch_size * w->patch_size;
  gm_tensor position, class_token;
  GM_TRY(gm_load_matrix(&l, fused ? "conv1.weight" : "embeddings.patch_embedding.weight", 0,
                        columns, &w->patch));
  size_t C = w->patch.shape[0];
  GM_TRY(gm_clip_tower_check_heads(file, "image", C, hparams->vision_heads, err));
  GM_TRY(gm_load_tensor(&l, fused ? "class_embedding" : "embeddings.class_embedding", 1,
                        (size_t[]){C}, &class_token));
  GM_TRY(gm_load_matrix(&l,
                        fused ? "positional_embedding" : "embeddings.position_embedding.weight",
                        w->tokens, C, &position));
  GM_TRY(gm_load_vector(&l, fused ? "ln_pre.weight" : "pre_layrnorm.weight", C, &w->ln_pre_w));
  GM_TRY(gm_load_vector(&l, fused ? "ln_pre.bias" : "pre_layrnorm.bias", C, &w->ln_pre_b));
  GM_TRY(
      gm_load_vector(&l, fused ? "ln_post.weight" : "post_layernorm.weight", C, &w->ln_post_w));
  GM_TRY(gm_load_vector(&l, fused ? "ln_post.bias" : "post_layernorm.bias", C, &w->ln_post_b));
  gm_weight_loader top = gm_weight_loader_at(file, err, "%s", "");
  GM_TRY(gm_load_matrix(&top, fused ? "visual.proj" : "visual_projection.weight", 0, C,
                        &w->projection));
  w->features = w->projection.shape[0];
  w->shape = (gm_vit_shape){
      .dim = C, .heads = hparams->vision_heads, .eps = hparams->eps, .act = hparams->act};
  GM_TRY(load_position(w, &position, &class_token, err));
  return gm_clip_tower_blocks(&w->blocks, file, fused,
                              fused ? "visual.transformer.resblocks"
                                    : "vision_model.encoder.layers",
                              w->layers, &w->shape, err);
}

void gm_clip_vision_free(gm_clip_vision *w) {
  free(w->position);
  free(w->blocks);
  *w = (gm_clip_vision){0};
}

/* x[n, tokens, C]: token 0 the class token, then the patches, all with their positions. */
static gm_status embed(gm_compute *c, const gm_clip_vision *w, const float *pixels, size_t n,
                       float *x) {
  size_t C = w->shape.dim, cells = w->tokens - 1, columns = gm_tensor_cols(&w->patch);
  size_t picture = 3 * w->image_size * w->image_size;
  gm_arena_mark mark = gm_arena_save(&c->arena);
  float *patches = gm_scratch_f32(c, n * cells * columns, "patches");
  float *embedded = gm_scratch_f32(c, n * cells * C, "patch embeddings");
  if (!patches || !embedded) return GM_ERR_MEMORY;
  for (size_t i = 0; i < n; i++)
    gm_patches(c, patches + i * cells * columns, pixels + i * picture, w->image_size,
               w->patch_size);
  gm_linear_out project = {.w = &w->patch, .y = embedded, .ldy = C};
  gm_status status = gm_linear(c, patches, columns, n * cells, &project, 1);
  for (size_t i = 0; status == GM_OK && i < n; i++) {
    float *rows = x + i * w->tokens * C;
    memcpy(rows, w->position, C * sizeof *rows);
    gm_add(c, rows + C, embedded + i * cells * C, w->position + C, cells * C);
  }
  gm_arena_restore(&c->arena, mark);
  return status;
}

static gm_status forward_group(gm_compute *c, const gm_clip_vision *w, const float *pixels,
                               size_t n, float *out) {
  size_t C = w->shape.dim, rows = n * w->tokens;
  float *x = gm_scratch_f32(c, rows * C, "image tower states");
  float *class_rows = gm_scratch_f32(c, n * C, "class tokens");
  size_t *class_at = gm_scratch(c, n * sizeof *class_at, "class tokens");
  if (!x || !class_rows || !class_at) return GM_ERR_MEMORY;
  memset(class_at, 0, n * sizeof *class_at);
  GM_TRY(embed(c, w, pixels, n, x));
  gm_layer_norm(c, x, x, rows, C, w->ln_pre_w, w->ln_pre_b, w->shape.eps);
  GM_TRY(gm_clip_tower_forward(c, w->blocks, w->layers, &w->shape, x, n, w->tokens, class_at,
                               class_rows));
  return gm_clip_tower_features(c, class_rows, n, C, w->ln_post_w, w->ln_post_b, w->shape.eps,
                                &w->projection, out);
}

gm_status gm_clip_vision_forward(gm_compute *c, const gm_clip_vision *w, const float *pixels,
                                 size_t n, float *out) {
  size_t group = GROUP_TOKENS / w->tokens > 1 ? GROUP_TOKENS / w->tokens : 1;
  size_t picture = 3 * w->image_size * w->image_size;
  for (size_t i = 0; i < n; i += group) {
    size_t count = n - i < group ? n - i : group;
    gm_arena_mark mark = gm_arena_save(&c->arena);
    gm_status status = forward_group(c, w, pixels + i * picture, count, out + i * w->features);
    gm_arena_restore(&c->arena, mark);
    GM_TRY(status);
  }
  return GM_OK;
}

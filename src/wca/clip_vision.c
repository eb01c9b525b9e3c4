/* clip_vision.c - see clip_vision.h. */
#include "clip_vision.h"

#include "clip_sizes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { GROUP_TOKENS = 1040 }; /* rows computed at once: full tiles, and 16 MB of activations */

/* ---- loading */

/* A family's names. */
typedef struct vision_names {
  GM_CLIP_VISION_INPUT(GM_VEC_NAME, GM_MAT_NAME, GM_TENSOR_NAME)
  GM_CLIP_VISION_OUTPUT(GM_VEC_NAME, GM_MAT_NAME, GM_TENSOR_NAME)
  bool turned;
  const char *blocks; /* prefix of a block's names */
} vision_names;

static const vision_names fused_names = {
    .patch = "visual.conv1.weight",
    .class_token = "visual.class_embedding",
    .positions = "visual.positional_embedding",
    .ln_pre_w = "visual.ln_pre.weight",
    .ln_pre_b = "visual.ln_pre.bias",
    .ln_post_w = "visual.ln_post.weight",
    .ln_post_b = "visual.ln_post.bias",
    .projection = "visual.proj",
    .turned = true,
    .blocks = "visual.transformer.resblocks.%.",
};

static const vision_names separate_names = {
    .patch = "vision_model.embeddings.patch_embedding.weight",
    .class_token = "vision_model.embeddings.class_embedding",
    .positions = "vision_model.embeddings.position_embedding.weight",
    .ln_pre_w = "vision_model.pre_layrnorm.weight",
    .ln_pre_b = "vision_model.pre_layrnorm.bias",
    .ln_post_w = "vision_model.post_layernorm.weight",
    .ln_post_b = "vision_model.post_layernorm.bias",
    .projection = "visual_projection.weight",
    .blocks = "vision_model.encoder.layers.%.",
};

void gm_clip_vision_rules(gm_tensor_rules *rules, const size_t *dims, bool fused) {
  const vision_names *names = fused ? &fused_names : &separate_names;
  size_t C = dims[V_DIM], D = dims[CLIP_FEATURES], P = dims[CLIP_PATCH], rows = dims[V_ROWS];
  gm_rules_group(rules, "vision", "", NULL, 1);
  GM_CLIP_VISION_INPUT(GM_VEC_RULE, GM_MAT_RULE, GM_TENSOR_RULE)
  gm_rules_group(rules, "vision", names->blocks, NULL, dims[V_LAYERS]);
  gm_vit_block_rules(rules, gm_clip_tower_names(fused), C, dims[V_FFN]);
  gm_rules_group(rules, "vision", "", NULL, 1);
  GM_CLIP_VISION_OUTPUT(GM_VEC_RULE, GM_MAT_RULE, GM_TENSOR_RULE)
}

static gm_status load_ends(gm_clip_vision *w, const gm_weight_loader *l,
                           const vision_names *names) {
  size_t C = w->shape.dim, D = 0, P = w->patch_size, rows = w->tokens; /* any D */
  GM_CLIP_VISION_INPUT(GM_VEC_LOAD, GM_MAT_LOAD, GM_TENSOR_LOAD)
  GM_CLIP_VISION_OUTPUT(GM_VEC_LOAD, GM_MAT_LOAD, GM_TENSOR_LOAD)
  w->features = w->projection.shape[0];
  return GM_OK;
}

gm_status gm_clip_vision_refresh(gm_clip_vision *w, gm_error *err) {
  size_t C = w->shape.dim;
  float *token;
  GM_TRY(gm_clip_tower_table(&token, &w->class_token, err));
  gm_clip_tower_fill_table(w->position, &w->positions);
  for (size_t i = 0; i < C; i++) w->position[i] += token[i];
  free(token);
  return GM_OK;
}

gm_status gm_clip_vision_load(gm_clip_vision *w, const gm_model_file *file,
                              const gm_clip_hparams *hparams, gm_error *err) {
  const vision_names *names = hparams->fused ? &fused_names : &separate_names;
  size_t grid = hparams->image_size / hparams->patch_size;
  *w = (gm_clip_vision){.image_size = hparams->image_size,
                        .patch_size = hparams->patch_size,
                        .tokens = 1 + grid * grid,
                        .layers = hparams->vision_layers};
  gm_weight_loader l = gm_weight_loader_at(file, err, "", 0);
  gm_tensor patch;
  GM_TRY(gm_load_matrix(&l, names->patch, 0, 3 * w->patch_size * w->patch_size, &patch));
  size_t C = patch.shape[0];
  GM_TRY(gm_clip_tower_check_heads(file, "image", C, hparams->vision_heads, err));
  w->shape = (gm_vit_shape){
      .dim = C, .heads = hparams->vision_heads, .eps = hparams->eps, .act = hparams->act};
  GM_TRY(load_ends(w, &l, names));
  GM_TRY(gm_clip_tower_table(&w->position, &w->positions, err));
  GM_TRY(gm_clip_vision_refresh(w, err));
  return gm_clip_tower_blocks(&w->blocks, file, hparams->fused, names->blocks, w->layers,
                              &w->shape, err);
}

void gm_clip_vision_free(gm_clip_vision *w) {
  free(w->position);
  free(w->blocks);
  *w = (gm_clip_vision){0};
}

/* ---- forward */

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
  assert(w->tokens > 1 && w->features > 0);
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

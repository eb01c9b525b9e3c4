/* dinov2.c - see dinov2.h. */
#include "dinov2.h"

#include "groma_sizes.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- position table */

/* Weights of the taps at -1, 0, 1, 2 for a sample t in [0, 1) past tap 0: Keys' cubic
 * convolution with a = -0.75. */
static void cubic_weights(double t, double w[4]) {
  const double a = -0.75;
  double s = 1 - t;
  w[0] = ((a * (t + 1) - 5 * a) * (t + 1) + 8 * a) * (t + 1) - 4 * a;
  w[1] = ((a + 2) * t - (a + 3)) * t * t + 1;
  w[2] = ((a + 2) * s - (a + 3)) * s * s + 1;
  w[3] = ((a * (s + 1) - 5 * a) * (s + 1) + 8 * a) * (s + 1) - 4 * a;
}

typedef struct cubic_taps {
  size_t index[4];
  double weight[4];
} cubic_taps;

static cubic_taps taps_of(size_t i, double step, size_t stored) {
  double at = ((double)i + 0.5) * step - 0.5, base = floor(at);
  cubic_taps taps;
  cubic_weights(at - base, taps.weight);
  for (int k = 0; k < 4; k++) {
    double tap = base + k - 1;
    tap = tap < 0 ? 0 : tap > (double)(stored - 1) ? (double)(stored - 1) : tap;
    taps.index[k] = (size_t)tap;
    assert(taps.index[k] < stored);
  }
  return taps;
}

void gm_dinov2_resample_position(float *out, size_t grid, const float *table, size_t stored,
                                 size_t C) {
  if (grid == stored) {
    memcpy(out, table, grid * grid * C * sizeof *out);
    return;
  }
  double step = (double)stored / ((double)grid + 0.1);
  for (size_t y = 0; y < grid; y++) {
    cubic_taps ty = taps_of(y, step, stored);
    for (size_t x = 0; x < grid; x++, out += C) {
      cubic_taps tx = taps_of(x, step, stored);
      memset(out, 0, C * sizeof *out);
      for (int i = 0; i < 4; i++) {
        for (int j = 0; j < 4; j++) {
          float weight = (float)(ty.weight[i] * tx.weight[j]);
          const float *row = table + (ty.index[i] * stored + tx.index[j]) * C;
          for (size_t ch = 0; ch < C; ch++) out[ch] += weight * row[ch];
        }
      }
    }
  }
}

/* ---- loading */

#define EMBEDDINGS "perceiver.vis_encoder.embeddings."
#define LAYERS "perceiver.vis_encoder.encoder.layer.%."

static const gm_vit_names names = {
    .norm1_w = "norm1.weight",
    .norm1_b = "norm1.bias",
    .q = "attention.attention.query.weight",
    .q_b = "attention.attention.query.bias",
    .k = "attention.attention.key.weight",
    .k_b = "attention.attention.key.bias",
    .v = "attention.attention.value.weight",
    .v_b = "attention.attention.value.bias",
    .out = "attention.output.dense.weight",
    .out_b = "attention.output.dense.bias",
    .scale1 = "layer_scale1.lambda1",
    .norm2_w = "norm2.weight",
    .norm2_b = "norm2.bias",
    .fc1 = "mlp.fc1.weight",
    .fc1_b = "mlp.fc1.bias",
    .fc2 = "mlp.fc2.weight",
    .fc2_b = "mlp.fc2.bias",
    .scale2 = "layer_scale2.lambda1",
};

void gm_dinov2_rules(gm_tensor_rules *rules, const size_t *dims) {
  size_t C = dims[VIT_DIM], P = dims[PATCH], stored = dims[VIT_ROWS];
  gm_rules_group(rules, "vision", EMBEDDINGS, NULL, 1);
  GM_DINOV2_EMBEDDINGS(GM_VEC_RULE, GM_MAT_RULE, GM_TENSOR_RULE)
  gm_rules_group(rules, "vision", LAYERS, NULL, dims[VIT_LAYERS]);
  gm_vit_block_rules(rules, &names, C, dims[VIT_FFN]);
}

static gm_status load_embeddings(gm_dinov2 *w, const gm_weight_loader *l) {
  size_t C = 0, P = w->patch_size, stored = 0; /* any width and any stored grid */
  gm_tensor patch;
  GM_TRY(gm_load_matrix(l, "patch_embeddings.projection.weight", C, 3 * P * P, &patch));
  C = patch.shape[0];
  GM_DINOV2_EMBEDDINGS(GM_VEC_LOAD, GM_MAT_LOAD, GM_TENSOR_LOAD)
  return GM_OK;
}

static size_t stored_side(const gm_dinov2 *w) {
  return (size_t)lround(sqrt((double)(w->positions.shape[1] - 1)));
}

/* The stored table has any type and is [1, 1 + g*g, C]. */
gm_status gm_dinov2_refresh(gm_dinov2 *w, gm_error *err) {
  size_t C = w->shape.dim, side = stored_side(w);
  const gm_tensor *stored = &w->positions, *class_token = &w->class_token;
  size_t rows = stored->shape[1];
  float *table = malloc((rows + 1) * C * sizeof *table);
  if (!table) return gm_fail_memory(err, "position table", (rows + 1) * C * sizeof *table);
  const gm_type_traits *traits = gm_type_traits_of(stored->type);
  for (size_t i = 0; i < rows; i++) {
    const unsigned char *row = (const unsigned char *)stored->data + i * stored->row_bytes;
    traits->to_float(table + i * C, row, C);
  }
  float *token = table + rows * C;
  gm_type_traits_of(class_token->type)->to_float(token, class_token->data, C);
  for (size_t ch = 0; ch < C; ch++) w->position[ch] = table[ch] + token[ch];
  gm_dinov2_resample_position(w->position + C, w->grid, table + C, side, C);
  free(table);
  return GM_OK;
}

static gm_status make_position(gm_dinov2 *w, const gm_weight_loader *l) {
  size_t C = w->shape.dim, tokens = 1 + w->grid * w->grid, rows = w->positions.shape[1];
  size_t side = stored_side(w);
  if (rows < 2 || side * side != rows - 1)
    return gm_fail(l->err, GM_ERR_MODEL,
                   "%s: %sposition_embeddings has %zu rows, wanted 1 + a square",
                   gm_model_file_name(l->file), l->prefix, rows);
  w->position = malloc(tokens * C * sizeof *w->position);
  if (!w->position)
    return gm_fail_memory(l->err, "position table", tokens * C * sizeof *w->position);
  return gm_dinov2_refresh(w, l->err);
}

gm_status gm_dinov2_load(gm_dinov2 *w, const gm_model_file *file,
                         const gm_groma_hparams *hparams, gm_error *err) {
  *w = (gm_dinov2){.image_size = hparams->image_size,
                   .patch_size = hparams->patch_size,
                   .grid = hparams->image_size / hparams->patch_size,
                   .layers = hparams->vision_layers};
  gm_weight_loader l = gm_weight_loader_at(file, err, EMBEDDINGS, 0);
  GM_TRY(load_embeddings(w, &l));
  size_t C = w->patch.shape[0];
  if (C % hparams->vision_heads || C / hparams->vision_heads > GM_MAX_HEAD_DIM)
    return gm_fail(
        err, GM_ERR_MODEL,
        "%s: the vision encoder has width %zu and %u heads; wanted heads that divide "
        "it into at most %d each",
        gm_model_file_name(file), C, hparams->vision_heads, (int)GM_MAX_HEAD_DIM);
  w->shape = (gm_vit_shape){
      .dim = C, .heads = hparams->vision_heads, .eps = hparams->vision_eps, .act = GM_ACT_GELU};
  GM_TRY(make_position(w, &l));

  w->blocks = calloc(w->layers, sizeof *w->blocks);
  if (!w->blocks) return gm_fail_memory(err, "vision layers", w->layers * sizeof *w->blocks);
  for (size_t i = 0; i < w->layers; i++) {
    l = gm_weight_loader_at(file, err, LAYERS, i);
    if (i == 0) {
      gm_tensor fc1;
      GM_TRY(gm_load_matrix(&l, names.fc1, 0, C, &fc1));
      w->shape.hidden = fc1.shape[0];
    }
    GM_TRY(gm_vit_block_load(&w->blocks[i], &l, &names, &w->shape));
  }
  return GM_OK;
}

void gm_dinov2_free(gm_dinov2 *w) {
  free(w->position);
  free(w->blocks);
  *w = (gm_dinov2){0};
}

/* ---- forward */

/* x[0] = class token + position; x[1+i] = patch i . W^T + b + position */
static gm_status embed(gm_compute *c, const gm_dinov2 *w, const float *pixels, float *x) {
  size_t C = w->shape.dim, cells = w->grid * w->grid, columns = gm_tensor_cols(&w->patch);
  gm_arena_mark mark = gm_arena_save(&c->arena);
  float *patches = gm_scratch_f32(c, cells * columns, "patches");
  if (!patches) return GM_ERR_MEMORY;
  assert(columns == 3 * w->patch_size * w->patch_size);
  assert(w->grid * w->patch_size == w->image_size);
  gm_patches(c, patches, pixels, w->image_size, w->patch_size);
  memcpy(x, w->position, (1 + cells) * C * sizeof *x);
  gm_linear_out project = {
      .w = &w->patch, .bias = w->patch_b, .accumulate = true, .y = x + C, .ldy = C};
  gm_status status = gm_linear(c, patches, columns, cells, &project, 1);
  gm_arena_restore(&c->arena, mark);
  return status;
}

static gm_status forward(gm_compute *c, const gm_dinov2 *w, const float *pixels,
                         float *const *keep) {
  size_t tokens = 1 + w->grid * w->grid, n = tokens * w->shape.dim;
  float *x = gm_scratch_f32(c, n, "vision encoder states");
  if (!x) return GM_ERR_MEMORY;
  GM_TRY(embed(c, w, pixels, x));
  if (keep[0]) memcpy(keep[0], x, n * sizeof *x);
  for (size_t i = 0; i < w->layers; i++) {
    GM_TRY(gm_poll(c));
    GM_TRY(gm_vit_block_forward(c, &w->blocks[i], &w->shape, x, 1, tokens));
    if (keep[i + 1]) memcpy(keep[i + 1], x, n * sizeof *x);
  }
  return GM_OK;
}

gm_status gm_dinov2_forward(gm_compute *c, const gm_dinov2 *w, const float *pixels,
                            float *const *keep) {
  gm_arena_mark mark = gm_arena_save(&c->arena);
  gm_status status = forward(c, w, pixels, keep);
  gm_arena_restore(&c->arena, mark);
  return status;
}

/* proposer_encoder.c - see proposer_encoder.h. */
#include "proposer_encoder.h"

#include "groma_sizes.h"
#include "sine_position.h"

#include <assert.h>
#include <stdlib.h>

#define TWO_PI 6.28318530717958647692

/* ---- loading */

#define INPUT "perceiver.input_proj.0."
#define LAYERS GM_DDETR "encoder.layers.%."
#define ATTENTION "self_attn."

void gm_proposer_encoder_rules(gm_tensor_rules *rules, const size_t *dims) {
  size_t d = dims[PROP_DIM], C = dims[VIT_DIM], n_levels = dims[LEVELS];
  size_t layers = dims[ENC_LAYERS];
  gm_rules_group(rules, "proposer", INPUT, NULL, 1);
  GM_PROPOSER_INPUT(GM_VEC_RULE, GM_MAT_RULE, GM_TENSOR_RULE)
  gm_rules_group(rules, "proposer", GM_DDETR, NULL, 1);
  GM_PROPOSER_LEVELS(GM_VEC_RULE, GM_MAT_RULE)
  gm_rules_group(rules, "proposer", LAYERS ATTENTION, NULL, layers);
  gm_deform_attention_rules(rules, d, dims[ENC_OFFSETS], dims[ENC_WEIGHTS]);
  gm_rules_group(rules, "proposer", LAYERS, NULL, layers);
  GM_PROPOSER_ENCODER_NORM(GM_VEC_RULE, GM_MAT_RULE)
  gm_proposer_ffn_rules(rules, d, dims[ENC_FFN]);
}

/* position = (y features, x features) of every cell + level_embed */
gm_status gm_proposer_encoder_refresh(gm_proposer_encoder *w, gm_error *err) {
  size_t n = w->grid, d = w->dim, half = d / 2;
  assert(d % 4 == 0); /* a sine and a cosine for each axis */
  float *scratch = malloc((n * half + d) * sizeof *scratch);
  if (!scratch)
    return gm_fail_memory(err, "proposer positions", (n * half + d) * sizeof *scratch);
  float *level_row = scratch + n * half;
  gm_type_traits_of(w->levels.type)->to_float(level_row, w->levels.data, d);
  for (size_t i = 0; i < n; i++) {
    float angle = (float)(((double)i + 0.5) / ((double)n + 1e-6) * TWO_PI);
    gm_sine_position(scratch + i * half, half, angle);
  }
  for (size_t y = 0; y < n; y++) {
    for (size_t x = 0; x < n; x++) {
      float *row = w->position + (y * n + x) * d;
      for (size_t k = 0; k < half; k++) {
        row[k] = scratch[y * half + k] + level_row[k];
        row[half + k] = scratch[x * half + k] + level_row[half + k];
      }
    }
  }
  free(scratch);
  return GM_OK;
}

/* Positions, and references: cell centres, with offsets counted in cells. */
static gm_status make_position(gm_proposer_encoder *w, const gm_weight_loader *l) {
  size_t n = w->grid, d = w->dim, n_levels = 1;
  GM_PROPOSER_LEVELS(GM_VEC_LOAD, GM_MAT_LOAD)
  w->position = malloc(n * n * d * sizeof *w->position);
  w->references = malloc(n * n * sizeof *w->references);
  if (!w->position || !w->references)
    return gm_fail_memory(l->err, "proposer positions", n * n * d * sizeof *w->position);
  float cell = 1.0f / (float)n;
  for (size_t y = 0; y < n; y++)
    for (size_t x = 0; x < n; x++)
      w->references[y * n + x] = (gm_reference){((float)x + 0.5f) / (float)n,
                                                ((float)y + 0.5f) / (float)n, cell, cell};
  return gm_proposer_encoder_refresh(w, l->err);
}

static gm_status load_layer(gm_proposer_encoder_layer *w, const gm_weight_loader *l, size_t d,
                            size_t heads) {
  gm_weight_loader attention = gm_weight_loader_below(l, ATTENTION);
  GM_TRY(gm_deform_attention_load(&w->attention, &attention, d, heads));
  GM_PROPOSER_ENCODER_NORM(GM_VEC_LOAD, GM_MAT_LOAD)
  return gm_proposer_ffn_load(&w->ffn, l, d);
}

static gm_status load_input(gm_proposer_encoder *w, const gm_weight_loader *l) {
  GM_TRY(gm_load_matrix(l, "0.weight", 0, w->width, &w->input));
  size_t C = w->width, d = w->dim = w->input.shape[0];
  GM_PROPOSER_INPUT(GM_VEC_LOAD, GM_MAT_LOAD, GM_TENSOR_LOAD)
  return GM_OK;
}

gm_status gm_proposer_encoder_load(gm_proposer_encoder *w, const gm_model_file *file,
                                   const gm_groma_hparams *hparams, size_t C, gm_error *err) {
  *w = (gm_proposer_encoder){.grid = hparams->image_size / hparams->patch_size,
                             .width = C,
                             .n_layers = hparams->encoder_layers};
  gm_weight_loader l = gm_weight_loader_at(file, err, INPUT, 0);
  GM_TRY(load_input(w, &l));
  size_t d = w->dim, heads = hparams->encoder_heads;
  if (d % 4 || d % heads)
    return gm_fail(err, GM_ERR_MODEL,
                   "%s: the proposer is %zu wide; wanted a multiple of 4 and of its %zu heads",
                   gm_model_file_name(file), d, heads);
  l = gm_weight_loader_at(file, err, GM_DDETR, 0);
  GM_TRY(make_position(w, &l));
  w->layers = calloc(w->n_layers, sizeof *w->layers);
  if (!w->layers)
    return gm_fail_memory(err, "proposer layers", w->n_layers * sizeof *w->layers);
  for (size_t i = 0; i < w->n_layers; i++) {
    l = gm_weight_loader_at(file, err, LAYERS, i);
    GM_TRY(load_layer(&w->layers[i], &l, d, heads));
  }
  return GM_OK;
}

void gm_proposer_encoder_free(gm_proposer_encoder *w) {
  free(w->position);
  free(w->references);
  free(w->layers);
  *w = (gm_proposer_encoder){0};
}

/* ---- forward */

gm_status gm_proposer_encoder_input(gm_compute *c, const gm_proposer_encoder *w,
                                    const float *features, float *x) {
  size_t rows = w->grid * w->grid, d = w->dim;
  gm_linear_out project = {.w = &w->input, .bias = w->input_b, .y = x, .ldy = d};
  GM_TRY(gm_linear(c, features, w->width, rows, &project, 1));
  gm_layer_norm(c, x, x, rows, d, w->input_norm_w, w->input_norm_b, GM_PROPOSER_INPUT_EPS);
  return GM_OK;
}

static gm_status forward(gm_compute *c, const gm_proposer_encoder *w, float *x) {
  size_t n = w->grid, rows = n * n, d = w->dim;
  float *query = gm_scratch_f32(c, rows * d, "proposer queries");
  float *value = gm_scratch_f32(c, rows * d, "deformable values");
  if (!query || !value) return GM_ERR_MEMORY;
  for (size_t i = 0; i < w->n_layers; i++) {
    const gm_proposer_encoder_layer *layer = &w->layers[i];
    GM_TRY(gm_poll(c));
    /* x = norm(x + attention(x + position, x)) */
    gm_linear_out project = gm_deform_attention_value(&layer->attention, value);
    GM_TRY(gm_linear(c, x, d, rows, &project, 1));
    gm_add(c, query, x, w->position, rows * d);
    GM_TRY(gm_deform_attention_forward(c, &layer->attention, x, query, w->references, rows,
                                       value, n));
    gm_layer_norm(c, x, x, rows, d, layer->norm_w, layer->norm_b, GM_PROPOSER_EPS);
    GM_TRY(gm_proposer_ffn_forward(c, &layer->ffn, x, rows));
  }
  return GM_OK;
}

gm_status gm_proposer_encoder_forward(gm_compute *c, const gm_proposer_encoder *w, float *x) {
  gm_arena_mark mark = gm_arena_save(&c->arena);
  gm_status status = forward(c, w, x);
  gm_arena_restore(&c->arena, mark);
  return status;
}

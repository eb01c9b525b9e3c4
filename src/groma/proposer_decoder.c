/* proposer_decoder.c - see proposer_decoder.h. */
#include "proposer_decoder.h"

#include "groma_sizes.h"
#include "logistic.h"
#include "proposals.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- loading */

#define LAYERS "decoder.layers.%."
#define CROSS "encoder_attn."
#define SCORE "class_embed_enc."
#define BOXES "bbox_embed.%."

/* Upstream has the heads under two names. */
static void head_group(gm_tensor_rules *rules, const char *prefix, const char *other_prefix,
                       size_t layers) {
  gm_rules_group(rules, "proposer", prefix, other_prefix, layers);
}
#define HEAD_GROUP(rules, name, layers)                                                        \
  head_group(rules, GM_DDETR name, GM_DDETR "decoder." name, layers)

void gm_proposer_decoder_rules(gm_tensor_rules *rules, const size_t *dims) {
  size_t d = dims[PROP_DIM], q = dims[QUERIES], A = dims[BOX1], B = dims[BOX2];
  size_t layers = dims[DEC_LAYERS];
  gm_rules_group(rules, "proposer", GM_DDETR, NULL, 1);
  GM_PROPOSER_DECODER_WEIGHTS(GM_VEC_RULE, GM_MAT_RULE)
  gm_rules_group(rules, "proposer", GM_DDETR LAYERS, NULL, layers);
  GM_PROPOSER_SELF_ATTENTION(GM_VEC_RULE, GM_MAT_RULE)
  gm_rules_group(rules, "proposer", GM_DDETR LAYERS CROSS, NULL, layers);
  gm_deform_attention_rules(rules, d, dims[DEC_OFFSETS], dims[DEC_WEIGHTS]);
  gm_rules_group(rules, "proposer", GM_DDETR LAYERS, NULL, layers);
  GM_PROPOSER_CROSS_NORM(GM_VEC_RULE, GM_MAT_RULE)
  gm_proposer_ffn_rules(rules, d, dims[DEC_FFN]);
  HEAD_GROUP(rules, SCORE, 1);
  GM_OBJECTNESS_WEIGHTS(GM_VEC_RULE, GM_MAT_RULE)
  HEAD_GROUP(rules, GM_PROPOSER_COCO, layers);
  GM_OBJECTNESS_WEIGHTS(GM_VEC_RULE, GM_MAT_RULE)
  HEAD_GROUP(rules, GM_PROPOSER_SA1B, layers);
  GM_OBJECTNESS_WEIGHTS(GM_VEC_RULE, GM_MAT_RULE)
  HEAD_GROUP(rules, BOXES, layers + 1); /* the last serves the proposals */
  GM_BOX_HEAD_WEIGHTS(GM_VEC_RULE, GM_MAT_RULE)
}

static gm_status load_box_head(gm_box_head *w, const gm_weight_loader *l, size_t d) {
  GM_TRY(gm_load_matrix(l, "layers.0.weight", 0, d, &w->fc1));
  size_t A = w->width1 = w->fc1.shape[0];
  GM_TRY(gm_load_matrix(l, "layers.1.weight", 0, A, &w->fc2));
  size_t B = w->width2 = w->fc2.shape[0];
  GM_BOX_HEAD_WEIGHTS(GM_VEC_LOAD, GM_MAT_LOAD)
  return GM_OK;
}

static gm_status load_layer(gm_proposer_decoder_layer *w, const gm_weight_loader *l, size_t d,
                            size_t heads) {
  GM_PROPOSER_SELF_ATTENTION(GM_VEC_LOAD, GM_MAT_LOAD)
  gm_weight_loader cross = gm_weight_loader_below(l, CROSS);
  GM_TRY(gm_deform_attention_load(&w->cross, &cross, d, heads));
  GM_PROPOSER_CROSS_NORM(GM_VEC_LOAD, GM_MAT_LOAD)
  return gm_proposer_ffn_load(&w->ffn, l, d);
}

gm_status gm_objectness_load(gm_objectness_head *w, const gm_model_file *file,
                             const char *prefix, size_t layer, size_t d, gm_error *err) {
  gm_weight_loader at = gm_weight_loader_at(file, err, prefix, layer), *l = &at;
  GM_OBJECTNESS_WEIGHTS(GM_VEC_LOAD, GM_MAT_LOAD)
  return GM_OK;
}

static gm_status load_top(gm_proposer_decoder *w, const gm_weight_loader *l) {
  size_t d = w->dim, q = w->n_queries, last = w->n_layers - 1;
  GM_PROPOSER_DECODER_WEIGHTS(GM_VEC_LOAD, GM_MAT_LOAD)
  GM_TRY(gm_objectness_load(&w->score, l->file, GM_DDETR SCORE, 0, d, l->err));
  GM_TRY(gm_objectness_load(&w->coco, l->file, GM_DDETR GM_PROPOSER_COCO, last, d, l->err));
  return gm_objectness_load(&w->sa1b, l->file, GM_DDETR GM_PROPOSER_SA1B, last, d, l->err);
}

gm_status gm_proposer_decoder_load(gm_proposer_decoder *w, const gm_model_file *file,
                                   const gm_groma_hparams *hparams, size_t d, gm_error *err) {
  *w = (gm_proposer_decoder){.grid = hparams->image_size / hparams->patch_size,
                             .dim = d,
                             .heads = hparams->decoder_heads,
                             .n_queries = hparams->proposals,
                             .n_layers = hparams->decoder_layers};
  if (d % w->heads || d / w->heads > GM_MAX_HEAD_DIM)
    return gm_fail(err, GM_ERR_MODEL,
                   "%s: the proposer is %zu wide with %zu decoder heads; wanted heads that "
                   "divide it into at most %d each",
                   gm_model_file_name(file), d, w->heads, (int)GM_MAX_HEAD_DIM);
  gm_weight_loader top = gm_weight_loader_at(file, err, GM_DDETR, 0);
  GM_TRY(load_top(w, &top));
  w->layers = calloc(w->n_layers, sizeof *w->layers);
  w->box_heads = calloc(w->n_layers + 1, sizeof *w->box_heads);
  if (!w->layers || !w->box_heads)
    return gm_fail_memory(err, "proposer layers", w->n_layers * sizeof *w->layers);
  for (size_t i = 0; i < w->n_layers; i++) {
    gm_weight_loader l = gm_weight_loader_at(file, err, GM_DDETR LAYERS, i);
    GM_TRY(load_layer(&w->layers[i], &l, d, w->heads));
  }
  for (size_t i = 0; i <= w->n_layers; i++) {
    gm_weight_loader l = gm_weight_loader_at(file, err, GM_DDETR BOXES, i);
    GM_TRY(load_box_head(&w->box_heads[i], &l, d));
  }
  return GM_OK;
}

void gm_proposer_decoder_free(gm_proposer_decoder *w) {
  free(w->layers);
  free(w->box_heads);
  *w = (gm_proposer_decoder){0};
}

/* ---- boxes and their logits */

/* boxes = sigmoid(offset + inverse_sigmoid(from)), row by row. */
static void refine(gm_rel_box *boxes, const float *offset, const gm_rel_box *from, size_t n) {
  float *out = (float *)boxes;
  const float *base = (const float *)from;
  for (size_t i = 0; i < 4 * n; i++)
    out[i] = gm_sigmoid(offset[i] + gm_inverse_sigmoid(base[i]));
}

/* out[rows, 4] = fc3(relu(fc2(relu(fc1(x[rows, d]))))) */
static gm_status box_head(gm_compute *c, const gm_box_head *w, const float *x, size_t rows,
                          size_t d, float *out) {
  size_t A = w->width1, B = w->width2;
  gm_arena_mark mark = gm_arena_save(&c->arena);
  float *a = gm_scratch_f32(c, rows * A, "box head"),
        *b = gm_scratch_f32(c, rows * B, "box head");
  if (!a || !b) return GM_ERR_MEMORY;
  gm_linear_out fc1 = {.w = &w->fc1, .bias = w->fc1_b, .act = GM_ACT_RELU, .y = a, .ldy = A};
  gm_linear_out fc2 = {.w = &w->fc2, .bias = w->fc2_b, .act = GM_ACT_RELU, .y = b, .ldy = B};
  gm_linear_out fc3 = {.w = &w->fc3, .bias = w->fc3_b, .y = out, .ldy = 4};
  gm_status status = gm_linear(c, x, d, rows, &fc1, 1);
  if (status == GM_OK) status = gm_linear(c, a, A, rows, &fc2, 1);
  if (status == GM_OK) status = gm_linear(c, b, B, rows, &fc3, 1);
  gm_arena_restore(&c->arena, mark);
  return status;
}

/* ---- first stage */

/* best[q, d] = the rows of LN(Linear(memory)) with the best q scores; cells[q] says which. */
static gm_status best_cells(gm_compute *c, const gm_proposer_decoder *w, const float *memory,
                            float *best, uint32_t *cells) {
  size_t n = w->grid, N = n * n, d = w->dim;
  float *masked = gm_scratch_f32(c, N * d, "masked memory");
  float *query = gm_scratch_f32(c, N * d, "first-stage queries");
  float *score = gm_scratch_f32(c, N, "first-stage scores");
  gm_scored_cell *order = gm_scratch(c, N * sizeof *order, "first-stage order");
  if (!masked || !query || !score || !order) return GM_ERR_MEMORY;

  memcpy(masked, memory, N * d * sizeof *masked);
  for (size_t i = 0; i < N; i++) {
    float logits[4];
    if (!gm_proposal_logits(logits, i, n)) memset(masked + i * d, 0, d * sizeof *masked);
  }
  gm_linear_out project = {.w = &w->memory, .bias = w->memory_b, .y = query, .ldy = d};
  GM_TRY(gm_linear(c, masked, d, N, &project, 1));
  gm_layer_norm(c, query, query, N, d, w->memory_norm_w, w->memory_norm_b, GM_PROPOSER_EPS);
  gm_linear_out scores = {.w = &w->score.weight, .bias = w->score.bias, .y = score, .ldy = 1};
  GM_TRY(gm_linear(c, query, d, N, &scores, 1));

  gm_best_cells(score, N, order, w->n_queries, cells);
  for (size_t k = 0; k < w->n_queries; k++)
    memcpy(best + k * d, query + cells[k] * d, d * sizeof *best);
  return GM_OK;
}

/* reference = sigmoid(bbox_embed[L](best query) + proposal logits) */
static gm_status first_stage(gm_compute *c, const gm_proposer_decoder *w, const float *memory,
                             gm_rel_box *reference) {
  size_t q = w->n_queries, d = w->dim;
  float *best = gm_scratch_f32(c, q * d, "best queries");
  float *offset = gm_scratch_f32(c, q * 4, "box offsets");
  uint32_t *cells = gm_scratch(c, q * sizeof *cells, "best cells");
  if (!best || !offset || !cells) return GM_ERR_MEMORY;
  GM_TRY(best_cells(c, w, memory, best, cells));
  GM_TRY(box_head(c, &w->box_heads[w->n_layers], best, q, d, offset));
  for (size_t k = 0; k < q; k++) {
    float logits[4], *row = (float *)&reference[k];
    gm_proposal_logits(logits, cells[k], w->grid);
    for (int j = 0; j < 4; j++) row[j] = gm_sigmoid(offset[4 * k + (size_t)j] + logits[j]);
  }
  return GM_OK;
}

/* position[q, d] = first half of LN(Linear(sine features of cx, cy, w, h)) */
static gm_status query_position(gm_compute *c, const gm_proposer_decoder *w,
                                const gm_rel_box *reference, float *position) {
  size_t q = w->n_queries, d = w->dim;
  float *sine = gm_scratch_f32(c, q * 2 * d, "box features");
  float *mapped = gm_scratch_f32(c, q * 2 * d, "query positions");
  if (!sine || !mapped) return GM_ERR_MEMORY;
  gm_box_features(sine, reference, q, d);
  gm_linear_out map = {.w = &w->position, .bias = w->position_b, .y = mapped, .ldy = 2 * d};
  GM_TRY(gm_linear(c, sine, 2 * d, q, &map, 1));
  gm_layer_norm(c, mapped, mapped, q, 2 * d, w->position_norm_w, w->position_norm_b,
                GM_PROPOSER_EPS);
  for (size_t k = 0; k < q; k++)
    memcpy(position + k * d, mapped + k * 2 * d, d * sizeof *position);
  return GM_OK;
}

/* ---- layers */

/* What a layer is given. */
typedef struct decoder_input {
  const float *value, *position; /* value: of this layer */
  const gm_reference *where;
} decoder_input;

/* h = norm(h + out(attention(q, k = h + position, v = h))) */
static gm_status self_attention(gm_compute *c, const gm_proposer_decoder *w,
                                const gm_proposer_decoder_layer *layer, float *h,
                                const float *query) {
  size_t q = w->n_queries, d = w->dim, head_dim = d / w->heads;
  assert(head_dim * w->heads == d && head_dim <= GM_MAX_HEAD_DIM);
  float *qkv = gm_scratch_f32(c, q * 3 * d, "queries, keys, values");
  float *mixed = gm_scratch_f32(c, q * d, "attention output");
  if (!qkv || !mixed) return GM_ERR_MEMORY;
  gm_linear_out qk[2] = {
      {.w = &layer->q, .bias = layer->q_b, .y = qkv, .ldy = 3 * d},
      {.w = &layer->k, .bias = layer->k_b, .y = qkv + d, .ldy = 3 * d},
  };
  gm_linear_out v = {.w = &layer->v, .bias = layer->v_b, .y = qkv + 2 * d, .ldy = 3 * d};
  GM_TRY(gm_linear(c, query, d, q, qk, 2));
  GM_TRY(gm_linear(c, h, d, q, &v, 1));
  gm_kv_span span = {qkv + d, qkv + 2 * d, q, 3 * d, head_dim};
  gm_attention_args a = {.q = qkv,
                         .q_row = 3 * d,
                         .spans = &span,
                         .n_spans = 1,
                         .k_type = GM_TYPE_F32,
                         .v_type = GM_TYPE_F32,
                         .tq = q,
                         .heads = w->heads,
                         .kv_heads = w->heads,
                         .head_dim = head_dim,
                         .scale = 1.0f / sqrtf((float)head_dim),
                         .out = mixed,
                         .out_row = d};
  bool rounds = c->kernels->rounds[layer->q.type];
  GM_TRY(rounds ? gm_attention_rounded(c, &a) : gm_attention(c, &a));
  gm_linear_out out = {
      .w = &layer->out, .bias = layer->out_b, .accumulate = true, .y = h, .ldy = d};
  GM_TRY(gm_linear(c, mixed, d, q, &out, 1));
  gm_layer_norm(c, h, h, q, d, layer->self_norm_w, layer->self_norm_b, GM_PROPOSER_EPS);
  return GM_OK;
}

static gm_status run_layer(gm_compute *c, const gm_proposer_decoder *w,
                           const gm_proposer_decoder_layer *layer, const decoder_input *in,
                           float *h) {
  size_t q = w->n_queries, d = w->dim;
  float *query = gm_scratch_f32(c, q * d, "decoder queries");
  if (!query) return GM_ERR_MEMORY;
  gm_add(c, query, h, in->position, q * d);
  GM_TRY(self_attention(c, w, layer, h, query));
  /* h = norm(h + deformable(h + position, memory)) */
  gm_add(c, query, h, in->position, q * d);
  GM_TRY(gm_deform_attention_forward(c, &layer->cross, h, query, in->where, q, in->value,
                                     w->grid));
  gm_layer_norm(c, h, h, q, d, layer->cross_norm_w, layer->cross_norm_b, GM_PROPOSER_EPS);
  return gm_proposer_ffn_forward(c, &layer->ffn, h, q);
}

/* value[L][n*n, d]: what the layers read of the memory, in one product of it. */
static gm_status project_values(gm_compute *c, const gm_proposer_decoder *w,
                                const float *memory, float *value) {
  size_t cells = w->grid * w->grid, L = w->n_layers;
  gm_linear_out *outs = gm_scratch(c, L * sizeof *outs, "deformable values");
  if (!outs) return GM_ERR_MEMORY;
  for (size_t i = 0; i < L; i++)
    outs[i] = gm_deform_attention_value(&w->layers[i].cross, value + i * cells * w->dim);
  return gm_linear(c, memory, w->dim, cells, outs, L);
}

/* Runs the layers on result->states; previous[q, d] = the states before the last layer. */
static gm_status run_layers(gm_compute *c, const gm_proposer_decoder *w, const float *memory,
                            const gm_proposer_result *result, float *previous) {
  size_t q = w->n_queries, d = w->dim, cells = w->grid * w->grid;
  float *value = gm_scratch_f32(c, w->n_layers * cells * d, "deformable values");
  float *position = gm_scratch_f32(c, q * d, "query positions");
  gm_reference *where = gm_scratch(c, q * sizeof *where, "sampling references");
  int32_t *all = gm_scratch(c, q * sizeof *all, "query numbers");
  if (!value || !position || !where || !all) return GM_ERR_MEMORY;
  GM_TRY(project_values(c, w, memory, value));
  GM_TRY(query_position(c, w, result->reference, position));
  for (size_t k = 0; k < q; k++) all[k] = (int32_t)k;
  gm_get_rows(result->states, d, &w->content, all, q);

  for (size_t i = 0; i < w->n_layers; i++) {
    const gm_proposer_decoder_layer *layer = &w->layers[i];
    GM_TRY(gm_poll(c));
    if (i + 1 == w->n_layers) memcpy(previous, result->states, q * d * sizeof *previous);
    gm_box_references(where, result->reference, q, layer->cross.points);
    decoder_input in = {value + i * cells * d, position, where};
    gm_arena_mark mark = gm_arena_save(&c->arena);
    gm_status status = run_layer(c, w, layer, &in, result->states);
    gm_arena_restore(&c->arena, mark);
    if (status != GM_OK) return status;
  }
  return GM_OK;
}

static gm_status heads(gm_compute *c, const gm_proposer_decoder *w, const float *previous,
                       const gm_proposer_result *result) {
  size_t q = w->n_queries, d = w->dim, L = w->n_layers;
  float *offset = gm_scratch_f32(c, q * 4, "box offsets");
  gm_rel_box *from = gm_scratch(c, q * sizeof *from, "boxes before the last layer");
  if (!offset || !from) return GM_ERR_MEMORY;
  assert(L > 0);
  gm_linear_out objectness[2] = {
      {.w = &w->coco.weight, .bias = w->coco.bias, .y = result->coco, .ldy = 1},
      {.w = &w->sa1b.weight, .bias = w->sa1b.bias, .y = result->sa1b, .ldy = 1},
  };
  GM_TRY(gm_linear(c, result->states, d, q, objectness, 2));

  memcpy(from, result->reference, q * sizeof *from);
  if (L > 1) {
    GM_TRY(box_head(c, &w->box_heads[L - 2], previous, q, d, offset));
    refine(from, offset, result->reference, q);
  }
  GM_TRY(box_head(c, &w->box_heads[L - 1], result->states, q, d, offset));
  refine(result->boxes, offset, from, q);
  return GM_OK;
}

static gm_status forward(gm_compute *c, const gm_proposer_decoder *w, const float *memory,
                         const gm_proposer_result *result) {
  float *previous = gm_scratch_f32(c, w->n_queries * w->dim, "previous states");
  if (!previous) return GM_ERR_MEMORY;
  GM_TRY(first_stage(c, w, memory, result->reference));
  GM_TRY(run_layers(c, w, memory, result, previous));
  return heads(c, w, previous, result);
}

gm_status gm_proposer_decoder_forward(gm_compute *c, const gm_proposer_decoder *w,
                                      const float *memory, const gm_proposer_result *result) {
  gm_arena_mark mark = gm_arena_save(&c->arena);
  gm_status status = forward(c, w, memory, result);
  gm_arena_restore(&c->arena, mark);
  return status;
}

/* clip_text.c - see clip_text.h. */
#include "clip_text.h"

#include "clip_sizes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { GROUP_TOKENS = 1024 };

/* ---- loading */

/* A family's names. */
typedef struct text_names {
  GM_CLIP_TEXT_INPUT(GM_VEC_NAME, GM_MAT_NAME)
  GM_CLIP_TEXT_OUTPUT(GM_VEC_NAME, GM_MAT_NAME, GM_TENSOR_NAME)
  bool turned;
  const char *blocks; /* prefix of a block's names */
} text_names;

static const text_names fused_names = {
    .embedding = "token_embedding.weight",
    .positions = "positional_embedding",
    .ln_final_w = "ln_final.weight",
    .ln_final_b = "ln_final.bias",
    .projection = "text_projection",
    .turned = true,
    .blocks = "transformer.resblocks.%.",
};

static const text_names separate_names = {
    .embedding = "text_model.embeddings.token_embedding.weight",
    .positions = "text_model.embeddings.position_embedding.weight",
    .ln_final_w = "text_model.final_layer_norm.weight",
    .ln_final_b = "text_model.final_layer_norm.bias",
    .projection = "text_projection.weight",
    .blocks = "text_model.encoder.layers.%.",
};

void gm_clip_text_rules(gm_tensor_rules *rules, const size_t *dims, bool fused) {
  const text_names *names = fused ? &fused_names : &separate_names;
  size_t C = dims[T_DIM], D = dims[CLIP_FEATURES];
  size_t vocabulary = dims[T_VOCAB], context = dims[T_ROWS];
  gm_rules_group(rules, "text", "", NULL, 1);
  GM_CLIP_TEXT_INPUT(GM_VEC_RULE, GM_MAT_RULE)
  gm_rules_group(rules, "text", names->blocks, NULL, dims[T_LAYERS]);
  gm_vit_block_rules(rules, gm_clip_tower_names(fused), C, dims[T_FFN]);
  gm_rules_group(rules, "text", "", NULL, 1);
  GM_CLIP_TEXT_OUTPUT(GM_VEC_RULE, GM_MAT_RULE, GM_TENSOR_RULE)
}

static gm_status load_ends(gm_clip_text *w, const gm_weight_loader *l,
                           const text_names *names) {
  size_t C = w->shape.dim, D = 0, vocabulary = w->vocabulary, context = 0; /* any D, context */
  GM_CLIP_TEXT_INPUT(GM_VEC_LOAD, GM_MAT_LOAD)
  GM_CLIP_TEXT_OUTPUT(GM_VEC_LOAD, GM_MAT_LOAD, GM_TENSOR_LOAD)
  w->features = w->projection.shape[0];
  w->context = w->positions.shape[0];
  assert(gm_tensor_rows(&w->embedding) == w->vocabulary);
  if (w->context >= 2 && w->context <= 4096) return GM_OK;
  return gm_fail(l->err, GM_ERR_MODEL, "%s: a text context of %zu, wanted 2 to 4096",
                 gm_model_file_name(l->file), w->context);
}

gm_status gm_clip_text_load(gm_clip_text *w, const gm_model_file *file,
                            const gm_clip_hparams *hparams, gm_error *err) {
  const text_names *names = hparams->fused ? &fused_names : &separate_names;
  *w = (gm_clip_text){.layers = hparams->text_layers};
  gm_weight_loader l = gm_weight_loader_at(file, err, "", 0);
  gm_tensor embedding;
  GM_TRY(gm_load_matrix(&l, names->embedding, 0, 0, &embedding));
  size_t C = embedding.shape[1];
  w->vocabulary = embedding.shape[0];
  GM_TRY(gm_clip_tower_check_heads(file, "text", C, hparams->text_heads, err));
  w->shape = (gm_vit_shape){.dim = C,
                            .heads = hparams->text_heads,
                            .eps = hparams->text_eps,
                            .act = hparams->text_act,
                            .causal = true};
  GM_TRY(load_ends(w, &l, names));
  GM_TRY(gm_clip_tower_table(&w->position, &w->positions, err));
  return gm_clip_tower_blocks(&w->blocks, file, hparams->fused, names->blocks, w->layers,
                              &w->shape, err);
}

void gm_clip_text_free(gm_clip_text *w) {
  free(w->position);
  free(w->blocks);
  *w = (gm_clip_text){0};
}

void gm_clip_text_refresh(gm_clip_text *w) {
  gm_clip_tower_fill_table(w->position, &w->positions);
}

/* ---- forward */

/* Computes the texts order[0..n), which share the computed length `tokens`; writes the features
 * to their places in out. */
static gm_status forward_group(gm_compute *c, const gm_clip_text *w, const int32_t *ids,
                               const size_t *ends, const size_t *order, size_t n, size_t tokens,
                               float *out) {
  size_t C = w->shape.dim;
  float *x = gm_scratch_f32(c, n * tokens * C, "text tower states");
  float *last = gm_scratch_f32(c, n * C, "end-of-text rows");
  float *features = gm_scratch_f32(c, n * w->features, "text features");
  size_t *at = gm_scratch(c, n * sizeof *at, "end-of-text rows");
  if (!x || !last || !features || !at) return GM_ERR_MEMORY;
  for (size_t i = 0; i < n; i++) {
    at[i] = ends[order[i]];
    float *rows = x + i * tokens * C;
    gm_get_rows(rows, C, &w->embedding, ids + order[i] * w->context, tokens);
    gm_add(c, rows, rows, w->position, tokens * C);
  }
  GM_TRY(gm_clip_tower_forward(c, w->blocks, w->layers, &w->shape, x, n, tokens, at, last));
  GM_TRY(gm_clip_tower_features(c, last, n, C, w->ln_final_w, w->ln_final_b, w->shape.eps,
                                &w->projection, features));
  for (size_t i = 0; i < n; i++)
    memcpy(out + order[i] * w->features, features + i * w->features, w->features * sizeof *out);
  return GM_OK;
}

/* Sorts indices by falling length with a counting sort; lengths are below the context. */
static void order_by_length(size_t *order, size_t *starts, const size_t *ends, size_t n,
                            size_t context) {
  memset(starts, 0, (context + 1) * sizeof *starts);
  for (size_t i = 0; i < n; i++) starts[context - ends[i]]++;
  for (size_t sum = 0, i = 0; i <= context; i++) {
    size_t count = starts[i];
    starts[i] = sum;
    sum += count;
  }
  for (size_t i = 0; i < n; i++) order[starts[context - ends[i]]++] = i;
}

gm_status gm_clip_text_forward(gm_compute *c, const gm_clip_text *w, const int32_t *ids,
                               const size_t *ends, size_t n, float *out) {
  gm_arena_mark all = gm_arena_save(&c->arena);
  size_t *order = gm_scratch(c, (n + 1) * sizeof *order, "text order");
  size_t *starts = gm_scratch(c, (w->context + 1) * sizeof *starts, "text lengths");
  gm_status status = order && starts ? GM_OK : GM_ERR_MEMORY;
  if (status == GM_OK) order_by_length(order, starts, ends, n, w->context);
  for (size_t i = 0; status == GM_OK && i < n;) {
    assert(ends[order[i]] < w->context);
    size_t tokens = ends[order[i]] + 1,
           group = GROUP_TOKENS / tokens ? GROUP_TOKENS / tokens : 1;
    size_t count = n - i < group ? n - i : group;
    gm_arena_mark mark = gm_arena_save(&c->arena);
    status = forward_group(c, w, ids, ends, order + i, count, tokens, out);
    gm_arena_restore(&c->arena, mark);
    i += count;
  }
  gm_arena_restore(&c->arena, all);
  return status;
}

/* proposer_train.c - see proposer_train.h. */
#include "proposer_train.h"

#include "proposals.h"
#include "proposer_heads.h"
#include "proposer_layers.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- loading */

gm_status gm_proposer_learner_load(gm_proposer_learner *w, const gm_model_file *file,
                                   const gm_groma_hparams *hparams, size_t C, gm_error *err) {
  static const char *const prefixes[GM_SOURCES] = {GM_DDETR GM_PROPOSER_COCO,
                                                   GM_DDETR GM_PROPOSER_SA1B};
  *w = (gm_proposer_learner){.classes = {NULL}};
  GM_TRY(gm_proposer_encoder_load(&w->encoder, file, hparams, C, err));
  size_t d = w->encoder.dim;
  GM_TRY(gm_proposer_decoder_load(&w->decoder, file, hparams, d, err));
  size_t L = w->decoder.n_layers;
  for (size_t k = 0; k < GM_SOURCES; k++) {
    w->classes[k] = calloc(L, sizeof *w->classes[k]);
    if (!w->classes[k]) return gm_fail_memory(err, "class heads", L * sizeof *w->classes[k]);
    for (size_t l = 0; l < L; l++)
      GM_TRY(gm_objectness_load(&w->classes[k][l], file, prefixes[k], l, d, err));
  }
  return GM_OK;
}

void gm_proposer_learner_free(gm_proposer_learner *w) {
  gm_proposer_encoder_free(&w->encoder);
  gm_proposer_decoder_free(&w->decoder);
  for (size_t k = 0; k < GM_SOURCES; k++) free(w->classes[k]);
  *w = (gm_proposer_learner){.classes = {NULL}};
}

/* ---- one picture */

/* What a picture's forward leaves for its backward; all in the arena. */
typedef struct picture_run {
  const gm_training *t;
  const gm_proposer_learner *w;
  const float *features;
  float *d_features; /* or NULL */
  uint64_t place;    /* its first of gm_dropout */
  float *projected, *stats;
  float **memory; /* [encoder layers + 1]: the layers' inputs, and the last one's output */
  gm_encoder_layer_kept *encoder;
  gm_first_stage_kept first;
  gm_rel_box *reference;
  gm_reference *where; /* [q], of the layer that is being run */
  float *sine, *mapped, *map_stats, *normed, *position;
  float **states; /* [L + 1] */
  gm_decoder_layer_kept *decoder;
  gm_layer_heads_kept *heads;
} picture_run;

static uint64_t encoder_place(const picture_run *run, size_t layer) {
  return run->place + 1 + layer * GM_PROPOSER_PLACES;
}
static uint64_t decoder_place(const picture_run *run, size_t layer) {
  return encoder_place(run, run->w->encoder.n_layers + layer);
}
/* Places of a picture. */
static uint64_t n_places(const gm_proposer_learner *w) {
  return 1 + (uint64_t)(w->encoder.n_layers + w->decoder.n_layers) * GM_PROPOSER_PLACES;
}

static gm_deform_view encoder_view(const picture_run *run, size_t layer) {
  const gm_proposer_encoder *w = &run->w->encoder;
  return (gm_deform_view){w->position, run->memory[layer], w->references, w->grid * w->grid,
                          w->grid};
}

static gm_deform_view decoder_view(const picture_run *run, size_t layer) {
  const gm_proposer_decoder *w = &run->w->decoder;
  gm_box_references(run->where, run->reference, w->n_queries, w->layers[layer].cross.points);
  return (gm_deform_view){run->position, run->memory[run->w->encoder.n_layers], run->where,
                          w->n_queries, w->grid};
}

/* n arrays of `size` floats. */
static float **alloc_rows(gm_compute *c, size_t n, size_t size, const char *what) {
  float **rows = gm_scratch(c, n * sizeof *rows, what);
  for (size_t i = 0; rows && i < n; i++) {
    rows[i] = gm_scratch_f32(c, size, what);
    if (!rows[i]) return NULL;
  }
  return rows;
}

static gm_status alloc_run(picture_run *run) {
  gm_compute *c = run->t->c;
  const gm_proposer_encoder *e = &run->w->encoder;
  const gm_proposer_decoder *w = &run->w->decoder;
  size_t cells = e->grid * e->grid, d = e->dim, q = w->n_queries, L = w->n_layers;
  run->projected = gm_scratch_f32(c, cells * d, "projected features");
  run->stats = gm_scratch_f32(c, cells * 2, "norm statistics");
  run->memory = alloc_rows(c, e->n_layers + 1, cells * d, "encoder states");
  run->encoder = gm_scratch(c, e->n_layers * sizeof *run->encoder, "encoder layers");
  run->reference = gm_scratch(c, q * sizeof *run->reference, "reference boxes");
  run->where = gm_scratch(c, q * sizeof *run->where, "sampling references");
  run->sine = gm_scratch_f32(c, q * 2 * d, "box features");
  run->mapped = gm_scratch_f32(c, q * 2 * d, "query positions");
  run->map_stats = gm_scratch_f32(c, q * 2, "norm statistics");
  run->normed = gm_scratch_f32(c, q * 2 * d, "query positions");
  run->position = gm_scratch_f32(c, q * d, "query positions");
  run->states = alloc_rows(c, L + 1, q * d, "decoder states");
  run->decoder = gm_scratch(c, L * sizeof *run->decoder, "decoder layers");
  run->heads = gm_scratch(c, L * sizeof *run->heads, "heads");
  return run->projected && run->stats && run->memory && run->encoder && run->reference &&
                 run->where && run->sine && run->mapped && run->map_stats && run->normed &&
                 run->position && run->states && run->decoder && run->heads
             ? GM_OK
             : GM_ERR_MEMORY;
}

/* A layer's forward. With recompute it is run twice: what it keeps is dropped at first. */
static gm_status encoder_layer(picture_run *run, size_t layer) {
  gm_deform_view view = encoder_view(run, layer);
  return gm_encoder_layer_train(run->t, &run->w->encoder.layers[layer], &view,
                                run->memory[layer], encoder_place(run, layer),
                                run->memory[layer + 1], &run->encoder[layer]);
}

static gm_status decoder_layer(picture_run *run, size_t layer) {
  gm_deform_view view = decoder_view(run, layer);
  const gm_proposer_decoder *w = &run->w->decoder;
  return gm_decoder_layer_train(run->t, &w->layers[layer], w->heads, &view, run->states[layer],
                                decoder_place(run, layer), run->states[layer + 1],
                                &run->decoder[layer]);
}

static gm_status run_layers(picture_run *run, gm_status (*layer)(picture_run *, size_t),
                            size_t n) {
  gm_arena *arena = &run->t->c->arena;
  for (size_t i = 0; i < n; i++) {
    GM_TRY(gm_poll(run->t->c));
    gm_arena_mark mark = gm_arena_save(arena);
    gm_status status = layer(run, i);
    if (run->t->recompute || status != GM_OK) gm_arena_restore(arena, mark);
    GM_TRY(status);
  }
  return GM_OK;
}

static gm_status encode(picture_run *run) {
  const gm_training *t = run->t;
  const gm_proposer_encoder *w = &run->w->encoder;
  size_t cells = w->grid * w->grid, d = w->dim;
  GM_TRY(gm_linear_train(t, &w->input, w->input_b, run->features, w->width, cells,
                         run->projected, d));
  gm_layer_norm_train(t, run->memory[0], run->projected, run->stats, cells, d, w->input_norm_w,
                      w->input_norm_b, GM_PROPOSER_INPUT_EPS);
  gm_dropout(t, run->place, run->memory[0], cells * d);
  return run_layers(run, encoder_layer, w->n_layers);
}

/* The queries' positions and contents. The reference boxes have no gradient. */
static gm_status start_queries(picture_run *run) {
  const gm_training *t = run->t;
  const gm_proposer_decoder *w = &run->w->decoder;
  size_t q = w->n_queries, d = w->dim;
  gm_box_features(run->sine, run->reference, q, d);
  GM_TRY(
      gm_linear_train(t, &w->position, w->position_b, run->sine, 2 * d, q, run->mapped, 2 * d));
  gm_layer_norm_train(t, run->normed, run->mapped, run->map_stats, q, 2 * d, w->position_norm_w,
                      w->position_norm_b, GM_PROPOSER_EPS);
  for (size_t k = 0; k < q; k++)
    memcpy(run->position + k * d, run->normed + k * 2 * d, d * sizeof *run->position);
  gm_type_traits_of(w->content.type)->to_float(run->states[0], w->content.data, q * d);
  return GM_OK;
}

static gm_status forward(picture_run *run, gm_source source, const gm_detect_goal *goal,
                         gm_detect_loss *losses) {
  const gm_proposer_decoder *w = &run->w->decoder;
  size_t L = w->n_layers;
  GM_TRY(encode(run));
  GM_TRY(gm_first_stage_train(run->t, w, run->memory[run->w->encoder.n_layers], goal,
                              run->reference, &losses[L], &run->first));
  GM_TRY(start_queries(run));
  GM_TRY(run_layers(run, decoder_layer, L));
  return gm_layer_heads_train(run->t, w, run->w->classes[source], run->states + 1,
                              run->reference, goal, losses, run->heads);
}

/* ---- backward */

/* Gradients that flow through the picture; of two arrays that take turns the first is the
 * current one. */
typedef struct flow {
  float *d, *other;  /* by a layer's output, and by its input */
  float *d_position; /* by the queries' or the cells' positions, a sum over layers */
  float *d_memory;
} flow;

static void take_turns(flow *f) {
  float *swap = f->d;
  f->d = f->other;
  f->other = swap;
}

static gm_status decoder_layer_back(picture_run *run, size_t layer, flow *f) {
  const gm_proposer_decoder *w = &run->w->decoder;
  if (run->t->recompute) GM_TRY(decoder_layer(run, layer));
  gm_deform_view view = decoder_view(run, layer);
  return gm_decoder_layer_back(run->t, &w->layers[layer], w->heads, &view, &run->decoder[layer],
                               decoder_place(run, layer), f->d, f->other, f->d_position,
                               f->d_memory);
}

static gm_status encoder_layer_back(picture_run *run, size_t layer, flow *f) {
  if (run->t->recompute) GM_TRY(encoder_layer(run, layer));
  gm_deform_view view = encoder_view(run, layer);
  return gm_encoder_layer_back(run->t, &run->w->encoder.layers[layer], &view,
                               &run->encoder[layer], encoder_place(run, layer), f->d, f->other,
                               f->d_position);
}

static gm_status layer_back(picture_run *run, size_t layer, flow *f,
                            gm_status (*back)(picture_run *, size_t, flow *)) {
  GM_TRY(gm_poll(run->t->c));
  gm_arena_mark mark = gm_arena_save(&run->t->c->arena);
  gm_status status = back(run, layer, f);
  gm_arena_restore(&run->t->c->arena, mark);
  take_turns(f);
  return status;
}

/* What the positions of the queries leave to the weights that they are made of. */
static gm_status queries_back(picture_run *run, const flow *f) {
  const gm_training *t = run->t;
  const gm_proposer_decoder *w = &run->w->decoder;
  size_t q = w->n_queries, d = w->dim;
  float *d_normed = gm_scratch_f32(t->c, q * 2 * d, "gradient of positions");
  float *d_mapped = gm_scratch_f32(t->c, q * 2 * d, "gradient of positions");
  if (!d_normed || !d_mapped) return GM_ERR_MEMORY;
  for (size_t k = 0; k < q; k++) {
    memcpy(d_normed + k * 2 * d, f->d_position + k * d, d * sizeof *d_normed);
    memset(d_normed + k * 2 * d + d, 0, d * sizeof *d_normed);
  }
  GM_TRY(gm_layer_norm_back(t, d_mapped, false, run->mapped, run->map_stats, d_normed, q, 2 * d,
                            w->position_norm_w, w->position_norm_b));
  GM_TRY(gm_linear_back(t, &w->position, w->position_b, run->sine, 2 * d, d_mapped, 2 * d, q,
                        NULL, 0, false));
  float *d_content = gm_gradient(t, w->content.data);
  if (d_content) gm_add(t->c, d_content, d_content, f->d, q * d);
  return GM_OK;
}

static gm_status decoder_back(picture_run *run, gm_source source, float *d_memory) {
  gm_compute *c = run->t->c;
  const gm_proposer_decoder *w = &run->w->decoder;
  size_t n = w->n_queries * w->dim;
  flow f = {gm_scratch_f32(c, n, "decoder gradient"), gm_scratch_f32(c, n, "decoder gradient"),
            gm_scratch_f32(c, n, "gradient of positions"), d_memory};
  if (!f.d || !f.other || !f.d_position) return GM_ERR_MEMORY;
  memset(f.d, 0, n * sizeof *f.d);
  memset(f.d_position, 0, n * sizeof *f.d);
  for (size_t l = w->n_layers; l-- > 0;) {
    GM_TRY(gm_layer_heads_back(run->t, w, run->w->classes[source], l, run->states[l + 1],
                               &run->heads[l], f.d));
    GM_TRY(layer_back(run, l, &f, decoder_layer_back));
  }
  return queries_back(run, &f);
}

/* gradient[d] += the sum of d_position's rows. */
static void add_rows(float *gradient, const float *d_position, size_t rows, size_t d) {
  for (size_t k = 0; k < d; k++) {
    double sum = 0;
    for (size_t i = 0; i < rows; i++) sum += (double)d_position[i * d + k];
    gradient[k] += (float)sum;
  }
}

/* f->d: the gradient by the memory. */
static gm_status encoder_back(picture_run *run, flow *f) {
  const gm_training *t = run->t;
  const gm_proposer_encoder *w = &run->w->encoder;
  size_t cells = w->grid * w->grid, d = w->dim;
  for (size_t l = w->n_layers; l-- > 0;) GM_TRY(layer_back(run, l, f, encoder_layer_back));
  float *d_level = gm_gradient(t, w->levels.data);
  if (d_level) add_rows(d_level, f->d_position, cells, d);
  gm_dropout(t, run->place, f->d, cells * d);
  GM_TRY(gm_layer_norm_back(t, f->other, false, run->projected, run->stats, f->d, cells, d,
                            w->input_norm_w, w->input_norm_b));
  return gm_linear_back(t, &w->input, w->input_b, run->features, w->width, f->other, d, cells,
                        run->d_features, w->width, false);
}

static gm_status backward(picture_run *run, gm_source source) {
  gm_compute *c = run->t->c;
  const gm_proposer_encoder *w = &run->w->encoder;
  size_t n = w->grid * w->grid * w->dim;
  flow f = {gm_scratch_f32(c, n, "encoder gradient"), gm_scratch_f32(c, n, "encoder gradient"),
            gm_scratch_f32(c, n, "gradient of positions"), NULL};
  if (!f.d || !f.other || !f.d_position) return GM_ERR_MEMORY;
  memset(f.d, 0, n * sizeof *f.d);
  memset(f.d_position, 0, n * sizeof *f.d);
  GM_TRY(decoder_back(run, source, f.d));
  GM_TRY(gm_first_stage_back(run->t, &run->w->decoder, &run->first, f.d));
  return encoder_back(run, &f);
}

/* ---- a chunk */

static gm_status train_picture(const gm_training *t, const gm_proposer_learner *w,
                               const gm_detect_batch *batch, size_t i, double count,
                               gm_detect_result *result) {
  const gm_detect_picture *picture = &batch->pictures[i];
  gm_detect_goal goal = {picture->boxes, picture->n_boxes, count, batch->scale};
  picture_run run = {.t = t,
                     .w = w,
                     .features = picture->features,
                     .d_features = picture->d_features,
                     .place = (batch->first + i) * n_places(w)};
  GM_TRY(alloc_run(&run));
  GM_TRY(forward(&run, batch->source, &goal, result->outputs));
  size_t q = w->decoder.n_queries;
  const gm_layer_heads_kept *last = &run.heads[w->decoder.n_layers - 1];
  if (result->logits) memcpy(result->logits + i * q, last->logits, q * sizeof *result->logits);
  for (size_t k = 0; result->boxes && k < q; k++) {
    gm_box64 b = last->boxes[k];
    result->boxes[i * q + k] = (gm_rel_box){(float)b.cx, (float)b.cy, (float)b.w, (float)b.h};
  }
  return batch->scale != 0 ? backward(&run, batch->source) : GM_OK;
}

gm_status gm_proposer_train(const gm_training *t, const gm_proposer_learner *w,
                            const gm_detect_batch *batch, gm_detect_result *result) {
  size_t L = w->decoder.n_layers, n_boxes = 0;
  assert(w->decoder.n_queries <= w->decoder.grid * w->decoder.grid && L > 0);
  memset(result->outputs, 0, (L + 1) * sizeof *result->outputs);
  for (size_t i = 0; i < batch->n; i++) n_boxes += batch->pictures[i].n_boxes;
  double count = n_boxes ? (double)n_boxes : 1;
  for (size_t i = 0; i < batch->n; i++) {
    gm_arena_mark mark = gm_arena_save(&t->c->arena);
    gm_status status = train_picture(t, w, batch, i, count, result);
    gm_arena_restore(&t->c->arena, mark);
    GM_TRY(status);
  }
  result->loss = 0;
  for (size_t l = 0; l <= L; l++) result->loss += gm_detect_total(result->outputs[l]);
  return GM_OK;
}

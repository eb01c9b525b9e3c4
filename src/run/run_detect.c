/* run_detect.c - stage 1 as a task: the proposer learns from augmented pictures. Measured of
 * held-out pictures: the kept regions against the boxes of the data. */
#include "proposer_train.h"
#include "run_boxes.h"
#include "run_features.h"
#include "run_task.h"

#include <stdlib.h>
#include <string.h>

enum { LOSS, CLASS, BOX, GIOU };
enum { RECALLS, RECALL, PRECISION, HELD_LOSS };

typedef struct detect_task {
  gm_run_world *world;
  gm_vision *vision;
  gm_proposer_learner learner;
  gm_feature_store store;
  gm_picture_features *features; /* [micro_batch] */
  gm_detect_picture *pictures;
  size_t n_features;
  gm_detect_loss *outputs; /* [L + 1] */
} detect_task;

static gm_status train(void *self, const gm_item *items, size_t n, uint64_t first,
                       gm_run_sums *sums) {
  detect_task *d = self;
  for (size_t i = 0; i < n; i++) {
    GM_TRY(gm_feature_store_get(&d->store, &items[i], false, &d->features[i]));
    d->pictures[i] = (gm_detect_picture){.features = d->features[i].mean,
                                         .boxes = items[i].sample.boxes,
                                         .n_boxes = items[i].sample.n_boxes};
  }
  const gm_detect_batch batch = {
      .pictures = d->pictures, .n = n, .source = items[0].sample.source, .scale = 1, first};
  gm_detect_result result = {.outputs = d->outputs};
  GM_TRY(gm_proposer_train(&d->world->training, &d->learner, &batch, &result));
  const gm_detect_loss last = d->outputs[d->learner.decoder.n_layers - 1];
  const double losses[] = {result.loss, last.class_loss, last.box, last.giou};
  for (size_t k = 0; k <= GIOU; k++) {
    sums->sum[k] += losses[k];
    sums->count[k] += 1;
  }
  return GM_OK;
}

static gm_status refresh(void *self, gm_error *err) {
  detect_task *d = self;
  return gm_proposer_encoder_refresh(&d->learner.encoder, err);
}

/* ---- measuring ---- */

typedef struct found {
  gm_rel_box *boxes; /* [q], then those that are kept, falling score */
  float *scores;
  size_t n;
} found;

static gm_status propose(detect_task *d, const float *mean, found *out) {
  gm_compute *c = d->world->training.c;
  const gm_proposer_learner *w = &d->learner;
  size_t q = w->decoder.n_queries, dim = w->decoder.dim, cells = d->store.patches;
  float *memory = gm_scratch_f32(c, cells * dim, "the proposer's memory");
  gm_proposer_result r = {.reference = gm_scratch(c, q * sizeof *r.reference, "proposals"),
                          .states = gm_scratch_f32(c, q * dim, "proposals"),
                          .coco = gm_scratch_f32(c, q, "proposals"),
                          .sa1b = gm_scratch_f32(c, q, "proposals"),
                          .boxes = gm_scratch(c, q * sizeof *r.boxes, "proposals")};
  out->scores = gm_scratch_f32(c, q, "proposals");
  if (!memory || !r.reference || !r.states || !r.coco || !r.sa1b || !r.boxes || !out->scores)
    return GM_ERR_MEMORY;
  GM_TRY(gm_proposer_encoder_input(c, &w->encoder, mean, memory));
  GM_TRY(gm_proposer_encoder_forward(c, &w->encoder, memory));
  GM_TRY(gm_proposer_decoder_forward(c, &w->decoder, memory, &r));
  for (size_t i = 0; i < q; i++) out->scores[i] = gm_region_score(r.coco[i], r.sa1b[i]);
  out->boxes = r.boxes;
  out->n = q;
  return gm_boxes_finite(out->boxes, out->scores, q, c->err);
}

static gm_status keep(detect_task *d, found *f) {
  gm_compute *c = d->world->training.c;
  const gm_groma_hparams *h = d->world->hparams;
  const gm_region_rule rule = {h->score_threshold, h->nms_threshold, h->max_regions};
  uint32_t *chosen = gm_scratch(c, f->n * sizeof *chosen, "proposals");
  gm_rel_box *kept = gm_scratch(c, f->n * sizeof *kept, "proposals");
  if (!chosen || !kept) return GM_ERR_MEMORY;
  size_t n = gm_regions_choose(f->boxes, f->scores, f->n, &rule, chosen);
  for (size_t i = 0; i < n; i++) kept[i] = f->boxes[chosen[i]];
  f->boxes = kept;
  f->n = n;
  return GM_OK;
}

static gm_status count_loss(detect_task *d, const gm_sample *sample, const float *mean,
                            gm_run_sums *sums) {
  gm_training t = d->world->training;
  const gm_detect_picture picture = {
      .features = mean, .boxes = sample->boxes, .n_boxes = sample->n_boxes};
  const gm_detect_batch batch = {.pictures = &picture, .n = 1, .source = sample->source};
  gm_detect_result result = {.outputs = d->outputs};
  t.dropout = 0;
  GM_TRY(gm_proposer_train(&t, &d->learner, &batch, &result));
  sums->sum[HELD_LOSS] += result.loss;
  sums->count[HELD_LOSS] += 1;
  return GM_OK;
}

static gm_status count_boxes(detect_task *d, const gm_sample *sample, const float *mean,
                             gm_run_sums *sums, gm_sheet_cell *cell) {
  found f;
  gm_error *err = d->world->training.c->err;
  GM_TRY(propose(d, mean, &f));
  GM_TRY(keep(d, &f));
  size_t matched;
  for (size_t step = 0; step < GM_IOU_STEPS; step++) {
    GM_TRY(gm_boxes_match(f.boxes, f.n, sample->boxes, sample->n_boxes,
                          GM_IOU_FIRST + GM_IOU_STEP * (double)step, &matched, err));
    sums->sum[RECALLS] += (double)matched / GM_IOU_STEPS;
    if (step > 0) continue;
    sums->sum[RECALL] += (double)matched;
    sums->sum[PRECISION] += (double)matched;
  }
  sums->count[RECALLS] += (double)sample->n_boxes;
  sums->count[RECALL] += (double)sample->n_boxes;
  sums->count[PRECISION] += (double)f.n;
  if (!cell) return GM_OK;
  GM_TRY(gm_sheet_boxes(cell, sample->boxes, sample->n_boxes, true, err));
  return gm_sheet_boxes(cell, f.boxes, f.n, false, err);
}

static gm_status measure(void *self, const gm_item *item, gm_run_sums *sums,
                         gm_sheet_cell *cell) {
  detect_task *d = self;
  gm_compute *c = d->world->training.c;
  gm_picture_features *f = &d->features[0];
  gm_arena_mark mark = gm_arena_save(&c->arena);
  gm_status status = gm_feature_store_get(&d->store, item, true, f);
  if (status == GM_OK) status = count_loss(d, &item->sample, f->mean, sums);
  if (status == GM_OK) status = count_boxes(d, &item->sample, f->mean, sums, cell);
  gm_arena_restore(&c->arena, mark);
  return status;
}

/* ---- begin and end ---- */

static void free_task(void *self) {
  detect_task *d = self;
  for (size_t i = 0; i < d->n_features; i++) gm_picture_features_free(&d->features[i]);
  free(d->features);
  free(d->pictures);
  free(d->outputs);
  gm_feature_store_free(&d->store);
  gm_proposer_learner_free(&d->learner);
  gm_vision_free(d->vision);
  free(d);
}

static gm_status load(detect_task *d, gm_error *err) {
  gm_run_world *world = d->world;
  gm_model_file *view = world->params->view;
  size_t n = (size_t)world->settings->micro_batch;
  GM_TRY(gm_vision_load(&d->vision, view, world->hparams, err));
  GM_TRY(gm_feature_store_open(&d->store, d->vision, world->params->file, world->hparams,
                               world->training.c, false, world->cache, err));
  GM_TRY(gm_proposer_learner_load(&d->learner, view, world->hparams, d->store.width, err));
  d->features = calloc(n, sizeof *d->features);
  d->pictures = calloc(n, sizeof *d->pictures);
  d->outputs = calloc(d->learner.decoder.n_layers + 1, sizeof *d->outputs);
  if (!d->features || !d->pictures || !d->outputs)
    return gm_fail_memory(err, "a batch", n * sizeof *d->features);
  for (; d->n_features < n; d->n_features++)
    GM_TRY(gm_picture_features_create(&d->features[d->n_features], &d->store, err));
  return GM_OK;
}

gm_status gm_run_detect_task(gm_run_task *out, gm_run_world *world, gm_error *err) {
  detect_task *d = calloc(1, sizeof *d);
  *out = (gm_run_task){0};
  if (!d) return gm_fail_memory(err, "the run", sizeof *d);
  d->world = world;
  *out = (gm_run_task){
      .self = d,
      .losses = {"loss", "class", "l1", "giou"},
      .n_losses = 4,
      .measures = {{"ar", false}, {"recall", false}, {"precision", false}, {"val_loss", true}},
      .n_measures = 4,
      .train = train,
      .refresh = refresh,
      .measure = measure,
      .free = free_task};
  return load(d, err);
}

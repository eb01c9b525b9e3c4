/* tune_step.c - see tune_step.h. */
#include "tune_pass.h"

#include <math.h>
#include <string.h>

static const float shows = 0.5f; /* a region shows an object that overlaps it by more */

/* ---- boxes ---- */

static gm_status learn_boxes(gm_tune_pass *s, double *loss) {
  gm_compute *c = s->t->c;
  size_t size = s->cells * s->C;
  gm_detect_picture *pictures = gm_scratch(c, s->n * sizeof *pictures, "the pictures");
  gm_detect_loss *outputs =
      gm_scratch(c, (s->m->proposer.decoder.n_layers + 1) * sizeof *outputs, "losses");
  if (!pictures || !outputs) return GM_ERR_MEMORY;
  if (s->m->vision_learns && s->batch->back) {
    s->d_features = gm_tune_zeros(c, s->n * size, "gradient of the mean hidden states");
    if (!s->d_features) return GM_ERR_MEMORY;
  }
  for (size_t p = 0; p < s->n; p++) {
    const gm_look *look = &s->batch->looks[p];
    pictures[p] = (gm_detect_picture){s->features + p * size, look->boxes, look->n,
                                      s->d_features ? s->d_features + p * size : NULL};
  }
  const gm_detect_batch batch = {pictures, s->n, s->batch->source,
                                 s->batch->back ? GM_TUNE_BOXES_WEIGHT : 0, 0};
  gm_detect_result result = {.outputs = outputs};
  GM_TRY(gm_proposer_train(s->t, &s->m->proposer, &batch, &result));
  *loss = result.loss;
  return GM_OK;
}

/* ---- lessons, and the vectors that they need ---- */

static gm_status write_lessons(gm_tune_pass *s) {
  gm_compute *c = s->t->c;
  s->lessons = gm_scratch(c, s->n * sizeof *s->lessons, "lessons");
  if (!s->lessons) return GM_ERR_MEMORY;
  memset(s->lessons, 0, s->n * sizeof *s->lessons);
  for (size_t p = 0; p < s->n; p++) {
    GM_TRY(gm_lesson_make(&s->lessons[p], s->rule, s->m->groma->prompt, &s->batch->looks[p],
                          &s->proposals[p], &s->rng, &c->arena, c->err));
    s->n_sequences += s->lessons[p].n;
  }
  return GM_OK;
}

/* The different regions of a picture's sequences, and for each sequence their places. */
static gm_status gather_regions(gm_tune_pass *s, size_t p) {
  const gm_lesson *lesson = &s->lessons[p];
  size_t most = 0, n = 0;
  for (size_t i = 0; i < lesson->n; i++) most += lesson->sequences[i].n_regions;
  gm_rel_box *boxes = gm_scratch(s->t->c, (most + 1) * sizeof *boxes, "regions");
  if (!boxes) return GM_ERR_MEMORY;
  for (size_t i = 0; i < lesson->n; i++)
    for (size_t k = 0; k < lesson->sequences[i].n_regions; k++) {
      size_t at = 0;
      while (at < n && !gm_rel_box_same(boxes[at], lesson->sequences[i].regions[k])) at++;
      if (at == n) boxes[n++] = lesson->sequences[i].regions[k];
      GM_TRY(
          gm_ids_append(&s->places, (int32_t)(s->n_image + s->n_regions + at), s->t->c->err));
    }
  s->pictures[p] = (gm_region_picture){.boxes = boxes, .r = n};
  s->n_regions += n;
  for (size_t k = 0; s->states && k < GM_REGION_LEVELS; k++) {
    size_t i = s->n_states - GM_REGION_LEVELS + k;
    s->pictures[p].states[k] = gm_tune_state(s, s->states, i, p);
    s->pictures[p].d_states[k] = gm_tune_state(s, s->d_states, i, p);
  }
  return GM_OK;
}

static gm_status allocate_pictures(gm_tune_pass *s) {
  gm_compute *c = s->t->c;
  size_t output = s->m->groma->hparams.vision_output;
  s->n_image = s->n * s->tokens;
  s->pictures = gm_scratch(c, s->n * sizeof *s->pictures, "the pictures");
  s->outputs = gm_scratch(c, s->n * sizeof *s->outputs, "the pictures");
  s->d_outputs = gm_scratch(c, s->n * sizeof *s->d_outputs, "the pictures");
  if (!s->pictures || !s->outputs || !s->d_outputs) return GM_ERR_MEMORY;
  for (size_t p = 0; p < s->n; p++) {
    GM_TRY(gather_regions(s, p));
    s->outputs[p] = s->states ? gm_tune_state(s, s->states, output, p) : NULL;
    s->d_outputs[p] = s->states ? gm_tune_state(s, s->d_states, output, p) : NULL;
  }
  return GM_OK;
}

static gm_status make_vectors(gm_tune_pass *s) {
  gm_compute *c = s->t->c;
  const gm_vision *vision = s->m->groma->vision;
  size_t size = (s->n_image + s->n_regions) * s->D;
  s->vectors = gm_scratch_f32(c, size, "vectors of pictures");
  if (!s->vectors) return GM_ERR_MEMORY;
  if (s->to_vectors) {
    s->d_vectors = gm_tune_zeros(c, size, "their gradients");
    if (!s->d_vectors) return GM_ERR_MEMORY;
  }
  gm_training t = *s->t; /* what has no backward pass keeps nothing */
  t.recompute |= !s->to_vectors;
  GM_TRY(gm_visual_tokens_train(&t, gm_vision_bridge(vision), s->outputs, s->n, s->vectors,
                                &s->bridge));
  return gm_region_encoder_train(&t, gm_vision_regions(vision), s->pictures, s->n,
                                 s->vectors + s->n_image * s->D, &s->regions);
}

/* ---- classes ---- */

/* The class of the object that the region shows; -1: none. */
static int32_t class_of(const gm_look *look, gm_rel_box region) {
  if (look->n == 0 || !look->classes) return -1;
  size_t best = gm_regions_referred(look->boxes, look->n, region);
  return gm_region_iou(look->boxes[best], region) > shows ? look->classes[look->objects[best]]
                                                          : -1;
}

static gm_status learn_classes(gm_tune_pass *s, gm_tune_losses *out) {
  const gm_class_head *head = &s->m->classes;
  if (head->n == 0 || s->n_regions == 0) return GM_OK;
  int32_t *targets = gm_scratch(s->t->c, s->n_regions * sizeof *targets, "classes");
  if (!targets) return GM_ERR_MEMORY;
  size_t at = 0, right, n = 0;
  for (size_t p = 0; p < s->n; p++)
    for (size_t i = 0; i < s->pictures[p].r; i++)
      targets[at++] = class_of(&s->batch->looks[p], s->pictures[p].boxes[i]);
  for (size_t i = 0; i < at; i++) n += targets[i] >= 0;
  float *d = s->d_vectors ? s->d_vectors + s->n_image * s->D : NULL;
  GM_TRY(gm_class_head_classify(s->t, head, s->vectors + s->n_image * s->D, s->n_regions,
                                targets, GM_TUNE_CLASSES_WEIGHT, d, &out->classes, &right));
  out->named = n ? (double)right / (double)n : 0;
  return GM_OK;
}

/* ---- words ---- */

static gm_status write_rows(gm_tune_pass *s) {
  gm_compute *c = s->t->c;
  size_t virtual_place = s->n_image, sequence = 0;
  s->lengths = gm_scratch(c, s->n_sequences * sizeof *s->lengths, "the sequences");
  if (!s->lengths) return GM_ERR_MEMORY;
  for (size_t p = 0; p < s->n; p++)
    for (size_t i = 0; i < s->lessons[p].n; i++) {
      const gm_sequence *from = &s->lessons[p].sequences[i];
      size_t before = s->rows.n;
      GM_TRY(gm_sequence_rows(from, s->m->groma->prompt, s->tokens, p * s->tokens,
                              virtual_place, &s->rows, &s->targets, c->err));
      virtual_place += from->n_regions;
      s->lengths[sequence++] = s->rows.n - before;
    }
  for (size_t i = 0; i < s->rows.n; i++) {
    int32_t *row = &s->rows.ids[i];
    if (*row < 0 && (size_t)(-1 - *row) >= s->n_image)
      *row = -1 - s->places.ids[(size_t)(-1 - *row) - s->n_image];
  }
  return GM_OK;
}

static gm_status learn_words(gm_tune_pass *s, gm_tune_losses *out) {
  bool seen = gm_tune_model_sees(s->m) == GM_SEEN_VECTORS;
  GM_TRY(seen ? gm_tune_see_proposals(s) : gm_tune_propose(s));
  GM_TRY(write_lessons(s));
  if (s->n_sequences == 0) return GM_OK;
  GM_TRY(allocate_pictures(s));
  GM_TRY(seen ? gm_tune_see_vectors(s) : make_vectors(s));
  GM_TRY(learn_classes(s, out));
  GM_TRY(write_rows(s));
  const gm_llama_batch batch = {.lengths = s->lengths,
                                .n_sequences = s->n_sequences,
                                .n_rows = s->rows.n,
                                .rows = s->rows.ids,
                                .vectors = s->vectors,
                                .targets = s->targets.ids,
                                .d_vectors = s->d_vectors};
  GM_TRY(gm_llama_train_forward(&s->words, s->t, s->m->groma->llama, &batch));
  GM_TRY(gm_llama_train_loss(&s->words, &out->words));
  if (!s->batch->back) return GM_OK;
  GM_TRY(gm_llama_train_back(&s->words, NULL, 0));
  if (!s->to_vectors) return GM_OK;
  const gm_vision *vision = s->m->groma->vision;
  GM_TRY(gm_visual_tokens_back(s->t, gm_vision_bridge(vision), s->outputs, s->n, &s->bridge,
                               s->d_vectors, s->m->vision_learns ? s->d_outputs : NULL));
  return gm_region_encoder_back(s->t, gm_vision_regions(vision), s->pictures, s->n, s->regions,
                                s->d_vectors + s->n_image * s->D);
}

/* ---- all ---- */

static void add_features(gm_tune_pass *s) {
  size_t size = s->cells * s->C;
  for (size_t p = 0; s->d_features && p < s->n; p++)
    for (size_t k = 0; k < GM_TUNE_PROPOSAL_STATES; k++) {
      float *to = gm_tune_state(s, s->d_states, s->n_states - 1 - k, p) + s->C;
      const float *from = s->d_features + p * size;
      for (size_t i = 0; i < size; i++) to[i] += from[i] / GM_TUNE_PROPOSAL_STATES;
    }
}

static gm_status run(gm_tune_pass *s, gm_tune_losses *out) {
  const gm_tune_parts parts = s->m->parts;
  if (gm_tune_model_sees(s->m) != GM_SEEN_VECTORS) GM_TRY(gm_tune_see(s));
  if (parts.boxes) GM_TRY(learn_boxes(s, &out->boxes));
  if (parts.words || parts.regions) GM_TRY(learn_words(s, out));
  if (!isfinite(out->boxes + out->words + out->classes))
    return gm_fail(
        s->t->c->err, GM_ERR_MODEL,
        "the loss is not a number any more; learn with a smaller rank or fewer parts");
  if (!s->batch->back || !s->m->vision_learns) return GM_OK;
  add_features(s);
  return gm_dinov2_back(s->t, &s->m->vision, s->n, (const float *const *)s->d_states,
                        &s->vision);
}

static gm_tune_pass begin(const gm_training *t, const gm_tune_model *model,
                          const gm_tune_batch *batch) {
  return (gm_tune_pass){.t = t,
                        .m = model,
                        .batch = batch,
                        .rng = batch->rng,
                        .n = batch->n,
                        .cells = model->vision.grid * model->vision.grid,
                        .C = model->vision.shape.dim,
                        .tokens = gm_vision_n_tokens(model->groma->vision),
                        .D = model->groma->llama->dim,
                        .n_states = model->vision.layers + 1,
                        .to_vectors = batch->back && model->parts.regions};
}

gm_status gm_tune_step(const gm_training *t, const gm_tune_model *model,
                       const gm_lesson_rule *rule, const gm_tune_batch *batch,
                       gm_tune_losses *out) {
  gm_tune_pass s = begin(t, model, batch);
  s.rule = rule;
  gm_arena_mark mark = gm_arena_save(&t->c->arena);
  *out = (gm_tune_losses){0};
  gm_status status = run(&s, out);
  for (size_t p = 0; s.lessons && p < s.n; p++) gm_lesson_free(&s.lessons[p]);
  gm_ids_free(&s.rows);
  gm_ids_free(&s.targets);
  gm_ids_free(&s.places);
  gm_arena_restore(&t->c->arena, mark);
  return status;
}

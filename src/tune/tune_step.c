/* tune_step.c - see tune_step.h. */
#include "tune_step.h"

#include "bridge_train.h"
#include "dinov2_train.h"
#include "llama_train.h"
#include "region_train.h"

#include <math.h>
#include <string.h>

enum { PROPOSAL_STATES = 4 }; /* the proposer sees the mean of so many last hidden states */

typedef struct step {
  const gm_training *t;
  const gm_tune_model *m;
  const gm_lesson_rule *rule;
  const gm_tune_batch *batch;
  gm_rng rng;
  size_t n, cells, C, tokens, D; /* pictures; tokens: image tokens of one */
  size_t n_states;               /* L + 1 */
  float **states, **d_states;    /* [n_states][n, 1+cells, C]; NULL where not used */
  gm_dinov2_kept vision;
  float *features, *d_features; /* [n, cells, C] */
  gm_proposals *proposals;      /* [n] */
  gm_lesson *lessons;           /* [n] */
  size_t n_sequences;
  /* vectors: image tokens of all pictures, then of the pictures' different regions */
  gm_region_picture *pictures; /* [n] */
  size_t n_image, n_regions;
  float *vectors, *d_vectors;
  gm_bridge_kept bridge;
  gm_region_kept *regions;
  const float **outputs;        /* [n] */
  float **d_outputs;            /* [n] */
  gm_ids rows, targets, places; /* places: of each sequence's regions among the vectors */
  size_t *lengths;
  gm_llama_pass words;
  bool to_vectors; /* gradients go into the vectors */
} step;

static float *zeros(gm_compute *c, size_t n, const char *what) {
  float *x = gm_scratch_f32(c, n, what);
  if (x) memset(x, 0, n * sizeof *x);
  return x;
}

/* ---- vision ---- */

static size_t state_size(const step *s) {
  return (1 + s->cells) * s->C;
}

static gm_status allocate_states(step *s) {
  gm_compute *c = s->t->c;
  size_t output = s->m->groma->hparams.vision_output;
  s->states = gm_scratch(c, s->n_states * sizeof *s->states, "hidden states");
  s->d_states = gm_scratch(c, s->n_states * sizeof *s->d_states, "their gradients");
  if (!s->states || !s->d_states) return GM_ERR_MEMORY;
  for (size_t i = 0; i < s->n_states; i++) {
    bool used = i == output || i + PROPOSAL_STATES >= s->n_states;
    s->states[i] = s->d_states[i] = NULL;
    if (!used) continue;
    s->states[i] = gm_scratch_f32(c, s->n * state_size(s), "hidden states");
    if (!s->states[i]) return GM_ERR_MEMORY;
    if (!s->m->vision_learns || !s->batch->back) continue;
    s->d_states[i] = zeros(c, s->n * state_size(s), "their gradients");
    if (!s->d_states[i]) return GM_ERR_MEMORY;
  }
  return GM_OK;
}

static float *state_of(float *const *states, size_t i, size_t size, size_t picture) {
  return states[i] ? states[i] + picture * size : NULL;
}

static gm_status see(step *s) {
  GM_TRY(allocate_states(s));
  return gm_dinov2_train(s->t, &s->m->vision, s->batch->pixels, s->n, s->states, &s->vision);
}

static gm_status mean_states(step *s) {
  size_t size = s->cells * s->C;
  s->features = gm_scratch_f32(s->t->c, s->n * size, "mean hidden states");
  if (!s->features) return GM_ERR_MEMORY;
  for (size_t p = 0; p < s->n; p++)
    for (size_t k = 0; k < PROPOSAL_STATES; k++) {
      const float *from = state_of(s->states, s->n_states - 1 - k, state_size(s), p) + s->C;
      float *to = s->features + p * size;
      for (size_t i = 0; i < size; i++) to[i] = (k ? to[i] : 0) + from[i] / PROPOSAL_STATES;
    }
  return GM_OK;
}

/* ---- boxes ---- */

static gm_status learn_boxes(step *s, double *loss) {
  gm_compute *c = s->t->c;
  size_t size = s->cells * s->C;
  gm_detect_picture *pictures = gm_scratch(c, s->n * sizeof *pictures, "the pictures");
  gm_detect_loss *outputs =
      gm_scratch(c, (s->m->proposer.decoder.n_layers + 1) * sizeof *outputs, "losses");
  if (!pictures || !outputs) return GM_ERR_MEMORY;
  if (s->m->vision_learns && s->batch->back) {
    s->d_features = zeros(c, s->n * size, "gradient of the mean hidden states");
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

/* The proposals of inference: both sources' scores. */
static gm_status propose_one(step *s, size_t p) {
  gm_compute *c = s->t->c;
  const gm_proposer_learner *w = &s->m->proposer;
  size_t q = w->decoder.n_queries, d = w->encoder.dim;
  gm_rel_box *boxes = gm_scratch(c, q * sizeof *boxes, "proposals");
  float *scores = gm_scratch_f32(c, q, "scores");
  if (!boxes || !scores) return GM_ERR_MEMORY;
  s->proposals[p] = (gm_proposals){boxes, scores, q};
  gm_arena_mark mark = gm_arena_save(&c->arena);
  float *memory = gm_scratch_f32(c, s->cells * d, "proposer memory");
  const gm_proposer_result result = {
      .reference = gm_scratch(c, q * sizeof(gm_rel_box), "reference boxes"),
      .states = gm_scratch_f32(c, q * d, "proposal states"),
      .coco = gm_scratch_f32(c, q, "proposal logits"),
      .sa1b = gm_scratch_f32(c, q, "proposal logits"),
      .boxes = boxes};
  gm_status status = GM_ERR_MEMORY;
  if (memory && result.reference && result.states && result.coco && result.sa1b)
    status =
        gm_proposer_encoder_input(c, &w->encoder, s->features + p * s->cells * s->C, memory);
  if (status == GM_OK) status = gm_proposer_encoder_forward(c, &w->encoder, memory);
  if (status == GM_OK) status = gm_proposer_decoder_forward(c, &w->decoder, memory, &result);
  for (size_t i = 0; status == GM_OK && i < q; i++)
    scores[i] = gm_region_score(result.coco[i], result.sa1b[i]);
  gm_arena_restore(&c->arena, mark);
  return status;
}

/* ---- lessons, and the vectors that they need ---- */

static gm_status write_lessons(step *s) {
  gm_compute *c = s->t->c;
  s->proposals = gm_scratch(c, s->n * sizeof *s->proposals, "proposals");
  s->lessons = gm_scratch(c, s->n * sizeof *s->lessons, "lessons");
  if (!s->proposals || !s->lessons) return GM_ERR_MEMORY;
  memset(s->lessons, 0, s->n * sizeof *s->lessons);
  for (size_t p = 0; p < s->n; p++) {
    GM_TRY(propose_one(s, p));
    GM_TRY(gm_lesson_make(&s->lessons[p], s->rule, s->m->groma->prompt, &s->batch->looks[p],
                          &s->proposals[p], &s->rng, &c->arena, c->err));
    s->n_sequences += s->lessons[p].n;
  }
  return GM_OK;
}

/* The different regions of a picture's sequences, and for each sequence their places. */
static gm_status gather_regions(step *s, size_t p) {
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
  for (size_t k = 0; k < GM_REGION_LEVELS; k++) {
    size_t i = s->n_states - GM_REGION_LEVELS + k;
    s->pictures[p].states[k] = state_of(s->states, i, state_size(s), p);
    s->pictures[p].d_states[k] = state_of(s->d_states, i, state_size(s), p);
  }
  return GM_OK;
}

static gm_status make_vectors(step *s) {
  gm_compute *c = s->t->c;
  const gm_vision *vision = s->m->groma->vision;
  size_t output = s->m->groma->hparams.vision_output;
  s->n_image = s->n * s->tokens;
  s->pictures = gm_scratch(c, s->n * sizeof *s->pictures, "the pictures");
  s->outputs = gm_scratch(c, s->n * sizeof *s->outputs, "the pictures");
  s->d_outputs = gm_scratch(c, s->n * sizeof *s->d_outputs, "the pictures");
  if (!s->pictures || !s->outputs || !s->d_outputs) return GM_ERR_MEMORY;
  for (size_t p = 0; p < s->n; p++) {
    GM_TRY(gather_regions(s, p));
    s->outputs[p] = state_of(s->states, output, state_size(s), p);
    s->d_outputs[p] = state_of(s->d_states, output, state_size(s), p);
  }
  size_t size = (s->n_image + s->n_regions) * s->D;
  s->vectors = gm_scratch_f32(c, size, "vectors of pictures");
  if (!s->vectors) return GM_ERR_MEMORY;
  if (s->to_vectors) {
    s->d_vectors = zeros(c, size, "their gradients");
    if (!s->d_vectors) return GM_ERR_MEMORY;
  }
  gm_training t = *s->t; /* what has no backward pass keeps nothing */
  t.recompute |= !s->to_vectors;
  GM_TRY(gm_visual_tokens_train(&t, gm_vision_bridge(vision), s->outputs, s->n, s->vectors,
                                &s->bridge));
  return gm_region_encoder_train(&t, gm_vision_regions(vision), s->pictures, s->n,
                                 s->vectors + s->n_image * s->D, &s->regions);
}

/* ---- words ---- */

static gm_status write_rows(step *s) {
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

static gm_status learn_words(step *s, double *loss) {
  GM_TRY(write_lessons(s));
  if (s->n_sequences == 0) return GM_OK;
  GM_TRY(make_vectors(s));
  GM_TRY(write_rows(s));
  const gm_llama_batch batch = {.lengths = s->lengths,
                                .n_sequences = s->n_sequences,
                                .n_rows = s->rows.n,
                                .rows = s->rows.ids,
                                .vectors = s->vectors,
                                .targets = s->targets.ids,
                                .d_vectors = s->d_vectors};
  GM_TRY(gm_llama_train_forward(&s->words, s->t, s->m->groma->llama, &batch));
  GM_TRY(gm_llama_train_loss(&s->words, loss));
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

static void add_features(step *s) {
  size_t size = s->cells * s->C;
  for (size_t p = 0; s->d_features && p < s->n; p++)
    for (size_t k = 0; k < PROPOSAL_STATES; k++) {
      float *to = state_of(s->d_states, s->n_states - 1 - k, state_size(s), p) + s->C;
      const float *from = s->d_features + p * size;
      for (size_t i = 0; i < size; i++) to[i] += from[i] / PROPOSAL_STATES;
    }
}

static gm_status take_features(step *s) {
  size_t size = s->cells * s->C;
  s->features = gm_scratch_f32(s->t->c, s->n * size, "mean hidden states");
  if (!s->features) return GM_ERR_MEMORY;
  for (size_t p = 0; p < s->n; p++)
    memcpy(s->features + p * size, s->batch->features[p], size * sizeof *s->features);
  return GM_OK;
}

static gm_status run(step *s, gm_tune_losses *out) {
  const gm_tune_parts parts = s->m->parts;
  if (s->batch->features) {
    GM_TRY(take_features(s));
  } else {
    GM_TRY(see(s));
    GM_TRY(mean_states(s));
  }
  if (parts.boxes) GM_TRY(learn_boxes(s, &out->boxes));
  if (parts.words || parts.regions) GM_TRY(learn_words(s, &out->words));
  if (!isfinite(out->boxes + out->words))
    return gm_fail(
        s->t->c->err, GM_ERR_MODEL,
        "the loss is not a number any more; learn with a smaller rank or fewer parts");
  if (!s->batch->back || !s->m->vision_learns) return GM_OK;
  add_features(s);
  return gm_dinov2_back(s->t, &s->m->vision, s->n, (const float *const *)s->d_states,
                        &s->vision);
}

static step begin(const gm_training *t, const gm_tune_model *model,
                  const gm_tune_batch *batch) {
  return (step){.t = t,
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
  step s = begin(t, model, batch);
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

gm_status gm_tune_features(const gm_training *t, const gm_tune_model *model,
                           const float *pixels, float *out) {
  const gm_tune_batch batch = {.pixels = pixels, .n = 1};
  step s = begin(t, model, &batch);
  gm_arena_mark mark = gm_arena_save(&t->c->arena);
  gm_status status = see(&s);
  if (status == GM_OK) status = mean_states(&s);
  if (status == GM_OK) memcpy(out, s.features, s.cells * s.C * sizeof *out);
  gm_arena_restore(&t->c->arena, mark);
  return status;
}

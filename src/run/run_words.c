/* run_words.c - stages 2 and 3 as a task: conversations about regions. Vision and proposer stay
 * as they are, so their features are kept. Measured of held-out samples: the greedy choice at
 * every place, each answer being read with its true beginning; and the caption that the model
 * says by itself (run_caption.h). */
#include "instruct_train.h"
#include "ops.h"
#include "rng.h"
#include "run_caption.h"
#include "run_features.h"
#include "run_task.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOCATED, NAMED, CAPTION_F1, POINTED, HELD_LOSS };

typedef struct words_task {
  gm_run_world *world;
  gm_groma *groma;
  gm_feature_store store;
  gm_picture_features *features; /* [n_features] */
  gm_sequence *sequences;        /* [micro_batch] */
  gm_instruct_item *items;
  size_t n_features;
} words_task;

static gm_status build(words_task *w, const gm_item *item, uint64_t seed, bool measure,
                       gm_picture_features *f, gm_sequence *out) {
  const gm_groma_hparams *h = w->world->hparams;
  const gm_sequence_rule rule = {
      .regions = {h->score_threshold, h->nms_threshold, h->max_regions},
      .eos = w->world->settings->stage == GM_TRAIN_INSTRUCT,
      .shuffle = !measure,
      .measure = measure,
      .max_ids = GM_SEQUENCE_IDS};
  const gm_proposals proposals = {f->boxes, f->scores, w->store.n_boxes};
  GM_TRY(gm_feature_store_get(&w->store, item, true, f));
  GM_TRY(gm_sequence_build(out, &rule, w->groma->prompt, &item->sample, &proposals, seed,
                           w->world->training.c->err));
  w->world->left_out += out->n_turns == 0;
  return GM_OK;
}

static gm_instruct_item item_of(const gm_sequence *sequence, const gm_picture_features *f) {
  gm_instruct_item out = {.sequence = sequence, .output = f->output};
  for (size_t k = 0; k < GM_REGION_LEVELS; k++) out.states[k] = f->states[k];
  return out;
}

static gm_status train(void *self, const gm_item *items, size_t n, uint64_t first,
                       gm_run_sums *sums) {
  words_task *w = self;
  const gm_training *t = &w->world->training;
  gm_status status = GM_OK;
  double loss = 0;
  size_t m = 0;
  for (size_t i = 0; i < n && status == GM_OK; i++) {
    uint64_t seed = gm_mix64(t->drop_key + 0x9E3779B97F4A7C15u * (first + i + 1));
    status = build(w, &items[i], seed, false, &w->features[m], &w->sequences[m]);
    if (status == GM_OK && w->sequences[m].n_turns) {
      w->items[m] = item_of(&w->sequences[m], &w->features[m]);
      m++;
    }
  }
  if (status == GM_OK && m) {
    status = gm_instruct_step(t, w->groma, w->items, m, &loss);
    sums->sum[0] += loss;
    sums->count[0] += 1;
  }
  for (size_t i = 0; i < n; i++) gm_sequence_free(&w->sequences[i]);
  return status;
}

static gm_status refresh(void *self, gm_error *err) {
  (void)self;
  (void)err;
  return GM_OK; /* what is derived from weights belongs to vision, which is frozen */
}

/* ---- measuring ---- */

/* said[n_asked]: the best id after each row that has a target. */
static gm_status choose_ids(const gm_instruct_pass *pass, int32_t *said) {
  enum { ROWS = 64 };
  gm_compute *c = pass->t->c;
  const gm_llama *l = pass->groma->llama;
  const gm_llama_pass *words = &pass->words;
  float *normed = gm_scratch_f32(c, ROWS * l->dim, "logits"),
        *logits = gm_scratch_f32(c, ROWS * l->vocab, "logits");
  if (!normed || !logits) return GM_ERR_MEMORY;
  for (size_t at = 0; at < words->n_asked; at += ROWS) {
    size_t m = words->n_asked - at < ROWS ? words->n_asked - at : ROWS;
    const gm_linear_out outs[] = {
        {.w = &l->head, .y = logits, .ldy = l->vocab},
        {.w = &l->extra_head, .y = logits + l->base_vocab, .ldy = l->vocab}};
    gm_rms_norm(c, normed, words->states[l->n_layers] + at * l->dim, m, l->dim, l->norm,
                l->eps);
    GM_TRY(gm_linear(c, normed, l->dim, m, outs, 2));
    for (size_t i = 0; i < m; i++) {
      const float *row = logits + i * l->vocab;
      size_t best = 0;
      for (size_t k = 1; k < l->vocab; k++)
        if (row[k] > row[best]) best = k;
      said[at + i] = (int32_t)best;
    }
  }
  return GM_OK;
}

/* What was said of one sample. */
typedef struct answers {
  const gm_prompt *prompt;
  const gm_sample *sample;
  const gm_sequence *sequence;
  const gm_instruct_pass *pass;
  const int32_t *said; /* [pass->words.n_asked] */
} answers;

static int32_t wanted_at(const answers *a, size_t i) {
  return a->pass->targets.ids[a->pass->words.asked[i]];
}

/* The region that an id names, or NULL. */
static const gm_rel_box *region_of(const answers *a, int32_t id) {
  int32_t index = id - a->prompt->region_0;
  return index >= 0 && (size_t)index < a->sequence->n_regions ? &a->sequence->regions[index]
                                                              : NULL;
}

/* Index tokens of answers are the ground boxes in turn. */
static void count_regions(const answers *a, gm_run_sums *sums, int what) {
  for (size_t i = 0, k = 0; i < a->pass->words.n_asked && k < a->sample->n_ground; i++) {
    if (!region_of(a, wanted_at(a, i))) continue;
    const gm_rel_box *said = region_of(a, a->said[i]);
    sums->sum[what] += said && gm_region_iou(*said, a->sample->ground[k]) >= 0.5f;
    sums->count[what] += 1;
    k++;
  }
}

/* An answer is right if all its ids are: then greedy decoding gives just them. */
static void count_names(const answers *a, gm_run_sums *sums) {
  const size_t *rows = a->pass->words.asked;
  bool right = true;
  for (size_t i = 0; i < a->pass->words.n_asked; i++) {
    right = right && a->said[i] == wanted_at(a, i);
    if (i + 1 < a->pass->words.n_asked && rows[i + 1] == rows[i] + 1) continue;
    sums->sum[NAMED] += right;
    sums->count[NAMED] += 1;
    right = true;
  }
}

static gm_status show(const words_task *w, const answers *a, gm_sheet_cell *cell) {
  gm_error *err = w->world->training.c->err;
  const gm_sample *s = a->sample;
  gm_text said = {0};
  gm_status status =
      gm_llama_decode(w->groma->tokenizer, a->said, a->pass->words.n_asked, &said, err);
  if (status == GM_OK &&
      asprintf(&cell->text, "asked: %s\nwanted: %s\nsaid: %s", s->turns[0].question,
               s->turns[0].answer, said.bytes ? said.bytes : "") < 0) {
    cell->text = NULL;
    status = gm_fail_memory(err, "a picture's text", said.length);
  }
  gm_text_free(&said);
  GM_TRY(status);
  GM_TRY(gm_sheet_boxes(cell, s->refer, s->n_refer, true, err));
  GM_TRY(gm_sheet_boxes(cell, s->ground, s->n_ground, true, err));
  for (size_t i = 0; i < a->pass->words.n_asked; i++) {
    const gm_rel_box *box = region_of(a, a->said[i]);
    if (box && region_of(a, wanted_at(a, i))) GM_TRY(gm_sheet_boxes(cell, box, 1, false, err));
  }
  return GM_OK;
}

static gm_status answer(words_task *w, const gm_sample *sample, const gm_sequence *sequence,
                        gm_instruct_pass *pass, gm_run_sums *sums, gm_sheet_cell *cell) {
  gm_compute *c = w->world->training.c;
  int32_t *said = gm_scratch(c, (pass->words.n_asked + 1) * sizeof *said, "an answer");
  if (!said) return GM_ERR_MEMORY;
  GM_TRY(choose_ids(pass, said));
  const answers a = {w->groma->prompt, sample, sequence, pass, said};
  bool locates = sample->task == GM_TASK_LOCATE || sample->task == GM_TASK_LOCATE_ALL;
  count_regions(&a, sums, locates ? LOCATED : POINTED);
  if (sample->task == GM_TASK_DESCRIBE) count_names(&a, sums);
  if (sample->task == GM_TASK_GROUNDED_CAPTION) {
    double f1;
    GM_TRY(gm_run_caption_f1(w->groma, pass, &f1));
    sums->sum[CAPTION_F1] += f1;
    sums->count[CAPTION_F1] += 1;
  }
  return cell ? show(w, &a, cell) : GM_OK;
}

static gm_status measure_sequence(words_task *w, const gm_sample *sample,
                                  const gm_sequence *sequence, gm_run_sums *sums,
                                  gm_sheet_cell *cell) {
  static const gm_learned_set none = {0};
  gm_training t = w->world->training;
  const gm_instruct_item item = item_of(sequence, &w->features[0]);
  gm_instruct_pass pass;
  double loss;
  t.learned = &none;
  gm_arena_mark mark = gm_arena_save(&t.c->arena);
  gm_status status = gm_instruct_forward(&pass, &t, w->groma, &item, 1, &loss);
  if (status == GM_OK) {
    sums->sum[HELD_LOSS] += loss;
    sums->count[HELD_LOSS] += 1;
    status = answer(w, sample, sequence, &pass, sums, cell);
  }
  gm_instruct_end(&pass);
  gm_arena_restore(&t.c->arena, mark);
  return status;
}

static gm_status measure(void *self, const gm_item *item, gm_run_sums *sums,
                         gm_sheet_cell *cell) {
  words_task *w = self;
  gm_sequence sequence = {0};
  gm_status status = build(w, item, 0, true, &w->features[0], &sequence);
  if (status == GM_OK && sequence.n_turns)
    status = measure_sequence(w, &item->sample, &sequence, sums, cell);
  gm_sequence_free(&sequence);
  return status;
}

static bool wants_pixels(void *self, const gm_sample *sample) {
  const words_task *w = self;
  return !gm_feature_store_has(&w->store, sample->image);
}

/* ---- begin and end ---- */

static void free_task(void *self) {
  words_task *w = self;
  for (size_t i = 0; i < w->n_features; i++) gm_picture_features_free(&w->features[i]);
  free(w->features);
  free(w->sequences);
  free(w->items);
  gm_feature_store_free(&w->store);
  gm_groma_free(w->groma);
  free(w);
}

static gm_status load(words_task *w, gm_error *err) {
  gm_run_world *world = w->world;
  const gm_groma_cache cache = {0};
  size_t n = (size_t)world->settings->micro_batch;
  GM_TRY(gm_groma_load(&w->groma, world->params->view, &cache, err));
  GM_TRY(gm_feature_store_open(&w->store, w->groma->vision, world->params->file, world->hparams,
                               world->training.c, true, world->cache, err));
  w->features = calloc(n, sizeof *w->features);
  w->sequences = calloc(n, sizeof *w->sequences);
  w->items = calloc(n, sizeof *w->items);
  if (!w->features || !w->sequences || !w->items)
    return gm_fail_memory(err, "a micro-batch", n * sizeof *w->items);
  for (; w->n_features < n; w->n_features++)
    GM_TRY(gm_picture_features_create(&w->features[w->n_features], &w->store, err));
  return GM_OK;
}

gm_status gm_run_words_task(gm_run_task *out, gm_run_world *world, gm_error *err) {
  words_task *w = calloc(1, sizeof *w);
  *out = (gm_run_task){0};
  if (!w) return gm_fail_memory(err, "the run", sizeof *w);
  w->world = world;
  *out = (gm_run_task){.self = w,
                       .losses = {"loss"},
                       .n_losses = 1,
                       .measures = {{"located", false},
                                    {"named", false},
                                    {"caption_f1", false},
                                    {"pointed", false},
                                    {"val_loss", true}},
                       .n_measures = 5,
                       .train = train,
                       .refresh = refresh,
                       .measure = measure,
                       .wants_pixels = wants_pixels,
                       .free = free_task};
  return load(w, err);
}

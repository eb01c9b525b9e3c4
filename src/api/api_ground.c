/* api_ground.c - where the things are that phrases name: constrained answers with scores, and
 * free ones. */
#include "handles.h"
#include "sampler.h"
#include "talk.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
  BATCH = 32,       /* phrases at once: each has a short cache of its own behind the prefix */
  BLOCK = 16,       /* positions that a phrase's cache grows by: most need no more */
  BEST = 5,         /* regions per phrase unless max_det says otherwise */
  FREE_TOKENS = 12, /* of a free answer that names one object */
};

/* A result with its arrays. */
typedef struct found_regions {
  gm_ground_result base; /* first: this is what callers have */
  gm_region *regions;
  char *raw;
} found_regions;

gm_status gm_ground_region_at(const gm_ground_result *result, size_t i, gm_region *out) {
  const found_regions *f = (const found_regions *)result;
  return GM_STRUCT_WRITE_AT(gm_region, out, f->regions, i, f->base.n_regions);
}

void gm_ground_result_free(gm_ground_result *result) {
  if (!result) return;
  found_regions *f = (found_regions *)result;
  free(f->regions);
  free(f->raw);
  free(f);
}

/* One phrase on its way. */
typedef struct search {
  float *scores; /* [n] of the regions found; NaN: not named */
  size_t *order; /* [n_found] in the order they were named */
  size_t n_found;
  gm_ids ids; /* a free answer's */
  float margin;
} search;

typedef struct batch {
  const gm_scene *scene;
  const gm_ground_params *params;
  gm_compute *c;
  const gm_prompt *prompt;
  size_t n_regions;
  size_t first;     /* number of the batch's first phrase in the call */
  int32_t *allowed; /* [n_regions + 1] room for the tokens of a step */
  float *share;     /* [n_regions + 1] their softmax */
  search *searches;
} batch;

/* ---- what is said next ---- */

static void found(search *s, size_t region, float score) {
  if (!isnan(s->scores[region])) return;
  s->scores[region] = score;
  s->order[s->n_found++] = region;
}

/* Softmax over all regions; allowed[i] is then <ri>. */
static void score_regions(batch *b, const float *logits) {
  for (size_t i = 0; i < b->n_regions; i++) b->allowed[i] = b->prompt->region_0 + (int32_t)i;
  gm_softmax_among(b->share, logits, b->allowed, b->n_regions);
}

static gm_status next_best(void *user, size_t i, const float *logits, int32_t *id, bool *more) {
  batch *b = user;
  score_regions(b, logits);
  for (size_t r = 0; r < b->n_regions; r++) found(&b->searches[i], r, b->share[r]);
  *id = -1;
  *more = false;
  return GM_OK;
}

static gm_status next_instance(void *user, size_t i, const float *logits, int32_t *id,
                               bool *more) {
  batch *b = user;
  search *s = &b->searches[i];
  size_t n = 0;
  for (size_t r = 0; r < b->n_regions; r++)
    if (isnan(s->scores[r])) b->allowed[n++] = b->prompt->region_0 + (int32_t)r;
  if (s->n_found > 0) b->allowed[n++] = b->prompt->roi_end;
  gm_softmax_among(b->share, logits, b->allowed, n);
  size_t best = gm_argmax(b->share, n);
  *id = b->allowed[best];
  *more = *id != b->prompt->roi_end;
  if (*more) found(s, (size_t)(*id - b->prompt->region_0), b->share[best]);
  if (s->n_found == b->n_regions) *more = false;
  return GM_OK;
}

/* By how much the largest logit leads. */
static float lead_of(const float *logits, size_t n, size_t best) {
  float second = -INFINITY;
  for (size_t i = 0; i < n; i++)
    if (i != best) second = fmaxf(second, logits[i]);
  return logits[best] - second;
}

static gm_status next_free(void *user, size_t i, const float *logits, int32_t *id, bool *more) {
  batch *b = user;
  search *s = &b->searches[i];
  size_t vocab = b->scene->model->groma->llama->vocab;
  size_t most = b->params->all ? FREE_TOKENS + b->n_regions : FREE_TOKENS;
  *id = (int32_t)gm_argmax(logits, vocab);
  s->margin = fminf(s->margin, lead_of(logits, vocab, (size_t)*id));
  GM_TRY(gm_ids_append(&s->ids, *id, b->c->err));
  int32_t region = *id - b->prompt->region_0;
  if (region >= 0 && (size_t)region < b->n_regions) {
    score_regions(b, logits);
    found(s, (size_t)region, b->share[region]);
  }
  *more = *id != b->prompt->eos && s->ids.n < most;
  return GM_OK;
}

/* ---- results ---- */

/* What is found, sorted and cut as the parameters ask. */
static void cut_result(const gm_ground_params *params, found_regions *f) {
  if (params->free) return;
  gm_ground_result *result = &f->base;
  gm_sort_regions(f->regions, result->n_regions);
  size_t most = params->max_det ? params->max_det : params->all ? SIZE_MAX : BEST;
  if (result->n_regions > most) result->n_regions = most;
  while (result->n_regions > 0 && f->regions[result->n_regions - 1].score < params->min_score)
    result->n_regions--;
}

static gm_status fill_result(const batch *b, const search *s, found_regions *f) {
  const gm_region_list *list = &b->scene->picture->base;
  f->regions = calloc(b->n_regions, sizeof *f->regions);
  if (!f->regions)
    return gm_fail_memory(b->c->err, "the regions", b->n_regions * sizeof *f->regions);
  f->base.n_regions = s->n_found;
  for (size_t i = 0; i < s->n_found; i++) {
    size_t region = s->order[i];
    f->regions[i] = gm_scene_region(b->scene, &list->regions[region], region);
    f->regions[i].score = s->scores[region];
  }
  cut_result(b->params, f);
  if (!b->params->free) return GM_OK;
  gm_text raw = {0};
  GM_TRY(gm_text_append(&raw, "", 0, b->c->err));
  gm_status status =
      gm_llama_decode(b->scene->model->groma->tokenizer, s->ids.ids, s->ids.n, &raw, b->c->err);
  f->raw = raw.bytes;
  f->base.raw = f->raw;
  f->base.margin = s->margin;
  return status;
}

/* *out is set after a failure too. */
static gm_status make_result(const batch *b, const search *s, gm_ground_result **out) {
  found_regions *f = calloc(1, sizeof *f);
  if (!f) return gm_fail_memory(b->c->err, "the regions", sizeof *f);
  f->base.struct_size = sizeof f->base;
  *out = &f->base;
  return fill_result(b, s, f);
}

/* ---- batches ---- */

/* i: of the phrase in the batch. */
static gm_status begin_talk(const batch *b, const char *phrase, size_t i, gm_talk *talk) {
  gm_question question = {0};
  gm_status status =
      gm_question_locate(&question, b->prompt, phrase, b->params->all, b->c->err);
  if (status == GM_OK) status = gm_talk_ask(talk, &question, NULL, b->c->err);
  if (status == GM_OK && !b->params->free)
    status = gm_talk_say(talk, b->prompt->roi, b->c->err);
  gm_question_free(&question);
  if (status != GM_OK) gm_fail_prefix(b->c->err, status, "phrase %zu", b->first + i + 1);
  return status;
}

static gm_status run_talks(batch *b, gm_talk *const *talks, const char *const *phrases,
                           size_t n) {
  GM_TRY(gm_talks_prepare(b->c, talks, n));
  for (size_t i = 0; i < n; i++) GM_TRY(begin_talk(b, phrases[i], i, talks[i]));
  for (size_t i = 0; i < n; i++) talks[i]->seq.least = BLOCK;
  bool full[BATCH];
  gm_next_fn next = b->params->free ? next_free : b->params->all ? next_instance : next_best;
  GM_TRY(gm_talks_run(b->c, talks, n, next, b, full));
  for (size_t i = 0; i < n; i++)
    if (full[i])
      return gm_fail(b->c->err, GM_ERR_CONTEXT_FULL,
                     "phrase %zu: the context of %zu positions is full; raise it (-c) or ask "
                     "with a shorter phrase",
                     b->first + i + 1, b->scene->model->groma->context);
  return GM_OK;
}

static gm_status take_room(batch *b, size_t n) {
  b->allowed = gm_scratch(b->c, (b->n_regions + 1) * sizeof *b->allowed, "the scores");
  b->share = gm_scratch_f32(b->c, b->n_regions + 1, "the scores");
  if (!b->allowed || !b->share) return GM_ERR_MEMORY;
  for (size_t i = 0; i < n; i++) {
    search *s = &b->searches[i];
    *s = (search){.margin = INFINITY};
    s->scores = gm_scratch_f32(b->c, b->n_regions, "the scores");
    s->order = gm_scratch(b->c, b->n_regions * sizeof *s->order, "the scores");
    if (!s->scores || !s->order) return GM_ERR_MEMORY;
    for (size_t r = 0; r < b->n_regions; r++) s->scores[r] = NAN;
  }
  return GM_OK;
}

/* Phrases [first, first + n) as one batch, n <= BATCH. */
static gm_status ground_batch(gm_scene *scene, gm_compute *c, const char *const *phrases,
                              size_t first, size_t n, const gm_ground_params *params,
                              gm_ground_result **results) {
  gm_talk talks[BATCH], *each[BATCH];
  search searches[BATCH] = {{0}};
  batch b = {.scene = scene,
             .params = params,
             .c = c,
             .prompt = scene->model->groma->prompt,
             .n_regions = scene->picture->base.n,
             .first = first,
             .searches = searches};
  gm_arena_mark mark = gm_arena_save(&c->arena);
  gm_status status = take_room(&b, n);
  size_t begun = 0;
  for (; begun < n && status == GM_OK; begun += status == GM_OK) {
    each[begun] = &talks[begun];
    status = gm_talk_begin(&talks[begun], scene->picture, NULL, 0, NULL, c->err);
  }
  if (status == GM_OK) status = run_talks(&b, each, phrases + first, n);
  for (size_t i = 0; i < n && status == GM_OK; i++)
    status = make_result(&b, &searches[i], &results[first + i]);
  for (size_t i = 0; i < begun; i++) gm_talk_free(&talks[i]);
  for (size_t i = 0; i < n; i++) gm_ids_free(&searches[i].ids);
  gm_arena_restore(&c->arena, mark);
  return status;
}

gm_status gm_ground(gm_scene *scene, const char *const *phrases, size_t n,
                    const gm_ground_params *params, const gm_callbacks *callbacks,
                    gm_ground_result **results, gm_error *err) {
  gm_ground_params own;
  gm_callbacks calls;
  for (size_t i = 0; i < n; i++) results[i] = NULL;
  GM_TRY(GM_STRUCT_READ(gm_ground_params, &own, params, err));
  GM_TRY(GM_STRUCT_READ(gm_callbacks, &calls, callbacks, err));
  if (n == 0) return gm_fail(err, GM_ERR_ARGUMENT, "found no phrase to ground, wanted some");
  gm_compute *c = gm_scene_enter(scene, &calls, err);
  gm_status status = GM_OK;
  for (size_t i = 0; i < n && status == GM_OK; i += BATCH)
    status = ground_batch(scene, c, phrases, i, n - i < BATCH ? n - i : BATCH, &own, results);
  for (size_t i = 0; i < n && status != GM_OK; i++) {
    gm_ground_result_free(results[i]);
    results[i] = NULL;
  }
  return gm_scene_leave(scene, status);
}

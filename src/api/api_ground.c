/* api_ground.c - where the things are that phrases name: constrained answers with scores, and
 * free ones. */
#include "ground_job.h"

#include "present.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
  BATCH = 32,       /* phrases at once: each has a short cache of its own after the prefix */
  BLOCK = 16,       /* positions that a phrase's cache grows by: most need no more */
  BEST = 5,         /* regions per phrase unless max_det says otherwise */
  FREE_TOKENS = 12, /* of a free answer that names one object */
};
#define MIN_PRESENT 0.5F

/* A result with its arrays. */
typedef struct found_regions {
  gm_ground_result base; /* first: this is what callers have */
  gm_region *regions;
  char *raw;
  float signals[GM_SIGNALS];
} found_regions;

const float *gm_ground_signals(const gm_ground_result *result) {
  return ((const found_regions *)result)->signals;
}

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
  float *scores; /* [n_regions] of those found; NaN: not named */
  size_t *order; /* [n_found] in the order they were named */
  size_t n_found;
  gm_ids ids; /* a free answer's */
  float margin;
  float present; /* NaN: no region was to be named yet */
  float signals[GM_SIGNALS];
} search;

struct gm_ground_job {
  gm_job job;
  gm_scene *scene;
  gm_question *questions; /* [n] */
  char **phrases;         /* [n] */
  size_t n;
  gm_ground_params params;
  gm_ground_result **results; /* [n] */
  size_t n_regions;
  int32_t *allowed;            /* [n_regions + 1] room for the tokens of a step */
  float *share;                /* [n_regions + 1] their softmax */
  const gm_present_unit *unit; /* of the model's head; NULL: nothing is calibrated */
  bool looks;                  /* the unit wants the CLIP's signals, which are missing */

  /* Of the batch questions[at, at + some). */
  size_t at, some;
  gm_talk talks[BATCH];
  search searches[BATCH];
  gm_voice voices[BATCH];
  size_t n_talks, n_searches;
};

static const gm_prompt *prompt_of(const gm_ground_job *g) {
  return g->scene->model->groma->prompt;
}

/* ---- what is said next ---- */

/* At the first step that is to name a region. */
static void note_presence(const gm_ground_job *b, search *s, const float *logits) {
  if (!isnan(s->present)) return;
  s->present = gm_present_estimate(logits, prompt_of(b), b->n_regions);
  size_t best = gm_present_signals(s->signals, logits, b->scene->model->groma->llama->vocab,
                                   prompt_of(b), b->n_regions);
  s->signals[GM_SIGNAL_OBJECT] =
      gm_present_logit_of(b->scene->encoding->base.regions[best].score);
}

static void found(search *s, size_t region, float score) {
  if (!isnan(s->scores[region])) return;
  s->scores[region] = score;
  s->order[s->n_found++] = region;
}

/* Softmax over all regions; allowed[i] is then <ri>. */
static void score_regions(gm_ground_job *b, const float *logits) {
  for (size_t i = 0; i < b->n_regions; i++) b->allowed[i] = prompt_of(b)->region_0 + (int32_t)i;
  gm_softmax_among(b->share, logits, b->allowed, b->n_regions);
}

static gm_status next_best(void *user, size_t i, const float *logits, int32_t *id, bool *more,
                           gm_error *err) {
  (void)err;
  gm_ground_job *b = user;
  note_presence(b, &b->searches[i], logits);
  score_regions(b, logits);
  for (size_t r = 0; r < b->n_regions; r++) found(&b->searches[i], r, b->share[r]);
  *id = -1;
  *more = false;
  return GM_OK;
}

static gm_status next_instance(void *user, size_t i, const float *logits, int32_t *id,
                               bool *more, gm_error *err) {
  (void)err;
  gm_ground_job *b = user;
  search *s = &b->searches[i];
  size_t n = 0;
  note_presence(b, s, logits);
  for (size_t r = 0; r < b->n_regions; r++)
    if (isnan(s->scores[r])) b->allowed[n++] = prompt_of(b)->region_0 + (int32_t)r;
  if (s->n_found > 0) b->allowed[n++] = prompt_of(b)->roi_end;
  gm_softmax_among(b->share, logits, b->allowed, n);
  size_t best = gm_argmax(b->share, n);
  *id = b->allowed[best];
  *more = *id != prompt_of(b)->roi_end;
  if (*more) found(s, (size_t)(*id - prompt_of(b)->region_0), b->share[best]);
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

static gm_status next_free(void *user, size_t i, const float *logits, int32_t *id, bool *more,
                           gm_error *err) {
  gm_ground_job *b = user;
  search *s = &b->searches[i];
  size_t vocab = b->scene->model->groma->llama->vocab;
  size_t most = b->params.all ? FREE_TOKENS + b->n_regions : FREE_TOKENS;
  if (s->ids.n > 0 && s->ids.ids[s->ids.n - 1] == prompt_of(b)->roi)
    note_presence(b, s, logits);
  *id = (int32_t)gm_argmax(logits, vocab);
  s->margin = fminf(s->margin, lead_of(logits, vocab, (size_t)*id));
  GM_TRY(gm_ids_append(&s->ids, *id, err));
  int32_t region = *id - prompt_of(b)->region_0;
  if (region >= 0 && (size_t)region < b->n_regions) {
    score_regions(b, logits);
    found(s, (size_t)region, b->share[region]);
  }
  *more = *id != prompt_of(b)->eos && s->ids.n < most;
  return GM_OK;
}

/* ---- results ---- */

/* What the head makes of the signals. */
static void calibrate(const gm_present_unit *unit, found_regions *f) {
  float logit = gm_present_logit(unit, f->signals);
  f->base.present = gm_present_probability(logit);
  f->base.calibrated = true;
  for (size_t i = 0; i < f->base.n_regions; i++)
    f->regions[i].score = gm_present_score(unit, logit, f->regions[i].share);
}

/* What is found, which is sorted, cut as the parameters ask. */
static void cut_result(const gm_ground_params *params, found_regions *f) {
  gm_ground_result *result = &f->base;
  size_t found = result->n_regions;
  float least = params->min_present == 0 ? MIN_PRESENT : params->min_present;
  if (result->calibrated && result->present < least) result->n_regions = 0;
  size_t most = params->max_det ? params->max_det : params->all ? SIZE_MAX : BEST;
  if (result->n_regions > most) result->n_regions = most;
  while (result->n_regions > 0 && f->regions[result->n_regions - 1].score < params->min_score)
    result->n_regions--;
  result->n_left_out = found - result->n_regions;
}

static gm_status fill_result(const gm_ground_job *g, const search *s, found_regions *f,
                             gm_error *err) {
  const gm_region_list *list = &g->scene->encoding->base;
  f->regions = calloc(g->n_regions, sizeof *f->regions);
  if (!f->regions) return gm_fail_memory(err, "the regions", g->n_regions * sizeof *f->regions);
  f->base.n_regions = s->n_found;
  f->base.present = isnan(s->present) ? 0 : s->present; /* a free answer may name no region */
  for (size_t i = 0; i < s->n_found; i++) {
    size_t region = s->order[i];
    f->regions[i] = gm_scene_region(g->scene, &list->regions[region], region);
    f->regions[i].share = f->regions[i].score = s->scores[region];
  }
  if (!g->params.free) {
    gm_sort_regions(f->regions, f->base.n_regions);
    return GM_OK;
  }
  gm_text raw = {0};
  GM_TRY(gm_text_append(&raw, "", 0, err));
  gm_status status =
      gm_llama_decode(g->scene->model->groma->tokenizer, s->ids.ids, s->ids.n, &raw, err);
  f->raw = raw.bytes;
  f->base.raw = f->raw;
  f->base.margin = s->margin;
  return status;
}

static void finish_results(gm_ground_job *g) {
  for (size_t i = 0; i < g->n && !g->params.free; i++) {
    found_regions *f = (found_regions *)g->results[i];
    if (g->unit) calibrate(g->unit, f);
    cut_result(&g->params, f);
  }
}

/* The CLIP's signals of all phrases. */
static gm_status look(gm_ground_job *g, gm_error *err) {
  const gm_present_head *head = g->scene->model->head;
  gm_box *boxes = calloc(g->n, sizeof *boxes);
  float(*signals)[GM_SIGNALS] = calloc(g->n, sizeof *signals);
  gm_status status =
      boxes && signals ? GM_OK : gm_fail_memory(err, "the phrases", g->n * sizeof *signals);
  for (size_t i = 0; i < g->n && status == GM_OK; i++)
    boxes[i] = ((const found_regions *)g->results[i])->regions[0].box;
  if (status == GM_OK)
    status = gm_present_look(g->params.clip, g->params.image, head->background, head->n_words,
                             (const char *const *)g->phrases, boxes, g->n, &g->job.inner,
                             signals, err);
  for (size_t i = 0; i < g->n && status == GM_OK; i++)
    memcpy(((found_regions *)g->results[i])->signals + GM_CLIP_SIGNALS,
           signals[i] + GM_CLIP_SIGNALS, (GM_SIGNALS - GM_CLIP_SIGNALS) * sizeof signals[i][0]);
  free(boxes);
  free(signals);
  return status;
}

/* *out is set after a failure too. */
static gm_status make_result(const gm_ground_job *g, const search *s, gm_ground_result **out,
                             gm_error *err) {
  found_regions *f = calloc(1, sizeof *f);
  if (!f) return gm_fail_memory(err, "the regions", sizeof *f);
  f->base.struct_size = sizeof f->base;
  *out = &f->base;
  return fill_result(g, s, f, err);
}

/* ---- the job ---- */

static gm_status begin_search(gm_ground_job *g, search *s, gm_error *err) {
  size_t n = g->n_regions;
  *s = (search){.margin = INFINITY, .present = NAN};
  for (size_t i = 0; i < GM_SIGNALS; i++) s->signals[i] = NAN;
  s->scores = malloc(n * sizeof *s->scores);
  s->order = malloc(n * sizeof *s->order);
  g->n_searches++;
  if (!s->scores || !s->order)
    return gm_fail_memory(err, "the scores", n * (sizeof *s->scores + sizeof *s->order));
  for (size_t r = 0; r < n; r++) s->scores[r] = NAN;
  return GM_OK;
}

static gm_status begin_talks(gm_ground_job *g, gm_error *err) {
  for (size_t i = 0; i < g->some; i++) {
    GM_TRY(begin_search(g, &g->searches[i], err));
    GM_TRY(gm_talk_begin(&g->talks[i], g->scene->encoding, NULL, 0, NULL, err));
    g->n_talks++;
  }
  return GM_OK;
}

static gm_status ask(gm_ground_job *g, size_t i, gm_error *err) {
  gm_talk *talk = &g->talks[i];
  gm_status status = gm_talk_ask(talk, &g->questions[g->at + i], NULL, err);
  if (status == GM_OK && !g->params.free) status = gm_talk_say(talk, prompt_of(g)->roi, err);
  if (status != GM_OK) gm_fail_prefix(err, status, "phrase %zu", g->at + i + 1);
  talk->seq.least = BLOCK;
  return status;
}

static gm_status run(gm_job *job, gm_compute *c) {
  gm_ground_job *g = (gm_ground_job *)job;
  gm_talk *talks[BATCH];
  gm_asked asked[BATCH];
  if (g->at == g->n) {
    g->looks = false;
    return look(g, c->err);
  }
  g->some = g->n - g->at < BATCH ? g->n - g->at : BATCH;
  for (size_t i = 0; i < g->some; i++) {
    talks[i] = &g->talks[i];
    asked[i].scene = g->scene;
  }
  GM_TRY(begin_talks(g, c->err));
  size_t ready = gm_encoding_ready(g->scene->encoding) ? SIZE_MAX : 0;
  GM_TRY(gm_prepare_talks(job, c, asked, talks, g->some));
  for (size_t i = 0; i < g->some; i++) GM_TRY(ask(g, i, c->err));
  gm_next_fn next = g->params.free ? next_free : g->params.all ? next_instance : next_best;
  for (size_t i = 0; i < g->some; i++) {
    g->voices[i] =
        (gm_voice){.talk = talks[i], .next = next, .user = g, .index = i, .ready = ready};
    gm_job_speak(job, &g->voices[i]);
  }
  return GM_OK;
}

static gm_status make_results(gm_ground_job *g, gm_error *err) {
  for (size_t i = 0; i < g->some; i++) {
    gm_ground_result **result = &g->results[g->at + i];
    GM_TRY(make_result(g, &g->searches[i], result, err));
    float *signals = ((found_regions *)*result)->signals;
    memcpy(signals, g->searches[i].signals, sizeof g->searches[i].signals);
    signals[GM_SIGNAL_WORDS] = gm_present_words(g->phrases[g->at + i]);
  }
  return GM_OK;
}

static gm_status full(const gm_ground_job *g, gm_error *err) {
  size_t i = 0;
  while (i + 1 < g->some && g->voices[i].status != GM_ERR_CONTEXT_FULL) i++;
  return gm_fail(
      err, GM_ERR_CONTEXT_FULL,
      "phrase %zu: the context of %zu positions is full; raise it (-c) or ask with a "
      "shorter phrase",
      g->at + i + 1, g->scene->model->groma->context);
}

static gm_status collect(gm_job *job, gm_error *err, gm_status status, bool *more) {
  gm_ground_job *g = (gm_ground_job *)job;
  if (status == GM_ERR_CONTEXT_FULL && g->n_talks == g->some && g->voices[0].job)
    status = full(g, err);
  if (status == GM_OK) status = make_results(g, err);
  for (size_t i = 0; i < g->n_talks; i++) gm_talk_free(&g->talks[i]);
  for (size_t i = 0; i < g->n_searches; i++) {
    free(g->searches[i].scores);
    free(g->searches[i].order);
    gm_ids_free(&g->searches[i].ids);
  }
  g->n_talks = g->n_searches = 0;
  memset(g->voices, 0, sizeof g->voices);
  g->at += g->some;
  g->some = 0;
  *more = status == GM_OK && (g->at < g->n || g->looks);
  if (status == GM_OK && !*more) finish_results(g);
  for (size_t i = 0; i < g->n && status != GM_OK; i++) {
    gm_ground_result_free(g->results[i]);
    g->results[i] = NULL;
  }
  return status;
}

static bool ready(const gm_job *job) {
  const gm_ground_job *g = (const gm_ground_job *)job;
  return g->at < g->n && gm_encoding_ready(g->scene->encoding);
}

gm_job *gm_ground_job_of(gm_ground_job *g) {
  return &g->job;
}

void gm_ground_job_free(gm_ground_job *g) {
  if (!g) return;
  for (size_t i = 0; i < g->n && g->questions; i++) gm_question_free(&g->questions[i]);
  for (size_t i = 0; i < g->n && g->phrases; i++) free(g->phrases[i]);
  free(g->phrases);
  free(g->questions);
  free(g->allowed);
  free(g->share);
  free(g);
}

static gm_status make_questions(gm_ground_job *g, const char *const *phrases, gm_error *err) {
  for (size_t i = 0; i < g->n; i++) {
    gm_status status =
        gm_question_locate(&g->questions[i], prompt_of(g), phrases[i], g->params.all, err);
    if (status != GM_OK) return gm_fail_prefix(err, status, "phrase %zu", i + 1);
    g->phrases[i] = strdup(phrases[i]);
    if (!g->phrases[i]) return gm_fail_memory(err, "the phrases", strlen(phrases[i]));
  }
  return GM_OK;
}

/* With the CLIP's signals where the head has them and the caller that CLIP. */
static void choose_unit(gm_ground_job *g) {
  const gm_present_head *head = g->scene->model->head;
  if (!head || g->params.free) return;
  const gm_present_unit *units = head->units[g->params.all ? GM_PRESENT_ALL : GM_PRESENT_ONE];
  bool clip = units[1].n > 0 && g->params.clip && gm_present_fits(head, g->params.clip);
  g->unit = &units[clip];
  if (g->unit->n == 0) g->unit = NULL;
  g->looks = clip;
}

static gm_status check_params(const gm_scene *scene, const gm_ground_params *params,
                              gm_error *err) {
  const gm_image *image = params->image;
  if (!image != !params->clip)
    return gm_fail(err, GM_ERR_ARGUMENT, "found a %s without a %s, wanted both or neither",
                   image ? "picture" : "CLIP", image ? "CLIP" : "picture");
  if (image &&
      (gm_image_width(image) != scene->width || gm_image_height(image) != scene->height))
    return gm_fail(err, GM_ERR_ARGUMENT,
                   "found a picture of %u x %u pixels, wanted the scene's, of %u x %u",
                   gm_image_width(image), gm_image_height(image), scene->width, scene->height);
  return GM_OK;
}

gm_status gm_ground_job_new(gm_ground_job **out, gm_scene *scene, const char *const *phrases,
                            size_t n, const gm_ground_params *params,
                            gm_ground_result **results, gm_error *err) {
  *out = NULL;
  if (n == 0) return gm_fail(err, GM_ERR_ARGUMENT, "found no phrase to ground, wanted some");
  GM_TRY(check_params(scene, params, err));
  gm_ground_job *g = calloc(1, sizeof *g);
  if (!g) return gm_fail_memory(err, "the phrases", sizeof *g);
  g->scene = scene;
  g->n = n;
  g->results = results;
  g->params = *params;
  g->n_regions = scene->encoding->base.n;
  choose_unit(g);
  g->questions = calloc(n, sizeof *g->questions);
  g->phrases = calloc(n, sizeof *g->phrases);
  g->allowed = malloc((g->n_regions + 1) * sizeof *g->allowed);
  g->share = malloc((g->n_regions + 1) * sizeof *g->share);
  g->job = (gm_job){
      .kernels = scene->model->base.kernels, .run = run, .collect = collect, .ready = ready};
  gm_status status = g->questions && g->phrases && g->allowed && g->share
                         ? make_questions(g, phrases, err)
                         : gm_fail_memory(err, "the phrases", n * sizeof *g->questions);
  if (status == GM_OK)
    *out = g;
  else
    gm_ground_job_free(g);
  return status;
}

gm_status gm_ground(gm_scene *scene, const char *const *phrases, size_t n,
                    const gm_ground_params *params, const gm_callbacks *callbacks,
                    gm_ground_result **results, gm_error *err) {
  gm_ground_job *g;
  gm_ground_params own;
  gm_callbacks calls;
  for (size_t i = 0; i < n; i++) results[i] = NULL;
  GM_TRY(GM_STRUCT_READ(gm_ground_params, &own, params, err));
  GM_TRY(GM_STRUCT_READ(gm_callbacks, &calls, callbacks, err));
  GM_TRY(gm_ground_job_new(&g, scene, phrases, n, &own, results, err));
  gm_job *job = gm_ground_job_of(g);
  job->callbacks = &calls;
  gm_status status = gm_job_do(scene->model->base.engine, job, err);
  gm_ground_job_free(g);
  return status;
}

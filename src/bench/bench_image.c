/* bench_image.c - gm_bench_image: the whole chain on a picture, stage by stage. */
#include "bench_stages.h"
#include "mapping.h"
#include "pixels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const stage_names[] = {"picture", "pixels",  "vision",  "proposer",
                                          "maps",    "regions", "prefill", "decode",
                                          "ground",  "ground 1"};
enum { N_STAGES = sizeof stage_names / sizeof stage_names[0], MOST_PHRASES = 1000 };

typedef struct image_bench {
  gm_bench_chain chain;
  gm_model *model;
  gm_mapping file;
  const char *path; /* of the picture */
  gm_image *image;
  gm_scene *scene; /* the phrases are grounded on it */
  char (*words)[32];
  const char **phrases;     /* [n_phrases] */
  gm_ground_result **found; /* [n_phrases] */
  size_t n_phrases;
  const gm_callbacks *callbacks;
  gm_error *err;
} image_bench;

/* ---- the picture ---- */

static gm_status run_picture(gm_compute *c, void *user) {
  (void)c;
  image_bench *b = user;
  gm_image_free(b->image);
  gm_status status = gm_image_from_memory(&b->image, b->file.data, b->file.size, NULL, b->err);
  return status == GM_OK ? GM_OK : gm_fail_prefix(b->err, status, "%s", b->path);
}

static gm_status run_pixels(gm_compute *c, void *user) {
  image_bench *b = user;
  const gm_groma_hparams *h = &b->chain.groma->hparams;
  return gm_pixels_squash(b->chain.pixels, b->image, h->image_size, &h->pixel_norm, c->pool,
                          c->err);
}

static gm_status time_picture(image_bench *b, gm_compute *c) {
  gm_bench_chain *chain = &b->chain;
  gm_bench_job job = {.stage = "picture", .limit = "", .run = run_picture, .user = b};
  GM_TRY(run_picture(c, b));
  uint32_t w = gm_image_width(b->image), h = gm_image_height(b->image);
  snprintf(job.shape, sizeof job.shape, "%u x %u, %zu bytes", w, h, b->file.size);
  job.bytes = (double)b->file.size + 3.0 * w * h;
  if (gm_bench_wants(chain->stages, job.stage))
    GM_TRY(gm_bench_run(chain->results, c, &job, chain->repeat));
  job.stage = "pixels";
  job.run = run_pixels;
  uint32_t side = chain->groma->hparams.image_size;
  snprintf(job.shape, sizeof job.shape, "to %u x %u", side, side);
  job.bytes = 3.0 * w * h + 12.0 * side * side;
  if (gm_bench_wants(chain->stages, job.stage))
    return gm_bench_run(chain->results, c, &job, chain->repeat);
  return run_pixels(c, b);
}

/* Finds the picture's regions and the length of its prompt. */
static gm_status find_regions(image_bench *b, gm_compute *c) {
  gm_bench_chain *chain = &b->chain;
  const gm_groma *groma = chain->groma;
  const gm_groma_hparams *h = &groma->hparams;
  GM_TRY(gm_vision_encode(c, groma->vision, chain->features, chain->pixels));
  GM_TRY(gm_vision_propose(c, groma->vision, chain->features));
  size_t n;
  const float *scores;
  const gm_rel_box *boxes = gm_features_proposals(chain->features, &scores, &n);
  gm_region_rule rule = {h->score_threshold, h->nms_threshold, h->max_regions};
  if (rule.max_regions > groma->max_regions) rule.max_regions = groma->max_regions;
  uint32_t *chosen = gm_scratch(c, n * sizeof *chosen, "the regions");
  if (!chosen) return GM_ERR_MEMORY;
  chain->regions = gm_regions_choose(boxes, scores, n, &rule, chosen);
  for (size_t i = 0; i < chain->regions; i++) chain->boxes[i] = boxes[chosen[i]];

  gm_question question = {0};
  const gm_prompt *prompt = groma->prompt;
  gm_status status = gm_question_typed(
      &question, prompt, "Give me a concise description of the image.", true, 0, c->err);
  chain->prompt = prompt->head.n + gm_vision_n_tokens(groma->vision) +
                  prompt->before_regions.n + 2 * chain->regions + prompt->tail.n +
                  question.ids.n;
  gm_question_free(&question);
  if (status == GM_OK && chain->prompt + chain->tokens > groma->context)
    status = gm_fail(c->err, GM_ERR_ARGUMENT,
                     "found %zu positions and %zu tokens, wanted at most the context of %zu",
                     chain->prompt, chain->tokens, groma->context);
  return status;
}

/* ---- phrases ---- */

static gm_status ground(image_bench *b, size_t n) {
  gm_status status = gm_ground(b->scene, b->phrases, n, NULL, b->callbacks, b->found, b->err);
  for (size_t i = 0; i < n; i++) gm_ground_result_free(b->found[i]);
  return status;
}

static gm_status run_batch(gm_compute *c, void *user) {
  (void)c;
  image_bench *b = user;
  return ground(b, b->n_phrases);
}

static gm_status run_alone(gm_compute *c, void *user) {
  (void)c;
  return ground(user, 1);
}

static gm_status make_phrases(image_bench *b) {
  static const char *const colours[] = {"red", "green", "blue", "white", "black"};
  static const char *const things[] = {"car", "dog", "house", "person", "table", "tree", "cup"};
  size_t n = b->n_phrases;
  b->words = calloc(n, sizeof *b->words);
  b->phrases = calloc(n, sizeof *b->phrases);
  b->found = calloc(n, sizeof *b->found);
  if (!b->words || !b->phrases || !b->found)
    return gm_fail_memory(b->err, "the phrases", n * sizeof *b->words);
  for (size_t i = 0; i < n; i++) {
    snprintf(b->words[i], sizeof b->words[i], "the %s %s", colours[i % 5], things[i % 7]);
    b->phrases[i] = b->words[i];
  }
  return GM_OK;
}

/* Done outside of the model's work, since these are public calls. The first question, which
 * computes the shared prefix, is not timed here. */
static gm_status time_ground(image_bench *b) {
  gm_bench_chain *chain = &b->chain;
  gm_compute own = {
      .kernels = b->model->base.kernels, .pool = b->model->base.engine->pool, .err = b->err};
  gm_compute *c = &own;
  if (!gm_bench_wants(chain->stages, "ground") && !gm_bench_wants(chain->stages, "ground 1"))
    return GM_OK;
  GM_TRY(make_phrases(b));
  GM_TRY(gm_scene_create(&b->scene, b->model, b->image, NULL, b->callbacks, b->err));
  GM_TRY(ground(b, 1));
  gm_bench_job job = {.stage = "ground", .limit = "", .run = run_batch, .user = b};
  snprintf(job.shape, sizeof job.shape, "%zu phrases as one batch", b->n_phrases);
  if (gm_bench_wants(chain->stages, job.stage))
    GM_TRY(gm_bench_run(chain->results, c, &job, chain->repeat));
  job.stage = "ground 1";
  job.run = run_alone;
  snprintf(job.shape, sizeof job.shape, "one phrase");
  if (!gm_bench_wants(chain->stages, job.stage)) return GM_OK;
  return gm_bench_run(chain->results, c, &job, chain->repeat);
}

/* ---- the whole ---- */

static gm_status time_chain(image_bench *b) {
  gm_bench_chain *chain = &b->chain;
  gm_entry entry;
  GM_TRY(gm_model_enter(b->model, &entry, b->callbacks, b->err));
  gm_compute *c = entry.c;
  gm_arena_mark mark = gm_arena_save(&c->arena);
  gm_status status = gm_bench_chain_begin(chain, b->err);
  if (status == GM_OK) status = gm_bench_results_create(&chain->results, c);
  if (status == GM_OK) status = time_picture(b, c);
  if (status == GM_OK) status = find_regions(b, c);
  if (status == GM_OK) status = gm_bench_vision(chain, c, b->model);
  if (status == GM_OK) status = gm_bench_language(chain, c, b->model);
  gm_arena_restore(&c->arena, mark);
  gm_bench_chain_end(chain);
  return gm_engine_leave(&entry, status);
}

/* The rate of pictures, one after another, each from file to answer. */
static void set_rate(gm_bench_results *results, const char *stages) {
  double seconds = 0;
  for (size_t i = 0; i < results->report.n_stages; i++)
    if (strncmp(results->rows[i].stage.stage, "ground", 6) != 0)
      seconds += results->rows[i].stage.seconds_median;
  if (!stages && seconds > 0) results->report.pictures_per_hour = 3600 / seconds;
}

static gm_status bench_image(image_bench *b, const char *model, const gm_bench_params *p) {
  gm_model_params params = gm_model_params_default();
  params.threads = p->threads;
  params.cache_type_k = p->cache_type_k;
  params.cache_type_v = p->cache_type_v;
  params.fast = p->fast;
  params.adapters = p->adapters;
  params.n_adapters = p->n_adapters;
  GM_TRY(gm_model_open(&b->model, model, &params, b->err));
  const gm_groma *groma = b->model->groma;
  b->chain.groma = groma;
  b->chain.regions = groma->max_regions; /* room; then those that the picture has */
  b->chain.prompt = groma->context;
  GM_TRY(time_chain(b));
  GM_TRY(time_ground(b));
  set_rate(b->chain.results, p->stages);
  return GM_OK;
}

gm_status gm_bench_image(gm_bench_report **out, const char *image, const char *model,
                         const gm_bench_params *params, const gm_callbacks *callbacks,
                         gm_error *err) {
  *out = NULL;
  gm_bench_params p;
  gm_callbacks calls;
  GM_TRY(gm_bench_read_params(&p, params, &calls, callbacks, err));
  image_bench b = {
      .path = image, .n_phrases = p.count ? p.count : 32, .callbacks = &calls, .err = err};
  b.chain.tokens = p.tokens ? p.tokens : 48;
  b.chain.stages = p.stages;
  b.chain.repeat = p.repeat;
  GM_TRY(gm_bench_check_stages(p.stages, stage_names, N_STAGES, err));
  if (b.n_phrases > MOST_PHRASES || b.chain.repeat > 1000)
    return gm_fail(err, GM_ERR_ARGUMENT,
                   "found %zu phrases and %u runs, wanted at most %d and 1000", b.n_phrases,
                   b.chain.repeat, MOST_PHRASES);
  GM_TRY(gm_map_file(&b.file, image, false, err));
  gm_status status = bench_image(&b, model, &p);
  gm_scene_free(b.scene);
  gm_image_free(b.image);
  gm_model_free(b.model);
  gm_unmap(&b.file);
  free(b.words);
  free(b.phrases);
  free(b.found);
  return gm_bench_finish(b.chain.results, status, out);
}

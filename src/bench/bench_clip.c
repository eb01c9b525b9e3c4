/* bench_clip.c - gm_bench_clip: times a CLIP on pictures and texts, each from the user's input:
 * crops of a decoded picture, strings.
 *
 * Operations are those of the straightforward algorithm: every token through every layer, texts
 * as long as the context. */
#include "bench.h"
#include "clip_handles.h"
#include "crops.h"

#include <stdio.h>
#include <stdlib.h>

enum { WIDTH = 640, HEIGHT = 480, CROPS = 60, TEXTS = 50, TEXT_SIZE = 120 };

typedef struct clip_bench {
  const gm_clip_model *model;
  gm_image *image;
  gm_crop *crops;          /* [n] */
  char (*text)[TEXT_SIZE]; /* [n_texts] */
  const char **texts;
  float *features; /* [max(n, n_texts), D] */
  size_t n, n_texts;
} clip_bench;

static const char *const stage_names[] = {"crops", "texts"};
enum { N_STAGES = sizeof stage_names / sizeof stage_names[0] };

static gm_status run_crops(gm_compute *c, void *user) {
  clip_bench *b = user;
  return gm_clip_encode_crops(c, b->model, b->image, b->crops, b->n, b->features, NULL);
}

static gm_status run_texts(gm_compute *c, void *user) {
  clip_bench *b = user;
  return gm_clip_encode_strings(c, b->model, b->texts, b->n_texts, b->features, NULL);
}

/* ---- what is encoded */

/* A picture of soft noise: 8 x 8 pixels of one random colour each. */
static gm_status draw_picture(clip_bench *b, gm_error *err) {
  uint8_t *rgb = malloc((size_t)WIDTH * HEIGHT * 3);
  if (!rgb) return gm_fail_memory(err, "the picture", (size_t)WIDTH * HEIGHT * 3);
  for (uint64_t y = 0; y < HEIGHT; y++)
    for (uint64_t x = 0; x < WIDTH; x++)
      for (uint64_t k = 0; k < 3; k++)
        rgb[(y * WIDTH + x) * 3 + k] = (uint8_t)gm_mix64(y / 8 << 16 | x / 8 << 2 | k);
  gm_status status = gm_image_from_rgb(&b->image, rgb, WIDTH, HEIGHT, err);
  free(rgb);
  return status;
}

static void write_texts(clip_bench *b) {
  static const char *const kinds[] = {"bird", "dog", "boat", "flower", "car"};
  for (size_t i = 0; i < b->n_texts; i++) {
    snprintf(b->text[i], TEXT_SIZE,
             "a photo of a %s, which has %zu spots, a long tail and small round ears, number "
             "%zu.",
             kinds[i % 5], i + 2, i);
    b->texts[i] = b->text[i];
  }
}

static gm_status prepare(clip_bench *b, gm_error *err) {
  size_t most = b->n > b->n_texts ? b->n : b->n_texts;
  b->crops = calloc(b->n, sizeof *b->crops);
  b->text = calloc(b->n_texts, sizeof *b->text);
  b->texts = calloc(b->n_texts, sizeof *b->texts);
  b->features = calloc(most * b->model->features, sizeof *b->features);
  if (!b->crops || !b->text || !b->texts || !b->features)
    return gm_fail_memory(err, "the benchmark", most * b->model->features * sizeof(float));
  GM_TRY(draw_picture(b, err));
  gm_crop whole = {0, 0, WIDTH, HEIGHT};
  gm_rng rng = gm_crops_rng(b->image, &whole, 1, "bench");
  gm_crops_draw(b->crops, b->n, WIDTH, HEIGHT, 0.5, 0.9, &rng);
  write_texts(b);
  return GM_OK;
}

static void release(clip_bench *b) {
  gm_image_free(b->image);
  free(b->crops);
  free(b->text);
  free(b->texts);
  free(b->features);
}

/* ---- stages */

/* A tower's operations for one picture or text; *bytes: the size of its weights. */
static double tower_operations(const gm_model_file *file, const char *prefix, double tokens,
                               double width, double layers, double *bytes) {
  double elements;
  gm_bench_weights(file, prefix, &elements, bytes);
  return 2 * elements * tokens + 4 * tokens * tokens * width * layers;
}

static gm_status time_stages(clip_bench *b, gm_bench_results *results, gm_compute *c,
                             const gm_clip *clip, const gm_bench_params *p) {
  const gm_clip_vision *v = &b->model->vision;
  const gm_clip_text *t = &b->model->text;
  bool fused = b->model->hparams.fused;
  gm_bench_job job = {.stage = "crops", .run = run_crops, .user = b};
  job.limit = gm_bench_limit_of(c->kernels, v->blocks[0].fc1.type);
  double each =
      tower_operations(clip->base.file, fused ? "visual.transformer." : "vision_model.encoder.",
                       (double)v->tokens, (double)v->shape.dim, (double)v->layers, &job.bytes);
  each += 2 * (double)gm_tensor_rows(&v->patch) * (double)gm_tensor_cols(&v->patch) *
          (double)(v->tokens - 1);
  job.operations = each * (double)b->n;
  snprintf(job.shape, sizeof job.shape, "%zu crops, %zu layers, %zu tokens x %zu", b->n,
           v->layers, v->tokens, v->shape.dim);
  if (gm_bench_wants(p->stages, job.stage)) GM_TRY(gm_bench_run(results, c, &job, p->repeat));

  job.stage = "texts";
  job.run = run_texts;
  each =
      tower_operations(clip->base.file, fused ? "transformer." : "text_model.encoder.",
                       (double)t->context, (double)t->shape.dim, (double)t->layers, &job.bytes);
  job.operations = each * (double)b->n_texts;
  snprintf(job.shape, sizeof job.shape, "%zu strings, %zu layers, %zu tokens x %zu", b->n_texts,
           t->layers, t->context, t->shape.dim);
  return gm_bench_wants(p->stages, job.stage) ? gm_bench_run(results, c, &job, p->repeat)
                                              : GM_OK;
}

gm_status gm_bench_clip(gm_bench_report **out, const char *path, const gm_bench_params *params,
                        const gm_callbacks *callbacks, gm_error *err) {
  *out = NULL;
  gm_bench_params p;
  gm_callbacks calls;
  GM_TRY(gm_bench_read_params(&p, params, &calls, callbacks, err));
  gm_clip_params clip_params = gm_clip_params_default();
  clip_params.threads = p.threads;
  clip_params.fast = p.fast;
  clip_params.adapters = p.adapters;
  clip_params.n_adapters = p.n_adapters;
  if (p.repeat > 1000 || p.count > 100000)
    return gm_fail(err, GM_ERR_ARGUMENT,
                   "found %u runs of %u, wanted at most 1000 runs of 100000", p.repeat,
                   p.count);
  GM_TRY(gm_bench_check_stages(p.stages, stage_names, N_STAGES, err));
  gm_clip *clip;
  GM_TRY(gm_clip_open(&clip, path, &clip_params, err));
  clip_bench b = {.model = clip->model,
                  .n = p.count ? p.count : CROPS,
                  .n_texts = p.count ? p.count : TEXTS};
  gm_bench_results *results = NULL;
  gm_entry entry;
  gm_status status = gm_clip_enter(clip, &entry, &calls, err);
  if (status == GM_OK) {
    status = prepare(&b, err);
    if (status == GM_OK) status = gm_bench_results_create(&results, entry.c);
    if (status == GM_OK) status = time_stages(&b, results, entry.c, clip, &p);
    status = gm_engine_leave(&entry, status);
  }
  release(&b);
  gm_clip_free(clip);
  return gm_bench_finish(results, status, out);
}

/* clip.c - see clip.h. */
#include "clip.h"

#include "clip_tokenizer_file.h"

#include <stdlib.h>
#include <string.h>

enum {
  TEXT_GROUP = 512,    /* texts between two reports of progress */
  PICTURE_GROUP = 4096 /* tokens of the pictures that are resized at once */
};

/* ---- loading */

static gm_status load_parts(gm_clip_model *m, const gm_model_file *file, gm_error *err) {
  const char *architecture;
  GM_TRY(gm_model_file_string(file, "general.architecture", &architecture, err));
  if (strcmp(architecture, "clip") != 0)
    return gm_fail(err, GM_ERR_MODEL,
                   "%s: found a model of architecture \"%.40s\", wanted clip; convert a CLIP "
                   "checkpoint, or use clip-mini",
                   gm_model_file_name(file), architecture);
  GM_TRY(gm_clip_hparams_read(&m->hparams, file, err));
  GM_TRY(gm_clip_vision_load(&m->vision, file, &m->hparams, err));
  GM_TRY(gm_clip_text_load(&m->text, file, &m->hparams, err));
  if (m->vision.features != m->text.features)
    return gm_fail(err, GM_ERR_MODEL,
                   "%s: the image tower gives %zu features, the text tower %zu; wanted equal",
                   gm_model_file_name(file), m->vision.features, m->text.features);
  m->features = m->vision.features;
  return gm_clip_tokenizer_from_file(&m->tokenizer, file, m->text.vocabulary, err);
}

gm_status gm_clip_model_load(gm_clip_model **out, const gm_model_file *file, gm_error *err) {
  *out = NULL;
  gm_clip_model *m = calloc(1, sizeof *m);
  if (!m) return gm_fail_memory(err, "the model", sizeof *m);
  gm_status status = load_parts(m, file, err);
  if (status == GM_OK)
    *out = m;
  else
    gm_clip_model_free(m);
  return status;
}

void gm_clip_model_free(gm_clip_model *model) {
  if (!model) return;
  gm_clip_vision_free(&model->vision);
  gm_clip_text_free(&model->text);
  gm_clip_tokenizer_free(model->tokenizer);
  free(model);
}

static void report(const gm_callbacks *callbacks, const char *stage, size_t done, size_t n) {
  if (callbacks && callbacks->progress)
    callbacks->progress(callbacks->user, stage, (double)done / (double)n);
}

/* ---- texts */

static gm_status encode_group(gm_compute *c, const gm_clip_model *m, const char *const *texts,
                              size_t n, float *out) {
  size_t context = m->text.context;
  int32_t *ids = gm_scratch(c, n * context * sizeof *ids, "token ids");
  size_t *ends = gm_scratch(c, n * sizeof *ends, "text lengths");
  if (!ids || !ends) return GM_ERR_MEMORY;
  for (size_t i = 0; i < n; i++) {
    size_t used, end = 0;
    int32_t *row = ids + i * context;
    GM_TRY(gm_clip_encode_context(m->tokenizer, texts[i], strlen(texts[i]), GM_CLIP_PLAIN, row,
                                  context, &used, c->err));
    while (row[end] != row[used - 1]) end++; /* the first end-of-text id */
    ends[i] = end;
  }
  return gm_clip_text_forward(c, &m->text, ids, ends, n, out);
}

gm_status gm_clip_encode_strings(gm_compute *c, const gm_clip_model *model,
                                 const char *const *texts, size_t n, float *out,
                                 const gm_callbacks *callbacks) {
  for (size_t i = 0; i < n; i += TEXT_GROUP) {
    size_t count = n - i < TEXT_GROUP ? n - i : TEXT_GROUP;
    report(callbacks, "text", i, n);
    gm_arena_mark mark = gm_arena_save(&c->arena);
    gm_status status = encode_group(c, model, texts + i, count, out + i * model->features);
    gm_arena_restore(&c->arena, mark);
    GM_TRY(status);
  }
  return GM_OK;
}

/* ---- crops */

/* Pixels of the crops, one task each. */
typedef struct pixel_job {
  const gm_clip_model *model;
  const gm_image *image;
  const gm_crop *crops;
  float *pixels;
  gm_status *statuses; /* per crop */
} pixel_job;

static void make_pixels(void *arg, size_t task, size_t worker) {
  (void)worker;
  const pixel_job *j = arg;
  size_t size = j->model->vision.image_size;
  j->statuses[task] =
      gm_pixels_centre(j->pixels + task * 3 * size * size, j->image, &j->crops[task],
                       &j->model->hparams.resize, size, &j->model->hparams.norm, NULL, NULL);
}

static gm_status encode_pictures(gm_compute *c, const gm_clip_model *m, const gm_image *image,
                                 const gm_crop *crops, size_t n, float *out) {
  size_t size = m->vision.image_size;
  pixel_job job = {m, image, crops, gm_scratch_f32(c, n * 3 * size * size, "pixels"),
                   gm_scratch(c, n * sizeof(gm_status), "pixels")};
  if (!job.pixels || !job.statuses) return GM_ERR_MEMORY;
  gm_pool_run(c->pool, make_pixels, &job, n);
  for (size_t i = 0; i < n; i++)
    if (job.statuses[i] != GM_OK) /* the only possible failure */
      return gm_fail_memory(c->err, "a crop", 3 * size * size);
  return gm_clip_vision_forward(c, &m->vision, job.pixels, n, out);
}

gm_status gm_clip_encode_crops(gm_compute *c, const gm_clip_model *model, const gm_image *image,
                               const gm_crop *crops, size_t n, float *out,
                               const gm_callbacks *callbacks) {
  size_t group = PICTURE_GROUP / model->vision.tokens;
  if (group == 0) group = 1;
  for (size_t i = 0; i < n; i += group) {
    size_t count = n - i < group ? n - i : group;
    report(callbacks, "crops", i, n);
    gm_arena_mark mark = gm_arena_save(&c->arena);
    gm_status status =
        encode_pictures(c, model, image, crops + i, count, out + i * model->features);
    gm_arena_restore(&c->arena, mark);
    GM_TRY(status);
  }
  return GM_OK;
}

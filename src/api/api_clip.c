/* api_clip.c - gm_clip: opening a CLIP, what is known of it, features of texts and pictures. */
#include "clip_handles.h"

#include "classes.h"
#include "handles.h"
#include "model_file_bytes.h"
#include "model_resolve.h"
#include "view.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_CLIP "clip-mini"

static gm_status open_parts(gm_clip *clip, const char *path, const gm_clip_params *params,
                            gm_error *err) {
  gm_model_params how = {.no_mmap = params->no_mmap, .mlock = params->mlock};
  clip->path = strdup(path ? path : DEFAULT_CLIP);
  if (!clip->path) return gm_fail_memory(err, "the model's name", 1);
  GM_TRY(gm_refuse_in_callback(err));
  GM_TRY(gm_kernels_check(err));
  GM_TRY(gm_engine_choose(&clip->engine, params->engine, params->threads, err));
  /* Not as a job: reading a file takes long, and only a synthetic model is computed. */
  GM_TRY(gm_model_file_resolve(&clip->file, clip->path, &how, clip->engine->pool, err));
  GM_TRY(gm_clip_model_load(&clip->model, clip->file, err));
  clip->name = gm_model_file_name(clip->file);
  if (gm_model_file_has_key(clip->file, "general.name"))
    GM_TRY(gm_model_file_string(clip->file, "general.name", &clip->name, err));
  clip->world = gm_model_world(clip->path);
  clip->type = gm_main_type(clip->file);
  clip->kernels = params->fast ? gm_kernels_fast() : gm_kernels_best();
  if (!params->cache) return GM_OK;
  clip->cache = gm_cache_dir_open(params->cache, gm_cache_limit(params->cache_bytes));
  return clip->cache ? GM_OK : gm_fail_memory(err, "the cache", 1);
}

gm_status gm_clip_open(gm_clip **out, const char *path, const gm_clip_params *params,
                       gm_error *err) {
  *out = NULL;
  gm_clip_params own;
  GM_TRY(GM_STRUCT_READ(gm_clip_params, &own, params, err));
  gm_clip *clip = calloc(1, sizeof *clip);
  if (!clip) return gm_fail_memory(err, "the model", sizeof *clip);
  pthread_mutex_init(&clip->lock, NULL);
  gm_status status = open_parts(clip, path, &own, err);
  if (status == GM_OK)
    *out = clip;
  else
    gm_clip_free(clip);
  return status;
}

void gm_clip_free(gm_clip *clip) {
  if (!clip) return;
  gm_clip_model_free(clip->model);
  gm_model_file_close(clip->file);
  gm_engine_release(clip->engine);
  gm_cache_dir_free(clip->cache);
  pthread_mutex_destroy(&clip->lock);
  free(clip->path);
  free(clip);
}

gm_status gm_clip_get_info(const gm_clip *clip, gm_clip_info *out, gm_error *err) {
  gm_clip_info info = {
      .name = clip->name,
      .path = clip->path,
      .type = clip->type,
      .kernels = clip->kernels->name,
      .threads = gm_pool_threads(clip->engine->pool),
      .image_size = clip->model->hparams.image_size,
      .features = (uint32_t)clip->model->features,
      .context = (uint32_t)clip->model->text.context,
      .logit_scale = clip->model->hparams.logit_scale,
      .scope = clip->world ? clip->world->scope : NULL,
  };
  return GM_STRUCT_WRITE(gm_clip_info, out, &info, err);
}

/* Makes the file's sum with the first call. Enters no engine: models of two engines may ask for
 * each other's. */
static gm_status sum_of(gm_clip *clip, char out[65], const gm_callbacks *callbacks,
                        gm_error *err) {
  char sum[65];
  pthread_mutex_lock(&clip->lock);
  memcpy(sum, clip->sum, sizeof sum);
  pthread_mutex_unlock(&clip->lock);
  if (!sum[0]) GM_TRY(gm_model_file_sha256(clip->file, sum, callbacks, err));
  memcpy(out, sum, sizeof sum);
  pthread_mutex_lock(&clip->lock);
  memcpy(clip->sum, sum, sizeof sum);
  pthread_mutex_unlock(&clip->lock);
  return GM_OK;
}

gm_status gm_clip_maker(gm_clip *clip, const char **out, const gm_callbacks *callbacks,
                        gm_error *err) {
  *out = clip->maker;
  if (clip->maker[0]) return GM_OK;
  char sum[65];
  GM_TRY(sum_of(clip, sum, callbacks, err));
  gm_sha256_state sha;
  gm_sha256_begin(&sha);
  gm_add_maker(&sha, clip->kernels);
  gm_sha256_add(&sha, sum, strlen(sum));
  gm_sha256_end(&sha, clip->maker);
  return GM_OK;
}

gm_status gm_clip_refusal_at(const gm_clip *clip, size_t i, gm_cache_refusal *out) {
  size_t n = 0;
  const gm_cache_refusal *all = clip->cache ? gm_cache_dir_refusals(clip->cache, &n) : NULL;
  return GM_STRUCT_WRITE_AT(gm_cache_refusal, out, all, i, n);
}

gm_status gm_clip_sha256(gm_clip *clip, char out[65], const gm_callbacks *callbacks,
                         gm_error *err) {
  gm_callbacks own;
  GM_TRY(GM_STRUCT_READ(gm_callbacks, &own, callbacks, err));
  GM_TRY(gm_refuse_in_callback(err));
  const gm_callbacks guarded = gm_callbacks_guarded(&own);
  return sum_of(clip, out, &guarded, err);
}

/* The sums are kept, so that only the first of such questions reads the files. */
gm_status gm_clip_check_classes(gm_clip *clip, const gm_classes *classes,
                                const gm_callbacks *callbacks, gm_error *err) {
  gm_clip *other = classes->clip;
  if (other == clip) return GM_OK;
  char own[65], theirs[65];
  GM_TRY(gm_clip_sha256(clip, own, callbacks, err));
  GM_TRY(gm_clip_sha256(other, theirs, callbacks, err));
  if (strcmp(own, theirs) == 0) return GM_OK;
  return gm_fail(
      err, GM_ERR_ARGUMENT,
      "found classes made with the CLIP %s, wanted ones made with %s, which looks at "
      "the picture; make both with one model",
      other->path, clip->path);
}

gm_status gm_clip_enter(gm_clip *clip, gm_entry *entry, const gm_callbacks *callbacks,
                        gm_error *err) {
  return gm_engine_enter(clip->engine, entry, clip->kernels, callbacks, err);
}

/* ---- features ---- */

gm_status gm_clip_encode_texts(gm_clip *clip, const char *const *texts, size_t n, float *out,
                               const gm_callbacks *callbacks, gm_error *err) {
  gm_callbacks own;
  GM_TRY(GM_STRUCT_READ(gm_callbacks, &own, callbacks, err));
  gm_entry entry;
  GM_TRY(gm_clip_enter(clip, &entry, &own, err));
  return gm_engine_leave(
      &entry, gm_clip_encode_strings(entry.c, clip->model, texts, n, out, entry.callbacks));
}

gm_status gm_clip_encode_boxes(gm_clip *clip, const gm_image *image, const gm_box *boxes,
                               size_t n, float *out, const gm_callbacks *callbacks,
                               gm_error *err) {
  gm_callbacks own;
  GM_TRY(GM_STRUCT_READ(gm_callbacks, &own, callbacks, err));
  gm_crop whole = {0, 0, gm_image_width(image), gm_image_height(image)};
  if (!boxes) n = 1;
  gm_crop *crops = calloc(n + 1, sizeof *crops);
  if (!crops) return gm_fail_memory(err, "the boxes", n * sizeof *crops);
  gm_status status = GM_OK;
  if (!boxes) crops[0] = whole;
  for (size_t i = 0; boxes && i < n && status == GM_OK; i++)
    status = gm_view_whole_pixels(image, boxes[i], i + 1, &crops[i], err);
  gm_entry entry;
  if (status == GM_OK) status = gm_clip_enter(clip, &entry, &own, err);
  if (status == GM_OK)
    status = gm_engine_leave(&entry, gm_clip_encode_crops(entry.c, clip->model, image, crops, n,
                                                          out, entry.callbacks));
  free(crops);
  return status;
}

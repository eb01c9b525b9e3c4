/* api_clip.c - gm_clip: opening a CLIP, what is known of it, features of texts and pictures. */
#include "clip_handles.h"

#include "classes.h"
#include "handles.h"
#include "view.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_CLIP "clip-mini"

static gm_status open_parts(gm_clip *clip, const char *path, const gm_clip_params *params,
                            gm_error *err) {
  const gm_model_params how = {.engine = params->engine,
                               .threads = params->threads,
                               .no_mmap = params->no_mmap,
                               .mlock = params->mlock,
                               .fast = params->fast,
                               .cache = params->cache,
                               .cache_bytes = params->cache_bytes,
                               .adapters = params->adapters,
                               .n_adapters = params->n_adapters};
  GM_TRY(gm_opened_open(&clip->base, path ? path : DEFAULT_CLIP, &how, err));
  GM_TRY(gm_vocabulary_sha256(clip->base.file, clip->vocabulary, err));
  GM_TRY(gm_label_head_read(&clip->own_head, clip->base.file, err));
  clip->head = gm_changes_label(&clip->base.adapted.changes, clip->own_head);
  return gm_clip_model_load(&clip->model, clip->base.weights, err);
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
  gm_opened_close(&clip->base);
  gm_label_head_free(clip->own_head);
  pthread_mutex_destroy(&clip->lock);
  free(clip);
}

gm_status gm_clip_get_info(const gm_clip *clip, gm_clip_info *out, gm_error *err) {
  gm_clip_info info = {
      .name = clip->base.name,
      .path = clip->base.path,
      .type = clip->base.type,
      .kernels = clip->base.kernels->name,
      .threads = gm_pool_threads(clip->base.engine->pool),
      .image_size = clip->model->hparams.image_size,
      .features = (uint32_t)clip->model->features,
      .context = (uint32_t)clip->model->text.context,
      .logit_scale = clip->model->hparams.logit_scale,
      .scope = clip->base.world ? clip->base.world->scope : NULL,
      .calibrated = clip->head != NULL,
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
  if (!sum[0]) GM_TRY(gm_opened_sha256(&clip->base, sum, callbacks, err));
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
  gm_add_maker(&sha, clip->base.kernels);
  gm_sha256_add(&sha, sum, strlen(sum));
  gm_sha256_add_text(&sha, clip->base.adapted.key);
  gm_sha256_end(&sha, clip->maker);
  return GM_OK;
}

gm_status gm_clip_adapter_at(const gm_clip *clip, size_t i, gm_adapter_info *out) {
  return gm_opened_adapter_at(&clip->base, i, out);
}

gm_status gm_clip_refusal_at(const gm_clip *clip, size_t i, gm_cache_refusal *out) {
  return gm_opened_refusal_at(&clip->base, i, out);
}

gm_status gm_clip_sha256(gm_clip *clip, char out[65], const gm_callbacks *callbacks,
                         gm_error *err) {
  gm_callbacks own;
  GM_TRY(GM_STRUCT_READ(gm_callbacks, &own, callbacks, err));
  GM_TRY(gm_refuse_in_callback(err));
  return sum_of(clip, out, &own, err);
}

/* The sums are kept, so that only the first of such questions reads the files. */
gm_status gm_clip_check_classes(gm_clip *clip, const gm_classes *classes,
                                const gm_callbacks *callbacks, gm_error *err) {
  gm_clip *other = classes->clip;
  if (other == clip) return GM_OK;
  char own[65], theirs[65];
  GM_TRY(gm_clip_sha256(clip, own, callbacks, err));
  GM_TRY(gm_clip_sha256(other, theirs, callbacks, err));
  if (strcmp(own, theirs) == 0 && strcmp(clip->base.adapted.key, other->base.adapted.key) == 0)
    return GM_OK;
  return gm_fail(
      err, GM_ERR_ARGUMENT,
      "found classes made with the CLIP %s, wanted ones made with %s, which looks at "
      "the picture; make both with one model and the same adapters",
      other->base.path, clip->base.path);
}

gm_status gm_clip_enter(gm_clip *clip, gm_entry *entry, const gm_callbacks *callbacks,
                        gm_error *err) {
  return gm_engine_enter(clip->base.engine, entry, clip->base.kernels, callbacks, err);
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
  if (!boxes && n > 1)
    return gm_fail(err, GM_ERR_ARGUMENT,
                   "found no boxes and n = %zu; wanted n boxes, or n = 1 for the whole picture",
                   n);
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

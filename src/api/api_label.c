/* api_label.c - gm_label_regions: the views of a picture's regions, encoded as one batch, and
 * the classification of each. */
#include "classes.h"
#include "clip_handles.h"
#include "feature_cache.h"
#include "feature_keys.h"
#include "view.h"

#include <stdlib.h>
#include <string.h>

/* A region is cut to its thing already: docs/LABEL.md. */
static const gm_view_defaults region_view = {.crops = 10, .alpha = 0.7f, .beta = 1};

static gm_status place(gm_view **views, gm_clip *clip, const gm_image *image,
                       const gm_box *regions, size_t n, const gm_view_params *params,
                       gm_error *err) {
  gm_view_params own = *params;
  for (size_t i = 0; i < n; i++) {
    gm_crop pixels;
    GM_TRY(gm_view_whole_pixels(image, regions[i], i + 1, &pixels, err));
    own.part = &regions[i];
    GM_TRY(gm_view_make(&views[i], clip, image, &own, &region_view, err));
  }
  return GM_OK;
}

/* Hands every view its rows of the batch's features. */
static gm_status share_out(gm_view **views, size_t n, const float *features, size_t dim,
                           gm_error *err) {
  for (size_t i = 0; i < n; i++) {
    size_t rows = 1 + views[i]->n, bytes = rows * dim * sizeof *features;
    views[i]->features = malloc(bytes);
    if (!views[i]->features) return gm_fail_memory(err, "the crops", bytes);
    memcpy(views[i]->features, features, bytes);
    views[i]->dim = dim;
    views[i]->done = rows;
    features += rows * dim;
  }
  return GM_OK;
}

/* From the cache if it may be used, else computed, and kept. */
static gm_status encode_crops(gm_clip *clip, const gm_image *image, const gm_crop *crops,
                              size_t rows, bool cache, float *features,
                              const gm_callbacks *callbacks, gm_error *err) {
  char key[65];
  size_t dim = clip->model->features;
  gm_entry entry;
  GM_TRY(gm_clip_enter(clip, &entry, callbacks, err));
  cache = cache && clip->base.dir;
  if (cache) {
    const char *maker;
    gm_status made = gm_clip_maker(clip, &maker, entry.callbacks, err);
    if (made != GM_OK) return gm_engine_leave(&entry, made);
    gm_feature_key_crops(key, maker, image, crops, rows);
    if (gm_feature_cache_load(clip->base.dir, key, rows, dim, features))
      return gm_engine_leave(&entry, GM_OK);
  }
  gm_status status =
      gm_clip_encode_crops(entry.c, clip->model, image, crops, rows, features, entry.callbacks);
  if (status == GM_OK && cache)
    gm_feature_cache_store(clip->base.dir, key, rows, dim, features);
  return gm_engine_leave(&entry, status);
}

static gm_status encode_together(gm_view **views, size_t n, gm_clip *clip,
                                 const gm_image *image, bool cache,
                                 const gm_callbacks *callbacks, gm_error *err) {
  size_t rows = 0, dim = clip->model->features;
  for (size_t i = 0; i < n; i++) rows += 1 + views[i]->n;
  gm_crop *crops = calloc(rows + 1, sizeof *crops);
  float *features = calloc(rows + 1, dim * sizeof *features);
  gm_status status = GM_OK;
  if (!crops || !features)
    status = gm_fail_memory(err, "the regions", rows * dim * sizeof *features);
  for (size_t i = 0, row = 0; status == GM_OK && i < n; row += 1 + views[i++]->n)
    memcpy(crops + row, views[i]->crops, (1 + views[i]->n) * sizeof *crops);
  if (status == GM_OK)
    status = encode_crops(clip, image, crops, rows, cache, features, callbacks, err);
  if (status == GM_OK) status = share_out(views, n, features, dim, err);
  free(crops);
  free(features);
  return status;
}

static gm_status label(gm_clip *clip, const gm_image *image, const gm_box *regions, size_t n,
                       const gm_classes *classes, const gm_view_params *view,
                       const gm_classify_params *scoring, const gm_callbacks *callbacks,
                       gm_classification **results, gm_error *err) {
  gm_view **views = calloc(n, sizeof *views);
  if (!views) return gm_fail_memory(err, "the regions", n * sizeof *views);
  gm_status status = place(views, clip, image, regions, n, view, err);
  if (status == GM_OK)
    status = encode_together(views, n, clip, image, view->cache, callbacks, err);
  for (size_t i = 0; i < n && status == GM_OK; i++)
    status = gm_classify(views[i], classes, scoring, callbacks, &results[i], err);
  for (size_t i = 0; i < n; i++) gm_view_free(views[i]);
  free(views);
  for (size_t i = 0; i < n && status != GM_OK; i++) {
    gm_classification_free(results[i]);
    results[i] = NULL;
  }
  return status;
}

gm_status gm_label_regions(gm_clip *clip, const gm_image *image, const gm_box *regions,
                           size_t n, const gm_classes *classes, const gm_view_params *view,
                           const gm_classify_params *classify, const gm_callbacks *callbacks,
                           gm_classification **results, gm_error *err) {
  for (size_t i = 0; i < n; i++) results[i] = NULL;
  gm_view_params crops;
  gm_classify_params scoring;
  gm_callbacks calls;
  GM_TRY(GM_STRUCT_READ(gm_view_params, &crops, view, err));
  GM_TRY(GM_STRUCT_READ(gm_classify_params, &scoring, classify, err));
  GM_TRY(GM_STRUCT_READ(gm_callbacks, &calls, callbacks, err));
  GM_TRY(gm_clip_check_classes(clip, classes, &calls, err));
  if (n == 0) return GM_OK;
  crops.method = classes->method;
  crops.boxes = NULL;
  crops.n_boxes = 0;
  scoring.stop = 0;
  gm_entry entry; /* around all of it: a region would else wait for its turn again and again */
  GM_TRY(gm_clip_enter(clip, &entry, &calls, err));
  return gm_engine_leave(&entry, label(clip, image, regions, n, classes, &crops, &scoring,
                                       entry.callbacks, results, err));
}

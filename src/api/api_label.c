/* api_label.c - gm_label_regions: the views of a picture's regions, encoded as one batch, the
 * classification of each, and how likely its name is right. */
#include "classes.h"
#include "clip_handles.h"
#include "feature_cache.h"
#include "feature_keys.h"
#include "label_look.h"

#include <math.h>
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

/* ---- how likely the name is right ---- */

/* What the head makes of the signals, and what was decided. */
static void decide(const gm_label_unit *unit, const float *signals,
                   const gm_classify_params *params, gm_classification *found) {
  gm_label best = {.struct_size = sizeof best};
  float limit = !unit || params->min_present < 0 ? 0
                : params->min_present > 0        ? params->min_present
                                                 : unit->limit;
  if (unit) found->present = gm_label_present(unit, signals);
  found->calibrated = unit != NULL;
  found->none = unit && found->present < limit;
  if (!params->limits || gm_label_at(found, 0, &best) != GM_OK) return;
  float own = params->limits[best.class_index];
  if (!isnan(own)) found->none = best.raw_score < own;
}

/* The part of the head that knows as much; NULL: none holds. */
static const gm_label_unit *unit_for(const gm_clip *clip, const gm_classes *classes,
                                     const gm_classify_params *params) {
  const gm_label_head *head = clip->head;
  if (!head || strcmp(head->method, gm_method_name(classes->method)) != 0) return NULL;
  const gm_label_unit *unit = &head->units[params->region_scores != NULL];
  if (unit->n == 0) unit = &head->units[0];
  return unit->n ? unit : NULL;
}

/* ---- naming ---- */

typedef struct naming {
  const gm_box *regions;
  size_t n;
  const gm_classes *classes;
  const gm_classify_params *params;
  const gm_label_unit *unit;
  float *raw; /* [classes] */
  gm_label_seen *seen;
  void *user;
} naming;

static gm_status name_region(const naming *k, size_t i, gm_view *view,
                             const gm_callbacks *callbacks, gm_classification **out,
                             gm_error *err) {
  float signals[GM_LABEL_SIGNALS] = {0};
  size_t n = gm_classes_count(k->classes);
  GM_TRY(gm_classify(view, k->classes, k->params, callbacks, out, err));
  if (k->unit || k->seen) {
    gm_classification_raw(*out, n, k->raw);
    gm_label_place_signals(signals, view, k->regions, k->params->region_scores, k->n, i);
    gm_label_name_signals(signals, view, k->classes, k->raw, NULL, n);
  }
  decide(k->unit, signals, k->params, *out);
  return k->seen ? k->seen(k->user, i, view, k->raw, signals, err) : GM_OK;
}

static gm_status label(const naming *k, gm_clip *clip, const gm_image *image,
                       const gm_view_params *view, const gm_callbacks *callbacks,
                       gm_classification **results, gm_error *err) {
  size_t n = k->n;
  gm_view **views = calloc(n, sizeof *views);
  if (!views) return gm_fail_memory(err, "the regions", n * sizeof *views);
  gm_status status = place(views, clip, image, k->regions, n, view, err);
  if (status == GM_OK)
    status = encode_together(views, n, clip, image, view->cache, callbacks, err);
  for (size_t i = 0; i < n && status == GM_OK; i++)
    status = name_region(k, i, views[i], callbacks, &results[i], err);
  for (size_t i = 0; i < n; i++) gm_view_free(views[i]);
  free(views);
  for (size_t i = 0; i < n && status != GM_OK; i++) {
    gm_classification_free(results[i]);
    results[i] = NULL;
  }
  return status;
}

gm_status gm_label_look(gm_clip *clip, const gm_image *image, const gm_box *regions, size_t n,
                        const gm_classes *classes, const gm_view_params *view,
                        const gm_classify_params *classify, const gm_callbacks *callbacks,
                        gm_classification **results, gm_label_seen *seen, void *user,
                        gm_error *err) {
  gm_view_params crops = *view;
  gm_classify_params scoring = *classify;
  crops.method = classes->method;
  crops.boxes = NULL;
  crops.n_boxes = 0;
  scoring.stop = 0;
  naming k = {.regions = regions,
              .n = n,
              .classes = classes,
              .params = &scoring,
              .unit = unit_for(clip, classes, &scoring),
              .raw = calloc(gm_classes_count(classes) + 1, sizeof *k.raw),
              .seen = seen,
              .user = user};
  gm_entry entry; /* around all of it: a region would else wait for its turn again and again */
  gm_status status = k.raw ? gm_clip_enter(clip, &entry, callbacks, err)
                           : gm_fail_memory(err, "the scores", gm_classes_count(classes));
  if (status == GM_OK)
    status =
        gm_engine_leave(&entry, label(&k, clip, image, &crops, entry.callbacks, results, err));
  free(k.raw);
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
  return gm_label_look(clip, image, regions, n, classes, &crops, &scoring, &calls, results,
                       NULL, NULL, err);
}

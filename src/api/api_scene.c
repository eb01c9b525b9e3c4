/* api_scene.c - gm_scene: a picture encoded by a model, its regions, boxes both ways. */
#include "handles.h"

#include "familiar.h"
#include "pipeline.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { HASHED_AT_ONCE = 4 << 20 }; /* bytes */

/* ---- heavy work on a scene ---- */

gm_status gm_scene_enter(gm_scene *scene, gm_entry *entry, const gm_callbacks *callbacks,
                         gm_error *err) {
  GM_TRY(gm_model_enter(scene->model, entry, callbacks, err));
  scene->watch.callbacks = entry->callbacks;
  return GM_OK;
}

gm_status gm_scene_leave(gm_scene *scene, gm_entry *entry, gm_status status) {
  gm_watch_end(&scene->watch, status == GM_OK);
  scene->watch.callbacks = NULL;
  return gm_engine_leave(entry, status);
}

/* ---- boxes ---- */

static float clip(float x, float limit) {
  return x < 0 ? 0 : x > limit ? limit : x;
}

gm_status gm_scene_box_to_rel(const gm_scene *scene, gm_box box, size_t number, gm_rel_box *out,
                              gm_error *err) {
  float w = (float)scene->width, h = (float)scene->height;
  float x1 = clip(box.x1, w), x2 = clip(box.x2, w), y1 = clip(box.y1, h), y2 = clip(box.y2, h);
  if (!(x2 > x1 && y2 > y1) || !isfinite(box.x1 + box.x2 + box.y1 + box.y2))
    return gm_fail(err, GM_ERR_ARGUMENT,
                   "box %zu: found %g,%g,%g,%g on a picture of %ux%u pixels; wanted "
                   "x1,y1,x2,y2 with x1 < x2 and y1 < y2, a part of it on the picture",
                   number, (double)box.x1, (double)box.y1, (double)box.x2, (double)box.y2,
                   scene->width, scene->height);
  *out = (gm_rel_box){(x1 + x2) / 2 / w, (y1 + y2) / 2 / h, (x2 - x1) / w, (y2 - y1) / h};
  return GM_OK;
}

gm_status gm_scene_boxes_to_rel(const gm_scene *scene, const gm_box *boxes, size_t n,
                                gm_rel_box **out, gm_error *err) {
  *out = NULL;
  if (n == 0) return GM_OK;
  gm_rel_box *rel = calloc(n, sizeof *rel);
  if (!rel) return gm_fail_memory(err, "the boxes", n * sizeof *rel);
  gm_status status = GM_OK;
  for (size_t i = 0; i < n && status == GM_OK; i++)
    status = gm_scene_box_to_rel(scene, boxes[i], i + 1, &rel[i], err);
  if (status == GM_OK)
    *out = rel;
  else
    free(rel);
  return status;
}

static gm_box to_pixels(const gm_scene *scene, gm_rel_box box) {
  float w = (float)scene->width, h = (float)scene->height;
  gm_corners corners = gm_rel_box_corners(box);
  return (gm_box){corners.x1 * w, corners.y1 * h, corners.x2 * w, corners.y2 * h};
}

gm_region gm_scene_region(const gm_scene *scene, const gm_listed_region *region, size_t index) {
  float w = (float)scene->width, h = (float)scene->height;
  gm_box box = to_pixels(scene, region->box);
  box = (gm_box){clip(box.x1, w), clip(box.y1, h), clip(box.x2, w), clip(box.y2, h)};
  return (gm_region){.box = box, .score = region->score, .index = (int32_t)index};
}

gm_status gm_scene_region_unclipped(const gm_scene *scene, int32_t index, gm_box *out) {
  const gm_region_list *base = &scene->encoding->base;
  if (index < 0 || (size_t)index >= base->n) return GM_ERR_ARGUMENT;
  *out = to_pixels(scene, base->regions[index].box);
  return GM_OK;
}

/* ---- creation ---- */

static gm_status check_params(const gm_model *model, const gm_image *image,
                              const gm_scene_params *params, gm_error *err) {
  if (!image) return gm_fail(err, GM_ERR_ARGUMENT, "found no picture, wanted one");
  size_t most = model->groma->max_regions;
  if (params->max_regions > most)
    return gm_fail(err, GM_ERR_ARGUMENT,
                   "found max_regions %u, wanted at most %zu, the region "
                   "tokens of the model",
                   params->max_regions, most);
  if (params->regions && params->n_regions == 0)
    return gm_fail(err, GM_ERR_ARGUMENT, "found an empty list of regions, wanted at least one");
  for (size_t i = 0; params->regions && params->region_scores && i < params->n_regions; i++)
    if (!isfinite(params->region_scores[i]))
      return gm_fail(err, GM_ERR_ARGUMENT, "region %zu: found a score that is not a number",
                     i + 1);
  return GM_OK;
}

static gm_region_rule rule_of(const gm_groma *groma, const gm_scene_params *params) {
  const gm_groma_hparams *own = &groma->hparams;
  size_t most = params->max_regions ? params->max_regions : own->max_regions;
  float score = params->box_score_thres, nms = params->nms_thres;
  return (gm_region_rule){
      .score_threshold = score < 0   ? -INFINITY
                         : score > 0 ? score
                                     : own->score_threshold,
      .nms_threshold = nms < 0   ? INFINITY
                       : nms > 0 ? nms
                                 : own->nms_threshold,
      .max_regions = most < groma->max_regions ? most : groma->max_regions,
  };
}

static gm_status encode(gm_scene *scene, gm_compute *c, const gm_image *image,
                        const gm_encoding_settings *settings) {
  GM_TRY(gm_encoding_create(&scene->encoding, scene->model->groma, settings, &scene->watch,
                            c->err));
  return gm_pipeline_see(c, scene->encoding, image);
}

/* A total order even where scores are NaN: qsort may leave the array without one. */
static int by_score(const void *a, const void *b) {
  const gm_region *x = a, *y = b;
  bool x_nan = isnan(x->score), y_nan = isnan(y->score);
  if (x_nan != y_nan) return x_nan ? 1 : -1;
  if (!x_nan && x->score != y->score) return x->score > y->score ? -1 : 1;
  return (x->index > y->index) - (x->index < y->index);
}

void gm_sort_regions(gm_region *regions, size_t n) {
  qsort(regions, n, sizeof *regions, by_score);
}

static gm_status measure_unlikeness(gm_scene *scene, gm_error *err) {
  const gm_embedded_world *world = scene->model->base.world;
  if (!world || !world->rows) return GM_OK;
  size_t patches, width;
  const float *states = gm_features_patches(scene->model->groma->vision,
                                            scene->encoding->features, &patches, &width);
  if (width != world->dim) return GM_OK;
  return gm_unlikeness(world->rows, world->n, width, states, patches, &scene->unlikeness, err);
}

static gm_status publish_regions(gm_scene *scene, gm_error *err) {
  const gm_region_list *base = &scene->encoding->base;
  scene->regions = calloc(base->n, sizeof *scene->regions);
  if (!scene->regions)
    return gm_fail_memory(err, "the regions", base->n * sizeof *scene->regions);
  for (size_t i = 0; i < base->n; i++)
    scene->regions[i] = gm_scene_region(scene, &base->regions[i], i);
  gm_sort_regions(scene->regions, base->n);
  return GM_OK;
}

/* Scores of regions that came without. */
static gm_status scores_of(const gm_scene_params *params, float **out, gm_error *err) {
  *out = malloc(params->n_regions * sizeof **out);
  if (!*out) return gm_fail_memory(err, "the regions", params->n_regions * sizeof **out);
  for (size_t i = 0; i < params->n_regions; i++)
    (*out)[i] = params->region_scores ? params->region_scores[i] : 1;
  return GM_OK;
}

void gm_scene_count_bytes(gm_scene *scene) {
  uint64_t regions = scene->encoding->base.n * sizeof *scene->regions;
  atomic_store(&scene->bytes, sizeof *scene + regions + gm_encoding_bytes(scene->encoding));
}

/* On the thread that computes. */
static gm_status make(gm_scene *scene, gm_compute *c, const gm_image *image,
                      const gm_encoding_settings *settings) {
  gm_status status = encode(scene, c, image, settings);
  gm_arena_trim(&c->arena);
  if (status == GM_OK) status = measure_unlikeness(scene, c->err);
  if (status == GM_OK) status = publish_regions(scene, c->err);
  if (status != GM_OK) return status;
  gm_scene_count_bytes(scene);
  return gm_scenes_make_room(scene->model->base.engine, atomic_load(&scene->bytes), c->err);
}

/* *out becomes the scene, or another that was made of the same while this one waited. */
static gm_status create(gm_scene *scene, const gm_image *image, const gm_scene_params *params,
                        const gm_callbacks *callbacks, gm_scene **out, gm_error *err) {
  gm_rel_box *boxes = NULL;
  float *scores = NULL;
  gm_entry entry;
  gm_status status = GM_OK;
  if (params->regions) {
    status = gm_scene_boxes_to_rel(scene, params->regions, params->n_regions, &boxes, err);
    if (status == GM_OK) status = scores_of(params, &scores, err);
  }
  if (status == GM_OK) status = gm_scene_enter(scene, &entry, callbacks, err);
  if (status == GM_OK) {
    gm_encoding_settings settings = {
        .rule = rule_of(scene->model->groma, params),
        .boxes = boxes,
        .scores = scores,
        .n_boxes = boxes ? params->n_regions : 0,
        .append = params->append_boxes,
        .shuffle_seed = params->shuffle_seed,
        .cache = scene->model->cache.dir ? &scene->model->cache : NULL,
    };
    *out = gm_scenes_find(scene->model->base.engine, scene->key);
    if (!*out) {
      status = make(scene, entry.c, image, &settings);
      if (status == GM_OK) {
        gm_scenes_add(scene);
        *out = scene;
      }
    }
    status = gm_scene_leave(scene, &entry, status);
  }
  free(boxes);
  free(scores);
  return status;
}

/* In pieces: a large picture takes a while. */
static void add_pixels(gm_sha256_state *sha, const gm_model *model, const gm_image *image) {
  const uint8_t *rgb = gm_image_rgb(image);
  size_t bytes = 3 * (size_t)gm_image_width(image) * gm_image_height(image);
  for (size_t at = 0, n; at < bytes; at += n) {
    n = bytes - at < HASHED_AT_ONCE ? bytes - at : HASHED_AT_ONCE;
    gm_sha256_add(sha, rgb + at, n);
    gm_engine_let_pass(model->base.engine);
  }
}

/* What the scene depends on, in hex; "" where the engine keeps no scenes. */
static void name_scene(char key[65], const gm_model *model, const gm_image *image,
                       const gm_scene_params *p) {
  key[0] = 0;
  if (model->base.engine->kept_scenes == 0) return;
  gm_sha256_state sha;
  uint64_t size[2] = {gm_image_width(image), gm_image_height(image)};
  gm_sha256_begin(&sha);
  gm_sha256_add(&sha, &model, sizeof model);
  gm_sha256_add(&sha, size, sizeof size);
  add_pixels(&sha, model, image);
  gm_sha256_add(&sha, &p->box_score_thres, sizeof p->box_score_thres);
  gm_sha256_add(&sha, &p->nms_thres, sizeof p->nms_thres);
  gm_sha256_add(&sha, &p->max_regions, sizeof p->max_regions);
  gm_sha256_add(&sha, &p->append_boxes, sizeof p->append_boxes);
  gm_sha256_add(&sha, &p->shuffle_seed, sizeof p->shuffle_seed);
  size_t n = p->regions ? p->n_regions : 0;
  bool scored = n > 0 && p->region_scores;
  gm_sha256_add(&sha, &n, sizeof n);
  gm_sha256_add(&sha, &scored, sizeof scored);
  if (n > 0) gm_sha256_add(&sha, p->regions, n * sizeof *p->regions);
  if (scored) gm_sha256_add(&sha, p->region_scores, n * sizeof *p->region_scores);
  gm_sha256_end(&sha, key);
}

gm_status gm_scene_create(gm_scene **out, gm_model *model, const gm_image *image,
                          const gm_scene_params *params, const gm_callbacks *callbacks,
                          gm_error *err) {
  *out = NULL;
  gm_scene_params own;
  gm_callbacks calls;
  GM_TRY(GM_STRUCT_READ(gm_scene_params, &own, params, err));
  GM_TRY(GM_STRUCT_READ(gm_callbacks, &calls, callbacks, err));
  GM_TRY(check_params(model, image, &own, err));
  GM_TRY(gm_refuse_in_callback(err));
  char key[65];
  name_scene(key, model, image, &own);
  *out = gm_scenes_find(model->base.engine, key);
  if (*out) return GM_OK;
  gm_scene *scene = calloc(1, sizeof *scene);
  if (!scene) return gm_fail_memory(err, "the scene", sizeof *scene);
  scene->model = model;
  scene->holders = 1;
  memcpy(scene->key, key, sizeof key);
  scene->width = gm_image_width(image);
  scene->height = gm_image_height(image);
  gm_status status = create(scene, image, &own, &calls, out, err);
  if (*out != scene) gm_scene_destroy(scene);
  return status;
}

void gm_scene_destroy(gm_scene *scene) {
  assert(!scene->after);
  gm_encoding_free(scene->encoding);
  free(scene->regions);
  free(scene);
}

size_t gm_scene_region_count(const gm_scene *scene) {
  return scene->encoding->base.n;
}

gm_status gm_scene_region_at(const gm_scene *scene, size_t i, gm_region *out) {
  return GM_STRUCT_WRITE_AT(gm_region, out, scene->regions, i, scene->encoding->base.n);
}

float gm_scene_unlikeness(const gm_scene *scene) {
  return scene->unlikeness;
}

uint64_t gm_scene_bytes(const gm_scene *scene) {
  return atomic_load(&scene->bytes);
}

gm_status gm_scene_timing_at(const gm_scene *scene, size_t i, gm_timing *out) {
  gm_timing timing;
  if (!gm_watch_timing(&scene->watch, i, &timing)) return GM_ERR_ARGUMENT;
  return GM_STRUCT_WRITE(gm_timing, out, &timing, NULL);
}

/* region_vectors.c - see region_vectors.h. */
#include "region_vectors.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* A region whose vector was computed; a list, since there are at most some hundreds. */
typedef struct gm_known_region {
  struct gm_known_region *next;
  gm_rel_box box;
  float vector[];
} gm_known_region;

/* ---- vectors that are known ---- */

static const float *find_vector(const gm_encoding *encoding, gm_rel_box box) {
  for (const gm_known_region *k = encoding->known; k; k = k->next)
    if (gm_rel_box_same(k->box, box)) return k->vector;
  return NULL;
}

static gm_status remember(gm_encoding *encoding, gm_rel_box box, const float *vector,
                          gm_error *err) {
  size_t bytes = encoding->groma->llama->dim * sizeof *vector;
  gm_known_region *k = malloc(sizeof *k + bytes);
  if (!k) return gm_fail_memory(err, "a region's vector", sizeof *k + bytes);
  k->next = encoding->known;
  k->box = box;
  memcpy(k->vector, vector, bytes);
  encoding->known = k;
  return GM_OK;
}

void gm_encoding_free_vectors(gm_encoding *encoding) {
  for (gm_known_region *k = encoding->known, *next; k; k = next) {
    next = k->next;
    free(k);
  }
  encoding->known = NULL;
}

size_t gm_encoding_vectors_bytes(const gm_encoding *encoding) {
  size_t n = 0, each = sizeof *encoding->known + encoding->groma->llama->dim * sizeof(float);
  for (const gm_known_region *k = encoding->known; k; k = k->next) n++;
  return n * each;
}

/* Boxes of the lists without a vector, each once; missing has room for all. */
static size_t collect_missing(const gm_encoding *encoding, gm_region_list *const *lists,
                              size_t n_lists, gm_rel_box *missing) {
  size_t n = 0;
  for (size_t l = 0; l < n_lists; l++)
    for (size_t i = 0; i < lists[l]->n; i++) {
      gm_listed_region *region = &lists[l]->regions[i];
      region->vector = find_vector(encoding, region->box);
      size_t seen = 0;
      while (seen < n && !gm_rel_box_same(missing[seen], region->box)) seen++;
      if (!region->vector && seen == n) missing[n++] = region->box;
    }
  return n;
}

static bool in_base(const gm_encoding *encoding, gm_rel_box box) {
  for (size_t i = 0; i < encoding->base.n; i++)
    if (gm_rel_box_same(encoding->base.regions[i].box, box)) return true;
  return false;
}

/* ---- fused maps ---- */

bool gm_encoding_find_maps(gm_encoding *encoding, gm_compute *c) {
  const gm_vision *vision = encoding->groma->vision;
  char *key = encoding->entries[GM_ENTRY_MAPS];
  gm_mapping file;
  if (encoding->fused || !encoding->cache) return encoding->fused;
  gm_scene_key_boxes(encoding->entries[GM_ENTRY_FEATURES], "maps", &(gm_rel_box){0}, 0, key);
  if (!gm_scene_map(encoding->cache, c, key, gm_vision_maps_bytes(vision), &file)) return false;
  gm_features_adopt_maps(vision, encoding->features, &file, GM_SCENE_BODY_AT);
  encoding->fused = true;
  return true;
}

void gm_encoding_keep_maps(gm_encoding *encoding, gm_compute *c) {
  const void *maps = gm_features_maps(encoding->features);
  const gm_cache_part part = {(void *)(uintptr_t)maps,
                              gm_vision_maps_bytes(encoding->groma->vision)};
  if (encoding->cache)
    gm_scene_store(encoding->cache, c, encoding->entries[GM_ENTRY_MAPS], &part, 1);
  encoding->fused = true;
}

/* ---- vectors in the cache: those of the base list together, since every list has most of its
 * boxes, and those of other boxes each by itself ---- */

/* Boxes, and room for their vectors. */
typedef struct group {
  gm_rel_box *boxes;
  float *vectors;
  size_t n, dim;
  char key[65];
} group;

static gm_status make_group(const gm_encoding *encoding, gm_compute *c, size_t n, group *g) {
  *g = (group){.n = n, .dim = encoding->groma->llama->dim};
  g->boxes = gm_scratch(c, n * sizeof *g->boxes, "the regions");
  g->vectors = gm_scratch_f32(c, n * g->dim, "the regions' vectors");
  return g->boxes && g->vectors ? GM_OK : GM_ERR_MEMORY;
}

static gm_status base_group(const gm_encoding *encoding, gm_compute *c, group *g) {
  GM_TRY(make_group(encoding, c, encoding->base.n, g));
  for (size_t i = 0; i < g->n; i++) g->boxes[i] = encoding->base.regions[i].box;
  gm_scene_key_boxes(encoding->entries[GM_ENTRY_FEATURES], "vectors", g->boxes, g->n, g->key);
  return GM_OK;
}

static gm_status box_group(const gm_encoding *encoding, gm_compute *c, gm_rel_box box,
                           group *g) {
  GM_TRY(make_group(encoding, c, 1, g));
  g->boxes[0] = box;
  gm_scene_key_boxes(encoding->entries[GM_ENTRY_FEATURES], "vectors", g->boxes, 1, g->key);
  return GM_OK;
}

static gm_status load_group(gm_encoding *encoding, const group *g, gm_error *err) {
  const gm_cache_part part = {g->vectors, g->n * g->dim * sizeof *g->vectors};
  if (!gm_scene_load(encoding->cache, g->key, &part, 1)) return GM_OK;
  for (size_t i = 0; i < g->n; i++)
    if (!find_vector(encoding, g->boxes[i]))
      GM_TRY(remember(encoding, g->boxes[i], g->vectors + i * g->dim, err));
  return GM_OK;
}

/* Its vectors are known. */
static void store_group(const gm_encoding *encoding, gm_compute *c, const group *g) {
  size_t bytes = g->dim * sizeof *g->vectors;
  const gm_cache_part part = {g->vectors, g->n * bytes};
  for (size_t i = 0; i < g->n; i++) {
    const float *vector = find_vector(encoding, g->boxes[i]);
    assert(vector);
    memcpy(g->vectors + i * g->dim, vector, bytes);
  }
  gm_scene_store(encoding->cache, c, g->key, &part, 1);
}

static gm_status load_vectors(gm_encoding *encoding, gm_compute *c, const gm_rel_box *missing,
                              size_t n) {
  group g;
  if (!encoding->base_sought) {
    encoding->base_sought = true;
    GM_TRY(base_group(encoding, c, &g));
    GM_TRY(load_group(encoding, &g, c->err));
    memcpy(encoding->entries[GM_ENTRY_VECTORS], g.key, sizeof g.key);
  }
  for (size_t i = 0; i < n; i++) {
    if (in_base(encoding, missing[i])) continue;
    GM_TRY(box_group(encoding, c, missing[i], &g));
    GM_TRY(load_group(encoding, &g, c->err));
  }
  return GM_OK;
}

static gm_status store_vectors(gm_encoding *encoding, gm_compute *c, const gm_rel_box *boxes,
                               size_t n) {
  group g;
  bool base = false;
  for (size_t i = 0; i < n; i++) {
    if (in_base(encoding, boxes[i])) {
      base = true;
      continue;
    }
    GM_TRY(box_group(encoding, c, boxes[i], &g));
    store_group(encoding, c, &g);
  }
  if (!base) return GM_OK;
  GM_TRY(base_group(encoding, c, &g));
  store_group(encoding, c, &g);
  return GM_OK;
}

/* Where one box of the base list is missing, so are all that have no vector: they are kept
 * together. Returns the new number. */
static size_t complete_base(const gm_encoding *encoding, gm_rel_box *missing, size_t n) {
  size_t asked = n;
  bool any = false;
  for (size_t i = 0; i < asked; i++) any = any || in_base(encoding, missing[i]);
  for (size_t i = 0; i < encoding->base.n && any; i++) {
    gm_rel_box box = encoding->base.regions[i].box;
    size_t seen = 0;
    while (seen < n && !gm_rel_box_same(missing[seen], box)) seen++;
    if (seen == n && !find_vector(encoding, box)) missing[n++] = box;
  }
  assert(n <= asked + encoding->base.n); /* as many as fill has room for */
  return n;
}

/* ---- what lists lack ---- */

static gm_status begin(gm_vector_work *w, gm_compute *c, gm_encoding *encoding) {
  size_t room = encoding->base.n;
  for (size_t l = 0; l < w->n_lists; l++) room += w->lists[l]->n;
  w->boxes = gm_scratch(c, room * sizeof *w->boxes, "the regions");
  if (!w->boxes) return GM_ERR_MEMORY;
  w->n = collect_missing(encoding, w->lists, w->n_lists, w->boxes);
  if (w->n > 0 && encoding->cache) {
    GM_TRY(load_vectors(encoding, c, w->boxes, w->n));
    w->n = collect_missing(encoding, w->lists, w->n_lists, w->boxes);
    w->n = complete_base(encoding, w->boxes, w->n);
  }
  if (w->n == 0) return GM_OK;
  w->vectors = gm_scratch_f32(c, w->n * encoding->groma->llama->dim, "the regions' vectors");
  return w->vectors ? GM_OK : GM_ERR_MEMORY;
}

gm_status gm_vectors_begin(gm_vector_work *w, gm_compute *c, gm_encoding *encoding,
                           gm_region_list *const *lists, size_t n_lists) {
  *w = (gm_vector_work){.lists = lists, .n_lists = n_lists, .mark = gm_arena_save(&c->arena)};
  return begin(w, c, encoding);
}

static gm_status keep_computed(const gm_vector_work *w, gm_compute *c, gm_encoding *encoding) {
  size_t dim = encoding->groma->llama->dim;
  for (size_t i = 0; i < w->n; i++)
    GM_TRY(remember(encoding, w->boxes[i], w->vectors + i * dim, c->err));
  if (encoding->cache) GM_TRY(store_vectors(encoding, c, w->boxes, w->n));
  size_t missing = collect_missing(encoding, w->lists, w->n_lists, w->boxes);
  assert(missing == 0); /* every region has its vector now */
  (void)missing;
  return GM_OK;
}

gm_status gm_vectors_end(gm_vector_work *w, gm_compute *c, gm_encoding *encoding,
                         gm_status status) {
  if (status == GM_OK && w->n > 0) status = keep_computed(w, c, encoding);
  gm_arena_restore(&c->arena, w->mark);
  gm_arena_trim(&c->arena); /* the region encoder's scratch is the largest of all */
  return status;
}

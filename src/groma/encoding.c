/* encoding.c - see encoding.h: lists of regions, the prompt's prefix, creation. */
#include "region_vectors.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- lists of regions ---- */

static gm_status new_list(const gm_encoding *encoding, gm_region_list *list, gm_error *err) {
  size_t bytes = encoding->groma->max_regions * sizeof *list->regions;
  *list = (gm_region_list){malloc(bytes), 0};
  return list->regions ? GM_OK : gm_fail_memory(err, "the regions", bytes);
}

void gm_region_list_free(gm_region_list *list) {
  free(list->regions);
  *list = (gm_region_list){0};
}

/* Candidates and referred boxes (score 1) through the rule of choice. */
static gm_status choose(const gm_encoding *encoding, const gm_rel_box *boxes, size_t n,
                        gm_region_list *out, size_t *index, gm_error *err) {
  size_t known = encoding->n_candidates, all = known + n;
  GM_TRY(new_list(encoding, out, err));
  size_t bytes = all * (sizeof(gm_rel_box) + sizeof(float) + sizeof(uint32_t));
  gm_rel_box *box = malloc(bytes);
  if (!box) {
    gm_region_list_free(out);
    return gm_fail_memory(err, "the choice of regions", bytes);
  }
  float *score = (float *)(box + all);
  uint32_t *chosen = (uint32_t *)(score + all);
  memcpy(box, encoding->candidates, known * sizeof *box);
  memcpy(score, encoding->scores, known * sizeof *score);
  for (size_t i = 0; i < n; i++) {
    box[known + i] = boxes[i];
    score[known + i] = 1;
  }
  out->n = gm_regions_choose(box, score, all, &encoding->rule, chosen);
  assert(out->n <= encoding->groma->max_regions);
  if (encoding->shuffle_seed) gm_regions_shuffle(chosen, out->n, encoding->shuffle_seed);
  for (size_t i = 0; i < out->n; i++)
    out->regions[i] = (gm_listed_region){box[chosen[i]], score[chosen[i]], NULL};
  for (size_t i = 0; i < out->n; i++) box[i] = out->regions[i].box;
  for (size_t b = 0; b < n; b++) index[b] = gm_regions_referred(box, out->n, boxes[b]);
  free(box);
  return GM_OK;
}

/* Where a box goes in a list that is in use; list->n at the end, max_regions: nowhere. */
static size_t place_for(const gm_encoding *encoding, const gm_region_list *list, gm_rel_box box,
                        const bool *in_use) {
  for (size_t i = 0; i < list->n; i++)
    if (gm_rel_box_same(list->regions[i].box, box)) return i;
  if (list->n < encoding->groma->max_regions) return list->n;
  for (size_t i = list->n; i-- > 0;)
    if (!in_use[i]) return i;
  return encoding->groma->max_regions;
}

gm_status gm_encoding_append(const gm_encoding *encoding, gm_region_list *list,
                             const gm_rel_box *boxes, size_t n, bool *in_use, size_t *index,
                             size_t *first_changed, gm_error *err) {
  size_t max = encoding->groma->max_regions;
  *first_changed = list->n;
  assert(list->n <= max);
  for (size_t b = 0; b < n; b++) {
    size_t i = place_for(encoding, list, boxes[b], in_use);
    if (i == max)
      return gm_fail(err, GM_ERR_ARGUMENT,
                     "the conversation speaks of %zu regions, as many as the model can name; "
                     "begin a new one",
                     max);
    if (i == list->n || !gm_rel_box_same(list->regions[i].box, boxes[b])) {
      list->regions[i] = (gm_listed_region){boxes[b], 1, NULL};
      if (i == list->n) list->n++;
      if (i < *first_changed) *first_changed = i;
    }
    in_use[i] = true;
    index[b] = i;
  }
  return GM_OK;
}

static gm_status append_to_base(const gm_encoding *encoding, const gm_rel_box *boxes, size_t n,
                                gm_region_list *out, size_t *index, gm_error *err) {
  size_t max = encoding->groma->max_regions, first_changed;
  GM_TRY(new_list(encoding, out, err));
  memcpy(out->regions, encoding->base.regions, encoding->base.n * sizeof *out->regions);
  out->n = encoding->base.n;
  bool *in_use = calloc(max, sizeof *in_use);
  gm_status status =
      in_use ? gm_encoding_append(encoding, out, boxes, n, in_use, index, &first_changed, err)
             : gm_fail_memory(err, "the regions", max * sizeof *in_use);
  free(in_use);
  if (status != GM_OK) gm_region_list_free(out);
  return status;
}

gm_status gm_encoding_refer(const gm_encoding *encoding, const gm_rel_box *boxes, size_t n,
                            gm_region_list *out, size_t *index, gm_error *err) {
  if (n == 0 || encoding->append) return append_to_base(encoding, boxes, n, out, index, err);
  if (n > encoding->rule.max_regions)
    return gm_fail(err, GM_ERR_ARGUMENT,
                   "found %zu boxes in one question, wanted at most %zu, the number of regions",
                   n, encoding->rule.max_regions);
  return choose(encoding, boxes, n, out, index, err);
}

/* ---- the prefix ---- */

/* Rows of the whole prefix, or of its image part. */
static gm_status prefix_rows(const gm_encoding *encoding, bool whole, gm_rows *rows,
                             gm_error *err) {
  const gm_groma *groma = encoding->groma;
  const gm_prompt *prompt = groma->prompt;
  GM_TRY(gm_rows_add_ids(rows, prompt->head.ids, prompt->head.n, err));
  GM_TRY(gm_rows_add_vectors(rows, gm_features_tokens(encoding->features),
                             gm_vision_n_tokens(groma->vision), groma->llama->dim, err));
  GM_TRY(gm_rows_add_ids(rows, prompt->before_regions.ids, prompt->before_regions.n, err));
  if (!whole) return GM_OK;
  for (size_t i = 0; i < encoding->base.n; i++)
    GM_TRY(gm_rows_add_region(rows, prompt, i, encoding->base.regions[i].vector, err));
  return gm_rows_add_ids(rows, prompt->tail.ids, prompt->tail.n, err);
}

/* The key of positions from `first` on that hold the list (NULL: none) and what follows it.
 */
static gm_status key_of(const gm_encoding *encoding, const char *what, size_t first,
                        const gm_region_list *list, char key[65], gm_error *err) {
  size_t n = list ? list->n : 0;
  char which[64];
  gm_rel_box *boxes = malloc((n + 1) * sizeof *boxes);
  if (!boxes) return gm_fail_memory(err, "the regions", n * sizeof *boxes);
  for (size_t i = 0; i < n; i++) boxes[i] = list->regions[i].box;
  const gm_kv_shape *shape = &encoding->prefix.shape;
  snprintf(which, sizeof which, "%s %s %s %zu", what, gm_type_traits_of(shape->k_type)->name,
           gm_type_traits_of(shape->v_type)->name, first);
  gm_scene_key_boxes(encoding->entries[GM_ENTRY_FEATURES], which, boxes, n, key);
  free(boxes);
  return GM_OK;
}

static gm_status prefix_key(const gm_encoding *encoding, bool whole, char key[65],
                            gm_error *err) {
  return key_of(encoding, "prefix", 0, whole ? &encoding->base : NULL, key, err);
}

/* Puts n positions from the cache after those of seq; where they are not there, *found stays
 * false. */
static gm_status load_positions(const gm_encoding *encoding, gm_compute *c, const char *key,
                                gm_kv_seq *seq, size_t n, bool *found) {
  gm_mapping file;
  if (!gm_scene_map(encoding->cache, c, key, gm_kv_bytes(&seq->shape, n), &file)) return GM_OK;
  *found = true;
  return gm_kv_adopt(seq, &file, GM_SCENE_BODY_AT, n, c->err);
}

static void store_positions(const gm_encoding *encoding, gm_compute *c, const char *key,
                            const gm_kv_seq *seq, size_t first, size_t n) {
  const void *bytes = gm_kv_piece(seq, first, n);
  const gm_cache_part part = {(void *)(uintptr_t)bytes, gm_kv_bytes(&seq->shape, n)};
  if (bytes) gm_scene_store(encoding->cache, c, key, &part, 1);
}

/* The image part as the first positions of a whole prefix: no position depends on those after
 * it. */
static gm_status load_image_part(gm_encoding *encoding, gm_compute *c, char *key, bool *found) {
  size_t n = gm_encoding_positions(encoding, &encoding->base);
  char whole[65];
  GM_TRY(prefix_key(encoding, true, whole, c->err));
  GM_TRY(load_positions(encoding, c, whole, &encoding->prefix, n, found));
  if (!*found) return GM_OK;
  assert(encoding->prefix.n == n && encoding->n_image <= n);
  gm_kv_truncate(&encoding->prefix, encoding->n_image);
  memcpy(key, whole, sizeof whole);
  return GM_OK;
}

/* Only a prefix that is made at once is kept: it is one block. */
static gm_status find_prefix(gm_encoding *encoding, gm_compute *c, gm_prefix_work *w,
                             bool whole) {
  bool found = false;
  char *key = encoding->entries[GM_ENTRY_PREFIX];
  w->kept = encoding->cache && encoding->prefix.n == 0;
  if (!w->kept) return GM_OK;
  GM_TRY(prefix_key(encoding, whole, key, c->err));
  GM_TRY(load_positions(encoding, c, key, &encoding->prefix, w->rows.n, &found));
  if (!found && !whole) GM_TRY(load_image_part(encoding, c, key, &found));
  if (found) w->kept = false; /* again */
  return GM_OK;
}

bool gm_encoding_ready(const gm_encoding *encoding) {
  return !encoding->preparing &&
         encoding->prefix.n == gm_encoding_positions(encoding, &encoding->base);
}

gm_status gm_prefix_begin(gm_prefix_work *w, gm_compute *c, gm_encoding *encoding, bool whole) {
  const gm_groma *groma = encoding->groma;
  gm_rows *rows = &w->rows;
  *w = (gm_prefix_work){0};
  GM_TRY(prefix_rows(encoding, whole, rows, c->err));
  assert(rows->n ==
         (whole ? gm_encoding_positions(encoding, &encoding->base) : encoding->n_image));
  if (rows->n >= groma->context)
    return gm_fail(c->err, GM_ERR_CONTEXT_FULL,
                   "the picture with its regions takes %zu positions of a context of %zu; "
                   "raise the context (-c) or lower the number of regions",
                   rows->n, groma->context);
  assert(encoding->prefix.n == 0 || encoding->prefix.n == encoding->n_image);
  gm_watch_begin(encoding->watch, "prefill");
  GM_TRY(find_prefix(encoding, c, w, whole));
  size_t done = encoding->prefix.n;
  if (done == rows->n) return GM_OK;
  GM_TRY(gm_kv_reserve_piece(&encoding->prefix, rows->n - done, c->err));
  w->run =
      (gm_llama_run){.seq = &encoding->prefix, .rows = rows->rows + done, .n = rows->n - done};
  return GM_OK;
}

gm_status gm_prefix_end(gm_prefix_work *w, gm_compute *c, gm_encoding *encoding,
                        gm_status status) {
  if (status == GM_OK && w->kept)
    store_positions(encoding, c, encoding->entries[GM_ENTRY_PREFIX], &encoding->prefix, 0,
                    w->rows.n);
  gm_rows_free(&w->rows);
  return status;
}

/* ---- other lists ---- */

size_t gm_encoding_positions(const gm_encoding *encoding, const gm_region_list *list) {
  return encoding->n_image + 2 * list->n + encoding->groma->prompt->tail.n;
}

gm_status gm_encoding_find_list(const gm_encoding *encoding, gm_compute *c,
                                const gm_region_list *list, gm_kv_seq *seq, bool *found) {
  char key[65];
  *found = false;
  if (!encoding->cache) return GM_OK;
  GM_TRY(key_of(encoding, "list", seq->n, list, key, c->err));
  return load_positions(encoding, c, key, seq, gm_encoding_positions(encoding, list) - seq->n,
                        found);
}

gm_status gm_encoding_keep_list(const gm_encoding *encoding, gm_compute *c,
                                const gm_region_list *list, const gm_kv_seq *seq,
                                size_t first) {
  char key[65];
  if (!encoding->cache) return GM_OK;
  assert(first < gm_encoding_positions(encoding, list));
  GM_TRY(key_of(encoding, "list", first, list, key, c->err));
  for (size_t i = 0; i < GM_ENTRIES; i++) gm_scene_used(encoding->cache, encoding->entries[i]);
  store_positions(encoding, c, key, seq, first, gm_encoding_positions(encoding, list) - first);
  return GM_OK;
}

/* ---- creation ---- */

static gm_status copy_candidates(gm_encoding *encoding, const gm_rel_box *boxes,
                                 const float *scores, size_t n, gm_error *err) {
  encoding->candidates = malloc(n * sizeof *boxes);
  encoding->scores = malloc(n * sizeof *scores);
  if (!encoding->candidates || !encoding->scores)
    return gm_fail_memory(err, "the regions", n * (sizeof *boxes + sizeof *scores));
  memcpy(encoding->candidates, boxes, n * sizeof *boxes);
  memcpy(encoding->scores, scores, n * sizeof *scores);
  encoding->n_candidates = n;
  return GM_OK;
}

/* What the cache keeps of the features. Returns the number of parts. */
static size_t feature_parts(const gm_encoding *encoding,
                            gm_cache_part parts[GM_FEATURES_ARRAYS]) {
  gm_features_array arrays[GM_FEATURES_ARRAYS];
  size_t n = gm_features_arrays(encoding->groma->vision, encoding->features, encoding->proposes,
                                arrays);
  for (size_t i = 0; i < n; i++) parts[i] = (gm_cache_part){arrays[i].at, arrays[i].bytes};
  return n;
}

bool gm_encoding_find_features(gm_encoding *encoding, const float *pixels) {
  size_t size = encoding->groma->hparams.image_size;
  gm_cache_part parts[GM_FEATURES_ARRAYS];
  char *key = encoding->entries[GM_ENTRY_FEATURES];
  if (!encoding->cache) return false;
  gm_scene_key_features(encoding->cache, pixels, 3 * size * size, encoding->proposes, key);
  return gm_scene_load(encoding->cache, key, parts, feature_parts(encoding, parts)) &&
         (!encoding->proposes || gm_features_check(encoding->features, NULL) == GM_OK);
}

void gm_encoding_keep_features(gm_encoding *encoding, gm_compute *c) {
  gm_cache_part parts[GM_FEATURES_ARRAYS];
  if (encoding->cache)
    gm_scene_store(encoding->cache, c, encoding->entries[GM_ENTRY_FEATURES], parts,
                   feature_parts(encoding, parts));
}

gm_status gm_encoding_choose(gm_encoding *encoding, gm_error *err) {
  if (encoding->proposes) {
    const float *scores;
    size_t n;
    const gm_rel_box *boxes = gm_features_proposals(encoding->features, &scores, &n);
    GM_TRY(copy_candidates(encoding, boxes, scores, n, err));
  }
  return choose(encoding, NULL, 0, &encoding->base, NULL, err);
}

gm_status gm_encoding_create(gm_encoding **out, const gm_groma *groma,
                             const gm_encoding_settings *settings, gm_watch *watch,
                             gm_error *err) {
  *out = NULL;
  gm_encoding *encoding = calloc(1, sizeof *encoding);
  if (!encoding) return gm_fail_memory(err, "the picture", sizeof *encoding);
  encoding->groma = groma;
  encoding->watch = watch;
  encoding->cache = settings->cache;
  encoding->rule = settings->rule;
  encoding->proposes = !settings->boxes;
  encoding->append = settings->append;
  encoding->shuffle_seed = settings->shuffle_seed;
  encoding->prefix.shape = groma->kv_shape;
  assert(encoding->rule.max_regions >= 1 && encoding->rule.max_regions <= groma->max_regions);
  encoding->n_image = groma->prompt->head.n + gm_vision_n_tokens(groma->vision) +
                      groma->prompt->before_regions.n;
  gm_status status = gm_features_create(&encoding->features, groma->vision, err);
  if (status == GM_OK && settings->boxes)
    status =
        copy_candidates(encoding, settings->boxes, settings->scores, settings->n_boxes, err);
  if (status == GM_OK)
    *out = encoding;
  else
    gm_encoding_free(encoding);
  return status;
}

size_t gm_encoding_bytes(const gm_encoding *encoding) {
  size_t candidates = sizeof *encoding->candidates + sizeof *encoding->scores;
  return sizeof *encoding + gm_features_bytes(encoding->groma->vision, encoding->features) +
         encoding->n_candidates * candidates +
         encoding->base.n * sizeof *encoding->base.regions +
         gm_encoding_vectors_bytes(encoding) + gm_kv_memory(&encoding->prefix);
}

void gm_encoding_free(gm_encoding *encoding) {
  if (!encoding) return;
  gm_kv_clear(&encoding->prefix);
  gm_region_list_free(&encoding->base);
  gm_encoding_free_vectors(encoding);
  free(encoding->candidates);
  free(encoding->scores);
  gm_features_free(encoding->features);
  free(encoding);
}

/* picture.c - see picture.h: seeing it, lists of its regions, the prompt's beginning. */
#include "picture_vectors.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- lists of regions ---- */

static gm_status new_list(const gm_picture *picture, gm_region_list *list, gm_error *err) {
  size_t bytes = picture->groma->max_regions * sizeof *list->regions;
  *list = (gm_region_list){malloc(bytes), 0};
  return list->regions ? GM_OK : gm_fail_memory(err, "the regions", bytes);
}

void gm_region_list_free(gm_region_list *list) {
  free(list->regions);
  *list = (gm_region_list){0};
}

/* Candidates and referred boxes (score 1) through the rule of choice. */
static gm_status choose(const gm_picture *picture, const gm_rel_box *boxes, size_t n,
                        gm_region_list *out, size_t *index, gm_error *err) {
  size_t known = picture->n_candidates, all = known + n;
  GM_TRY(new_list(picture, out, err));
  size_t bytes = all * (sizeof(gm_rel_box) + sizeof(float) + sizeof(uint32_t));
  gm_rel_box *box = malloc(bytes);
  if (!box) {
    gm_region_list_free(out);
    return gm_fail_memory(err, "the choice of regions", bytes);
  }
  float *score = (float *)(box + all);
  uint32_t *chosen = (uint32_t *)(score + all);
  memcpy(box, picture->candidates, known * sizeof *box);
  memcpy(score, picture->scores, known * sizeof *score);
  for (size_t i = 0; i < n; i++) {
    box[known + i] = boxes[i];
    score[known + i] = 1;
  }
  out->n = gm_regions_choose(box, score, all, &picture->rule, chosen);
  assert(out->n <= picture->groma->max_regions);
  if (picture->shuffle_seed) gm_regions_shuffle(chosen, out->n, picture->shuffle_seed);
  for (size_t i = 0; i < out->n; i++)
    out->regions[i] = (gm_listed_region){box[chosen[i]], score[chosen[i]], NULL};
  for (size_t i = 0; i < out->n; i++) box[i] = out->regions[i].box;
  for (size_t b = 0; b < n; b++) index[b] = gm_regions_referred(box, out->n, boxes[b]);
  free(box);
  return GM_OK;
}

/* Where a box goes in a list that is in use; list->n at the end, max_regions: nowhere. */
static size_t place_for(const gm_picture *picture, const gm_region_list *list, gm_rel_box box,
                        const bool *in_use) {
  for (size_t i = 0; i < list->n; i++)
    if (gm_rel_box_same(list->regions[i].box, box)) return i;
  if (list->n < picture->groma->max_regions) return list->n;
  for (size_t i = list->n; i-- > 0;)
    if (!in_use[i]) return i;
  return picture->groma->max_regions;
}

gm_status gm_picture_append(const gm_picture *picture, gm_region_list *list,
                            const gm_rel_box *boxes, size_t n, bool *in_use, size_t *index,
                            size_t *first_changed, gm_error *err) {
  size_t max = picture->groma->max_regions;
  *first_changed = list->n;
  assert(list->n <= max);
  for (size_t b = 0; b < n; b++) {
    size_t i = place_for(picture, list, boxes[b], in_use);
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

static gm_status append_to_base(const gm_picture *picture, const gm_rel_box *boxes, size_t n,
                                gm_region_list *out, size_t *index, gm_error *err) {
  size_t max = picture->groma->max_regions, first_changed;
  GM_TRY(new_list(picture, out, err));
  memcpy(out->regions, picture->base.regions, picture->base.n * sizeof *out->regions);
  out->n = picture->base.n;
  bool *in_use = calloc(max, sizeof *in_use);
  gm_status status =
      in_use ? gm_picture_append(picture, out, boxes, n, in_use, index, &first_changed, err)
             : gm_fail_memory(err, "the regions", max * sizeof *in_use);
  free(in_use);
  if (status != GM_OK) gm_region_list_free(out);
  return status;
}

gm_status gm_picture_refer(const gm_picture *picture, const gm_rel_box *boxes, size_t n,
                           gm_region_list *out, size_t *index, gm_error *err) {
  if (n == 0 || picture->append) return append_to_base(picture, boxes, n, out, index, err);
  if (n > picture->rule.max_regions)
    return gm_fail(err, GM_ERR_ARGUMENT,
                   "found %zu boxes in one question, wanted at most %zu, the number of regions",
                   n, picture->rule.max_regions);
  return choose(picture, boxes, n, out, index, err);
}

/* ---- the prefix ---- */

/* Rows of the whole prefix, or of its image part. */
static gm_status prefix_rows(const gm_picture *picture, bool whole, gm_rows *rows,
                             gm_error *err) {
  const gm_groma *groma = picture->groma;
  const gm_prompt *prompt = groma->prompt;
  GM_TRY(gm_rows_add_ids(rows, prompt->head.ids, prompt->head.n, err));
  GM_TRY(gm_rows_add_vectors(rows, gm_vision_image_tokens(picture->vision),
                             gm_vision_n_tokens(groma->vision), groma->llama->dim, err));
  GM_TRY(gm_rows_add_ids(rows, prompt->before_regions.ids, prompt->before_regions.n, err));
  if (!whole) return GM_OK;
  for (size_t i = 0; i < picture->base.n; i++)
    GM_TRY(gm_rows_add_region(rows, prompt, i, picture->base.regions[i].vector, err));
  return gm_rows_add_ids(rows, prompt->tail.ids, prompt->tail.n, err);
}

/* The key of positions from `first` on that hold the list (NULL: none) and what is behind it.
 */
static gm_status key_of(const gm_picture *picture, const char *what, size_t first,
                        const gm_region_list *list, char key[65], gm_error *err) {
  size_t n = list ? list->n : 0;
  char which[64];
  gm_rel_box *boxes = malloc((n + 1) * sizeof *boxes);
  if (!boxes) return gm_fail_memory(err, "the regions", n * sizeof *boxes);
  for (size_t i = 0; i < n; i++) boxes[i] = list->regions[i].box;
  const gm_kv_shape *shape = &picture->prefix.shape;
  snprintf(which, sizeof which, "%s %s %s %zu", what, gm_type_traits_of(shape->k_type)->name,
           gm_type_traits_of(shape->v_type)->name, first);
  gm_scene_key_boxes(picture->entries[GM_ENTRY_PICTURE], which, boxes, n, key);
  free(boxes);
  return GM_OK;
}

static gm_status prefix_key(const gm_picture *picture, bool whole, char key[65],
                            gm_error *err) {
  return key_of(picture, "prefix", 0, whole ? &picture->base : NULL, key, err);
}

/* Puts n positions from the cache behind those of seq; where they are not there, *found stays
 * false. */
static gm_status load_positions(const gm_picture *picture, const char *key, gm_kv_seq *seq,
                                size_t n, bool *found, gm_error *err) {
  gm_mapping file;
  if (!gm_scene_map(picture->cache, key, gm_kv_bytes(&seq->shape, n), &file)) return GM_OK;
  *found = true;
  return gm_kv_adopt(seq, &file, GM_SCENE_BODY_AT, n, err);
}

static void store_positions(const gm_picture *picture, const char *key, const gm_kv_seq *seq,
                            size_t first, size_t n) {
  const void *bytes = gm_kv_piece(seq, first, n);
  const gm_cache_part part = {(void *)(uintptr_t)bytes, gm_kv_bytes(&seq->shape, n)};
  if (bytes) gm_scene_store(picture->cache, key, &part, 1);
}

/* The image part as the first positions of a whole prefix: no position depends on those behind
 * it. */
static gm_status load_image_part(gm_picture *picture, char *key, bool *found, gm_error *err) {
  size_t n = gm_picture_positions(picture, &picture->base);
  char whole[65];
  GM_TRY(prefix_key(picture, true, whole, err));
  GM_TRY(load_positions(picture, whole, &picture->prefix, n, found, err));
  if (!*found) return GM_OK;
  assert(picture->prefix.n == n && picture->n_image <= n);
  gm_kv_truncate(&picture->prefix, picture->n_image);
  memcpy(key, whole, sizeof whole);
  return GM_OK;
}

/* Computes the rows that the prefix lacks. Only a prefix that is made at once is kept: it is
 * one block. */
static gm_status extend_prefix(gm_picture *picture, gm_compute *c, const gm_rows *rows,
                               bool whole) {
  size_t done = picture->prefix.n;
  bool kept = picture->cache && done == 0, found = false;
  char *key = picture->entries[GM_ENTRY_PREFIX];
  assert(done < rows->n && (done == 0 || done == picture->n_image));
  gm_watch_begin(picture->watch, "prefill");
  if (kept) {
    GM_TRY(prefix_key(picture, whole, key, c->err));
    GM_TRY(load_positions(picture, key, &picture->prefix, rows->n, &found, c->err));
    if (!found && !whole) GM_TRY(load_image_part(picture, key, &found, c->err));
    if (found) return GM_OK;
  }
  GM_TRY(gm_kv_reserve_piece(&picture->prefix, rows->n - done, c->err));
  const gm_llama_run run = {&picture->prefix, rows->rows + done, rows->n - done, NULL, NULL};
  GM_TRY(
      gm_llama_forward(picture->groma->llama, c, &run, 1, gm_watch_progress, picture->watch));
  if (kept) store_positions(picture, key, &picture->prefix, 0, rows->n);
  return GM_OK;
}

bool gm_picture_ready(const gm_picture *picture) {
  return !picture->preparing &&
         picture->prefix.n == gm_picture_positions(picture, &picture->base);
}

gm_status gm_picture_prefill(gm_picture *picture, gm_compute *c, bool whole) {
  const gm_groma *groma = picture->groma;
  if (picture->prefix.n > (whole ? picture->n_image : 0)) return GM_OK;
  if (whole) GM_TRY(gm_picture_fill(picture, c, (gm_region_list *[]){&picture->base}, 1));
  gm_rows rows = {0};
  gm_status status = prefix_rows(picture, whole, &rows, c->err);
  assert(status != GM_OK ||
         rows.n == (whole ? gm_picture_positions(picture, &picture->base) : picture->n_image));
  if (status == GM_OK && rows.n >= groma->context)
    status = gm_fail(c->err, GM_ERR_CONTEXT_FULL,
                     "the picture with its regions takes %zu positions of a context of %zu; "
                     "raise the context (-c) or lower the number of regions",
                     rows.n, groma->context);
  if (status == GM_OK) status = extend_prefix(picture, c, &rows, whole);
  gm_rows_free(&rows);
  return status;
}

/* ---- other lists ---- */

size_t gm_picture_positions(const gm_picture *picture, const gm_region_list *list) {
  return picture->n_image + 2 * list->n + picture->groma->prompt->tail.n;
}

gm_status gm_picture_find_list(const gm_picture *picture, const gm_region_list *list,
                               gm_kv_seq *seq, bool *found, gm_error *err) {
  char key[65];
  *found = false;
  if (!picture->cache) return GM_OK;
  GM_TRY(key_of(picture, "list", seq->n, list, key, err));
  return load_positions(picture, key, seq, gm_picture_positions(picture, list) - seq->n, found,
                        err);
}

gm_status gm_picture_keep_list(const gm_picture *picture, const gm_region_list *list,
                               const gm_kv_seq *seq, size_t first, gm_error *err) {
  char key[65];
  if (!picture->cache) return GM_OK;
  assert(first < gm_picture_positions(picture, list));
  GM_TRY(key_of(picture, "list", first, list, key, err));
  for (size_t i = 0; i < GM_ENTRIES; i++) gm_scene_used(picture->cache, picture->entries[i]);
  store_positions(picture, key, seq, first, gm_picture_positions(picture, list) - first);
  return GM_OK;
}

/* ---- the picture ---- */

static gm_status copy_candidates(gm_picture *picture, const gm_rel_box *boxes,
                                 const float *scores, size_t n, gm_error *err) {
  picture->candidates = malloc(n * sizeof *boxes);
  picture->scores = malloc(n * sizeof *scores);
  if (!picture->candidates || !picture->scores)
    return gm_fail_memory(err, "the regions", n * (sizeof *boxes + sizeof *scores));
  memcpy(picture->candidates, boxes, n * sizeof *boxes);
  memcpy(picture->scores, scores, n * sizeof *scores);
  picture->n_candidates = n;
  return GM_OK;
}

static gm_status run_vision(gm_picture *picture, gm_compute *c, const float *pixels,
                            bool propose) {
  const gm_vision *vision = picture->groma->vision;
  gm_watch_begin(picture->watch, "vision");
  GM_TRY(gm_vision_encode(c, vision, picture->vision, pixels));
  if (!propose) return GM_OK;
  gm_watch_begin(picture->watch, "proposer");
  return gm_vision_propose(c, vision, picture->vision);
}

/* run_vision, or what it left in the cache. */
static gm_status see(gm_picture *picture, gm_compute *c, const float *pixels, bool propose) {
  const gm_groma *groma = picture->groma;
  size_t size = groma->hparams.image_size, n;
  gm_vision_array arrays[GM_VISION_ARRAYS];
  gm_cache_part parts[GM_VISION_ARRAYS];
  if (!picture->cache) return run_vision(picture, c, pixels, propose);
  n = gm_vision_image_arrays(groma->vision, picture->vision, propose, arrays);
  for (size_t i = 0; i < n; i++) parts[i] = (gm_cache_part){arrays[i].at, arrays[i].bytes};
  char *key = picture->entries[GM_ENTRY_PICTURE];
  gm_scene_key_picture(picture->cache, pixels, 3 * size * size, propose, key);
  if (gm_scene_load(picture->cache, key, parts, n) &&
      (!propose || gm_vision_check(picture->vision, NULL) == GM_OK))
    return GM_OK;
  GM_TRY(run_vision(picture, c, pixels, propose));
  gm_scene_store(picture->cache, key, parts, n);
  return GM_OK;
}

static gm_status encode(gm_picture *picture, gm_compute *c, const float *pixels,
                        const gm_picture_settings *settings) {
  const gm_rel_box *boxes = settings->boxes;
  const float *scores = settings->scores;
  size_t n = settings->n_boxes;
  GM_TRY(gm_vision_image_create(&picture->vision, picture->groma->vision, c->err));
  GM_TRY(see(picture, c, pixels, !boxes));
  if (!boxes) boxes = gm_vision_proposals(picture->vision, &scores, &n);
  GM_TRY(copy_candidates(picture, boxes, scores, n, c->err));
  return choose(picture, NULL, 0, &picture->base, NULL, c->err);
}

gm_status gm_picture_create(gm_picture **out, const gm_groma *groma, gm_compute *c,
                            const float *pixels, const gm_picture_settings *settings,
                            gm_watch *watch) {
  *out = NULL;
  gm_picture *picture = calloc(1, sizeof *picture);
  if (!picture) return gm_fail_memory(c->err, "the picture", sizeof *picture);
  picture->groma = groma;
  picture->watch = watch;
  picture->cache = settings->cache;
  picture->rule = settings->rule;
  picture->append = settings->append;
  picture->shuffle_seed = settings->shuffle_seed;
  picture->prefix.shape = groma->kv_shape;
  assert(picture->rule.max_regions >= 1 && picture->rule.max_regions <= groma->max_regions);
  picture->n_image = groma->prompt->head.n + gm_vision_n_tokens(groma->vision) +
                     groma->prompt->before_regions.n;
  gm_status status = encode(picture, c, pixels, settings);
  if (status == GM_OK)
    *out = picture;
  else
    gm_picture_free(picture);
  return status;
}

size_t gm_picture_bytes(const gm_picture *picture) {
  size_t candidates = sizeof *picture->candidates + sizeof *picture->scores;
  return sizeof *picture + gm_vision_image_bytes(picture->groma->vision, picture->vision) +
         picture->n_candidates * candidates + picture->base.n * sizeof *picture->base.regions +
         gm_picture_vectors_bytes(picture) + gm_kv_memory(&picture->prefix);
}

void gm_picture_free(gm_picture *picture) {
  if (!picture) return;
  gm_kv_clear(&picture->prefix);
  gm_region_list_free(&picture->base);
  gm_picture_free_vectors(picture);
  free(picture->candidates);
  free(picture->scores);
  gm_vision_image_free(picture->vision);
  free(picture);
}

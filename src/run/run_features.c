/* run_features.c - see run_features.h. */
#include "run_features.h"

#include "handles.h"
#include "run_data.h"
#include "sum64.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const gm_cache_kind kind = {.name = "taught", .body_at = GM_CACHE_HEAD};

/* ---- the store ---- */

static void make_base(gm_feature_store *s, const gm_model_file *file) {
  gm_sha256_state sha;
  gm_sha256_begin(&sha);
  gm_add_maker(&sha, s->c->kernels);
  gm_sha256_add_number(&sha, s->whole);
  gm_sha256_add(&sha, s->hparams, sizeof *s->hparams);
  for (size_t i = 0; i < gm_model_file_n_tensors(file); i++) {
    const char *name;
    const gm_tensor *t = gm_model_file_tensor_at(file, i, &name);
    if (strncmp(name, "perceiver.", 10) != 0) continue;
    gm_sha256_add_text(&sha, name);
    gm_sha256_add_number(&sha, t->type);
    gm_sha256_add_number(&sha, gm_sum64(t->data, gm_tensor_rows(t) * t->row_bytes));
  }
  gm_sha256_end(&sha, s->base);
}

gm_status gm_feature_store_open(gm_feature_store *s, const gm_vision *vision,
                                const gm_model_file *file, const gm_groma_hparams *hparams,
                                gm_compute *c, bool whole, gm_cache_dir *dir, gm_error *err) {
  const float *scores;
  *s = (gm_feature_store){
      .vision = vision, .hparams = hparams, .c = c, .whole = whole, .dir = dir};
  GM_TRY(gm_features_create(&s->work, vision, err));
  gm_features_patches(vision, s->work, &s->patches, &s->width);
  gm_features_proposals(s->work, &scores, &s->n_boxes);
  if (dir) make_base(s, file);
  return GM_OK;
}

void gm_feature_store_free(gm_feature_store *s) {
  gm_features_free(s->work);
  s->work = NULL;
}

/* ---- buffers ---- */

/* The output may be one of the three states; it is kept once then. */
static bool output_is_own(const gm_feature_store *s) {
  return s->hparams->vision_output + GM_REGION_LEVELS <= s->hparams->vision_layers;
}

gm_status gm_picture_features_create(gm_picture_features *f, const gm_feature_store *s,
                                     gm_error *err) {
  size_t mean = s->patches * s->width, state = mean + s->width, n = mean;
  *f = (gm_picture_features){0};
  if (s->whole) n = state * (GM_REGION_LEVELS + 1) + 5 * s->n_boxes;
  f->floats = calloc(n, sizeof *f->floats);
  if (!f->floats) return gm_fail_memory(err, "a picture's features", n * sizeof *f->floats);
  if (!s->whole) {
    f->mean = f->floats;
    return GM_OK;
  }
  for (size_t k = 0; k < GM_REGION_LEVELS; k++) f->states[k] = f->floats + k * state;
  f->output = f->floats + GM_REGION_LEVELS * state;
  f->boxes = (gm_rel_box *)(f->output + state);
  f->scores = f->output + state + 4 * s->n_boxes;
  if (!output_is_own(s))
    f->output =
        f->states[s->hparams->vision_output + GM_REGION_LEVELS - 1 - s->hparams->vision_layers];
  return GM_OK;
}

void gm_picture_features_free(gm_picture_features *f) {
  free(f->floats);
  *f = (gm_picture_features){0};
}

static size_t parts_of(const gm_feature_store *s, const gm_picture_features *f,
                       gm_cache_part *parts) {
  size_t mean = s->patches * s->width * sizeof(float), state = mean + s->width * sizeof(float);
  if (!s->whole) {
    parts[0] = (gm_cache_part){f->mean, mean};
    return 1;
  }
  size_t n = 0;
  for (size_t k = 0; k < GM_REGION_LEVELS; k++)
    parts[n++] = (gm_cache_part){f->states[k], state};
  if (output_is_own(s)) parts[n++] = (gm_cache_part){f->output, state};
  parts[n++] = (gm_cache_part){f->boxes, s->n_boxes * sizeof *f->boxes};
  parts[n++] = (gm_cache_part){f->scores, s->n_boxes * sizeof *f->scores};
  return n;
}

/* ---- entries ---- */

static bool make_key(const gm_feature_store *s, const char *image, char key[65]) {
  struct stat st;
  gm_sha256_state sha;
  if (!s->dir || stat(image, &st) != 0) return false;
  gm_sha256_begin(&sha);
  gm_sha256_add_text(&sha, s->base);
  gm_sha256_add_text(&sha, image);
  gm_sha256_add_number(&sha, (uint64_t)st.st_size);
  gm_sha256_add_number(&sha, (uint64_t)st.st_mtim.tv_sec);
  gm_sha256_add_number(&sha, (uint64_t)st.st_mtim.tv_nsec);
  gm_sha256_end(&sha, key);
  return true;
}

bool gm_feature_store_has(const gm_feature_store *s, const char *image) {
  char key[65];
  gm_mapping file;
  if (!make_key(s, image, key) || !gm_cache_dir_map(s->dir, key, kind.name, &file))
    return false;
  gm_unmap(&file);
  return true;
}

/* What is not a number must not get to the choice of regions. */
static bool is_sound(const gm_feature_store *s, const gm_picture_features *f) {
  for (size_t i = 0; s->whole && i < s->n_boxes; i++) {
    gm_rel_box b = f->boxes[i];
    if (!isfinite(b.cx + b.cy + b.w + b.h + f->scores[i])) return false;
  }
  return true;
}

static void store(gm_feature_store *s, const char *key, const gm_cache_part *parts, size_t n) {
  uint64_t bytes = 0;
  for (size_t i = 0; i < n; i++) bytes += parts[i].size;
  if (s->stored + bytes > gm_cache_dir_limit(s->dir) / 2) return;
  if (!gm_cache_dir_has_room(s->dir, bytes)) return;
  s->stored += bytes;
  gm_cache_entry_store(s->dir, &kind, key, parts, n, s->c->pool, NULL);
}

/* ---- a picture ---- */

static gm_status compute(gm_feature_store *s, const gm_item *item, gm_picture_features *f) {
  float *read = NULL;
  const float *output, *states[GM_REGION_LEVELS], *scores;
  size_t state = (1 + s->patches) * s->width * sizeof *f->output;
  if (!item->has_pixels)
    GM_TRY(gm_item_pixels(item, s->hparams->image_size, &s->hparams->pixel_norm, s->c->pool,
                          &read, s->c->err));
  gm_status status = gm_vision_encode(s->c, s->vision, s->work, read ? read : item->pixels);
  free(read);
  GM_TRY(status);
  if (!s->whole) {
    gm_vision_mean_state(s->c, s->vision, s->work, f->mean);
    return GM_OK;
  }
  GM_TRY(gm_vision_propose(s->c, s->vision, s->work));
  gm_features_states(s->vision, s->work, &output, states);
  for (size_t k = 0; k < GM_REGION_LEVELS; k++) memcpy(f->states[k], states[k], state);
  if (output_is_own(s)) memcpy(f->output, output, state);
  const gm_rel_box *boxes = gm_features_proposals(s->work, &scores, NULL);
  memcpy(f->boxes, boxes, s->n_boxes * sizeof *f->boxes);
  memcpy(f->scores, scores, s->n_boxes * sizeof *f->scores);
  return GM_OK;
}

gm_status gm_feature_store_get(gm_feature_store *s, const gm_item *item, bool keep,
                               gm_picture_features *out) {
  char key[65];
  gm_cache_part parts[GM_CACHE_MAX_PARTS];
  size_t n = parts_of(s, out, parts);
  keep = keep && make_key(s, item->sample.image, key);
  if (keep && gm_cache_entry_load(s->dir, &kind, key, parts, n) && is_sound(s, out))
    return GM_OK;
  GM_TRY(compute(s, item, out));
  if (keep) store(s, key, parts, n);
  return GM_OK;
}

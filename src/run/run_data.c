/* run_data.c - see run_data.h. */
#include "run_data.h"

#include "mapping.h"
#include "sha256.h"
#include "sum64.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static gm_status check_task(const gm_run_settings *s, const gm_data_spec *spec, gm_error *err) {
  bool detect = s->stage == GM_TRAIN_DETECT;
  if ((spec->task == GM_TASK_DETECT) == detect) return GM_OK;
  return gm_fail(err, GM_ERR_ARGUMENT, "%s: set %s has task %s; this stage trains %s", s->data,
                 spec->name, gm_task_names[spec->task],
                 detect ? "detect" : "the tasks with words, not detect");
}

static gm_status add_file(gm_sha256_state *sha, const gm_data_spec *spec, gm_error *err) {
  gm_mapping file;
  GM_TRY(gm_map_file(&file, spec->file, true, err));
  gm_sha256_add_text(sha, spec->name);
  gm_sha256_add_number(sha, spec->format);
  gm_sha256_add_number(sha, spec->task);
  gm_sha256_add_number(sha, spec->source);
  gm_sha256_add(sha, &spec->share, sizeof spec->share);
  gm_sha256_add_number(sha, file.size);
  gm_sha256_add_number(sha, gm_sum64(file.data, file.size));
  gm_unmap(&file);
  return GM_OK;
}

/* What is in the set's pictures, at little cost: the size of each, which a changed picture
 * seldom keeps, and the bytes of READ of them, spread over the set. Times of change are left
 * out, so that a copy of the data is the same data. A picture that is not there has no size. */
static gm_status add_pictures(gm_sha256_state *sha, const gm_data_set *set, gm_error *err) {
  enum { READ = 256 };
  size_t every = (set->n_pictures + READ - 1) / READ;
  gm_text path = {0};
  gm_status status = GM_OK;
  for (size_t i = 0; i < set->n_pictures && status == GM_OK; i++) {
    struct stat st;
    path.length = 0;
    status = gm_data_picture_path(set, i, &path, err);
    if (status != GM_OK) break;
    bool there = stat(path.bytes, &st) == 0 && S_ISREG(st.st_mode);
    gm_sha256_add_number(sha, there ? (uint64_t)st.st_size : UINT64_MAX);
    gm_mapping file;
    if (!there || i % every || gm_map_file(&file, path.bytes, false, NULL) != GM_OK) continue;
    gm_sha256_add_number(sha, gm_sum64(file.data, file.size));
    gm_unmap(&file);
  }
  gm_text_free(&path);
  return status;
}

static gm_status load_sets(gm_run_sets *out, gm_run_data *data, const gm_run_settings *s,
                           const gm_data_spec *specs, size_t n, gm_sha256_state *sha,
                           gm_error *err) {
  static const gm_data_rules rules = {.min_score = 0.65};
  out->all = calloc(n + 1, sizeof(gm_data_set *));
  out->shares = calloc(n + 1, sizeof *out->shares);
  if (!out->all || !out->shares) return gm_fail_memory(err, "data sets", n * sizeof(void *));
  gm_sha256_add_number(sha, n);
  for (size_t i = 0; i < n; i++) {
    GM_TRY(check_task(s, &specs[i], err));
    GM_TRY(add_file(sha, &specs[i], err));
    GM_TRY(gm_data_set_load(&out->all[i], &specs[i], &rules, &data->report, err));
    out->shares[i] = specs[i].share;
    out->n++;
    GM_TRY(add_pictures(sha, out->all[i], err));
  }
  return GM_OK;
}

static gm_status make_batches(gm_run_sets *sets, size_t chunk, uint64_t seed, gm_error *err) {
  if (!sets->n) return GM_OK;
  size_t *sizes = calloc(sets->n, sizeof *sizes);
  if (!sizes) return gm_fail_memory(err, "data sets", sets->n * sizeof *sizes);
  for (size_t i = 0; i < sets->n; i++) sizes[i] = sets->all[i]->n_pictures;
  gm_status status =
      gm_batches_create(&sets->batches, sizes, sets->shares, sets->n, chunk, seed, err);
  free(sizes);
  return status;
}

gm_status gm_run_data_load(gm_run_data *out, const gm_run_settings *s,
                           const gm_data_report *report, gm_error *err) {
  gm_sha256_state sha;
  *out = (gm_run_data){.report = *report};
  GM_TRY(gm_data_config_load(&out->config, s->data, err));
  const gm_data_config *c = &out->config;
  gm_sha256_begin(&sha);
  gm_sha256_add_number(&sha, c->seed);
  GM_TRY(load_sets(&out->train, out, s, c->sets, c->n_sets, &sha, err));
  GM_TRY(load_sets(&out->val, out, s, c->val, c->n_val, &sha, err));
  gm_sha256_end(&sha, out->hash);
  /* A held-out picture is a chunk of its own, so that none is dropped. */
  GM_TRY(make_batches(&out->train, (size_t)s->chunk, s->seed ^ c->seed, err));
  return make_batches(&out->val, 1, c->seed, err);
}

static void free_sets(gm_run_sets *sets) {
  for (size_t i = 0; i < sets->n; i++) gm_data_set_free(sets->all[i]);
  free(sets->all);
  free(sets->shares);
  gm_batches_free(sets->batches);
}

void gm_run_data_free(gm_run_data *data) {
  free_sets(&data->train);
  free_sets(&data->val);
  gm_data_config_free(&data->config);
  *data = (gm_run_data){0};
}

gm_status gm_item_pixels(const gm_item *item, size_t side, const gm_pixel_norm *norm,
                         gm_pool *pool, float **out, gm_error *err) {
  size_t bytes = 3 * side * side * sizeof **out;
  gm_image *image;
  *out = malloc(bytes);
  if (!*out) return gm_fail_memory(err, "a picture", bytes);
  if (item->has_pixels) {
    memcpy(*out, item->pixels, bytes);
    return GM_OK;
  }
  gm_status status = gm_image_open(&image, item->sample.image, NULL, err);
  if (status == GM_OK) {
    status = gm_pixels_squash(*out, image, side, norm, pool, err);
    gm_image_free(image);
  }
  if (status == GM_OK) return GM_OK;
  free(*out);
  *out = NULL;
  return status;
}

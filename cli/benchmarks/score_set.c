/* score_set.c - see score_set.h. The file is read twice, since annotations may come before what
 * they refer to. */
#include "score_set.h"

#include "room.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct reader {
  score_set *set;
  unsigned needs;
} reader;

/* The path below the host of an address: pictures lie in folders of these names. */
static char *path_of_url(char *url) {
  char *host = url ? strstr(url, "://") : NULL, *path = host ? strchr(host + 3, '/') : NULL;
  if (path) memmove(url, path + 1, strlen(path + 1) + 1);
  return url;
}

static gm_status read_image(void *user, const score_file *file, gm_pull_reader *json,
                            gm_error *err) {
  static const char *const names[] = {"id",    "file_name", "coco_url",
                                      "width", "height",    "caption"};
  reader *r = user;
  score_set *set = r->set;
  gm_pull_value v[6];
  const char *at;
  size_t id;
  gm_status status = score_members(file, json, &at, names, v, 6, err);
  if (status == GM_OK) status = score_id(file, at, &set->image_ids, "id", &v[0], &id, err);
  if (status != GM_OK) return status;
  if (id < set->n_images)
    return score_wrong(file, at, err, "the id of an earlier entry of images");
  score_image image = {.width = gm_pull_side(&v[3]), .height = gm_pull_side(&v[4])};
  if ((r->needs & SCORE_SIZES) && !(image.width > 0 && image.height > 0))
    return score_wrong(file, at, err, "width and height are not whole numbers of 1 and more");
  score_image *grown = gm_room_for_one(set->images, set->n_images, sizeof *grown);
  if (!grown) return gm_fail_memory(err, "images", sizeof image);
  set->images = grown;
  image.file =
      v[1].kind == GM_PULL_STRING ? gm_pull_string(&v[1]) : path_of_url(gm_pull_string(&v[2]));
  grown[set->n_images++] = image;
  if (!(r->needs & SCORE_IMAGE_CAPTIONS)) return GM_OK;
  return score_read_text(file, at, "caption", &v[5], &grown[set->n_images - 1].caption, err);
}

static gm_status read_category(void *user, const score_file *file, gm_pull_reader *json,
                               gm_error *err) {
  static const char *const names[] = {"id", "name"};
  score_set *set = ((reader *)user)->set;
  gm_pull_value v[2];
  const char *at;
  size_t id;
  gm_status status = score_members(file, json, &at, names, v, 2, err);
  if (status == GM_OK) status = score_id(file, at, &set->category_ids, "id", &v[0], &id, err);
  if (status != GM_OK) return status;
  if (id < set->n_categories)
    return score_wrong(file, at, err, "the id of an earlier entry of categories");
  char **grown = gm_room_for_one(set->categories, set->n_categories, sizeof *grown);
  if (!grown) return gm_fail_memory(err, "categories", sizeof *grown);
  set->categories = grown;
  grown[set->n_categories++] = NULL;
  return score_read_text(file, at, "name", &v[1], &grown[set->n_categories - 1], err);
}

static bool is_set(const gm_pull_value *value) {
  double number = gm_pull_number(value);
  return value->kind == GM_PULL_TRUE || number < 0 || number > 0;
}

/* What it belongs to, and its own id. */
static gm_status read_ids(reader *r, const score_file *file, const char *at,
                          const gm_pull_value *v, score_truth *truth, gm_error *err) {
  score_set *set = r->set;
  size_t id;
  gm_status status = score_id(file, at, &set->image_ids, "image_id", &v[1], &truth->image, err);
  if (status == GM_OK && truth->image >= set->n_images)
    return score_wrong(file, at, err, "image_id is not among the images");
  if (status == GM_OK && (r->needs & SCORE_CATEGORIES)) {
    status =
        score_id(file, at, &set->category_ids, "category_id", &v[2], &truth->category, err);
    if (status == GM_OK && truth->category >= set->n_categories)
      return score_wrong(file, at, err, "category_id is not among the categories");
  }
  if (status == GM_OK) status = gm_id_number(&set->truth_ids, &v[0], &id, err);
  if (status != GM_OK) return status;
  if (id == GM_NAME_NONE) set->truths_have_ids = false;
  if (set->truths_have_ids && id < set->n_truths)
    return score_wrong(file, at, err, "the id of an earlier annotation");
  return GM_OK;
}

static gm_status read_truth(void *user, const score_file *file, gm_pull_reader *json,
                            gm_error *err) {
  static const char *const names[] = {"id",   "image_id", "category_id", "bbox",
                                      "area", "iscrowd",  "ignore",      "caption"};
  reader *r = user;
  score_set *set = r->set;
  gm_pull_value v[8];
  const char *at;
  score_truth truth = {0};
  gm_status status = score_members(file, json, &at, names, v, 8, err);
  if (status == GM_OK) status = read_ids(r, file, at, v, &truth, err);
  if (status != GM_OK) return status;
  truth.has_box = v[3].kind != GM_PULL_NONE || (r->needs & SCORE_BOXES);
  if (truth.has_box) status = score_read_box(file, at, &v[3], &truth.box, err);
  if (status != GM_OK) return status;
  truth.area = v[4].kind == GM_PULL_NONE ? truth.box.w * truth.box.h : gm_pull_number(&v[4]);
  if (!isfinite(truth.area)) return score_wrong(file, at, err, "area is not a number");
  truth.crowd = is_set(&v[5]);
  truth.ignore = is_set(&v[6]);
  score_truth *grown = gm_room_for_one(set->truths, set->n_truths, sizeof *grown);
  if (!grown) return gm_fail_memory(err, "annotations", sizeof truth);
  set->truths = grown;
  grown[set->n_truths++] = truth;
  if (!(r->needs & SCORE_CAPTIONS)) return GM_OK;
  return score_read_text(file, at, "caption", &v[7], &grown[set->n_truths - 1].caption, err);
}

gm_status score_set_read(score_set *set, const score_file *file, unsigned needs,
                         gm_error *err) {
  const score_list heads[] = {{"images", read_image, false},
                              {"categories", read_category, false}},
                   truths[] = {{"annotations", read_truth, false}};
  *set = (score_set){.truths_have_ids = true};
  reader r = {set, needs};
  gm_status status = score_read(file, heads, needs & SCORE_CATEGORIES ? 2 : 1, &r, err);
  if (status == GM_OK) status = score_read(file, truths, 1, &r, err);
  if (status == GM_OK && set->n_images == 0)
    return gm_fail(err, GM_ERR_ARGUMENT, "%s: the list 'images' is empty", file->name);
  return status;
}

static void free_image(score_image *image) {
  free(image->file);
  free(image->caption);
}

void score_set_limit(score_set *set, size_t n) {
  size_t kept = 0;
  if (n == 0 || n >= set->n_images) return;
  for (size_t i = n; i < set->n_images; i++) free_image(&set->images[i]);
  set->n_images = n;
  for (size_t i = 0; i < set->n_truths; i++) {
    if (set->truths[i].image < n)
      set->truths[kept++] = set->truths[i];
    else
      free(set->truths[i].caption);
  }
  set->n_truths = kept;
}

void score_set_free(score_set *set) {
  for (size_t i = 0; i < set->n_images; i++) free_image(&set->images[i]);
  for (size_t i = 0; i < set->n_truths; i++) free(set->truths[i].caption);
  for (size_t i = 0; i < set->n_categories; i++) free(set->categories[i]);
  free(set->images);
  free(set->truths);
  free(set->categories);
  gm_name_table_free(&set->image_ids);
  gm_name_table_free(&set->category_ids);
  gm_name_table_free(&set->truth_ids);
  *set = (score_set){0};
}

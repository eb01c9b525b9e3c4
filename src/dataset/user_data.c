/* user_data.c - see user_data.h. */
#include "user_data.h"

#include "read_yolo.h"
#include "room.h"
#include "set_reader.h"
#include "text_read.h"
#include "visit.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char *joined(const char *folder, const char *name) {
  char *path = NULL;
  return asprintf(&path, "%s/%s", folder, name) < 0 ? NULL : path;
}

static bool is_there(const char *folder, const char *name, bool wants_folder) {
  struct stat st;
  char *path = joined(folder, name);
  bool there = path && stat(path, &st) == 0 && (bool)S_ISDIR(st.st_mode) == wants_folder;
  free(path);
  return there;
}

static char *folder_of(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? strndup(path, (size_t)(slash - path)) : strdup(".");
}

static bool ends_with(const char *text, const char *end) {
  size_t n = strlen(text), m = strlen(end);
  return n > m && strcmp(text + n - m, end) == 0;
}

/* ---- looking ---- */

typedef struct found_json {
  char *path; /* the first */
  size_t n;
} found_json;

static gm_status look_for_json(const char *folder, const char *refs, found_json *found,
                               gm_error *err) {
  struct stat st, refs_st;
  bool has_refs = refs && stat(refs, &refs_st) == 0;
  DIR *dir = opendir(folder);
  if (!dir) return GM_OK;
  gm_status status = GM_OK;
  for (struct dirent *e; status == GM_OK && (e = readdir(dir));) {
    if (e->d_name[0] == '.' || !ends_with(e->d_name, ".json")) continue;
    char *path = joined(folder, e->d_name);
    if (!path) status = gm_fail_memory(err, "a path", strlen(folder));
    bool file = path && stat(path, &st) == 0 && S_ISREG(st.st_mode);
    bool other = has_refs && file && st.st_ino == refs_st.st_ino && st.st_dev == refs_st.st_dev;
    if (!file || other || found->n++) {
      free(path);
      continue;
    }
    found->path = path;
  }
  closedir(dir);
  return status;
}

static gm_status find_json(char **out, const char *folder, const char *refs, gm_error *err) {
  found_json found = {0};
  gm_status status = look_for_json(folder, refs, &found, err);
  char *below = joined(folder, "annotations");
  if (status == GM_OK && below && !found.n) status = look_for_json(below, refs, &found, err);
  free(below);
  if (status == GM_OK && found.n != 1)
    status = gm_fail(err, GM_ERR_ARGUMENT,
                     found.n ? "%s: found %zu JSON files; name the one with the boxes"
                             : "%s: found neither YOLO (data.yaml or classes.txt, images/ and "
                               "labels/) nor COCO (a JSON file); %zu JSON files",
                     folder, found.n);
  if (status == GM_OK)
    *out = found.path;
  else
    free(found.path);
  return status;
}

/* ---- loading ---- */

static gm_status load_coco(gm_user_data *data, const char *file, const char *images,
                           gm_data_report *report, gm_error *err) {
  static const gm_data_rules rules = {.all_pictures = true};
  char *folder = folder_of(file), *beside = NULL;
  if (folder && !images && !is_there(folder, "images", true) &&
      ends_with(folder, "/annotations")) {
    char *above = folder_of(folder);
    free(folder);
    folder = above;
  }
  if (folder)
    beside = is_there(folder, "images", true) ? joined(folder, "images") : strdup(folder);
  gm_data_spec spec = {.name = "tune",
                       .file = (char *)file,
                       .images = images ? (char *)images : beside,
                       .format = GM_DATA_COCO,
                       .task = GM_TASK_LOCATE_ALL,
                       .share = 1};
  gm_status status = spec.images ? gm_data_set_load(&data->set, &spec, &rules, report, err)
                                 : gm_fail_memory(err, "a path", strlen(file));
  free(folder);
  free(beside);
  return status;
}

static gm_status load_boxes(gm_user_data *data, const char *path, const char *refs,
                            const char *images, gm_data_report *report, gm_error *err) {
  struct stat st;
  if (stat(path, &st) != 0)
    return gm_fail(err, GM_ERR_FILE_NOT_FOUND, "%s: there is no such file or folder", path);
  if (!S_ISDIR(st.st_mode)) {
    if (!ends_with(path, ".yaml") && !ends_with(path, ".yml"))
      return load_coco(data, path, images, report, err);
    char *folder = folder_of(path);
    gm_status status = folder ? gm_yolo_load(&data->set, folder, path, report, err)
                              : gm_fail_memory(err, "a path", strlen(path));
    free(folder);
    return status;
  }
  static const char *const names[] = {"data.yaml", "data.yml", "dataset.yaml", "classes.txt",
                                      "labels/classes.txt"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (!is_there(path, names[i], false)) continue;
    char *file = joined(path, names[i]);
    gm_status status = file ? gm_yolo_load(&data->set, path, file, report, err)
                            : gm_fail_memory(err, "a path", strlen(path));
    free(file);
    return status;
  }
  char *file;
  GM_TRY(find_json(&file, path, refs, err));
  gm_status status = load_coco(data, file, images, report, err);
  free(file);
  return status;
}

/* ---- expressions ---- */

static gm_status add_expression(gm_user_data *data, gm_set_reader *r) {
  static const char *const names[] = {"image_id", "expression", "bbox"};
  gm_data_set *set = data->set;
  gm_pull_value v[3];
  const char *entry;
  double b[4];
  size_t id, text;
  if (!gm_pull_members(&r->json, &entry, names, v, 3)) return GM_OK;
  GM_TRY(gm_id_number(&set->ids, &v[0], &id, r->err));
  size_t picture = id < set->n_picture_of ? set->picture_of[id] : GM_NAME_NONE;
  if (picture == GM_NAME_NONE)
    return gm_set_fault(r, GM_FAULT_NO_PICTURE, entry,
                        "its image_id is not among the pictures that are used");
  const gm_data_picture *p = &set->pictures[picture];
  if (!gm_pull_numbers(&v[2], b, 4))
    return gm_set_fault(r, GM_FAULT_BOX_NUMBERS, entry,
                        "bbox is not [x, y, width, height] with finite numbers");
  bool pixels = p->width > 0; /* YOLO's pictures have no size, and relative boxes */
  gm_rel_box box = gm_clipped_box(b[0], b[1], b[0] + b[2], b[1] + b[3], pixels ? p->width : 1,
                                  pixels ? p->height : 1);
  if (!(b[2] > 0 && b[3] > 0))
    return gm_set_fault(r, GM_FAULT_BOX_AREA, entry, "the box has no area");
  if (!(box.w > 0 && box.h > 0))
    return gm_set_fault(r, GM_FAULT_BOX_OUTSIDE, entry, "the box is outside its picture");
  GM_TRY(gm_set_add_phrase(r, &v[1], true, entry, &text));
  if (text == GM_NO_TEXT) return GM_OK;
  gm_user_expression *grown =
      gm_room_for_one(data->expressions, data->n_expressions, sizeof *grown);
  if (!grown) return gm_fail_memory(r->err, "expressions", sizeof *grown);
  data->expressions = grown;
  grown[data->n_expressions++] = (gm_user_expression){(uint32_t)picture, box, text};
  return GM_OK;
}

static gm_status read_expressions(gm_user_data *data, const char *refs, gm_data_report *report,
                                  gm_error *err) {
  char *text;
  GM_TRY(gm_text_read(&text, refs, err));
  gm_set_reader r = {
      .set = data->set, .report = report, .json = gm_pull_begin(text), .err = err};
  char *file = data->set->spec.file; /* faults name the file that is being read */
  data->set->spec.file = (char *)refs;
  gm_status status = GM_OK;
  bool entered = false, lines;
  while (status == GM_OK && gm_pull_listed(&r.json, &entered, &lines))
    status = add_expression(data, &r);
  data->set->spec.file = file;
  if (status == GM_OK && r.json.wanted)
    status = gm_fail(err, GM_ERR_ARGUMENT, "%s: line %zu: this is no JSON: wanted %s", refs,
                     gm_pull_line(&r.json), r.json.wanted);
  free(text);
  return status;
}

/* Text offsets grow with the place in the file. */
static int by_picture(const void *a, const void *b) {
  const gm_user_expression *p = a, *q = b;
  if (p->picture != q->picture) return p->picture < q->picture ? -1 : 1;
  return p->text < q->text ? -1 : p->text > q->text;
}

static gm_status index_expressions(gm_user_data *data, gm_error *err) {
  size_t n = data->set->n_pictures, at = 0;
  data->held = calloc(n, sizeof *data->held);
  data->first_expression = calloc(n + 1, sizeof *data->first_expression);
  if (!data->held || !data->first_expression)
    return gm_fail_memory(err, "pictures", n * sizeof *data->first_expression);
  if (data->n_expressions)
    qsort(data->expressions, data->n_expressions, sizeof *data->expressions, by_picture);
  for (size_t i = 0; i <= n; i++) {
    while (at < data->n_expressions && data->expressions[at].picture < i) at++;
    data->first_expression[i] = at;
  }
  return GM_OK;
}

gm_status gm_user_data_load(gm_user_data *out, const char *path, const char *refs,
                            const char *images, gm_data_report *report, gm_error *err) {
  *out = (gm_user_data){0};
  gm_status status = load_boxes(out, path, refs, images, report, err);
  if (status == GM_OK && refs) status = read_expressions(out, refs, report, err);
  return status == GM_OK ? index_expressions(out, err) : status;
}

void gm_user_data_free(gm_user_data *data) {
  gm_data_set_free(data->set);
  free(data->expressions);
  free(data->first_expression);
  free(data->held);
  *data = (gm_user_data){0};
}

void gm_user_data_hold(gm_user_data *data, double share, uint64_t seed) {
  size_t n = data->set->n_pictures, left = n, wanted = (size_t)((double)n * share + 0.5);
  if (!wanted && share > 0 && n > 1) wanted = 1;
  if (wanted >= n) wanted = n ? n - 1 : 0;
  gm_rng rng = {gm_mix64(seed + 0x9E3779B97F4A7C15u)};
  data->n_held = wanted;
  /* Selection sampling (Knuth, algorithm S). */
  for (size_t i = 0; i < n; i++, left--) {
    data->held[i] = gm_rng_below(&rng, left) < wanted;
    wanted -= data->held[i];
  }
}

/* dataset.c - see dataset.h. */
#include "dataset.h"

#include "terminal.h"
#include "text_file.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_JSON = INT32_MAX };

static bool read_box(json_t *values, gm_box *out) {
  double v[4];
  if (!json_is_array(values) || json_array_size(values) != 4) return false;
  for (size_t i = 0; i < 4; i++) {
    if (!json_is_number(json_array_get(values, i))) return false;
    v[i] = json_number_value(json_array_get(values, i));
  }
  *out = (gm_box){(float)v[0], (float)v[1], (float)(v[0] + v[2]), (float)(v[1] + v[3])};
  return v[2] > 0 && v[3] > 0;
}

static data_picture *picture_with(dataset *set, int64_t id) {
  for (size_t i = 0; i < set->n_pictures; i++)
    if (set->pictures[i].id == id) return &set->pictures[i];
  return NULL;
}

static bool wrong(const char *file, const char *list, size_t i, const char *wanted) {
  cli_error("%s: %s[%zu]: wanted %s", file, list, i, wanted);
  return false;
}

static char *join_path(const char *folder, size_t length, const char *name) {
  char *path = NULL;
  return asprintf(&path, "%.*s%s%s", (int)length, folder,
                  length && folder[length - 1] != '/' ? "/" : "", name) < 0
             ? NULL
             : path;
}

static bool load_pictures(dataset *set, const char *file, const char *images, size_t limit) {
  json_t *list = json_object_get(set->coco, "images");
  size_t n = json_array_size(list), folder_length;
  char *beside = NULL;
  if (n == 0) {
    cli_error("%s: no \"images\"; wanted annotations in COCO's format", file);
    return false;
  }
  if (!images) {
    const char *slash = strrchr(file, '/');
    beside = join_path(file, slash ? (size_t)(slash - file) + 1 : 0, "images");
    images = beside ? beside : "images";
  }
  folder_length = strlen(images);
  if (limit && n > limit) n = limit;
  set->pictures = calloc(n, sizeof *set->pictures);
  bool ok = set->pictures != NULL;
  for (size_t i = 0; ok && i < n; i++) {
    json_t *id = json_object_get(json_array_get(list, i), "id");
    const char *name = json_string_value(json_object_get(json_array_get(list, i), "file_name"));
    if (!json_is_integer(id) || !name) {
      ok = wrong(file, "images", i, "an integer id and a file_name");
      break;
    }
    set->pictures[i].id = json_integer_value(id);
    set->pictures[i].path = join_path(images, folder_length, name);
    ok = set->pictures[i].path != NULL;
    set->n_pictures = i + 1;
  }
  free(beside);
  return ok;
}

static const char *article_of(json_t *category, const char *name) {
  const char *given = json_string_value(json_object_get(category, "article"));
  if (given) return given;
  return name[0] && strchr("aeiouAEIOU", name[0]) ? "an" : "a";
}

static bool add_object(data_object **list, size_t *n, const data_object *object) {
  data_object *grown = realloc(*list, (*n + 1) * sizeof *grown);
  if (!grown) return false;
  *list = grown;
  grown[(*n)++] = *object;
  return true;
}

static bool load_objects(dataset *set, const char *file) {
  json_t *list = json_object_get(set->coco, "annotations");
  json_t *categories = json_object_get(set->coco, "categories"), *entry, *category;
  size_t i, k;
  json_array_foreach(list, i, entry) {
    data_object object = {0};
    json_t *category_id = json_object_get(entry, "category_id");
    json_array_foreach(categories, k, category) {
      if (!json_equal(json_object_get(category, "id"), category_id)) continue;
      object.category = json_string_value(json_object_get(category, "name"));
      if (object.category) object.article = article_of(category, object.category);
    }
    object.id = json_integer_value(json_object_get(entry, "id"));
    if (!object.category || !read_box(json_object_get(entry, "bbox"), &object.box))
      return wrong(file, "annotations", i,
                   "a bbox [x, y, width, height] and a known category_id");
    data_picture *picture =
        picture_with(set, json_integer_value(json_object_get(entry, "image_id")));
    if (!picture) continue;
    bool crowd = json_integer_value(json_object_get(entry, "iscrowd")) != 0;
    if (!(crowd ? add_object(&picture->crowds, &picture->n_crowds, &object)
                : add_object(&picture->objects, &picture->n_objects, &object)))
      return false;
  }
  return true;
}

static bool load_expressions(dataset *set, const char *file) {
  json_t *entry;
  size_t i;
  if (!json_is_array(set->refs)) {
    cli_error("%s: wanted a list of {image_id, expression, annotation_id, bbox}", file);
    return false;
  }
  json_array_foreach(set->refs, i, entry) {
    data_expression e = {0};
    e.text = json_string_value(json_object_get(entry, "expression"));
    e.object_id = json_integer_value(json_object_get(entry, "annotation_id"));
    if (!e.text || !read_box(json_object_get(entry, "bbox"), &e.box))
      return wrong(file, "refs", i, "an expression and a bbox [x, y, width, height]");
    data_picture *picture =
        picture_with(set, json_integer_value(json_object_get(entry, "image_id")));
    bool seen = !picture;
    for (size_t k = 0; !seen && k < picture->n_expressions; k++)
      seen = picture->expressions[k].object_id == e.object_id;
    if (seen) continue;
    data_expression *grown =
        realloc(picture->expressions, (picture->n_expressions + 1) * sizeof *grown);
    if (!grown) return false;
    picture->expressions = grown;
    grown[picture->n_expressions++] = e;
  }
  return true;
}

bool dataset_load(dataset *set, const char *coco, const char *refs, const char *images,
                  size_t limit) {
  *set = (dataset){0};
  set->coco = cli_read_json("", coco, MAX_JSON, 0);
  bool ok = set->coco && load_pictures(set, coco, images, limit) && load_objects(set, coco);
  if (ok && refs) {
    set->refs = cli_read_json("", refs, MAX_JSON, 0);
    ok = set->refs && load_expressions(set, refs);
  }
  if (!ok) dataset_free(set);
  return ok;
}

void dataset_free(dataset *set) {
  for (size_t i = 0; i < set->n_pictures; i++) {
    free(set->pictures[i].path);
    free(set->pictures[i].objects);
    free(set->pictures[i].crowds);
    free(set->pictures[i].expressions);
  }
  free(set->pictures);
  json_decref(set->coco);
  json_decref(set->refs);
  *set = (dataset){0};
}

static double area(gm_box a) {
  return (double)(a.x2 - a.x1) * (double)(a.y2 - a.y1);
}

static double shared_area(gm_box a, gm_box b) {
  double w = (double)(a.x2 < b.x2 ? a.x2 : b.x2) - (double)(a.x1 > b.x1 ? a.x1 : b.x1);
  double h = (double)(a.y2 < b.y2 ? a.y2 : b.y2) - (double)(a.y1 > b.y1 ? a.y1 : b.y1);
  return w <= 0 || h <= 0 ? 0 : w * h;
}

double data_iou(gm_box a, gm_box b) {
  double shared = shared_area(a, b);
  return shared > 0 ? shared / (area(a) + area(b) - shared) : 0;
}

double data_share_inside(gm_box a, gm_box b) {
  double shared = shared_area(a, b);
  return shared > 0 ? shared / area(a) : 0;
}

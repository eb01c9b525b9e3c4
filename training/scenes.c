/* scenes.c - see scenes.h. */
#include "scenes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Places in the lists by the ids of a file, which count from 1. */
typedef struct id_map {
  size_t *at; /* [n], SIZE_MAX: none */
  size_t n;
} id_map;

static gm_status map_ids(id_map *map, const json_t *list, gm_error *err) {
  json_t *entry;
  size_t i;
  map->n = 0;
  json_array_foreach(list, i, entry) {
    json_int_t id = json_integer_value(json_object_get(entry, "id"));
    if (id > 0 && id < 1 << 28 && (size_t)id >= map->n) map->n = (size_t)id + 1;
  }
  map->at = malloc((map->n + 1) * sizeof *map->at);
  if (!map->at) return gm_fail_memory(err, "ids", map->n * sizeof *map->at);
  for (i = 0; i <= map->n; i++) map->at[i] = SIZE_MAX;
  json_array_foreach(list, i, entry) {
    json_int_t id = json_integer_value(json_object_get(entry, "id"));
    if (id > 0 && (size_t)id < map->n) map->at[id] = i;
  }
  return GM_OK;
}

static size_t place_of(const id_map *map, const json_t *entry, const char *key) {
  const json_t *id = json_object_get(entry, key);
  if (!json_is_integer(id)) return SIZE_MAX;
  json_int_t n = json_integer_value(id);
  return n > 0 && (size_t)n < map->n ? map->at[n] : SIZE_MAX;
}

static gm_status read_json(json_t **out, const char *folder, const char *name, gm_error *err) {
  char path[4096];
  json_error_t why;
  snprintf(path, sizeof path, "%s/%s", folder, name);
  *out = json_load_file(path, 0, &why);
  if (!*out) return gm_fail(err, GM_ERR_IO, "%s: %s, line %d", path, why.text, why.line);
  return GM_OK;
}

static gm_rel_box relative(const json_t *box, const json_t *image) {
  double v[4], w = json_number_value(json_object_get(image, "width")),
               h = json_number_value(json_object_get(image, "height"));
  for (size_t i = 0; i < 4; i++) v[i] = json_number_value(json_array_get(box, i));
  return (gm_rel_box){(float)((v[0] + v[2] / 2) / w), (float)((v[1] + v[3] / 2) / h),
                      (float)(v[2] / w), (float)(v[3] / h)};
}

/* Room for one more in a list that grows by ones: lists of a scene are short. */
static void *one_more(void *list, size_t n, size_t size) {
  return n & (n - 1) ? list : realloc(list, (n ? 2 * n : 1) * size);
}

static gm_status add_objects(scenes *s, const id_map *images, const id_map *names,
                             size_t *object_of, gm_error *err) {
  const json_t *pictures = json_object_get(s->annotations, "images");
  json_t *entry;
  size_t i;
  json_array_foreach(json_object_get(s->annotations, "annotations"), i, entry) {
    size_t at = place_of(images, entry, "image_id"),
           kind = place_of(names, entry, "category_id");
    if (at == SIZE_MAX || kind == SIZE_MAX)
      return gm_fail(err, GM_ERR_IO, "annotation %zu is of no picture or no category", i);
    scene *sc = &s->all[at];
    scene_object *grown = one_more(sc->objects, sc->n, sizeof *grown);
    if (!grown) return gm_fail_memory(err, "the objects", sizeof *grown);
    sc->objects = grown;
    object_of[i] = sc->n;
    sc->objects[sc->n++] = (scene_object){
        relative(json_object_get(entry, "bbox"), json_array_get(pictures, at)), kind};
  }
  return GM_OK;
}

static gm_status add_expressions(scenes *s, const id_map *images, const id_map *annotations,
                                 const size_t *object_of, gm_error *err) {
  json_t *entry;
  size_t i;
  json_array_foreach(s->referring, i, entry) {
    size_t at = place_of(images, entry, "image_id"),
           annotation = place_of(annotations, entry, "annotation_id");
    const char *text = json_string_value(json_object_get(entry, "expression"));
    if (at == SIZE_MAX || !text)
      return gm_fail(err, GM_ERR_IO, "expression %zu is of no picture or has no text", i);
    scene *sc = &s->all[at];
    scene_expression *grown = one_more(sc->expressions, sc->n_expressions, sizeof *grown);
    if (!grown) return gm_fail_memory(err, "the expressions", sizeof *grown);
    sc->expressions = grown;
    ptrdiff_t object = annotation == SIZE_MAX ? -1 : (ptrdiff_t)object_of[annotation];
    sc->expressions[sc->n_expressions++] = (scene_expression){text, object};
  }
  return GM_OK;
}

static gm_status fill(scenes *s, const id_map *images, const id_map *names,
                      const id_map *annotations, gm_error *err) {
  const json_t *list = json_object_get(s->annotations, "annotations");
  size_t *object_of = calloc(json_array_size(list) + 1, sizeof *object_of);
  if (!object_of) return gm_fail_memory(err, "the objects", json_array_size(list) * 8);
  gm_status status = add_objects(s, images, names, object_of, err);
  if (status == GM_OK) status = add_expressions(s, images, annotations, object_of, err);
  free(object_of);
  return status;
}

static gm_status allocate(scenes *s, gm_error *err) {
  const json_t *images = json_object_get(s->annotations, "images"),
               *names = json_object_get(s->annotations, "categories");
  json_t *entry;
  size_t i;
  s->n = json_array_size(images);
  s->n_names = json_array_size(names);
  s->all = calloc(s->n + 1, sizeof *s->all);
  s->names = calloc(s->n_names + 1, sizeof *s->names);
  if (!s->all || !s->names) return gm_fail_memory(err, "the scenes", s->n * sizeof *s->all);
  json_array_foreach(images, i, entry) {
    s->all[i].file = json_string_value(json_object_get(entry, "file_name"));
    s->all[i].background = json_string_value(json_object_get(entry, "background"));
    if (!s->all[i].file) return gm_fail(err, GM_ERR_IO, "picture %zu has no file_name", i);
  }
  json_array_foreach(names, i, entry) {
    s->names[i] = json_string_value(json_object_get(entry, "name"));
    if (!s->names[i]) return gm_fail(err, GM_ERR_IO, "category %zu has no name", i);
  }
  return GM_OK;
}

/* The article is the one of the expressions that are nothing but article and name; "the" only
 * where there is no other. */
static void learn_phrase(scenes *s, size_t kind, const char *words) {
  const char *name = s->names[kind];
  size_t n = strlen(words), m = strlen(name);
  if (n < m || n - m > 4 || strcmp(words + n - m, name) != 0) return;
  bool the = strncmp(words, "the ", 4) == 0 && n - m == 4;
  if (the || (n > m && words[0] != 'a')) return;
  snprintf(s->phrases[kind], sizeof *s->phrases, "%s", words);
}

static gm_status learn_phrases(scenes *s, gm_error *err) {
  s->phrases = calloc(s->n_names + 1, sizeof *s->phrases);
  if (!s->phrases) return gm_fail_memory(err, "phrases", s->n_names * sizeof *s->phrases);
  for (size_t i = 0; i < s->n_names; i++)
    snprintf(s->phrases[i], sizeof *s->phrases, "the %s", s->names[i]);
  for (size_t i = 0; i < s->n; i++)
    for (size_t k = 0; k < s->all[i].n_expressions; k++) {
      const scene_expression *e = &s->all[i].expressions[k];
      if (e->object < 0) continue;
      learn_phrase(s, s->all[i].objects[e->object].kind, e->text);
    }
  return GM_OK;
}

static int32_t cell(float at) {
  int32_t i = (int32_t)(at * PLACE_GRID);
  return i < 0 ? 0 : i < PLACE_GRID ? i : PLACE_GRID - 1;
}

int32_t box_place(gm_rel_box box) {
  return cell(box.cy) * PLACE_GRID + cell(box.cx);
}

gm_status scenes_load(scenes *s, const char *folder, gm_error *err) {
  *s = (scenes){0};
  snprintf(s->images, sizeof s->images, "%s/images", folder);
  GM_TRY(read_json(&s->annotations, folder, "annotations.json", err));
  GM_TRY(read_json(&s->referring, folder, "referring.json", err));
  GM_TRY(allocate(s, err));
  id_map images = {0}, names = {0}, annotations = {0};
  gm_status status = map_ids(&images, json_object_get(s->annotations, "images"), err);
  if (status == GM_OK)
    status = map_ids(&names, json_object_get(s->annotations, "categories"), err);
  if (status == GM_OK)
    status = map_ids(&annotations, json_object_get(s->annotations, "annotations"), err);
  if (status == GM_OK) status = fill(s, &images, &names, &annotations, err);
  free(images.at);
  free(names.at);
  free(annotations.at);
  return status == GM_OK ? learn_phrases(s, err) : status;
}

void scenes_free(scenes *s) {
  for (size_t i = 0; s->all && i < s->n; i++) {
    free(s->all[i].objects);
    free(s->all[i].expressions);
  }
  free(s->all);
  free(s->names);
  free(s->phrases);
  json_decref(s->annotations);
  json_decref(s->referring);
  *s = (scenes){0};
}

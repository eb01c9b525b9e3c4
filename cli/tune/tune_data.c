/* tune_data.c - see tune_data.h. */
#include "tune_data.h"

#include "terminal.h"
#include "yolo_folder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FEWEST = 2 }; /* pictures */

/* ---- reading ---- */

static bool is_folder(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The COCO file in a folder, for free(); NULL: there is none. */
static char *coco_file_in(const char *folder) {
  static const char *const names[] = {"annotations.json", "_annotations.coco.json",
                                      "instances.json", "result.json", "labels.json"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    char *path = NULL;
    if (asprintf(&path, "%s/%s", folder, names[i]) < 0) return NULL;
    if (access(path, R_OK) == 0) return path;
    free(path);
  }
  return NULL;
}

/* Other tools put the annotations among the pictures. */
static const char *pictures_of(const char *folder, const char *given) {
  char *images = NULL;
  if (given || asprintf(&images, "%s/images", folder) < 0) return given;
  bool there = is_folder(images);
  free(images);
  return there ? NULL : folder;
}

static bool load_set(dataset *set, const char *path, const char *refs, const char *images) {
  if (!is_folder(path)) return dataset_load(set, path, refs, images, 0, true);
  char *file = coco_file_in(path);
  bool ok;
  if (file)
    ok = dataset_load(set, file, refs, pictures_of(path, images), 0, true);
  else
    ok = yolo_folder_load(set, path);
  free(file);
  return ok;
}

/* ---- lists ---- */

static void *keep_list(tune_data *data, size_t n, size_t size) {
  void **grown = realloc(data->lists, (data->n_lists + 1) * sizeof *grown);
  void *list = calloc(n + 1, size);
  if (grown) data->lists = grown;
  if (!grown || !list) {
    free(list);
    return NULL;
  }
  return data->lists[data->n_lists++] = list;
}

static char *name_of(tune_data *data, const data_category *c) {
  size_t size = strlen(c->article) + strlen(c->name) + 2;
  char *name = keep_list(data, size, 1);
  if (name) snprintf(name, size, "%s%s%s", c->article, c->article[0] ? " " : "", c->name);
  return name;
}

static char **names_of(tune_data *data, const dataset *set) {
  char **names = keep_list(data, set->n_categories, sizeof *names);
  for (size_t i = 0; names && i < set->n_categories; i++)
    if (!(names[i] = name_of(data, &set->categories[i]))) return NULL;
  return names;
}

static bool take_picture(tune_data *data, const dataset *set, char *const *names,
                         const data_picture *p, gm_tune_picture *out) {
  gm_tune_object *objects = keep_list(data, p->n_objects, sizeof *objects);
  gm_tune_phrase *phrases = keep_list(data, p->n_expressions, sizeof *phrases);
  if (!objects || !phrases) return false;
  *out = (gm_tune_picture){.struct_size = sizeof *out,
                           .path = p->path,
                           .background = p->background,
                           .objects = objects,
                           .phrases = phrases};
  for (size_t i = 0; i < p->n_objects; i++) {
    const data_object *o = &p->objects[i];
    objects[out->n_objects++] = (gm_tune_object){sizeof *objects, o->box, names[o->category],
                                                 set->categories[o->category].name};
  }
  for (size_t i = 0; i < p->n_expressions; i++) {
    const data_expression *e = &p->expressions[i];
    if (!e->text[0]) continue;
    phrases[out->n_phrases++] = (gm_tune_phrase){sizeof *phrases, e->box, e->text};
  }
  return true;
}

/* ---- what is measured ---- */

static bool names_once(const data_picture *p, size_t i) {
  for (size_t k = 0; k < p->n_objects; k++)
    if (k != i && p->objects[k].category == p->objects[i].category) return false;
  return true;
}

static bool is_first_of_box(const data_picture *p, size_t i) {
  for (size_t k = 0; k < i; k++)
    if (memcmp(&p->expressions[k].box, &p->expressions[i].box, sizeof p->expressions->box) == 0)
      return false;
  return true;
}

static bool measure_picture(tune_data *data, const data_picture *p, bool refs,
                            data_picture *out) {
  size_t most = refs ? p->n_expressions : p->n_objects;
  data_expression *list = keep_list(data, most, sizeof *list);
  *out = *p;
  out->expressions = list;
  out->n_expressions = 0;
  for (size_t i = 0; list && i < most; i++) {
    if (refs && is_first_of_box(p, i)) list[out->n_expressions++] = p->expressions[i];
    if (!refs && names_once(p, i))
      list[out->n_expressions++] =
          (data_expression){p->objects[i].box, data->names[p->objects[i].category]};
  }
  data->n_expressions += out->n_expressions;
  return list != NULL;
}

/* ---- dividing ---- */

typedef struct drawn {
  uint64_t key;
  size_t picture;
} drawn;

static int by_key(const void *a, const void *b) {
  const drawn *x = a, *y = b;
  if (x->key != y->key) return x->key < y->key ? -1 : 1;
  return x->picture < y->picture ? -1 : 1;
}

/* FNV-1a of the seed and the picture's number. */
static uint64_t key_of(uint64_t seed, size_t picture) {
  uint64_t h = 0xCBF29CE484222325u, numbers[2] = {seed, picture};
  const unsigned char *bytes = (const unsigned char *)numbers;
  for (size_t i = 0; i < sizeof numbers; i++) h = (h ^ bytes[i]) * 0x100000001B3u;
  return (h ^ (h >> 29)) * 0xBF58476D1CE4E5B9u;
}

/* *out[n_pictures]: in a random order, those that are held out first. */
static bool hold_out(tune_data *data, double share, uint64_t seed, drawn **out) {
  size_t n = data->set.n_pictures;
  drawn *order = keep_list(data, n, sizeof *order);
  data->is_held = keep_list(data, n, sizeof *data->is_held);
  *out = order;
  if (!order || !data->is_held) return false;
  for (size_t i = 0; i < n; i++) order[i] = (drawn){key_of(seed, i), i};
  qsort(order, n, sizeof *order, by_key);
  data->n_held = (size_t)lround(share * (double)n);
  if (share > 0 && data->n_held == 0) data->n_held = 1;
  for (size_t i = 0; i < data->n_held; i++) data->is_held[order[i].picture] = true;
  return true;
}

static bool divide(tune_data *data, const cli_args *args) {
  const dataset *set = &data->set;
  drawn *order;
  char **old_names = names_of(data, &data->kept);
  data->names = names_of(data, set);
  if (!old_names || !data->names || !hold_out(data, args->val, args->seed, &order))
    return false;
  data->learned = keep_list(data, set->n_pictures, sizeof *data->learned);
  data->held = keep_list(data, set->n_pictures, sizeof *data->held);
  data->measured = keep_list(data, set->n_pictures, sizeof *data->measured);
  data->old = keep_list(data, data->kept.n_pictures, sizeof *data->old);
  if (!data->learned || !data->held || !data->measured || !data->old) return false;
  for (size_t i = 0; i < data->n_held; i++) { /* any first ones are a fair sample */
    const data_picture *p = &set->pictures[order[i].picture];
    if (!measure_picture(data, p, args->refs != NULL, &data->measured[i]) ||
        !take_picture(data, set, data->names, p, &data->held[i]))
      return false;
  }
  for (size_t i = 0; i < set->n_pictures; i++)
    if (!data->is_held[i] && !take_picture(data, set, data->names, &set->pictures[i],
                                           &data->learned[data->n_learned++]))
      return false;
  for (size_t i = 0; i < data->kept.n_pictures; i++)
    if (!take_picture(data, &data->kept, old_names, &data->kept.pictures[i],
                      &data->old[data->n_old++]))
      return false;
  return true;
}

bool tune_data_load(tune_data *data, const cli_args *args) {
  *data = (tune_data){0};
  if (!load_set(&data->set, args->coco, args->refs, args->images)) return false;
  if (args->keep && !load_set(&data->kept, args->keep, NULL, NULL)) return false;
  if (data->set.n_pictures < FEWEST || data->set.n_objects == 0) {
    cli_error("%s: found %zu pictures with %zu boxes, wanted %d pictures or more, and boxes",
              args->coco, data->set.n_pictures, data->set.n_objects, FEWEST);
    return false;
  }
  if (!divide(data, args)) {
    cli_error("%s: not enough memory", args->coco);
    return false;
  }
  if (data->n_learned > 0) return true;
  cli_error("tune: --val %g holds all %zu pictures out; wanted a smaller share", args->val,
            data->set.n_pictures);
  return false;
}

void tune_data_free(tune_data *data) {
  for (size_t i = 0; i < data->n_lists; i++) free(data->lists[i]);
  free(data->lists);
  dataset_free(&data->set);
  dataset_free(&data->kept);
}

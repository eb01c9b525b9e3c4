/* yolo_folder.c - see yolo_folder.h. */
#include "yolo_folder.h"

#include "folder.h"
#include "room.h"
#include "terminal.h"
#include "text_file.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_NUMBERS = 4096, MAX_LABELS = 16 << 20 };

static const char no_numbers[] = "that are not a class and four numbers or a polygon",
                  no_class[] = "whose class has no name",
                  no_area[] = "without area in the picture";

typedef struct reader {
  dataset *set;
  const char *folder;
  size_t most; /* objects that there is room for */
  bool ok;
} reader;

static char *joined(const char *a, const char *b) {
  char *path = NULL;
  return asprintf(&path, "%s/%s", a, b) < 0 ? NULL : path;
}

/* ---- names ---- */

/* The word without outer white space, commas and quotes, in place. */
static char *bare(char *word) {
  static const char outer[] = " \t\r\n'\",[]{}";
  word += strspn(word, outer);
  size_t n = strlen(word);
  while (n && strchr(outer, word[n - 1])) word[--n] = 0;
  return word;
}

static bool add_name(dataset *set, size_t place, const char *name) {
  while (set->n_categories <= place) {
    data_category *grown = gm_room_for_one(set->categories, set->n_categories, sizeof *grown);
    if (!grown) return false;
    set->categories = grown;
    grown[set->n_categories++] = (data_category){strdup(""), strdup("")};
  }
  data_category *c = &set->categories[place];
  free(c->name);
  free(c->article);
  c->name = strdup(name);
  for (char *at = c->name; at && *at; at++)
    if (*at == '_') *at = ' ';
  c->article = strdup(name[0] && strchr("aeiouAEIOU", name[0]) ? "an" : "a");
  return c->name && c->article;
}

/* One line of the list of data.yaml: "- dog", "3: dog". */
static bool add_yaml_line(dataset *set, char *line) {
  char *colon = strchr(line, ':');
  char *word = bare(line);
  if (word[0] == '-') return add_name(set, set->n_categories, bare(word + 1));
  if (!colon || !isdigit((unsigned char)word[0])) return true;
  unsigned long place = strtoul(word, NULL, 10);
  return place >= 65536 || add_name(set, place, bare(colon + 1));
}

/* names: [a, b], names: {0: a, 1: b}, or a line for each below it. */
static bool read_yaml(dataset *set, char *text) {
  bool inside = false;
  char *rest = text, *line;
  while ((line = strsep(&rest, "\n"))) {
    bool top = line[0] && !isspace((unsigned char)line[0]) && line[0] != '-' && line[0] != '#';
    if (strncmp(line, "names:", 6) == 0) {
      inside = true;
      char *list = line + 6, *word;
      bool map = strchr(list, '{') != NULL;
      if (!strpbrk(list, "[{")) continue;
      while ((word = strsep(&list, ",")))
        if (!(map ? add_yaml_line(set, word) : add_name(set, set->n_categories, bare(word))))
          return false;
    } else if (top) {
      inside = false;
    } else if (inside && !add_yaml_line(set, line)) {
      return false;
    }
  }
  return true;
}

static bool read_classes(dataset *set, char *text) {
  char *rest = text, *line;
  while ((line = strsep(&rest, "\n")))
    if (bare(line)[0] && !add_name(set, set->n_categories, bare(line))) return false;
  return true;
}

static bool read_names(reader *r) {
  static const struct {
    const char *file;
    bool (*read)(dataset *, char *);
  } sources[] = {
      {"data.yaml", read_yaml}, {"dataset.yaml", read_yaml}, {"classes.txt", read_classes}};
  for (size_t i = 0; i < 3 && r->set->n_categories == 0; i++) {
    char *path = joined(r->folder, sources[i].file);
    char *text =
        path && access(path, R_OK) == 0 ? cli_read_text("", path, MAX_LABELS, NULL) : NULL;
    if (text) sources[i].read(r->set, text);
    free(text);
    free(path);
  }
  if (r->set->n_categories) return true;
  cli_error(
      "%s: found no names of classes; wanted annotations.json, or data.yaml or classes.txt "
      "beside images/ and labels/",
      r->folder);
  return false;
}

/* ---- labels ---- */

/* The label file of a picture, for free(): images/ becomes labels/, and the ending .txt. */
static char *label_path(const reader *r, const char *picture) {
  const char *inside = picture + strlen(r->folder) + strlen("/images");
  const char *dot = strrchr(inside, '.');
  char *path = NULL;
  if (asprintf(&path, "%s/labels%.*s.txt", r->folder, (int)(dot - inside), inside) < 0)
    return NULL;
  return path;
}

/* Numbers after the class: four are a box, six or more the corners of a polygon. */
static bool box_of(const double *v, size_t n, gm_box *out) {
  if (n == 4) {
    *out = (gm_box){(float)(v[0] - v[2] / 2), (float)(v[1] - v[3] / 2),
                    (float)(v[0] + v[2] / 2), (float)(v[1] + v[3] / 2)};
    return true;
  }
  if (n < 6 || n % 2) return false;
  *out = (gm_box){1, 1, 0, 0};
  for (size_t i = 0; i < n; i += 2) {
    out->x1 = fminf(out->x1, (float)v[i]);
    out->x2 = fmaxf(out->x2, (float)v[i]);
    out->y1 = fminf(out->y1, (float)v[i + 1]);
    out->y2 = fmaxf(out->y2, (float)v[i + 1]);
  }
  return true;
}

/* NULL, or why the line is left out. */
static const char *read_line(const reader *r, char *line, data_object *out) {
  double v[MOST_NUMBERS];
  size_t n = 0;
  char *end;
  double class_index = strtod(line, &end);
  if (end == line) return no_numbers;
  for (char *at = end; n < MOST_NUMBERS; at = end) {
    v[n] = strtod(at, &end);
    if (end == at) break;
    if (!isfinite(v[n]) || fabs(v[n]) > 1e6) return no_numbers;
    n++;
  }
  gm_box b;
  if (end[strspn(end, " \t\r")] || !box_of(v, n, &b)) return no_numbers;
  if (!(class_index >= 0 && class_index < (double)r->set->n_categories)) return no_class;
  out->category = (size_t)class_index;
  if (!r->set->categories[out->category].name[0]) return no_class;
  out->box = (gm_box){fmaxf(b.x1, 0), fmaxf(b.y1, 0), fminf(b.x2, 1), fminf(b.y2, 1)};
  return out->box.x2 > out->box.x1 && out->box.y2 > out->box.y1 ? NULL : no_area;
}

/* Objects with boxes relative to the picture. */
static bool read_labels(reader *r, data_picture *p, const char *path) {
  char *text = access(path, R_OK) == 0 ? cli_read_text("", path, MAX_LABELS, NULL) : NULL;
  char *rest = text, *line, name[400];
  size_t number = 0;
  bool ok = true;
  while (ok && (line = strsep(&rest, "\n"))) {
    data_object object;
    number++;
    if (!line[strspn(line, " \t\r")]) continue;
    const char *wrong = read_line(r, line, &object);
    snprintf(name, sizeof name, "%.300s:%zu", path, number);
    if (wrong) {
      left_out_add(&r->set->annotations, wrong, name);
      continue;
    }
    data_object *grown = gm_room_for_one(p->objects, p->n_objects, sizeof *grown);
    ok = grown != NULL;
    if (!ok) break;
    p->objects = grown;
    grown[p->n_objects++] = object;
  }
  free(text);
  return ok;
}

/* Makes boxes pixels; false: the picture cannot be read. */
static bool to_pixels(data_picture *p) {
  gm_image *image;
  gm_error err;
  if (gm_image_open(&image, p->path, NULL, &err) != GM_OK) {
    cli_error("%s", err.message);
    return false;
  }
  float w = (float)gm_image_width(image), h = (float)gm_image_height(image);
  for (size_t i = 0; i < p->n_objects; i++) {
    gm_box *b = &p->objects[i].box;
    *b = (gm_box){b->x1 * w, b->y1 * h, b->x2 * w, b->y2 * h};
  }
  gm_image_free(image);
  return true;
}

static bool add_picture(void *user, const char *path) {
  reader *r = user;
  dataset *set = r->set;
  data_picture *grown = gm_room_for_one(set->pictures, set->n_pictures, sizeof *grown);
  r->ok = grown != NULL;
  if (!grown) return false;
  set->pictures = grown;
  data_picture *p = &grown[set->n_pictures];
  *p = (data_picture){.path = strdup(path)};
  r->ok = p->path != NULL;
  set->n_pictures += r->ok;
  return r->ok;
}

static int by_path(const void *a, const void *b) {
  return strcmp(((const data_picture *)a)->path, ((const data_picture *)b)->path);
}

/* dataset_free frees the objects as one list. */
static bool join_objects(dataset *set) {
  size_t n = 0;
  for (size_t i = 0; i < set->n_pictures; i++) n += set->pictures[i].n_objects;
  set->objects = calloc(n + 1, sizeof *set->objects);
  for (size_t i = 0; i < set->n_pictures; i++) {
    data_picture *p = &set->pictures[i];
    data_object *own = p->objects;
    p->objects = set->objects ? set->objects + set->n_objects : NULL;
    if (set->objects && p->n_objects) memcpy(p->objects, own, p->n_objects * sizeof *own);
    set->n_objects += p->n_objects;
    free(own);
  }
  return set->objects != NULL;
}

static bool load(reader *r) {
  dataset *set = r->set;
  char *images = joined(r->folder, "images");
  bool listed = images && cli_folder_list(images, true, add_picture, r) && r->ok;
  free(images);
  if (!listed) return false;
  qsort(set->pictures, set->n_pictures, sizeof *set->pictures, by_path);
  bool ok = true;
  size_t kept = 0;
  for (size_t i = 0; i < set->n_pictures; i++) {
    data_picture p = set->pictures[i];
    char *labels = label_path(r, p.path);
    ok = ok && labels && read_labels(r, &p, labels);
    free(labels);
    if (ok && to_pixels(&p)) {
      set->pictures[kept++] = p;
      continue;
    }
    free(p.path);
    free(p.objects);
  }
  set->n_pictures = kept;
  return join_objects(set) && ok;
}

bool yolo_folder_load(dataset *set, const char *folder) {
  *set = (dataset){0};
  reader r = {.set = set, .folder = folder, .ok = true};
  bool ok = read_names(&r) && load(&r);
  left_out_tell(&set->annotations, folder, "line", "lines");
  if (!ok) dataset_free(set);
  return ok;
}

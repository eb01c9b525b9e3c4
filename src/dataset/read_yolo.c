/* read_yolo.c - see read_yolo.h. */
#include "read_yolo.h"

#include "room.h"
#include "set_reader.h"
#include "text_read.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { DEEPEST = 16 };

typedef struct yolo_reader {
  gm_set_reader r;
  gm_name_table names;
  char **files; /* [n]: pictures below the folder, in the order of their names */
  size_t n;
  size_t *classes; /* [n_classes]: the set's category of a class number */
  size_t n_classes;
  const char *names_file;
  bool has_zero, has_n; /* class numbers that occur: 0; the number of names */
} yolo_reader;

/* ---- names ---- */

static gm_status add_class(void *user, char *name) {
  yolo_reader *y = user;
  gm_set_reader *r = &y->r;
  size_t known = r->set->n_categories;
  size_t *grown = gm_room_for_one(y->classes, y->n_classes, sizeof *grown);
  if (!grown) return gm_fail_memory(r->err, "classes", sizeof *grown);
  y->classes = grown;
  size_t *place = &grown[y->n_classes++];
  GM_TRY(gm_set_add_category(r, &y->names, name, GM_NO_TEXT, place));
  if (*place < known)
    return gm_report_fault(r->report, GM_FAULT_NAME_TWICE, r->err,
                           "%s: the class '%.80s' occurs twice; both are one", y->names_file,
                           name);
  return GM_OK;
}

static gm_status read_names(yolo_reader *y) {
  char *text, *rest;
  GM_TRY(gm_text_read(&text, y->names_file, y->r.err));
  size_t n = strlen(y->names_file);
  gm_status status = GM_OK;
  if (n > 4 && strcmp(y->names_file + n - 4, ".txt") == 0) {
    rest = text;
    for (char *line; status == GM_OK && (line = strsep(&rest, "\n"));)
      if (line[strspn(line, " \t")]) status = add_class(y, line + strspn(line, " \t"));
  } else {
    status = gm_yaml_names(text, y->names_file, add_class, y, y->r.err);
  }
  free(text);
  return status;
}

/* ---- pictures ---- */

static bool is_picture(const char *name) {
  static const char *const ends[] = {".jpg", ".jpeg", ".png", ".webp"};
  const char *dot = strrchr(name, '.');
  for (size_t i = 0; dot && i < sizeof ends / sizeof ends[0]; i++)
    if (strcasecmp(dot, ends[i]) == 0) return true;
  return false;
}

static gm_status walk(yolo_reader *y, const char *folder, unsigned depth) {
  DIR *dir = depth < DEEPEST ? opendir(folder) : NULL;
  gm_status status = GM_OK;
  if (!dir) return GM_OK;
  for (struct dirent *e; status == GM_OK && (e = readdir(dir));) {
    struct stat st;
    char *path = NULL;
    if (e->d_name[0] == '.') continue;
    if (asprintf(&path, "%s/%s", folder, e->d_name) < 0) path = NULL;
    if (!path) {
      status = gm_fail_memory(y->r.err, "a path", strlen(folder));
    } else if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
      status = walk(y, path, depth + 1);
    } else if (is_picture(path)) {
      char **grown = gm_room_for_one(y->files, y->n, sizeof *grown);
      if (grown) {
        y->files = grown;
        grown[y->n++] = path;
        continue;
      }
      status = gm_fail_memory(y->r.err, "pictures", sizeof *grown);
    }
    free(path);
  }
  closedir(dir);
  return status;
}

static int by_name(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The last folder "images" of a path, as the place of its name, not before byte `from`; NULL.
 */
static const char *images_part(const char *path, size_t from) {
  static const char part[] = "/images/";
  const char *found = NULL;
  for (const char *c = path + from; (c = strstr(c, part)); c++) found = c + 1;
  return found;
}

/* ---- labels ---- */

static gm_status label_fault(yolo_reader *y, gm_data_fault kind, const char *file, size_t line,
                             const char *what) {
  return gm_report_fault(y->r.report, kind, y->r.err, "%s: line %zu: %s", file, line, what);
}

static gm_status add_label(yolo_reader *y, const char *file, size_t number, const char *line) {
  double v[6];
  size_t n = 0;
  const char *at = line;
  for (char *end; n < 6; n++, at = end) {
    v[n] = strtod(at, &end);
    if (end == at) break;
  }
  bool numbers = n == 5 && !at[strspn(at, " \t\r")];
  for (size_t i = 0; numbers && i < 5; i++) numbers = fabs(v[i]) < 1e6; /* not NaN */
  if (!numbers)
    return label_fault(y, GM_FAULT_BOX_NUMBERS, file, number,
                       "wanted five numbers: class cx cy width height");
  if (!(v[0] >= 0 && v[0] <= (double)y->n_classes) || v[0] != floor(v[0]))
    return label_fault(y, GM_FAULT_NO_CATEGORY, file, number,
                       "the class is not the number of a name");
  if (!(v[3] > 0 && v[4] > 0))
    return label_fault(y, GM_FAULT_BOX_AREA, file, number, "the box has no area");
  gm_data_box box = {.box = gm_clipped_box(v[1] - v[3] / 2, v[2] - v[4] / 2, v[1] + v[3] / 2,
                                           v[2] + v[4] / 2, 1, 1),
                     .category = (uint32_t)v[0],
                     .text = GM_NO_TEXT};
  if (!(box.box.w > 0 && box.box.h > 0))
    return label_fault(y, GM_FAULT_BOX_OUTSIDE, file, number,
                       "the box is outside its picture (0 to 1)");
  y->has_zero |= box.category == 0;
  y->has_n |= box.category == y->n_classes;
  return gm_set_add_box(&y->r, &box);
}

static gm_status read_labels(yolo_reader *y, const char *file) {
  char *text;
  gm_error err;
  gm_status status = gm_text_read(&text, file, &err);
  if (status == GM_ERR_FILE_NOT_FOUND) return GM_OK; /* a picture without boxes */
  if (status == GM_ERR_MEMORY) return gm_fail(y->r.err, status, "%s", err.message);
  if (status != GM_OK)
    return gm_report_fault(y->r.report, GM_FAULT_ENTRY, y->r.err, "%s", err.message);
  char *rest = text;
  size_t number = 0;
  for (char *line; status == GM_OK && (line = strsep(&rest, "\n"));) {
    number++;
    if (line[strspn(line, " \t\r")]) status = add_label(y, file, number, line);
  }
  free(text);
  return status;
}

static gm_status add_picture(yolo_reader *y, const char *path) {
  gm_set_reader *r = &y->r;
  gm_data_set *set = r->set;
  size_t above = strlen(set->spec.images); /* the folder */
  const char *part = images_part(path, above), *dot = strrchr(path, '.');
  if (!part) return GM_OK; /* a picture that is not in a folder images */
  char *labels = NULL, *id = NULL;
  const char *below = part + strlen("images/");
  if (asprintf(&labels, "%.*slabels/%.*s.txt", (int)(part - path), path, (int)(dot - below),
               below) < 0)
    labels = NULL;
  if (asprintf(&id, "\"%s", below) < 0) id = NULL;
  gm_data_picture picture = {
      .caption = GM_NO_TEXT, .background = GM_NO_TEXT, .first_box = set->n_boxes};
  size_t number = id ? gm_name_table_add(&set->ids, id, strlen(id)) : GM_NAME_NONE;
  gm_status status = labels && number != GM_NAME_NONE
                         ? read_labels(y, labels)
                         : gm_fail_memory(r->err, "a path", strlen(path));
  free(labels);
  free(id);
  if (status != GM_OK) return status;
  picture.n_boxes = set->n_boxes - picture.first_box;
  size_t *grown = gm_room_for_one(set->picture_of, set->n_picture_of, sizeof *grown);
  if (!grown) return gm_fail_memory(r->err, "pictures", sizeof *grown);
  set->picture_of = grown;
  if (number == set->n_picture_of) grown[set->n_picture_of++] = set->n_pictures;
  GM_TRY(gm_set_add_text(r, path + above + 1, strlen(path) - above - 1, &picture.file));
  return gm_set_add_picture(r, &picture);
}

/* Class numbers become categories; boxes of the one that is too large are dropped. */
static gm_status place_classes(yolo_reader *y) {
  gm_data_set *set = y->r.set;
  bool from_one = y->has_n && !y->has_zero;
  for (size_t i = 0; i < set->n_pictures; i++) {
    gm_data_picture *p = &set->pictures[i];
    gm_data_box *boxes = set->boxes + p->first_box;
    size_t kept = 0;
    for (size_t k = 0; k < p->n_boxes; k++) {
      size_t class = boxes[k].category - from_one;
      if (class >= y->n_classes) {
        GM_TRY(gm_report_fault(y->r.report, GM_FAULT_NO_CATEGORY, y->r.err,
                               "%s: a box has the class %zu, but there are %zu names",
                               gm_data_text(set, p->file), class, y->n_classes));
        continue;
      }
      boxes[kept] = boxes[k];
      boxes[kept++].category = (uint32_t)y->classes[class];
    }
    p->n_boxes = kept;
  }
  return GM_OK;
}

static gm_status load(yolo_reader *y, const char *folder) {
  GM_TRY(read_names(y));
  GM_TRY(walk(y, folder, 0));
  if (y->n) qsort(y->files, y->n, sizeof *y->files, by_name);
  for (size_t i = 0; i < y->n; i++) GM_TRY(add_picture(y, y->files[i]));
  if (!y->r.set->n_boxes)
    return gm_fail(
        y->r.err, GM_ERR_ARGUMENT,
        "%s: found %zu pictures and no boxes; wanted pictures in a folder images/ and "
        "their boxes in a folder labels/ beside it",
        folder, y->n);
  GM_TRY(place_classes(y));
  return gm_set_order_by_shape(y->r.set, y->r.err);
}

gm_status gm_yolo_load(gm_data_set **out, const char *folder, const char *names,
                       gm_data_report *report, gm_error *err) {
  *out = NULL;
  gm_data_set *set = calloc(1, sizeof *set);
  if (!set) return gm_fail_memory(err, "a data set", sizeof *set);
  set->spec = (gm_data_spec){.name = strdup("tune"),
                             .file = strdup(names),
                             .images = strdup(folder),
                             .format = GM_DATA_COCO,
                             .task = GM_TASK_LOCATE_ALL,
                             .share = 1};
  yolo_reader y = {.r = {.set = set, .report = report, .err = err}, .names_file = names};
  gm_status status = set->spec.name && set->spec.file && set->spec.images
                         ? load(&y, folder)
                         : gm_fail_memory(err, "a data set's names", strlen(folder));
  for (size_t i = 0; i < y.n; i++) free(y.files[i]);
  free(y.files);
  free(y.classes);
  gm_name_table_free(&y.names);
  if (status == GM_OK)
    *out = set;
  else
    gm_data_set_free(set);
  return status;
}

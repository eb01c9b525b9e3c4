/* dataset.c - see dataset.h.
 *
 * Each file is read once from beginning to end. Entries refer to later ones (COCO's own files
 * have the categories last), so all ids are numbered first, and the lists are joined at the
 * end.
 */
#include "dataset.h"

#include "json_pull.h"
#include "name_table.h"
#include "room.h"
#include "terminal.h"
#include "text_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_FILE ((size_t)8 << 30)

static const char no_id[] = "without an id", no_name[] = "without a file_name",
                  no_category_name[] = "without a name",
                  second_id[] = "whose id an earlier one has",
                  no_image_id[] = "without an image_id",
                  no_category_id[] = "without a category_id",
                  no_box[] = "without a bbox [x, y, width, height]",
                  no_area[] = "whose bbox has no area",
                  no_picture[] = "whose image_id is not among the images",
                  no_category[] = "whose category_id is not among the categories",
                  twice[] = "that the file has twice", no_text[] = "without an expression",
                  no_object_id[] = "without an annotation_id";

/* An annotation or an expression as its file has it. Ids are numbers of reader.ids, or
 * GM_NAME_NONE. */
typedef struct entry {
  size_t id, picture, category;
  gm_box box;
  const char *wrong; /* the reason why it is left out, or NULL */
  bool crowd;
  char *text; /* of expressions */
} entry;

typedef struct reader {
  dataset *set;
  const char *file;
  const char *images; /* the pictures' folder */
  gm_pull_reader json;
  bool short_of_memory, every_expression;
  gm_name_table ids, names; /* all ids so far; the categories' names */
  size_t *picture_ids;      /* [set->n_pictures] */
  size_t *category_ids;     /* [n_category_ids] */
  size_t *category_names;   /* for each of category_ids: the index in set->categories */
  size_t n_category_ids;
  entry *entries; /* of the list that is being read */
  size_t n_entries;
  size_t *picture_of; /* [ids.n]: the index in set->pictures, or GM_NAME_NONE */
} reader;

static bool short_of_memory(reader *r) {
  r->short_of_memory = true;
  return false;
}

/* ---- values ---- */

/* The number of an id; GM_NAME_NONE if the value is not an id. */
static size_t id_of(reader *r, const gm_pull_value *v) {
  char text[40];
  const char *key = v->text;
  size_t length = v->length, number;
  char *plain = NULL;
  if (v->kind == GM_PULL_STRING) { /* a quote before strings */
    if (memchr(v->text, '\\', v->length)) {
      char *string = gm_pull_string(v);
      if (!string || asprintf(&plain, "\"%s", string) < 0) plain = NULL;
      free(string);
      key = plain;
      length = plain ? strlen(plain) : 0;
    } else {
      key--;
      length++;
    }
  } else if (v->kind != GM_PULL_NUMBER) {
    return GM_NAME_NONE;
  } else if (strspn(key, "-0123456789") < length || gm_pull_is(v, "-0")) {
    double value = gm_pull_number(v);
    if (!isfinite(value)) return GM_NAME_NONE;
    bool whole = value == floor(value) && fabs(value) < 1e15;
    snprintf(text, sizeof text, whole ? "%.0f" : "%.17g", value + 0.0); /* -0 + 0 is 0 */
    key = text;
    length = strlen(text);
  }
  number = key ? gm_name_table_add(&r->ids, key, length) : GM_NAME_NONE;
  free(plain);
  if (number == GM_NAME_NONE) short_of_memory(r);
  return number;
}

/* Returns NULL, or what is wrong. */
static const char *box_of(const gm_pull_value *value, gm_box *out) {
  double v[4];
  size_t n = 0;
  if (value->kind != GM_PULL_ARRAY) return no_box;
  gm_pull_reader p = gm_pull_begin(value->text);
  for (gm_pull_enter(&p); gm_pull_element(&p); n++) {
    gm_pull_value number;
    gm_pull_read(&p, &number);
    double side = gm_pull_number(&number);
    if (n == 4 || !(fabs(side) < 1e9)) return no_box; /* false for NaN too */
    v[n] = side;
  }
  if (n < 4) return no_box;
  *out = (gm_box){(float)v[0], (float)v[1], (float)(v[0] + v[2]), (float)(v[1] + v[3])};
  return v[2] > 0 && v[3] > 0 ? NULL : no_area;
}

static bool is_crowd(const gm_pull_value *value) {
  double number = gm_pull_number(value);
  return value->kind == GM_PULL_TRUE || number < 0 || number > 0;
}

/* Names the entry by its id, or else by its place. */
static void leave_out(const reader *r, left_out *all, const char *reason, size_t id,
                      size_t place) {
  char name[120];
  const char *text = id == GM_NAME_NONE ? "" : r->ids.names[id];
  if (id == GM_NAME_NONE)
    snprintf(name, sizeof name, "[%zu]", place);
  else
    snprintf(name, sizeof name, "%.100s%s", text, text[0] == '"' ? "\"" : "");
  left_out_add(all, reason, name);
}

/* Reads these members of the next value; none if it is not an object. */
static bool read_members(gm_pull_reader *p, const char *const *names, gm_pull_value *values,
                         size_t n) {
  gm_pull_value key, value;
  for (size_t i = 0; i < n; i++) values[i] = (gm_pull_value){0};
  if (gm_pull_peek(p) != GM_PULL_OBJECT) return gm_pull_read(p, &value);
  for (gm_pull_enter(p); gm_pull_member(p, &key);) {
    if (!gm_pull_read(p, &value)) return false;
    for (size_t i = 0; i < n; i++)
      if (gm_pull_is(&key, names[i])) values[i] = value;
  }
  return !p->wanted;
}

/* ---- entries ---- */

static char *join_path(const char *folder, const char *name) {
  char *path = NULL;
  size_t length = name[0] == '/' ? 0 : strlen(folder);
  if (asprintf(&path, "%.*s%s%s", (int)length, folder,
               length && folder[length - 1] != '/' ? "/" : "", name) < 0)
    return NULL;
  /* A Windows path, if there is no such file */
  if (strchr(name, '\\') && access(path, F_OK) != 0)
    for (char *c = path + (length ? length + 1 : 0); *c; c++)
      if (*c == '\\') *c = '/';
  return path;
}

static bool read_picture(reader *r, size_t place) {
  static const char *const names[] = {"id", "file_name", "background"};
  dataset *set = r->set;
  gm_pull_value v[3];
  if (!read_members(&r->json, names, v, 3)) return false;
  size_t id = id_of(r, &v[0]), n = set->n_pictures;
  if (id == GM_NAME_NONE || v[1].kind != GM_PULL_STRING || v[1].length == 0) {
    leave_out(r, &set->images, id == GM_NAME_NONE ? no_id : no_name, id, place);
    return !r->short_of_memory;
  }
  size_t *ids = gm_room_for_one(r->picture_ids, n, sizeof *ids);
  if (ids) r->picture_ids = ids;
  data_picture *pictures = gm_room_for_one(set->pictures, n, sizeof *pictures);
  if (pictures) set->pictures = pictures;
  char *name = gm_pull_string(&v[1]), *path = name ? join_path(r->images, name) : NULL;
  free(name);
  if (!ids || !pictures || !path) {
    free(path);
    return short_of_memory(r);
  }
  ids[n] = id;
  pictures[n] = (data_picture){.path = path, .background = gm_pull_string(&v[2])};
  set->n_pictures++;
  return true;
}

static char *article_of(const gm_pull_value *given, const char *name) {
  if (given->kind == GM_PULL_STRING) return gm_pull_string(given);
  return strdup(name[0] && strchr("aeiouAEIOU", name[0]) ? "an" : "a");
}

/* The index of the category with this name, which is added if it is new. */
static size_t category_named(reader *r, const char *name, const gm_pull_value *article) {
  dataset *set = r->set;
  size_t n = set->n_categories;
  size_t found = gm_name_table_add_name(&r->names, name);
  if (found < n || found == GM_NAME_NONE) return found;
  data_category *grown = gm_room_for_one(set->categories, n, sizeof *grown);
  if (!grown) return GM_NAME_NONE;
  set->categories = grown;
  grown[n] = (data_category){strdup(name), article_of(article, name)};
  set->n_categories++;
  return grown[n].name && grown[n].article ? n : GM_NAME_NONE;
}

static bool read_category(reader *r, size_t place) {
  static const char *const names[] = {"id", "name", "article"};
  gm_pull_value v[3];
  if (!read_members(&r->json, names, v, 3)) return false;
  size_t id = id_of(r, &v[0]), n = r->n_category_ids;
  if (id == GM_NAME_NONE || v[1].kind != GM_PULL_STRING || v[1].length == 0) {
    leave_out(r, &r->set->kinds, id == GM_NAME_NONE ? no_id : no_category_name, id, place);
    return !r->short_of_memory;
  }
  size_t *ids = gm_room_for_one(r->category_ids, n, sizeof *ids);
  if (ids) r->category_ids = ids;
  size_t *places = gm_room_for_one(r->category_names, n, sizeof *places);
  if (places) r->category_names = places;
  char *name = gm_pull_string(&v[1]);
  size_t category = name && ids && places ? category_named(r, name, &v[2]) : GM_NAME_NONE;
  free(name);
  if (category == GM_NAME_NONE) return short_of_memory(r);
  ids[n] = id;
  places[n] = category;
  r->n_category_ids++;
  return true;
}

static bool add_entry(reader *r, const entry *e) {
  entry *grown = gm_room_for_one(r->entries, r->n_entries, sizeof *grown);
  if (!grown || r->short_of_memory) return short_of_memory(r);
  r->entries = grown;
  grown[r->n_entries++] = *e;
  return true;
}

static bool read_annotation(reader *r, size_t place) {
  static const char *const names[] = {"id", "image_id", "category_id", "bbox", "iscrowd"};
  gm_pull_value v[5];
  (void)place; /* the member of the entry itself */
  if (!read_members(&r->json, names, v, 5)) return false;
  entry e = {.id = id_of(r, &v[0]), .picture = id_of(r, &v[1]), .category = id_of(r, &v[2])};
  e.wrong = box_of(&v[3], &e.box);
  e.crowd = is_crowd(&v[4]);
  if (e.category == GM_NAME_NONE) e.wrong = no_category_id;
  if (e.picture == GM_NAME_NONE) e.wrong = no_image_id;
  return add_entry(r, &e);
}

static bool read_expression(reader *r, size_t place) {
  static const char *const names[] = {"annotation_id", "image_id", "expression", "bbox"};
  gm_pull_value v[4];
  (void)place;
  if (!read_members(&r->json, names, v, 4)) return false;
  entry e = {.id = id_of(r, &v[0]), .picture = id_of(r, &v[1]), .category = GM_NAME_NONE};
  e.wrong = box_of(&v[3], &e.box);
  if (e.id == GM_NAME_NONE) e.wrong = no_object_id;
  if (e.picture == GM_NAME_NONE) e.wrong = no_image_id;
  if (v[2].kind != GM_PULL_STRING) e.wrong = no_text;
  if (!e.wrong && !(e.text = gm_pull_string(&v[2]))) return short_of_memory(r);
  if (add_entry(r, &e)) return true;
  free(e.text);
  return false;
}

/* ---- files ---- */

static bool read_list(reader *r, bool (*read_entry)(reader *, size_t)) {
  gm_pull_reader *p = &r->json;
  size_t place = 0;
  for (gm_pull_enter(p); gm_pull_element(p); place++)
    if (!read_entry(r, place)) return false;
  return !p->wanted;
}

/* Reads the lists of COCO's object. */
static bool read_coco(reader *r) {
  static const struct {
    const char *name;
    bool (*read)(reader *, size_t);
  } lists[] = {{"images", read_picture},
               {"annotations", read_annotation},
               {"categories", read_category}};
  gm_pull_reader *p = &r->json;
  gm_pull_value key, other;
  bool there[3] = {false};
  if (gm_pull_peek(p) != GM_PULL_OBJECT) {
    if (gm_pull_read(p, &other) && gm_pull_end(p))
      cli_error("%s: wanted an object as COCO's", r->file);
    return false;
  }
  for (gm_pull_enter(p); gm_pull_member(p, &key);) {
    size_t i = 0;
    while (i < 3 && !gm_pull_is(&key, lists[i].name)) i++;
    bool list = i < 3 && !there[i] && gm_pull_peek(p) == GM_PULL_ARRAY;
    if (list) there[i] = true;
    if (!(list ? read_list(r, lists[i].read) : gm_pull_read(p, &other))) return false;
  }
  if (!gm_pull_end(p)) return false;
  for (size_t i = 0; i < 3; i++)
    if (!there[i]) {
      cli_error("%s: no \"%s\"; wanted annotations in COCO's format", r->file, lists[i].name);
      return false;
    }
  return true;
}

/* Reads the list of expressions. */
static bool read_refs(reader *r) {
  gm_pull_value other;
  if (gm_pull_peek(&r->json) == GM_PULL_ARRAY)
    return read_list(r, read_expression) && gm_pull_end(&r->json);
  if (gm_pull_read(&r->json, &other) && gm_pull_end(&r->json))
    cli_error("%s: wanted a list of {image_id, expression, annotation_id, bbox}", r->file);
  return false;
}

static bool read_json(reader *r, const char *file, bool (*read)(reader *)) {
  char *text = cli_read_text("", file, MAX_FILE, NULL);
  if (!text) return false;
  r->file = file;
  r->json = gm_pull_begin(text);
  bool ok = read(r);
  if (r->json.wanted)
    cli_error("%s: line %zu: this is no JSON: wanted %s", file, gm_pull_line(&r->json),
              r->json.wanted);
  else if (r->short_of_memory)
    cli_error("%s: not enough memory", file);
  free(text);
  return ok;
}

/* ---- joining the lists ---- */

static size_t *numbers(size_t n) {
  size_t *list = malloc((n + 1) * sizeof *list);
  for (size_t i = 0; list && i < n; i++) list[i] = GM_NAME_NONE;
  return list;
}

static void free_picture(const data_picture *p) {
  free(p->path);
  free(p->background);
}

/* Of two pictures with one id only the first is kept: nobody knows to which the boxes belong.
 */
static bool place_pictures(reader *r, size_t limit) {
  dataset *set = r->set;
  size_t n = set->n_pictures, kept = 0;
  r->picture_of = numbers(r->ids.n);
  if (!r->picture_of) return short_of_memory(r);
  for (size_t i = 0; i < n; i++) {
    if (r->picture_of[r->picture_ids[i]] != GM_NAME_NONE) {
      leave_out(r, &set->images, second_id, r->picture_ids[i], i);
      free_picture(&set->pictures[i]);
      continue;
    }
    r->picture_of[r->picture_ids[i]] = kept;
    set->pictures[kept++] = set->pictures[i];
  }
  for (set->n_pictures = kept; limit && set->n_pictures > limit;)
    free_picture(&set->pictures[--set->n_pictures]);
  if (kept) return true;
  cli_error("%s: no picture with an id and a file_name among \"images\"", r->file);
  return false;
}

/* Whether the same annotation occurs a second time. first_of: by id. */
static bool is_twice(const reader *r, size_t *first_of, size_t i) {
  const entry *e = &r->entries[i], *first;
  if (e->id == GM_NAME_NONE) return false;
  if (first_of[e->id] == GM_NAME_NONE) {
    first_of[e->id] = i;
    return false;
  }
  first = &r->entries[first_of[e->id]];
  return first->picture == e->picture && first->category == e->category &&
         memcmp(&first->box, &e->box, sizeof e->box) == 0;
}

/* Makes category ids indices in set->categories, and picture ids indices in set->pictures.
 * Entries that cannot be used get their reason. */
static bool place_annotations(reader *r) {
  size_t *category_of = numbers(r->ids.n), *first_of = numbers(r->ids.n);
  for (size_t i = 0; category_of && i < r->n_category_ids; i++) {
    size_t *place = &category_of[r->category_ids[i]];
    if (*place != GM_NAME_NONE) leave_out(r, &r->set->kinds, second_id, r->category_ids[i], i);
    if (*place == GM_NAME_NONE) *place = r->category_names[i];
  }
  for (size_t i = 0; category_of && first_of && i < r->n_entries; i++) {
    entry *e = &r->entries[i];
    if (!e->wrong && category_of[e->category] == GM_NAME_NONE) e->wrong = no_category;
    if (!e->wrong && r->picture_of[e->picture] == GM_NAME_NONE) e->wrong = no_picture;
    if (!e->wrong && is_twice(r, first_of, i)) e->wrong = twice;
  }
  for (size_t i = 0; category_of && first_of && i < r->n_entries; i++) {
    entry *e = &r->entries[i];
    if (e->wrong) {
      leave_out(r, &r->set->annotations, e->wrong, e->id, i);
      continue;
    }
    e->category = category_of[e->category];
    e->picture = r->picture_of[e->picture];
  }
  bool ok = category_of && first_of;
  free(category_of);
  free(first_of);
  return ok || short_of_memory(r);
}

static bool is_of(const reader *r, const entry *e) {
  return !e->wrong && e->picture < r->set->n_pictures; /* else --limit excludes it */
}

/* Orders the objects by picture, then its crowds, each in the file's order. */
static bool share_objects(reader *r) {
  dataset *set = r->set;
  size_t n = 0;
  set->objects = calloc(r->n_entries + 1, sizeof *set->objects);
  if (!set->objects) return short_of_memory(r);
  for (size_t i = 0; i < r->n_entries; i++) {
    const entry *e = &r->entries[i];
    if (!is_of(r, e)) continue;
    data_picture *p = &set->pictures[e->picture];
    *(e->crowd ? &p->n_crowds : &p->n_objects) += 1;
  }
  for (size_t i = 0; i < set->n_pictures; i++) {
    data_picture *p = &set->pictures[i];
    p->objects = set->objects + n;
    p->crowds = p->objects + p->n_objects;
    n += p->n_objects + p->n_crowds;
    p->n_objects = p->n_crowds = 0;
  }
  for (size_t i = 0; i < r->n_entries; i++) {
    const entry *e = &r->entries[i];
    if (!is_of(r, e)) continue;
    data_picture *p = &set->pictures[e->picture];
    *(e->crowd ? &p->crowds[p->n_crowds++] : &p->objects[p->n_objects++]) =
        (data_object){e->box, e->category};
  }
  set->n_objects = n;
  return true;
}

/* Takes the first expression of each object of each picture that is used, or all. */
static bool share_expressions(reader *r) {
  dataset *set = r->set;
  size_t *seen_on = numbers(r->ids.n), n = 0;
  set->expressions = calloc(r->n_entries + 1, sizeof *set->expressions);
  for (int round = 0; seen_on && set->expressions && round < 2; round++) {
    for (size_t i = 0; i < r->ids.n; i++) seen_on[i] = GM_NAME_NONE;
    for (size_t i = 0; i < r->n_entries; i++) {
      entry *e = &r->entries[i];
      if (!is_of(r, e) || (seen_on[e->id] == e->picture && !r->every_expression)) continue;
      seen_on[e->id] = e->picture;
      data_picture *p = &set->pictures[e->picture];
      if (round) {
        p->expressions[p->n_expressions] = (data_expression){e->box, e->text};
        e->text = NULL;
      }
      p->n_expressions++;
    }
    for (size_t i = 0; !round && i < set->n_pictures; i++) {
      data_picture *p = &set->pictures[i];
      p->expressions = set->expressions + n;
      n += p->n_expressions;
      p->n_expressions = 0;
    }
  }
  set->n_expressions = n;
  free(seen_on);
  return (seen_on && set->expressions) || short_of_memory(r);
}

/* picture_of has no room for ids that only the expressions have. */
static bool place_expressions(reader *r, size_t known) {
  for (size_t i = 0; i < r->n_entries; i++) {
    entry *e = &r->entries[i];
    size_t id = e->picture;
    if (!e->wrong) e->picture = id < known ? r->picture_of[id] : GM_NAME_NONE;
    if (!e->wrong && e->picture == GM_NAME_NONE) e->wrong = no_picture;
    if (e->wrong) leave_out(r, &r->set->refs, e->wrong, e->id, i);
  }
  return share_expressions(r);
}

static void free_entries(reader *r) {
  for (size_t i = 0; i < r->n_entries; i++) free(r->entries[i].text);
  free(r->entries);
  r->entries = NULL;
  r->n_entries = 0;
}

/* Nothing can be measured if everything is left out. */
static bool some_are_left(const char *file, const left_out *all, size_t n, const char *many) {
  if (!all->n || all->n < n) return true;
  cli_error("%s: none of its %s can be used", file, many);
  return false;
}

static bool load(reader *r, const char *coco, const char *refs, size_t limit) {
  dataset *set = r->set;
  bool ok = read_json(r, coco, read_coco) && place_pictures(r, limit) && place_annotations(r);
  left_out_tell(&set->images, coco, "image", "images");
  left_out_tell(&set->kinds, coco, "category", "categories");
  left_out_tell(&set->annotations, coco, "annotation", "annotations");
  size_t known = r->ids.n;
  ok = ok && some_are_left(coco, &set->annotations, r->n_entries, "annotations") &&
       share_objects(r);
  free_entries(r);
  if (!ok || !refs) return ok;
  ok = read_json(r, refs, read_refs) && place_expressions(r, known);
  left_out_tell(&set->refs, refs, "expression", "expressions");
  return ok && some_are_left(refs, &set->refs, r->n_entries, "expressions");
}

/* ---- the public calls ---- */

/* False after a message. Names that begin with / need no folder. */
static bool folder_is_there(const dataset *set, const char *folder) {
  struct stat st;
  bool there = stat(folder, &st) == 0 && S_ISDIR(st.st_mode);
  for (size_t i = 0; !there && i < set->n_pictures; i++)
    if (strncmp(set->pictures[i].path, folder, strlen(folder)) == 0) {
      cli_error("%s: there is no such folder; say where the pictures are with --images FOLDER",
                folder);
      return false;
    }
  return true;
}

bool dataset_load(dataset *set, const char *coco, const char *refs, const char *images,
                  size_t limit, bool every_expression) {
  *set = (dataset){0};
  reader r = {.set = set, .images = images, .every_expression = every_expression};
  char *beside = NULL;
  if (!images) {
    const char *slash = strrchr(coco, '/');
    if (asprintf(&beside, "%.*simages", (int)(slash ? slash - coco + 1 : 0), coco) < 0)
      beside = NULL;
    r.images = beside ? beside : "images";
  }
  bool ok = load(&r, coco, refs, limit) && folder_is_there(set, r.images);
  free(beside);
  free_entries(&r);
  gm_name_table_free(&r.ids);
  gm_name_table_free(&r.names);
  free(r.picture_ids);
  free(r.category_ids);
  free(r.category_names);
  free(r.picture_of);
  if (!ok) dataset_free(set);
  return ok;
}

void dataset_free(dataset *set) {
  for (size_t i = 0; i < set->n_pictures; i++) free_picture(&set->pictures[i]);
  for (size_t i = 0; i < set->n_categories; i++) {
    free(set->categories[i].name);
    free(set->categories[i].article);
  }
  for (size_t i = 0; i < set->n_expressions; i++) free(set->expressions[i].text);
  free(set->pictures);
  free(set->categories);
  free(set->objects);
  free(set->expressions);
  left_out_free(&set->images);
  left_out_free(&set->kinds);
  left_out_free(&set->annotations);
  left_out_free(&set->refs);
  *set = (dataset){0};
}

size_t dataset_left_out(const dataset *set) {
  return set->images.n + set->kinds.n + set->annotations.n + set->refs.n;
}

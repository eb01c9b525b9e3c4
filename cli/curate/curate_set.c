/* curate_set.c - see curate_set.h. */
#include "curate_set.h"

#include "curate_words.h"
#include "marked_order.h"
#include "room.h"
#include "set_reader.h"
#include "terminal.h"
#include "text_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const size_t LARGEST_FILE = (size_t)4 << 30;

typedef struct set_loader {
  curate_set *set;
  const char *path;
  gm_name_table kind_ids;
  char **kinds; /* [kind_ids.n] names */
  size_t n_kinds;
  uint64_t limit;
  bool ok; /* memory suffices */
} set_loader;

static char *text_of(set_loader *l, const gm_pull_value *value) {
  char *text = gm_pull_string(value), *tidy = text ? tidy_text(text) : NULL;
  if (value->kind == GM_PULL_STRING && !tidy) l->ok = false;
  free(text);
  if (tidy && !*tidy) {
    free(tidy);
    tidy = NULL;
  }
  return tidy;
}

static size_t number_of(set_loader *l, gm_name_table *ids, const gm_pull_value *id) {
  size_t number = GM_NAME_NONE;
  if (gm_id_number(ids, id, &number, NULL) != GM_OK) l->ok = false;
  return number;
}

/* Enters the list of the root's member of that name; an empty one if there is none. */
static bool enter_list(const gm_pull_value *root, const char *name, gm_pull_reader *list) {
  gm_pull_value found = gm_pull_member_of(root, name);
  *list = gm_pull_begin(found.kind == GM_PULL_ARRAY ? found.text : "[]");
  return gm_pull_enter(list);
}

/* ---- pictures and classes ---- */

static char *id_text(const gm_pull_value *id) {
  bool string = id->kind == GM_PULL_STRING;
  return strndup(id->text - string, id->length + 2u * string);
}

static void add_picture(set_loader *l, const gm_pull_value *v) {
  curate_set *set = l->set;
  size_t number = number_of(l, &set->ids, &v[0]);
  size_t *places = gm_room_for_one(set->place, set->n_places, sizeof *places);
  l->ok = l->ok && places;
  if (places) set->place = places;
  if (!l->ok || number != set->n_places) { /* no id, or one that was there */
    set->left_out++;
    return;
  }
  set->place[set->n_places++] = GM_NAME_NONE;
  char *file = v[1].kind == GM_PULL_STRING ? gm_pull_string(&v[1]) : NULL;
  curate_picture p = {
      .file = file, .width = gm_pull_side(&v[2]), .height = gm_pull_side(&v[3])};
  bool usable = file && *file && p.width && p.height;
  if (!usable || (l->limit && set->n == l->limit)) {
    set->left_out += !usable;
    free(file);
    return;
  }
  p.id = id_text(&v[0]);
  curate_picture *grown = gm_room_for_one(set->pictures, set->n, sizeof *grown);
  if (grown) set->pictures = grown;
  if (grown && p.id) {
    set->place[number] = set->n;
    grown[set->n++] = p;
  } else {
    l->ok = false;
    free(file);
    free(p.id);
  }
}

static void read_pictures(set_loader *l, const gm_pull_value *root) {
  static const char *const names[] = {"id", "file_name", "width", "height"};
  gm_pull_reader list;
  gm_pull_value v[4];
  const char *entry;
  for (enter_list(root, "images", &list); l->ok && gm_pull_element(&list);)
    if (gm_pull_members(&list, &entry, names, v, 4)) add_picture(l, v);
}

static void read_kinds(set_loader *l, const gm_pull_value *root) {
  static const char *const names[] = {"id", "name"};
  gm_pull_reader list;
  gm_pull_value v[2];
  const char *entry;
  for (enter_list(root, "categories", &list); l->ok && gm_pull_element(&list);) {
    if (!gm_pull_members(&list, &entry, names, v, 2)) break;
    size_t number = number_of(l, &l->kind_ids, &v[0]);
    char **grown = gm_room_for_one(l->kinds, l->n_kinds, sizeof *grown);
    l->ok = l->ok && grown;
    if (grown) l->kinds = grown;
    if (l->ok && number == l->n_kinds)
      grown[l->n_kinds++] = text_of(l, &v[1]);
    else
      l->set->left_out++;
  }
}

/* ---- annotations ---- */

bool curate_picture_of(curate_set *set, const gm_pull_value *id, size_t *place) {
  size_t number;
  *place = GM_NAME_NONE;
  if (gm_id_number(&set->ids, id, &number, NULL) != GM_OK) return false;
  if (number < set->n_places) *place = set->place[number];
  return true;
}

static curate_picture *picture_of(set_loader *l, const gm_pull_value *id) {
  size_t place;
  if (!curate_picture_of(l->set, id, &place)) l->ok = false;
  return place < l->set->n ? &l->set->pictures[place] : NULL;
}

/* The box clipped to its picture; false if nothing is left. */
static bool clip(curate_box *b, const curate_picture *p) {
  double right = fmin(b->x + b->w, p->width), bottom = fmin(b->y + b->h, p->height);
  b->x = fmax(b->x, 0);
  b->y = fmax(b->y, 0);
  b->w = fmin(b->w, right - b->x);
  b->h = fmin(b->h, bottom - b->y);
  return b->w > 0 && b->h > 0;
}

static void add_box(set_loader *l, const gm_pull_value *v) {
  curate_picture *p = picture_of(l, &v[0]);
  double xywh[4];
  if (v[4].kind == GM_PULL_TRUE || gm_pull_number(&v[4]) == 1) return;
  bool usable = p && gm_pull_numbers(&v[1], xywh, 4);
  curate_box box = {0};
  if (usable) box = (curate_box){.x = xywh[0], .y = xywh[1], .w = xywh[2], .h = xywh[3]};
  size_t kind = v[2].kind == GM_PULL_NONE ? GM_NAME_NONE : number_of(l, &l->kind_ids, &v[2]);
  const char *name = kind < l->n_kinds ? l->kinds[kind] : NULL;
  usable = usable && clip(&box, p);
  if (usable) box.text = text_of(l, &v[3]);
  if (usable && name) box.kind = strdup(name);
  if (usable && name && !box.text) box.text = strdup(name);
  curate_box *grown = box.text ? gm_room_for_one(p->boxes, p->n_boxes, sizeof *grown) : NULL;
  if (grown) {
    p->boxes = grown;
    p->boxes[p->n_boxes++] = box;
    return;
  }
  l->ok = l->ok && !box.text;
  /* a picture that the limit leaves out is no fault */
  l->set->left_out += !(l->limit && !p);
  free(box.text);
  free(box.kind);
}

static void add_caption(set_loader *l, const gm_pull_value *v) {
  curate_picture *p = picture_of(l, &v[0]);
  char *text = p ? text_of(l, &v[3]) : NULL;
  char **grown = text ? gm_room_for_one(p->captions, p->n_captions, sizeof *grown) : NULL;
  if (grown) {
    p->captions = grown;
    p->captions[p->n_captions++] = text;
  } else {
    l->ok = l->ok && !text;
    free(text);
  }
}

static void read_annotations(set_loader *l, const gm_pull_value *root,
                             void (*add)(set_loader *, const gm_pull_value *)) {
  static const char *const names[] = {"image_id", "bbox", "category_id", "caption", "iscrowd"};
  gm_pull_reader list;
  gm_pull_value v[5];
  const char *entry;
  for (enter_list(root, "annotations", &list); l->ok && gm_pull_element(&list);)
    if (gm_pull_members(&list, &entry, names, v, 5)) add(l, v);
}

/* ---- the whole ---- */

/* The file's text, for free(), and its root; NULL after a message. */
static char *read_root(const char *option, const char *path, gm_pull_value *root) {
  char *text = cli_read_text(option, path, LARGEST_FILE, NULL);
  if (!text) return NULL;
  gm_pull_reader p = gm_pull_begin(text);
  if (gm_pull_read(&p, root) && gm_pull_end(&p) && root->kind == GM_PULL_OBJECT &&
      gm_pull_member_of(root, "annotations").kind == GM_PULL_ARRAY)
    return text;
  if (p.wanted)
    cli_error("%s %s: line %zu: wanted %s", option, path, gm_pull_line(&p), p.wanted);
  else
    cli_error("%s %s: wanted COCO's format, an object with the list \"annotations\"", option,
              path);
  free(text);
  return NULL;
}

static void free_picture(curate_picture *p) {
  for (size_t i = 0; i < p->n_boxes; i++) {
    free(p->boxes[i].text);
    free(p->boxes[i].kind);
  }
  for (size_t i = 0; i < p->n_captions; i++) free(p->captions[i]);
  free(p->boxes);
  free(p->captions);
  free(p->file);
  free(p->id);
}

/* Numbers the boxes, and leaves out pictures with too few. */
static void choose(set_loader *l) {
  curate_set *set = l->set;
  size_t n = 0, id = 0;
  for (size_t i = 0; i < set->n; i++) {
    while (set->place[id] != i) id++; /* places grow with the ids' numbers */
    curate_picture p = set->pictures[i];
    l->ok = l->ok && choose_boxes(&p) && order_boxes(&p);
    bool taken = l->ok && p.n_boxes >= FEWEST_MARKED;
    set->place[id++] = taken ? n : GM_NAME_NONE;
    if (taken) {
      set->pictures[n++] = p;
    } else {
      set->few++;
      free_picture(&p);
    }
  }
  set->n = n;
}

bool curate_set_load(curate_set *out, const char *coco, const char *captions, uint64_t limit) {
  *out = (curate_set){0};
  set_loader l = {.set = out, .path = coco, .limit = limit, .ok = true};
  gm_pull_value root, more;
  char *text = read_root("--coco", coco, &root), *second = NULL;
  if (text) {
    read_kinds(&l, &root);
    read_pictures(&l, &root);
    read_annotations(&l, &root, add_box);
  }
  bool ok = text != NULL;
  if (ok && captions) {
    second = read_root("--captions", captions, &more);
    if (second) read_annotations(&l, &more, add_caption);
    ok = second != NULL;
  }
  if (ok) choose(&l);
  free(text);
  free(second);
  gm_name_table_free(&l.kind_ids);
  for (size_t i = 0; i < l.n_kinds; i++) free(l.kinds[i]);
  free(l.kinds);
  if (ok && !l.ok) cli_error("no memory for %s", coco);
  if (ok && l.ok && !out->n)
    cli_error("--coco %s: found no picture with %d boxes or more that are described", coco,
              FEWEST_MARKED);
  return ok && l.ok && out->n;
}

void curate_set_free(curate_set *set) {
  for (size_t i = 0; i < set->n; i++) free_picture(&set->pictures[i]);
  free(set->pictures);
  gm_name_table_free(&set->ids);
  free(set->place);
}

/* read_coco.c - files in COCO's layout: COCO itself, and RefCOCO, Flickr30k Entities and Visual
 * Genome as Groma's training has them.
 *
 * The lists may come in any order, so annotations are kept with the numbers of their ids, and
 * joined with the pictures at the end. */
#include "set_reader.h"

#include "room.h"
#include "sizes.h"

#include <stdlib.h>
#include <string.h>

/* The smallest side of a picture that is used, in pixels. */
enum { MIN_SIDE = 32 };

typedef struct coco_picture {
  const char *entry;
  size_t id, file, caption, background; /* id: a number of picture_ids */
  uint32_t width, height;
  size_t first, n; /* its annotations, in `sorted` */
  bool twice;      /* an earlier picture has the id */
} coco_picture;

typedef struct coco_category {
  const char *entry;
  size_t id, name; /* a number of category_ids, an index in the set's categories */
} coco_category;

typedef struct coco_box {
  const char *entry;
  size_t picture, category; /* numbers of ids, then indices */
  double x, y, w, h;
} coco_box;

typedef struct coco_reader {
  gm_set_reader *r;
  gm_name_table picture_ids, category_ids, names;
  coco_picture *pictures;
  coco_category *categories;
  coco_box *boxes;
  size_t n_pictures, n_categories, n_boxes;
  size_t *sorted; /* [n_boxes]: boxes by picture, each in the file's order */
} coco_reader;

/* ---- the lists ---- */

static gm_status read_picture(coco_reader *c) {
  static const char *const names[] = {"id",     "file_name", "width",
                                      "height", "caption",   "background"};
  gm_set_reader *r = c->r;
  gm_pull_value v[6];
  coco_picture p = {.caption = GM_NO_TEXT, .background = GM_NO_TEXT};
  if (!gm_pull_members(&r->json, &p.entry, names, v, 6)) return GM_OK;
  GM_TRY(gm_id_number(&c->picture_ids, &v[0], &p.id, r->err));
  p.width = gm_pull_side(&v[2]);
  p.height = gm_pull_side(&v[3]);
  if (p.id == GM_NAME_NONE || v[1].kind != GM_PULL_STRING || v[1].length == 0)
    return gm_set_fault(r, GM_FAULT_ENTRY, p.entry, "the picture has no %s",
                        p.id == GM_NAME_NONE ? "id" : "file_name");
  if (!p.width || !p.height)
    return gm_set_fault(r, GM_FAULT_ENTRY, p.entry,
                        "the picture's width and height are not positive integers");
  gm_data_format format = r->set->spec.format;
  bool wants = format == GM_DATA_FLICKR ||
               (format == GM_DATA_REFCOCO && r->set->spec.task != GM_TASK_DETECT);
  if (wants) {
    GM_TRY(gm_set_add_phrase(r, &v[4], format == GM_DATA_REFCOCO, p.entry, &p.caption));
    if (p.caption == GM_NO_TEXT) return GM_OK;
  }
  if (r->rules->all_pictures && v[5].kind == GM_PULL_STRING)
    GM_TRY(gm_set_add_phrase(r, &v[5], true, p.entry, &p.background));
  GM_TRY(gm_set_add_file(r, &v[1], &p.file));
  coco_picture *grown = gm_room_for_one(c->pictures, c->n_pictures, sizeof *grown);
  if (!grown) return gm_fail_memory(r->err, "pictures", 2 * c->n_pictures * sizeof *grown);
  c->pictures = grown;
  grown[c->n_pictures++] = p;
  return GM_OK;
}

static gm_status read_category(coco_reader *c) {
  static const char *const names[] = {"id", "name", "article"};
  gm_set_reader *r = c->r;
  gm_data_set *set = r->set;
  gm_pull_value v[3];
  const char *entry;
  if (!gm_pull_members(&r->json, &entry, names, v, 3)) return GM_OK;
  size_t id, text, place, article = GM_NO_TEXT, known = set->n_categories;
  GM_TRY(gm_id_number(&c->category_ids, &v[0], &id, r->err));
  if (id == GM_NAME_NONE)
    return gm_set_fault(r, GM_FAULT_ENTRY, entry, "the category has no id");
  GM_TRY(gm_set_add_phrase(r, &v[1], true, entry, &text));
  if (text == GM_NO_TEXT) return GM_OK;
  if (v[2].kind == GM_PULL_STRING && v[2].length < 8)
    GM_TRY(gm_set_add_file(r, &v[2], &article));
  char *name = strdup(gm_data_text(set, text)); /* adding moves the texts */
  if (!name) return gm_fail_memory(r->err, "categories", 1);
  gm_status status = gm_set_add_category(r, &c->names, name, article, &place);
  free(name);
  if (status != GM_OK) return status;
  coco_category *grown = gm_room_for_one(c->categories, c->n_categories, sizeof *grown);
  if (!grown) return gm_fail_memory(r->err, "categories", sizeof *grown);
  c->categories = grown;
  grown[c->n_categories++] = (coco_category){entry, id, place};
  if (place == known) return GM_OK;
  return gm_set_fault(r, GM_FAULT_NAME_TWICE, entry,
                      "an earlier category is called '%.80s' too; both are one",
                      gm_data_text(set, set->categories[place]));
}

static bool is_marked(const gm_pull_value *value) {
  double number = gm_pull_number(value);
  return value->kind == GM_PULL_TRUE || number < 0 || number > 0;
}

static gm_status read_annotation(coco_reader *c) {
  static const char *const names[] = {"image_id", "category_id", "bbox",
                                      "area",     "iscrowd",     "ignore"};
  gm_set_reader *r = c->r;
  gm_data_format format = r->set->spec.format;
  gm_pull_value v[6];
  coco_box b;
  double box[4];
  if (!gm_pull_members(&r->json, &b.entry, names, v, 6)) return GM_OK;
  GM_TRY(gm_id_number(&c->picture_ids, &v[0], &b.picture, r->err));
  GM_TRY(gm_id_number(&c->category_ids, &v[1], &b.category, r->err));
  bool crowd = format == GM_DATA_COCO || format == GM_DATA_FLICKR;
  if (is_marked(&v[5]) || (crowd && is_marked(&v[4])))
    return gm_set_fault(r, GM_RULE_CROWD, b.entry, "a crowd");
  if (b.picture == GM_NAME_NONE)
    return gm_set_fault(r, GM_FAULT_ENTRY, b.entry, "the annotation has no image_id");
  if (!gm_pull_numbers(&v[2], box, 4))
    return gm_set_fault(r, GM_FAULT_BOX_NUMBERS, b.entry,
                        "bbox is not [x, y, width, height] with finite numbers");
  b.x = box[0];
  b.y = box[1];
  b.w = box[2];
  b.h = box[3];
  double area = v[3].kind == GM_PULL_NUMBER ? gm_pull_number(&v[3]) : b.w * b.h;
  if (!(area > 0) || b.w < 1 || b.h < 1)
    return gm_set_fault(r, GM_FAULT_BOX_AREA, b.entry,
                        "the box of %g x %g pixels (area %g) has no area, or a side under a "
                        "pixel",
                        b.w, b.h, area);
  coco_box *grown = gm_room_for_one(c->boxes, c->n_boxes, sizeof *grown);
  if (!grown) return gm_fail_memory(r->err, "boxes", 2 * c->n_boxes * sizeof *grown);
  c->boxes = grown;
  grown[c->n_boxes++] = b;
  return GM_OK;
}

static gm_status read_lists(coco_reader *c) {
  static const struct {
    const char *name;
    gm_status (*read)(coco_reader *c);
  } lists[] = {{"images", read_picture},
               {"annotations", read_annotation},
               {"categories", read_category}};
  gm_set_reader *r = c->r;
  gm_pull_reader *p = &r->json;
  gm_pull_value key, other;
  bool there[3] = {false};
  bool object = gm_pull_peek(p) == GM_PULL_OBJECT;
  if (!object) (void)gm_pull_read(p, &other);
  for (object = object && gm_pull_enter(p); object && gm_pull_member(p, &key);) {
    size_t i = 0;
    while (i < 3 && !gm_pull_is(&key, lists[i].name)) i++;
    if (i == 3 || there[i] || gm_pull_peek(p) != GM_PULL_ARRAY) {
      if (!gm_pull_read(p, &other)) break;
      continue;
    }
    there[i] = true;
    for (gm_pull_enter(p); gm_pull_element(p);) GM_TRY(lists[i].read(c));
  }
  if (p->wanted || (object && !gm_pull_end(p))) return GM_OK; /* told by the caller */
  size_t needed = r->set->spec.task == GM_TASK_LOCATE_ALL ? 3 : 2;
  for (size_t i = 0; i < needed; i++)
    if (!there[i])
      return gm_fail(r->err, GM_ERR_ARGUMENT,
                     "%s: found no list \"%s\"; wanted annotations in COCO's layout",
                     r->set->spec.file, lists[i].name);
  return GM_OK;
}

/* ---- joining ---- */

static gm_data_box data_box(const coco_box *b, const coco_picture *p) {
  return (gm_data_box){
      .box = gm_clipped_box(b->x, b->y, b->x + b->w, b->y + b->h, p->width, p->height),
      .category = (uint32_t)b->category,
      .text = GM_NO_TEXT};
}

/* By numbers of ids: indices of pictures and of the set's categories, or GM_NAME_NONE. */
typedef struct places {
  size_t *picture, *category;
} places;

static size_t *no_places(size_t n) {
  size_t *list = malloc((n + 1) * sizeof *list);
  for (size_t i = 0; list && i < n; i++) list[i] = GM_NAME_NONE;
  return list;
}

static gm_status place_ids(coco_reader *c, places *of) {
  for (size_t i = 0; i < c->n_pictures; i++) {
    coco_picture *p = &c->pictures[i];
    p->twice = of->picture[p->id] != GM_NAME_NONE;
    if (p->twice)
      GM_TRY(gm_set_fault(c->r, GM_FAULT_ID_TWICE, p->entry, "an earlier picture has this id"));
    else
      of->picture[p->id] = i;
  }
  for (size_t i = 0; i < c->n_categories; i++) {
    const coco_category *k = &c->categories[i];
    if (of->category[k->id] == GM_NAME_NONE)
      of->category[k->id] = k->name;
    else
      GM_TRY(
          gm_set_fault(c->r, GM_FAULT_ID_TWICE, k->entry, "an earlier category has this id"));
  }
  return GM_OK;
}

/* The numbers of ids become indices; picture is GM_NAME_NONE if the box is not used. */
static gm_status place_box(coco_reader *c, coco_box *b, const places *of) {
  gm_set_reader *r = c->r;
  size_t picture = of->picture[b->picture],
         category = b->category == GM_NAME_NONE ? GM_NAME_NONE : of->category[b->category];
  b->picture = GM_NAME_NONE;
  b->category = category == GM_NAME_NONE ? 0 : category;
  if (picture == GM_NAME_NONE)
    return gm_set_fault(r, GM_FAULT_NO_PICTURE, b->entry,
                        "its image_id is not among the pictures that are used");
  if (category == GM_NAME_NONE && r->set->spec.task == GM_TASK_LOCATE_ALL)
    return gm_set_fault(r, GM_FAULT_NO_CATEGORY, b->entry,
                        "its category_id is not among the categories that are used");
  coco_picture *p = &c->pictures[picture];
  gm_rel_box clipped = data_box(b, p).box;
  if (!(clipped.w > 0 && clipped.h > 0))
    return gm_set_fault(r, GM_FAULT_BOX_OUTSIDE, b->entry,
                        "the box %g,%g %g x %g is outside its picture of %u x %u", b->x, b->y,
                        b->w, b->h, p->width, p->height);
  b->picture = picture;
  p->n++;
  return GM_OK;
}

static gm_status sort_boxes(coco_reader *c) {
  size_t n = 0;
  places of = {no_places(c->picture_ids.n), no_places(c->category_ids.n)};
  c->sorted = malloc((c->n_boxes + 1) * sizeof *c->sorted);
  gm_status status = of.picture && of.category && c->sorted
                         ? place_ids(c, &of)
                         : gm_fail_memory(c->r->err, "boxes", c->n_boxes * sizeof *c->sorted);
  for (size_t i = 0; status == GM_OK && i < c->n_boxes; i++)
    status = place_box(c, &c->boxes[i], &of);
  free(of.picture);
  free(of.category);
  if (status != GM_OK) return status;
  for (size_t i = 0; i < c->n_pictures; i++) {
    coco_picture *p = &c->pictures[i];
    p->first = n;
    n += p->n;
    p->n = 0;
  }
  for (size_t i = 0; i < c->n_boxes; i++) {
    if (c->boxes[i].picture == GM_NAME_NONE) continue;
    coco_picture *p = &c->pictures[c->boxes[i].picture];
    c->sorted[p->first + p->n++] = i;
  }
  return GM_OK;
}

/* ---- the set's boxes ---- */

static gm_pull_value member_of(const char *entry, const char *name) {
  gm_pull_reader p = gm_pull_begin(entry);
  gm_pull_value object = {0};
  (void)gm_pull_read(&p, &object);
  return gm_pull_member_of(&object, name);
}

/* One box for each span of the caption. */
static gm_status add_spans(coco_reader *c, const coco_box *b, const coco_picture *p) {
  gm_set_reader *r = c->r;
  gm_pull_value spans = member_of(b->entry, "tokens_positive"), span;
  if (spans.kind != GM_PULL_ARRAY)
    return gm_set_fault(r, GM_FAULT_ENTRY, b->entry, "it has no list tokens_positive");
  gm_pull_reader list = gm_pull_begin(spans.text);
  for (gm_pull_enter(&list); gm_pull_element(&list) && gm_pull_read(&list, &span);) {
    double ends[2];
    const char *caption = gm_data_text(r->set, p->caption);
    size_t n = strlen(caption), begin = GM_NAME_NONE, end = GM_NAME_NONE;
    if (gm_pull_numbers(&span, ends, 2)) {
      begin = gm_byte_of(caption, n, ends[0]);
      end = gm_byte_of(caption, n, ends[1]);
    }
    gm_data_box box = data_box(b, p);
    if (begin == GM_NAME_NONE || end == GM_NAME_NONE || begin >= end || end > UINT32_MAX) {
      GM_TRY(gm_set_fault(r, GM_FAULT_TEXT, b->entry,
                          "a span of tokens_positive is not inside the caption"));
      continue;
    }
    box.begin = (uint32_t)begin;
    box.end = (uint32_t)end;
    GM_TRY(gm_set_add_box(r, &box));
  }
  return GM_OK;
}

static gm_status add_described(coco_reader *c, const coco_box *b, const coco_picture *p) {
  gm_data_box box = data_box(b, p);
  if (c->r->set->spec.task != GM_TASK_DETECT) {
    gm_pull_value caption = member_of(b->entry, "caption");
    GM_TRY(gm_set_add_phrase(c->r, &caption, true, b->entry, &box.text));
    if (box.text == GM_NO_TEXT) return GM_OK;
  }
  return gm_set_add_box(c->r, &box);
}

typedef struct box_place {
  const coco_box *box;
  size_t at;
} box_place;

static int compare_boxes(const coco_box *a, const coco_box *b) {
  const double u[4] = {a->x, a->y, a->w, a->h}, v[4] = {b->x, b->y, b->w, b->h};
  for (size_t i = 0; i < 4; i++)
    if (u[i] != v[i]) return u[i] < v[i] ? -1 : 1;
  return 0;
}

static int by_box(const void *a, const void *b) {
  const box_place *p = a, *q = b;
  int order = compare_boxes(p->box, q->box);
  return order ? order : p->at < q->at ? -1 : p->at > q->at;
}

/* Of equal boxes of a picture the first stays; the others' list become GM_NAME_NONE. */
static gm_status drop_equal(coco_reader *c, const coco_picture *p) {
  box_place *list = malloc(p->n * sizeof *list);
  if (!list) return gm_fail_memory(c->r->err, "boxes", p->n * sizeof *list);
  for (size_t i = 0; i < p->n; i++)
    list[i] = (box_place){&c->boxes[c->sorted[p->first + i]], p->first + i};
  qsort(list, p->n, sizeof *list, by_box);
  for (size_t i = 1; i < p->n; i++)
    if (compare_boxes(list[i - 1].box, list[i].box) == 0) c->sorted[list[i].at] = GM_NAME_NONE;
  free(list);
  return GM_OK;
}

static gm_status add_picture(coco_reader *c, const coco_picture *p) {
  gm_set_reader *r = c->r;
  gm_data_format format = r->set->spec.format;
  gm_data_picture picture = {.file = p->file,
                             .caption = p->caption,
                             .background = p->background,
                             .width = p->width,
                             .height = p->height,
                             .first_box = r->set->n_boxes};
  if (p->twice) return GM_OK;
  bool all = r->rules->all_pictures;
  if (!all && gm_min_size(p->width, p->height) < MIN_SIDE)
    return gm_set_fault(r, GM_RULE_SMALL, p->entry, "a small picture");
  if (format == GM_DATA_VG && p->n) GM_TRY(drop_equal(c, p));
  size_t n = format == GM_DATA_REFCOCO ? gm_min_size(p->n, 1) : p->n;
  for (size_t i = 0; i < n; i++) {
    size_t at = c->sorted[p->first + i];
    if (at == GM_NAME_NONE) continue;
    const coco_box *b = &c->boxes[at];
    if (format == GM_DATA_FLICKR && r->set->spec.task != GM_TASK_DETECT) {
      GM_TRY(add_spans(c, b, p));
    } else if (format == GM_DATA_VG) {
      GM_TRY(add_described(c, b, p));
    } else {
      gm_data_box box = data_box(b, p);
      GM_TRY(gm_set_add_box(r, &box));
    }
  }
  picture.n_boxes = r->set->n_boxes - picture.first_box;
  if (all) r->set->picture_of[p->id] = r->set->n_pictures;
  if (!all && !picture.n_boxes) return gm_set_fault(r, GM_RULE_EMPTY, p->entry, "no boxes");
  return gm_set_add_picture(r, &picture);
}

gm_status gm_read_coco_set(gm_set_reader *r) {
  coco_reader c = {.r = r};
  gm_status status = read_lists(&c);
  if (status == GM_OK && !r->json.wanted) status = sort_boxes(&c);
  if (status == GM_OK && r->rules->all_pictures) {
    r->set->picture_of = no_places(c.picture_ids.n);
    r->set->n_picture_of = c.picture_ids.n;
    if (!r->set->picture_of) status = gm_fail_memory(r->err, "pictures", c.picture_ids.n);
  }
  for (size_t i = 0; status == GM_OK && !r->json.wanted && i < c.n_pictures; i++)
    status = add_picture(&c, &c.pictures[i]);
  if (r->rules->all_pictures)
    r->set->ids = c.picture_ids;
  else
    gm_name_table_free(&c.picture_ids);
  gm_name_table_free(&c.category_ids);
  gm_name_table_free(&c.names);
  free(c.pictures);
  free(c.boxes);
  free(c.categories);
  free(c.sorted);
  return status;
}

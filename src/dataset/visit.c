/* visit.c - see visit.h. */
#include "visit.h"

#include "question_templates.h"
#include "sizes.h"
#include "utf8.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* Of the reference: the regions of Visual Genome that one picture asks for. */
enum { MAX_REGIONS = 10 };
static const float region_nms = 0.6f;
static const float min_pixels = 2;

static const char region[] = "<roi><refer_box></roi><refer_feat>";

typedef struct visit {
  gm_sample *out;
  const gm_data_set *set;
  const gm_data_picture *picture;
  const gm_visit_rules *rules;
  gm_rng *rng;
  gm_arena *arena;
  gm_error *err;
  const gm_data_box **boxes; /* [n]: those that are used */
  size_t n;
} visit;

gm_rng gm_visit_rng(uint64_t seed, gm_visit v) {
  uint64_t state = gm_mix64(seed + 0x9E3779B97F4A7C15u);
  state = gm_mix64(state ^ v.set);
  state = gm_mix64(state ^ v.epoch);
  return (gm_rng){gm_mix64(state ^ v.picture)};
}

size_t gm_visit_another(const gm_data_set *set, size_t picture, gm_rng *rng) {
  const gm_data_picture *p = &set->pictures[picture];
  bool wide = p->width > p->height;
  size_t begin = wide ? 0 : set->n_wide, end = wide ? set->n_wide : set->n_pictures;
  return set->by_shape[begin + gm_rng_below(rng, end - begin)];
}

/* ---- texts ---- */

static gm_status take(visit *v, size_t bytes, void *out) {
  void *memory = gm_arena_alloc(v->arena, bytes);
  memcpy(out, &memory, sizeof memory);
  return memory ? GM_OK : gm_fail_memory(v->err, "a sample", bytes);
}

/* The text goes to the arena; the buffer is freed. */
static gm_status keep(gm_text *text, gm_status status, gm_arena *arena, const char **out,
                      gm_error *err) {
  if (status == GM_OK) {
    char *copy = gm_arena_alloc(arena, text->length + 1);
    if (copy)
      memcpy(copy, text->bytes ? text->bytes : "", text->length + 1);
    else
      status = gm_fail_memory(err, "a sample", text->length + 1);
    *out = copy;
  }
  gm_text_free(text);
  return status;
}

static gm_status put(gm_text *text, gm_status status, const char *more, size_t length,
                     gm_error *err) {
  return status == GM_OK ? gm_text_append(text, more, length, err) : status;
}

gm_status gm_task_question(const char **out, gm_task task, const char *phrase, size_t length,
                           gm_rng *rng, gm_arena *arena, gm_error *err) {
  gm_question_list list = gm_question_templates(task);
  const char *question = list.questions[gm_rng_below(rng, list.n)], *at = strchr(question, '@');
  gm_text text = {0};
  size_t head = at ? (size_t)(at - question) : strlen(question);
  gm_status status = put(&text, GM_OK, question, head, err);
  if (at && phrase) {
    status = put(&text, status, "<p>", 3, err);
    status = put(&text, status, phrase, length, err);
    status = put(&text, status, "</p>", 4, err);
  } else if (at) {
    status = put(&text, status, region, sizeof region - 1, err);
  }
  if (at) status = put(&text, status, at + 1, strlen(at + 1), err);
  return keep(&text, status, arena, out, err);
}

/* First letter upper, the rest lower, as Python's capitalize(). */
static gm_status capitalised(visit *v, const char *name, const char **out) {
  gm_text text = {0};
  gm_status status = GM_OK;
  char letter[4];
  size_t n = strlen(name);
  for (size_t i = 0; status == GM_OK && i < n;) {
    uint32_t code;
    size_t length = gm_utf8_read(name + i, n - i, &code);
    utf8proc_int32_t c = (utf8proc_int32_t)code;
    c = i == 0 ? utf8proc_totitle(c) : utf8proc_tolower(c);
    status = gm_text_append(&text, letter, gm_utf8_write(letter, (uint32_t)c), v->err);
    i += length ? length : 1;
  }
  return keep(&text, status, v->arena, out, v->err);
}

/* <roi> with n marks. */
static gm_status put_marks(gm_text *text, gm_status status, size_t n, gm_error *err) {
  static const char mark[] = "<ground_box>";
  status = put(text, status, "<roi>", 5, err);
  for (size_t i = 0; i < n; i++) status = put(text, status, mark, sizeof mark - 1, err);
  return put(text, status, "</roi>", 6, err);
}

static gm_status marks(visit *v, size_t n, const char **out) {
  gm_text text = {0};
  gm_status status = put_marks(&text, GM_OK, n, v->err);
  return keep(&text, status, v->arena, out, v->err);
}

/* ---- boxes ---- */

static bool large_enough(const visit *v, gm_rel_box b) {
  float side = (float)v->rules->side; /* in f32, so that 2 pixels of S are 2 */
  return b.w * side > min_pixels && b.h * side > min_pixels;
}

static gm_status use_boxes(visit *v, bool all) {
  const gm_data_picture *p = v->picture;
  GM_TRY(take(v, p->n_boxes * sizeof *v->boxes, &v->boxes));
  for (size_t i = 0; i < p->n_boxes; i++) {
    const gm_data_box *b = &v->set->boxes[p->first_box + i];
    if (all || large_enough(v, b->box)) v->boxes[v->n++] = b;
  }
  return GM_OK;
}

/* Copies n boxes to a list of the sample. */
static gm_status give(visit *v, const gm_data_box *const *boxes, size_t n,
                      const gm_rel_box **list, size_t *count) {
  gm_rel_box *copy;
  GM_TRY(take(v, n * sizeof *copy, &copy));
  for (size_t i = 0; i < n; i++) copy[i] = boxes[i]->box;
  *list = copy;
  *count = n;
  return GM_OK;
}

static gm_status start_turns(visit *v, size_t n, gm_turn **turns) {
  GM_TRY(take(v, n * sizeof **turns, turns));
  v->out->turns = *turns;
  v->out->n_turns = n;
  return GM_OK;
}

/* ---- tasks ---- */

static gm_status detect(visit *v) {
  return give(v, v->boxes, v->n, &v->out->boxes, &v->out->n_boxes);
}

/* n boxes answer for the phrase. */
static gm_status locate(visit *v, gm_task task, const char *phrase, size_t length,
                        const gm_data_box *const *boxes, size_t n) {
  gm_turn *turn;
  GM_TRY(start_turns(v, 1, &turn));
  GM_TRY(gm_task_question(&turn->question, task, phrase, length, v->rng, v->arena, v->err));
  GM_TRY(marks(v, n, &turn->answer));
  return give(v, boxes, n, &v->out->ground, &v->out->n_ground);
}

static gm_status locate_one(visit *v) {
  const char *caption = gm_data_text(v->set, v->picture->caption);
  return locate(v, GM_TASK_LOCATE, caption, strlen(caption), v->boxes, 1);
}

/* GRIT: one box is drawn; it and the others of its span answer. */
static gm_status locate_span(visit *v) {
  const gm_data_box **chosen, *drawn = v->boxes[gm_rng_below(v->rng, v->n)];
  size_t n = 0;
  GM_TRY(take(v, v->n * sizeof *chosen, &chosen));
  chosen[n++] = drawn;
  for (size_t i = 0; i < v->n; i++) {
    const gm_data_box *b = v->boxes[i];
    if (b != drawn && b->begin == drawn->begin && b->end == drawn->end) chosen[n++] = b;
  }
  const char *caption = gm_data_text(v->set, v->picture->caption);
  return locate(v, GM_TASK_LOCATE, caption + drawn->begin, drawn->end - drawn->begin, chosen,
                n);
}

/* COCO: one of the picture's classes is drawn, and all its boxes answer. */
static gm_status locate_all(visit *v) {
  uint32_t *classes;
  const gm_data_box **chosen;
  size_t n_classes = 0, n = 0;
  unsigned char *seen;
  GM_TRY(take(v, v->n * sizeof *classes, &classes));
  GM_TRY(take(v, v->n * sizeof *chosen, &chosen));
  GM_TRY(take(v, v->set->n_categories, &seen));
  memset(seen, 0, v->set->n_categories);
  for (size_t i = 0; i < v->n; i++) {
    uint32_t category = v->boxes[i]->category;
    if (!seen[category]) classes[n_classes++] = category;
    seen[category] = 1;
  }
  uint32_t drawn = classes[gm_rng_below(v->rng, n_classes)];
  for (size_t i = 0; i < v->n; i++)
    if (v->boxes[i]->category == drawn) chosen[n++] = v->boxes[i];
  const char *name = gm_data_text(v->set, v->set->categories[drawn]);
  return locate(v, GM_TASK_LOCATE_ALL, name, strlen(name), chosen, n);
}

/* One turn for each of n boxes. */
static gm_status describe(visit *v, const gm_data_box *const *boxes, size_t n) {
  gm_turn *turns;
  GM_TRY(start_turns(v, n, &turns));
  for (size_t i = 0; i < n; i++) {
    size_t text = boxes[i]->text == GM_NO_TEXT ? v->picture->caption : boxes[i]->text;
    GM_TRY(
        gm_task_question(&turns[i].question, v->out->task, NULL, 0, v->rng, v->arena, v->err));
    GM_TRY(capitalised(v, gm_data_text(v->set, text), &turns[i].answer));
  }
  return give(v, boxes, n, &v->out->refer, &v->out->n_refer);
}

/* Visual Genome: NMS with random scores, the first ten in that order. */
static gm_status describe_several(visit *v) {
  const gm_data_box *chosen[MAX_REGIONS];
  size_t n = 0;
  for (size_t i = v->n; i > 1; i--) {
    size_t j = gm_rng_below(v->rng, i);
    const gm_data_box *swap = v->boxes[i - 1];
    v->boxes[i - 1] = v->boxes[j];
    v->boxes[j] = swap;
  }
  for (size_t i = 0; i < v->n && n < MAX_REGIONS; i++) {
    bool free_place = true;
    for (size_t k = 0; free_place && k < n; k++)
      free_place = !(gm_region_iou(chosen[k]->box, v->boxes[i]->box) > region_nms);
    if (free_place) chosen[n++] = v->boxes[i];
  }
  return describe(v, chosen, n);
}

/* ---- Flickr: a caption with its phrases ---- */

typedef struct span {
  uint32_t begin, end;
  size_t box; /* in v->boxes */
} span;

static int by_begin(const void *a, const void *b) {
  const span *p = a, *q = b;
  if (p->begin != q->begin) return p->begin < q->begin ? -1 : 1;
  return p->box < q->box ? -1 : p->box > q->box;
}

/* Spans go by their start, equal ones in the file's order. One that overlaps an earlier one is
 * dropped; boxes of the same span join it. */
static gm_status write_caption(visit *v, const span *spans, const char *caption, gm_text *text,
                               const gm_data_box **chosen, size_t *n_chosen) {
  size_t at = 0;
  gm_status status = GM_OK;
  for (size_t i = 0; i < v->n && status == GM_OK; i++) {
    const span *s = &spans[i];
    size_t before = *n_chosen;
    if (s->begin < at) continue;
    for (size_t k = i; k < v->n && spans[k].begin == s->begin; k++)
      if (spans[k].end == s->end) chosen[(*n_chosen)++] = v->boxes[spans[k].box];
    status = put(text, status, caption + at, s->begin - at, v->err);
    status = put(text, status, "<p>", 3, v->err);
    status = put(text, status, caption + s->begin, s->end - s->begin, v->err);
    status = put(text, status, "</p>", 4, v->err);
    status = put_marks(text, status, *n_chosen - before, v->err);
    at = s->end;
  }
  return put(text, status, caption + at, strlen(caption + at), v->err);
}

/* White space at both ends is dropped. */
static void strip(gm_text *text) {
  size_t begin = 0, end = text->length;
  gm_trim_left(text->bytes, &begin, end);
  gm_trim_right(text->bytes, begin, &end);
  memmove(text->bytes, text->bytes + begin, end - begin);
  text->length = end - begin;
  text->bytes[text->length] = 0;
}

static gm_status grounded_caption(visit *v) {
  const char *caption = gm_data_text(v->set, v->picture->caption);
  span *spans;
  size_t n_chosen = 0;
  gm_turn *turn;
  const gm_data_box **chosen;
  gm_text text = {0};
  GM_TRY(take(v, v->n * sizeof *spans, &spans));
  for (size_t i = 0; i < v->n; i++) spans[i] = (span){v->boxes[i]->begin, v->boxes[i]->end, i};
  qsort(spans, v->n, sizeof *spans, by_begin);
  GM_TRY(take(v, v->n * sizeof *chosen, &chosen));
  GM_TRY(start_turns(v, 1, &turn));
  GM_TRY(gm_task_question(&turn->question, GM_TASK_GROUNDED_CAPTION, NULL, 0, v->rng, v->arena,
                          v->err));
  gm_status status = write_caption(v, spans, caption, &text, chosen, &n_chosen);
  if (status == GM_OK) strip(&text);
  GM_TRY(keep(&text, status, v->arena, &turn->answer, v->err));
  return give(v, chosen, n_chosen, &v->out->ground, &v->out->n_ground);
}

static gm_status chat(visit *v) {
  const gm_data_picture *p = v->picture;
  gm_turn *turns;
  GM_TRY(start_turns(v, p->n_turns, &turns));
  for (size_t i = 0; i < p->n_turns; i++) {
    const gm_data_turn *turn = &v->set->turns[p->first_turn + i];
    turns[i] =
        (gm_turn){gm_data_text(v->set, turn->question), gm_data_text(v->set, turn->answer)};
  }
  return give(v, v->boxes, v->n, &v->out->ground, &v->out->n_ground);
}

static gm_status make(visit *v) {
  gm_data_format format = v->set->spec.format;
  switch (v->out->task) {
  case GM_TASK_DETECT:
    return detect(v);
  case GM_TASK_LOCATE:
    return format == GM_DATA_GRIT ? locate_span(v) : locate_one(v);
  case GM_TASK_LOCATE_ALL:
    return locate_all(v);
  case GM_TASK_DESCRIBE:
  case GM_TASK_DESCRIBE_LONG:
    if (format == GM_DATA_VG && v->rules->all_regions) return describe_several(v);
    return describe(v, v->boxes, 1);
  case GM_TASK_GROUNDED_CAPTION:
    return grounded_caption(v);
  case GM_TASK_CHAT:
    return chat(v);
  }
  return GM_OK;
}

gm_status gm_visit_sample(gm_sample *out, const gm_data_set *set, size_t picture,
                          const gm_visit_rules *rules, gm_rng *rng, gm_arena *arena,
                          gm_error *err) {
  const gm_data_picture *p = &set->pictures[picture];
  gm_text path = {0};
  visit v = {.out = out,
             .set = set,
             .picture = p,
             .rules = rules,
             .rng = rng,
             .arena = arena,
             .err = err};
  *out = (gm_sample){.task = set->spec.task, .source = set->spec.source};
  gm_status status = gm_data_picture_path(set, picture, &path, err);
  GM_TRY(keep(&path, status, arena, &out->image, err));
  /* Rule 4 of stage 1 is its augmentation's; the other formats have no such rule. */
  gm_data_format format = set->spec.format;
  bool all = out->task == GM_TASK_DETECT || format >= GM_DATA_GRIT;
  GM_TRY(use_boxes(&v, all));
  return v.n || out->task == GM_TASK_CHAT ? make(&v) : GM_OK;
}

/* read_groma_instruct.c - Groma Instruct: {file_name, width, height, boxes: xywh in pixels,
 * conversation: [{value, box_inds}]}. Even entries ask, with [grounding] in front; odd ones
 * answer, and their box_inds are the places in `boxes` of their <ground_box> marks, in order.
 */
#include "set_reader.h"

#include "tags.h"
#include "utf8.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct instruct_entry {
  gm_set_reader *r;
  const char *entry;
  gm_pull_value boxes;
  double *all; /* [n][4]: xywh */
  size_t n;
  gm_data_picture picture;
  bool used; /* false after a fault */
} instruct_entry;

static gm_status refuse(instruct_entry *e, gm_data_fault kind, const char *what) {
  e->used = false;
  return gm_set_fault(e->r, kind, e->entry, "%s", what);
}

static gm_status read_boxes(instruct_entry *e) {
  gm_pull_value one;
  size_t capacity = 0;
  gm_pull_reader count = gm_pull_begin(e->boxes.text), list = count;
  for (gm_pull_enter(&count); gm_pull_element(&count) && gm_pull_read(&count, &one);)
    capacity++;
  e->all = calloc(capacity + 1, 4 * sizeof *e->all);
  if (!e->all) return gm_fail_memory(e->r->err, "boxes", capacity);
  for (gm_pull_enter(&list); gm_pull_element(&list) && gm_pull_read(&list, &one); e->n++)
    if (!gm_pull_numbers(&one, &e->all[4 * e->n], 4))
      return refuse(e, GM_FAULT_BOX_NUMBERS, "one of its boxes is not [x, y, width, height]");
  return GM_OK;
}

static gm_status add_box(instruct_entry *e, double index) {
  if (!(index >= 0 && index < (double)e->n) || index != floor(index))
    return refuse(e, GM_FAULT_ENTRY, "one of its box_inds is not a place in its boxes");
  const double *v = &e->all[4 * (size_t)index];
  const gm_data_picture *p = &e->picture;
  if (!(v[2] > 0 && v[3] > 0))
    return refuse(e, GM_FAULT_BOX_AREA, "a box of an answer has no area");
  gm_data_box box = {
      .box = gm_clipped_box(v[0], v[1], v[0] + v[2], v[1] + v[3], p->width, p->height),
      .text = GM_NO_TEXT};
  if (!(box.box.w > 0 && box.box.h > 0))
    return refuse(e, GM_FAULT_BOX_OUTSIDE, "a box of an answer is outside the picture");
  return gm_set_add_box(e->r, &box);
}

static gm_status add_answer_boxes(instruct_entry *e, const char *answer,
                                  const gm_pull_value *box_inds) {
  size_t marks, n = 0;
  gm_pull_value index;
  if (!gm_answer_marks(answer, &marks))
    return refuse(e, GM_FAULT_TAGS,
                  "the tags of an answer are not <p>...</p> and <roi><ground_box>...</roi>");
  if (box_inds->kind == GM_PULL_ARRAY) {
    gm_pull_reader list = gm_pull_begin(box_inds->text);
    for (gm_pull_enter(&list); e->used && gm_pull_element(&list) && gm_pull_read(&list, &index);
         n++)
      GM_TRY(add_box(e, gm_pull_number(&index)));
  }
  if (e->used && n != marks)
    return refuse(e, GM_FAULT_ENTRY, "an answer has another number of box_inds than of marks");
  return GM_OK;
}

static bool is_empty(const char *text) {
  size_t begin = 0;
  gm_trim_left(text, &begin, strlen(text));
  return text[begin] == 0;
}

static gm_status add_question(instruct_entry *e, const char *text, size_t *offset) {
  static const char mark[] = "[grounding]";
  gm_set_reader *r = e->r;
  if (strncmp(text, mark, sizeof mark - 1) == 0) text += sizeof mark - 1;
  if (!gm_question_is_plain(text))
    return refuse(e, GM_FAULT_TAGS, "a question has tags other than <p>...</p>");
  GM_TRY(gm_set_add_text(r, mark, sizeof mark - 1, offset));
  r->set->texts.length--; /* the NUL: the question goes on */
  size_t rest;
  return gm_set_add_text(r, text, strlen(text), &rest);
}

static gm_status add_entry_turn(instruct_entry *e, const gm_pull_value *turn, bool asks,
                                size_t *offset) {
  gm_pull_value value = gm_pull_member_of(turn, "value"),
                box_inds = gm_pull_member_of(turn, "box_inds");
  if (value.kind != GM_PULL_STRING)
    return refuse(e, GM_FAULT_ENTRY, "a turn of its conversation has no value");
  char *text = gm_pull_string(&value);
  if (!text) return gm_fail_memory(e->r->err, "a text", value.length);
  gm_status status;
  if (is_empty(text)) {
    status = refuse(e, GM_FAULT_TEXT, "a turn of its conversation is empty");
  } else if (asks) {
    status = add_question(e, text, offset);
  } else {
    status = add_answer_boxes(e, text, &box_inds);
    if (status == GM_OK) status = gm_set_add_text(e->r, text, strlen(text), offset);
  }
  free(text);
  return status;
}

static gm_status add_entry(instruct_entry *e, const gm_pull_value *v) {
  gm_set_reader *r = e->r;
  gm_data_picture *p = &e->picture;
  gm_pull_value turn;
  size_t texts[2], n = 0;
  p->width = gm_pull_side(&v[1]);
  p->height = gm_pull_side(&v[2]);
  if (v[0].kind != GM_PULL_STRING || !v[0].length || !p->width || !p->height ||
      v[3].kind != GM_PULL_ARRAY || v[4].kind != GM_PULL_ARRAY)
    return refuse(e, GM_FAULT_ENTRY, "wanted file_name, width, height, boxes and conversation");
  GM_TRY(read_boxes(e));
  gm_pull_reader list = gm_pull_begin(v[4].text);
  for (gm_pull_enter(&list); e->used && gm_pull_element(&list) && gm_pull_read(&list, &turn);
       n++) {
    GM_TRY(add_entry_turn(e, &turn, n % 2 == 0, &texts[n % 2]));
    if (e->used && n % 2) GM_TRY(gm_set_add_turn(r, texts[0], texts[1]));
  }
  if (!e->used) return GM_OK;
  if (n % 2)
    GM_TRY(gm_set_fault(r, GM_FAULT_ENTRY, e->entry, "its last question has no answer"));
  p->n_boxes = r->set->n_boxes - p->first_box;
  p->n_turns = r->set->n_turns - p->first_turn;
  if (!p->n_turns) return refuse(e, GM_RULE_EMPTY, "no turns");
  GM_TRY(gm_set_add_file(r, &v[0], &p->file));
  return gm_set_add_picture(r, p);
}

gm_status gm_read_groma_instruct_set(gm_set_reader *r) {
  static const char *const names[] = {"file_name", "width", "height", "boxes", "conversation"};
  bool entered = false, lines;
  while (gm_pull_listed(&r->json, &entered, &lines)) {
    gm_pull_value v[5];
    instruct_entry e = {.r = r,
                        .used = true,
                        .picture = {.caption = GM_NO_TEXT,
                                    .background = GM_NO_TEXT,
                                    .first_box = r->set->n_boxes,
                                    .first_turn = r->set->n_turns}};
    if (!gm_pull_members(&r->json, &e.entry, names, v, 5)) return GM_OK;
    e.boxes = v[3];
    gm_status status = add_entry(&e, v);
    free(e.all);
    if (status != GM_OK) return status;
    if (e.used) continue;
    r->set->n_boxes = e.picture.first_box;
    r->set->n_turns = e.picture.first_turn;
  }
  return GM_OK;
}

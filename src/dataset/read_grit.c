/* read_grit.c - GRIT: {filename, caption, ref_exps: [[start, end, x1, y1, x2, y2, score]]},
 * boxes relative to the picture, spans in characters of the caption. */
#include "set_reader.h"

#include <string.h>

static gm_status add_expression(gm_set_reader *r, const char *entry, const char *caption,
                                const double *v) {
  size_t n = strlen(caption), begin = gm_byte_of(caption, n, v[0]),
         end = gm_byte_of(caption, n, v[1]);
  if (v[6] < r->rules->min_score) return gm_set_fault(r, GM_RULE_SCORE, entry, "a low score");
  if (begin == GM_NAME_NONE || end == GM_NAME_NONE || begin >= end || end > UINT32_MAX)
    return gm_set_fault(r, GM_FAULT_TEXT, entry, "a span of ref_exps is not in the caption");
  gm_data_box box = {.box = gm_clipped_box(v[2], v[3], v[4], v[5], 1, 1),
                     .begin = (uint32_t)begin,
                     .end = (uint32_t)end,
                     .text = GM_NO_TEXT};
  if (!(v[2] < v[4] && v[3] < v[5]))
    return gm_set_fault(r, GM_FAULT_BOX_AREA, entry, "the box %g,%g %g,%g has no area", v[2],
                        v[3], v[4], v[5]);
  if (!(box.box.w > 0 && box.box.h > 0))
    return gm_set_fault(r, GM_FAULT_BOX_OUTSIDE, entry,
                        "the box %g,%g %g,%g is outside the picture (0 to 1)", v[2], v[3], v[4],
                        v[5]);
  return gm_set_add_box(r, &box);
}

static gm_status add_entry(gm_set_reader *r, const char *entry, const gm_pull_value *v) {
  gm_data_picture picture = {.background = GM_NO_TEXT, .first_box = r->set->n_boxes};
  gm_pull_value one;
  if (v[0].kind != GM_PULL_STRING || !v[0].length || v[2].kind != GM_PULL_ARRAY)
    return gm_set_fault(r, GM_FAULT_ENTRY, entry, "wanted filename, caption and ref_exps");
  GM_TRY(gm_set_add_phrase(r, &v[1], false, entry, &picture.caption));
  if (picture.caption == GM_NO_TEXT) return GM_OK;
  gm_pull_reader list = gm_pull_begin(v[2].text);
  for (gm_pull_enter(&list); gm_pull_element(&list) && gm_pull_read(&list, &one);) {
    double numbers[7];
    if (gm_pull_numbers(&one, numbers, 7))
      GM_TRY(add_expression(r, entry, gm_data_text(r->set, picture.caption), numbers));
    else
      GM_TRY(gm_set_fault(r, GM_FAULT_BOX_NUMBERS, entry,
                          "one of ref_exps is not [start, end, x1, y1, x2, y2, score]"));
  }
  picture.n_boxes = r->set->n_boxes - picture.first_box;
  if (!picture.n_boxes) return gm_set_fault(r, GM_RULE_EMPTY, entry, "no boxes");
  GM_TRY(gm_set_add_file(r, &v[0], &picture.file));
  return gm_set_add_picture(r, &picture);
}

gm_status gm_read_grit_set(gm_set_reader *r) {
  static const char *const names[] = {"filename", "caption", "ref_exps"};
  bool entered = false, lines;
  while (gm_pull_listed(&r->json, &entered, &lines)) {
    gm_pull_value v[3];
    const char *entry;
    if (!gm_pull_members(&r->json, &entry, names, v, 3)) return GM_OK;
    GM_TRY(add_entry(r, entry, v));
  }
  return GM_OK;
}

/* draw_support.h - marks, spans and handmade explanations for the tests of drawings. */
#ifndef GM_DRAW_SUPPORT_H
#define GM_DRAW_SUPPORT_H

#include "interface.h"

static inline gm_mark mark_of(gm_box box, const char *label, int32_t colour) {
  return SIZED(gm_mark, .box = box, .label = label, .colour = colour);
}

static inline gm_span_colour span_of(size_t begin, size_t end, int32_t colour) {
  return SIZED(gm_span_colour, .begin = begin, .end = end, .colour = colour);
}

static inline gm_crop_share crop_of(gm_box box, float weight, float share, float lead) {
  return SIZED(gm_crop_share, .box = box, .weight = weight, .share = share, .lead = lead);
}

static inline gm_text_share text_of(const char *text, float weight, float share, float lead) {
  return SIZED(gm_text_share, .text = text, .weight = weight, .share = share, .lead = lead);
}

/* An explanation with the numbers of e, with n_crops, n_texts and n_against_texts of it, and
 * copies of that many elements. gm_explanation_free it. */
gm_explanation *made_explanation(const gm_explanation *e, const gm_crop_share *crops,
                                 const gm_text_share *texts,
                                 const gm_text_share *against_texts);

/* gm_draw of an explanation. */
gm_status draw_explanation(const gm_image *image, const gm_explanation *explanation,
                           const gm_label *label, const char *path, gm_error *err);

#endif

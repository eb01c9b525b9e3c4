/* answer_json.c - see answer_json.h. */
#include "answer_json.h"

#include "results.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

json_t *out_json_text(const char *text) {
  json_t *string = json_string(text);
  char *copy = string || !text ? NULL : strdup(text);
  for (char *at = copy; copy && *at; at++)
    if ((unsigned char)*at >= 0x80) *at = '?';
  if (copy) string = json_string(copy);
  free(copy);
  return string;
}

json_t *out_json_number(double value) {
  return json_real(round(value * 1e6) / 1e6);
}

json_t *out_json_picture(const char *name, const out_frame *frame) {
  json_t *image = json_object();
  if (name) json_object_set_new(image, "file", out_json_text(name));
  json_object_set_new(image, "width", json_integer((json_int_t)frame->width));
  json_object_set_new(image, "height", json_integer((json_int_t)frame->height));
  json_t *object = json_object();
  if (json_object_set_new(object, "image", image) == 0 && frame->format != BOX_XYXY)
    json_object_set_new(object, "box_format", json_string(out_box_format_name(frame->format)));
  return object;
}

json_t *out_json_box(const out_frame *frame, gm_box box) {
  double v[4];
  out_box_from_pixels(frame->format, box, frame->width, frame->height, v);
  if (frame->format == BOX_QWEN3)
    return json_pack("[I,I,I,I]", (json_int_t)v[0], (json_int_t)v[1], (json_int_t)v[2],
                     (json_int_t)v[3]);
  return json_pack("[f,f,f,f]", v[0], v[1], v[2], v[3]);
}

json_t *out_json_region(const out_frame *frame, const gm_region *region) {
  return json_pack("{s:o, s:o, s:i}", "box", out_json_box(frame, region->box), "score",
                   out_json_number((double)region->score), "index", (int)region->index);
}

json_t *out_json_phrase(const out_frame *frame, const char *phrase,
                        const gm_ground_result *result) {
  json_t *regions = json_array();
  for (size_t k = 0; k < result->n_regions; k++) {
    const gm_region region = out_ground_region(result, k);
    json_t *object = out_json_region(frame, &region);
    json_object_set_new(object, "share", out_json_number((double)region.share));
    json_array_append_new(regions, object);
  }
  return json_pack("{s:s, s:o, s:b, s:o}", "phrase", phrase, "present",
                   out_json_number((double)result->present), "calibrated", result->calibrated,
                   "regions", regions);
}

json_t *out_json_grounding(const out_frame *frame, const gm_answer *answer, size_t i) {
  const gm_grounding g = out_grounding(answer, i);
  json_t *regions = json_array();
  for (size_t k = 0; k < g.n_regions; k++) {
    const gm_region region = out_answer_region(answer, i, k);
    json_array_append_new(regions, out_json_region(frame, &region));
  }
  return json_pack("{s:s, s:[I,I], s:o, s:b, s:o}", "phrase", g.phrase, "span",
                   (json_int_t)g.span_begin, (json_int_t)g.span_end, "present",
                   out_json_number((double)g.present), "calibrated", g.calibrated, "regions",
                   regions);
}

json_t *out_json_description(const out_frame *frame, gm_box box, const gm_answer *answer,
                             bool raw) {
  json_t *one = json_pack("{s:o, s:s}", "box", out_json_box(frame, box), "text", answer->text);
  out_json_add_end(one, answer, raw);
  return one;
}

json_t *out_json_label(const gm_label *label) {
  json_t *name = json_string(label->name);
  return json_pack("{s:o, s:o, s:o}", "label", name ? name : json_string(""), "score",
                   out_json_number((double)label->score), "raw_score",
                   out_json_number((double)label->raw_score));
}

json_t *out_json_named_region(const out_frame *frame, const gm_region *region,
                              const out_named *named) {
  const gm_label *best = &named->best;
  json_t *object = out_json_region(frame, region);
  json_object_set_new(object, "label", named->none ? json_null() : json_string(best->name));
  json_object_set_new(object, "label_score", out_json_number((double)best->score));
  json_object_set_new(object, "raw_score", out_json_number((double)best->raw_score));
  json_object_set_new(object, "present", out_json_number((double)named->present));
  json_object_set_new(object, "calibrated", json_boolean(named->calibrated));
  return object;
}

void out_json_add_answer(json_t *object, const out_frame *frame, const gm_answer *answer,
                         bool raw) {
  json_object_set_new(object, "text", json_string(answer->text));
  json_t *groundings = json_array();
  for (size_t i = 0; i < answer->n_groundings; i++)
    json_array_append_new(groundings, out_json_grounding(frame, answer, i));
  json_object_set_new(object, "grounding", groundings);
  out_json_add_end(object, answer, raw);
}

void out_json_add_end(json_t *object, const gm_answer *answer, bool raw) {
  if (!answer->complete) json_object_set_new(object, "complete", json_false());
  if (raw) json_object_set_new(object, "raw", json_string(answer->raw));
}

void out_json_add_scope(json_t *object, const char *model, const char *scope,
                        float unlikeness) {
  if (scope)
    json_object_set_new(object, "notice", json_sprintf("%s knows %s only", model, scope));
  if (unlikeness > 1)
    json_object_set_new(object, "unlike", json_real(round((double)unlikeness * 100) / 100));
}

/* given.c - see given.h. */
#include "given.h"

#include <stdlib.h>

static bool is_place(const json_t *value) {
  return json_is_integer(value) && json_integer_value(value) >= 0 &&
         json_integer_value(value) <= INT32_MAX;
}

static json_t *indices(const json_t *regions) {
  const json_t *region;
  size_t i;
  json_t *out = json_is_array(regions) ? json_array() : NULL;
  json_array_foreach(regions, i, region) {
    json_t *index = json_object_get(region, "index");
    if (is_place(index)) {
      json_array_append(out, index);
      continue;
    }
    json_decref(out);
    return NULL;
  }
  return out;
}

bool srv_given_read(json_t *out, const json_t *grounding, size_t at) {
  const json_t *phrase;
  size_t i;
  if (!json_is_array(grounding)) return false;
  json_array_foreach(grounding, i, phrase) {
    const json_t *span = json_object_get(phrase, "span");
    const json_t *begin = json_array_get(span, 0), *end = json_array_get(span, 1);
    json_t *regions = indices(json_object_get(phrase, "regions"));
    if (!regions || json_array_size(span) != 2 || !is_place(begin) || !is_place(end)) {
      json_decref(regions);
      return false;
    }
    json_array_append_new(out,
                          json_pack("[I, I, o]", json_integer_value(begin) + (json_int_t)at,
                                    json_integer_value(end) + (json_int_t)at, regions));
  }
  return true;
}

static size_t count_regions(const json_t *phrases) {
  const json_t *phrase;
  size_t i, n = 0;
  json_array_foreach(phrases, i, phrase) n += json_array_size(json_array_get(phrase, 2));
  return n;
}

static size_t place(const json_t *phrase, size_t i) {
  return (size_t)json_integer_value(json_array_get(phrase, i));
}

bool srv_given_make(srv_given *out, const char *text, const json_t *phrases) {
  size_t n = json_array_size(phrases), i, k;
  *out = (srv_given){.phrases = calloc(n + 1, sizeof *out->phrases),
                     .regions = calloc(count_regions(phrases) + 1, sizeof *out->regions)};
  if (!out->phrases || !out->regions) return false;
  const json_t *phrase, *index;
  int32_t *at = out->regions;
  json_array_foreach(phrases, i, phrase) {
    const json_t *regions = json_array_get(phrase, 2);
    out->phrases[i] = (gm_given_phrase){.struct_size = sizeof *out->phrases,
                                        .span_begin = place(phrase, 0),
                                        .span_end = place(phrase, 1),
                                        .regions = at,
                                        .n_regions = json_array_size(regions)};
    json_array_foreach(regions, k, index) *at++ = (int32_t)json_integer_value(index);
  }
  out->given = (gm_given){
      .struct_size = sizeof out->given, .text = text, .phrases = out->phrases, .n_phrases = n};
  return true;
}

void srv_given_free(srv_given *given) {
  free(given->phrases);
  free(given->regions);
}

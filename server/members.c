/* members.c - see members.h. */
#include "members.h"

#include "limits.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const srv_member members[] = {
    {"all", SRV_FLAG, 0, 0, NULL, "every instance of a phrase"},
    {"alpha", SRV_NUMBER, 0, 1, NULL, "smallest side of a crop, a share of the shorter side"},
    {"append_boxes", SRV_FLAG, 0, 0, NULL, "your boxes after the model's regions"},
    {"beta", SRV_NUMBER, 0, 1, NULL, "largest side of a crop, as alpha"},
    {"box_format", SRV_TEXT, 0, 0, "xyxy,xywh,xyxyn,cxcywhn,qwen3", "of boxes, both ways"},
    {"boxes", SRV_BOXES, 0, 0, NULL, "boxes on the picture"},
    {"classes", SRV_TEXTS, 0, 0, NULL, "names to choose from, each once"},
    {"clip_model", SRV_TEXT, 0, 0, NULL, "the CLIP that is served"},
    {"conf", SRV_NUMBER, 0, 1, NULL, "leave out regions with this score or less"},
    {"crops", SRV_WHOLE, 1, SRV_MAX_CROPS, NULL, "crops of the picture or of each region"},
    {"dedup", SRV_FLAG, 0, 0, NULL, "drop crops and descriptions that are nearly the same"},
    {"dedup_cosine", SRV_NUMBER, 0, 1, NULL, "drop descriptions that are nearer than this"},
    {"dedup_iou", SRV_NUMBER, 0, 1, NULL, "drop crops that overlap by more"},
    {"descriptions", SRV_TABLE, 0, 0, NULL, "what the classes look like"},
    {"descriptors", SRV_TABLE, 0, 0, NULL, "for clip-d"},
    {"draws", SRV_WHOLE, 1, 65536, NULL, "wca-released: crops to draw"},
    {"grounding", SRV_FLAG, 0, 0, NULL, "phrases of the answer with their regions"},
    {"image", SRV_PICTURE, 0, 0, NULL,
     "JPEG, PNG or WebP: a data: address, base64, or sha256:HEX of a picture sent before"},
    {"image_scale", SRV_NUMBER, -13, 13, NULL,
     "how much more crops count that look like the whole"},
    {"iou", SRV_NUMBER, 0, 1, NULL, "of two regions that overlap by more, keep the better"},
    {"lora", SRV_SCALES, 0, 0, NULL,
     "scales of the adapters of /lora-adapters, for this request; those not named: 0"},
    {"long", SRV_FLAG, 0, 0, NULL, "describe in detail"},
    {"max_completion_tokens", SRV_WHOLE, 0, 1e6, NULL, "as max_tokens"},
    {"max_det", SRV_WHOLE, 0, 100000, NULL, "most boxes of a phrase, or of the picture"},
    {"max_output_tokens", SRV_WHOLE, 0, 1e6, NULL, "as max_tokens"},
    {"max_regions", SRV_WHOLE, 0, 100000, NULL, "most regions of the picture"},
    {"max_tokens", SRV_WHOLE, 0, 1e6, NULL, "cut the answer after so many; 0: do not"},
    {"merge_iou", SRV_NUMBER, 0, 1, NULL,
     "of two boxes of one label that overlap by more, keep the better"},
    {"method", SRV_TEXT, 0, 0, "wca,wca-released,clip,clip-e,clip-d,waffle,cupl",
     "how classes are compared"},
    {"min_present", SRV_NUMBER, 0, 1, NULL, "a phrase less likely than this is not there"},
    {"min_score", SRV_NUMBER, 0, 1, NULL, "leave out boxes below this score"},
    {"model", SRV_TEXT, 0, 0, NULL, "a name of /v1/models"},
    {"none", SRV_NUMBER, -1, 1, NULL, "no label below this raw score"},
    {"phrases", SRV_TEXTS, 0, 0, NULL, "what to find"},
    {"preset", SRV_TEXT, 0, 0, "imagenet,cub,pets,dtd,food101,places365",
     "the published settings of a data set"},
    {"prompt", SRV_TEXTS, 0, 0, NULL, "what to find"},
    {"raw", SRV_FLAG, 0, 0, NULL, "with the model's own text"},
    {"redraws", SRV_WHOLE, 1, 65536, NULL, "wca-released: mean over so many drawings"},
    {"regions", SRV_BOXES, 0, 0, NULL, "boxes to be named instead of the model's"},
    {"seed", SRV_WHOLE, -9e15, 9e15, NULL, "of everything random"},
    {"stop", SRV_NUMBER, 0, 1, NULL, "wca: look at crops until this sure"},
    {"stream", SRV_FLAG, 0, 0, NULL, "the answer as events"},
    {"temperature", SRV_NUMBER, 0, 1e6, NULL, "of sampling; 0: always the likeliest token"},
    {"templates", SRV_LIST, 0, 0, NULL, "for clip-e, as \"a photo of a {}.\""},
    {"text_scale", SRV_NUMBER, -13, 13, NULL,
     "how much more descriptions count that are near their class's name"},
    {"threshold", SRV_NUMBER, 0, 1, NULL, "leave out boxes below this score"},
    {"top", SRV_WHOLE, 0, 1e6, NULL, "labels in the answer; 0: all"},
    {"top_k", SRV_WHOLE, 0, 1e6, NULL, "sample among the likeliest; 0: all"},
    {"top_p", SRV_NUMBER, 0, 1, NULL, "sample among the likeliest with this share"},
    {"words", SRV_LIST, 0, 0, NULL, "for waffle: words to draw from, each of one line"},
};

const srv_member *srv_member_named(const char *name) {
  for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
    if (strcmp(members[i].name, name) == 0) return &members[i];
  return NULL;
}

/* ---- checks ---- */

static bool is_choice(const char *choices, const char *text) {
  size_t n = strlen(text);
  for (const char *at = choices; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
    if (strncmp(at, text, n) == 0 && (at[n] == ',' || at[n] == 0)) return n > 0;
  return false;
}

static bool is_text(const json_t *value, const char *not_only) {
  const char *text = json_string_value(value);
  return text && text[strspn(text, not_only)] && strlen(text) == json_string_length(value);
}

static bool are_texts(const json_t *list, const char *not_only) {
  for (size_t i = 0; i < json_array_size(list); i++)
    if (!is_text(json_array_get(list, i), not_only)) return false;
  size_t n = json_array_size(list);
  return n > 0 && n <= SRV_MAX_ITEMS;
}

static bool is_table(const json_t *value) {
  const char *name;
  json_t *list;
  json_object_foreach((json_t *)value, name, list) {
    if (!json_is_array(list)) return false;
    for (size_t i = 0; i < json_array_size(list); i++)
      if (!json_is_string(json_array_get(list, i))) return false;
  }
  return json_object_size(value) > 0;
}

static bool in_range(const srv_member *m, const json_t *value) {
  double number = json_number_value(value);
  if (!json_is_number(value) || !(number >= m->least && number <= m->most)) return false;
  return m->kind == SRV_NUMBER || number == floor(number);
}

bool srv_member_check(const srv_member *m, const json_t *value, char *why, size_t size) {
  bool texts = m->kind == SRV_TEXTS, boxes = m->kind == SRV_BOXES;
  if (json_is_null(value) && !texts && !boxes && m->kind != SRV_PICTURE) return true;
  switch (m->kind) {
  case SRV_PICTURE:
    if (json_is_string(value)) return true;
    snprintf(why, size, "%s: wanted a string", m->name);
    return false;
  case SRV_TEXT:
    if (json_is_string(value) &&
        (!m->choices || is_choice(m->choices, json_string_value(value))))
      return true;
    snprintf(why, size, m->choices ? "%s: wanted one of %s" : "%s: wanted a string", m->name,
             m->choices);
    return false;
  case SRV_NUMBER:
  case SRV_WHOLE:
    if (in_range(m, value)) return true;
    snprintf(why, size, "%s: wanted a %s from %.15g to %.15g", m->name,
             m->kind == SRV_WHOLE ? "whole number" : "number", m->least, m->most);
    return false;
  case SRV_FLAG:
    if (json_is_boolean(value)) return true;
    snprintf(why, size, "%s: wanted true or false", m->name);
    return false;
  case SRV_TEXTS:
    if (is_text(value, " \t\r\n") || are_texts(value, " \t\r\n")) return true;
    snprintf(why, size, "%s: wanted a list of 1 to %d strings that are not empty", m->name,
             SRV_MAX_ITEMS);
    return false;
  case SRV_BOXES:
    if (json_array_size(value) > 0 && json_array_size(value) <= SRV_MAX_ITEMS) return true;
    snprintf(why, size, "%s: wanted a list of 1 to %d boxes, four numbers each", m->name,
             SRV_MAX_ITEMS);
    return false;
  case SRV_LIST:
    if (are_texts(value, "")) return true;
    snprintf(why, size, "%s: wanted a list of 1 to %d strings that are not empty", m->name,
             SRV_MAX_ITEMS);
    return false;
  case SRV_SCALES:
    if (json_is_array(value)) return true;
    snprintf(why, size, "%s: wanted a list, as [{\"id\": 0, \"scale\": 0.5}]", m->name);
    return false;
  case SRV_TABLE:
    if (is_table(value)) return true;
    snprintf(why, size, "%s: wanted an object, as {\"a class\": [\"a text\", ...]}", m->name);
    return false;
  }
  return false;
}

/* ---- schemas ---- */

static json_t *choice_list(const char *choices) {
  json_t *list = json_array();
  for (const char *at = choices; at;) {
    const char *comma = strchr(at, ',');
    size_t n = comma ? (size_t)(comma - at) : strlen(at);
    json_array_append_new(list, json_stringn(at, n));
    at = comma ? comma + 1 : NULL;
  }
  json_array_append_new(list, json_null());
  return list;
}

static json_t *number_schema(const srv_member *m, const char *type) {
  return json_pack("{s:[s,s], s:f, s:f}", "type", type, "null", "minimum", m->least, "maximum",
                   m->most);
}

/* A string of which not all is blank. */
static json_t *text_schema(void) {
  return json_pack("{s:s, s:s}", "type", "string", "pattern", "[^ \\t\\r\\n]");
}

static json_t *box_schema(void) {
  return json_pack("{s:s, s:{s:s}, s:i, s:i}", "type", "array", "items", "type", "number",
                   "minItems", 4, "maxItems", 4);
}

static json_t *list_schema(json_t *items) {
  return json_pack("{s:s, s:o, s:i, s:i}", "type", "array", "items", items, "minItems", 1,
                   "maxItems", SRV_MAX_ITEMS);
}

static json_t *schema_of(const srv_member *m) {
  switch (m->kind) {
  case SRV_PICTURE:
    return json_pack("{s:s}", "type", "string");
  case SRV_TEXT:
    return m->choices ? json_pack("{s:o}", "enum", choice_list(m->choices))
                      : json_pack("{s:[s,s]}", "type", "string", "null");
  case SRV_NUMBER:
    return number_schema(m, "number");
  case SRV_WHOLE:
    return number_schema(m, "integer");
  case SRV_FLAG:
    return json_pack("{s:[s,s]}", "type", "boolean", "null");
  case SRV_TEXTS:
    return json_pack("{s:[o,o]}", "anyOf", list_schema(text_schema()), text_schema());
  case SRV_BOXES:
    return json_pack("{s:[o,o]}", "anyOf", list_schema(box_schema()), box_schema());
  case SRV_LIST:
    return json_pack("{s:[o,{s:s}]}", "anyOf",
                     list_schema(json_pack("{s:s, s:i}", "type", "string", "minLength", 1)),
                     "type", "null");
  case SRV_SCALES:
    return json_pack("{s:[s,s], s:{s:s, s:[s,s], s:b, s:{s:{s:s, s:i}, s:{s:s}}}}", "type",
                     "array", "null", "items", "type", "object", "required", "id", "scale",
                     "additionalProperties", 0, "properties", "id", "type", "integer",
                     "minimum", 0, "scale", "type", "number");
  case SRV_TABLE:
    return json_pack("{s:[s,s], s:i, s:{s:s, s:{s:s}}}", "type", "object", "null",
                     "minProperties", 1, "additionalProperties", "type", "array", "items",
                     "type", "string");
  }
  return NULL;
}

json_t *srv_member_schema(const srv_member *m) {
  json_t *schema = schema_of(m);
  json_object_set_new(schema, "description", json_string(m->help));
  return schema;
}

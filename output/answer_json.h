/* answer_json.h - results as JSON. The contract is in docs/JSON.md. All functions return a new
 * reference; where memory is short they return NULL, which jansson's functions take. */
#ifndef OUT_ANSWER_JSON_H
#define OUT_ANSWER_JSON_H

#include "box_format.h"
#include "gromatic.h"
#include "naming.h"

#include <jansson.h>

/* The picture that boxes lie on, and how they are written. */
typedef struct out_frame {
  out_box_format format;
  uint32_t width, height;
} out_frame;

/* A string. Bytes that are not UTF-8, which the name of a file may have, become '?'. */
json_t *out_json_text(const char *text);
/* A number rounded to 6 decimals, without the noise of float. */
json_t *out_json_number(double value);
/* {"image": {"file", "width", "height"}}, and "box_format" if it is not xyxy. name NULL:
 * without "file". */
json_t *out_json_picture(const char *name, const out_frame *frame);
/* Four numbers in the frame's format. */
json_t *out_json_box(const out_frame *frame, gm_box box);
/* {"box", "score", "index"} */
json_t *out_json_region(const out_frame *frame, const gm_region *region);
/* ground: {"phrase", "present", "calibrated", "regions"}; regions have "share" too. */
json_t *out_json_phrase(const out_frame *frame, const char *phrase,
                        const gm_ground_result *result);
/* Phrase number i of an answer: {"phrase", "span", "present", "calibrated", "regions"} */
json_t *out_json_grounding(const out_frame *frame, const gm_answer *answer, size_t i);
/* describe: {"box", "text"}, and what out_json_add_end adds. */
json_t *out_json_description(const out_frame *frame, gm_box box, const gm_answer *answer,
                             bool raw);
/* classify: {"label", "score", "raw_score"} */
json_t *out_json_label(const gm_label *label);
/* label: a region with "label" (null where it has none), "label_score", "raw_score", "present",
 * "calibrated". */
json_t *out_json_named_region(const out_frame *frame, const gm_region *region,
                              const out_named *named);

/* Add to an object: "text", "grounding" and what out_json_add_end adds; */
void out_json_add_answer(json_t *object, const out_frame *frame, const gm_answer *answer,
                         bool raw);
/* "complete": false if the answer was cut, and "raw" if it is wanted; */
void out_json_add_end(json_t *object, const gm_answer *answer, bool raw);
/* "notice" where the model's scope is said (NULL: not), and "unlike" above 1. */
void out_json_add_scope(json_t *object, const char *model, const char *scope, float unlikeness);

#endif

/* report.h - what one command found in one picture, for the three ways it is shown: a JSON
 * object (the contract in docs/JSON.md), text for a person, and marks to draw. */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include "box_format.h"
#include "gromatic_tools.h"

#include <jansson.h>
#include <stdio.h>

typedef struct cli_report {
  json_t *json; /* an object, or an array of objects: one line each */
  bool partial; /* shown although the command failed: what was said before */
  /* text for a person: printed by the command into this memory stream */
  FILE *text;
  char *text_bytes;
  size_t text_size;
  bool colour; /* text goes to a terminal */
  size_t cut;  /* answers that did not come to their end */
  gm_mark *marks;
  size_t n_marks;
  char *caption; /* NULL: none */
  gm_span_colour *spans;
  size_t n_spans;
  gm_timing stages[4]; /* the command's own, beside the scene's */
  size_t n_stages;
  cli_box_format format;
  uint32_t width, height;
  const gm_image *image; /* while the command runs */
} cli_report;

/* False if memory is short. image: the file's name as given. */
bool cli_report_begin(cli_report *report, const char *image, uint32_t width, uint32_t height,
                      cli_box_format format, bool colour);
void cli_report_free(cli_report *report);

/* The object that is being filled: json itself or the last of its array. Borrowed. */
json_t *cli_report_object(const cli_report *report);
/* Starts a further object with the same picture; the first call reuses the one that is there.
 */
json_t *cli_report_next(cli_report *report);

/* [x1, y1, x2, y2] in the report's format. New reference. */
json_t *cli_json_box(const cli_report *report, gm_box box);
/* {"box", "score", "index"}. New reference. */
json_t *cli_json_region(const cli_report *report, const gm_region *region);
/* A string; bytes that are not UTF-8, as a file's name may hold, become '?'. New reference. */
json_t *cli_json_text(const char *text);
/* Puts "question" into the object, and "boxes" where the question was given any. */
void cli_json_question(const cli_report *report, json_t *object, const char *question,
                       const gm_box *boxes, size_t n);
/* A number rounded to 6 decimals, so that float's noise is not printed. */
json_t *cli_json_number(double value);

/* Copies the label. */
void cli_report_mark(cli_report *report, gm_box box, const char *label, int32_t colour);
/* In a column of its own, in its colour. */
void cli_report_print_name(cli_report *report, const char *name, int32_t colour);
/* "x1, y1 - x2, y2" as a person reads it, in the report's format. */
void cli_report_print_box(cli_report *report, gm_box box);

/* The report's marks and caption, which live as long as it does. */
gm_draw_params cli_report_drawing(const cli_report *report);

/* The stage has ended that began at `began` (cli_now). stage: a string that lives on. */
void cli_report_stage(cli_report *report, const char *stage, double began);

/* "complete": false into the object where the answer was cut; counts it. */
void cli_report_cut(cli_report *report, json_t *object, const gm_answer *answer);

/* An answer: "text" and "grounding" ("raw", "complete") into the object, the words and boxes as
 * text and marks. streamed: the words were shown already, so the text only lists the boxes. */
void cli_report_answer(cli_report *report, json_t *object, const gm_answer *answer, bool raw,
                       bool streamed);

#endif

/* report.h - what one command found in one picture, in three forms: a JSON object (the contract
 * is in docs/JSON.md), text for a person, and marks to draw. */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include "answer_json.h"
#include "gromatic_tools.h"

#include <jansson.h>
#include <stdio.h>

typedef struct cli_report {
  json_t *json; /* an object, or an array of objects: one line each */
  bool partial; /* the command failed; what it had found before is shown */
  /* Text for a person, which the command prints into this memory stream. */
  FILE *text;
  char *text_bytes;
  size_t text_size;
  bool colour; /* text goes to a terminal */
  size_t cut;  /* answers that were cut */
  gm_mark *marks;
  size_t n_marks;
  char *caption; /* NULL: none */
  gm_span_colour *spans;
  size_t n_spans;
  gm_timing stages[4]; /* of the command, besides the scene's */
  size_t n_stages;
  out_frame frame;
  const gm_image *image; /* set while the command runs */
} cli_report;

/* image: the file's name as given. False if memory is short. */
bool cli_report_begin(cli_report *report, const char *image, uint32_t width, uint32_t height,
                      out_box_format format, bool colour);
void cli_report_free(cli_report *report);

/* The object that is being filled: json, or the last element of its array. A borrowed
 * reference. */
json_t *cli_report_object(const cli_report *report);
/* Starts another object for the same picture. The first call returns the object that exists. */
json_t *cli_report_next(cli_report *report);

/* Adds "question" to the object, and "boxes" if the question was given any. */
void cli_json_question(const cli_report *report, json_t *object, const char *question,
                       const gm_box *boxes, size_t n);
/* Copies the label. */
void cli_report_mark(cli_report *report, gm_box box, const char *label, int32_t colour);
/* Prints a name in its own column and colour. */
void cli_report_print_name(cli_report *report, const char *name, int32_t colour);
/* Prints four numbers with commas, in the report's format. */
void cli_report_print_box(cli_report *report, gm_box box);

/* The report's marks and caption, which live as long as it does. */
gm_draw_params cli_report_drawing(const cli_report *report);

/* Records a stage that began at `began` (cli_now) and ends now. stage: a string that outlives
 * the report. */
void cli_report_stage(cli_report *report, const char *stage, double began);

/* Adds an answer: "text" and "grounding" (and "raw", "complete") to the object, words and boxes
 * to the text and the marks. streamed: the words were printed already, so the text has only the
 * boxes. */
void cli_report_answer(cli_report *report, json_t *object, const gm_answer *answer, bool raw,
                       bool streamed);

#endif

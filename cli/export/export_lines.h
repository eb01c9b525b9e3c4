/* export_lines.h - what is in JSON lines, whichever command wrote them:
 *
 *   detect    {"regions": [{box, score}]}                      all of one class, "object"
 *   label     {"regions": [{box, score, label, label_score}]}  score x label_score; a label of
 *                                                              null is left out
 *   ground    {"results": [{"phrase", "regions": [...]}]}      the phrase is the class
 *   caption   {"grounding": [{"phrase", "regions": [...]}]}    the same
 *   describe  {"results": [{"box", "text"}]}                   the text is; the score is 1
 *   classify  {"results": [{"label", "score", "raw_score"}]}   no regions */
#ifndef CLI_EXPORT_LINES_H
#define CLI_EXPORT_LINES_H

#include "export_params.h"

#include <jansson.h>
#include <stdio.h>

typedef struct export_region {
  double x1, y1, x2, y2; /* pixels of the upright picture */
  double score;
  size_t class_index;
  const char *label; /* valid as long as the picture */
} export_region;

typedef struct export_picture {
  size_t number;    /* of its line, from 1; failed pictures have one too */
  const char *file; /* as given */
  json_int_t width, height;
  export_region *regions; /* NULL for a classification */
  size_t n_regions;
  json_t *line; /* owns the strings */
} export_picture;

/* The classes by name and by number. */
typedef struct export_classes {
  json_t *ids, *names; /* an object {name: number}, and an array */
  bool open;           /* new names are added */
} export_classes;

/* Begins with the export's classes, each once; none if the lines name them. False if memory is
 * short. */
bool export_classes_begin(const cli_export *export, export_classes *out);
void export_classes_free(export_classes *classes);
const char *export_class_name(const export_classes *classes, size_t i);

typedef struct export_reader {
  const cli_export *export;
  export_classes *classes;
  FILE *lines;
  size_t number;
  cli_export_counts *counts; /* set in the first pass, which reports errors; else NULL */
  char *text;
  size_t capacity;
  /* {file: [number of its last line, ...]} of the job; other lines of the file are skipped.
   * NULL: no line is skipped. */
  const json_t *last;
  char why[200]; /* what is wrong with a line */
} export_reader;

/* Begins at the first line. counts: see export_reader. */
export_reader export_lines_begin(const cli_export *export, export_classes *classes, FILE *lines,
                                 cli_export_counts *counts);
/* Reads the next picture that did not fail: 1; at the end 0; -1 after a message. Free the
 * picture, and the reader when you stop. */
int export_lines_next(export_reader *reader, export_picture *out);
void export_picture_free(export_picture *picture);
void export_lines_end(export_reader *reader);

/* Whether the lines are classify's. */
bool export_line_is_classification(const json_t *line);

#endif

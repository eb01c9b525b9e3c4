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
  const char *label; /* lives as long as the picture */
} export_region;

typedef struct export_picture {
  size_t number;    /* of its line, from 1; pictures that failed have one too */
  const char *file; /* as given */
  json_int_t width, height;
  export_region *regions; /* NULL of a classification */
  size_t n_regions;
  json_t *line; /* what the strings point into */
} export_picture;

/* The classes by name and by number. */
typedef struct export_classes {
  json_t *ids, *names; /* object name: number; array */
  bool open;           /* new ones are added as they come */
} export_classes;

/* Those of the export without repeats; none where they come with the lines. False if memory is
 * short. */
bool export_classes_begin(const cli_export *export, export_classes *out);
void export_classes_free(export_classes *classes);
const char *export_class_name(const export_classes *classes, size_t i);

typedef struct export_reader {
  const cli_export *export;
  export_classes *classes;
  FILE *lines;
  size_t number;
  cli_export_counts *counts; /* of the first pass, which tells what is wrong; else NULL */
  char *text;
  size_t capacity;
  /* File: [number of its last line, ...]; the others of its lines are passed over. NULL: none
   * is. Of the job. */
  const json_t *last;
  char why[200]; /* what is wrong with a line */
} export_reader;

/* Reads from the first line on. counts: see export_reader. */
export_reader export_lines_begin(const cli_export *export, export_classes *classes, FILE *lines,
                                 cli_export_counts *counts);
/* The next picture that did not fail: 1; at the end 0; after a message -1. Free the picture,
 * and the reader at the end or before. */
int export_lines_next(export_reader *reader, export_picture *out);
void export_picture_free(export_picture *picture);
void export_lines_end(export_reader *reader);

/* Whether it is classify's. */
bool export_line_is_classification(const json_t *line);

#endif

/* export_lines.h - the regions in a run's JSON lines, whichever command wrote them:
 *
 *   detect  {"regions": [{box, score}]}                      all of one class, the first
 *   ground  {"results": [{"phrase", "regions": [...]}]}      the phrase is the class
 *   label   {"regions": [{box, score, label, label_score}]}  score x label_score; a label of
 *                                                            null is left out */
#ifndef CLI_EXPORT_LINES_H
#define CLI_EXPORT_LINES_H

#include "export_params.h"

#include <jansson.h>
#include <stdint.h>

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
  export_region *regions;
  size_t n_regions;
  json_t *line; /* what the strings point into */
} export_picture;

typedef struct export_reader {
  const cli_export *export;
  FILE *lines;
  size_t number;
} export_reader;

/* Reads from the first line on. */
export_reader export_lines_begin(const cli_export *export, FILE *lines);
/* The next picture that did not fail: 1; at the end 0; after a message -1. Free the picture. */
int export_lines_next(export_reader *reader, export_picture *out);
void export_picture_free(export_picture *picture);

/* Index of the first class with the name; n_classes where there is none. */
size_t export_class_index(const cli_export *export, const char *name);
/* The file's name without folder and without ending; "stdin" for "-". free() it. */
char *export_stem(const char *file);

#endif

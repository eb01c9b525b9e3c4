/* score_report.h - a benchmark's figures, printed as JSON or as a Markdown table. */
#ifndef CLI_SCORE_REPORT_H
#define CLI_SCORE_REPORT_H

#include "arguments.h"

enum { SCORE_MOST_FIGURES = 32 };

typedef struct score_figure {
  char name[20];
  double value; /* NaN: not computed */
  bool count;   /* a whole number */
} score_figure;

enum { SCORE_MOST_NOTES = 4 };

typedef struct score_note {
  const char *name, *text; /* "judge", "gpt-4-0613" */
} score_note;

typedef struct score_report {
  const char *set;      /* the file of the entries */
  const char *method;   /* "lvis-ground" */
  const char *protocol; /* how it is counted, in words */
  const char *entries;  /* what n counts, as "expressions" */
  size_t n;
  const char *model_sha256; /* NULL: answers from a file */
  score_figure figures[SCORE_MOST_FIGURES];
  size_t n_figures;
  score_note notes[SCORE_MOST_NOTES]; /* what else the figures depend on */
  size_t n_notes;
} score_report;

void score_report_add(score_report *report, const char *name, double value);
void score_report_add_count(score_report *report, const char *name, size_t value);
/* On standard output: one line of JSON, in which a figure that was not computed is null, or a
 * Markdown table below a line that says what was measured. */
void score_report_print(const score_report *report, const cli_args *args);

#endif

/* data_report.h - what is wrong with a data set: each fault is counted by kind, and the first
 * of a kind are told. */
#ifndef GM_DATA_REPORT_H
#define GM_DATA_REPORT_H

#include "status.h"

#include <stdbool.h>

/* Faults first: with `strict` they are errors. The last ones are the training rules' own
 * (arXiv 2404.13013's data code): they are counted, and never told or refused. */
typedef enum gm_data_fault {
  GM_FAULT_ENTRY,       /* a member is absent or of another type */
  GM_FAULT_ID_TWICE,    /* a picture or category whose id an earlier one has */
  GM_FAULT_NAME_TWICE,  /* categories of one name are joined */
  GM_FAULT_NO_PICTURE,  /* an annotation of a picture that is not listed */
  GM_FAULT_NO_CATEGORY, /* ... of a category that is not listed */
  GM_FAULT_BOX_NUMBERS, /* not four finite numbers */
  GM_FAULT_BOX_AREA,    /* no area, or a side under a pixel */
  GM_FAULT_BOX_OUTSIDE, /* wholly outside the picture */
  GM_FAULT_TEXT,        /* empty, or a span that is not inside its text */
  GM_FAULT_TAGS,        /* text with the model's own tags in it */
  GM_FAULT_OVERLAP,     /* a phrase that overlaps an earlier one of its caption */
  GM_FAULT_FILE,        /* a picture that cannot be read */
  GM_FAULT_SIZE,        /* a picture of another size than its entry says */
  GM_RULE_CROWD,        /* boxes marked iscrowd or ignore */
  GM_RULE_SMALL,        /* pictures with a side under 32 pixels */
  GM_RULE_EMPTY,        /* entries of which nothing is left */
  GM_RULE_SCORE,        /* boxes under the score that is asked for */
  GM_DATA_FAULTS        /* number of kinds */
} gm_data_fault;

/* How many of a kind are told. */
enum { GM_FAULTS_TOLD = 5 };

/* Zero-initialised it counts and tells nobody. Not thread-safe. */
typedef struct gm_data_report {
  size_t counts[GM_DATA_FAULTS];
  bool strict;
  void *user;
  /* message: "FILE: line N: annotation 7: what is wrong", without a line end. */
  void (*tell)(void *user, gm_data_fault kind, const char *message);
} gm_data_report;

/* "boxes without area", for a table of counts. */
const char *gm_fault_name(gm_data_fault kind);
/* Whether the next fault of this kind is going to be told, or is an error: else its message
 * need not be made. */
bool gm_report_wants(const gm_data_report *report, gm_data_fault kind);
/* Counts and tells; GM_ERR_ARGUMENT with the message if the report is strict. */
gm_status gm_report_fault(gm_data_report *report, gm_data_fault kind, gm_error *err,
                          const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif

/* run_record.h - results.csv, results.png and log.jsonl of a run. Numbers that there are not
 * are empty in the table and absent in the log. */
#ifndef GM_RUN_RECORD_H
#define GM_RUN_RECORD_H

#include "run_folder.h"

#include <stddef.h>

enum { GM_RECORD_COLUMNS = 24, GM_RECORD_FIRST = 3 }; /* curves begin after step, epoch, s */

typedef struct gm_record {
  const char *names[GM_RECORD_COLUMNS]; /* step, epoch, seconds, ... */
  size_t n_columns;
  double *rows; /* [n][n_columns], owned */
  size_t n;
} gm_record;

/* Reads the rows that the table has; an empty one gets its head. GM_ERR_ARGUMENT where it has
 * other columns; GM_ERR_IO, GM_ERR_MEMORY. Free with gm_record_free, after a failure too. */
gm_status gm_record_open(gm_record *record, gm_run_folder *folder, gm_error *err);
void gm_record_free(gm_record *record);

/* row[n_columns], NaN: none. Adds it to the table and draws the curves anew. */
gm_status gm_record_add(gm_record *record, gm_run_folder *folder, const double *row,
                        gm_error *err);

/* A line of the log: {"event": event, names[i]: values[i], ...}. */
gm_status gm_record_log(gm_run_folder *folder, const char *event, const char *const *names,
                        const double *values, size_t n, gm_error *err);

#endif

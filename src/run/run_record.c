/* run_record.c - see run_record.h. */
#include "run_record.h"

#include "room.h"
#include "run_chart.h"
#include "text_buffer.h"
#include "text_read.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whole numbers as such, else six digits. */
static void print_number(char out[32], double v) {
  if (!isfinite(v))
    out[0] = 0;
  else if (v == floor(v) && fabs(v) < 1e15)
    snprintf(out, 32, "%.0f", v);
  else
    snprintf(out, 32, "%.6g", v);
}

static gm_status add_row(gm_record *r, const double *row, gm_error *err) {
  size_t bytes = r->n_columns * sizeof *r->rows;
  double *rows = gm_room_for_one(r->rows, r->n, bytes);
  if (!rows) return gm_fail_memory(err, "the results", (r->n + 1) * bytes);
  r->rows = rows;
  memcpy(rows + r->n++ * r->n_columns, row, bytes);
  return GM_OK;
}

/* ---- the table ---- */

static gm_status append_cells(gm_text *line, const gm_record *r, const double *row,
                              gm_error *err) {
  for (size_t i = 0; i < r->n_columns; i++) {
    char text[32];
    if (row) print_number(text, row[i]);
    if (i) GM_TRY(gm_text_append_string(line, ",", err));
    GM_TRY(gm_text_append_string(line, row ? text : r->names[i], err));
  }
  return gm_text_append_string(line, "\n", err);
}

/* A row, or the head (NULL). */
static gm_status write_line(const gm_record *r, gm_run_folder *folder, const double *row,
                            gm_error *err) {
  gm_text line = {0};
  gm_status status = append_cells(&line, r, row, err);
  if (status == GM_OK)
    status = gm_run_folder_append(folder, GM_LIST_RESULTS, line.bytes, line.length, err);
  gm_text_free(&line);
  return status;
}

static gm_status read_row(gm_record *r, const char **at, gm_error *err) {
  double row[GM_RECORD_COLUMNS];
  for (size_t i = 0; i < r->n_columns; i++) {
    char *end = (char *)(uintptr_t)*at;
    bool empty = strchr(",\n", *end); /* strtod would go on in the next line */
    row[i] = empty ? NAN : strtod(*at, &end);
    if (end == *at) row[i] = NAN;
    *at = end + (*end == ',');
  }
  *at += strcspn(*at, "\n");
  *at += **at == '\n';
  return add_row(r, row, err);
}

static gm_status read_table(gm_record *r, const gm_run_folder *folder, const char *text,
                            gm_error *err) {
  gm_text head = {0};
  gm_status status = append_cells(&head, r, NULL, err);
  if (status == GM_OK && strncmp(text, head.bytes, head.length) != 0)
    status =
        gm_fail(err, GM_ERR_ARGUMENT, "%s: found other columns than this run has; wanted %.*s",
                folder->paths[GM_RUN_RESULTS], (int)head.length - 1, head.bytes);
  const char *at = text + head.length;
  while (status == GM_OK && *at) status = read_row(r, &at, err);
  gm_text_free(&head);
  return status;
}

gm_status gm_record_open(gm_record *r, gm_run_folder *folder, gm_error *err) {
  char *text;
  if (!folder->lengths[GM_LIST_RESULTS]) return write_line(r, folder, NULL, err);
  GM_TRY(gm_text_read(&text, folder->paths[GM_RUN_RESULTS], err));
  gm_status status = read_table(r, folder, text, err);
  free(text);
  return status;
}

void gm_record_free(gm_record *r) {
  free(r->rows);
  r->rows = NULL;
  r->n = 0;
}

gm_status gm_record_add(gm_record *r, gm_run_folder *folder, const double *row, gm_error *err) {
  GM_TRY(write_line(r, folder, row, err));
  GM_TRY(add_row(r, row, err));
  const gm_chart chart = {.names = r->names,
                          .rows = r->rows,
                          .n = r->n,
                          .columns = r->n_columns,
                          .first = GM_RECORD_FIRST};
  return gm_chart_write(&chart, folder->paths[GM_RUN_CHART], err);
}

/* ---- the log ---- */

static gm_status append_event(gm_text *line, const char *event, const char *const *names,
                              const double *values, size_t n, gm_error *err) {
  char text[32];
  GM_TRY(gm_text_append_string(line, "{\"event\": \"", err));
  GM_TRY(gm_text_append_string(line, event, err));
  GM_TRY(gm_text_append_string(line, "\"", err));
  for (size_t i = 0; i < n; i++) {
    if (!isfinite(values[i])) continue;
    print_number(text, values[i]);
    GM_TRY(gm_text_append_string(line, ", \"", err));
    GM_TRY(gm_text_append_string(line, names[i], err));
    GM_TRY(gm_text_append_string(line, "\": ", err));
    GM_TRY(gm_text_append_string(line, text, err));
  }
  return gm_text_append_string(line, "}\n", err);
}

gm_status gm_record_log(gm_run_folder *folder, const char *event, const char *const *names,
                        const double *values, size_t n, gm_error *err) {
  gm_text line = {0};
  gm_status status = append_event(&line, event, names, values, n, err);
  if (status == GM_OK)
    status = gm_run_folder_append(folder, GM_LIST_LOG, line.bytes, line.length, err);
  gm_text_free(&line);
  return status;
}

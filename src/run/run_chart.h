/* run_chart.h - the numbers of a run as curves. */
#ifndef GM_RUN_CHART_H
#define GM_RUN_CHART_H

#include "status.h"

/* A small chart for each column from `first` on, over column 0. */
typedef struct gm_chart {
  const char *const *names; /* [columns] */
  const double *rows;       /* [n][columns]; NaN: no value */
  size_t n, columns, first;
} gm_chart;

/* The PNG is replaced as a whole. GM_ERR_IO, GM_ERR_MEMORY. */
gm_status gm_chart_write(const gm_chart *chart, const char *path, gm_error *err);

#endif

/* tune_data.h - the user's annotated pictures for tune: read, and divided into those that are
 * learned and those that are held out. */
#ifndef CLI_TUNE_DATA_H
#define CLI_TUNE_DATA_H

#include "arguments.h"
#include "dataset.h"

#include "gromatic_train.h"

typedef struct tune_data {
  dataset set, kept; /* kept: of --keep; empty without it */
  bool *is_held;     /* [set.n_pictures] */
  size_t n_held;
  gm_tune_picture *learned, *held, *old; /* as gm_tune takes them; old: of kept */
  size_t n_learned, n_old;
  /* What is measured of a held picture: its expressions, the first of each object, or without
   * --refs the names that occur once; parallel to held. */
  data_picture *measured;
  size_t n_expressions;
  char **names; /* [set.n_categories] with articles */
  void **lists; /* [n_lists] to free */
  size_t n_lists;
} tune_data;

/* False after a message. Free with tune_data_free in any case. */
bool tune_data_load(tune_data *data, const cli_args *args);
void tune_data_free(tune_data *data);

#endif

/* data_config.h - the file that says what a run is trained on:
 *
 *   {"seed": 0, "sets": [{"name", "format", "file", "images", "source", "share", "task"}, ...],
 *    "val": [...]}
 *
 * Needed of a set: name, format, file and task. images: the pictures' folder, by default
 * images/ beside file. source: coco (default) or sa1b. share: 1 by default. Paths are relative
 * to the configuration. Unknown members are errors. */
#ifndef GM_DATA_CONFIG_H
#define GM_DATA_CONFIG_H

#include "data_set.h"

typedef struct gm_data_config {
  uint64_t seed;
  gm_data_spec *sets, *val; /* val: held out, for evaluation */
  size_t n_sets, n_val;
} gm_data_config;

/* Errors name file and line: GM_ERR_FILE_NOT_FOUND, GM_ERR_IO, GM_ERR_MEMORY, GM_ERR_ARGUMENT.
 * On an error *out is empty. */
gm_status gm_data_config_load(gm_data_config *out, const char *path, gm_error *err);
void gm_data_config_free(gm_data_config *config);

#endif

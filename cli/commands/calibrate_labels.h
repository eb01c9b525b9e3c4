/* calibrate_labels.h - gromatic calibrate label: fits the head of a CLIP that says which
 * regions have no name. */
#ifndef CLI_CALIBRATE_LABELS_H
#define CLI_CALIBRATE_LABELS_H

#include "arguments.h"
#include "tune_data.h"

bool cli_calibrates_labels(const cli_args *args);
/* Returns an exit code. */
int cli_calibrate_labels(const cli_args *args, const tune_data *data);

#endif

/* thresholds.h - reads limits of classes: a JSON object {class: T}. */
#ifndef CLI_THRESHOLDS_H
#define CLI_THRESHOLDS_H

#include <stdbool.h>
#include <stddef.h>

/* Sets limits[i] for each class that the file names; the others stay. False after a message: a
 * name that is none of the classes, or a value that is no number from -1 to 1. */
bool cli_thresholds_read(const char *path, const char *const *names, size_t n, float *limits);

#endif

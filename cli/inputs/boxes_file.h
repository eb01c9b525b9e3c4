/* boxes_file.h - reads a user's boxes from a file: JSON [[x1,y1,x2,y2], ...] or [{"box":
 * [...]}, ...], or lines x1,y1,x2,y2. */
#ifndef CLI_BOXES_FILE_H
#define CLI_BOXES_FILE_H

#include <stdbool.h>
#include <stddef.h>

/* False after a message. The caller frees the boxes. */
bool cli_read_boxes_file(const char *path, double (**out)[4], size_t *n);
/* Appends to an array from realloc; false if memory is short. */
bool cli_boxes_add(double (**boxes)[4], size_t *n, const double box[4]);

#endif

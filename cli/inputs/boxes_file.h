/* boxes_file.h - a user's boxes as they stand in a file: JSON [[x1,y1,x2,y2], ...] or
 * [{"box": [...]}, ...], or lines x1,y1,x2,y2. */
#ifndef CLI_BOXES_FILE_H
#define CLI_BOXES_FILE_H

#include <stdbool.h>
#include <stddef.h>

/* False after a message. free() them. */
bool cli_read_boxes_file(const char *path, double (**out)[4], size_t *n);
/* Appends to an array that realloc made; false if memory is short. */
bool cli_boxes_add(double (**boxes)[4], size_t *n, const double box[4]);

#endif

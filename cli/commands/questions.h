/* questions.h - what a question to a model is checked for before it is asked. */
#ifndef CLI_QUESTIONS_H
#define CLI_QUESTIONS_H

#include <stdbool.h>
#include <stddef.h>

enum { CLI_PLACE = 12 };

/* Whether a question says {k} without a box k, of n_boxes from {1}; place becomes the first
 * such "{k}". */
bool cli_place_without_box(const char *question, size_t n_boxes, char place[CLI_PLACE]);

#endif

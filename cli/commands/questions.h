/* questions.h - checks of a question before it is asked. */
#ifndef CLI_QUESTIONS_H
#define CLI_QUESTIONS_H

#include <stdbool.h>
#include <stddef.h>

enum { CLI_PLACE = 12 };

/* Whether a question has a {k} without a box k in 1..n_boxes; place becomes the first one. */
bool cli_place_without_box(const char *question, size_t n_boxes, char place[CLI_PLACE]);

#endif

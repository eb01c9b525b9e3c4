/* terminal_text.h - the one way by which text from outside (names of files and classes, words
 * of a model, messages that quote them) reaches a terminal: what could steer it becomes '?',
 * and columns are as wide as they are seen. */
#ifndef CLI_TERMINAL_TEXT_H
#define CLI_TERMINAL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Text of several lines: tabs and line ends stay. */
void cli_put_text(FILE *out, const char *text, size_t length);

/* Text that stays on its line, such as a name: tabs and line ends become '?' too. */
void cli_put_name(FILE *out, const char *name);

/* The same, filled up with spaces to `width` columns. */
void cli_put_column(FILE *out, const char *text, size_t width);

/* Columns that cli_put_name takes. */
size_t cli_text_width(const char *text);

/* A line of JSON: what could steer a terminal is written as \uXXXX, which means the same. False
 * where it cannot be written. */
bool cli_put_json(FILE *out, const char *json);

/* printf, then cli_put_text. */
void cli_print(FILE *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif

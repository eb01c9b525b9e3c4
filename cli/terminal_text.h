/* terminal_text.h - the only way for text from outside (names of files and classes, a model's
 * words, messages that quote them) to a terminal. Characters that could steer it become '?',
 * and columns are as wide as they are seen. */
#ifndef CLI_TERMINAL_TEXT_H
#define CLI_TERMINAL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Prints text of several lines: tabs and line ends stay. */
void cli_put_text(FILE *out, const char *text, size_t length);

/* Prints text that stays on its line, such as a name: tabs and line ends become '?' too. */
void cli_put_name(FILE *out, const char *name);

/* The same, padded with spaces to `width` columns. */
void cli_put_column(FILE *out, const char *text, size_t width);

/* The number of columns that cli_put_name takes. */
size_t cli_text_width(const char *text);

/* Prints a line of JSON: characters that could steer a terminal are written as \uXXXX, which
 * means the same. False if it cannot be written. */
bool cli_put_json(FILE *out, const char *json);

/* printf, then cli_put_text. */
void cli_print(FILE *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif

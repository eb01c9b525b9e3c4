/* name_list.h - reads a list of names, @FILE or @- : one a line, or each followed by a zero
 * byte (as find -print0 writes them), as they come.
 *
 * Names of files are bytes, so lines need not be UTF-8. A list in UTF-16 or UTF-32 is refused,
 * and so is a name that is neither UTF-8 nor an existing file. */
#ifndef CLI_NAME_LIST_H
#define CLI_NAME_LIST_H

#include <stdbool.h>

typedef struct name_list name_list;

/* "-" is standard input. NULL after a message. */
name_list *name_list_open(const char *path);
void name_list_close(name_list *list);

/* Whether names may come one by one, from a writer that waits for answers: a pipe, a terminal.
 */
bool name_list_comes_slowly(const name_list *list);

typedef enum {
  INPUT_THERE,
  INPUT_LATER, /* not yet known, or Ctrl-C came while waiting */
  INPUT_NONE,  /* the end */
  INPUT_WRONG  /* after a message */
} input_state;

/* The next name, valid until the next call. wait: wait for it. */
input_state name_list_next(name_list *list, bool wait, const char **name);

/* At the end: whether the list was empty, after a message. */
bool name_list_is_empty(const name_list *list);

#endif

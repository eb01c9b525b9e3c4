/* name_list.h - a list of names, @FILE or @- : one a line, or each with a zero byte after it
 * (as find -print0 writes them), read as they come.
 *
 * Names of files are bytes: lines need not be UTF-8. A list in UTF-16 or UTF-32 is refused, and
 * so is a name that is neither UTF-8 nor there. */
#ifndef CLI_NAME_LIST_H
#define CLI_NAME_LIST_H

#include <stdbool.h>

typedef struct name_list name_list;

/* "-" is standard input. NULL after a message. */
name_list *name_list_open(const char *path);
void name_list_close(name_list *list);

/* True where its names may come one by one, from somebody who waits for the answers: a pipe, a
 * terminal. */
bool name_list_comes_slowly(const name_list *list);

typedef enum {
  INPUT_THERE,
  INPUT_LATER, /* not yet there, or Ctrl-C came while it was waited for */
  INPUT_NONE,  /* the end */
  INPUT_WRONG  /* after a message */
} input_state;

/* The next name, which lives until the next call. wait: until it is there. */
input_state name_list_next(name_list *list, bool wait, const char **name);

/* At the end: whether no name was in it, after a message. */
bool name_list_is_empty(const name_list *list);

#endif

/* reply_array.h - finds the conversation in what a language model replied: the first JSON array
 * of objects of which one at least has the strings "q" and "a". What stands around it is passed
 * over, commas too many are removed, and of an array that is cut off or broken the whole
 * objects before that count. */
#ifndef CLI_REPLY_ARRAY_H
#define CLI_REPLY_ARRAY_H

#include <stdbool.h>
#include <stddef.h>

/* No more turns of a reply are read; by then each further one is too many (reply_check.h). */
enum { REPLY_MOST_TURNS = 64 };

typedef struct reply_turn {
  char *q, *a; /* NULL: missing, or no string */
} reply_turn;

typedef struct reply_array {
  reply_turn turns[REPLY_MOST_TURNS];
  size_t n;    /* 0: the reply has no such array */
  bool mended; /* something was passed over or removed */
} reply_array;

/* False if memory is short. Free with reply_array_free in any case. */
bool reply_array_read(reply_array *out, const char *reply);
void reply_array_free(reply_array *array);

#endif
